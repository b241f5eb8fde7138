//! What a run did: the documents as it left them.

use rusqlite::{OptionalExtension, params};

use super::Reader;
use super::convert::failure_kind;
use super::run_row::{COLUMNS, run_from_row, with_phases};
use crate::domain::{FailureKind, RunId, RunState};
use crate::kb::KbError;

/// Limit on the characters of an error in a list.
const ERROR_CHARS_MAX: u32 = 8192;

/// A document that was last touched by a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TouchedDocument {
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// What the run did to it.
    pub touch: Touch,
}

/// What a run did to a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It saved a new text.
    Saved,
    /// It chunked or embedded the saved text again.
    MadeAgain,
    /// It found that the current version cannot be ingested, or is to be skipped.
    Failed {
        /// How it failed.
        kind: FailureKind,
        /// Why.
        error: String,
    },
}

impl Reader {
    /// Returns the run `id`; `None` if there was none or it is no longer kept.
    pub fn find_run(&self, id: RunId) -> Result<Option<RunState>, KbError> {
        self.read(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1");
            let run = tx.prepare_cached(&sql)?.query_row([id.0], run_from_row).optional()?;
            run.map(|run| with_phases(tx, run)).transpose()
        })
    }

    /// Returns the documents that are as run `id` left them, in the order of lists. What a later
    /// run saved again, and what any run deleted, is not among them: the file keeps no names of it.
    pub fn touched_documents(&self, id: RunId) -> Result<Vec<TouchedDocument>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.source, document.uri, document.run_id = ?1, failure.kind,
                        substr(failure.error, 1, ?2)
                 FROM document
                 LEFT JOIN failure ON failure.document_id = document.id AND failure.run_id = ?1
                 WHERE document.run_id = ?1 OR failure.run_id = ?1
                   OR EXISTS (SELECT 1 FROM revision
                              WHERE revision.document_id = document.id AND revision.run_id = ?1)
                 ORDER BY document.source, replace(document.uri, '/', char(1))",
            )?;
            let documents = statement.query_map(params![id.0, ERROR_CHARS_MAX], |row| {
                let kind = row.get::<_, Option<String>>(3)?;
                let touch = match kind {
                    Some(kind) => {
                        Touch::Failed { kind: failure_kind(3, &kind)?, error: row.get(4)? }
                    }
                    None if row.get(2)? => Touch::Saved,
                    None => Touch::MadeAgain,
                };
                Ok(TouchedDocument { source: row.get(0)?, uri: row.get(1)?, touch })
            })?;
            Ok(documents.collect::<Result<_, _>>()?)
        })
    }
}

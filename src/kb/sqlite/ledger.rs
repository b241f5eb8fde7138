//! The ledger: what the knowledge base knows about a source's documents, in the order of a sorted
//! walk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Transaction, params};

use super::Reader;
use super::convert::{failure_kind, from_sql, size_to_sql, stage};
use crate::domain::{DocumentId, FailureKind, RunId, Stage, Version};
use crate::kb::KbError;

/// The state of a document when it was last read.
#[derive(Clone, Debug)]
pub struct LedgerRow {
    /// The document.
    pub id: DocumentId,
    /// Its URI.
    pub uri: String,
    /// Version of the bytes last read; `None` if only their hash shows a change.
    pub version: Option<Version>,
    /// The extractor that was used.
    pub extract_fp: Arc<str>,
    /// The run that last saved a text of it.
    pub run: RunId,
    /// Stage and kind of its failure, if it failed.
    pub failure: Option<(Stage, FailureKind)>,
    /// The run that recorded this failure.
    pub failed_in: Option<RunId>,
}

impl Reader {
    /// Returns the documents of `source` after `after` in the order of a sorted walk, at most
    /// `limit`.
    pub fn ledger_page(
        &self,
        source: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<LedgerRow>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.id, document.uri, document.version, document.extract_fp,
                        document.run_id, failure.stage, failure.kind, failure.run_id
                 FROM document LEFT JOIN failure ON failure.document_id = document.id
                 WHERE document.source = ?1
                   AND replace(document.uri, '/', char(1)) > replace(?2, '/', char(1))
                 ORDER BY replace(document.uri, '/', char(1)) LIMIT ?3",
            )?;
            let after = after.unwrap_or("");
            // Neighbours mostly have the same extractor, and share its name.
            let mut extract_fp: Arc<str> = "".into();
            let rows = statement.query_map(params![source, after, size_to_sql(limit)], |row| {
                let failed = match row.get::<_, Option<String>>(5)? {
                    Some(at) => {
                        let kind = row.get::<_, String>(6)?;
                        Some((stage(5, &at)?, failure_kind(6, &kind)?))
                    }
                    None => None,
                };
                let handled_by = row.get_ref(3)?.as_str()?;
                if handled_by != &*extract_fp {
                    extract_fp = handled_by.into();
                }
                Ok(LedgerRow {
                    id: DocumentId(row.get(0)?),
                    uri: row.get(1)?,
                    version: row.get::<_, Option<String>>(2)?.map(Version),
                    extract_fp: Arc::clone(&extract_fp),
                    run: RunId(row.get(4)?),
                    failure: failed,
                    failed_in: row.get::<_, Option<i64>>(7)?.map(RunId),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the document of `source` with this URI.
    pub fn find_document(&self, source: &str, uri: &str) -> Result<Option<DocumentId>, KbError> {
        self.read(|tx| find_document(tx, source, uri))
    }

    /// Returns how many documents of `source` the knowledge base knows.
    pub fn document_count(&self, source: &str) -> Result<u64, KbError> {
        self.read(|tx| {
            // SQLite counts all rows without reading each, and usually all are of one source.
            let mut statement = tx.prepare_cached(
                "SELECT CASE WHEN (SELECT min(source) FROM document) = ?1
                              AND (SELECT max(source) FROM document) = ?1
                   THEN (SELECT COUNT(*) FROM document)
                   ELSE (SELECT COUNT(*) FROM document WHERE source = ?1) END",
            )?;
            Ok(from_sql(statement.query_row([source], |row| row.get(0))?))
        })
    }

    /// Returns the documents of `source`, in no particular order.
    pub fn documents_of(&self, source: &str) -> Result<Vec<DocumentId>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT id FROM document WHERE source = ?1")?;
            let documents = statement.query_map([source], |row| row.get(0).map(DocumentId))?;
            Ok(documents.collect::<Result<_, _>>()?)
        })
    }

    /// Returns how many of the `gone` documents of `source` have a text that no other document of
    /// it has: the others were moved, or never had one.
    pub fn lost_texts(&self, source: &str, gone: &[DocumentId]) -> Result<u64, KbError> {
        let gone: HashSet<_> = gone.iter().collect();
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.id, revision.content_hash
                 FROM document CROSS JOIN revision ON revision.document_id = document.id
                 WHERE document.source = ?1",
            )?;
            let mut rows = statement.query([source])?;
            let (mut kept, mut lost) = (HashSet::new(), HashMap::new());
            while let Some(row) = rows.next()? {
                let (document, hash) = (DocumentId(row.get(0)?), row.get::<_, [u8; 32]>(1)?);
                if gone.contains(&document) {
                    lost.insert(document, hash);
                } else {
                    kept.insert(hash);
                }
            }
            Ok(lost.values().filter(|hash| !kept.contains(*hash)).count() as u64)
        })
    }

    /// Reports whether one of `documents` has a text.
    pub fn has_text(&self, documents: &[DocumentId]) -> Result<bool, KbError> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM revision WHERE document_id = ?1)")?;
            for document in documents {
                if statement.query_row([document.0], |row| row.get(0))? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Reports whether a document of the source `name` is known.
    pub fn has_source(&self, name: &str) -> Result<bool, KbError> {
        self.read(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM document WHERE source = ?1)";
            Ok(tx.prepare_cached(sql)?.query_row([name], |row| row.get(0))?)
        })
    }

    /// Returns the names of the sources that documents come from, sorted.
    pub fn source_names(&self) -> Result<Vec<String>, KbError> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT DISTINCT source FROM document ORDER BY source")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }
}

/// Returns the document of `source` with the URI `uri`.
pub(super) fn find_document(
    tx: &Transaction<'_>,
    source: &str,
    uri: &str,
) -> Result<Option<DocumentId>, KbError> {
    let id = tx
        .prepare_cached(
            "SELECT id FROM document
             WHERE source = ?1 AND replace(uri, '/', char(1)) = replace(?2, '/', char(1))",
        )?
        .query_row([source, uri], |row| row.get(0))
        .optional()?;
    Ok(id.map(DocumentId))
}

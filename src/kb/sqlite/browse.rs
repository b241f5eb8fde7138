//! The live documents as people browse them: listed in pages, and read whole or in passages.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::Reader;
use super::convert::{
    failure_kind, format_of, from_sql, id, media_type, size_from_sql, small, utf8,
};
use super::search::{DocumentView, Filter, LinesIn, day_of};
use crate::domain::{ChunkId, FailureKind, LineMap, MediaType};
use crate::kb::{Day, KbError};

/// Limit on the characters of an error in a list.
const ERROR_CHARS_MAX: u32 = 8192;

/// A document in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedDocument {
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Its title; empty before a text of it is saved.
    pub title: String,
    /// The day that its metadata or its name state.
    pub date: Option<Day>,
    /// Number of its chunks that searches see.
    pub chunks: u64,
    /// Bytes of the text that searches see.
    pub text_bytes: u64,
    /// Name of what extracted it, as in `pdf`; empty if searches see no version of it.
    pub format: String,
    /// What the last run made of it.
    pub state: DocumentState,
    /// Whether searches see it, perhaps in an earlier version.
    pub is_live: bool,
    /// Why its current version is not ingested.
    pub error: Option<String>,
}

/// What has become of the current version of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DocumentState {
    /// Searches see it.
    Live,
    /// A run has yet to read it, or to make its chunks and vectors.
    Waiting,
    /// It failed.
    Failed,
    /// It is skipped on purpose.
    Skipped,
}

impl DocumentState {
    /// Returns its name in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The place of a document in the order of lists: by source, then folder by folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPlace {
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
}

/// A source with what searches see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceCount {
    /// Its name.
    pub source: String,
    /// Its live documents.
    pub documents: u64,
    /// Their chunks.
    pub chunks: u64,
}

/// A live document with its text.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeDocument {
    /// Its title.
    pub title: String,
    /// What its text is.
    pub media_type: MediaType,
    /// Name of what extracted it, as in `pdf`.
    pub format: String,
    /// The day that its metadata or its name state.
    pub date: Option<Day>,
    /// Its metadata, a JSON object.
    pub metadata: String,
    /// The text.
    pub text: String,
    /// What the lines of its passages belong to.
    pub lines_in: LinesIn,
    /// The lines of the file that those of the text come from.
    pub lines: LineMap,
    /// Its chunks, in order.
    pub passages: Vec<Passage>,
}

impl WholeDocument {
    /// Returns the text of one of its passages.
    pub fn text_of(&self, passage: &Passage) -> &str {
        &self.text[passage.start_byte..passage.end_byte]
    }

    /// Returns the first passage of each heading, with its number.
    pub fn headings(&self) -> impl Iterator<Item = (usize, &Passage)> {
        let mut last = None;
        let passages = self.passages.iter().enumerate();
        passages.filter(move |(_, passage)| {
            last.replace(&passage.heading_path) != Some(&passage.heading_path)
        })
    }
}

/// A chunk of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Headings above it, joined by ` > `.
    pub heading_path: String,
    /// First byte in the text.
    pub start_byte: usize,
    /// One past its last byte.
    pub end_byte: usize,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
    /// Identifies the chunk across revisions, 32 hex digits.
    pub key: String,
    /// Its id in the file.
    pub id: ChunkId,
    /// Tokens of the embedded text.
    pub token_count: u64,
}

/// The state of a knowledge base that searches are prepared for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    run: i64,
    status: String,
    analysis: String,
}

impl Reader {
    /// Returns what changes when a run begins or ends, or when another file is published.
    pub fn generation(&self) -> Result<Generation, KbError> {
        self.read(|tx| {
            let run = tx
                .prepare_cached("SELECT id, status FROM run ORDER BY id DESC LIMIT 1")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let (run, status) = run.unwrap_or_default();
            let analysis = tx
                .prepare_cached("SELECT fingerprint FROM analysis")?
                .query_row([], |row| row.get(0))?;
            Ok(Generation { run, status, analysis })
        })
    }

    /// Returns the sources with the number of their live documents, by name.
    pub fn source_counts(&self) -> Result<Vec<SourceCount>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.source, COUNT(*), SUM(revision.chunk_total)
                 FROM revision CROSS JOIN document ON document.id = revision.document_id
                 WHERE revision.state = 'live' GROUP BY document.source ORDER BY document.source",
            )?;
            let counts = statement.query_map([], |row| {
                Ok(SourceCount {
                    source: row.get(0)?,
                    documents: from_sql(row.get(1)?),
                    chunks: from_sql(row.get(2)?),
                })
            })?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
    }

    /// Calls `each` with the documents that `filter` admits, in the order of lists, from the first
    /// one behind `after`, until it breaks.
    pub fn list_documents(
        &self,
        filter: &Filter,
        after: &ListPlace,
        each: &mut dyn FnMut(ListedDocument) -> ControlFlow<()>,
    ) -> Result<(), KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.source, document.uri, ifnull(live.metadata, ifnull(next.metadata, '')),
                        ifnull(live.title, ifnull(next.title, '')), ifnull(live.chunk_total, 0),
                        ifnull(live.text_bytes, 0), ifnull(live.extract_fp, ''), live.id IS NOT NULL,
                        next.id IS NULL, failure.kind, substr(failure.error, 1, ?3)
                 FROM document
                 LEFT JOIN revision AS live ON live.document_id = document.id AND live.state = 'live'
                 LEFT JOIN revision AS next ON next.document_id = document.id AND next.state <> 'live'
                 LEFT JOIN failure ON failure.document_id = document.id
                 WHERE (document.source, replace(document.uri, '/', char(1)))
                       > (?1, replace(?2, '/', char(1)))
                 ORDER BY document.source, replace(document.uri, '/', char(1))",
            )?;
            let mut rows = statement.query(params![after.source, after.uri, ERROR_CHARS_MAX])?;
            while let Some(row) = rows.next()? {
                let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
                let view = DocumentView { source: text(0)?, uri: text(1)?, metadata: text(2)? };
                if filter.admits(view) && each(listed(row, view)?).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Returns the sources that have a live document with this URI, by name.
    pub fn sources_of(&self, uri: &str) -> Result<Vec<String>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.source FROM document
                 JOIN revision ON revision.document_id = document.id AND revision.state = 'live'
                 WHERE replace(document.uri, '/', char(1)) = replace(?1, '/', char(1))
                 ORDER BY document.source",
            )?;
            let sources = statement.query_map([uri], |row| row.get(0))?;
            Ok(sources.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the live document at `place`; `None` if there is none.
    pub fn document(&self, place: &ListPlace) -> Result<Option<WholeDocument>, KbError> {
        self.read(|tx| {
            let found = tx
                .prepare_cached(
                    "SELECT revision.id, revision.title, revision.media_type, revision.metadata,
                            content.text, content.lines, revision.extract_fp
                     FROM document
                     JOIN revision ON revision.document_id = document.id AND revision.state = 'live'
                     JOIN content ON content.id = revision.content_id
                     WHERE document.source = ?1
                       AND replace(document.uri, '/', char(1)) = replace(?2, '/', char(1))",
                )?
                .query_row([&place.source, &place.uri], |row| {
                    Ok((
                        id(row, 0)?,
                        row.get(1)?,
                        media_type(2, &row.get::<_, String>(2)?)?,
                        row.get::<_, String>(3)?,
                        row.get(4)?,
                        LineMap::from_bytes(row.get::<_, Option<Vec<u8>>>(5)?.as_deref()),
                        row.get::<_, String>(6)?,
                    ))
                })
                .optional()?;
            let Some((revision, title, media_type, metadata, text, lines, extract_fp)) = found
            else {
                return Ok(None);
            };
            let text = utf8(text)?;
            let view = DocumentView { source: &place.source, uri: &place.uri, metadata: &metadata };
            let date = day_of(view);
            let passages = passages(tx, revision, &text)?;
            let lines_in = match lines {
                LineMap::Unknown => LinesIn::Text,
                LineMap::OfFile | LineMap::Known(_) => LinesIn::File,
            };
            Ok(Some(WholeDocument {
                title,
                media_type,
                format: format_of(&extract_fp),
                date,
                metadata,
                text,
                lines_in,
                lines,
                passages,
            }))
        })
    }
}

/// Returns the document that `view` is of, from a row of the statement of lists.
fn listed(row: &Row<'_>, view: DocumentView<'_>) -> Result<ListedDocument, KbError> {
    let kind = row.get::<_, Option<String>>(9)?.map(|kind| failure_kind(9, &kind)).transpose()?;
    let (is_live, is_settled): (bool, bool) = (row.get(7)?, row.get(8)?);
    let state = match kind {
        Some(FailureKind::Skipped) => DocumentState::Skipped,
        Some(FailureKind::Permanent | FailureKind::Transient) => DocumentState::Failed,
        None if is_live && is_settled => DocumentState::Live,
        None => DocumentState::Waiting,
    };
    Ok(ListedDocument {
        source: view.source.to_owned(),
        uri: view.uri.to_owned(),
        title: row.get(3)?,
        date: day_of(view),
        chunks: from_sql(row.get(4)?),
        text_bytes: from_sql(row.get(5)?),
        format: format_of(row.get_ref(6)?.as_str().unwrap_or_default()),
        state,
        is_live,
        error: row.get(10)?,
    })
}

/// Returns the chunks of a revision whose spans are in `text`; others are damage, which `check`
/// finds.
fn passages(tx: &Transaction<'_>, revision: i64, text: &str) -> Result<Vec<Passage>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT heading_path, start_byte, end_byte, start_line, end_line, lower(hex(key)), id,
                token_count
         FROM chunk WHERE revision_id = ?1 ORDER BY ordinal",
    )?;
    let passages = statement.query_map([revision], |row| {
        let number = |column: usize| small(row, column).map(from_sql);
        let byte = |column: usize| small(row, column).map(size_from_sql);
        Ok(Passage {
            heading_path: row.get(0)?,
            start_byte: byte(1)?,
            end_byte: byte(2)?,
            start_line: number(3)?,
            end_line: number(4)?,
            key: row.get(5)?,
            id: ChunkId(row.get(6)?),
            token_count: number(7)?,
        })
    })?;
    let mut passages: Vec<Passage> = passages.collect::<Result<_, _>>()?;
    passages.retain(|passage| text.get(passage.start_byte..passage.end_byte).is_some());
    Ok(passages)
}

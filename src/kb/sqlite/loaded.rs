//! Reads chunks by revision, with the text that they are spans of.

use std::sync::OnceLock;

use rusqlite::{OptionalExtension, Transaction, params};

use super::Reader;
use super::convert::{id, size_from_sql, size_to_sql, small, utf8};
use crate::analysis;
use crate::analysis::noise::{self, Noise};
use crate::domain::{Chunk, ChunkId, ChunkRange, LineRange, RevisionId, Span};
use crate::kb::KbError;

/// Chunks of one revision, with its text.
#[derive(Clone, Debug)]
pub struct LoadedRevision {
    /// The revision.
    pub id: RevisionId,
    /// URI of the document inside its source.
    pub uri: String,
    /// Title of the document.
    pub title: String,
    /// The words of its metadata; see [`analysis::about`].
    pub about: String,
    /// The whole text.
    pub text: String,
    /// Number of chunks of the whole revision.
    pub chunk_total: usize,
    /// The chunks that were asked for, in order.
    pub chunks: Vec<QueuedChunk>,
    /// All noise of the text, once it was asked for.
    pub noise: OnceLock<Vec<Noise>>,
}

impl LoadedRevision {
    /// Returns all noise of the text, which is searched for once.
    pub fn noise(&self) -> &[Noise] {
        self.noise.get_or_init(|| noise::of(&self.text))
    }
}

/// A chunk to embed.
#[derive(Clone, Debug)]
pub struct QueuedChunk {
    /// Its id.
    pub id: ChunkId,
    /// Its position in the text.
    pub chunk: Chunk,
    /// Hash of its embedded text.
    pub input_hash: [u8; 16],
}

impl Reader {
    /// Reads the chunks of `ranges` that have no vector yet, by revision.
    pub fn load(&self, ranges: &[ChunkRange]) -> Result<Vec<LoadedRevision>, KbError> {
        self.read(|tx| {
            let mut revisions: Vec<LoadedRevision> = Vec::new();
            for range in ranges {
                load_range(
                    tx,
                    "NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id) AND
                     chunk.id BETWEEN ?1 AND ?2",
                    *range,
                    &mut revisions,
                )?;
            }
            Ok(revisions)
        })
    }

    /// Reads a whole revision whose last `wanted` chunks are about to be stored; `None` if more
    /// than these are missing.
    pub fn load_if_complete_with(
        &self,
        revision: RevisionId,
        wanted: usize,
    ) -> Result<Option<LoadedRevision>, KbError> {
        self.read(|tx| {
            let ids = tx
                .prepare_cached(
                    "SELECT first_chunk, first_chunk + chunk_total - 1 FROM revision
                     WHERE id = ?1 AND state = 'chunked' AND chunk_stored + ?2 = chunk_total",
                )?
                .query_row(params![revision.0, size_to_sql(wanted)], |row| {
                    Ok(ChunkRange { first: ChunkId(id(row, 0)?), last: ChunkId(id(row, 1)?) })
                })
                .optional()?;
            let Some(ids) = ids else { return Ok(None) };
            let mut revisions = Vec::new();
            load_range(tx, "chunk.id BETWEEN ?1 AND ?2", ids, &mut revisions)?;
            Ok(revisions.pop())
        })
    }
}

/// Adds the unfinished chunks of `range` that meet `condition` to `revisions`.
fn load_range(
    tx: &Transaction<'_>,
    condition: &str,
    range: ChunkRange,
    revisions: &mut Vec<LoadedRevision>,
) -> Result<(), KbError> {
    let condition = format!("revision.state = 'chunked' AND {condition}");
    load_where(tx, &condition, &[range.first.0, range.last.0], revisions)
}

/// Adds the chunks that meet `condition` to `revisions`; the first may belong to the last of these.
pub fn load_where(
    tx: &Transaction<'_>,
    condition: &str,
    parameters: &[i64],
    revisions: &mut Vec<LoadedRevision>,
) -> Result<(), KbError> {
    let sql = format!(
        "SELECT chunk.revision_id, chunk.id, start_byte, end_byte, start_line, end_line, prefix_start,
                prefix_end, overlap_start, heading_path, token_count, input_hash, row_start,
                row_end
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         WHERE {condition} ORDER BY chunk.id"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let current = RevisionId(row.get(0)?);
        if revisions.last().is_none_or(|last| last.id != current) {
            revisions.push(load_head(tx, current)?);
        }
        let size = |column: usize| small(row, column).map(size_from_sql);
        let optional =
            |column: usize| row.get::<_, Option<i64>>(column).map(|value| value.map(size_from_sql));
        let text = revisions.last().map_or("", |revision| &revision.text);
        let span = span_of(text, size(2)?, size(3)?)?;
        let prefix = optional(6)?.zip(optional(7)?);
        let row_head = optional(12)?.zip(optional(13)?);
        let chunk = Chunk {
            span,
            prefix: prefix.map(|(start, end)| span_of(text, start, end)).transpose()?,
            row_head: row_head.map(|(start, end)| span_of(text, start, end)).transpose()?,
            overlap: optional(8)?.map(|start| span_of(text, start, span.start)).transpose()?,
            lines: LineRange { first: size(4)?, last: size(5)? },
            heading_path: row.get(9)?,
            token_count: size(10)?,
        };
        let id = ChunkId(id(row, 1)?);
        if let Some(revision) = revisions.last_mut() {
            revision.chunks.push(QueuedChunk { id, chunk, input_hash: row.get(11)? });
        }
    }
    Ok(())
}

/// Returns a revision with its chunks, of which there may be none.
pub fn load_whole(tx: &Transaction<'_>, id: RevisionId) -> Result<LoadedRevision, KbError> {
    let mut loaded = Vec::new();
    load_where(tx, "revision.id = ?1", &[id.0], &mut loaded)?;
    loaded.pop().map_or_else(|| load_head(tx, id), Ok)
}

/// Returns the span `start .. end` of `text`; an error if there is no such span.
fn span_of(text: &str, start: usize, end: usize) -> Result<Span, KbError> {
    match text.get(start..end) {
        Some(_) => Ok(Span::new(start, end)),
        None => Err(KbError::Damaged(format!("bytes {start} to {end} are no part of their text"))),
    }
}

/// Returns a revision without its chunks.
fn load_head(tx: &Transaction<'_>, id: RevisionId) -> Result<LoadedRevision, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT document.uri, revision.title, content.text, revision.chunk_total, revision.metadata
         FROM revision JOIN content ON content.id = revision.content_id
         JOIN document ON document.id = revision.document_id WHERE revision.id = ?1",
    )?;
    let (loaded, text) = statement.query_row([id.0], |row| {
        let loaded = LoadedRevision {
            id,
            uri: row.get(0)?,
            title: row.get(1)?,
            about: analysis::about(&row.get::<_, String>(4)?),
            text: String::new(),
            chunk_total: size_from_sql(small(row, 3)?),
            chunks: Vec::new(),
            noise: OnceLock::new(),
        };
        Ok((loaded, row.get(2)?))
    })?;
    Ok(LoadedRevision { text: utf8(text)?, ..loaded })
}

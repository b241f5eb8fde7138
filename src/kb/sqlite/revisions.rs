//! Revisions: removes them, and replaces one by a finished one.

use rusqlite::{Row, Transaction, params};

use super::convert::{ID_END, from_sql, small, within};
use super::run_row::count_superseded;
use super::{index, vectors};
use crate::domain::{ChunkId, DocumentId, RevisionId, RunId};
use crate::kb::KbError;

/// A revision with everything needed to remove it.
#[derive(Clone, Debug)]
pub struct RevisionRow {
    /// The revision.
    pub id: RevisionId,
    /// Its document.
    pub document: DocumentId,
    content: i64,
    run: RunId,
    /// Whether it is the one that searches see.
    pub is_live: bool,
    first_chunk: Option<i64>,
    chunk_total: i64,
    chunk_stored: i64,
}

impl RevisionRow {
    /// Returns the lowest and highest id of its chunks.
    pub fn chunk_ids(&self) -> Option<(i64, i64)> {
        self.first_chunk.map(|first| (first, first + self.chunk_total - 1))
    }
}

const COLUMNS: &str =
    "id, document_id, content_id, run_id, state = 'live', first_chunk, chunk_total, chunk_stored";

/// Removes every revision of `documents`; returns how many of these were live.
pub fn remove_of_documents(tx: &Transaction<'_>, documents: &[DocumentId]) -> Result<u64, KbError> {
    let mut doomed = Vec::new();
    for document in documents {
        doomed.extend(select(tx, "document_id = ?1", document.0)?);
    }
    remove(tx, &doomed)?;
    Ok(doomed.iter().filter(|revision| revision.is_live).count() as u64)
}

/// Returns every revision that is not live.
pub fn unfinished(tx: &Transaction<'_>) -> Result<Vec<RevisionRow>, KbError> {
    select(tx, "state <> 'live' AND ?1 = 0", 0)
}

/// Removes the revision of `document` that is not live yet, if there is one.
pub fn remove_unfinished(tx: &Transaction<'_>, document: DocumentId) -> Result<(), KbError> {
    let unfinished = select(tx, "document_id = ?1 AND state <> 'live'", document.0)?;
    remove(tx, &unfinished)
}

/// Makes `finished` revisions live and removes those they replace.
///
/// The caller adds their full-text rows afterwards: FTS5 requires deletes before inserts.
pub fn publish(tx: &Transaction<'_>, finished: &[RevisionId]) -> Result<(), KbError> {
    let mut replaced = Vec::new();
    for revision in finished {
        replaced.extend(select(
            tx,
            "state = 'live' AND document_id = (SELECT document_id FROM revision WHERE id = ?1)",
            revision.0,
        )?);
    }
    remove(tx, &replaced)?;
    for revision in finished {
        tx.prepare_cached("UPDATE revision SET state = 'live' WHERE id = ?1")?
            .execute([revision.0])?;
    }
    Ok(())
}

/// Removes revisions with their chunks, vectors, full-text rows, part of the queue, and texts that
/// no other revision shares.
pub fn remove(tx: &Transaction<'_>, doomed: &[RevisionRow]) -> Result<(), KbError> {
    let mut live: Vec<_> =
        doomed.iter().filter(|row| row.is_live).filter_map(RevisionRow::chunk_ids).collect();
    live.sort_unstable();
    for (first, last) in live {
        index::remove_between(tx, ChunkId(first), ChunkId(last))?;
    }
    let mut stored: Vec<_> = doomed.iter().filter_map(RevisionRow::chunk_ids).collect();
    stored.sort_unstable();
    vectors::remove(tx, &stored)?;
    for row in doomed {
        remove_chunks(tx, row)?;
        tx.prepare_cached("DELETE FROM revision WHERE id = ?1")?.execute([row.id.0])?;
        tx.prepare_cached(
            "DELETE FROM content WHERE id = ?1
               AND NOT EXISTS (SELECT 1 FROM revision WHERE content_id = ?1)",
        )?
        .execute([row.content])?;
    }
    Ok(())
}

/// Resets an unfinished revision to its saved text, to be chunked again for `run`.
pub fn reset_to_saved(tx: &Transaction<'_>, row: &RevisionRow, run: RunId) -> Result<(), KbError> {
    // The checks between columns require changing the row before its chunks are deleted.
    tx.prepare_cached(
        "UPDATE revision SET state = 'saved', first_chunk = NULL, chunk_total = 0, chunk_stored = 0,
                chunk_fp = NULL, embed_fp = NULL, run_id = ?2 WHERE id = ?1",
    )?
    .execute(params![row.id.0, run.0])?;
    forget_embed_failure(tx, row.document)?;
    vectors::remove(tx, row.chunk_ids().as_slice())?;
    remove_chunks(tx, row)
}

/// Deletes the failure to embed `document`; a failure to read newer bytes remains.
///
/// It may have replaced such a failure, so the document is read again.
fn forget_embed_failure(tx: &Transaction<'_>, document: DocumentId) -> Result<(), KbError> {
    let forgotten = tx
        .prepare_cached("DELETE FROM failure WHERE document_id = ?1 AND stage = 'embed'")?
        .execute([document.0])?;
    if forgotten > 0 {
        tx.prepare_cached("UPDATE document SET version = NULL WHERE id = ?1")?
            .execute([document.0])?;
    }
    Ok(())
}

/// Returns the revision with this id, if it still exists.
pub fn find(tx: &Transaction<'_>, id: RevisionId) -> Result<Option<RevisionRow>, KbError> {
    Ok(select(tx, "id = ?1", id.0)?.pop())
}

/// Removes the chunks of `row`, whose vectors are gone, and their part of the queue.
fn remove_chunks(tx: &Transaction<'_>, row: &RevisionRow) -> Result<(), KbError> {
    let Some((first, last)) = row.chunk_ids() else { return Ok(()) };
    let range = params![first, last];
    tx.prepare_cached("DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2")?.execute(range)?;
    if !row.is_live {
        count_superseded(tx, row.run, from_sql(row.chunk_total - row.chunk_stored))?;
        // A range may contain chunks of other revisions too: it is deleted with its last chunk.
        tx.prepare_cached(
            "DELETE FROM queue WHERE first_chunk <= ?2 AND last_chunk >= ?1
               AND NOT EXISTS (SELECT 1 FROM chunk WHERE id BETWEEN first_chunk AND last_chunk)",
        )?
        .execute(range)?;
    }
    Ok(())
}

fn select(tx: &Transaction<'_>, condition: &str, value: i64) -> Result<Vec<RevisionRow>, KbError> {
    let sql = format!("SELECT {COLUMNS} FROM revision WHERE {condition} ORDER BY id");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([value], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<RevisionRow> {
    Ok(RevisionRow {
        id: RevisionId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        content: row.get(2)?,
        run: RunId(row.get(3)?),
        is_live: row.get(4)?,
        first_chunk: row
            .get_ref(5)?
            .as_i64_or_null()?
            .map(|first| within(5, first, 0..ID_END))
            .transpose()?,
        chunk_total: small(row, 6)?,
        chunk_stored: small(row, 7)?,
    })
}

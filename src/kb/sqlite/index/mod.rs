//! The full-text index: adds and removes tokens, rebuilds the whole.

mod compare;
mod doclist;
mod invert;
mod languages;
mod leaves;
pub mod merge;
mod rebuild;
mod rows;
mod segment;
mod structure;
mod trial;
mod varint;
mod vocabulary;

use std::collections::HashSet;

use rusqlite::{Transaction, params};

use super::convert::{from_sql, to_sql};
use crate::domain::{ChunkId, RevisionId};
use crate::kb::KbError;

pub use compare::{Expected, MAKE_INSTANCES, unfound_words};
pub use languages::{LanguageCache, language_of};
pub use rebuild::{Analyse, Rebuild};
pub use rows::IndexRows;
pub use segment::Segment;
pub use vocabulary::for_each_term;

/// Columns of the index: title, heading, text, path and language.
const COLUMNS: usize = 5;

impl Segment {
    /// Makes a segment of the rows of `parts`, which are in ascending order. If this SQLite writes
    /// other pages than we do, or is newer than the tests know, the rows are inserted one by one
    /// instead, which takes longer.
    pub fn new(parts: Vec<IndexRows>) -> Self {
        if trial::pages_are_those_of_fts5() { Self::of_pages(parts) } else { Self::of_texts(parts) }
    }
}

/// Adds the rows of `finished` revisions; rows of other revisions, which were replaced meanwhile,
/// are skipped.
pub fn insert(
    tx: &Transaction<'_>,
    finished: &[RevisionId],
    segment: &Segment,
) -> Result<(), KbError> {
    segment.store(tx)?;
    let finished: HashSet<_> = finished.iter().copied().collect();
    let left_out = segment.rows().filter(|(_, revision)| !finished.contains(revision));
    left_out.map(|(id, _)| id).try_for_each(|id| remove(tx, id))
}

/// Removes the row of a chunk; the rows of several are removed in ascending order, or FTS5 writes a
/// segment for each.
pub fn remove(tx: &Transaction<'_>, id: ChunkId) -> Result<(), KbError> {
    tx.prepare_cached("DELETE FROM chunk_fts WHERE rowid = ?1")?.execute([id.0])?;
    Ok(())
}

/// Removes the rows of the chunks `first ..= last`; reads only existing rows, as damage may cause
/// ranges of any length.
pub fn remove_between(tx: &Transaction<'_>, first: ChunkId, last: ChunkId) -> Result<(), KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT id FROM chunk_fts_docsize WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?;
    let ids = statement.query_map([first.0, last.0], |row| row.get(0).map(ChunkId))?;
    ids.collect::<Result<Vec<_>, _>>()?.into_iter().try_for_each(|id| remove(tx, id))
}

/// Deletes every row of the index.
pub fn clear(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("INSERT INTO chunk_fts (chunk_fts) VALUES ('delete-all')", [])?;
    Ok(())
}

/// Returns the number of rows in the index, without counting them.
pub fn row_count(tx: &Transaction<'_>) -> Result<u64, KbError> {
    let averages = segment::block(tx, segment::AVERAGES_ID)?;
    Ok(varint::take(&mut &averages[..]).unwrap_or_default())
}

/// Returns the number of rows in the segments of the index, and the number whose size it has
/// recorded; they are equal unless a segment is lost.
pub fn segment_rows(tx: &Transaction<'_>) -> Result<(u64, u64), KbError> {
    let sizes: i64 =
        tx.query_row("SELECT count(*) FROM chunk_fts_docsize", [], |row| row.get(0))?;
    Ok((segment::structure(tx)?.rows(), from_sql(sizes)))
}

/// Returns the number of rows that match `expression`, at most `most`.
pub fn matching(tx: &Transaction<'_>, expression: &str, most: u64) -> Result<u64, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM chunk_fts WHERE chunk_fts MATCH ?1 LIMIT ?2)",
    )?;
    Ok(from_sql(statement.query_row(params![expression, to_sql(most)], |row| row.get(0))?))
}

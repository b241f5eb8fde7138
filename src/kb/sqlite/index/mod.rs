//! The full-text index: entering tokens, and making the whole of it anew.

mod compare;
mod doclist;
mod invert;
mod languages;
mod leaves;
pub mod merge;
mod rows;
mod segment;
mod structure;
mod trial;
mod varint;

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::convert::{from_sql, to_sql};
use super::queue::{Unit, load_where};
use super::{Reader, Run, Writer};
use crate::domain::{ChunkId, RevisionId};
use crate::kb::KbError;

pub use compare::{Expected, MAKE_INSTANCES, unfound_words};
pub use languages::LanguageCache;
pub use rows::IndexRows;
pub use segment::Segment;

/// Texts analysed at once when the index is made anew, in chunks.
const CHUNKS_PER_BATCH: usize = 4096;

/// Columns of the index: title, heading, text, path and language.
const COLUMNS: usize = 5;

impl Reader {
    /// Returns the fingerprint of the analyser that made the index; empty before the first run.
    pub fn analysis_fingerprint(&self) -> Result<String, KbError> {
        self.read(|tx| {
            let found = tx.query_row("SELECT fingerprint FROM analysis", [], |row| row.get(0));
            Ok(found.optional()?.unwrap_or_default())
        })
    }
}

impl Writer {
    /// Rebuilds the whole index with what `analyse` makes of every live revision; returns how many chunks it holds.
    /// One transaction: a search sees the old index or the new one, and a kill leaves the old one.
    ///
    /// `analyse` is called with some thousand chunks at a time; if it returns `None`, nothing is changed.
    pub fn rebuild_index(
        &self,
        fingerprint: &str,
        analyse: Analyse<'_>,
    ) -> Result<Option<u64>, KbError> {
        Rebuild::within(fingerprint, analyse, |work| self.write(work))
    }

    /// Merges segments for two steps, where there are too many of them for a run that goes on.
    pub(super) fn merge_when_full(&self) -> Result<(), KbError> {
        let writer = self.connection();
        let mut merged = merge::step_when_full(&writer);
        if matches!(merged, Ok(true)) {
            merged = merge::step_when_full(&writer);
        }
        merged.map(drop).map_err(|error| self.told_apart(error, &writer))
    }
}

impl Run<'_> {
    /// Rebuilds the whole index as [`Writer::rebuild_index`] does, as a part of the run.
    pub fn rebuild_index(
        &self,
        fingerprint: &str,
        analyse: Analyse<'_>,
    ) -> Result<Option<u64>, KbError> {
        Rebuild::within(fingerprint, analyse, |work| self.write(work))
    }
}

/// Returns the rows of chunks, ascending by chunk, in parts; `None` ends the work.
pub type Analyse<'a> = &'a dyn Fn(&[Unit]) -> Option<Vec<IndexRows>>;

/// The index made from the texts of every live revision.
struct Rebuild<'a> {
    fingerprint: &'a str,
    analyse: Analyse<'a>,
    is_stopped: bool,
}

impl<'a> Rebuild<'a> {
    /// Rebuilds the index within a transaction of `write`; `None` if `analyse` ended the work.
    fn within(
        fingerprint: &'a str,
        analyse: Analyse<'a>,
        write: impl FnOnce(
            &mut dyn FnMut(&Transaction<'_>) -> Result<u64, KbError>,
        ) -> Result<u64, KbError>,
    ) -> Result<Option<u64>, KbError> {
        let mut rebuild = Self { fingerprint, analyse, is_stopped: false };
        let rebuilt = write(&mut |tx| rebuild.carry_out(tx));
        if rebuild.is_stopped { Ok(None) } else { rebuilt.map(Some) }
    }

    /// Fills the index of an open transaction; an error, which rolls it back, also if it is stopped.
    fn carry_out(&mut self, tx: &Transaction<'_>) -> Result<u64, KbError> {
        tx.execute("INSERT INTO chunk_fts (chunk_fts) VALUES ('delete-all')", [])?;
        let mut count = 0;
        let mut units: Vec<Unit> = Vec::new();
        let mut waiting = 0;
        let revisions = live_revisions(tx)?;
        for (index, revision) in revisions.iter().enumerate() {
            load_where(tx, "revision.id = ?1", &[revision.0], &mut units)?;
            waiting += units.last().map_or(0, |unit| unit.chunks.len());
            if waiting < CHUNKS_PER_BATCH && index + 1 < revisions.len() {
                continue;
            }
            let Some(rows) = (self.analyse)(&units) else {
                self.is_stopped = true;
                return Err(rusqlite::Error::QueryReturnedNoRows.into());
            };
            let segment = Segment::new(rows);
            segment.store(tx)?;
            while merge::step_when_full(tx)? {}
            count += segment.row_count() as u64;
            units.clear();
            waiting = 0;
        }
        tx.execute(
            "INSERT INTO analysis (id, fingerprint) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET fingerprint = ?1",
            [self.fingerprint],
        )?;
        Ok(count)
    }
}

/// Adds the rows of `finished` revisions; those of others, which were replaced meanwhile, are left out.
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

/// Takes the row of a chunk out; those of many go in ascending order, or FTS5 writes a segment for each.
pub fn remove(tx: &Transaction<'_>, id: ChunkId) -> Result<(), KbError> {
    tx.prepare_cached("DELETE FROM chunk_fts WHERE rowid = ?1")?.execute([id.0])?;
    Ok(())
}

/// Takes out the rows of the chunks `first ..= last`; only those that are there are looked at, as damage may name ranges
/// that have no end.
pub fn remove_between(tx: &Transaction<'_>, first: ChunkId, last: ChunkId) -> Result<(), KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT id FROM chunk_fts_docsize WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?;
    let ids = statement.query_map([first.0, last.0], |row| row.get(0).map(ChunkId))?;
    ids.collect::<Result<Vec<_>, _>>()?.into_iter().try_for_each(|id| remove(tx, id))
}

/// Returns how many rows the index holds, without counting them.
pub fn row_count(tx: &Transaction<'_>) -> Result<u64, KbError> {
    let averages = segment::block(tx, segment::AVERAGES_ID)?;
    Ok(varint::take(&mut &averages[..]).unwrap_or_default())
}

/// Returns how many rows the segments of the index have, and of how many it knows the size; the same unless a segment
/// is lost.
pub fn segment_rows(tx: &Transaction<'_>) -> Result<(u64, u64), KbError> {
    let sizes: i64 =
        tx.query_row("SELECT count(*) FROM chunk_fts_docsize", [], |row| row.get(0))?;
    Ok((segment::structure(tx)?.rows(), from_sql(sizes)))
}

/// Returns how many rows match `expression`, counted up to `most`.
pub fn matching(tx: &Transaction<'_>, expression: &str, most: u64) -> Result<u64, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM chunk_fts WHERE chunk_fts MATCH ?1 LIMIT ?2)",
    )?;
    Ok(from_sql(statement.query_row(params![expression, to_sql(most)], |row| row.get(0))?))
}

/// Returns every live revision that has chunks, in the order of these.
fn live_revisions(tx: &Transaction<'_>) -> Result<Vec<RevisionId>, KbError> {
    let mut statement = tx.prepare(
        "SELECT id FROM revision WHERE state = 'live' AND chunk_total > 0 ORDER BY first_chunk",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(RevisionId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

//! Rebuilds the whole index from the texts of every live revision; records which analyser made it.

use rusqlite::{OptionalExtension, Transaction};

use super::{IndexRows, Segment, clear, merge};
use crate::domain::RevisionId;
use crate::kb::KbError;
use crate::kb::sqlite::loaded::{LoadedRevision, load_where};
use crate::kb::sqlite::{Reader, Run, Writer};

/// Chunks that are analysed together when the index is rebuilt.
const CHUNKS_PER_BATCH: usize = 4096;

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
    /// Rebuilds the whole index with what `analyse` makes of every live revision; returns the
    /// number of chunks in it. One transaction: a search sees the old index or the new one, and a
    /// kill leaves the old one.
    ///
    /// `analyse` is called for some thousand chunks at a time; if it returns `None`, nothing is
    /// changed.
    pub fn rebuild_index(
        &self,
        fingerprint: &str,
        analyse: Analyse<'_>,
    ) -> Result<Option<u64>, KbError> {
        Rebuild::within(fingerprint, analyse, |work| self.write(work))
    }
}

impl Run<'_> {
    /// Rebuilds the whole index like [`Writer::rebuild_index`], as a part of the run.
    pub fn rebuild_index(
        &self,
        fingerprint: &str,
        analyse: Analyse<'_>,
    ) -> Result<Option<u64>, KbError> {
        Rebuild::within(fingerprint, analyse, |work| self.write(work))
    }
}

/// Returns the rows of chunks, ascending by chunk, in parts; `None` stops the rebuild.
pub type Analyse<'a> = &'a dyn Fn(&[LoadedRevision]) -> Option<Vec<IndexRows>>;

/// The rebuild of the index from the texts of every live revision.
pub struct Rebuild<'a> {
    fingerprint: &'a str,
    analyse: Analyse<'a>,
    is_stopped: bool,
}

impl<'a> Rebuild<'a> {
    /// Rebuilds the index within a transaction of `write`; `None` if `analyse` stopped it.
    pub fn within(
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

    /// Fills the index in an open transaction; if it is stopped, it returns an error, which rolls
    /// back.
    fn carry_out(&mut self, tx: &Transaction<'_>) -> Result<u64, KbError> {
        clear(tx)?;
        let mut count = 0;
        let mut loaded: Vec<LoadedRevision> = Vec::new();
        let mut waiting = 0;
        let revisions = live_revisions(tx)?;
        for (index, revision) in revisions.iter().enumerate() {
            load_where(tx, "revision.id = ?1", &[revision.0], &mut loaded)?;
            waiting += loaded.last().map_or(0, |revision| revision.chunks.len());
            if waiting < CHUNKS_PER_BATCH && index + 1 < revisions.len() {
                continue;
            }
            let Some(rows) = (self.analyse)(&loaded) else {
                self.is_stopped = true;
                return Err(rusqlite::Error::QueryReturnedNoRows.into());
            };
            let segment = Segment::new(rows);
            segment.store(tx)?;
            while merge::step_when_full(tx)? {}
            count += segment.row_count() as u64;
            loaded.clear();
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

/// Returns every live revision that has chunks, ordered by chunk.
fn live_revisions(tx: &Transaction<'_>) -> Result<Vec<RevisionId>, KbError> {
    let mut statement = tx.prepare(
        "SELECT id FROM revision WHERE state = 'live' AND chunk_total > 0 ORDER BY first_chunk",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(RevisionId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

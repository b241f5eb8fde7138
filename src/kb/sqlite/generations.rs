//! A change of the model: searches use the vectors of the old one until those of the new one are
//! complete.
//!
//! Until then, finished revisions are held: they have all their vectors, and are not live. One
//! transaction publishes them all.

use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;

use super::convert::from_sql;
use super::index::{Analyse, Rebuild, clear};
use super::{Reader, Run, revisions};
use crate::domain::RevisionId;
use crate::kb::KbError;

/// A change of the model that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelChange {
    /// Fingerprint of the new model.
    pub to: String,
    /// Fingerprint of the model whose vectors searches use.
    pub searches_use: String,
    /// Chunks that have a vector of the new model.
    pub chunks_stored: u64,
    /// Chunks that get one.
    pub chunks: u64,
}

impl Reader {
    /// Returns the fingerprints of the embedders that made the vectors of live revisions, that of
    /// most vectors first.
    pub fn searched_vectors(&self) -> Result<Vec<String>, KbError> {
        self.read(searched_vectors)
    }

    /// Reports whether a revision with vectors of `embed_fp` has to wait for the others: searches
    /// use those of another model.
    pub fn holds(&self, embed_fp: &str) -> Result<bool, KbError> {
        Ok(self.searched_vectors()?.first().is_some_and(|searched| searched != embed_fp))
    }

    /// Reports whether revisions wait to be published together.
    pub fn has_held(&self) -> Result<bool, KbError> {
        self.read(|tx| Ok(!held(tx)?.is_empty()))
    }

    /// Returns the change of the model that is not complete.
    pub fn model_change(&self) -> Result<Option<ModelChange>, KbError> {
        self.read(model_change)
    }
}

impl Run<'_> {
    /// Publishes every held revision and rebuilds the full-text index, in one transaction: a search
    /// sees the old vectors or the new ones. Returns `None`, with nothing changed, if `analyse`
    /// does.
    pub fn publish_held(
        &self,
        fingerprint: &str,
        analyse: Analyse<'_>,
    ) -> Result<Option<u64>, KbError> {
        Rebuild::within(fingerprint, analyse, |rebuild| {
            self.write(|tx| {
                // First: the rows of what is replaced are then not deleted one by one.
                clear(tx)?;
                revisions::publish(tx, &held(tx)?)?;
                rebuild(tx)
            })
        })
    }
}

fn searched_vectors(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT embed_fp FROM revision WHERE state = 'live' AND chunk_total > 0
         GROUP BY embed_fp ORDER BY sum(chunk_total) DESC, embed_fp",
    )?;
    let fingerprints = statement.query_map([], |row| row.get(0))?;
    Ok(fingerprints.collect::<Result<_, _>>()?)
}

/// Returns the revisions that have all their vectors and are not live, ascending.
fn held(tx: &Transaction<'_>) -> Result<Vec<RevisionId>, KbError> {
    // The first condition is that of an index of the few revisions that are not live.
    let mut statement = tx.prepare_cached(
        "SELECT id FROM revision
         WHERE state <> 'live' AND state = 'chunked' AND chunk_stored = chunk_total",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(RevisionId))?;
    let mut ids: Vec<RevisionId> = ids.collect::<Result<_, _>>()?;
    ids.sort_unstable();
    Ok(ids)
}

/// Returns the change that the revisions in work make.
pub fn model_change(tx: &Transaction<'_>) -> Result<Option<ModelChange>, KbError> {
    let Some(searches_use) = searched_vectors(tx)?.into_iter().next() else { return Ok(None) };
    let mut statement = tx.prepare_cached(
        "SELECT embed_fp, sum(chunk_stored), sum(chunk_total) FROM revision
         WHERE state <> 'live' AND state = 'chunked' AND embed_fp <> ?1
         GROUP BY embed_fp ORDER BY 3 DESC LIMIT 1",
    )?;
    let new = statement.query_row([&searches_use], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    let Some((to, stored, queued)) = new.optional()? else { return Ok(None) };
    let mut statement = tx.prepare_cached(
        "SELECT coalesce(sum(chunk_total), 0) FROM revision AS live
         WHERE state = 'live' AND embed_fp <> ?1 AND NOT EXISTS
           (SELECT 1 FROM revision WHERE document_id = live.document_id AND state <> 'live')",
    )?;
    let rest: i64 = statement.query_row([&to], |row| row.get(0))?;
    let (chunks_stored, chunks) = (from_sql(stored), from_sql(queued.saturating_add(rest)));
    Ok(Some(ModelChange { to, searches_use, chunks_stored, chunks }))
}

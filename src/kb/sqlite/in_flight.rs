//! The documents that the producer is working on, recorded in advance: this identifies a document
//! that crashes the process.

use std::collections::{HashMap, HashSet};

use rusqlite::{Transaction, params};

use super::{Reader, Run};
use crate::kb::KbError;

/// A document that was in flight when a process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// How often that happened.
    pub attempts: u32,
    /// Whether nothing else was in flight each time; otherwise another document of its batch may be
    /// the cause.
    pub is_alone: bool,
}

/// Suspects by source and URI.
pub type Suspects = HashMap<(String, String), Suspect>;

impl Reader {
    /// Returns the documents that were in flight when processes died; empty unless one did.
    pub fn suspects(&self) -> Result<Suspects, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT source, uri, attempts, is_alone FROM intake WHERE in_flight = 0",
            )?;
            let suspects = statement.query_map([], |row| {
                let address = (row.get(0)?, row.get(1)?);
                Ok((address, Suspect { attempts: row.get(2)?, is_alone: row.get(3)? }))
            })?;
            Ok(suspects.collect::<Result<_, _>>()?)
        })
    }
}

impl Run<'_> {
    /// Records that documents, by source and URI, are about to be read or chunked; those recorded
    /// before are done, unless they are `continued`. The attempts of one that is `alone` count from
    /// its first time alone.
    pub fn set_in_flight(
        &self,
        documents: &[(&str, &str)],
        continued: &[(&str, &str)],
        alone: bool,
    ) -> Result<(), KbError> {
        self.write(|tx| {
            forget_done(tx, continued)?;
            let mut upsert = tx.prepare_cached(
                "INSERT INTO intake (source, uri, attempts, is_alone, in_flight)
                 VALUES (?1, ?2, 1, ?3, 1)
                 ON CONFLICT (source, uri) DO UPDATE SET in_flight = 1, is_alone = ?3,
                   attempts = CASE WHEN is_alone = ?3 THEN attempts + 1 ELSE 1 END",
            )?;
            for (source, uri) in documents {
                upsert.execute(params![source, uri, alone])?;
            }
            Ok(())
        })
    }
}

/// Removes the documents in flight that are not `continued`. They are compared here, as SQLite
/// would turn a bound list into a table.
fn forget_done(tx: &Transaction<'_>, continued: &[(&str, &str)]) -> Result<(), KbError> {
    let continued: HashSet<_> = continued.iter().copied().collect();
    let mut select = tx.prepare_cached("SELECT source, uri FROM intake WHERE in_flight = 1")?;
    let in_flight = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let in_flight: Vec<(String, String)> = in_flight.collect::<Result<_, _>>()?;
    let mut delete = tx.prepare_cached("DELETE FROM intake WHERE source = ?1 AND uri = ?2")?;
    for (source, uri) in &in_flight {
        if !continued.contains(&(source.as_str(), uri.as_str())) {
            delete.execute([source, uri])?;
        }
    }
    Ok(())
}

/// Turns the documents in flight when a process died into suspects.
pub fn suspect_in_flight(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("UPDATE intake SET in_flight = 0 WHERE in_flight = 1", [])?;
    Ok(())
}

/// Clears all suspects when a process ends its run in an orderly way.
pub fn clear(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("DELETE FROM intake", [])?;
    Ok(())
}

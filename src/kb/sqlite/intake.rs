//! What the producer is at, written down before it begins: a document that ends the process is found so.

use std::collections::{HashMap, HashSet};

use rusqlite::{Transaction, params};

use super::{Reader, Run};
use crate::kb::KbError;

/// A document that was at work when a process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// How often that happened.
    pub attempts: u32,
    /// Each time nothing else was at work; otherwise it may have been another of its batch.
    pub is_alone: bool,
}

/// Suspects by source and address.
pub type Suspects = HashMap<(String, String), Suspect>;

impl Reader {
    /// Returns the documents that processes died at; empty unless one did.
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
    /// Notes that documents, by source and address, are about to be read or chunked; those noted before
    /// are done, unless they are `going_on`. The attempts of one that is `alone` count from its first time alone.
    pub fn begin_intake(
        &self,
        documents: &[(&str, &str)],
        going_on: &[(&str, &str)],
        alone: bool,
    ) -> Result<(), KbError> {
        self.write(|tx| {
            forget_done(tx, going_on)?;
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

/// Takes out what is in flight and not `going_on`. Told apart here, as a list bound to a statement is made a table of.
fn forget_done(tx: &Transaction<'_>, going_on: &[(&str, &str)]) -> Result<(), KbError> {
    let going_on: HashSet<_> = going_on.iter().copied().collect();
    let mut select = tx.prepare_cached("SELECT source, uri FROM intake WHERE in_flight = 1")?;
    let in_flight = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let in_flight: Vec<(String, String)> = in_flight.collect::<Result<_, _>>()?;
    let mut delete = tx.prepare_cached("DELETE FROM intake WHERE source = ?1 AND uri = ?2")?;
    for (source, uri) in &in_flight {
        if !going_on.contains(&(source.as_str(), uri.as_str())) {
            delete.execute([source, uri])?;
        }
    }
    Ok(())
}

/// Takes what was in flight when a process died for suspects.
pub fn suspect_in_flight(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("UPDATE intake SET in_flight = 0 WHERE in_flight = 1", [])?;
    Ok(())
}

/// Clears everybody, when a process ends its run in an orderly way.
pub fn clear(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("DELETE FROM intake", [])?;
    Ok(())
}

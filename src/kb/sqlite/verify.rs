//! Stored texts and vectors against their checksums.

use rusqlite::Transaction;

use super::convert::checksum;
use super::vectors::Space;
use crate::domain::RevisionId;
use crate::kb::KbError;

/// A text or vector that is not what was stored.
pub struct Damaged {
    /// The revision it belongs to.
    pub revision: RevisionId,
    /// Its document, and the chunk where there is one.
    pub name: String,
}

/// Returns the names of what is damaged.
pub fn names(damaged: Vec<Damaged>) -> Vec<String> {
    damaged.into_iter().map(|damaged| damaged.name).collect()
}

/// Reads every text and returns those that are damaged.
pub fn texts(tx: &Transaction<'_>) -> Result<Vec<Damaged>, KbError> {
    let mut statement = tx.prepare(
        "SELECT revision.id, document.source || ':' || document.uri, content.checksum, content.text
         FROM content JOIN revision ON revision.content_id = content.id
         JOIN document ON document.id = revision.document_id",
    )?;
    let mut rows = statement.query([])?;
    let mut damaged = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(3)?.as_blob().unwrap_or_default();
        if checksum(text) != row.get::<_, i64>(2)? {
            damaged.push(Damaged { revision: RevisionId(row.get(0)?), name: row.get(1)? });
        }
    }
    Ok(damaged)
}

/// Reads every vector and returns those that are damaged.
pub fn vectors(tx: &Transaction<'_>) -> Result<Vec<Damaged>, KbError> {
    let mut owner = tx.prepare(
        "SELECT revision.id, document.source || ':' || document.uri || ' chunk ' || chunk.id
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         JOIN document ON document.id = revision.document_id WHERE chunk.id = ?1",
    )?;
    let mut damaged = Vec::new();
    for space in Space::all(tx)? {
        let mut chunks = Vec::new();
        space.read(tx, space.places(), |chunk, entry| {
            if entry.intact(chunk).is_none() {
                chunks.push(chunk);
            }
        })?;
        for chunk in chunks {
            let owners = owner.query_map([chunk], |row| {
                Ok(Damaged { revision: RevisionId(row.get(0)?), name: row.get(1)? })
            })?;
            damaged.extend(owners.collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(damaged)
}

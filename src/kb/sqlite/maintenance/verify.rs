//! Compares stored texts and vectors with their checksums.

use rusqlite::Transaction;

use crate::kb::KbError;
use crate::kb::sqlite::seal;
use crate::kb::sqlite::vectors::Space;

/// Reads every text and returns those that are damaged.
pub fn texts(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare(
        "SELECT document.source || ':' || document.uri, content.checksum, content.text,
                content.lines
         FROM content JOIN revision ON revision.content_id = content.id
         JOIN document ON document.id = revision.document_id",
    )?;
    let mut rows = statement.query([])?;
    let mut damaged = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row.get_ref(2)?.as_blob().unwrap_or_default();
        let lines = row.get_ref(3)?.as_blob_or_null().unwrap_or_default();
        if seal::of_text(text, lines) != row.get::<_, i64>(1)? {
            damaged.push(row.get(0)?);
        }
    }
    Ok(damaged)
}

/// Reads every vector and returns those that are damaged.
pub fn vectors(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    let mut owner = tx.prepare(
        "SELECT document.source || ':' || document.uri || ' chunk ' || chunk.id
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
            let owners = owner.query_map([chunk], |row| row.get(0))?;
            damaged.extend(owners.collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(damaged)
}

/// Returns the documents of revisions whose rows, or whose documents' rows, are damaged.
pub fn revisions(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    differing(tx, "", |revision| seal::is_revision_intact(tx, revision))
}

/// Returns the documents of revisions with damaged rows of chunks.
pub fn chunks(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    differing(tx, "AND state <> 'saved'", |revision| seal::are_chunks_intact(tx, revision))
}

fn differing(
    tx: &Transaction<'_>,
    condition: &str,
    is_intact: impl Fn(i64) -> Result<Option<bool>, KbError>,
) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare(&format!(
        "SELECT revision.id, source || ':' || uri FROM revision
         JOIN document ON document.id = document_id WHERE true {condition}"
    ))?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        if is_intact(row.get(0)?)? == Some(false) {
            names.push(row.get(1)?);
        }
    }
    Ok(names)
}

/// Returns the documents whose failures are damaged.
pub fn failures(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare(
        "SELECT source || ':' || uri, stage, kind, error, failure.checksum FROM failure
         JOIN document ON document.id = document_id WHERE failure.checksum IS NOT NULL",
    )?;
    let mut rows = statement.query([])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        let mut fields: [&[u8]; 3] = [&[]; 3];
        for (column, field) in fields.iter_mut().enumerate() {
            *field = row.get_ref(column + 1)?.as_bytes().unwrap_or_default();
        }
        if seal::of_fields(&fields) != row.get::<_, i64>(4)? {
            names.push(row.get(0)?);
        }
    }
    Ok(names)
}

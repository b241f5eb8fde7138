//! Texts of chunks, with their title and headings.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::kb::KbError;
use crate::kb::sqlite::convert::size_to_sql;

/// Limit on the chunks that are read for something that most texts with a word have.
const READ_MAX: usize = 32;

/// Reports whether the text of one of the first chunks that match `expression` `is_it`.
pub fn any_match(
    tx: &Transaction<'_>,
    expression: &str,
    mut is_it: impl FnMut(&str) -> bool,
) -> Result<bool, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT rowid FROM chunk_fts WHERE chunk_fts MATCH ?1 LIMIT ?2")?;
    let mut rows = statement.query(params![expression, size_to_sql(READ_MAX)])?;
    while let Some(row) = rows.next()? {
        if is_it(&read(tx, row.get(0)?)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the title, the headings and the text of the chunk `id`; empty if there is no such chunk,
/// as in a damaged file.
pub fn read(tx: &Transaction<'_>, id: i64) -> Result<String, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT title, heading_path, substr(content.text, start_byte + 1, end_byte - start_byte)
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         JOIN content ON content.id = revision.content_id WHERE chunk.id = ?1",
    )?;
    let found = statement.query_row([id], |row| {
        let bytes: Option<Vec<u8>> = row.get(2)?;
        let text = bytes.unwrap_or_default();
        let (title, path): (String, String) = (row.get(0)?, row.get(1)?);
        Ok([title, path, String::from_utf8_lossy(&text).into_owned()].join("\n"))
    });
    Ok(found.optional()?.unwrap_or_default())
}

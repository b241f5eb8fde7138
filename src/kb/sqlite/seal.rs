//! Checksums of rows: SQLite does not detect a flipped bit that leaves a row well-formed.
//!
//! They exclude ids, so that a copy of a row under another id has the same checksum.

use rusqlite::{Connection, Row, params};
use xxhash_rust::xxh3::Xxh3;

use crate::kb::KbError;

/// Returns the checksum of a list of fields, each with its length.
pub fn of_fields(fields: &[&[u8]]) -> i64 {
    let mut hasher = Xxh3::new();
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    hasher.digest().cast_signed()
}

/// The row of a chunk as stored.
pub struct ChunkRow<'a> {
    /// Ordinal, span, lines, prefix, overlap and tokens.
    pub numbers: [Option<i64>; 9],
    /// The first cell of the row that it begins inside of.
    pub row_head: [Option<i64>; 2],
    /// Its headings.
    pub heading_path: &'a str,
    /// Its key across revisions.
    pub key: &'a [u8],
    /// Hash of the embedded text.
    pub input_hash: &'a [u8],
}

/// The checksum of all chunks of a revision, computed incrementally.
pub struct Chunks(Xxh3);

impl Chunks {
    /// Starts with the fingerprint of the chunker.
    pub fn new(chunk_fp: &str) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(chunk_fp.as_bytes());
        Self(hasher)
    }

    /// Adds the next chunk.
    pub fn add(&mut self, row: &ChunkRow<'_>) {
        let mut bytes = [0; 9 * 8];
        for (place, number) in bytes.chunks_exact_mut(8).zip(row.numbers) {
            place.copy_from_slice(&number.unwrap_or(-1).to_le_bytes());
        }
        self.0.update(&bytes);
        self.0.update(&(row.heading_path.len() as u64).to_le_bytes());
        self.0.update(row.heading_path.as_bytes());
        self.0.update(row.key);
        self.0.update(row.input_hash);
        // Files of format 10 have none.
        for number in row.row_head.iter().flatten() {
            self.0.update(&number.to_le_bytes());
        }
    }

    /// Returns the checksum.
    pub fn finish(self) -> i64 {
        self.0.digest().cast_signed()
    }
}

/// Returns the checksum of a text with its lines; without lines it is that of the text.
pub fn of_text(text: &[u8], lines: Option<&[u8]>) -> i64 {
    let mut hasher = Xxh3::new();
    hasher.update(text);
    hasher.update(lines.unwrap_or_default());
    hasher.digest().cast_signed()
}

/// Returns whether the rows of `revision` and its document are as written; `None` if they have no
/// checksum.
pub fn is_revision_intact(connection: &Connection, revision: i64) -> Result<Option<bool>, KbError> {
    let mut statement = connection.prepare_cached(
        "SELECT revision.checksum, document.source, document.uri, content_hash, title, media_type, encoding,
                metadata, revision.extract_fp
         FROM revision JOIN document ON document.id = document_id WHERE revision.id = ?1",
    )?;
    let found = statement.query_row([revision], |row| {
        let Some(stored) = row.get::<_, Option<i64>>(0)? else { return Ok(None) };
        let fields = (1..=8).map(|column| bytes(row, column)).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(of_fields(&fields) == stored))
    });
    Ok(found?)
}

/// Returns whether the rows of the chunks of `revision` are as written; `None` if they have no
/// checksum.
pub fn are_chunks_intact(connection: &Connection, revision: i64) -> Result<Option<bool>, KbError> {
    let mut head = connection.prepare_cached(
        "SELECT chunks_checksum, chunk_fp, first_chunk, chunk_total FROM revision WHERE id = ?1",
    )?;
    let (stored, chunk_fp, first, total) = head.query_row([revision], |row| {
        Ok((
            row.get::<_, Option<i64>>(0)?,
            row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            row.get::<_, Option<i64>>(2)?.unwrap_or(0),
            row.get::<_, i64>(3)?,
        ))
    })?;
    let Some(stored) = stored else { return Ok(None) };
    let mut checksum = Chunks::new(&chunk_fp);
    let mut statement = connection.prepare_cached(
        "SELECT ordinal, start_byte, end_byte, start_line, end_line, prefix_start, prefix_end, overlap_start,
                token_count, heading_path, key, input_hash, revision_id, row_start, row_end
         FROM chunk WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?;
    let last = first.saturating_add(total).saturating_sub(1);
    let mut rows = statement.query(params![first, last])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(12)? != revision {
            return Ok(Some(false));
        }
        let mut numbers = [None; 9];
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = row.get(column)?;
        }
        let heading_path: String = row.get(9)?;
        let (key, input_hash) = (bytes(row, 10)?, bytes(row, 11)?);
        let row_head = [row.get(13)?, row.get(14)?];
        checksum.add(&ChunkRow { numbers, row_head, heading_path: &heading_path, key, input_hash });
        count += 1;
    }
    Ok(Some(count == total && checksum.finish() == stored))
}

/// Returns the bytes of a text or blob.
fn bytes<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(column)?.as_bytes()?)
}

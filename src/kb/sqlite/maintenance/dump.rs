//! Renders the logical content of a knowledge base as text, to compare two of them.
//!
//! Leaves out what may differ between two equivalent files: ids, versions (they depend on when a
//! file was read), and the record of runs. Vectors and full-text rows are rendered as hashes.

use std::collections::HashMap;
use std::fmt::Write;

use rusqlite::{Connection, OpenFlags, params};

use crate::kb::KbError;
use crate::kb::sqlite::Maintenance;

impl Maintenance<'_> {
    /// Returns the content as text: a line per document, revision, chunk, queued chunk and failure,
    /// ordered by URIs and spans.
    pub fn dump(&self) -> Result<String, KbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(self.reader.path(), flags)?;
        let tx = connection.transaction()?;
        let index = full_text_hashes(&tx)?;
        let mut dump = String::new();
        dump_revisions(&tx, &index, &mut dump)?;
        dump_failures(&tx, &mut dump)?;
        dump_frontier(&tx, &mut dump)?;
        Ok(dump)
    }
}

fn dump_revisions(
    connection: &Connection,
    index: &HashMap<i64, blake3::Hasher>,
    dump: &mut String,
) -> Result<(), KbError> {
    let mut statement = connection.prepare(
        "SELECT revision.id, document.source, document.uri, document.extract_fp, revision.state,
                lower(hex(content_hash)), title, media_type, encoding, metadata, revision.extract_fp,
                chunk_fp, embed_fp, chunk_total, chunk_stored, content.text
         FROM document LEFT JOIN revision ON revision.document_id = document.id
         LEFT JOIN content ON content.id = revision.content_id
         ORDER BY document.source, document.uri, revision.state",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        write_cells(dump, "document", row, 1..=3)?;
        let Some(revision) = row.get::<_, Option<i64>>(0)? else { continue };
        write_cells(dump, "  revision", row, 4..=14)?;
        let text: Vec<u8> = row.get(15)?;
        let _ = writeln!(dump, "    text {}", blake3::hash(&text).to_hex());
        dump_chunks(connection, revision, index, dump)?;
    }
    Ok(())
}

fn dump_chunks(
    connection: &Connection,
    revision: i64,
    index: &HashMap<i64, blake3::Hasher>,
    dump: &mut String,
) -> Result<(), KbError> {
    let mut statement = connection.prepare_cached(
        "SELECT chunk.id, ordinal, start_byte, end_byte, start_line, end_line, prefix_start, prefix_end,
                overlap_start, heading_path, token_count, lower(hex(key)), lower(hex(input_hash)),
                row_start, row_end,
                (SELECT state FROM queue WHERE chunk.id BETWEEN first_chunk AND last_chunk),
                (SELECT scale FROM vector WHERE chunk_id = chunk.id),
                (SELECT embedding FROM vector WHERE chunk_id = chunk.id)
         FROM chunk WHERE chunk.revision_id = ?1 ORDER BY ordinal",
    )?;
    let mut rows = statement.query(params![revision])?;
    while let Some(row) = rows.next()? {
        write_cells(dump, "    chunk", row, 1..=15)?;
        if let Some(embedding) = row.get::<_, Option<Vec<u8>>>(17)? {
            let scale = row.get::<_, [u8; 4]>(16).map(f32::from_le_bytes)?;
            let _ = writeln!(dump, "      vector {scale} {}", blake3::hash(&embedding).to_hex());
        }
        if let Some(terms) = index.get(&row.get(0)?) {
            let _ = writeln!(dump, "      terms {}", terms.finalize().to_hex());
        }
    }
    Ok(())
}

fn dump_failures(connection: &Connection, dump: &mut String) -> Result<(), KbError> {
    let mut statement = connection.prepare(
        "SELECT source, uri, stage, kind, error FROM failure
         JOIN document ON document.id = document_id ORDER BY source, uri",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        write_cells(dump, "failure", row, 0..=4)?;
    }
    Ok(())
}

/// An unchanged page equals one that was fetched again.
fn dump_frontier(connection: &Connection, dump: &mut String) -> Result<(), KbError> {
    let mut statement = connection.prepare(
        "SELECT source, url, CASE state WHEN 'unchanged' THEN 'fetched' ELSE state END, reason,
                (SELECT group_concat(url, ' ') FROM (SELECT other.url AS url FROM json_each(page.links)
                 JOIN frontier AS other ON other.id = value ORDER BY other.url))
         FROM frontier AS page ORDER BY source, url",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        write_cells(dump, "url", row, 0..=4)?;
    }
    Ok(())
}

/// Returns a hash over the term instances of every full-text row, by rowid.
fn full_text_hashes(connection: &Connection) -> Result<HashMap<i64, blake3::Hasher>, KbError> {
    connection.execute_batch(
        "CREATE VIRTUAL TABLE temp.term USING fts5vocab('main', 'chunk_fts', 'instance')",
    )?;
    let mut statement = connection.prepare("SELECT doc, term, col, offset FROM temp.term")?;
    let mut rows = statement.query([])?;
    let mut hashes: HashMap<i64, blake3::Hasher> = HashMap::new();
    while let Some(row) = rows.next()? {
        let hasher = hashes.entry(row.get(0)?).or_default();
        let (term, column): (String, String) = (row.get(1)?, row.get(2)?);
        let offset: i64 = row.get(3)?;
        hasher.update(format!("{term}\0{column}\0{offset}\0").as_bytes());
    }
    Ok(hashes)
}

fn write_cells(
    dump: &mut String,
    label: &str,
    row: &rusqlite::Row<'_>,
    columns: std::ops::RangeInclusive<usize>,
) -> Result<(), KbError> {
    dump.push_str(label);
    for column in columns {
        match row.get::<_, rusqlite::types::Value>(column)? {
            rusqlite::types::Value::Text(text) => {
                let _ = write!(dump, " {text:?}");
            }
            rusqlite::types::Value::Integer(number) => {
                let _ = write!(dump, " {number}");
            }
            _ => dump.push_str(" -"),
        }
    }
    dump.push('\n');
    Ok(())
}

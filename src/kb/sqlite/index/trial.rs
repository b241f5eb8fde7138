//! Tests once per process, in memory, whether the pages that we write for FTS5 are those that it
//! would write.
//!
//! The format of its pages is not documented for other writers, and depends on when it drops its
//! caches. If the trial fails, or SQLite is newer than the last version that all tests passed with,
//! rows are inserted instead.

use std::sync::OnceLock;

use rusqlite::{Connection, Transaction, params};

use super::COLUMNS;
use super::rows::IndexRows;
use super::segment::Segment;
use crate::domain::{ChunkId, RevisionId};
use crate::kb::KbError;

/// SQLite 3.54.1, the newest version whose pages were compared.
const SQLITE_VERSION_TESTED_MAX: i32 = 3_054_001;

/// Returns whether rows may be added as pages.
pub fn pages_are_those_of_fts5() -> bool {
    static ARE_SAME: OnceLock<bool> = OnceLock::new();
    *ARE_SAME.get_or_init(|| {
        let version = rusqlite::version_number();
        let are_same = version <= SQLITE_VERSION_TESTED_MAX && compare().unwrap_or(false);
        if !are_same {
            tracing::warn!(
                version,
                "SQLite writes the full-text index by itself, which takes longer"
            );
        }
        are_same
    })
}

/// Adds a few batches in both ways, with deletions between, and compares everything FTS5 stores.
fn compare() -> Result<bool, KbError> {
    let (mut expected, mut actual) = (index()?, index()?);
    let batches = [
        rows(1..8, |id| words(12, 60, id)),
        rows(30..34, |id| words(20, 9, id)),
        rows(100..101, |_| words(600, 7, 1)),
    ];
    let mut deleted = Vec::new();
    for batch in batches {
        enter(by_fts5, &mut expected, &deleted, &batch)?;
        enter(by_pages, &mut actual, &deleted, &batch)?;
        deleted = vec![batch[0].id];
    }
    Ok(dump(&expected)? == dump(&actual)?)
}

/// Everything FTS5 stores for an index.
type Dump = Vec<(String, Vec<u8>, Option<i64>)>;

/// A row as texts: the tokens of each column, separated by spaces.
pub(super) struct TextRow {
    pub(super) id: i64,
    pub(super) columns: [String; COLUMNS],
}

/// Returns an empty index in memory.
pub(super) fn index() -> Result<Connection, KbError> {
    let connection = Connection::open_in_memory()?;
    let schema = include_str!("../migrations/0001_tables.sql");
    // Only the index and its settings; creating the whole schema would take longer than the trial.
    for start in ["CREATE VIRTUAL TABLE chunk_fts ", "INSERT INTO chunk_fts (chunk_fts, rank)"] {
        let statement = schema.find(start).map_or("", |at| &schema[at..]);
        let end = statement.find(";\n").map_or(statement.len(), |at| at + 1);
        connection.execute_batch(&statement[..end])?;
    }
    Ok(connection)
}

/// Returns everything FTS5 stores.
fn dump(connection: &Connection) -> Result<Dump, KbError> {
    let sql = "SELECT 'block ' || id, block, NULL FROM chunk_fts_data
               UNION ALL SELECT 'leaf of ' || segid || ' ' || hex(term), CAST(term AS BLOB), pgno FROM chunk_fts_idx
               UNION ALL SELECT 'size ' || id, sz, origin FROM chunk_fts_docsize ORDER BY 1, 3";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds rows to the index of an open transaction.
type Way = fn(&Transaction<'_>, &[TextRow]) -> Result<(), KbError>;

/// Deletes rows and adds others, in one transaction.
pub(super) fn enter(
    way: Way,
    connection: &mut Connection,
    deleted: &[i64],
    rows: &[TextRow],
) -> Result<(), KbError> {
    let tx = connection.transaction()?;
    for id in deleted {
        tx.execute("DELETE FROM chunk_fts WHERE rowid = ?1", [id])?;
    }
    way(&tx, rows)?;
    Ok(tx.commit()?)
}

/// Adds rows as pages.
pub(super) fn by_pages(tx: &Transaction<'_>, rows: &[TextRow]) -> Result<(), KbError> {
    Segment::of_pages(parts(rows)).store(tx)
}

/// Inserts rows through FTS5.
fn by_fts5(tx: &Transaction<'_>, rows: &[TextRow]) -> Result<(), KbError> {
    for TextRow { id, columns: [title, heading, text, path, language] } in rows {
        tx.execute(
            "INSERT INTO chunk_fts (rowid, title, heading, text, path, language)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, title, heading, text, path, language],
        )?;
    }
    Ok(())
}

/// Returns rows in parts, as the threads of a pool produce them.
fn parts(rows: &[TextRow]) -> Vec<IndexRows> {
    let (first, second) = rows.split_at(rows.len() / 3);
    vec![index_rows(first), index_rows(second)]
}

fn index_rows(rows: &[TextRow]) -> IndexRows {
    let mut index_rows = IndexRows::default();
    for TextRow { id, columns } in rows {
        let columns = columns.each_ref().map(|text| {
            let tokens = text.split(' ').map(str::as_bytes);
            index_rows.column(|column| tokens.for_each(|token| column.add(token)))
        });
        index_rows.push(ChunkId(*id), RevisionId(1), columns);
    }
    index_rows
}

/// Returns rows with these ids, some of them without a heading.
pub(super) fn rows(ids: impl Iterator<Item = i64>, text: impl Fn(i64) -> String) -> Vec<TextRow> {
    let row = |id| {
        let heading = if id % 3 == 0 { String::new() } else { format!("head {id}") };
        let [title, path, language] = ["a title", "docs a.md", "en"].map(str::to_owned);
        TextRow { id, columns: [title, heading, text(id), path, language] }
    };
    ids.map(row).collect()
}

/// Returns `count` words, at most `of` different ones.
fn words(count: i64, of: i64, seed: i64) -> String {
    let word = |index: i64| {
        let number = (index * 7919 + seed * 104_729) % of;
        let length = usize::try_from(number % 40).unwrap_or(0);
        format!("w{}{number}", "x".repeat(length))
    };
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_sqlite_takes_pages() {
        assert!(pages_are_those_of_fts5(), "{}", rusqlite::version());
    }

    fn by_texts(tx: &Transaction<'_>, rows: &[TextRow]) -> Result<(), KbError> {
        Segment::of_texts(parts(rows)).store(tx)
    }

    fn assert_same(indexes: &[(Way, Connection)]) {
        let (_, expected) = &indexes[0];
        let expected = dump(expected).unwrap();
        for (_, actual) in &indexes[1..] {
            let actual = dump(actual).unwrap();
            for (expected, actual) in expected.iter().zip(&actual) {
                assert!(expected == actual, "{expected:?}\n{actual:?}");
            }
            assert_eq!(expected.len(), actual.len());
        }
    }

    /// Adds batches in all ways, each after deleting a row of the previous one, and compares what
    /// is stored.
    fn check(batches: &[Vec<TextRow>]) {
        let ways: [Way; 3] = [by_fts5, by_pages, by_texts];
        let mut indexes = ways.map(|way| (way, index().unwrap()));
        let mut deleted = Vec::new();
        for rows in batches {
            for (way, connection) in &mut indexes {
                enter(*way, connection, &deleted, rows).unwrap();
            }
            assert_same(&indexes);
            deleted = vec![rows[0].id];
        }
        for (way, connection) in &mut indexes {
            enter(*way, connection, &deleted, &[]).unwrap();
            connection
                .execute("INSERT INTO chunk_fts (chunk_fts, rank) VALUES ('merge', -1000)", [])
                .unwrap();
            connection
                .execute("INSERT INTO chunk_fts (chunk_fts) VALUES ('integrity-check')", [])
                .unwrap();
        }
        assert_same(&indexes);
    }

    #[test]
    fn segments_are_those_of_fts5() {
        check(&[rows(1..2, |_| "one row".to_owned())]);
        check(&[
            rows(1..400, |id| words(50, 3000, id)),
            rows(500..700, |id| words(80, 90, id)),
            rows(700..710, |id| words(8, 90, id)),
        ]);
        // Terms up to 64 bytes, rows far apart.
        check(&[rows((1..300).map(|id| id * id * 1_000_003), |id| words(20, 100_000, id))]);
        // Doclists over many leaves, and rows over several.
        check(&[rows(1..5000, |id| words(12, 5, id))]);
        check(&[rows(1..40, |id| words(9000, 7, id))]);
        check(&[rows(1..40, |id| words(if id % 7 == 0 { 30_000 } else { 3 }, 2, id))]);
    }
}

//! A segment of the full-text index, made outside of FTS5 and handed to it.
//!
//! FTS5 enters a row token by token into a hash of all terms that exceeds the caches of a processor. Here the rows
//! of a batch are known: they are inverted at once, on whatever thread, and what is left to a transaction is to write
//! the pages. These are, byte for byte, those that FTS5 writes for the same rows.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::doclist::Doclist;
use super::invert::Inverted;
use super::leaves::{Leaves, Pages};
use super::rows::IndexRows;
use super::structure::Structure;
use super::{COLUMNS, varint};
use crate::domain::{ChunkId, RevisionId};
use crate::kb::KbError;

/// Ids of the blocks that are no page of a segment.
pub const AVERAGES_ID: i64 = 1;
const STRUCTURE_ID: i64 = 10;
/// Bits of a block's id below that of its segment (`FTS5_SEGMENT_ROWID`).
const SEGMENT_SHIFT: u32 = 37;

/// Rows of the full-text index, ready to be added to it.
#[derive(Debug)]
pub struct Segment {
    pages: Pages,
    rows: Vec<StoredRow>,
}

#[derive(Debug)]
struct StoredRow {
    id: ChunkId,
    revision: RevisionId,
    /// Tokens of each column.
    sizes: [u32; COLUMNS],
}

impl Segment {
    /// Makes a segment of the rows of `parts`, all in ascending order.
    pub fn new(mut parts: Vec<IndexRows>) -> Self {
        let inverted = Inverted::new(&mut parts);
        let rows = || parts.iter().flat_map(|part| part.rows());
        // Beside each other, as every term goes through them.
        let ids: Vec<_> = rows().map(|row| row.id.0 as u64).collect();
        let mut leaves = Leaves::for_tokens(inverted.token_count());
        let mut doclist = Doclist::default();
        let mut bytes = Vec::new();
        for (term, occurrences) in inverted.terms() {
            doclist.clear();
            for occurrences in occurrences.chunk_by(|a, b| a.row == b.row) {
                doclist.push(ids[occurrences[0].row as usize], occurrences);
            }
            term.write(&mut bytes);
            leaves.append(&bytes, &doclist);
        }
        let rows = rows().zip(&inverted.sizes).map(|(row, sizes)| StoredRow {
            id: row.id,
            revision: row.revision,
            sizes: *sizes,
        });
        Self { pages: leaves.finish(), rows: rows.collect() }
    }

    /// Returns how many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns every row with its revision.
    pub fn rows(&self) -> impl Iterator<Item = (ChunkId, RevisionId)> {
        self.rows.iter().map(|row| (row.id, row.revision))
    }

    /// Adds its rows, of which none may be there, to the index.
    pub fn store(&self, tx: &Transaction<'_>) -> Result<(), KbError> {
        if self.pages.leaves == 0 {
            return Ok(());
        }
        // FTS5 writes what it holds back of this transaction where a savepoint begins.
        tx.execute_batch("SAVEPOINT segment; RELEASE segment")?;
        let mut structure = structure(tx)?;
        let (id, origin) = structure.add(self.pages.leaves, self.rows.len());
        let mut insert =
            tx.prepare_cached("INSERT INTO chunk_fts_data (id, block) VALUES (?1, ?2)")?;
        for (page, block) in self.pages.blocks() {
            insert.execute(params![(id << SEGMENT_SHIFT) + page, block])?;
        }
        let mut insert =
            tx.prepare_cached("INSERT INTO chunk_fts_idx (segid, term, pgno) VALUES (?1, ?2, ?3)")?;
        for (term, page) in &self.pages.separators {
            insert.execute(params![id, term, page])?;
        }
        replace_block(tx, STRUCTURE_ID, &structure.record())?;
        self.store_sizes(tx, origin)?;
        // It keeps its records in memory while no other connection writes, and forgets them where a savepoint is
        // rolled back in which it was used. No row has this id.
        tx.execute_batch(
            "SAVEPOINT segment; DELETE FROM chunk_fts WHERE rowid = 0;
             ROLLBACK TO segment; RELEASE segment",
        )?;
        Ok(())
    }

    /// Writes how many tokens each row has, and adds that to those of all (fts5_index.c, "Averages Record").
    fn store_sizes(&self, tx: &Transaction<'_>, origin: i64) -> Result<(), KbError> {
        let averages = block(tx, AVERAGES_ID)?;
        let rest = &mut &averages[..];
        let mut take = || varint::take(rest).unwrap_or_default();
        let row_count = take().saturating_add(self.rows.len() as u64);
        let mut totals = [(); COLUMNS].map(|()| take());
        let mut insert = tx.prepare_cached(
            "REPLACE INTO chunk_fts_docsize (id, sz, origin) VALUES (?1, ?2, ?3)",
        )?;
        let mut record = Vec::new();
        for row in &self.rows {
            record.clear();
            for (total, size) in totals.iter_mut().zip(row.sizes) {
                varint::put(&mut record, u64::from(size));
                *total = total.saturating_add(u64::from(size));
            }
            insert.execute(params![row.id.0, record, origin])?;
        }
        record.clear();
        for part in [row_count].into_iter().chain(totals) {
            varint::put(&mut record, part);
        }
        replace_block(tx, AVERAGES_ID, &record)
    }
}

/// Returns the segments of the index.
pub fn structure(tx: &Connection) -> Result<Structure, KbError> {
    let damaged = || KbError::Damaged("the full-text index has no list of its segments".to_owned());
    Structure::read(&block(tx, STRUCTURE_ID)?).ok_or_else(damaged)
}

/// Returns a block of FTS5's data, empty where there is none.
pub fn block(tx: &Connection, id: i64) -> Result<Vec<u8>, KbError> {
    let mut statement = tx.prepare_cached("SELECT block FROM chunk_fts_data WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?.unwrap_or_default())
}

fn replace_block(tx: &Transaction<'_>, id: i64, block: &[u8]) -> Result<(), KbError> {
    tx.prepare_cached("REPLACE INTO chunk_fts_data (id, block) VALUES (?1, ?2)")?
        .execute(params![id, block])?;
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// All that FTS5 keeps of an index.
    type Dump = Vec<(String, Vec<u8>, Option<i64>)>;

    pub fn index() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let schema = include_str!("../migrations/0001_tables.sql");
        connection.execute_batch(schema).unwrap();
        connection
    }

    fn dump(connection: &Connection) -> Dump {
        let sql = "SELECT 'block ' || id, block, NULL FROM chunk_fts_data
                   UNION ALL SELECT 'leaf of ' || segid || ' ' || hex(term), CAST(term AS BLOB), pgno FROM chunk_fts_idx
                   UNION ALL SELECT 'size ' || id, sz, origin FROM chunk_fts_docsize ORDER BY 1, 3";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// A row as texts: the tokens of each column, apart by spaces.
    pub struct TextRow {
        id: i64,
        columns: [String; COLUMNS],
    }

    pub fn rows(ids: impl Iterator<Item = i64>, text: impl Fn(i64) -> String) -> Vec<TextRow> {
        let row = |id| {
            let heading = if id % 3 == 0 { String::new() } else { format!("head {id}") };
            let [title, path, language] = ["a title", "docs a.md", "en"].map(str::to_owned);
            TextRow { id, columns: [title, heading, text(id), path, language] }
        };
        ids.map(row).collect()
    }

    fn delete(tx: &Transaction<'_>, ids: &[i64]) {
        for id in ids {
            tx.execute("DELETE FROM chunk_fts WHERE rowid = ?1", [id]).unwrap();
        }
    }

    fn by_fts5(connection: &mut Connection, deleted: &[i64], rows: &[TextRow]) {
        let tx = connection.transaction().unwrap();
        delete(&tx, deleted);
        for TextRow { id, columns: [title, heading, text, path, language] } in rows {
            tx.execute(
                "INSERT INTO chunk_fts (rowid, title, heading, text, path, language)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![id, title, heading, text, path, language],
            )
            .unwrap();
        }
        tx.commit().unwrap();
    }

    pub fn by_segment(connection: &mut Connection, deleted: &[i64], rows: &[TextRow]) {
        let index_rows = |rows: &[TextRow]| {
            let mut index_rows = IndexRows::default();
            for TextRow { id, columns } in rows {
                let columns = columns.each_ref().map(|text| {
                    let tokens = text.split(' ').map(str::as_bytes);
                    index_rows.column(|column| tokens.for_each(|token| column.add(token)))
                });
                index_rows.push(ChunkId(*id), RevisionId(1), columns);
            }
            index_rows
        };
        let tx = connection.transaction().unwrap();
        delete(&tx, deleted);
        let (first, second) = rows.split_at(rows.len() / 3);
        Segment::new(vec![index_rows(first), index_rows(second)]).store(&tx).unwrap();
        tx.commit().unwrap();
    }

    /// Enters batches in both ways, each after a row of the one before is deleted, and compares what is written.
    fn check(batches: &[Vec<TextRow>]) {
        let (mut expected, mut actual) = (index(), index());
        let mut deleted = Vec::new();
        for rows in batches {
            by_fts5(&mut expected, &deleted, rows);
            by_segment(&mut actual, &deleted, rows);
            let (expected, actual) = (dump(&expected), dump(&actual));
            for (expected, actual) in expected.iter().zip(&actual) {
                assert!(expected == actual, "{expected:?}\n{actual:?}");
            }
            assert_eq!(expected.len(), actual.len());
            deleted = vec![rows[0].id];
        }
        for connection in [&mut expected, &mut actual] {
            let tx = connection.transaction().unwrap();
            delete(&tx, &deleted);
            tx.commit().unwrap();
            connection
                .execute("INSERT INTO chunk_fts (chunk_fts, rank) VALUES ('merge', -1000)", [])
                .unwrap();
            connection
                .execute("INSERT INTO chunk_fts (chunk_fts) VALUES ('integrity-check')", [])
                .unwrap();
        }
        assert_eq!(dump(&expected), dump(&actual));
    }

    fn words(count: i64, of: i64, seed: i64) -> String {
        let word = |index: i64| {
            let number = (index * 7919 + seed * 104_729) % of;
            format!("w{}", "x".repeat((number % 40) as usize) + &number.to_string())
        };
        (0..count).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn pages_are_those_of_fts5() {
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

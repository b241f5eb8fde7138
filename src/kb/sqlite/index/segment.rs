//! A segment of the full-text index, built outside of FTS5 and then added to it.
//!
//! FTS5 adds a row token by token to a hash of all terms that exceeds the caches of a processor.
//! Here the rows of a batch are known: they are inverted together, on any thread, and the
//! transaction only writes the pages. These are byte for byte the pages that FTS5 writes for the
//! same rows.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::doclist::Doclist;
use super::invert::Inverted;
use super::leaves::{Leaves, Pages};
use super::rows::IndexRows;
use super::structure::Structure;
use super::{COLUMNS, varint};
use crate::domain::{ChunkId, RevisionId};
use crate::kb::KbError;

/// Ids of the blocks that are not pages of a segment.
pub const AVERAGES_ID: i64 = 1;
const STRUCTURE_ID: i64 = 10;
/// Bits of a block's id below that of its segment (`FTS5_SEGMENT_ROWID`).
const SEGMENT_SHIFT: u32 = 37;

/// Rows of the full-text index, ready to be added to it.
#[derive(Debug)]
pub struct Segment {
    form: Form,
    rows: Vec<StoredRow>,
}

/// How rows are added to the index.
#[derive(Debug)]
enum Form {
    /// As the pages that FTS5 would write.
    Pages(Pages),
    /// By `INSERT`: the tokens of each column, separated by spaces.
    Texts(Vec<[String; COLUMNS]>),
}

#[derive(Debug)]
struct StoredRow {
    id: ChunkId,
    revision: RevisionId,
    /// Tokens of each column.
    sizes: [u32; COLUMNS],
}

impl Segment {
    /// Makes a segment whose rows FTS5 inserts.
    pub(super) fn of_texts(parts: Vec<IndexRows>) -> Self {
        let (mut texts, mut rows) = (Vec::new(), Vec::new());
        for mut part in parts {
            let terms = part.take_terms();
            let mut bytes = Vec::new();
            for row in part.rows() {
                let columns = part.columns(row);
                texts.push(columns.map(|numbers| {
                    let mut text = Vec::new();
                    for number in numbers {
                        terms[*number as usize].write(&mut bytes);
                        text.extend_from_slice(&bytes);
                        text.push(b' ');
                    }
                    String::from_utf8_lossy(&text).into_owned()
                }));
                let sizes = columns.map(|numbers| u32::try_from(numbers.len()).unwrap_or(u32::MAX));
                rows.push(StoredRow { id: row.id, revision: row.revision, sizes });
            }
        }
        Self { form: Form::Texts(texts), rows }
    }

    /// Makes a segment of pages.
    pub(super) fn of_pages(mut parts: Vec<IndexRows>) -> Self {
        let inverted = Inverted::new(&mut parts);
        let rows = || parts.iter().flat_map(|part| part.rows());
        // In an array of their own, as they are read for every term.
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
        Self { form: Form::Pages(leaves.finish()), rows: rows.collect() }
    }

    /// Returns the number of its rows.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns every row with its revision.
    pub fn rows(&self) -> impl Iterator<Item = (ChunkId, RevisionId)> {
        self.rows.iter().map(|row| (row.id, row.revision))
    }

    /// Adds its rows, none of which may exist yet, to the index.
    pub fn store(&self, tx: &Transaction<'_>) -> Result<(), KbError> {
        match &self.form {
            Form::Pages(pages) if pages.leaves == 0 => Ok(()),
            Form::Pages(pages) => self.store_pages(tx, pages),
            Form::Texts(texts) => self.insert(tx, texts),
        }
    }

    fn insert(&self, tx: &Transaction<'_>, texts: &[[String; COLUMNS]]) -> Result<(), KbError> {
        let mut insert = tx.prepare_cached(
            "INSERT INTO chunk_fts (rowid, title, heading, text, path, language)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (row, [title, heading, text, path, language]) in self.rows.iter().zip(texts) {
            insert.execute(params![row.id.0, title, heading, text, path, language])?;
        }
        Ok(())
    }

    fn store_pages(&self, tx: &Transaction<'_>, pages: &Pages) -> Result<(), KbError> {
        // FTS5 writes what it has buffered in this transaction when a savepoint begins.
        tx.execute_batch("SAVEPOINT segment; RELEASE segment")?;
        let mut structure = structure(tx)?;
        let (id, origin) = structure.add(pages.leaves, self.rows.len());
        let mut insert =
            tx.prepare_cached("INSERT INTO chunk_fts_data (id, block) VALUES (?1, ?2)")?;
        for (page, block) in pages.blocks() {
            insert.execute(params![(id << SEGMENT_SHIFT) + page, block])?;
        }
        let mut insert =
            tx.prepare_cached("INSERT INTO chunk_fts_idx (segid, term, pgno) VALUES (?1, ?2, ?3)")?;
        for (term, page) in &pages.separators {
            insert.execute(params![id, term, page])?;
        }
        replace_block(tx, STRUCTURE_ID, &structure.record())?;
        self.store_sizes(tx, origin)?;
        // FTS5 caches its records while no other connection writes, and drops the cache if a
        // savepoint in which it was used is rolled back. No row has this id.
        tx.execute_batch(
            "SAVEPOINT segment; DELETE FROM chunk_fts WHERE rowid = 0;
             ROLLBACK TO segment; RELEASE segment",
        )?;
        Ok(())
    }

    /// Writes the number of tokens of each row, and adds it to the totals (fts5_index.c, "Averages
    /// Record").
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

/// Returns a block of FTS5's data, empty if there is none.
pub fn block(tx: &Connection, id: i64) -> Result<Vec<u8>, KbError> {
    let mut statement = tx.prepare_cached("SELECT block FROM chunk_fts_data WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?.unwrap_or_default())
}

fn replace_block(tx: &Transaction<'_>, id: i64, block: &[u8]) -> Result<(), KbError> {
    tx.prepare_cached("REPLACE INTO chunk_fts_data (id, block) VALUES (?1, ?2)")?
        .execute(params![id, block])?;
    Ok(())
}

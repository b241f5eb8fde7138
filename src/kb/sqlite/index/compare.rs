//! Compares the full-text index with the tokens of its texts: FTS5 stores no text to compare with.

use std::collections::HashMap;

use rusqlite::Transaction;
use xxhash_rust::xxh3::xxh3_64;

use super::{COLUMNS, IndexRows, segment, varint};
use crate::kb::KbError;
use crate::kb::sqlite::convert::from_sql;

/// Names of the columns, in their order.
const NAMES: [&str; COLUMNS] = ["title", "heading", "text", "path", "language"];

/// The expected and the actual content of the index, as sums over the tokens of each row.
#[derive(Debug, Default)]
pub struct Expected {
    rows: HashMap<i64, Tokens>,
}

/// The tokens of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tokens {
    /// Sum over each token with its column and position, in any order.
    sum: u64,
    sizes: [u64; COLUMNS],
}

impl Tokens {
    fn add(&mut self, term: u64, column: usize, position: u64) {
        let place = (column as u64) << 48 | position;
        let mut both = [0; 16];
        both[..8].copy_from_slice(&term.to_le_bytes());
        both[8..].copy_from_slice(&place.to_le_bytes());
        self.sum = self.sum.wrapping_add(xxh3_64(&both));
        self.sizes[column] += 1;
    }
}

impl Expected {
    /// Adds expected rows.
    pub fn add(&mut self, mut rows: IndexRows) {
        let mut bytes = Vec::new();
        let terms = rows.take_terms().into_iter().map(|term| {
            term.write(&mut bytes);
            xxh3_64(&bytes)
        });
        let terms: Vec<u64> = terms.collect();
        for row in rows.rows() {
            let mut tokens = Tokens::default();
            for (column, numbers) in rows.columns(row).into_iter().enumerate() {
                for (position, number) in numbers.iter().enumerate() {
                    tokens.add(terms[*number as usize], column, position as u64);
                }
            }
            self.rows.insert(row.id.0, tokens);
        }
    }

    /// Returns the rows whose tokens, or their counts, differ in the index, and whether the totals
    /// of all rows differ.
    pub fn differing(&self, tx: &Transaction<'_>) -> Result<(Vec<i64>, bool), KbError> {
        let found = stored_tokens(tx)?;
        let sizes = stored_sizes(tx)?;
        let is_as_expected = |id: &i64, tokens: &Tokens| {
            let found = found.get(id).copied().unwrap_or_default();
            found == *tokens && sizes.get(id) == Some(&tokens.sizes)
        };
        let mut differing: Vec<i64> = self
            .rows
            .iter()
            .filter(|(id, tokens)| !is_as_expected(id, tokens))
            .map(|(id, _)| *id)
            .collect();
        differing.extend(found.keys().filter(|id| !self.rows.contains_key(id)));
        differing.sort_unstable();
        let averages = segment::block(tx, segment::AVERAGES_ID)?;
        let rest = &mut &averages[..];
        let mut totals = vec![self.rows.len() as u64];
        totals.extend(
            (0..COLUMNS)
                .map(|column| self.rows.values().map(|tokens| tokens.sizes[column]).sum::<u64>()),
        );
        let mut are_right = true;
        for total in totals {
            are_right &= varint::take(rest).unwrap_or_default() == total;
        }
        Ok((differing, are_right))
    }
}

/// Returns the content of the index for each row.
fn stored_tokens(tx: &Transaction<'_>) -> Result<HashMap<i64, Tokens>, KbError> {
    let mut rows: HashMap<i64, Tokens> = HashMap::new();
    let mut statement = tx.prepare("SELECT term, doc, col, offset FROM temp.instance")?;
    let mut found = statement.query([])?;
    let (mut last, mut hash) = (Vec::new(), xxh3_64(b""));
    while let Some(row) = found.next()? {
        let term = row.get_ref(0)?.as_bytes().unwrap_or_default();
        if term != last {
            last = term.to_vec();
            hash = xxh3_64(term);
        }
        let name = row.get_ref(2)?.as_str().unwrap_or_default();
        let column = NAMES.iter().position(|other| *other == name).unwrap_or(0);
        rows.entry(row.get(1)?).or_default().add(hash, column, from_sql(row.get(3)?));
    }
    Ok(rows)
}

/// Returns the number of tokens of each row, according to the index.
fn stored_sizes(tx: &Transaction<'_>) -> Result<HashMap<i64, [u64; COLUMNS]>, KbError> {
    let mut statement = tx.prepare("SELECT id, sz FROM chunk_fts_docsize")?;
    let mut rows = statement.query([])?;
    let mut sizes = HashMap::new();
    while let Some(row) = rows.next()? {
        let rest = &mut row.get_ref(1)?.as_blob().unwrap_or_default();
        let size = [(); COLUMNS].map(|()| varint::take(rest).unwrap_or(u64::MAX));
        sizes.insert(row.get(0)?, if rest.is_empty() { size } else { [u64::MAX; COLUMNS] });
    }
    Ok(sizes)
}

/// Returns words in the index that a search does not find in all their rows: lists are read from
/// their start, searches jump into them.
pub fn unfound_words(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    let mut words = tx.prepare("SELECT term, doc FROM temp.word")?;
    let mut search = tx.prepare("SELECT count(*) FROM chunk_fts WHERE chunk_fts MATCH ?1")?;
    let mut words = words.query([])?;
    let mut unfound = Vec::new();
    while let Some(row) = words.next()? {
        let (word, rows): (String, i64) = (row.get(0)?, row.get(1)?);
        let expression = format!("\"{}\"", word.replace('"', "\"\""));
        let found: i64 = search.query_row([expression], |row| row.get(0))?;
        if found != rows {
            unfound.push(word);
        }
    }
    Ok(unfound)
}

/// SQL that creates the lists of all tokens and of all words of the index.
pub const MAKE_INSTANCES: &str = "DROP TABLE IF EXISTS temp.instance;
     CREATE VIRTUAL TABLE temp.instance USING fts5vocab('main', 'chunk_fts', 'instance');
     DROP TABLE IF EXISTS temp.word;
     CREATE VIRTUAL TABLE temp.word USING fts5vocab('main', 'chunk_fts', 'row')";

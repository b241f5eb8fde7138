//! Rows for the full-text index: the tokens of their columns, as numbers of terms.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::COLUMNS;
use crate::domain::{ChunkId, RevisionId};
use crate::support::ascii::{LANES, Lanes};

/// Approximate bytes of text per token; a little fewer in English.
const TOKEN_BYTES_MEAN: usize = 5;

/// Some rows of the index.
#[derive(Debug, Default)]
pub struct IndexRows {
    /// Terms by number.
    terms: Vec<Term>,
    numbers: Numbers,
    /// Terms of the tokens of all columns.
    tokens: Vec<u32>,
    rows: Vec<Row>,
    /// Tokens without a number yet.
    waiting: Vec<First>,
}

/// One of the rows.
#[derive(Debug)]
pub struct Row {
    /// The chunk.
    pub id: ChunkId,
    /// Its revision.
    pub revision: RevisionId,
    columns: [Column; COLUMNS],
}

/// The tokens of a column; several rows may share it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    start: usize,
    end: usize,
}

impl IndexRows {
    /// Returns an empty set of rows, with capacity for the tokens of about `bytes` of text.
    pub fn for_text(bytes: usize) -> Self {
        Self { tokens: Vec::with_capacity(bytes / TOKEN_BYTES_MEAN), ..Self::default() }
    }

    /// Makes a column of the tokens that `fill` adds.
    pub fn column(&mut self, fill: impl FnOnce(&mut Self)) -> Column {
        let start = self.tokens.len();
        fill(self);
        self.number_waiting();
        Column { start, end: self.tokens.len() }
    }

    /// Adds a token to the current column.
    #[inline]
    pub fn add(&mut self, token: &[u8]) {
        if token.len() > FIRST_BYTES {
            self.number_waiting();
            self.tokens.push(self.numbers.of_long(token, &mut self.terms));
        } else if !token.is_empty() {
            // Numbered later, in bulk: ends of tokens are unpredictable branches, and a lookup per
            // token would stall on each.
            self.waiting.push(first(token));
        }
    }

    /// Adds the row of a chunk: title, heading path, text, path and language.
    pub fn push(&mut self, id: ChunkId, revision: RevisionId, columns: [Column; COLUMNS]) {
        self.rows.push(Row { id, revision, columns });
    }

    /// Frees the memory that only adding needs; no token can be added afterwards. Rows wait for
    /// their commit while those of the next batch are made.
    pub fn finish(&mut self) {
        self.numbers = Numbers::default();
        self.waiting = Vec::new();
        self.tokens.shrink_to_fit();
    }

    /// Takes the terms, by number; no token can be added afterwards.
    pub fn take_terms(&mut self) -> Vec<Term> {
        self.numbers = Numbers::default();
        std::mem::take(&mut self.terms)
    }

    /// Returns the rows in the order they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns the numbers of the terms of each column of a row.
    pub fn columns(&self, row: &Row) -> [&[u32]; COLUMNS] {
        row.columns.map(|column| &self.tokens[column.start..column.end])
    }

    fn number_waiting(&mut self) {
        let Self { terms, numbers, tokens, waiting, .. } = self;
        tokens.extend(waiting.drain(..).map(|first| numbers.of_short(first, terms)));
    }
}

/// A token, ordered by its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    first: First,
    rest: Box<[u8]>,
}

/// The first bytes of a term as a number in the same order, 0 after the last. Most terms have no
/// more, so they are compared without reading a text that is in no processor cache.
type First = u128;
const FIRST_BYTES: usize = 2 * LANES;

fn first(token: &[u8]) -> First {
    let length = token.len();
    let high = Lanes::at(token, 0).first(length);
    let low = Lanes::at(token, LANES).first(length.saturating_sub(LANES));
    u128::from(high.swap_bytes()) << 64 | u128::from(low.swap_bytes())
}

impl Term {
    /// Writes the bytes of the term over the beginning of `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let length = FIRST_BYTES - self.first.trailing_zeros() as usize / 8;
        bytes.clear();
        bytes.extend_from_slice(&self.first.to_be_bytes()[..length]);
        bytes.extend_from_slice(&self.rest);
    }
}

/// Numbers terms in the order they are first seen.
#[derive(Debug, Default)]
pub struct Numbers {
    short: HashMap<First, u32, RandomState>,
    long: HashMap<Box<[u8]>, u32, RandomState>,
}

impl Numbers {
    /// Returns the number of `term`, and adds it to `terms` if it is new.
    pub fn of(&mut self, term: Term, terms: &mut Vec<Term>) -> u32 {
        if term.rest.is_empty() {
            return self.of_short(term.first, terms);
        }
        let mut bytes = Vec::new();
        term.write(&mut bytes);
        self.of_long(&bytes, terms)
    }

    fn of_short(&mut self, first: First, terms: &mut Vec<Term>) -> u32 {
        *self.short.entry(first).or_insert_with(|| {
            terms.push(Term { first, rest: Box::default() });
            terms.len() as u32 - 1
        })
    }

    fn of_long(&mut self, token: &[u8], terms: &mut Vec<Term>) -> u32 {
        if let Some(number) = self.long.get(token) {
            return *number;
        }
        let number = terms.len() as u32;
        let (head, rest) = token.split_at(FIRST_BYTES);
        terms.push(Term { first: first(head), rest: rest.into() });
        self.long.insert(token.into(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_ordered_by_their_bytes() {
        let tokens: &[&str] = &[
            "a",
            "ab",
            "abcdefg",
            "abcdefgh",
            "abcdefghijklmno",
            "abcdefghijklmnop",
            "abcdefghijklmnopq",
            "abcdefghijklmnopqr",
            "b",
            "zz",
            "é",
            "黑豹",
        ];
        let mut rows = IndexRows::default();
        let column = rows.column(|rows| {
            for token in tokens.iter().rev().chain(tokens) {
                rows.add(token.as_bytes());
            }
        });
        assert_eq!(column.end, 2 * tokens.len());
        let mut terms = rows.take_terms();
        assert_eq!(terms.len(), tokens.len());
        terms.sort();
        let mut bytes = Vec::new();
        for (term, token) in terms.iter().zip(tokens) {
            term.write(&mut bytes);
            assert_eq!(bytes, token.as_bytes());
        }
        let numbers = &rows.tokens;
        assert!(numbers.iter().eq(numbers.iter().rev()));
    }
}

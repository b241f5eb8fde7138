//! Rows of tokens inverted: every term, in order, with the places that it is found at.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{COLUMNS, IndexedText};
use crate::support::ascii::{LANES, Lanes};

/// Where a token is found.
#[derive(Clone, Copy, Default)]
pub struct Occurrence {
    /// Index of the row.
    pub row: u32,
    /// The column in the highest bits, then the position in tokens.
    place: u32,
}

/// Bits of a place below the column: more tokens than a document can have.
const POSITION_BITS: u32 = 29;

impl Occurrence {
    /// Returns the column.
    pub fn column(self) -> u32 {
        self.place >> POSITION_BITS
    }

    /// Returns the position in the column, in tokens.
    pub fn position(self) -> u32 {
        self.place & ((1 << POSITION_BITS) - 1)
    }
}

/// The tokens of some rows, by term.
pub struct Inverted<'a> {
    /// Terms in ascending order, and where the occurrences of each end.
    terms: Vec<(&'a [u8], usize)>,
    /// Those of one term together, in the order of rows, columns and positions.
    occurrences: Vec<Occurrence>,
    /// Tokens of each row, by column.
    pub sizes: Vec<[u32; COLUMNS]>,
}

impl<'a> Inverted<'a> {
    /// Inverts `rows`.
    pub fn new(rows: &'a [IndexedText]) -> Self {
        let mut numbers = Numbers::default();
        // The term of every token, as they come.
        let bytes: usize = rows.iter().flat_map(IndexedText::columns).map(str::len).sum();
        let mut tokens: Vec<u32> = Vec::with_capacity(bytes / TOKEN_BYTES_MEAN);
        let mut column_tokens = Vec::new();
        let mut number_column = |column: &'a str| {
            // In two loops: where a token ends cannot be foreseen, and looking up the next one need not wait for it.
            column_tokens.clear();
            for_each_token(column.as_bytes(), |token| column_tokens.push(token));
            tokens.extend(column_tokens.iter().map(|token| numbers.number(*token)));
            column_tokens.len() as u32
        };
        let sizes: Vec<_> = rows.iter().map(|row| row.columns().map(&mut number_column)).collect();
        // Where the next occurrence of each term goes.
        let mut next = vec![0; numbers.terms.len()];
        let mut end = 0;
        let mut terms = Vec::with_capacity(numbers.terms.len());
        for number in numbers.in_order() {
            next[number as usize] = end;
            end += numbers.counts[number as usize] as usize;
            terms.push((numbers.terms[number as usize].bytes, end));
        }
        let mut occurrences = vec![Occurrence::default(); tokens.len()];
        let mut tokens = tokens.into_iter();
        for (row, sizes) in (0..).zip(&sizes) {
            for (column, size) in (0..).zip(sizes) {
                for (position, number) in (0..*size).zip(&mut tokens) {
                    let next = &mut next[number as usize];
                    let place = column << POSITION_BITS | position;
                    occurrences[*next] = Occurrence { row, place };
                    *next += 1;
                }
            }
        }
        Self { terms, occurrences, sizes }
    }

    /// Returns every term in ascending order, with its occurrences.
    pub fn terms(&self) -> impl Iterator<Item = (&'a [u8], &[Occurrence])> {
        let mut start = 0;
        self.terms.iter().map(move |(term, end)| {
            let occurrences = &self.occurrences[start..*end];
            start = *end;
            (*term, occurrences)
        })
    }
}

/// A token, with its first bytes as a number that orders as they do, 0 behind the last: most tokens are told apart by
/// it, without a look at a text that no cache of the processor holds any more.
#[derive(Clone, Copy)]
struct Token<'a> {
    first: u128,
    bytes: &'a [u8],
}

/// What a token takes on average, with the space behind it; a guess from below.
const TOKEN_BYTES_MEAN: usize = 5;
const FIRST_BYTES: usize = 2 * LANES;

/// The terms met so far, which are numbered as they come.
#[derive(Default)]
struct Numbers<'a> {
    short: HashMap<u128, u32, RandomState>,
    long: HashMap<&'a [u8], u32, RandomState>,
    /// By number.
    terms: Vec<Token<'a>>,
    /// How often each was met.
    counts: Vec<u32>,
}

impl<'a> Numbers<'a> {
    /// Counts a token and returns the number of its term.
    fn number(&mut self, token: Token<'a>) -> u32 {
        let next = self.terms.len() as u32;
        let number = if token.bytes.len() <= FIRST_BYTES {
            *self.short.entry(token.first).or_insert(next)
        } else {
            *self.long.entry(token.bytes).or_insert(next)
        };
        if number == next {
            self.terms.push(token);
            self.counts.push(0);
        }
        self.counts[number as usize] += 1;
        number
    }

    /// Returns the numbers of all terms in the order of these.
    fn in_order(&self) -> impl Iterator<Item = u32> {
        let firsts = self.terms.iter().map(|token| token.first);
        let mut order: Vec<(u128, u32)> = firsts.zip(0..).collect();
        let bytes = |number: u32| self.terms[number as usize].bytes;
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| bytes(a.1).cmp(bytes(b.1))));
        order.into_iter().map(|(_, number)| number)
    }
}

/// Calls `work` with every token of `column`, in order.
fn for_each_token<'a>(column: &'a [u8], mut work: impl FnMut(Token<'a>)) {
    let mut start = 0;
    for end in memchr::memchr_iter(b' ', column).chain([column.len()]) {
        let length = end - start;
        if length > 0 {
            let high = Lanes::at(column, start).first(length);
            let low = Lanes::at(column, start + LANES).first(length.saturating_sub(LANES));
            let first = u128::from(high.swap_bytes()) << 64 | u128::from(low.swap_bytes());
            work(Token { first, bytes: &column[start..end] });
        }
        start = end + 1;
    }
}

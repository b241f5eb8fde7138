//! Inverts rows of tokens: lists every term, in order, with all its places.

use super::COLUMNS;
use super::rows::{IndexRows, Numbers, Term};

/// A place of a token.
#[derive(Clone, Copy, Default)]
pub struct Occurrence {
    /// Index of the row.
    pub row: u32,
    /// The column in the highest bits, then the position in tokens.
    place: u32,
}

/// Bits of a place below the column: enough for more tokens than a document can have.
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
pub struct Inverted {
    /// In ascending order, with the end of each term's occurrences.
    terms: Vec<(Term, usize)>,
    /// Those of one term together, ordered by row, column and position.
    occurrences: Vec<Occurrence>,
    /// Tokens of each row, by column.
    pub sizes: Vec<[u32; COLUMNS]>,
}

impl Inverted {
    /// Inverts the rows of `parts`, numbered consecutively, and takes their terms.
    pub fn new(parts: &mut [IndexRows]) -> Self {
        let mut terms = Vec::new();
        let mut numbers = Numbers::default();
        // Maps the number of a term in each part to its number in all of them.
        let maps: Vec<Vec<u32>> = parts
            .iter_mut()
            .map(|part| {
                part.take_terms().into_iter().map(|term| numbers.of(term, &mut terms)).collect()
            })
            .collect();
        drop(numbers);
        let mut counts = vec![0_usize; terms.len()];
        let mut sizes = Vec::new();
        for (part, map) in parts.iter().zip(&maps) {
            for row in part.rows() {
                sizes.push(part.columns(row).map(|tokens| {
                    for token in tokens {
                        counts[map[*token as usize] as usize] += 1;
                    }
                    tokens.len() as u32
                }));
            }
        }
        let mut terms: Vec<_> = terms.into_iter().zip(0..).collect();
        terms.sort_unstable();
        // Turns counts into the position of each term's next occurrence.
        let mut end = 0;
        let mut end_of = |(term, number): (Term, usize)| {
            let start = end;
            end += std::mem::replace(&mut counts[number], start);
            (term, end)
        };
        let terms: Vec<_> = terms.into_iter().map(&mut end_of).collect();
        let mut occurrences = vec![Occurrence::default(); end];
        let mut row_number = 0;
        for (part, map) in parts.iter().zip(&maps) {
            for row in part.rows() {
                for (column, tokens) in (0..).zip(part.columns(row)) {
                    for (position, token) in (0..).zip(tokens) {
                        let next = &mut counts[map[*token as usize] as usize];
                        let place = column << POSITION_BITS | position;
                        occurrences[*next] = Occurrence { row: row_number, place };
                        *next += 1;
                    }
                }
                row_number += 1;
            }
        }
        Self { terms, occurrences, sizes }
    }

    /// Returns the number of tokens.
    pub fn token_count(&self) -> usize {
        self.occurrences.len()
    }

    /// Returns every term in ascending order, with its occurrences.
    pub fn terms(&self) -> impl Iterator<Item = (&Term, &[Occurrence])> {
        let mut start = 0;
        self.terms.iter().map(move |(term, end)| {
            let occurrences = &self.occurrences[start..*end];
            start = *end;
            (term, occurrences)
        })
    }
}

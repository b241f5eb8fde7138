//! The rows that contain a term, with its positions, as FTS5 writes them (fts5_index.c, "Doclist
//! Format").

use super::invert::Occurrence;
use super::varint;

/// The rows of one term.
#[derive(Debug, Default)]
pub struct Doclist {
    /// For each row its id, minus that of the previous row, then its positions.
    bytes: Vec<u8>,
    /// Id of each row, and the end of its data.
    rows: Vec<(u64, usize)>,
}

impl Doclist {
    /// Starts an empty list.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }

    /// Appends the row `id`, greater than the previous one, with the places of a term in it.
    pub fn push(&mut self, id: u64, occurrences: &[Occurrence]) {
        let before = self.rows.last().map_or(0, |(id, _)| *id);
        varint::put(&mut self.bytes, id - before);
        self.push_positions(occurrences);
        self.rows.push((id, self.bytes.len()));
    }

    /// Appends the length of the positions in bytes, times two, and the positions: each as its
    /// distance from the previous one in its column, plus two; and a one and the column's number
    /// before each column but the first.
    fn push_positions(&mut self, occurrences: &[Occurrence]) {
        let bytes = &mut self.bytes;
        let start = bytes.len();
        bytes.push(0);
        let (mut column, mut position) = (0, 0);
        for occurrence in occurrences {
            if occurrence.column() != column {
                column = occurrence.column();
                position = 0;
                bytes.push(1);
                varint::put(bytes, u64::from(column));
            }
            varint::put(bytes, u64::from(occurrence.position() - position + 2));
            position = occurrence.position();
        }
        let length = bytes.len() - start - 1;
        if length < 64 {
            bytes[start] = (length * 2) as u8;
        } else {
            let mut prefix = Vec::new();
            varint::put(&mut prefix, length as u64 * 2);
            bytes.splice(start..=start, prefix);
        }
    }

    /// Returns the whole list.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns as many whole rows from `at` on as fit in `space` bytes, and their number.
    pub fn fitting(&self, at: usize, space: usize) -> (&[u8], usize) {
        let start = self.start(at);
        let count = self.rows[at..].partition_point(|(_, end)| end - start <= space);
        (&self.bytes[start..self.start(at + count)], count)
    }

    /// Returns the id of a row, and its positions with their length before them.
    pub fn row(&self, at: usize) -> (u64, &[u8]) {
        let (id, end) = self.rows[at];
        let mut positions = &self.bytes[self.start(at)..end];
        varint::take(&mut positions);
        (id, positions)
    }

    fn start(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.rows[before].1)
    }
}

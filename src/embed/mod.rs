//! Embedders: text to unit vectors. This file holds the trait, its result, its config and the
//! choice of model; each model has its own file.

mod answer;
mod builtin;
mod characters;
mod gather;
mod hash;
mod vocabulary;
mod wordpiece;

use std::time::Duration;

use serde::Deserialize;

pub use answer::{Embeddings, unit_vectors};
pub use builtin::{Builtin, VOCABULARY};
pub use hash::Hash;
pub use wordpiece::{WordCache, WordPiece};

use crate::support::fingerprint::Fingerprint;

/// Turns texts into vectors of one fixed space.
///
/// The same text in the same role gives the same vector, whatever else is in the call and on every
/// machine, so that an interrupted and resumed ingest ends in the same content as an uninterrupted
/// one.
///
/// Threads of a pool call it at the same time, as many as [`Embedder::limits`] allow. A call may
/// take long: the caller looks for a stop between calls. A panic ends the run as an error does;
/// what other calls returned is stored. `examples/own_embedder.rs` has an embedder of its own.
pub trait Embedder: Send + Sync {
    /// Returns what identifies the vector space; always the same.
    fn model(&self) -> &Model;

    /// Returns the number of tokens that the model sees for `text`.
    ///
    /// Additive over white space: a text cut between words counts as the sum of its parts. Chunks
    /// are sized by it, on every text that is ingested, so it must be quick and cannot fail.
    fn count_tokens(&self, text: &str) -> usize;

    /// Embeds `texts`, which are not empty, as texts of `role`: one row of [`Model::dim`]
    /// components for each, in their order.
    ///
    /// Rows may have any length but zero: whoever calls scales them to unit length.
    /// [`unit_vectors`] checks all of this, and an answer of another shape is an error. It does not
    /// retry by itself: [`EmbedError`] says what the caller does about each error.
    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError>;

    /// Returns how much it takes at once.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Reports whether every text has a vector; true unless the model says otherwise.
    ///
    /// A model of words may know none of a text's words, and returns a row of zeros for it. From
    /// any other such a row means that something is broken.
    fn knows_every_text(&self) -> bool {
        true
    }
}

impl<E: Embedder + ?Sized> Embedder for &E {
    fn model(&self) -> &Model {
        (**self).model()
    }

    fn count_tokens(&self, text: &str) -> usize {
        (**self).count_tokens(text)
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        (**self).embed(texts, role)
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }

    fn knows_every_text(&self) -> bool {
        (**self).knows_every_text()
    }
}

/// What a text is embedded for; models that are trained on pairs embed the two differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// To be found.
    Document,
    /// To find others.
    Query,
}

/// How much an embedder takes at once; a limit of 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Texts of one call.
    pub texts: usize,
    /// Tokens of all texts of one call together, as [`Embedder::count_tokens`] counts them. A text
    /// of more is sent alone. `usize::MAX`: no limit.
    pub tokens: usize,
    /// Calls under way at the same time; never more than the run has threads. `usize::MAX`: no
    /// limit.
    pub in_flight: usize,
}

impl Default for Limits {
    /// What suits a model in this process: calls of some ten milliseconds at most, on every thread.
    fn default() -> Self {
        Self { texts: 64, tokens: usize::MAX, in_flight: usize::MAX }
    }
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

/// Why texts could not be embedded: a variant for each thing that the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// May pass: the same call is made again, a few times, then the run ends and can be resumed.
    #[error("embedder {model} is unavailable: {reason}")]
    Unavailable {
        /// Name of the model.
        model: String,
        /// What it said.
        reason: String,
        /// How long it asks to be left alone, of which a minute is granted; `None`: a wait that
        /// doubles each time.
        retry_after: Option<Duration>,
    },
    /// Will not pass by waiting (credentials, quota, an answer of the wrong shape): the run ends at
    /// once.
    #[error("embedder {model} refuses: {reason}")]
    Refused {
        /// Name of the model.
        model: String,
        /// What it said.
        reason: String,
    },
    /// At least one of the texts cannot be embedded: they are sent again by halves until it is
    /// found, its document fails, and the others are stored.
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

/// Opens the embedder that made vectors with this fingerprint, or `None` where this program has no
/// such.
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

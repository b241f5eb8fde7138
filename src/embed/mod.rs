//! Embedders: text to unit vectors. This file holds the trait, its result, its config and the
//! choice of model; each model has its own file.

mod budget;
mod builtin;
mod cached;
mod characters;
mod counting;
mod embeddings;
mod gather;
mod hash;
mod http;
pub mod hub;
mod measure;
#[cfg(feature = "onnx")]
mod measured;
pub(crate) mod onnx;
mod vocabulary;
mod wordpiece;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use budget::{Budget, BudgetConfig, Budgeted};
pub use builtin::{Builtin, VOCABULARY, is_word};
pub use cached::Cached;
pub use counting::{Counting, Counts};
pub use embeddings::{Embeddings, unit_vectors};
pub use hash::Hash;
pub use http::{Api, Http, HttpConfig, OnTooLong};
pub(crate) use http::{
    Client, ClientOptions, Failure, Response, check_url, check_variables, retry_after,
    status_inside,
};
pub use measure::Measure;
#[cfg(feature = "onnx")]
pub use onnx::Onnx;
pub use onnx::{OnnxConfig, Pooling};
pub use wordpiece::{WordCache, WordPiece};

use crate::kb::KbError;
use crate::kb::vector_cache::VectorCache;
use crate::support::byte_size::ByteSize;
use crate::support::checkpoint::StopSignal;
use crate::support::fingerprint::Fingerprint;
use crate::support::sharing::{Mode, Sharing};

/// Turns texts into vectors of one fixed space.
///
/// The same text in the same role has the same vector, whatever else is in the call and on every
/// machine, so that an interrupted and resumed ingest ends with the same content as an
/// uninterrupted one.
///
/// Threads of a pool call it at the same time, within [`Embedder::limits`]. A call may take long:
/// the caller checks for a stop between calls. A panic ends the run like an error; what other calls
/// returned is stored. `examples/own_embedder.rs` shows an embedder of one's own.
pub trait Embedder: Send + Sync {
    /// Returns what identifies the vector space; always the same.
    fn model(&self) -> &Model;

    /// Returns the number of tokens that the model sees for `text`.
    ///
    /// Additive over white space: a text split between words counts as the sum of its parts. Chunks
    /// are sized by it, for every ingested text, so it must be fast and cannot fail.
    fn count_tokens(&self, text: &str) -> usize;

    /// Returns what identifies these tokens; texts are chunked again when it changes.
    fn tokens(&self) -> &str {
        self.model().tokens
    }

    /// Embeds `texts`, which are not empty, as texts of `role`: one row of [`Model::dim`]
    /// components for each, in their order.
    ///
    /// Rows may have any length except zero: the caller scales them to unit length.
    /// [`unit_vectors`] checks all of this; another shape is an error. It does not retry: the
    /// caller does, according to the [`EmbedError`].
    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError>;

    /// Returns the limits of one call.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Reports whether every text has a vector; true unless the model says otherwise.
    ///
    /// A model of words may know none of a text's words, and returns a row of zeros for it. From
    /// any other model such a row means that something is broken.
    fn knows_every_text(&self) -> bool {
        true
    }

    /// Returns the vector of a fixed text as the model gave it to this process; `None` if it was
    /// not called yet, or cannot change without its fingerprint.
    ///
    /// It is stored with the vectors, and [expected](Self::expect_probe) by later processes.
    fn probe(&self) -> Option<Vec<f32>> {
        None
    }

    /// Has later calls fail if the fixed text no longer has this vector: the model behind a server
    /// has changed.
    fn expect_probe(&self, vector: Vec<f32>) {
        let _ = vector;
    }
}

/// A pointer to an embedder is one.
macro_rules! embedder_by {
    ($pointer:ty) => {
        impl<E: Embedder + ?Sized> Embedder for $pointer {
            fn model(&self) -> &Model {
                (**self).model()
            }

            fn count_tokens(&self, text: &str) -> usize {
                (**self).count_tokens(text)
            }

            fn tokens(&self) -> &str {
                (**self).tokens()
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

            fn probe(&self) -> Option<Vec<f32>> {
                (**self).probe()
            }

            fn expect_probe(&self, vector: Vec<f32>) {
                (**self).expect_probe(vector);
            }
        }
    };
}

embedder_by!(Box<E>);
embedder_by!(&E);

/// The role of a text; models that are trained on pairs embed the two differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A text to find.
    Document,
    /// A text to search for.
    Query,
}

/// Limits of the calls of an embedder; 0 counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Limit on the texts of one call.
    pub texts: usize,
    /// Limit on the tokens of all texts of one call, as [`Embedder::count_tokens`] counts them. A
    /// longer text is sent alone. `usize::MAX`: no limit.
    pub tokens: usize,
    /// Limit on concurrent calls, besides the number of threads of the run. `usize::MAX`: no limit.
    pub in_flight: usize,
    /// Whether calls wait for another machine: then [`Self::in_flight`] of them are made at once,
    /// however many threads the run has.
    pub is_remote: bool,
    /// How long calls are retried while none of them succeeds. `None`: a few times each.
    pub patience: Option<Duration>,
}

impl Default for Limits {
    /// Limits for a model in this process: calls of some ten milliseconds at most, on every thread.
    fn default() -> Self {
        let (tokens, in_flight) = (usize::MAX, usize::MAX);
        Self { texts: 64, tokens, in_flight, is_remote: false, patience: None }
    }
}

/// What identifies a vector space.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Name for people.
    pub name: String,
    /// Components of a vector.
    pub dim: usize,
    /// Changes whenever the same text might have another vector: name, weights and code version.
    pub fingerprint: String,
    /// Identifies its tokens; models with the same tokens can share chunks.
    pub tokens: &'static str,
    /// Weight of the cosine against the normalised BM25 score in hybrid search, 0 or more.
    pub hybrid_weight: f64,
}

/// Why texts could not be embedded, by what the caller does about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// May pass: the call is retried a few times, then the run ends and can be resumed.
    #[error("embedder {model} is unavailable: {reason}")]
    Unavailable {
        /// Name of the model.
        model: String,
        /// The reason it gave.
        reason: String,
        /// How long it asks to wait, limited to a minute or [`Limits::patience`]; `None`: the wait
        /// doubles each time.
        retry_after: Option<Duration>,
    },
    /// Will not pass by waiting (credentials, quota, vectors of the wrong shape): the run ends at
    /// once.
    #[error("embedder {model} refuses: {reason}")]
    Refused {
        /// Name of the model.
        model: String,
        /// The reason it gave.
        reason: String,
    },
    /// The budget of the run, or of the day, is used up: the run ends, and can be resumed.
    #[error("the budget is used up: {used}")]
    OverBudget {
        /// What was used, of how much.
        used: String,
    },
    /// At least one of the texts cannot be embedded: they are sent again in halves until it is
    /// found, its document fails, and the others are stored.
    #[error("embedder {model} cannot embed this text: {reason}")]
    BadInput {
        /// Name of the model.
        model: String,
        /// The reason it gave.
        reason: String,
    },
}

/// Which model embeds: at most one of the `[embed.*]` tables of kb.toml; none means
/// `[embed.builtin]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbedConfig {
    /// File with the vectors of models that cost, for other runs; empty: none; `None`: beside the
    /// knowledge base.
    pub cache: Option<PathBuf>,
    /// Limit on the size of that file.
    pub cache_max: ByteSize,
    /// The model inside this program.
    pub builtin: Option<BuiltinConfig>,
    /// Vectors without meaning, for tests.
    pub hash: Option<HashConfig>,
    /// A model behind a server.
    pub http: Option<HttpConfig>,
    /// A transformer in this process.
    pub onnx: Option<OnnxConfig>,
    /// What chunks are measured in; in kb.toml `chunk.tokenizer`.
    #[serde(skip)]
    pub measure: Measure,
}

impl Default for EmbedConfig {
    fn default() -> Self {
        let cache_max = ByteSize(4 << 30);
        let (builtin, hash, http, onnx) = (None, None, None, None);
        Self { cache: None, cache_max, builtin, hash, http, onnx, measure: Measure::default() }
    }
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
    /// Returns the same settings, whose relative paths are relative to `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        if let Some(onnx) = &mut self.onnx {
            onnx.base = base.to_owned();
        }
        if let Some(http) = &mut self.http {
            http.tokenizer = std::mem::take(&mut http.tokenizer).relative_to(base);
        }
        self.measure = self.measure.relative_to(base);
        self
    }

    /// Returns whether its vectors cost time or money, and are kept for other runs.
    pub fn costs(&self) -> bool {
        self.http.is_some() || self.onnx.is_some()
    }

    /// Returns what is wrong with the tables, in words for the author of kb.toml.
    pub fn validate(&self) -> Result<(), String> {
        let tables = [
            ("builtin", self.builtin.is_some()),
            ("hash", self.hash.is_some()),
            ("http", self.http.is_some()),
            ("onnx", self.onnx.is_some()),
        ];
        let mut set = tables.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name);
        if let (Some(one), Some(other)) = (set.next(), set.next()) {
            return Err(format!("[embed.{one}] and [embed.{other}] exclude each other; keep one"));
        }
        if let Some(HashConfig { dim }) = self.hash
            && !(1..=HashConfig::DIM_MAX).contains(&dim)
        {
            let most = HashConfig::DIM_MAX;
            return Err(format!("embed.hash.dim is {dim}; it must be 1 to {most}"));
        }
        if let Some(http) = &self.http {
            http.validate()?;
            if self.measure == Measure::Model && http.tokenizer == Measure::Builtin {
                return Err("http.tokenizer must be the path of the model's tokenizer.json, as \
                            chunk.tokenizer is \"model\""
                    .to_owned());
            }
        }
        self.onnx.as_ref().map_or(Ok(()), OnnxConfig::validate)
    }
}

/// What an embedder works with, besides its settings.
#[derive(Clone, Default)]
pub struct Setting {
    /// Ends requests and waits.
    pub stop: Arc<StopSignal>,
    /// This program, which looks up names in a process of its own; `None` for library users.
    pub program: Option<PathBuf>,
    /// Whether a model that is not here may be fetched.
    pub fetches: bool,
    /// Keeps the vectors of models that cost.
    pub cache: Option<CacheFile>,
    /// What its calls may take.
    pub budget: Option<Arc<Budget>>,
}

/// The file that keeps vectors.
#[derive(Clone, Debug)]
pub struct CacheFile {
    /// Its path.
    pub path: PathBuf,
    /// Who may read and write it, if it is created; `None`: as the umask says.
    pub mode: Option<Mode>,
    /// Whether it is created if it is missing.
    pub is_created: bool,
}

/// Opens the embedder that a valid `config` names.
pub fn open(config: &EmbedConfig, setting: &Setting) -> Result<Box<dyn Embedder>, EmbedError> {
    let (embedder, own): (Box<dyn Embedder>, _) = match config {
        EmbedConfig { http: Some(http), .. } => {
            (Box::new(Http::new(http, setting)?), http.tokenizer.clone())
        }
        EmbedConfig { onnx: Some(onnx), .. } => open_onnx(onnx, setting)?,
        EmbedConfig { hash: Some(hash), .. } => (Box::new(Hash::new(hash.dim)), Measure::Builtin),
        _ => (Box::new(Builtin::new()), Measure::Builtin),
    };
    let measure = if config.measure == Measure::Model { own } else { config.measure.clone() };
    let embedder = match measure {
        Measure::File(path) => measured(embedder, &path)?,
        Measure::Builtin | Measure::Model => embedder,
    };
    let embedder: Box<dyn Embedder> = match &setting.budget {
        Some(budget) => Box::new(Budgeted::new(embedder, Arc::clone(budget))),
        None => embedder,
    };
    // What is found there is not paid for.
    Ok(match open_cache(config, setting) {
        Some(cache) => Box::new(Cached::new(embedder, cache)),
        None => embedder,
    })
}

#[cfg(feature = "onnx")]
fn open_onnx(
    config: &OnnxConfig,
    setting: &Setting,
) -> Result<(Box<dyn Embedder>, Measure), EmbedError> {
    let onnx = Onnx::open(config, setting)?;
    let own = Measure::File(onnx.tokenizer().to_owned());
    Ok((Box::new(onnx), own))
}

#[cfg(feature = "onnx")]
fn measured(embedder: Box<dyn Embedder>, path: &Path) -> Result<Box<dyn Embedder>, EmbedError> {
    Ok(Box::new(measured::Measured::open(embedder, path)?))
}

#[cfg(not(feature = "onnx"))]
fn measured(embedder: Box<dyn Embedder>, path: &Path) -> Result<Box<dyn Embedder>, EmbedError> {
    let model = embedder.model().name.clone();
    let reason = format!("chunks cannot be measured by {}: {WITHOUT_ONNX}", path.display());
    Err(EmbedError::Refused { model, reason })
}

#[cfg(not(feature = "onnx"))]
fn open_onnx(config: &OnnxConfig, _: &Setting) -> Result<(Box<dyn Embedder>, Measure), EmbedError> {
    Err(EmbedError::Refused {
        model: config.model.display().to_string(),
        reason: WITHOUT_ONNX.to_owned(),
    })
}

/// Why this program computes no transformers.
#[cfg(not(feature = "onnx"))]
pub(crate) const WITHOUT_ONNX: &str = "this program was built without the feature \"onnx\"; \
                                       build it with: cargo install --path . --features onnx";

/// Opens the cache; `None` if there is none, or with a warning if it cannot be used.
fn open_cache(config: &EmbedConfig, setting: &Setting) -> Option<VectorCache> {
    let file = setting.cache.as_ref()?;
    let opened = match file.is_created {
        true => {
            let sharing = Sharing { mode: file.mode, model: None };
            VectorCache::create_or_open(&file.path, config.cache_max.0, &sharing)
        }
        false => VectorCache::open(&file.path, config.cache_max.0),
    };
    match opened {
        Ok(cache) => Some(cache),
        Err(KbError::Missing(_)) => None,
        Err(error) => {
            let path = file.path.display();
            tracing::warn!(%path, %error, "no cache of vectors; texts are embedded without it");
            None
        }
    }
}

/// Opens the embedder that made vectors with this fingerprint; `None` if this program has none.
pub fn for_fingerprint(fingerprint: &str) -> Result<Option<Box<dyn Embedder>>, EmbedError> {
    let Ok(Fingerprint { name, .. }) = fingerprint.parse() else { return Ok(None) };
    let dim = name.strip_prefix("hash-").and_then(|dim| dim.parse().ok());
    let hash = dim.map(|dim| HashConfig { dim });
    let config = EmbedConfig { hash, ..EmbedConfig::default() };
    if config.validate().is_err() {
        return Ok(None);
    }
    let embedder = open(&config, &Setting::default())?;
    Ok((embedder.model().fingerprint == fingerprint).then_some(embedder))
}

#[cfg(test)]
mod tests {
    use super::{BuiltinConfig, EmbedConfig, HashConfig, Setting, open};

    #[test]
    fn at_most_one_table_within_limits() {
        let check = |builtin: bool, dim: Option<usize>| {
            let builtin = builtin.then_some(BuiltinConfig {});
            let hash = dim.map(|dim| HashConfig { dim });
            EmbedConfig { builtin, hash, ..EmbedConfig::default() }.validate()
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
        let embedder =
            open(&EmbedConfig::default(), &Setting::default()).expect("the asset is whole");
        assert_eq!(embedder.model().name, "static-en-256");
    }
}

//! Rerankers: models that read a query and a text together and score how well the text answers.
//! This file holds the trait, its config and the choice of model; each model has its own file.
//!
//! A search waits for them: each has one time limit for everything, and what fails leaves the
//! order of the search. Scores are kept, so that no pair is paid for twice.

mod cached;
mod http;
mod onnx;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

pub use cached::Cached;
pub use http::{RerankApi, RerankHttpConfig};
pub use onnx::RerankOnnxConfig;

use crate::embed::Setting;
use crate::kb::KbError;
use crate::kb::vector_cache::VectorCache;
use crate::support::byte_size::ByteSize;
use crate::support::sharing::Sharing;

/// Limit on the passages that are reordered.
const CANDIDATES_MAX: usize = 1000;
const SECONDS_MAX: u64 = 3600;

/// Scores pairs of a query and a text.
///
/// The same pair has the same score, whatever else is in the call.
pub trait Reranker: Send + Sync {
    /// Returns the name of the model, for people.
    fn name(&self) -> &str;

    /// Returns what identifies the scores; changes whenever the same pair might have another one.
    fn fingerprint(&self) -> &str;

    /// Returns the limit on the texts of one call; 1 or more.
    fn texts_max(&self) -> usize;

    /// Returns a finite score for each of `texts`, in their order: the higher, the better the text
    /// answers `query`. Fails when it is not done by `until`.
    fn scores(&self, query: &str, texts: &[&str], until: Instant) -> Result<Vec<f32>, RerankError>;
}

/// Why texts have no scores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RerankError {
    /// May pass.
    #[error("reranker {model} is unavailable: {reason}")]
    Unavailable {
        /// Name of the model.
        model: String,
        /// The reason it gave.
        reason: String,
    },
    /// Will not pass by waiting.
    #[error("reranker {model} refuses: {reason}")]
    Refused {
        /// Name of the model.
        model: String,
        /// The reason it gave.
        reason: String,
    },
}

/// `[search.rerank]`: the model that reorders the best passages of a search. Exactly one of its
/// tables is needed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerankConfig {
    /// How many of the best passages are reordered.
    #[serde(default = "candidates_default")]
    pub candidates: usize,
    /// Seconds that a search waits for it, with all retries.
    #[serde(default = "timeout_default")]
    pub timeout: u64,
    /// A model behind a server.
    pub http: Option<RerankHttpConfig>,
    /// A cross-encoder in this process.
    pub onnx: Option<RerankOnnxConfig>,
}

fn candidates_default() -> usize {
    50
}

fn timeout_default() -> u64 {
    5
}

impl RerankConfig {
    /// Returns what is wrong, beginning with the key.
    pub fn validate(&self) -> Result<(), String> {
        let numbers = [
            ("candidates", self.candidates as u64, CANDIDATES_MAX as u64),
            ("timeout", self.timeout, SECONDS_MAX),
        ];
        for (key, value, most) in numbers {
            if !(1..=most).contains(&value) {
                return Err(format!("rerank.{key} is {value}; it must be 1 to {most}"));
            }
        }
        match (&self.http, &self.onnx) {
            (Some(http), None) => http.validate(),
            (None, Some(onnx)) => onnx.validate(),
            (None, None) => Err("rerank needs a model: add [search.rerank.http] or \
                                 [search.rerank.onnx]"
                .to_owned()),
            (Some(_), Some(_)) => Err("rerank: [search.rerank.http] and [search.rerank.onnx] \
                                       exclude each other; keep one"
                .to_owned()),
        }
    }

    /// Returns the same settings, whose relative paths are relative to `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        if let Some(onnx) = &mut self.onnx {
            onnx.base = base.to_owned();
        }
        self
    }

    /// Returns how long a search waits for it.
    pub fn time_limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Opens the reranker that a valid `config` names, with the file that keeps scores, of `cache_max`
/// at most.
pub fn open(
    config: &RerankConfig,
    setting: &Setting,
    cache_max: ByteSize,
) -> Result<Cached, RerankError> {
    let reranker: Box<dyn Reranker> = match (&config.http, &config.onnx) {
        (Some(http), _) => Box::new(http::Http::new(http, config.time_limit(), setting)?),
        (None, Some(onnx)) => onnx::open(onnx, setting)?,
        (None, None) => {
            let reason = "kb.toml names no model".to_owned();
            return Err(RerankError::Refused { model: "none".to_owned(), reason });
        }
    };
    let file = setting.cache.as_ref().and_then(|file| {
        let sharing = Sharing { mode: file.mode, model: None };
        let path = file.path.display();
        match VectorCache::create_or_open(&file.path, cache_max.0, &sharing) {
            Ok(cache) => return Some(cache),
            // A reader who may not write there has the scores of this process only.
            Err(error @ (KbError::Io { .. } | KbError::Denied { .. })) => {
                tracing::debug!(%path, %error, "scores are kept in memory only");
            }
            Err(error) => tracing::warn!(%path, %error, "scores are kept in memory only"),
        }
        None
    });
    Ok(Cached::new(reranker, file))
}

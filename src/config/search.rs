//! `[search]`: how texts are indexed, how passages are ranked, and what reorders them.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;

use crate::analysis::{AUTO, Language};
use crate::rerank::RerankConfig;

/// The `[search]` table of kb.toml.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchConfig {
    /// Language of the documents, as in `en`; `auto` detects it for each of them.
    pub language: String,
    /// BM25 weight of a word in the title, relative to one in the text; in [`WEIGHTS`].
    pub title_weight: f64,
    /// BM25 weight of a word in the heading path, relative to one in the text; in [`WEIGHTS`].
    pub heading_weight: f64,
    /// Weight of the cosine in hybrid search, relative to the model's recommended one; in
    /// [`WEIGHTS`].
    pub vector_weight: f64,
    /// The model that reorders the best passages; `None`: none.
    pub rerank: Option<RerankConfig>,
}

/// Allowed weights.
pub const WEIGHTS: RangeInclusive<f64> = 0.0..=100.0;

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            language: AUTO.to_owned(),
            title_weight: 1.0,
            heading_weight: 1.0,
            vector_weight: 1.0,
            rerank: None,
        }
    }
}

impl SearchConfig {
    /// Returns the same settings, whose relative paths are relative to `base`.
    #[must_use]
    pub fn relative_to(mut self, base: &Path) -> Self {
        self.rerank = self.rerank.map(|rerank| rerank.relative_to(base));
        self
    }

    /// Checks the settings; the error names the key and the allowed values.
    pub fn validate(&self) -> Result<(), String> {
        let weights = [
            ("title_weight", self.title_weight),
            ("heading_weight", self.heading_weight),
            ("vector_weight", self.vector_weight),
        ];
        for (key, weight) in weights {
            if !WEIGHTS.contains(&weight) {
                let (least, most) = (WEIGHTS.start(), WEIGHTS.end());
                return Err(format!("{key} must be {least} to {most}, not {weight}"));
            }
        }
        if self.language != AUTO && Language::from_code(&self.language).is_none() {
            let codes: Vec<_> = Language::ALL.iter().map(|language| language.code()).collect();
            return Err(format!(
                "language must be \"{AUTO}\" or one of {}, not \"{}\"",
                codes.join(", "),
                self.language
            ));
        }
        self.rerank.as_ref().map_or(Ok(()), RerankConfig::validate)
    }
}

//! Chunkers: text to spans. This file holds the trait, the config and the choice by media type;
//! each kind of text has its own file.
//!
//! A chunker turns a text into an outline (sections and blocks, `outline.rs`), splits the blocks
//! that are too long (`split.rs`, `grain.rs`) and packs the results into chunks (`pack.rs`). It
//! neither copies text nor does I/O; `embedded.rs` defines a chunk's text, `key.rs` what makes it
//! the same chunk after an edit.

mod covered;
mod embedded;
mod grain;
#[cfg(feature = "tree-sitter")]
mod grammar;
mod key;
mod markdown;
mod mdx;
mod outline;
mod pack;
mod pieces;
mod plain;
mod source;
mod split;
mod tables;
mod tokens;
mod units;
mod yaml;

use serde::Deserialize;

pub use covered::uncovered;
pub use embedded::{body_text, context_line, embedded_text};
pub use key::keys;

use crate::analysis::noise::Noise;
use crate::domain::{Chunk, MediaType};
use crate::support::fingerprint::Fingerprint;

/// Allowed values of `max_tokens`.
pub const MAX_TOKENS_RANGE: std::ops::RangeInclusive<usize> = 32..=8192;

/// The input of a chunker.
#[derive(Clone, Copy, Debug)]
pub struct ChunkInput<'a> {
    /// Title of the document; every embedded text begins with it.
    pub title: &'a str,
    /// The whole text of the revision.
    pub text: &'a str,
    /// All noise of the text.
    pub noise: &'a [Noise],
    /// Selects the chunker.
    pub media_type: MediaType,
}

/// Counts tokens as the embedder does. It is additive over white space: splitting a text before or
/// after a space, a tab or a line end does not change the sum.
pub type CountTokens<'a> = &'a (dyn Fn(&str) -> usize + Sync);

/// Splits a text into chunks.
///
/// Spans are in order, on character boundaries, and together cover every non-blank byte except
/// front matter, and headings whose text is in the heading paths of the sections below them; see
/// [`uncovered`]. A chunk's `token_count` is the exact
/// count of its [`embedded_text`] and at most `max_tokens`, with one exception: if title and
/// heading path alone take more than half of that, the body still gets `max_tokens / 2`.
pub trait Chunker: Sync {
    /// Name and version of the code. It changes whenever the same text might be split differently;
    /// [`ChunkConfig::fingerprint`] adds the settings.
    fn id(&self) -> &'static str;

    /// Splits `input` in time linear in its length.
    fn chunk(
        &self,
        input: &ChunkInput<'_>,
        config: &ChunkConfig,
        count: CountTokens<'_>,
    ) -> Vec<Chunk>;
}

/// Returns the chunker for a kind of text.
pub fn chunker(media_type: MediaType) -> &'static dyn Chunker {
    match media_type {
        MediaType::Markdown => &markdown::Markdown,
        MediaType::Plain => &plain::Plain,
        MediaType::Source => &source::Source,
    }
}

/// The `[chunk]` table of kb.toml.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkConfig {
    /// Limit on the tokens of an embedded text, title and heading path included.
    pub max_tokens: usize,
    /// Tokens of the previous text that are repeated in a chunk; 0 means none.
    pub overlap_tokens: usize,
}

/// The tokeniser that is assumed if a fingerprint names none.
const DEFAULT_TOKENISER: &str = "wordpiece";

impl Default for ChunkConfig {
    /// 256 tokens: as good over relevant spans as larger chunks, and less to read
    /// (docs/retrieval.md).
    fn default() -> Self {
        Self { max_tokens: 256, overlap_tokens: 0 }
    }
}

impl ChunkConfig {
    /// Returns everything that decides how a text is split, with the tokeniser `tokens`, such as
    /// `markdown@5:max_tokens=256,overlap_tokens=0`.
    pub fn fingerprint(&self, chunker: &dyn Chunker, tokens: &str) -> Fingerprint {
        let fingerprint = Fingerprint::of_code(chunker.id())
            .with("max_tokens", self.max_tokens)
            .with("overlap_tokens", self.overlap_tokens);
        if tokens == DEFAULT_TOKENISER {
            return fingerprint;
        }
        fingerprint.with("tokens", tokens)
    }

    /// Checks the settings; the error names the key and the allowed values.
    pub fn validate(&self) -> Result<(), String> {
        let (least, most) = (MAX_TOKENS_RANGE.start(), MAX_TOKENS_RANGE.end());
        if !MAX_TOKENS_RANGE.contains(&self.max_tokens) {
            return Err(format!("max_tokens must be {least} to {most}, not {}", self.max_tokens));
        }
        if self.overlap_tokens >= self.max_tokens / 2 {
            return Err(format!(
                "overlap_tokens must be less than half of max_tokens ({}), not {}",
                self.max_tokens / 2,
                self.overlap_tokens
            ));
        }
        Ok(())
    }
}

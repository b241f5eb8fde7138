//! `[chunk]`: sizes, which concern chunkers, and what they are measured in, which concerns models.

use serde::Deserialize;

use crate::chunk::ChunkConfig;
use crate::embed::Measure;

/// The `[chunk]` table of kb.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ChunkTable {
    max_tokens: usize,
    overlap_tokens: usize,
    tokenizer: Measure,
}

impl Default for ChunkTable {
    fn default() -> Self {
        let ChunkConfig { max_tokens, overlap_tokens } = ChunkConfig::default();
        Self { max_tokens, overlap_tokens, tokenizer: Measure::default() }
    }
}

impl ChunkTable {
    /// Returns the settings of chunkers, and what they measure in.
    pub(super) fn parts(self) -> (ChunkConfig, Measure) {
        let Self { max_tokens, overlap_tokens, tokenizer } = self;
        (ChunkConfig { max_tokens, overlap_tokens }, tokenizer)
    }
}

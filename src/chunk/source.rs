//! Program text, configuration and data: functions and classes if there are any, else groups of
//! lines between blank lines; split at lines.

use super::{ChunkConfig, ChunkInput, Chunker, CountTokens, pack, units};
use crate::domain::Chunk;

/// Chunks text whose lines matter; heading paths are the units around a chunk, and chunks never
/// overlap.
pub(super) struct Source;

impl Chunker for Source {
    fn id(&self) -> &'static str {
        if cfg!(feature = "tree-sitter") { "source+grammar@3" } else { "source@5" }
    }

    fn chunk(
        &self,
        input: &ChunkInput<'_>,
        config: &ChunkConfig,
        count: CountTokens<'_>,
    ) -> Vec<Chunk> {
        #[cfg(feature = "tree-sitter")]
        let marks = super::grammar::marks(input.text, input.title);
        #[cfg(not(feature = "tree-sitter"))]
        let marks = None;
        pack::pack(&units::outline(input.text, input.title, marks), input, config, count)
    }
}

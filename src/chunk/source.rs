//! Program text, reStructuredText, AsciiDoc, configuration: groups of lines between blank lines, cut at
//! lines.

use super::outline::{Kind, Outline};
use super::{ChunkConfig, ChunkInput, Chunker, CountTokens, pack};
use crate::domain::Chunk;

/// Chunks text whose lines matter; heading paths are empty and nothing overlaps.
pub(super) struct Source;

impl Chunker for Source {
    fn id(&self) -> &'static str {
        "source@1"
    }

    fn chunk(
        &self,
        input: &ChunkInput<'_>,
        config: &ChunkConfig,
        count: CountTokens<'_>,
    ) -> Vec<Chunk> {
        pack::pack(&Outline::of_paragraphs(input.text, Kind::Lines), input, config, count)
    }
}

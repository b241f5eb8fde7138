//! Plain text: paragraphs between blank lines, split at sentences.

use super::outline::{Kind, Outline};
use super::{ChunkConfig, ChunkInput, Chunker, CountTokens, pack};
use crate::domain::Chunk;

/// Chunks prose without known markup; heading paths are empty.
pub(super) struct Plain;

impl Chunker for Plain {
    fn id(&self) -> &'static str {
        "plain@4"
    }

    fn chunk(
        &self,
        input: &ChunkInput<'_>,
        config: &ChunkConfig,
        count: CountTokens<'_>,
    ) -> Vec<Chunk> {
        pack::pack(&Outline::of_paragraphs(input.text, Kind::Prose), input, config, count)
    }
}

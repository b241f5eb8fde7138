//! `stats`: what a knowledge base is made of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::error::Error;
use crate::kb::{Composition, Reader};

/// Limit on the ranges of the histogram.
const RANGES_MAX: u64 = 16;

/// What a knowledge base is made of; `stats --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct StatsReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// Its parts.
    #[serde(flatten)]
    pub composition: Composition,
    /// How long its chunks are.
    pub chunk_tokens: ChunkTokens,
}

/// The lengths of chunks, in tokens of the embedded text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChunkTokens {
    /// Of all chunks together.
    pub total: u64,
    /// Half of the chunks are not longer.
    pub median: u64,
    /// 95 % of the chunks are not longer.
    pub p95: u64,
    /// The longest one.
    pub max: u64,
    /// Number of chunks by length.
    pub histogram: Vec<LengthRange>,
}

/// A range of lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LengthRange {
    /// The least tokens.
    pub from: u64,
    /// The most tokens.
    pub to: u64,
    /// Chunks between these.
    pub chunks: u64,
}

/// Returns what the knowledge base of `target` is made of; takes no lock and writes nothing.
pub fn stats(target: &Target) -> Result<StatsReport, Error> {
    let composition = Reader::open(target.kb())?.maintenance().composition()?;
    Ok(StatsReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        chunk_tokens: ChunkTokens::of(&composition.lengths),
        composition,
    })
}

impl ChunkTokens {
    /// Returns the distribution of `lengths`: the number of chunks by their tokens.
    fn of(lengths: &BTreeMap<u64, u64>) -> Self {
        let chunks: u64 = lengths.values().sum();
        let quantile = |percent: u64| {
            let wanted = (chunks * percent).div_ceil(100);
            let mut seen = 0;
            let reached = lengths.iter().find(|(_, count)| {
                seen += *count;
                seen >= wanted
            });
            reached.map_or(0, |(tokens, _)| *tokens)
        };
        let max = lengths.keys().last().copied().unwrap_or_default();
        Self {
            total: lengths.iter().map(|(tokens, count)| tokens * count).sum(),
            median: quantile(50),
            p95: quantile(95),
            max,
            histogram: histogram(lengths, max),
        }
    }
}

/// Returns ranges of equal width, a power of two, from 1 to `max`.
fn histogram(lengths: &BTreeMap<u64, u64>, max: u64) -> Vec<LengthRange> {
    let width = max.div_ceil(RANGES_MAX).next_power_of_two();
    let mut ranges: Vec<_> = (0..max.div_ceil(width))
        .map(|at| LengthRange { from: at * width + 1, to: (at + 1) * width, chunks: 0 })
        .collect();
    for (tokens, count) in lengths {
        let place = usize::try_from(tokens.saturating_sub(1) / width).unwrap_or(usize::MAX);
        if let Some(range) = ranges.get_mut(place) {
            range.chunks += count;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_distributed_over_ranges() {
        let of = |lengths: &[(u64, u64)]| ChunkTokens::of(&lengths.iter().copied().collect());
        assert_eq!(of(&[]), ChunkTokens::default());
        let tokens = of(&[(1, 1), (16, 1), (17, 2), (256, 16)]);
        assert_eq!((tokens.total, tokens.median, tokens.p95, tokens.max), (4147, 256, 256, 256));
        assert_eq!(tokens.histogram.len(), 16);
        assert_eq!(tokens.histogram[0], LengthRange { from: 1, to: 16, chunks: 2 });
        assert_eq!(tokens.histogram[1], LengthRange { from: 17, to: 32, chunks: 2 });
        assert_eq!(tokens.histogram[15], LengthRange { from: 241, to: 256, chunks: 16 });
        assert_eq!(of(&[(3, 7)]).histogram[2], LengthRange { from: 3, to: 3, chunks: 7 });
    }
}

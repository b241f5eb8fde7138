//! The results of an evaluation as plain data; `--json` prints them.

use std::path::PathBuf;

use serde::Serialize;

use super::gate::Shortfall;
use super::measures::{Passage, Scores};

/// Ranks of the first answer that are counted together, both ends included; the last bin is "not
/// found".
pub const RANK_BINS: [(usize, usize); 7] =
    [(1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, usize::MAX)];

/// An evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct EvalReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    pub knowledge_base: PathBuf,
    /// The file of queries.
    pub queries_file: PathBuf,
    /// Hash of the file of queries, to compare reports of the same queries.
    pub queries_hash: String,
    /// Number of queries.
    pub queries: usize,
    /// Warnings about deviations from what was requested.
    pub warnings: Vec<String>,
    /// Each mode, in the order requested.
    pub modes: Vec<ModeSummary>,
    /// Each pair of modes, measure by measure.
    pub differences: Vec<ModeDifference>,
    /// The queries with the lowest scores in the first mode, worst first.
    pub worst: Vec<Worst>,
    /// Every query in every mode, if requested.
    pub details: Option<Vec<Detail>>,
    /// What failed the gate; empty if it holds.
    pub shortfalls: Vec<Shortfall>,
    /// Exit code for the process.
    pub exit_code: u8,
}

/// The results of one mode.
#[derive(Clone, Debug, Serialize)]
pub struct ModeSummary {
    /// `hybrid`, `text` or `vector`.
    pub mode: String,
    /// Means over the queries.
    pub metrics: Scores,
    /// Wall-clock time of a search, the embedding of the query included.
    pub latency_ms: Latency,
    /// How many queries have their first answer at the ranks of [`RANK_BINS`], and last how many
    /// have none.
    pub first_relevant_ranks: Vec<usize>,
}

/// Milliseconds of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the searches took no longer.
    pub p50: f64,
    /// 95 of 100 took no longer.
    pub p95: f64,
    /// The slowest.
    pub max: f64,
}

/// One measure in two modes.
#[derive(Clone, Debug, Serialize)]
pub struct ModeDifference {
    /// Name of the measure.
    pub metric: &'static str,
    /// The mode that counts as positive.
    pub of: String,
    /// The other.
    pub against: String,
    /// Mean of the first minus mean of the second.
    pub mean: f64,
    /// Lower bound of its 95 % interval.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// A query with a low score.
#[derive(Clone, Debug, Serialize)]
pub struct Worst {
    /// Its id.
    pub id: String,
    /// The query itself.
    pub query: String,
    /// Its nDCG@10.
    #[serde(rename = "ndcg@10")]
    pub ndcg: f64,
    /// Rank of the first document that answers it.
    pub first_relevant_rank: Option<usize>,
    /// The documents that should have been found.
    pub wanted: Vec<String>,
    /// The document that was found first.
    pub found: Option<String>,
}

/// One query in one mode.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    /// The query's id.
    pub id: String,
    /// The mode.
    pub mode: String,
    /// Milliseconds it took.
    pub latency_ms: f64,
    /// Rank of the first document that answers it.
    pub first_relevant_rank: Option<usize>,
    /// All measures.
    pub metrics: Scores,
    /// The passages found, best first.
    pub hits: Vec<Passage>,
}

impl Latency {
    /// Returns the quantiles of `times_ms`, by the nearest rank.
    pub fn of(times_ms: &[f64]) -> Self {
        let mut sorted = times_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self { p50: at(50), p95: at(95), max: at(100) }
    }
}

/// Returns the mean of every measure, over the queries that have it.
pub fn mean_scores(all: &[Scores]) -> Scores {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in all.iter().flat_map(|scores| &scores.0) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mean = |name: &'static str| {
        let values: Vec<f64> = all.iter().filter_map(|scores| scores.get(name)).collect();
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let count = values.len() as f64;
        (name, values.iter().sum::<f64>() / count)
    };
    Scores(names.into_iter().map(mean).collect())
}

/// Counts `ranks` by [`RANK_BINS`]; the last count is of queries without an answer found.
pub fn rank_histogram(ranks: &[Option<usize>]) -> Vec<usize> {
    let mut counts = vec![0; RANK_BINS.len() + 1];
    for rank in ranks {
        let bin = rank.and_then(|rank| RANK_BINS.iter().position(|(_, last)| rank <= *last));
        counts[bin.unwrap_or(RANK_BINS.len())] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values() {
        let times: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(Latency::of(&times), Latency { p50: 10.0, p95: 19.0, max: 20.0 });
        assert_eq!(Latency::of(&[3.0]), Latency { p50: 3.0, p95: 3.0, max: 3.0 });
        assert_eq!(Latency::of(&[]), Latency::default());
    }

    #[test]
    fn ranks_are_counted_in_bins() {
        let ranks = [Some(1), Some(4), Some(5), Some(20), Some(99), None];
        assert_eq!(rank_histogram(&ranks), [1, 0, 0, 2, 0, 1, 1, 1]);
    }
}

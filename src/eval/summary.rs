//! The results of one search mode over all queries.

use serde::Serialize;

use super::measures::Scores;

/// Ranks of the first answer that are counted together, both ends included; the last bin is "not
/// found".
pub const RANK_BINS: [(usize, usize); 7] =
    [(1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, usize::MAX)];

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

//! `eval --tune`: the weight of vectors that suits one's own documents and queries.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Target;
use super::eval::{Ranked, chunks_of_answers, measure, read_queries, with_stored_uris};
use super::search::open_with;
use crate::error::Error;
use crate::eval::{self, Difference, Scores};
use crate::kb::SearchMode;

/// The weights that are tried, relative to the one that the model recommends.
const WEIGHTS: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0];
/// What is compared: by passages if the queries name these, else by documents.
const MEASURES: [&str; 2] = ["ndcg_span@10", "ndcg@10"];

/// The weight of vectors that was chosen on half of the queries and checked on the others; `--json`
/// prints it.
#[derive(Clone, Debug, Serialize)]
pub struct TuneReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// What was compared.
    pub metric: &'static str,
    /// The current `search.vector_weight`.
    pub current: f64,
    /// The best on the first half.
    pub chosen: f64,
    /// Each weight with its mean on the half that chooses.
    pub tried: Vec<(f64, f64)>,
    /// Means of the current and of the chosen weight on the half that checks.
    pub checked: (f64, f64),
    /// Chosen minus current on that half, with its 95 % interval.
    pub difference: Difference,
    /// Whether the interval is above zero.
    pub is_better: bool,
}

/// Chooses the weight of vectors for hybrid search on the queries of even number, and checks it on
/// the others. Writes nothing.
pub fn tune(target: &Target, queries: &Path) -> Result<TuneReport, Error> {
    let (queries, _) = read_queries(queries)?;
    if queries.len() < 2 {
        return Err(Error::Usage {
            message:
                "half of the queries choose the weight and the others check it: one is not enough"
                    .to_owned(),
            hint: Some("some hundred queries tell weights apart".to_owned()),
        });
    }
    let mut searcher = open_with(target, SearchMode::Vector, false)?;
    let queries = with_stored_uris(&searcher, queries)?;
    let chunks = chunks_of_answers(&searcher, &queries)?;
    let current = searcher.vector_weight();
    let mut weights = WEIGHTS.to_vec();
    if !weights.contains(&current) {
        weights.push(current);
    }
    let mut measured = Vec::new();
    for weight in weights {
        searcher.set_vector_weight(weight);
        let scores = measure(&searcher, Ranked::by(SearchMode::Hybrid), &queries, &chunks)?.scores;
        measured.push((weight, scores));
    }
    let has =
        |metric| measured.iter().all(|(_, all)| all.iter().all(|one| one.get(metric).is_some()));
    let metric = MEASURES.into_iter().find(|metric| has(metric)).unwrap_or("ndcg@10");
    // As the author of a file orders queries, neighbours are alike: both halves have some of each.
    let half = |scores: &[Scores], rest: usize| -> Vec<f64> {
        let numbered = scores.iter().enumerate().filter(|(at, _)| at % 2 == rest);
        numbered.map(|(_, one)| one.get(metric).unwrap_or(0.0)).collect()
    };
    let tried: Vec<_> =
        measured.iter().map(|(weight, scores)| (*weight, mean(&half(scores, 0)))).collect();
    let distance = |weight: f64| (weight - current).abs();
    let best = tried.iter().copied().reduce(|best, one| {
        let is_better = one.1 > best.1 || (one.1 == best.1 && distance(one.0) < distance(best.0));
        if is_better { one } else { best }
    });
    let chosen = best.map_or(current, |(weight, _)| weight);
    let check = |weight: f64| {
        let found = measured.iter().find(|(one, _)| *one == weight);
        found.map(|(_, scores)| half(scores, 1)).unwrap_or_default()
    };
    let (before, after) = (check(current), check(chosen));
    let pairs = after.iter().zip(&before).map(|(after, before)| after - before);
    let difference = eval::difference(&pairs.collect::<Vec<_>>());
    Ok(TuneReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        metric,
        current,
        chosen,
        tried,
        checked: (mean(&before), mean(&after)),
        is_better: chosen != current && difference.low > 0.0,
        difference,
    })
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

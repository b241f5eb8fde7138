//! The results of an evaluation as plain data; `--json` prints them.

use std::path::PathBuf;

use serde::Serialize;

use super::gate::Shortfall;
use super::measures::{Passage, Scores};
use super::summary::ModeSummary;

/// An evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct EvalReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The file of queries.
    #[serde(serialize_with = "crate::support::names::lossy")]
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

//! Measures retrieval: how good a ranking is, given known answers. Plain data and functions;
//! nothing here searches, reads a file or prints.
//!
//! The measures are those of the TREC tradition over documents, and those of Chroma's chunking
//! evaluation (Smith & Troynikov 2024, "Evaluating Chunking Strategies for Retrieval") over spans
//! of text.

mod bootstrap;
mod gate;
mod measures;
mod page;
mod queries;
mod report;
mod spans;
mod summary;

pub use bootstrap::{Difference, difference};
pub use gate::{Baseline, GateError, Minimum, Shortfall};
pub use measures::{CUT, Passage, Scores, first_relevant_rank, scores};
pub use page::page;
pub use queries::{Query, QueryError, Relevant, parse_queries};
pub use report::{Detail, EvalReport, ModeDifference, Worst};
pub use spans::ByteSpan;
pub use summary::{Latency, ModeSummary, RANK_BINS, mean_scores, rank_histogram};

//! Arguments of `eval`, and the gate that `ingest` shares with it.

use std::path::PathBuf;

use clap::Args;

use super::permission::TrustArgs;
use super::search::Mode;
use crate::eval::Minimum;

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest eval [OPTIONS] [KB_TOML] <QUERIES>")]
pub struct EvalArgs {
    /// The optional target, and the file of queries.
    #[arg(value_names = ["KB_TOML", "QUERIES"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_queries: Vec<PathBuf>,
    /// Measures only this mode; may be repeated. --min applies to the first one.
    #[arg(long, value_name = "MODE", value_enum)]
    pub mode: Vec<Mode>,
    /// Does not measure the first mode again with the reranker that kb.toml names.
    #[arg(long)]
    pub no_rerank: bool,
    /// Adds every query in every mode to --json: its measures and hits.
    #[arg(long, requires = "json")]
    pub details: bool,
    /// Chooses search.vector_weight on the queries of even number, checks it on the others, and
    /// prints the line for kb.toml.
    #[arg(long, conflicts_with_all = ["mode", "details", "gate", "report"])]
    pub tune: bool,
    /// The gate.
    #[command(flatten)]
    pub gate: GateArgs,
    /// Writes a page with plots to this file; the page loads nothing and needs no server.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// The gate: what has to hold for exit code 0.
#[derive(Debug, Args)]
pub struct GateArgs {
    /// Requires a value, as in recall@10=0.9 or text:ndcg@10=0.6; may be repeated.
    #[arg(long, value_name = "METRIC=VALUE", group = "gate")]
    pub min: Vec<Minimum>,
    /// Compares with an earlier report printed by --json.
    #[arg(long, value_name = "FILE", group = "gate")]
    pub baseline: Option<PathBuf>,
    /// How far a measure may fall below the baseline.
    #[arg(long, value_name = "D", default_value_t = 0.0, requires = "baseline", value_parser = drop)]
    pub max_drop: f64,
}

fn drop(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("it must be a number from 0 to 1".to_owned()),
    }
}

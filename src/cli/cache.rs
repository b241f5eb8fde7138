//! `kbingest cache`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::{bytes, escape, result};
use super::{Ending, output};
use crate::config::Config;
use crate::error::Error;
use crate::operations::{self, CacheReport};
use crate::support::numbers::counted;

/// Arguments of `cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// The commands of `cache`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Shows its size, and how many vectors of which models it has.
    Stats(CacheStatsArgs),
    /// Deletes vectors that nothing asked for in a while, and what exceeds `embed.cache_max`.
    Prune(CachePruneArgs),
}

/// Arguments of `cache stats`.
#[derive(Debug, Args)]
pub struct CacheStatsArgs {
    /// The settings.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub config: PathBuf,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `cache prune`.
#[derive(Debug, Args)]
pub struct CachePruneArgs {
    /// The settings, and the form of the output.
    #[command(flatten)]
    pub stats: CacheStatsArgs,
    /// Days for which nothing asked for a vector that is deleted.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub days: u32,
}

/// Runs `cache`.
pub fn run(arguments: &CacheArgs) -> Result<Ending, Error> {
    let (config, json, days) = match &arguments.command {
        CacheCommand::Stats(stats) => (&stats.config, stats.json, None),
        CacheCommand::Prune(prune) => (&prune.stats.config, prune.stats.json, Some(prune.days)),
    };
    let report = operations::cache(&Config::load_without_sources(config)?, days)?;
    if json {
        output::json(&report)?;
    } else {
        result(&text(&report, days.is_some()))?;
    }
    Ok(Ending::Code(0))
}

fn text(report: &CacheReport, has_pruned: bool) -> String {
    let Some(path) = &report.cache else {
        return "no cache: the models of this kb.toml cost nothing, or `cache` is empty\n"
            .to_owned();
    };
    let mut text = format!("{}\n", escape(&path.display().to_string(), false));
    if has_pruned {
        let _ = writeln!(text, "  deleted   {}", counted(report.deleted, "vector"));
    }
    let Some(statistics) = &report.statistics else { return text + "  empty\n" };
    let _ =
        writeln!(text, "  size      {} of {}", bytes(statistics.bytes), bytes(report.bytes_max));
    for model in &statistics.models {
        let fingerprint = escape(&model.fingerprint, false);
        let _ = writeln!(text, "  {}  {fingerprint}", counted(model.vectors, "vector"));
    }
    text
}

//! `kbingest cache`.

use std::fmt::Write;

use super::args::{CacheArgs, CacheCommand};
use super::output::{bytes, escape, result};
use super::{Ending, output};
use crate::config::Config;
use crate::error::Error;
use crate::operations::{self, CacheReport};
use crate::support::numbers::counted;

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

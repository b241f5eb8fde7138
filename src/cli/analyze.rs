//! `kbingest analyze` and `kbingest embed`.

use std::ffi::OsString;
use std::fmt::Write;

use clap::Args;

use super::args::TrustArgs;
use super::output::{escape, result};
use super::target::target_and_last;
use super::{Ending, output};
use crate::embed::Role;
use crate::error::Error;
use crate::operations::{self, AnalyzeReport, Target};

/// Arguments of `analyze`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest analyze [OPTIONS] [KB_TOML] <QUERY>")]
pub struct AnalyzeArgs {
    /// The optional target, and the query; the command's own text explains them.
    #[arg(value_names = ["KB_TOML", "QUERY"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_query: Vec<OsString>,
    /// Looks up what is typed: corrects no misspelt word, and keeps phrases and exclusions that
    /// leave nothing.
    #[arg(long)]
    pub exact: bool,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `embed`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest embed [OPTIONS] [KB_TOML] <TEXT>")]
pub struct EmbedArgs {
    /// The optional target, and the text; the command's own text explains them.
    #[arg(value_names = ["KB_TOML", "TEXT"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_text: Vec<OsString>,
    /// Embeds the text as one to be found, not as one to search for.
    #[arg(long)]
    pub document: bool,
    /// What the settings may do.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs `analyze`.
pub fn analyze(arguments: &AnalyzeArgs) -> Result<Ending, Error> {
    let (target, query) = target_and_last(&arguments.target_and_query);
    let target = Target::open(target)?;
    let report = operations::analyze(&target, &query.to_string_lossy(), arguments.exact)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&describe(&report))?;
    }
    Ok(Ending::Code(0))
}

/// Runs `embed`.
pub fn embed(arguments: &EmbedArgs) -> Result<Ending, Error> {
    let (target, text) = target_and_last(&arguments.target_and_text);
    let mut target = Target::open(target)?;
    if arguments.trust.trust {
        target.allow();
    }
    let role = if arguments.document { Role::Document } else { Role::Query };
    let report = operations::embed(&target, &text.to_string_lossy(), role)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        let components: Vec<_> = report.vector.iter().map(f32::to_string).collect();
        result(&format!("[{}]\n", components.join(",")))?;
    }
    Ok(Ending::Code(0))
}

fn describe(report: &AnalyzeReport) -> String {
    let mut text = String::new();
    let AnalyzeReport { expressions, interpretation, .. } = report;
    let corrected =
        interpretation.corrected.iter().map(|one| format!("{} -> {}", one.from, one.to));
    let rows = [
        ("expression", expressions.expression.clone().unwrap_or_default()),
        ("every word", expressions.expression_all.clone().unwrap_or_default()),
        ("tokens", expressions.tokens.join(" ")),
        ("sources", expressions.sources.join(", ")),
        ("without", expressions.excluded_sources.join(", ")),
        ("corrected", corrected.collect::<Vec<_>>().join(", ")),
        ("relaxed", interpretation.relaxed.join(", ")),
        ("meaning", report.meaning.trim().to_owned()),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:10}  {}", escape(value, false));
    }
    text
}

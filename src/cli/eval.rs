//! `kbingest eval`.

use std::fmt::Write;
use std::path::Path;

use super::args::EvalArgs;
use super::output::{escape, result};
use super::render::{BOLD, DIM};
use super::{Ending, output, render};
use crate::error::Error;
use crate::eval::{EvalReport, ModeDifference, ModeSummary, Shortfall, page};
use crate::operations::{self, EvalOptions, Gate, Target, TuneReport};
use crate::support::files;
use crate::support::numbers::counted;

/// Measures whose differences are shown; `--json` has all.
const COMPARED: [&str; 3] = ["ndcg@10", "recall@10", "span_recall@5"];

/// Runs `eval`.
pub fn run(arguments: &EvalArgs, is_quiet: bool) -> Result<Ending, Error> {
    let (target, queries) = match arguments.target_and_queries.as_slice() {
        [target, queries] => (target.as_path(), queries),
        [queries] => (Path::new("kb.toml"), queries),
        // clap accepts one or two.
        _ => unreachable!("one or two arguments"),
    };
    let mut target = Target::open(target)?;
    if arguments.trust.trust {
        target.allow();
    }
    if arguments.no_rerank {
        target.without_reranker();
    }
    if arguments.tune {
        let report = operations::tune(&target, queries)?;
        if arguments.json {
            output::json(&report)?
        } else {
            result(&tuned(&report))?
        }
        return Ok(Ending::Code(0));
    }
    let options = EvalOptions {
        queries: queries.clone(),
        modes: arguments.mode.iter().map(|mode| mode.search_mode()).collect(),
        details: arguments.details,
        gate: arguments.gate.gate(),
    };
    let report = operations::eval(&target, &options)?;
    for warning in &report.warnings {
        render::warning(warning);
    }
    if let Some(path) = &arguments.report {
        write_page(path, &report)?;
    }
    if arguments.json {
        output::json(&report)?;
    } else if !is_quiet {
        result(&table(&report))?;
    }
    for shortfall in &report.shortfalls {
        render::warning(&describe_shortfall(shortfall));
    }
    Ok(Ending::Code(report.exit_code))
}

impl super::args::GateArgs {
    /// Reports whether the gate requires nothing.
    pub fn is_empty(&self) -> bool {
        self.min.is_empty() && self.baseline.is_none()
    }

    /// Returns the gate.
    pub fn gate(&self) -> Gate {
        Gate {
            minimums: self.min.clone(),
            baseline: self.baseline.clone(),
            max_drop: self.max_drop,
        }
    }
}

/// Returns one line about a measure that fell short.
pub fn describe_shortfall(shortfall: &Shortfall) -> String {
    let Shortfall { mode, metric, value, wanted, baseline } = shortfall;
    match baseline {
        None => format!("{mode}:{metric} is {value:.4}, less than {wanted}"),
        Some(baseline) => {
            format!("{mode}:{metric} is {value:.4}, less than {wanted:.4} (it was {baseline:.4})")
        }
    }
}

/// Writes the page to a temporary file and renames it, so that it is never seen half written.
fn write_page(path: &Path, report: &EvalReport) -> Result<(), Error> {
    files::replace_result(path, page(report).as_bytes()).map_err(|error| Error::Usage {
        message: format!("cannot write {}: {error}", path.display()),
        hint: Some("--report names a file that can be written".to_owned()),
    })
}

fn table(report: &EvalReport) -> String {
    let mut text = String::new();
    let of = escape(&report.queries_file.to_string_lossy(), false);
    let kb = escape(&report.knowledge_base.to_string_lossy(), false);
    let _ = writeln!(text, "{kb}: {} of {of}\n", counted(report.queries as u64, "query"));
    let _ = write!(text, "{:16}", "");
    let width = |mode: &ModeSummary| (mode.mode.len() + 2).max(9);
    for mode in &report.modes {
        let _ = write!(text, "{BOLD}{:>1$}{BOLD:#}", mode.mode, width(mode));
    }
    text.push('\n');
    for (name, _) in report.modes.first().map_or(&[][..], |mode| &mode.metrics.0) {
        let _ = write!(text, "{name:16}");
        for mode in &report.modes {
            let _ = write!(text, "{:1$.4}", mode.metrics.get(name).unwrap_or(0.0), width(mode));
        }
        text.push('\n');
    }
    for (name, percent) in [("ms, p50", 50), ("ms, p95", 95)] {
        let _ = write!(text, "{name:16}");
        for mode in &report.modes {
            let latency = mode.latency_ms;
            let value = if percent == 50 { latency.p50 } else { latency.p95 };
            let _ = write!(text, "{value:0$.2}", width(mode));
        }
        text.push('\n');
    }
    differences(report, &mut text);
    worst(report, &mut text);
    text
}

/// Returns what was tried, and the line for kb.toml.
fn tuned(report: &TuneReport) -> String {
    let TuneReport { metric, current, chosen, checked, difference, .. } = report;
    let mut text = format!("search.vector_weight  {metric} on the queries that choose\n");
    for (weight, value) in &report.tried {
        let is_chosen = if weight == chosen { "  best" } else { "" };
        let _ = writeln!(text, "{weight:>20}  {value:.4}{is_chosen}");
    }
    let _ = writeln!(
        text,
        "\non the other queries: {:.4} with {chosen}, {:.4} with {current} ({:+.4}  [{:+.4}, {:+.4}])",
        checked.1, checked.0, difference.mean, difference.low, difference.high
    );
    if report.is_better {
        let _ = writeln!(text, "\nfor kb.toml:\n\n[search]\nvector_weight = {chosen}");
    } else {
        let _ = writeln!(text, "no weight is better for sure: keep {current}");
    }
    text
}

fn differences(report: &EvalReport, text: &mut String) {
    if report.differences.is_empty() {
        return;
    }
    let _ = writeln!(text, "\ndifferences, with 95 % intervals (paired bootstrap):");
    let pair = |one: &ModeDifference| format!("{} - {}", one.of, one.against);
    let pair_width = report.differences.iter().map(|one| pair(one).len() + 1).max().unwrap_or(0);
    let pair_width = pair_width.max(18);
    for one in report.differences.iter().filter(|one| COMPARED.contains(&one.metric)) {
        let pair = pair(one);
        let _ = writeln!(
            text,
            "{:16}{pair:pair_width$}{:+.4}  [{:+.4}, {:+.4}]",
            one.metric, one.mean, one.low, one.high
        );
    }
}

fn worst(report: &EvalReport, text: &mut String) {
    let Some(mode) = report.modes.first().filter(|_| !report.worst.is_empty()) else { return };
    let _ = writeln!(text, "\nworst queries of {}, by ndcg@10:", mode.mode);
    for one in &report.worst {
        let rank = one.first_relevant_rank.map_or("-".to_owned(), |rank| rank.to_string());
        let wanted = escape(one.wanted.first().map_or("", String::as_str), false);
        let _ = writeln!(
            text,
            "{:.4}  rank {rank:>3}  {}  {}  {DIM}wanted {wanted}{DIM:#}",
            one.ndcg,
            escape(&one.id, false),
            escape(&one.query, false),
        );
    }
}

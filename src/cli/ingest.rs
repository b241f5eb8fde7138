//! `kbingest ingest` and `kbingest resume`.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::args::{IngestArgs, ResumeArgs, RunArgs, TrustArgs};
use super::eval::describe_shortfall;
use super::output::{escape, result, seconds};
use super::progress::{Display, at};
use super::{Ending, hints, output, render, trust};
use crate::config::Config;
use crate::domain::{FailureKind, RunState, RunStatus};
use crate::error::{Error, ExitCode, chain};
use crate::operations::{
    self, AllowDeletes, EvalOptions, IngestOptions, Publication, ResumeOptions, RunReport, Session,
    Target,
};
use crate::support::checkpoint::StopSignal;
use crate::support::limits;
use crate::support::numbers::{counted, number};
use crate::workers::signal::Signals;

/// Runs `ingest`.
pub fn ingest(arguments: &IngestArgs, quiet: bool) -> Result<Ending, Error> {
    if arguments.publish_if_eval.is_none() && !arguments.gate.is_empty() {
        return Err(Error::Usage {
            message: "--min and --baseline need queries".to_owned(),
            hint: Some("add --publish-if-eval QUERIES".to_owned()),
        });
    }
    if !quiet {
        trust::ask(&arguments.config, &arguments.trust, arguments.run.json)?;
    }
    execute(&arguments.run, quiet, &arguments.config, |session| {
        let config = settings(&arguments.config, &arguments.trust)?;
        arguments.adopt.judge(&config.kb)?;
        let options = options(arguments);
        let Some(queries) = &arguments.publish_if_eval else {
            return operations::ingest(&config, &options, session);
        };
        let evaluation = EvalOptions {
            queries: queries.clone(),
            modes: Vec::new(),
            details: false,
            gate: arguments.gate.gate(),
        };
        operations::publish_if_good(&config, &options, &evaluation, session)
    })
}

/// Returns how to ingest.
pub fn options(arguments: &IngestArgs) -> IngestOptions {
    IngestOptions {
        restart: arguments.restart,
        allow_deletes: allowed(arguments.allow_deletes.as_deref()),
        retry_failed: arguments.retry_failed,
        reread: arguments.reread,
        allow_network_fs: arguments.allow_network_fs,
        adopt: arguments.adopt.adopt,
        fail_on: arguments.run.fail_on.into(),
        threads: arguments.run.threads,
    }
}

/// Returns what `--allow-deletes` allows: without names, everything.
fn allowed(names: Option<&[String]>) -> AllowDeletes {
    match names {
        None => AllowDeletes::None,
        Some([]) => AllowDeletes::All,
        Some(names) => AllowDeletes::Of(names.to_vec()),
    }
}

/// Loads the settings; refuses a knowledge base, which does not name its sources.
pub fn settings(path: &Path, trust: &TrustArgs) -> Result<Config, Error> {
    if operations::is_knowledge_base(path) {
        return Err(Error::Usage {
            message: format!("{} is a knowledge base", path.display()),
            hint: Some("`ingest` needs the kb.toml that says where documents come from".to_owned()),
        });
    }
    let mut config = Config::load(path)?;
    config.is_trusted |= trust.trust;
    Ok(config)
}

/// Runs `resume`.
pub fn resume(arguments: &ResumeArgs, quiet: bool) -> Result<Ending, Error> {
    if !quiet {
        trust::ask(&arguments.target, &arguments.trust, arguments.run.json)?;
    }
    execute(&arguments.run, quiet, &arguments.target, |session| {
        let mut target = Target::open(&arguments.target)?;
        if let Target::Config(config) = &mut target {
            config.is_trusted |= arguments.trust.trust;
        }
        arguments.adopt.judge(target.kb())?;
        let options = ResumeOptions {
            adopt: arguments.adopt.adopt,
            fail_on: arguments.run.fail_on.into(),
            threads: arguments.run.threads,
        };
        operations::resume(&target, &options, session)
    })
}

fn execute(
    arguments: &RunArgs,
    quiet: bool,
    target: &Path,
    operation: impl FnOnce(&Session<'_>) -> Result<RunReport, Error>,
) -> Result<Ending, Error> {
    let stop = Arc::new(StopSignal::default());
    let signals = Signals::listen(Arc::clone(&stop))?;
    Signals::end_on_bus_error(i32::from(ExitCode::StorageFull.number()), {
        let hint = hints::resume(target);
        move || {
            render::error_line("no space for SQLite's shared memory beside the knowledge base");
            render::hint(&hint);
        }
    })?;
    limits::raise_open_files();
    let display = Display::new(arguments.progress, quiet || arguments.json);
    let report = operation(&Session { stop, events: &display, hook: None, embedder: None });
    display.finish();
    let report = match (report, signals.number()) {
        // Before there was a run: a long update of the file, which is rolled back.
        (Err(Error::Stopped), Some(signal)) => {
            output::message("stopped; nothing is lost: the same command starts again");
            return Ok(Ending::Signal(signal));
        }
        (report, _) => report?,
    };
    let printed = show(&report, arguments.json, quiet, target);
    let was_cancelled = report.run.as_ref().is_some_and(|run| run.status == RunStatus::Cancelled);
    if was_cancelled && let Some(signal) = signals.number() {
        return Ok(Ending::Signal(signal));
    }
    // The outcome of the run matters more than a failure to write stdout.
    if report.exit_code == ExitCode::Success.number() {
        printed?;
    }
    Ok(Ending::Code(report.exit_code))
}

fn show(report: &RunReport, json: bool, quiet: bool, target: &Path) -> Result<(), Error> {
    let hint = report.error().and_then(hints::hint);
    if let Some(error) = report.error() {
        render::error_line(&chain(error));
        let resume = || match report.publication {
            None => hints::resume(target),
            Some(_) => "nothing is lost; the same command continues".to_owned(),
        };
        render::hint(&hint.clone().unwrap_or_else(resume));
    }
    if json {
        return output::json(&WithHint { report, hint });
    }
    if quiet && report.exit_code == ExitCode::Success.number() {
        return Ok(());
    }
    result(&summary(report, target))
}

/// A report with what to do next, as `--json` prints it.
#[derive(Serialize)]
struct WithHint<'a> {
    #[serde(flatten)]
    report: &'a RunReport,
    hint: Option<String>,
}

/// Returns what the run did, where the file is, and what to do next.
fn summary(report: &RunReport, target: &Path) -> String {
    let Some(run) = &report.run else {
        return "nothing to resume: the last run is finished\n".to_owned();
    };
    if run.status == RunStatus::Cancelled && report.publication.is_some() {
        return format!("stopped{}; nothing is lost: the same command continues\n", at(run));
    }
    if run.status == RunStatus::Cancelled {
        return format!(
            "stopped{}; nothing is lost: continue with `kbingest resume {}`\n",
            at(run),
            escape(&target.display().to_string(), false)
        );
    }
    let (mut text, failed) = counts(report, run);
    let target = escape(&target.display().to_string(), false);
    let written = match &report.publication {
        Some(publication) if !publication.is_published => &publication.candidate,
        _ => &report.knowledge_base,
    };
    let file = escape(&written.display().to_string(), false);
    let _ = writeln!(text, "{}: {file}", escape(&run.message, false));
    if let Some(publication) = report.publication.as_ref() {
        text.push_str(&describe_publication(publication));
        if !publication.is_published {
            return text;
        }
    }
    let _ = match failed {
        // The hint has said what to do.
        _ if report.error().is_some() => Ok(()),
        0 => writeln!(text, "next: kbingest search {target} \"your question\""),
        _ => writeln!(text, "next: kbingest status --failures {target}"),
    };
    text
}

/// Returns what the run did in numbers, and how many documents failed.
fn counts(report: &RunReport, run: &RunState) -> (String, u64) {
    let metrics = &run.metrics;
    let count = |kind: fn(FailureKind) -> bool| {
        report.failures.iter().filter(|failure| kind(failure.kind)).count() as u64
    };
    let failed = count(|kind| kind != FailureKind::Skipped);
    let skipped = count(|kind| kind == FailureKind::Skipped);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "documents: {} new, {} changed, {} unchanged, {} deleted, {} failed, {} skipped",
        number(metrics.documents_new),
        number(metrics.documents_changed),
        number(metrics.documents_unchanged),
        number(metrics.documents_deleted),
        number(failed),
        number(skipped),
    );
    if failed > 0 {
        let new = counted(report.new_failures, "new failure");
        let _ = writeln!(text, "{new}, {} known", number(report.known_failures));
    }
    if metrics.documents_restaged > 0 {
        let _ = writeln!(
            text,
            "settings changed: {} processed again",
            counted(metrics.documents_restaged, "document")
        );
    }
    // Of all processes of the run, as the other numbers are.
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let worked = run.worked_ms as f64 / 1000.0;
    let _ = writeln!(
        text,
        "chunks: {} embedded, {} reused, in {}",
        number(metrics.chunks_stored.saturating_sub(metrics.chunks_reused)),
        number(metrics.chunks_reused),
        seconds(worked),
    );
    if metrics.pages_left_out > 0 {
        let _ = writeln!(
            text,
            "left out: {} or more pages or documents, by max_pages, max_per_folder or max_documents",
            number(metrics.pages_left_out)
        );
    }
    (text, failed)
}

/// Returns whether the candidate was published, and why.
fn describe_publication(publication: &Publication) -> String {
    let Publication { candidate, is_published, evaluation } = publication;
    let Some(evaluation) = evaluation else {
        return "not published: the run did not finish\n".to_owned();
    };
    if *is_published {
        return format!(
            "published: the gate holds on {}\n",
            counted(evaluation.queries as u64, "query")
        );
    }
    let mut text = "not published; the knowledge base is unchanged:\n".to_owned();
    for shortfall in &evaluation.shortfalls {
        let _ = writeln!(text, "  {}", escape(&describe_shortfall(shortfall), false));
    }
    let candidate = escape(&candidate.display().to_string(), false);
    let queries = escape(&evaluation.queries_file.display().to_string(), false);
    let _ = writeln!(text, "next: kbingest eval {candidate} {queries}");
    text
}

//! `kbingest status`.

use std::fmt::Write;
use std::time::Duration;

use super::args::StatusArgs;
use super::output::{bytes, escape, result, seconds};
use super::progress::{at, speed};
use super::render::BOLD;
use super::{Ending, output};
use crate::domain::{Failure, Phase, PhaseStatus, RunState, RunStatus};
use crate::error::Error;
use crate::kb::{ModelChange, Statistics};
use crate::operations::{self, StatusReport, Target};
use crate::support::numbers::number;
use crate::support::secrets;

const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Runs `status`.
pub fn run(arguments: &StatusArgs) -> Result<Ending, Error> {
    let target = Target::open(&arguments.target)?;
    loop {
        let report = operations::status(&target)?;
        match (arguments.json, arguments.failures) {
            (true, _) => output::json(&report)?,
            (false, true) => result(&failures(&report.failures))?,
            (false, false) => {
                // A terminal shows each status in place of the last; a file gets one after the
                // other.
                if arguments.watch && console::user_attended() {
                    let _ = console::Term::stdout().clear_screen();
                }
                result(&status(&report))?;
            }
        }
        if !arguments.watch || report.lock_holder.is_none() {
            return Ok(Ending::Code(0));
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

/// Returns a row per document: source, URI, kind, stage and error, tab-separated.
fn failures(failures: &[Failure]) -> String {
    let mut text = String::new();
    for failure in failures {
        let cells = [
            failure.source.as_str(),
            failure.uri.as_str(),
            failure.kind.as_str(),
            failure.stage.as_str(),
            failure.error.as_str(),
        ];
        let cells: Vec<_> =
            cells.iter().map(|cell| escape(&secrets::hidden(cell), false)).collect();
        let _ = writeln!(text, "{}", cells.join("\t"));
    }
    text
}

fn status(report: &StatusReport) -> String {
    let mut text = String::new();
    let path = escape(&report.knowledge_base.display().to_string(), false);
    let _ = writeln!(text, "{BOLD}{path}{BOLD:#}");
    match &report.run {
        None => {
            let _ = writeln!(text, "no run yet");
        }
        Some(run) => describe_run(report, run, &mut text),
    }
    describe_kb(report, &mut text);
    text
}

fn describe_run(report: &StatusReport, run: &RunState, text: &mut String) {
    let (state, can_resume) = match run.status {
        _ if report.is_interrupted => ("interrupted", true),
        RunStatus::Running => ("running", false),
        _ if run.status.is_complete() && is_finishing(report, run) => {
            ("completed, its file is being finished", false)
        }
        RunStatus::Completed => ("completed", false),
        RunStatus::CompletedWithFailures => ("completed with failures", false),
        RunStatus::Cancelled => ("stopped", true),
        RunStatus::Failed => ("failed", true),
    };
    let _ = match run.percent() {
        _ if can_resume => {
            let next = "continue with `kbingest resume`";
            writeln!(text, "run {}: {state}{}; {next}", run.id, at(run))
        }
        Some(percent) => writeln!(text, "run {}: {state}, {percent:.0} %", run.id),
        None => writeln!(text, "run {}: {state}", run.id),
    };
    if !run.message.is_empty() {
        let _ = writeln!(text, "  {}", escape(&run.message, false));
    }
    if let Some(error) = &run.error {
        let _ = writeln!(text, "  error: {}", escape(error, false));
    }
    if let Some(holder) = &report.lock_holder {
        let _ = writeln!(text, "  running: {}", escape(holder, false));
    }
    for phase in Phase::ALL {
        let status = match run.phases.get(phase) {
            PhaseStatus::Pending => "pending",
            PhaseStatus::InProgress => "in progress",
            PhaseStatus::Completed => "completed",
        };
        let _ = writeln!(text, "  {:9} {status}", phase.as_str());
    }
    describe_metrics(run, text);
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let worked = run.worked_ms as f64 / 1000.0;
    let is_at_work = report.lock_holder.is_some() && run.status == RunStatus::Running;
    let speed = if is_at_work {
        speed(run)
    } else {
        #[expect(clippy::cast_precision_loss, reason = "a speed needs few digits")]
        let average = run.metrics.chunks_stored as f64 / worked.max(0.001);
        format!(", {average:.0} chunks/s")
    };
    let _ = write!(text, "  {} at work{speed}", seconds(worked));
    text.push('\n');
}

fn describe_metrics(run: &RunState, text: &mut String) {
    let metrics = &run.metrics;
    if let Some(listed) = run.documents_listed.filter(|_| !run.status.is_complete()) {
        let _ = writeln!(text, "  documents_listed    {:>12}", number(listed));
    }
    let rows = [
        ("documents_crawled", metrics.documents_crawled),
        ("documents_new", metrics.documents_new),
        ("documents_changed", metrics.documents_changed),
        ("documents_unchanged", metrics.documents_unchanged),
        ("documents_failed", metrics.documents_failed),
        ("documents_skipped", metrics.documents_skipped),
        ("documents_deleted", metrics.documents_deleted),
        ("deletions_withheld", metrics.deletions_withheld),
        ("chunks_queued", metrics.chunks_queued),
        ("chunks_stored", metrics.chunks_stored),
        ("chunks_reused", metrics.chunks_reused),
        ("batches_processed", metrics.batches_processed),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:19} {:>12}", number(value));
    }
    if metrics.pages_left_out > 0 {
        let left_out = number(metrics.pages_left_out);
        let _ = writeln!(text, "  pages_left_out      {left_out:>12}");
    }
}

/// Returns how many documents there are, and with which of them something is wrong.
fn documents(statistics: &Statistics) -> String {
    let mut text = format!(
        "{}, {} failed, {} skipped",
        number(statistics.documents),
        number(statistics.documents_failed),
        number(statistics.documents_skipped)
    );
    for (count, what) in [
        (statistics.documents_without_chunks, "without text"),
        (statistics.front_matter_errors, "with errors in front matter"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {} {what}", number(count));
        }
    }
    text
}

/// Reports whether the process of a run that has ended still works on the file.
fn is_finishing(report: &StatusReport, run: &RunState) -> bool {
    let process = format!("pid {} on {} ", run.pid, run.host);
    report.lock_holder.as_ref().is_some_and(|holder| holder.starts_with(&process))
}

fn describe_kb(report: &StatusReport, text: &mut String) {
    let statistics = &report.statistics;
    let queue = &statistics.queue;
    let rows = [
        ("documents", documents(statistics)),
        (
            "formats",
            statistics
                .formats
                .iter()
                .map(|count| format!("{} {}", number(count.documents), count.format))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        (
            "chunks",
            format!("{} of {} text", number(statistics.chunks), bytes(statistics.text_bytes)),
        ),
        (
            "queue",
            format!(
                "{} pending, {} claimed, {} dead",
                number(queue.pending),
                number(queue.claimed),
                number(queue.dead)
            ),
        ),
        ("embedder", statistics.embed_fingerprints.join(", ")),
        ("chunker", statistics.chunk_fingerprints.join("; ")),
        (
            "file",
            format!(
                "{}, log {}, format {}",
                bytes(statistics.file_bytes),
                bytes(statistics.wal_bytes),
                statistics.format_version
            ),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "{name:9} {}", escape(&value, false));
    }
    if let Some(ModelChange { to, searches_use, chunks_stored, chunks }) = &report.model_change {
        let (stored, chunks) = (number(*chunks_stored), number(*chunks));
        let change = format!(
            "embedding with {to}: {stored} of {chunks} chunks; searches use {searches_use}"
        );
        let _ = writeln!(text, "{}", escape(&change, false));
    }
    for count in &report.failure_reasons {
        let reason = escape(&count.reason, false);
        let _ = writeln!(text, "{:>9} {reason}", number(count.documents));
    }
    if statistics.documents_failed > 0 {
        text.push_str("`kbingest status --failures` lists what failed\n");
    }
}

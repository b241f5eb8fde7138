//! `kbingest plan`, and `ingest --dry-run`.

use std::fmt::Write;
use std::sync::Arc;

use super::args::IngestArgs;
use super::output::{escape, result, seconds};
use super::progress::Display;
use super::{Ending, ingest, output, render, trust};
use crate::error::Error;
use crate::operations::{self, Change, PlanReport, Session};
use crate::support::checkpoint::StopSignal;
use crate::support::limits;
use crate::support::numbers::{counted, number};
use crate::workers::signal::Signals;

/// Names of documents that are shown of each source.
const SHOWN_MAX: usize = 10;

/// Runs `plan`; `lists_all` shows the names of all documents that change.
pub fn run(arguments: &IngestArgs, quiet: bool, lists_all: bool) -> Result<Ending, Error> {
    if arguments.publish_if_eval.is_some() {
        return Err(Error::Usage {
            message: "--publish-if-eval cannot be planned".to_owned(),
            hint: Some("leave it out: the documents and chunks are the same".to_owned()),
        });
    }
    if !quiet {
        trust::ask(&arguments.config, &arguments.trust, arguments.run.json)?;
    }
    let config = ingest::settings(&arguments.config, &arguments.trust)?;
    let options = ingest::options(arguments);
    let stop = Arc::new(StopSignal::default());
    let signals = Signals::listen(Arc::clone(&stop))?;
    limits::raise_open_files();
    let display = Display::new(arguments.run.progress, quiet || arguments.run.json);
    let session = Session { stop, events: &display, hook: None, embedder: None };
    let report = operations::plan(&config, &options, &session);
    display.finish();
    if let Some(signal) = signals.number() {
        return Ok(Ending::Signal(signal));
    }
    let report = report?;
    if arguments.run.json {
        output::json(&report)?;
    } else {
        result(&text(&report, lists_all))?;
    }
    if let Some(error) = &report.error {
        render::error_line(error);
    }
    Ok(Ending::Code(report.exit_code))
}

fn text(report: &PlanReport, lists_all: bool) -> String {
    let mut text = String::new();
    for source in &report.sources {
        let mut counts = vec![
            (source.new, "new"),
            (source.changed, "changed"),
            (source.made_again, "made again"),
            (source.deleted, "deleted"),
        ];
        counts.retain(|(count, _)| *count > 0);
        counts.push((source.unchanged, "unchanged"));
        let counts = counts.iter().map(|(count, what)| format!("{} {what}", number(*count)));
        let counts: Vec<_> = counts.collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}: {}", escape(&source.name, false), counts.join(", "));
        let shown = if lists_all { source.documents.len() } else { SHOWN_MAX };
        for (change, uri) in source.documents.iter().take(shown) {
            let sign = match change {
                Change::New => '+',
                Change::Changed | Change::MadeAgain => '~',
                Change::Deleted => '-',
            };
            let _ = writeln!(text, "  {sign} {}", escape(uri, false));
        }
        let hidden = source.documents.len().saturating_sub(shown) as u64;
        if hidden > 0 {
            let _ = writeln!(text, "  … and {} more: -v lists all", number(hidden));
        }
    }
    for (count, what) in [
        (report.documents_failed, "would fail"),
        (report.documents_skipped, "would be skipped"),
        (report.deletions_withheld, "are gone and would be kept: --allow-deletes deletes them"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "{} {what}", counted(count, "document"));
        }
    }
    if report.has_changes() {
        let _ = write!(text, "to embed: {}", counted(report.chunks_to_embed, "chunk"));
        let _ = write!(text, ", {}", counted(report.tokens, "token"));
        if report.texts_cached > 0 {
            let _ = write!(text, "; {} in the cache", counted(report.texts_cached, "more"));
        }
        if let Some(cost) = report.cost {
            let _ = write!(text, "; cost {cost:.4}");
        }
        if let Some(time) = report.seconds.filter(|_| report.chunks_to_embed > 0) {
            let _ = write!(text, "; about {} at the speed of the last run", seconds(time));
        }
        text.push('\n');
    } else {
        text.push_str("nothing to do\n");
    }
    text
}

//! `kbingest runs` and `kbingest diff`.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use super::output::{escape, result, seconds};
use super::target::target_and_option;
use super::{Ending, output, render};
use crate::domain::RunId;
use crate::error::Error;
use crate::operations::{self, ChangedDocument, DiffReport, PastRun, RunsReport, Target};
use crate::support::numbers::{counted, number};
use crate::support::secrets;

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// The settings, or a knowledge base file.
    #[arg(value_name = "KB_TOML", default_value = "kb.toml")]
    pub target: PathBuf,
    /// Number of runs, the latest ones.
    #[arg(short = 'n', long = "limit", value_name = "N", default_value_t = 1000)]
    pub limit: u32,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest diff [OPTIONS] [KB_TOML] [RUN]")]
pub struct DiffArgs {
    /// The optional target and run; the command's own text explains them.
    #[arg(value_names = ["KB_TOML", "RUN"], num_args = 0..=2, hide = true)]
    pub target_and_run: Vec<OsString>,
    /// Compares with this older copy of the knowledge base instead.
    #[arg(long, value_name = "OLD_KB")]
    pub since: Option<PathBuf>,
    /// Prints one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Runs `runs`.
pub fn runs(arguments: &RunsArgs) -> Result<Ending, Error> {
    let report = operations::runs(&Target::open(&arguments.target)?, arguments.limit)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&table(&report))?;
    }
    Ok(Ending::Code(0))
}

/// Runs `diff`.
pub fn diff(arguments: &DiffArgs) -> Result<Ending, Error> {
    let (target, run) = target_and_option(&arguments.target_and_run);
    let target = Target::open(target)?;
    let report = match (&arguments.since, run) {
        (Some(_), Some(_)) => {
            return Err(Error::Usage {
                message: "a run cannot be compared with a file".to_owned(),
                hint: Some("leave out the run, or --since".to_owned()),
            });
        }
        (Some(old), None) => operations::diff_since(&target, old)?,
        (None, run) => operations::diff(&target, run.map(id).transpose()?)?,
    };
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&changes(&report))?;
        tell_deleted(&report);
    }
    Ok(Ending::Code(0))
}

fn id(text: &OsString) -> Result<RunId, Error> {
    let text = text.to_string_lossy();
    text.parse().map(RunId).map_err(|_| Error::Usage {
        message: format!("\"{text}\" is no run"),
        hint: Some("a run is a number; `kbingest runs` lists them".to_owned()),
    })
}

/// Returns a row per run, with a head, in columns.
fn table(report: &RunsReport) -> String {
    let head =
        ["run", "began (UTC)", "worked", "new", "changed", "deleted", "failed", "exit", "state"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(report.runs.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..head.len()).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            // Numbers to the right, texts to the left.
            let _ = match column {
                1 | 8 => write!(line, "{cell:width$}  "),
                _ => write!(line, "{cell:>width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn cells(past: &PastRun) -> [String; 9] {
    let PastRun { run, exit_code } = past;
    let metrics = &run.metrics;
    let began = jiff::Timestamp::from_millisecond(run.started_ms).ok();
    let state = match &run.error {
        Some(error) => format!("{}: {error}", run.status.as_str()),
        None if run.message.is_empty() => run.status.as_str().to_owned(),
        None => run.message.clone(),
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let worked = seconds(run.worked_ms as f64 / 1000.0);
    [
        run.id.to_string(),
        began.map(|time| time.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
        worked,
        number(metrics.documents_new),
        number(metrics.documents_changed),
        number(metrics.documents_deleted),
        number(metrics.documents_failed),
        exit_code.map(|code| code.to_string()).unwrap_or_default(),
        escape(&secrets::hidden(&state), false),
    ]
}

/// Returns a row per document: what became of it, source, URI, and why; tab-separated.
fn changes(report: &DiffReport) -> String {
    let mut text = String::new();
    for ChangedDocument { change, source, uri, error } in &report.documents {
        let cells = [change.as_str(), source, uri, error.as_deref().unwrap_or_default()];
        let cells = cells.map(|cell| escape(&secrets::hidden(cell), false));
        let _ = writeln!(text, "{}", cells.join("\t").trim_end());
    }
    text
}

/// Says on stderr what the rows cannot.
fn tell_deleted(report: &DiffReport) {
    let Some(run) = &report.run else { return };
    if run.metrics.documents_deleted > 0 {
        render::hint(&format!(
            "run {} deleted {}, whose names the file does not keep; `kbingest diff --since OLD.kb` finds them in \
             an older copy",
            run.id,
            counted(run.metrics.documents_deleted, "document"),
        ));
    }
}

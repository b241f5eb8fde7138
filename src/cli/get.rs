//! `kbingest get`.

use std::ffi::OsString;
use std::fmt::Write;

use clap::Args;

use super::output::{escape, result};
use super::render::{BOLD, DIM};
use super::target::target_and_last;
use super::{Ending, output};
use crate::error::Error;
use crate::kb::LinesIn;
use crate::operations::{self, DocumentReport, Target};
use crate::support::numbers::counted;

/// Arguments of `get`.
#[derive(Debug, Args)]
#[command(override_usage = "kbingest get [OPTIONS] [KB_TOML] <DOCUMENT>")]
pub struct GetArgs {
    /// The optional target, and the document; the command's own text explains them.
    #[arg(value_names = ["KB_TOML", "DOCUMENT"], num_args = 1..=2, required = true, hide = true)]
    pub target_and_document: Vec<OsString>,
    /// Prints the chunks, with their lines, tokens and headings.
    #[arg(long, group = "part")]
    pub chunks: bool,
    /// Prints title, date, format and metadata.
    #[arg(long, group = "part")]
    pub meta: bool,
    /// Prints the headings, each with its first line.
    #[arg(long, group = "part")]
    pub outline: bool,
    /// Prints one JSON object on stdout, with all of these.
    #[arg(long, conflicts_with = "part")]
    pub json: bool,
}

/// Runs `get`.
pub fn run(arguments: &GetArgs) -> Result<Ending, Error> {
    let (target, document) = target_and_last(&arguments.target_and_document);
    let report = operations::get(&Target::open(target)?, &document.to_string_lossy())?;
    if arguments.json {
        output::json(&report)?;
    } else if arguments.chunks {
        result(&chunks(&report))?;
    } else if arguments.meta {
        result(&metadata(&report))?;
    } else if arguments.outline {
        result(&outline(&report))?;
    } else {
        output::text(&report.text)?;
    }
    Ok(Ending::Code(0))
}

fn chunks(report: &DocumentReport) -> String {
    let mut text = String::new();
    for chunk in &report.chunks {
        let _ = writeln!(
            text,
            "{BOLD}{}. lines {}-{}{BOLD:#}  {DIM}bytes {}..{}, {}, key {}{DIM:#}",
            chunk.id,
            chunk.start_line,
            chunk.end_line,
            chunk.start_byte,
            chunk.end_byte,
            counted(chunk.token_count, "token"),
            escape(&chunk.key, false),
        );
        if !chunk.heading_path.is_empty() {
            let _ = writeln!(text, "   {DIM}{}{DIM:#}", escape(&chunk.heading_path, false));
        }
        for line in escape(&chunk.text, true).trim_matches('\n').lines() {
            let _ = writeln!(text, "   {line}");
        }
        text.push('\n');
    }
    text
}

fn metadata(report: &DocumentReport) -> String {
    let mut text = String::new();
    let lines_in = match report.lines_in {
        LinesIn::File => "the file",
        LinesIn::Text => "the text",
    };
    let rows = [
        ("source", report.source.clone()),
        ("uri", report.uri.clone()),
        ("title", report.title.clone()),
        ("date", report.date.map(|day| day.to_string()).unwrap_or_default()),
        ("format", format!("{}, {}", report.format, report.media_type.as_str())),
        ("lines", format!("{}-{} of {lines_in}", report.start_line, report.end_line)),
        ("chunks", report.chunks.len().to_string()),
        ("metadata", report.metadata.get().to_owned()),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "{}", format!("{name:8}  {}", escape(&value, false)).trim_end());
    }
    text
}

/// Returns a row per heading: its first line, and its path; tab-separated.
fn outline(report: &DocumentReport) -> String {
    let mut text = String::new();
    for heading in report.outline.iter().filter(|heading| !heading.heading_path.is_empty()) {
        let path = escape(&heading.heading_path, false);
        let _ = writeln!(text, "{}\t{path}", heading.start_line);
    }
    text
}

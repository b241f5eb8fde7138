//! `kbingest extract` and `kbingest chunk`.

use std::fmt::Write;

use super::args::DocumentArgs;
use super::output::{escape, result};
use super::render::{BOLD, DIM};
use super::{Ending, output};
use crate::config::Config;
use crate::error::Error;
use crate::operations::{self, ChunkReport, DocumentSettings};
use crate::support::numbers::counted;

/// Runs `extract`.
pub fn extract(arguments: &DocumentArgs) -> Result<Ending, Error> {
    let settings = settings(arguments)?;
    let report = operations::extract(&arguments.file, &settings)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        output::text(&report.text)?;
    }
    Ok(Ending::Code(0))
}

/// Runs `chunk`.
pub fn chunk(arguments: &DocumentArgs) -> Result<Ending, Error> {
    let settings = settings(arguments)?;
    let report = operations::chunk(&arguments.file, &settings)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&describe(&report))?;
    }
    Ok(Ending::Code(0))
}

/// Loads the settings that `--config` names; without it, returns the defaults.
fn settings(arguments: &DocumentArgs) -> Result<DocumentSettings, Error> {
    Ok(match &arguments.config {
        Some(path) => {
            let mut config = Config::load_without_sources(path)?;
            config.is_trusted |= arguments.trust.trust;
            config.require_trust()?;
            config.into()
        }
        None => DocumentSettings::default(),
    })
}

fn describe(report: &ChunkReport) -> String {
    let mut text = String::new();
    for (number, chunk) in (1..).zip(&report.chunks) {
        let _ = writeln!(
            text,
            "{BOLD}{number}. lines {}-{}{BOLD:#}  {DIM}bytes {}..{}, {}{DIM:#}",
            chunk.start_line,
            chunk.end_line,
            chunk.start_byte,
            chunk.end_byte,
            counted(chunk.token_count as u64, "token"),
        );
        for line in escape(&chunk.embedded_text, true).lines() {
            let _ = writeln!(text, "   {line}");
        }
        text.push('\n');
    }
    let title = escape(&report.title, false);
    let _ = writeln!(
        text,
        "{} of \"{title}\", {}",
        counted(report.chunks.len() as u64, "chunk"),
        escape(&report.chunker, false)
    );
    text
}

//! `kbingest extract` and `kbingest chunk`.

use std::fmt::Write;
use std::path::Path;

use super::args::DocumentArgs;
use super::output::{escape, result};
use super::render::{BOLD, DIM};
use super::{Ending, output};
use crate::config::Config;
use crate::error::Error;
use crate::operations::{self, ChunkReport};

/// Runs `extract`.
pub fn extract(arguments: &DocumentArgs) -> Result<Ending, Error> {
    let config = config(arguments)?;
    let report = operations::extract(&arguments.file, config.as_ref())?;
    if arguments.json {
        output::json(&report)?;
    } else {
        output::text(&report.text)?;
    }
    Ok(Ending::Code(0))
}

/// Runs `chunk`.
pub fn chunk(arguments: &DocumentArgs) -> Result<Ending, Error> {
    let config = config(arguments)?;
    let report = operations::chunk(&arguments.file, config.as_ref())?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&describe(&report))?;
    }
    Ok(Ending::Code(0))
}

/// Loads the settings that are named; without any, the defaults hold.
fn config(arguments: &DocumentArgs) -> Result<Option<Config>, Error> {
    let load = |path: &Path| Config::load_without_sources(path);
    Ok(arguments.config.as_deref().map(load).transpose()?)
}

fn describe(report: &ChunkReport) -> String {
    let mut text = String::new();
    for (number, chunk) in (1..).zip(&report.chunks) {
        let _ = writeln!(
            text,
            "{BOLD}{number}. lines {}-{}{BOLD:#}  {DIM}bytes {}..{}, {} tokens{DIM:#}",
            chunk.start_line, chunk.end_line, chunk.start_byte, chunk.end_byte, chunk.token_count,
        );
        for line in escape(&chunk.embedded_text, true).lines() {
            let _ = writeln!(text, "   {line}");
        }
        text.push('\n');
    }
    let title = escape(&report.title, false);
    let _ = writeln!(text, "{} chunk(s) of \"{title}\", {}", report.chunks.len(), report.chunker);
    text
}

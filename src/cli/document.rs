//! `kbingest extract` and `kbingest chunk`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::args::{CommandArgs, DocumentArgs, TrustArgs, WorkerArgs};
use super::output::{escape, result};
use super::render::{BOLD, DIM};
use super::{Ending, output};
use crate::config::Config;
use crate::error::Error;
use crate::extract::child::serve;
use crate::operations::{self, ChunkReport, DocumentSettings};
use crate::support::numbers::counted;
use crate::support::supervise;

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

/// Runs `extract-worker`, which is for this program's own use: extracts what its parent sends.
pub fn work(arguments: &WorkerArgs) -> Result<Ending, Error> {
    // A broken pipe means that nobody waits for an answer any more.
    let _ = serve(arguments.memory_bytes, arguments.parent);
    Ok(Ending::Code(0))
}

/// Runs `supervise`, which is for this program's own use: a command that ends with its parent.
pub fn run_command(arguments: &CommandArgs) -> Result<Ending, Error> {
    // Nobody would read an error message; the exit code reports the failure.
    Ok(Ending::Code(supervise::supervise(arguments.memory_bytes, &arguments.command).unwrap_or(1)))
}

/// Uses this program to extract risky formats, and applies `--trust`.
pub fn prepare(config: &mut Config, trust: &TrustArgs) {
    config.extract.program = own_program();
    config.is_trusted |= trust.trust;
}

/// Loads the settings that `--config` names; without it, returns the defaults.
fn settings(arguments: &DocumentArgs) -> Result<DocumentSettings, Error> {
    let mut settings = match &arguments.config {
        Some(path) => {
            let mut config = Config::load_without_sources(path)?;
            prepare(&mut config, &arguments.trust);
            config.insist_on_trust()?;
            config.into()
        }
        None => DocumentSettings::default(),
    };
    settings.extract.program = own_program();
    Ok(settings)
}

/// Returns the program that extracts risky formats: this one, even if its file was replaced since
/// it was started.
fn own_program() -> Option<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Some(running.to_owned()) } else { std::env::current_exe().ok() }
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

//! `kbingest check`.

use std::fmt::Write;

use super::args::CheckArgs;
use super::output::{escape, result};
use super::{Ending, output};
use crate::error::{Error, ExitCode};
use crate::operations::{self, Target};

/// Runs `check`.
pub fn run(arguments: &CheckArgs) -> Result<Ending, Error> {
    let target = Target::open(&arguments.target)?;
    let report = operations::check(&target)?;
    if arguments.json {
        output::json(&report)?;
    } else {
        let mut text = String::new();
        for finding in &report.findings {
            let _ = writeln!(
                text,
                "{}: not so: {}",
                escape(&finding.subject, false),
                finding.invariant
            );
        }
        let path = escape(&report.knowledge_base.display().to_string(), false);
        let _ = match report.findings.len() {
            0 => writeln!(text, "{path}: sound"),
            count => writeln!(text, "{path}: {count} finding(s)"),
        };
        result(&text)?;
    }
    let code = if report.findings.is_empty() { ExitCode::Success } else { ExitCode::Damaged };
    Ok(Ending::Code(code.number()))
}

//! `kbingest check`.

use std::fmt::Write;

use super::args::CheckArgs;
use super::output::{escape, number, result};
use super::{Ending, output};
use crate::error::{Error, ExitCode};
use crate::operations::{self, CheckOptions, CheckReport, Target};

/// Runs `check`.
pub fn run(arguments: &CheckArgs) -> Result<Ending, Error> {
    let target = Target::open(&arguments.target)?;
    if arguments.repair {
        arguments.adopt.judge(target.kb())?;
    }
    let report = operations::check(
        &target,
        CheckOptions { read_data: arguments.read_data, repair: arguments.repair },
    )?;
    if arguments.json {
        output::json(&report)?;
    } else {
        result(&describe(&report))?;
    }
    let is_sound = report.findings.is_empty() || report.repair.is_some();
    let code = if is_sound { ExitCode::Success } else { ExitCode::Damaged };
    Ok(Ending::Code(code.number()))
}

fn describe(report: &CheckReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let subject = escape(&finding.subject, false);
        let _ = writeln!(text, "{subject}: not so: {}", finding.invariant);
    }
    let path = escape(&report.knowledge_base.display().to_string(), false);
    let _ = match report.findings.len() {
        0 => writeln!(text, "{path}: sound"),
        count => writeln!(text, "{path}: {count} finding(s)"),
    };
    if let Some(repair) = report.repair {
        let _ = writeln!(
            text,
            "repair: {} documents kept, {} to be chunked and embedded again, {} to be read again, \
             {} chunks indexed again\nnext: kbingest ingest",
            number(repair.documents_kept),
            number(repair.documents_requeued),
            number(repair.documents_to_read),
            number(repair.chunks_indexed),
        );
    }
    if let Some(copy) = &report.damaged_copy {
        let copy = escape(&copy.display().to_string(), false);
        let _ =
            writeln!(text, "the damaged file is kept as {copy}: remove it once nothing is missing");
    }
    text
}

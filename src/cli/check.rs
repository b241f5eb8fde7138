//! `kbingest check`.

use std::fmt::Write;

use super::args::CheckArgs;
use super::output::{escape, result};
use super::{Ending, output};
use crate::error::{Error, ExitCode};
use crate::operations::{self, CheckOptions, CheckReport, Target};
use crate::support::numbers::{counted, number};

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
        let _ = writeln!(text, "{subject}: violated: {}", finding.invariant);
    }
    let path = escape(&report.knowledge_base.display().to_string(), false);
    let _ = match report.findings.len() {
        0 => writeln!(text, "{path}: sound"),
        count => writeln!(text, "{path}: {}", counted(count as u64, "finding")),
    };
    if let Some(repair) = report.repair {
        let _ = writeln!(
            text,
            "repair: {} kept, {} to be chunked and embedded again, {} to be read again, \
             {} indexed again\nnext: kbingest ingest",
            counted(repair.documents_kept, "document"),
            number(repair.documents_requeued),
            number(repair.documents_to_read),
            counted(repair.chunks_indexed, "chunk"),
        );
    }
    if let Some(copy) = &report.damaged_copy {
        let copy = escape(&copy.display().to_string(), false);
        let _ =
            writeln!(text, "kept the damaged file as {copy}: remove it once nothing is missing");
    }
    text
}

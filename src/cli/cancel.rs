//! `kbingest cancel`.

use std::time::Duration;

use super::Ending;
use super::args::CancelArgs;
use super::output::{escape, result};
use super::progress::at;
use super::render;
use crate::domain::RunStatus;
use crate::error::{Error, ExitCode};
use crate::operations::{self, Cancellation, Target};

/// Runs `cancel`.
pub fn run(arguments: &CancelArgs) -> Result<Ending, Error> {
    let target = Target::open(&arguments.target)?;
    let path = escape(&arguments.target.display().to_string(), false);
    match operations::cancel(&target, Duration::from_secs(arguments.timeout))? {
        Cancellation::NothingRunning => result("nothing is running\n")?,
        Cancellation::Ended(run) if run.status == RunStatus::Cancelled => result(&format!(
            "run {} stopped{}; continue with `kbingest resume {path}`\n",
            run.id,
            at(&run)
        ))?,
        Cancellation::Ended(run) => {
            result(&format!("run {} ended before it could be stopped\n", run.id))?;
        }
        Cancellation::EndedOutdated => result(&format!(
            "the run of an older kbingest ended; continue with `kbingest ingest {path}`\n"
        ))?,
        Cancellation::TimedOut => {
            render::error_line(&format!(
                "the run has not stopped after {} s; it stops at its next checkpoint",
                arguments.timeout
            ));
            render::hint("wait longer with --timeout, or kill the process: nothing is lost");
            return Ok(Ending::Code(ExitCode::Locked.number()));
        }
    }
    Ok(Ending::Code(ExitCode::Success.number()))
}

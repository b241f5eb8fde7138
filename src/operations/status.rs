//! `status`: the last run and the knowledge base, also while a run is going on.

use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::domain::{Failure, RunState, RunStatus};
use crate::error::Error;
use crate::kb::{KnowledgeBase, Statistics};
use crate::support::lock::Lock;

/// How things stand; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    pub knowledge_base: PathBuf,
    /// The last run; `None` before the first.
    pub run: Option<RunState>,
    /// The run calls itself running and nobody holds the lock: it was killed.
    pub is_interrupted: bool,
    /// What the holder of the lock says of itself; `None` where nobody is at work.
    pub lock_holder: Option<String>,
    /// Size and make.
    pub statistics: Statistics,
    /// Documents that are not taken in as they now are.
    pub failures: Vec<Failure>,
}

/// Reports on the knowledge base of `target`; takes no lock and writes nothing.
pub fn status(target: &Target) -> Result<StatusReport, Error> {
    let kb = KnowledgeBase::open_for_reading(target.kb())?;
    // Looked at first: a run that ends in between then reads as at work, not as killed.
    let lock_holder = Lock::holder(target.kb())?;
    let run = kb.last_run()?;
    let is_running = run.as_ref().is_some_and(|run| run.status == RunStatus::Running);
    Ok(StatusReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        is_interrupted: is_running && lock_holder.is_none(),
        run,
        lock_holder,
        statistics: kb.statistics()?,
        failures: kb.failures()?,
    })
}

//! How a run went, as plain data; `--json` prints it.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::domain::{Failure, RunState};
use crate::error::{Error, ExitCode, chain};
use crate::eval::EvalReport;
use crate::pipeline::outcome::{self, Completed};
use crate::pipeline::phases::PhaseSeconds;

/// How a run went.
#[derive(Debug, Serialize)]
pub struct RunReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The current run, as saved; `None` if there was nothing to resume.
    pub run: Option<RunState>,
    /// How it ended. In JSON `error`: what ended it, `null` also for a run that was asked to stop.
    #[serde(rename = "error", serialize_with = "error_text")]
    pub ended: Result<Completed, Error>,
    /// The exit code of a process that ended so, if no signal stopped it.
    pub exit_code: u8,
    /// Wall-clock seconds of this process.
    pub seconds: f64,
    /// Wall-clock seconds that each phase was open; phases overlap.
    pub phase_seconds: PhaseSeconds,
    /// Documents that are missing or out of date in the knowledge base, with those of earlier runs.
    pub failures: Vec<Failure>,
    /// How many of these failed, not skipped, and are new or changed since the last completed run,
    /// or are named one by one in kb.toml.
    pub new_failures: u64,
    /// How many failed as they did in the last completed run.
    pub known_failures: u64,
    /// Whether the run was published; `None` unless it is published only after an evaluation.
    pub publication: Option<Publication>,
}

impl RunReport {
    /// Reports on a run that ended at once, as there was nothing to resume.
    pub(super) fn nothing_to_resume(kb: &Path) -> Self {
        Self {
            schema: 1,
            knowledge_base: kb.to_owned(),
            run: None,
            ended: Ok(Completed::UpToDate),
            exit_code: ExitCode::Success.number(),
            seconds: 0.0,
            phase_seconds: PhaseSeconds::default(),
            failures: Vec::new(),
            new_failures: 0,
            known_failures: 0,
            publication: None,
        }
    }

    /// Returns the error that ended the run; a stop that was asked for is none.
    pub fn error(&self) -> Option<&Error> {
        outcome::failed(&self.ended)
    }
}

fn error_text<S: Serializer>(
    ended: &Result<Completed, Error>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    outcome::failed(ended).map(|error| chain(error)).serialize(serializer)
}

/// The result of a run that is published only if it passes the gate.
#[derive(Clone, Debug, Serialize)]
pub struct Publication {
    /// The file that the run wrote; removed once it is published.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub candidate: PathBuf,
    /// Whether searches see it.
    pub is_published: bool,
    /// The evaluation of the candidate; `None` if the run did not finish.
    pub evaluation: Option<EvalReport>,
}

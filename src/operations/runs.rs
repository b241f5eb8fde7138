//! `runs`: the history of a knowledge base, run by run.

use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::domain::{RunState, RunStatus};
use crate::error::Error;
use crate::kb::Reader;
use crate::pipeline::outcome;

/// The runs; `runs --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct RunsReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The runs that are kept, the latest first.
    pub runs: Vec<PastRun>,
}

/// A run, with what its process returned.
#[derive(Clone, Debug, Serialize)]
pub struct PastRun {
    /// The exit code of the process that ended it; `None` if the file does not say: it is running
    /// or was killed, or a signal or an error ended it.
    pub exit_code: Option<u8>,
    /// The run.
    pub run: RunState,
}

impl From<RunState> for PastRun {
    fn from(run: RunState) -> Self {
        let is_over = run.status != RunStatus::Running;
        let exit_code = outcome::exit_code_of(&run.message).filter(|_| is_over);
        Self { exit_code: exit_code.map(crate::error::ExitCode::number), run }
    }
}

/// Returns the last runs of the knowledge base of `target`, at most `most`; takes no lock and
/// writes nothing.
pub fn runs(target: &Target, most: u32) -> Result<RunsReport, Error> {
    let runs = Reader::open(target.kb())?.runs(most)?;
    Ok(RunsReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        runs: runs.into_iter().map(PastRun::from).collect(),
    })
}

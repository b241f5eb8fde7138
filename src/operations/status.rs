//! `status`: the last run and the knowledge base, even during a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::Target;
use crate::domain::{Failure, RunState, RunStatus};
use crate::error::Error;
use crate::kb::{ModelChange, Reader, Statistics};
use crate::support::lock::{Lock, LockError};

/// The status of a knowledge base; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct StatusReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// The last run; `None` before the first.
    pub run: Option<RunState>,
    /// The run is marked as running, but nobody holds the lock: it was killed.
    pub is_interrupted: bool,
    /// The lock holder's text about itself; `None` if no run is active.
    pub lock_holder: Option<String>,
    /// The change of the model that is not complete; `None` if there is none.
    pub model_change: Option<ModelChange>,
    /// Statistics of the knowledge base.
    pub statistics: Statistics,
    /// Documents whose current version could not be ingested.
    pub failures: Vec<Failure>,
    /// The same counted by reason, without the document's name and numbers; most first.
    pub failure_reasons: Vec<ReasonCount>,
}

/// The number of documents that failed or were skipped for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// The reason.
    pub reason: String,
    /// Their number.
    pub documents: u64,
}

/// Reports on the knowledge base of `target`; takes no lock and writes nothing.
pub fn status(target: &Target) -> Result<StatusReport, Error> {
    let kb = Reader::open(target.kb())?;
    // Read first: a run that ends in between then counts as running, not as killed.
    let holder = Lock::holder(target.kb());
    let mut run = kb.last_run()?;
    let is_running = run.as_ref().is_some_and(|run| run.status == RunStatus::Running);
    let lock_holder = match holder {
        // Who may read the knowledge base but not its lock believes what the run says.
        Err(LockError::Denied { .. }) => run.as_ref().filter(|_| is_running).map(|run| {
            format!("pid {} on {}, if it is alive: its lock cannot be read", run.pid, run.host)
        }),
        holder => holder?,
    };
    if let Some(run) = run.as_mut().filter(|_| lock_holder.is_none()) {
        // Nobody is at work, even if a process that was killed could not save that.
        (run.documents_per_second, run.chunks_per_second, run.seconds_left) = (0.0, 0.0, None);
    }
    let failures = kb.failures()?;
    Ok(StatusReport {
        schema: 1,
        knowledge_base: target.kb().to_owned(),
        is_interrupted: is_running && lock_holder.is_none(),
        run,
        lock_holder,
        model_change: kb.model_change()?,
        statistics: kb.maintenance().statistics()?,
        failure_reasons: count_reasons(&failures),
        failures,
    })
}

fn count_reasons(failures: &[Failure]) -> Vec<ReasonCount> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for failure in failures {
        *counts.entry(reason(failure)).or_default() += 1;
    }
    let mut reasons: Vec<_> =
        counts.into_iter().map(|(reason, documents)| ReasonCount { reason, documents }).collect();
    reasons.sort_by_key(|count| std::cmp::Reverse(count.documents));
    reasons
}

/// Returns the general part of an error: without the document's name, up to the first detail.
fn reason(failure: &Failure) -> String {
    let error = match failure.error.split_once(&failure.uri) {
        Some((_, rest)) => rest.trim_start_matches([':', ' ']),
        None => &failure.error,
    };
    let general = error.split(": ").next().unwrap_or(error);
    // Errors about a limit begin with the size.
    let general = general.find("over max_").map_or(general, |at| &general[at..]);
    let words = general.split(' ').filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
    let reason = words.collect::<Vec<_>>().join(" ");
    if reason.is_empty() { failure.error.clone() } else { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FailureKind, Stage};

    #[test]
    fn failures_are_counted_by_reason() {
        let failure = |uri: &str, error: &str| Failure {
            source: "docs".to_owned(),
            uri: uri.to_owned(),
            stage: Stage::Extract,
            kind: FailureKind::Permanent,
            error: error.to_owned(),
        };
        let counted = count_reasons(&[
            failure("a.pdf", "a.pdf: needs OCR: 3 pages without text"),
            failure("b.md", "b.md: binary content (PNG image)"),
            failure("c.pdf", "c.pdf: needs OCR: 12 pages without text"),
            failure("d.md", "/docs/d.md: 12 MiB is over max_file_size (10 MiB)"),
        ]);
        let counted: Vec<_> =
            counted.iter().map(|one| (one.documents, one.reason.as_str())).collect();
        assert_eq!(
            counted,
            [
                (2, "needs OCR"),
                (1, "binary content (PNG image)"),
                (1, "over max_file_size (10 MiB)")
            ]
        );
    }
}

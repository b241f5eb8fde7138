//! The outcome of a run: its status, its message, its exit code.

use crate::domain::{Failure, FailureKind, Metrics, RunState, RunStatus};
use crate::error::{Error, ExitCode, chain};
use crate::kb::{KbError, Run};

/// The outcome of a run that did everything it could; of several, the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Completed {
    /// The knowledge base equals its sources, or there was nothing to do.
    UpToDate,
    /// Some documents failed.
    DocumentsFailed,
    /// A limit of kb.toml left something out.
    Limited,
    /// A source is unreachable; its documents are kept.
    SourceUnreachable,
    /// Suspiciously many documents are no longer listed, and are kept.
    DeletionsWithheld,
    /// The gate of the evaluation failed: the knowledge base is unchanged.
    NotPublished,
}

impl Completed {
    /// Returns the outcome of a run with these metrics.
    fn new(metrics: &Metrics, failures: &[Failure]) -> Self {
        let has_failed = failures.iter().any(|failure| failure.kind != FailureKind::Skipped);
        let reasons = [
            (has_failed, Self::DocumentsFailed),
            (metrics.pages_left_out > 0, Self::Limited),
            (metrics.sources_unreachable > 0, Self::SourceUnreachable),
            (metrics.deletions_withheld > 0, Self::DeletionsWithheld),
        ];
        let holding = reasons.into_iter().filter_map(|(holds, reason)| holds.then_some(reason));
        holding.max().unwrap_or(Self::UpToDate)
    }

    /// Returns the exit code of a process with this outcome.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::UpToDate => ExitCode::Success,
            Self::DocumentsFailed => ExitCode::DocumentsFailed,
            Self::Limited => ExitCode::Limit,
            Self::SourceUnreachable => ExitCode::SourceUnreachable,
            Self::DeletionsWithheld => ExitCode::DeletionsWithheld,
            Self::NotPublished => ExitCode::NotPublished,
        }
    }

    fn status(self) -> RunStatus {
        match self {
            Self::UpToDate | Self::NotPublished => RunStatus::Completed,
            _ => RunStatus::CompletedWithFailures,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::UpToDate | Self::NotPublished => "up to date",
            Self::DocumentsFailed => "finished, some documents failed",
            Self::Limited => "finished, a limit left something out",
            Self::SourceUnreachable => "finished, a source is unreachable",
            Self::DeletionsWithheld => "finished, deletions were withheld",
        }
    }
}

/// A run whose outcome is saved.
#[derive(Debug)]
pub struct Ended {
    /// The final state of the run, as saved.
    pub run: RunState,
    /// Documents that are missing or out of date in the knowledge base, including those of earlier
    /// runs.
    pub failures: Vec<Failure>,
    /// Its outcome.
    pub result: Result<Completed, Error>,
}

/// Saves the outcome of `run`, whose state was `before` when this process began; `worked` is the
/// result of its workers.
///
/// Fails if it cannot be saved and nothing else went wrong before.
pub fn settle(run: &Run<'_>, before: &RunState, worked: Result<(), Error>) -> Result<Ended, Error> {
    let (failures, result) = judge(run, before, worked);
    let (status, message) = match &result {
        Ok(completed) => (completed.status(), completed.message()),
        Err(Error::Stopped) => (RunStatus::Cancelled, "stopped at a checkpoint"),
        Err(_) => (RunStatus::Failed, "stopped by an error"),
    };
    let error = failed(&result).map(|error| chain(error));
    match run.end(status, message, error.as_deref()) {
        Ok(run) => Ok(Ended { run, failures, result }),
        // The first error counts: this one follows from it.
        Err(_) if error.is_some() => {
            let run = RunState { message: message.to_owned(), ..before.clone() };
            Ok(Ended { run, failures, result })
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the error that ended a run; a requested stop is not an error.
pub fn failed<T>(result: &Result<T, Error>) -> Option<&Error> {
    result.as_ref().err().filter(|error| !matches!(error, Error::Stopped))
}

fn judge(
    run: &Run<'_>,
    before: &RunState,
    worked: Result<(), Error>,
) -> (Vec<Failure>, Result<Completed, Error>) {
    let look = || -> Result<_, KbError> {
        let metrics = run.reader().last_run()?.map_or(before.metrics, |run| run.metrics);
        Ok((run.reader().failures()?, metrics))
    };
    match (look(), worked) {
        (Ok((failures, metrics)), Ok(())) => {
            let completed = Completed::new(&metrics, &failures);
            (failures, Ok(completed))
        }
        (Ok((failures, _)), Err(error)) => (failures, Err(error)),
        // The first error counts.
        (Err(_), Err(error)) if !matches!(error, Error::Stopped) => (Vec::new(), Err(error)),
        // The outcome could not be determined.
        (Err(error), _) => (Vec::new(), Err(error.into())),
    }
}

/// Limit on the full-text pages that are merged at the end of a run with these metrics. They count
/// all processes of the run, as a process that is stopped merges nothing.
///
/// Large enough that a first run leaves one segment, which halves the time of a search by words; a
/// small edit never pays for a large merge. Each deleted document counts as a page.
pub fn merge_pages_max(metrics: &Metrics) -> u64 {
    metrics.chunks_stored / CHUNKS_PER_MERGED_PAGE + metrics.documents_deleted
}

const CHUNKS_PER_MERGED_PAGE: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Stage;

    #[test]
    fn the_most_urgent_reason_counts() {
        let failure = |kind| Failure {
            source: "docs".to_owned(),
            uri: "a.md".to_owned(),
            stage: Stage::Extract,
            kind,
            error: String::new(),
        };
        let check = |failures: &[FailureKind], counts: [u64; 3], expected: Completed, code: u8| {
            let failures: Vec<_> = failures.iter().map(|kind| failure(*kind)).collect();
            let [pages_left_out, sources_unreachable, deletions_withheld] = counts;
            let metrics = Metrics {
                pages_left_out,
                sources_unreachable,
                deletions_withheld,
                ..Metrics::default()
            };
            let completed = Completed::new(&metrics, &failures);
            assert_eq!((completed, completed.exit_code().number()), (expected, code));
        };
        check(&[], [0, 0, 0], Completed::UpToDate, 0);
        check(&[FailureKind::Skipped], [0, 0, 0], Completed::UpToDate, 0);
        check(&[FailureKind::Transient], [0, 0, 0], Completed::DocumentsFailed, 3);
        check(&[FailureKind::Permanent], [1, 0, 0], Completed::Limited, 4);
        check(&[FailureKind::Permanent], [1, 1, 0], Completed::SourceUnreachable, 20);
        check(&[], [9, 1, 300], Completed::DeletionsWithheld, 21);
    }
}

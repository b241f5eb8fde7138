//! The outcome of a run: its status, its message, its exit code.

use crate::domain::{Failure, FailureKind, Metrics, RunState, RunStatus};
use crate::embed::EmbedError;
use crate::error::{Error, ExitCode, chain};
use crate::kb::{KbError, ReportedFailure, Run};

/// Which failures of documents a run ends with exit code 3 for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailOn {
    /// All.
    #[default]
    Any,
    /// Those that are new, or have changed since the last completed run.
    New,
}

/// What decides how failures of documents count.
pub struct FailureRules<'a> {
    /// Which of them fail the run.
    pub fail_on: FailOn,
    /// Reports whether kb.toml names a document one by one: its failure is never known.
    pub is_named: &'a dyn Fn(&Failure) -> bool,
}

/// The documents that failed, without those skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailureCounts {
    /// Those whose failure is new or changed, and those named one by one.
    pub new: u64,
    /// Those whose failure the last completed run had, too.
    pub known: u64,
}

/// The outcome of a run that did everything it could; of several, the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Completed {
    /// The knowledge base equals its sources, or there was nothing to do.
    UpToDate,
    /// Some documents failed as before, which [`FailOn::New`] allows.
    KnownFailures,
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

/// How a run ends that its budget stopped.
const OVER_BUDGET: &str = "stopped by its budget";

/// Returns the exit code of a run that ended with `message`; `None` if the message does not say it.
pub fn exit_code_of(message: &str) -> Option<ExitCode> {
    let completed = Completed::ALL.into_iter().find(|one| one.message() == message);
    let limit = (message == OVER_BUDGET).then_some(ExitCode::Limit);
    completed.map(Completed::exit_code).or(limit)
}

impl Completed {
    const ALL: [Self; 7] = [
        Self::UpToDate,
        Self::KnownFailures,
        Self::DocumentsFailed,
        Self::Limited,
        Self::SourceUnreachable,
        Self::DeletionsWithheld,
        Self::NotPublished,
    ];

    /// Returns the outcome of a run with these metrics.
    fn new(metrics: &Metrics, failures: FailureCounts, fail_on: FailOn) -> Self {
        let FailureCounts { new, known } = failures;
        let reasons = [
            (known > 0, Self::KnownFailures),
            (new > 0 || known > 0 && fail_on == FailOn::Any, Self::DocumentsFailed),
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
            Self::UpToDate | Self::KnownFailures => ExitCode::Success,
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
            Self::KnownFailures => "finished, some documents failed as before",
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
    /// How many of them are new.
    pub counts: FailureCounts,
    /// Its outcome.
    pub result: Result<Completed, Error>,
}

/// Saves the outcome of `run`, whose state was `before` when this process began; `worked` is the
/// result of its workers.
///
/// Fails if it cannot be saved and nothing else went wrong before.
pub fn settle(
    run: &Run<'_>,
    before: &RunState,
    worked: Result<(), Error>,
    rules: &FailureRules<'_>,
) -> Result<Ended, Error> {
    let (reported, result) = judge(run, before, worked.map_err(|error| counted(run, error)), rules);
    let (failures, counts) = reported;
    let (status, message) = match &result {
        Ok(completed) => (completed.status(), completed.message()),
        Err(Error::Stopped) => (RunStatus::Cancelled, "stopped at a checkpoint"),
        Err(Error::Budget { .. }) => (RunStatus::Cancelled, OVER_BUDGET),
        Err(_) => (RunStatus::Failed, "stopped by an error"),
    };
    let error = failed(&result).filter(|_| status == RunStatus::Failed).map(|error| chain(error));
    match run.end(status, message, error.as_deref()) {
        Ok(run) => Ok(Ended { run, failures, counts, result }),
        // The first error counts: this one follows from it.
        Err(_) if error.is_some() => {
            let run = RunState { message: message.to_owned(), ..before.clone() };
            Ok(Ended { run, failures, counts, result })
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns `error`; that of a used-up budget with the number of chunks that wait.
fn counted(run: &Run<'_>, error: Error) -> Error {
    match error {
        Error::Embed(EmbedError::OverBudget { used }) => {
            let waiting = run.reader().queue_stats().map_or(0, |stats| stats.pending);
            Error::Budget { used, waiting }
        }
        error => error,
    }
}

/// Returns the error that ended a run; a requested stop is not an error.
pub fn failed<T>(result: &Result<T, Error>) -> Option<&Error> {
    result.as_ref().err().filter(|error| !matches!(error, Error::Stopped))
}

/// Documents that failed or are skipped, and how many are new.
type Reported = (Vec<Failure>, FailureCounts);

fn judge(
    run: &Run<'_>,
    before: &RunState,
    worked: Result<(), Error>,
    rules: &FailureRules<'_>,
) -> (Reported, Result<Completed, Error>) {
    let look = || -> Result<_, KbError> {
        let metrics = run.reader().last_run()?.map_or(before.metrics, |run| run.metrics);
        Ok((count(run.reader().reported_failures()?, rules), metrics))
    };
    match (look(), worked) {
        (Ok((reported, metrics)), Ok(())) => {
            let completed = Completed::new(&metrics, reported.1, rules.fail_on);
            (reported, Ok(completed))
        }
        (Ok((reported, _)), Err(error)) => (reported, Err(error)),
        // The first error counts.
        (Err(_), Err(error)) if !matches!(error, Error::Stopped) => {
            (Reported::default(), Err(error))
        }
        // The outcome could not be determined.
        (Err(error), _) => (Reported::default(), Err(error.into())),
    }
}

fn count(reported: Vec<ReportedFailure>, rules: &FailureRules<'_>) -> Reported {
    let mut counts = FailureCounts::default();
    let failures = reported.into_iter().map(|ReportedFailure { failure, is_known }| {
        if failure.kind != FailureKind::Skipped {
            let is_known = is_known && !(rules.is_named)(&failure);
            *(if is_known { &mut counts.known } else { &mut counts.new }) += 1;
        }
        failure
    });
    (failures.collect(), counts)
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

    #[test]
    fn the_most_urgent_reason_counts() {
        let check = |[new, known]: [u64; 2], counts: [u64; 3], any, on_new| {
            let [pages_left_out, sources_unreachable, deletions_withheld] = counts;
            let metrics = Metrics {
                pages_left_out,
                sources_unreachable,
                deletions_withheld,
                ..Metrics::default()
            };
            for (fail_on, (expected, code)) in [(FailOn::Any, any), (FailOn::New, on_new)] {
                let completed = Completed::new(&metrics, FailureCounts { new, known }, fail_on);
                assert_eq!((completed, completed.exit_code().number()), (expected, code));
            }
        };
        let fine = (Completed::UpToDate, 0);
        check([0, 0], [0, 0, 0], fine, fine);
        let failed = (Completed::DocumentsFailed, 3);
        check([1, 0], [0, 0, 0], failed, failed);
        check([1, 5], [0, 0, 0], failed, failed);
        check([0, 5], [0, 0, 0], failed, (Completed::KnownFailures, 0));
        let limited = (Completed::Limited, 4);
        check([0, 1], [1, 0, 0], limited, limited);
        let unreachable = (Completed::SourceUnreachable, 20);
        check([1, 0], [1, 1, 0], unreachable, unreachable);
        let withheld = (Completed::DeletionsWithheld, 21);
        check([0, 0], [9, 1, 300], withheld, withheld);
    }
}

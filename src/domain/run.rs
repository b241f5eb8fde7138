//! The state of one run of `ingest`, as stored in the knowledge base.

use serde::Serialize;

use super::{FailureKind, PhaseStatus, Phases, RunId};

/// Status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Running; if no process holds the lock, the run was interrupted.
    Running,
    /// Done: the knowledge base is up to date with its sources.
    Completed,
    /// Done, but some documents failed, a source was unreachable, deletions were withheld or a
    /// limit left pages out.
    CompletedWithFailures,
    /// Stopped at a checkpoint on request; can be resumed.
    Cancelled,
    /// Stopped by an error that ended the whole run; can be resumed.
    Failed,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [
        Self::Running,
        Self::Completed,
        Self::CompletedWithFailures,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::CompletedWithFailures => "completed_with_failures",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Reports whether the run is finished, so that the next `ingest` starts a new one.
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithFailures)
    }
}

/// What a run has done so far, in all of its processes.
///
/// Each document that it compares with the knowledge base counts once, so that always
///
/// `documents_crawled` = `documents_new` + `documents_changed` + `documents_unchanged`
/// \+ `documents_failed` + `documents_skipped`.
///
/// `documents_deleted` and `documents_restaged` are apart: a document that a source no longer has
/// is not compared, and one that is processed again because a setting changed is usually unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// Documents that the sources have, compared with the knowledge base.
    pub documents_crawled: u64,
    /// Documents saved for the first time.
    pub documents_new: u64,
    /// Documents saved again because their content changed.
    pub documents_changed: u64,
    /// Documents found unchanged that did not fail before.
    pub documents_unchanged: u64,
    /// Documents that failed, or are unchanged since they failed.
    pub documents_failed: u64,
    /// Documents that are skipped because they are not text or over a limit.
    pub documents_skipped: u64,
    /// Documents removed because their source no longer has them.
    pub documents_deleted: u64,
    /// Live revisions chunked or embedded again because a setting changed.
    pub documents_restaged: u64,
    /// Documents gone from their source but kept, because suspiciously many are gone.
    pub deletions_withheld: u64,
    /// Sources that could not be listed at all.
    pub sources_unreachable: u64,
    /// Bytes read from the sources.
    pub bytes_read: u64,
    /// Chunks put in the queue.
    pub chunks_queued: u64,
    /// Chunks whose vector was stored.
    pub chunks_stored: u64,
    /// Of these, chunks that reused a vector of the revision they replace.
    pub chunks_reused: u64,
    /// Queued chunks dropped because their document changed before they were stored.
    pub chunks_superseded: u64,
    /// Batches committed by the consumer.
    pub batches_processed: u64,
    /// Known pages of web sites that were not visited because of a limit of kb.toml, plus one for
    /// each other source whose listing was truncated by a limit.
    pub pages_left_out: u64,
}

impl Metrics {
    /// Counts a document of which no new text is saved: unchanged, unless it has a failure.
    pub fn count_without_text(&mut self, failure: Option<FailureKind>) {
        self.documents_crawled += 1;
        match failure {
            None => self.documents_unchanged += 1,
            Some(FailureKind::Skipped) => self.documents_skipped += 1,
            Some(FailureKind::Permanent | FailureKind::Transient) => self.documents_failed += 1,
        }
    }
}

/// How far a run is at one moment, and how fast.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProgressReport {
    /// 0 to 100: 70 for the producer, 30 for the consumer.
    pub percent: f64,
    /// Documents that were compared, also by earlier processes of the run.
    pub documents_passed: u64,
    /// Documents that the sources have; `None` while they are not all listed.
    pub documents_listed: Option<u64>,
    /// Documents compared per second, over the last ten seconds of this process.
    pub documents_per_second: f64,
    /// Chunks stored per second, over the same time.
    pub chunks_per_second: f64,
    /// Seconds left at the recent speed; `None` while they cannot be estimated.
    pub seconds_left: Option<f64>,
}

/// A run as stored in the knowledge base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunState {
    /// Number of the run.
    pub id: RunId,
    /// Its status.
    pub status: RunStatus,
    /// Status of each phase.
    pub phases: Phases,
    /// 0 to 100: 70 for the producer, 30 for the consumer; never decreases. A lower bound while the
    /// sources are not listed.
    pub progress_percent: f64,
    /// Documents that the sources have; `None` while they are not all listed.
    pub documents_listed: Option<u64>,
    /// Documents compared per second, when this was saved, over ten seconds.
    pub documents_per_second: f64,
    /// Chunks stored per second, over the same time.
    pub chunks_per_second: f64,
    /// Seconds left at that speed; `None` while they cannot be estimated.
    pub seconds_left: Option<f64>,
    /// Milliseconds that its processes were at work, without the time between them.
    pub worked_ms: i64,
    /// What it has done so far.
    pub metrics: Metrics,
    /// Start, milliseconds since 1970 (UTC).
    pub started_ms: i64,
    /// Last heartbeat, milliseconds since 1970 (UTC).
    pub heartbeat_ms: i64,
    /// End, milliseconds since 1970 (UTC).
    pub ended_ms: Option<i64>,
    /// Process that is or was last working on it.
    pub pid: u32,
    /// Host of that process.
    pub host: String,
    /// Last message of the run.
    pub message: String,
    /// The error that ended it.
    pub error: Option<String>,
    /// Somebody asked it to stop.
    pub cancel_requested: bool,
    /// The settings that it runs with.
    #[serde(skip)]
    pub settings: RunSettings,
}

impl RunState {
    /// Returns its percentage, unless that is only a lower bound.
    pub fn percent(&self) -> Option<f64> {
        let is_listed = self.documents_listed.is_some()
            || self.phases.crawling == PhaseStatus::Completed
            || self.status.is_complete();
        is_listed.then_some(self.progress_percent)
    }
}

/// What a run remembers of its settings, to detect that they have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSettings {
    /// Hash of the text of its kb.toml.
    pub config: String,
    /// Hash of the fingerprints of what makes chunks and vectors, which also depend on the program;
    /// empty if a version before file format 5 began the run.
    pub stages: String,
    /// Its kb.toml, relative to the folder of the knowledge base; empty if the settings were made
    /// in code, or if a version before file format 6 began the run.
    pub config_path: String,
}

/// What embedding has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that were sent.
    pub tokens: u64,
    /// Milliseconds for which processes were at work.
    pub ms: u64,
}

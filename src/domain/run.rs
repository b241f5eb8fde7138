//! The state of one run of `ingest`, as it stands in the knowledge base.

use serde::Serialize;

use super::{Phases, RunId};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// At work; without a lock holder it reads as interrupted.
    Running,
    /// Done: the knowledge base equals its sources.
    Completed,
    /// Done, but some documents failed, a source was unreachable, deletions were withheld or a limit left
    /// pages out.
    CompletedWithFailures,
    /// Stopped at a checkpoint because somebody asked; can be resumed.
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

    /// Tells whether the run came to its end, so that the next `ingest` starts a new one.
    pub fn is_complete(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithFailures)
    }
}

/// What a run has done so far; each number only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// Documents listed by the sources and looked at.
    pub documents_crawled: u64,
    /// Documents taken in for the first time.
    pub documents_new: u64,
    /// Documents saved again because their content changed.
    pub documents_changed: u64,
    /// Documents found as they were.
    pub documents_unchanged: u64,
    /// Documents removed because their source no longer has them.
    pub documents_deleted: u64,
    /// Live revisions chunked or embedded again because a setting changed.
    pub documents_restaged: u64,
    /// Documents that are gone from their source but kept, because suspiciously many are.
    pub deletions_withheld: u64,
    /// Sources that could not be listed at all.
    pub sources_unreachable: u64,
    /// Bytes read from the sources.
    pub bytes_read: u64,
    /// Chunks put in the queue.
    pub chunks_queued: u64,
    /// Chunks whose vector was stored.
    pub chunks_stored: u64,
    /// Of these, chunks whose vector was taken over from the revision they replace.
    pub chunks_reused: u64,
    /// Queued chunks dropped because their document changed before they were stored.
    pub chunks_superseded: u64,
    /// Batches committed by the consumer.
    pub batches_processed: u64,
    /// Pages of web sites that are known and not visited, because a limit of kb.toml is reached; and one for each other
    /// source whose listing a limit cuts off.
    pub pages_left_out: u64,
}

/// A run as it stands in the knowledge base.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunState {
    /// Number of the run.
    pub id: RunId,
    /// How it stands.
    pub status: RunStatus,
    /// Status of each phase.
    pub phases: Phases,
    /// 0 to 100; 70 for the producer's share, 30 for the consumer's; never falls.
    pub progress_percent: f64,
    /// What it has done so far.
    pub metrics: Metrics,
    /// Start, milliseconds since 1970 (UTC).
    pub started_ms: i64,
    /// Last sign of life, milliseconds since 1970 (UTC).
    pub heartbeat_ms: i64,
    /// End, milliseconds since 1970 (UTC).
    pub ended_ms: Option<i64>,
    /// Process that works on it, or did last.
    pub pid: u32,
    /// Host of that process.
    pub host: String,
    /// What the run last said of itself.
    pub message: String,
    /// The error that ended it.
    pub error: Option<String>,
    /// Somebody asked it to stop.
    pub cancel_requested: bool,
    /// Hashes of the settings that it runs with, that of its kb.toml first.
    #[serde(skip)]
    pub config_hash: String,
}

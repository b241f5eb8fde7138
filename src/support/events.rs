//! Events of a run. Lower layers emit them; only `cli` decides what is shown.

use crate::domain::{Failure, ProgressReport, RunState};

/// Something that happened during a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run starts, or continues after an interruption.
    Started {
        /// The run.
        run: &'a RunState,
        /// Whether an earlier process started it.
        continued: bool,
    },
    /// State was saved.
    Saved {
        /// The run as stored now.
        run: &'a RunState,
    },
    /// Progress since then that is not saved yet; about once a second.
    Progress {
        /// The progress.
        progress: &'a ProgressReport,
    },
    /// A source is being listed, before its documents are read.
    Listing {
        /// Name of the source.
        source: &'a str,
        /// Documents found so far.
        found: u64,
    },
    /// A document is being read.
    Reading {
        /// Name of its source.
        source: &'a str,
        /// Its URI.
        uri: &'a str,
    },
    /// A web site is being visited.
    Crawling {
        /// Name of the source.
        source: &'a str,
        /// Waiting URLs.
        queued: u64,
        /// Pages visited by this run.
        visited: u64,
    },
    /// The outcome of the run is saved, and its file is finished.
    Finishing {
        /// What is done now.
        step: FinishStep,
    },
    /// A document was not ingested.
    Failed {
        /// The document, and the reason.
        failure: &'a Failure,
    },
    /// Documents, or their texts, would be deleted and are kept, as they are suspiciously many.
    DeletionsWithheld {
        /// Name of the source.
        source: &'a str,
        /// Documents that would be deleted, or lose their texts.
        gone: u64,
        /// Documents of the source in the knowledge base.
        known: u64,
        /// Why they would be deleted.
        why: Withheld,
    },
    /// Something deviates from what was requested, but nothing is lost.
    Warning {
        /// What happened and what to do next.
        message: &'a str,
    },
}

/// Why documents would be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Their source no longer lists them.
    NotListed,
    /// They are skipped now, and have a text from before: only that would be deleted.
    Skipped,
    /// kb.toml no longer names their source.
    SourceRemoved,
}

/// A step of finishing the file of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishStep {
    /// Merging the segments of the full-text index.
    Merging {
        /// Pages of the segments that are left.
        pages_left: u64,
    },
    /// Copying the write-ahead log to the file.
    EmptyingLog,
    /// Rewriting the file without its free pages.
    Shrinking,
}

/// Receives events, from several threads.
pub trait EventSink: Sync {
    /// Handles `event`; must return quickly.
    fn emit(&self, event: &Event<'_>);
}

/// Drops every event.
#[derive(Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _event: &Event<'_>) {}
}

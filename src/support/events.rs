//! Events of a run. Lower layers emit them; only `cli` decides what is shown.

use crate::domain::{Failure, RunState};

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
    /// A document was not ingested.
    Failed {
        /// The document, and the reason.
        failure: &'a Failure,
    },
    /// Suspiciously many documents of a source are no longer listed, and are kept.
    DeletionsWithheld {
        /// Name of the source.
        source: &'a str,
        /// Documents that are not listed.
        gone: u64,
        /// Documents of the source in the knowledge base.
        known: u64,
    },
    /// Something deviates from what was requested, but nothing is lost.
    Warning {
        /// What happened and what to do next.
        message: &'a str,
    },
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

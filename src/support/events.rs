//! What a run tells while it works. Lower layers emit; only the router decides what is shown.

use crate::domain::{Failure, RunState};

/// Something that happened during a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The run begins, or goes on after an interruption.
    Started {
        /// The run.
        run: &'a RunState,
        /// It was begun by an earlier process.
        continued: bool,
    },
    /// State was saved.
    Saved {
        /// The run as it now stands on disk.
        run: &'a RunState,
    },
    /// A document is being read.
    Reading {
        /// Name of its source.
        source: &'a str,
        /// Its address.
        uri: &'a str,
    },
    /// A web site is being visited.
    Crawling {
        /// Name of the source.
        source: &'a str,
        /// Urls that wait.
        queued: u64,
        /// Pages visited by this run.
        visited: u64,
    },
    /// A document was not taken in.
    Failed {
        /// Which, and why.
        failure: &'a Failure,
    },
    /// Suspiciously many documents of a source are no longer listed, and are kept.
    DeletionsWithheld {
        /// Name of the source.
        source: &'a str,
        /// Documents that are not listed.
        gone: u64,
        /// Documents that the knowledge base has of the source.
        known: u64,
    },
    /// Something is not as asked, and nothing is lost.
    Warning {
        /// What happened and what to do next.
        message: &'a str,
    },
}

/// Receives events, from several threads.
pub trait EventSink: Sync {
    /// Takes note of `event`; must be quick.
    fn emit(&self, event: &Event<'_>);
}

/// Drops every event.
#[derive(Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _event: &Event<'_>) {}
}

//! The steps of a run, without threads: Crawl -> Save -> Chunk -> Enqueue, and Claim -> Embed ->
//! Commit.
//!
//! The producer and the consumer share the knowledge base, the stop signal and the event sink, all
//! held by the [`Context`]; texts pass from one to the other as [`Work`]. What a step writes is
//! committed before the next checkpoint.

pub mod consumer;
mod full_text;
pub mod outcome;
pub mod owner;
pub mod phases;
pub mod plan;
mod pool;
pub mod producer;
mod progress;
pub mod repair;
mod web;

use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::analysis::Analyser;
use crate::chunk::ChunkConfig;
use crate::domain::ChunkRange;
use crate::embed::{Budget, Embedder};
use crate::error::Error;
use crate::extract::Extraction;
use crate::kb::{LoadedRevision, Reader, Run};
use crate::source::{AnySource, FetchThreads, SkipRules};
use crate::support::checkpoint::{Checkpoint, CheckpointHook, StopSignal};
use crate::support::events::EventSink;

use plan::StageFingerprints;
use producer::reconcile::DeletionRules;

pub use pool::{Pool, Threads};
pub use progress::Progress;

/// How often a thread checks the file for a request to stop.
const CANCEL_POLL: Duration = Duration::from_millis(100);

/// The shared state of every step of a run.
pub struct Context<'a> {
    /// Reads the knowledge base.
    pub kb: &'a Reader,
    /// Writes everything.
    pub run: &'a Run<'a>,
    /// The sources of documents.
    pub sources: &'a [AnySource],
    /// Turns bytes into text.
    pub extraction: &'a Extraction,
    /// How texts are split into chunks.
    pub chunk: &'a ChunkConfig,
    /// Fingerprints of the chunkers and the embedder.
    pub fingerprints: &'a StageFingerprints,
    /// Makes the tokens of the full-text index.
    pub analyser: &'a Analyser,
    /// Makes vectors.
    pub embedder: &'a dyn Embedder,
    /// What embedding may take; `None`: anything.
    pub budget: Option<&'a Budget>,
    /// Distributes the work of one step over the processors.
    pub pool: &'a Pool,
    /// Starts and joins the threads that send requests to web sites.
    pub fetch_threads: FetchThreads,
    /// Which deletions are allowed.
    pub deletions: DeletionRules,
    /// Which documents are skipped by their metadata.
    pub skip_rules: SkipRules,
    /// Requests a stop.
    pub stop: &'a StopSignal,
    /// Called at every checkpoint.
    pub hook: Option<&'a CheckpointHook>,
    /// Receives events.
    pub events: &'a dyn EventSink,
    /// The progress of the run.
    pub progress: Progress,
    /// When the file was last checked for a request to stop.
    pub polled: Mutex<Option<Instant>>,
}

/// Queued chunks for the consumer.
#[derive(Debug)]
pub struct Work {
    /// Queue rows.
    pub ranges: Vec<ChunkRange>,
    /// Their chunks with texts, so that nothing is read back; `None` if they are only in the file.
    pub revisions: Option<Vec<LoadedRevision>>,
}

/// The channel from producer to consumer; it blocks when the consumer is behind.
pub type Handoff = SyncSender<Work>;

impl Context<'_> {
    /// Stops here if a stop was requested, in this process or through the file.
    pub fn reached(&self, checkpoint: Checkpoint) -> Result<(), Error> {
        if let Some(hook) = self.hook {
            hook(checkpoint, self.stop);
        }
        if self.is_stopping()? { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Reports whether a stop was requested, in this process or through the file.
    pub fn is_stopping(&self) -> Result<bool, Error> {
        if !self.stop.is_requested() && self.poll_is_due() && self.run.cancel_requested()? {
            self.stop.request();
        }
        Ok(self.stop.is_requested())
    }

    fn poll_is_due(&self) -> bool {
        let mut polled = self.polled.lock().unwrap_or_else(PoisonError::into_inner);
        let due = polled.is_none_or(|last| last.elapsed() >= CANCEL_POLL);
        if due {
            *polled = Some(Instant::now());
        }
        due
    }
}

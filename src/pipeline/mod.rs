//! The steps of a run, without threads: Crawl -> Save -> Chunk -> Enqueue, and Claim -> Embed -> Commit.
//!
//! The producer and the consumer share the knowledge base, the stop signal and the event sink, all held
//! by the [`Context`]; texts go from one to the other as [`Work`]. What is written at each step is
//! committed before the next checkpoint.

pub mod consumer;
mod crawl;
mod full_text;
pub mod outcome;
mod page;
pub mod phases;
pub mod plan;
mod pool;
pub mod producer;
mod progress;
pub mod repair;
mod soft_404;
mod traps;

use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::analysis::Analyser;
use crate::chunk::ChunkConfig;
use crate::domain::ChunkRange;
use crate::embed::Embedder;
use crate::error::Error;
use crate::extract::Extraction;
use crate::kb::{Reader, Run, Unit};
use crate::source::AnySource;
use crate::support::checkpoint::{Checkpoint, CheckpointHook, StopSignal};
use crate::support::events::EventSink;

use plan::StageFingerprints;

pub use pool::{Pool, Threads};
pub use progress::Progress;

/// How often a thread looks into the file for a request to stop.
const CANCEL_POLL: Duration = Duration::from_millis(100);

/// What every step of a run works with.
pub struct Context<'a> {
    /// Reads the knowledge base.
    pub kb: &'a Reader,
    /// Where everything is written.
    pub run: &'a Run<'a>,
    /// Where documents come from.
    pub sources: &'a [AnySource],
    /// Turns bytes into text.
    pub extraction: &'a Extraction,
    /// How texts are split into chunks.
    pub chunk: &'a ChunkConfig,
    /// Of what makes chunks and vectors.
    pub fingerprints: &'a StageFingerprints,
    /// What makes the tokens of the full-text index.
    pub analyser: &'a Analyser,
    /// What makes vectors.
    pub embedder: &'a dyn Embedder,
    /// Spreads the work of one step over the processors.
    pub pool: &'a Pool,
    /// Deletions go through, however many.
    pub allow_deletes: bool,
    /// Asks for a stop.
    pub stop: &'a StopSignal,
    /// Called at every checkpoint.
    pub hook: Option<&'a CheckpointHook>,
    /// Is told what happens.
    pub events: &'a dyn EventSink,
    /// How far the run has come.
    pub progress: Progress,
    /// When the request to stop was last looked for.
    pub polled: Mutex<Option<Instant>>,
}

/// Queued chunks for the consumer.
#[derive(Debug)]
pub struct Work {
    /// Queue rows.
    pub ranges: Vec<ChunkRange>,
    /// Their chunks with texts, so that nothing is read back; `None`: they are in the file only.
    pub units: Option<Vec<Unit>>,
}

/// Where the producer hands work over; full when the consumer is behind.
pub type Handoff = SyncSender<Work>;

impl Context<'_> {
    /// Stops here where somebody asked for it, in this process or through the file.
    pub fn reached(&self, checkpoint: Checkpoint) -> Result<(), Error> {
        if let Some(hook) = self.hook {
            hook(checkpoint, self.stop);
        }
        if self.is_stopping()? { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Tells whether somebody asked for a stop, in this process or through the file.
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

//! The consumer: orders the work on this thread, and does it on the rayon pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};

use super::panicked;
use crate::domain::ChunkId;
use crate::error::Error;
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Context, Work, consumer};

/// Consumes what waits up to `waiting`, then `work` until the producer is done and the queue is empty.
pub fn run(
    context: &Context<'_>,
    plan: Plan,
    tracker: &PhaseTracker,
    waiting: Option<ChunkId>,
    work: Receiver<Work>,
) -> Result<(), Error> {
    let consume = || {
        if plan.embed {
            consumer::run(context, tracker, waiting, arriving(work))?;
        }
        Ok(())
    };
    let result = catch_unwind(AssertUnwindSafe(consume))
        .unwrap_or_else(|panic| Err(panicked("consumer", &*panic)));
    if result.is_err() {
        context.stop.request();
    }
    result
}

/// Returns what arrives, and one `None` before each wait.
fn arriving(work: Receiver<Work>) -> impl Iterator<Item = Option<Work>> {
    let mut waits = false;
    std::iter::from_fn(move || {
        let arrived = match work.try_recv() {
            Err(TryRecvError::Empty) if !waits => None,
            Err(TryRecvError::Empty) => Some(work.recv().ok()?),
            Err(TryRecvError::Disconnected) => return None,
            Ok(work) => Some(work),
        };
        waits = arrived.is_none();
        Some(arrived)
    })
}

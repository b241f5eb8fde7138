//! The consumer: coordinates on this thread, and computes on the rayon pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::panicked;
use crate::domain::ChunkId;
use crate::error::Error;
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Context, Work, consumer};

/// How long an embedded batch waits for the next one, to be committed while that is embedded.
/// Without it, a consumer that was once faster than the producer commits alone from then on: the
/// producer waits for the commit, and the pool is idle (measured with 4 MiB batches: 8 % more wall
/// time for a first run).
const PATIENCE: Duration = Duration::from_millis(100);

/// Consumes pending work up to `waiting`, then `work`, until the producer is done and the queue is
/// empty.
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

/// Yields what arrives, and one `None` when nothing has arrived for [`PATIENCE`].
fn arriving(work: Receiver<Work>) -> impl Iterator<Item = Option<Work>> {
    let mut patience = PATIENCE;
    std::iter::from_fn(move || match work.recv_timeout(patience) {
        Ok(work) => {
            patience = PATIENCE;
            Some(Some(work))
        }
        Err(RecvTimeoutError::Timeout) => {
            patience = Duration::MAX;
            Some(None)
        }
        Err(RecvTimeoutError::Disconnected) => None,
    })
}

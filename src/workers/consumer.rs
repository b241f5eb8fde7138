//! The consumer: coordinates on this thread, and computes on the rayon pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, Builder};
use std::time::Duration;

use super::{panicked, persistently};
use crate::domain::ChunkId;
use crate::error::Error;
use crate::pipeline::consumer::{self, RemoteCalls};
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Context, Work};

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
    let consume = || match plan.embed {
        false => Ok(()),
        true if context.embedder.limits().is_remote => remote(context, tracker, waiting, work),
        true => consumer::run(context, tracker, waiting, arriving(work, Duration::MAX)),
    };
    let result = catch_unwind(AssertUnwindSafe(consume))
        .unwrap_or_else(|panic| Err(panicked("consumer", &*panic)));
    if result.is_err() {
        context.stop.request();
    }
    result
}

/// Consumes with an embedder on another machine: its calls have threads of their own.
fn remote(
    context: &Context<'_>,
    tracker: &PhaseTracker,
    waiting: Option<ChunkId>,
    work: Receiver<Work>,
) -> Result<(), Error> {
    let calls = RemoteCalls::new(context);
    thread::scope(|scope| {
        let start = |count: usize| {
            let builder = || Builder::new().name("kbingest-embed".to_owned());
            let start = || builder().spawn_scoped(scope, || calls.serve());
            persistently(start).map_err(|error| Error::no_thread("the embedder", &error))?;
            // Fewer threads take longer.
            let _ = (1..count).try_for_each(|_| start().map(drop));
            Ok(())
        };
        let _close = Closed(&calls);
        let work = arriving(work, PATIENCE);
        consumer::run_remote(context, tracker, waiting, work, &calls, &start)
    })
}

/// Ends the threads of calls when it is dropped.
struct Closed<'a>(&'a RemoteCalls<'a>);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Yields what arrives, and a `None` when nothing has arrived for [`PATIENCE`], and again after
/// every `later`.
fn arriving(work: Receiver<Work>, later: Duration) -> impl Iterator<Item = Option<Work>> {
    let mut patience = PATIENCE;
    std::iter::from_fn(move || match work.recv_timeout(patience) {
        Ok(work) => {
            patience = PATIENCE;
            Some(Some(work))
        }
        Err(RecvTimeoutError::Timeout) => {
            patience = later;
            Some(None)
        }
        Err(RecvTimeoutError::Disconnected) => None,
    })
}

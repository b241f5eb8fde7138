//! Threads: the producer's, the consumer's pool, those of a crawl, one for signals, and one for
//! `cancel`.
//!
//! Threads start here and are joined here; a panic in one becomes an error.

mod bus_error;
mod consumer;
mod fetch;
mod pool;
mod producer;
pub mod signal;
mod watch;

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use crate::error::Error;
use crate::kb::Writer;
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Context, Pool, repair};
use crate::support::process_limit;

pub use fetch::fetch;

/// Limit on the batches between producer and consumer; each has some 4 MiB of text.
const HANDOFF_BATCHES: usize = 1;

const TRIES_MAX: u32 = 10;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Renews the full-text index if needed, then runs the producer on its own thread and the consumer
/// on this one, until both are done.
///
/// An error of one stops the other at its next checkpoint; the error is returned, not the stop.
pub fn run(context: &Context<'_>, plan: Plan, tracker: &PhaseTracker) -> Result<(), Error> {
    let (handoff, work) = sync_channel(HANDOFF_BATCHES);
    thread::scope(|scope| {
        // Dropped at the end of this block, which ends the thread.
        let _watch = watch::start(scope, context)?;
        repair::renew_index(context)?;
        let waiting = context.kb.last_queued()?;
        let producer = producer::start(scope, context, plan, tracker, handoff)?;
        let consumed = consumer::run(context, plan, tracker, waiting, work);
        let produced = producer.join().unwrap_or_else(|panic| Err(panicked("producer", &*panic)));
        match (produced, consumed) {
            (Ok(()), Ok(())) => {
                repair::publish_held(context)?;
                tracker.finish();
                Ok(())
            }
            (Err(Error::Stopped), Err(error)) | (Err(error), _) | (Ok(()), Err(error)) => {
                Err(error)
            }
        }
    })
}

/// Finishes the file `kb` of a run whose outcome is saved. A stop ends that, too, at once; nothing
/// is lost by it.
pub fn finish(context: &Context<'_>, kb: &Writer, merge_pages_max: u64) -> Result<(), Error> {
    let should_stop = || context.stop.is_requested();
    thread::scope(|scope| {
        // A run that was stopped has little to finish.
        let _watch = if should_stop() { None } else { watch::interrupt(scope, context, kb) };
        Ok(kb.finish(merge_pages_max, &should_stop, context.events)?)
    })
}

/// Returns a pool of `threads`; 0 means one per processor. If the system refuses so many, it has
/// fewer.
pub fn pool(threads: usize) -> Pool {
    Pool::new(move || pool::start(threads))
}

/// Calls `start`, which starts a thread, again for a while if the system refuses it: a thread that
/// has just ended still counts for an instant.
fn persistently<T>(mut start: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..TRIES_MAX {
        match start() {
            Err(error) if process_limit::is_refusal(&error) => thread::sleep(TRY_AGAIN_AFTER),
            started => return started,
        }
    }
    start()
}

fn panicked(place: &'static str, panic: &(dyn std::any::Any + Send)) -> Error {
    Error::Internal { place, message: crate::support::panics::panic_message(panic) }
}

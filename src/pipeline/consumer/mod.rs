//! Claim -> Embed -> Commit: with an embedder in this process batch by batch, with one on another
//! machine by calls that are in flight across batches.

mod batch;
mod calls;
pub mod handover;
mod limits;
mod local;
mod remote;
mod window;

use std::cell::RefCell;

use self::batch::Consumer;
use self::handover::in_order;
use self::window::Window;
use super::phases::PhaseTracker;
use super::{Context, Work};
use crate::domain::ChunkId;
use crate::error::Error;

pub use remote::{RemoteCalls, StartThreads};

/// Processes the queue up to `waiting`, its end before the producer started, then what arrives
/// through `work`, then the rest. A `None` of `work` means that nothing has arrived yet: finished
/// vectors are committed meanwhile.
pub fn run(
    context: &Context<'_>,
    tracker: &PhaseTracker,
    waiting: Option<ChunkId>,
    work: impl IntoIterator<Item = Option<Work>>,
) -> Result<(), Error> {
    let consumer = Consumer::new(context, tracker)?;
    let embedded = RefCell::new(None);
    in_order(
        waiting,
        work,
        |up_to| {
            consumer.store(embedded.take())?;
            consumer.work_off(up_to)
        },
        |work| match work {
            Some(work) => consumer.take(work, &mut embedded.borrow_mut()),
            None => consumer.store(embedded.take()),
        },
    )
}

/// Does the same with an embedder on another machine, by `calls`, which the threads that `start`
/// starts serve.
pub fn run_remote(
    context: &Context<'_>,
    tracker: &PhaseTracker,
    waiting: Option<ChunkId>,
    work: impl IntoIterator<Item = Option<Work>>,
    calls: &RemoteCalls<'_>,
    start: StartThreads<'_>,
) -> Result<(), Error> {
    let consumer = Consumer::new(context, tracker)?;
    let window = RefCell::new(Window::new(&consumer, calls, start));
    let result = in_order(
        waiting,
        work,
        |up_to| window.borrow_mut().work_off(up_to),
        |work| match work {
            Some(work) => window.borrow_mut().take(work),
            None => window.borrow_mut().tick(),
        },
    );
    window.into_inner().close(result)
}

//! The consumer: orders the work on this thread, and does it on the rayon pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;

use super::panicked;
use crate::error::Error;
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Context, Work, consumer};

/// Consumes `work` until the producer is done and the queue is empty.
pub fn run(
    context: &Context<'_>,
    plan: Plan,
    tracker: &PhaseTracker,
    work: Receiver<Work>,
) -> Result<(), Error> {
    let consume = || {
        if plan.embed {
            consumer::run(context, tracker, work)?;
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

//! The producer's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::{panicked, persistently};
use crate::error::Error;
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::Plan;
use crate::pipeline::{Context, Handoff, producer};

/// Starts the producer; it drops `handoff` at its end, which ends the consumer's wait.
pub fn start<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    context: &'env Context<'env>,
    plan: Plan,
    tracker: &'env PhaseTracker,
    handoff: Handoff,
) -> Result<ScopedJoinHandle<'scope, Result<(), Error>>, Error> {
    let work = move |handoff: Handoff| {
        let result =
            catch_unwind(AssertUnwindSafe(|| producer::run(context, plan, tracker, &handoff)))
                .unwrap_or_else(|panic| Err(panicked("producer", &*panic)));
        if result.is_err() {
            context.stop.request();
        }
        result
    };
    let start = || {
        let handoff = handoff.clone();
        let builder = Builder::new().name("kbingest-producer".to_owned());
        builder.spawn_scoped(scope, move || work(handoff))
    };
    persistently(start).map_err(|error| Error::no_thread("the producer", &error))
}

//! The thread that checks for `cancel` while the others wait for a slow source: a download or a
//! `git fetch` reaches no checkpoint, and has to end at once on a stop. It also shows progress
//! between two writes.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

use super::persistently;
use crate::domain::Metrics;
use crate::error::Error;
use crate::kb::Writer;
use crate::pipeline::Context;
use crate::support::events::Event;
use crate::support::lock;

/// How often the knowledge base is checked.
const INTERVAL: Duration = Duration::from_millis(200);

/// How often a statement is interrupted after a stop is requested.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(100);
/// How often progress is shown.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// Time without another write after which it is saved, for `status`: a document may take minutes.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// Starts the thread, which ends when the result is dropped.
pub fn start<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    context: &'env Context<'env>,
) -> Result<Sender<()>, Error> {
    let watch = move |is_over: Receiver<()>| {
        let mut shown = Instant::now();
        while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            // The check passes a request on; if the file cannot be read, the next checkpoint
            // reports why.
            if is_stopping(context).unwrap_or(true) {
                return;
            }
            if shown.elapsed() >= SHOW_INTERVAL {
                shown = Instant::now();
                show(context);
            }
        }
    };
    let start = || {
        let (end, is_over) = channel();
        let builder = Builder::new().name("kbingest-watch".to_owned());
        builder.spawn_scoped(scope, move || watch(is_over)).map(|_| end)
    };
    persistently(start).map_err(|error| Error::no_thread("`cancel`", &error))
}

/// Starts a thread that interrupts what `kb` executes when a stop is requested, and ends when the
/// result is dropped; `None` if the system has no thread for it.
pub fn interrupt<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    context: &'env Context<'env>,
    kb: &'env Writer,
) -> Option<Sender<()>> {
    let watch = move |is_over: Receiver<()>| {
        while is_over.recv_timeout(INTERRUPT_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if is_stopping(context).unwrap_or(false) {
                kb.interrupt();
            }
        }
    };
    let (end, is_over) = channel();
    let builder = Builder::new().name("kbingest-watch".to_owned());
    builder.spawn_scoped(scope, move || watch(is_over)).ok().map(|_| end)
}

/// Reports whether the run is to stop; a `cancel` may have found it writing for long.
fn is_stopping(context: &Context<'_>) -> Result<bool, Error> {
    if lock::is_asked_to_stop(context.kb.path()) {
        context.stop.request();
    }
    context.is_stopping()
}

fn show(context: &Context<'_>) {
    // Behind a long write this thread would wait, and see no `cancel`.
    if context.progress.unsaved_for() >= SAVE_INTERVAL && !context.run.is_writing() {
        // A write that fails is reported by the threads that write more.
        let _ = context.run.save_progress(&Metrics::default(), Some(&context.progress.report()));
    } else {
        context.events.emit(&Event::Progress { progress: &context.progress.look() });
    }
}

//! The thread that checks for `cancel` while the others wait for a slow source: a download or a
//! `git fetch` reaches no checkpoint, and has to end at once on a stop.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope};
use std::time::Duration;

use super::persistently;
use crate::error::Error;
use crate::pipeline::Context;

/// How often the knowledge base is checked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Starts the thread, which ends when the result is dropped.
pub fn start<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    context: &'env Context<'env>,
) -> Result<Sender<()>, Error> {
    let watch = move |is_over: Receiver<()>| {
        while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            // The check passes a request on; if the file cannot be read, the next checkpoint
            // reports why.
            if context.is_stopping().unwrap_or(true) {
                return;
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

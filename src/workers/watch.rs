//! The thread that checks for `cancel` while the others wait for a slow source: a download or a
//! `git fetch` reaches no checkpoint, and has to end at once on a stop.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{Builder, Scope};
use std::time::Duration;

use crate::error::Error;
use crate::pipeline::Context;

/// How often the knowledge base is checked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Starts the thread, which ends when the other end of `is_over` is dropped.
pub fn start<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    context: &'env Context<'env>,
    is_over: Receiver<()>,
) -> Result<(), Error> {
    let watch = move || {
        while is_over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            // The check passes a request on; if the file cannot be read, the next checkpoint
            // reports why.
            if context.is_stopping().unwrap_or(true) {
                return;
            }
        }
    };
    Builder::new()
        .name("kbingest-watch".to_owned())
        .spawn_scoped(scope, watch)
        .map(drop)
        .map_err(|error| Error::Internal { place: "watch", message: error.to_string() })
}

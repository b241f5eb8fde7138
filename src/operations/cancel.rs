//! `cancel`: asks the running ingest to stop, and waits for it.

use std::time::{Duration, Instant};

use super::{Target, files};
use crate::domain::RunState;
use crate::error::Error;
use crate::kb::{self, KbError, Reader};
use crate::support::lock::{self, Lock};

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The result of a cancellation.
#[derive(Clone, Debug)]
pub enum Cancellation {
    /// No run was active.
    NothingRunning,
    /// The run has ended; its state says how.
    Ended(Box<RunState>),
    /// The run of an older program has ended, in whose file format its state remains.
    EndedOutdated,
    /// The run is still active; it stops at its next checkpoint.
    TimedOut,
}

/// Asks the run on `target` to stop at its next checkpoint and waits up to `timeout`.
pub fn cancel(target: &Target, timeout: Duration) -> Result<Cancellation, Error> {
    // A run with `--publish-if-eval` writes to another file.
    let candidate = files::candidate(target.kb());
    let path = if Lock::holder(&candidate)?.is_some() { &candidate } else { target.kb() };
    lock::refuse_links(path)?;
    let Some(holder) = Lock::holder(path)? else {
        // Says so if there is no knowledge base, or not one of ours.
        return Reader::open(path).map(|_| Cancellation::NothingRunning).or_else(
            |error| match error {
                KbError::Outdated { .. } => Ok(Cancellation::NothingRunning),
                error => Err(error.into()),
            },
        );
    };
    match kb::request_cancel(path, &holder) {
        Ok(true) => {}
        Ok(false) => return Ok(Cancellation::NothingRunning),
        // It may write for long, as when it renews the full-text index.
        Err(KbError::Busy) => lock::ask_to_stop(path)?,
        Err(error) => return Err(error.into()),
    }
    let asked = Instant::now();
    while Lock::holder(path)?.is_some() {
        if asked.elapsed() >= timeout {
            return Ok(Cancellation::TimedOut);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    let kb = match Reader::open(path) {
        Err(KbError::Outdated { .. }) => return Ok(Cancellation::EndedOutdated),
        opened => opened?,
    };
    Ok(kb
        .last_run()?
        .map_or(Cancellation::NothingRunning, |run| Cancellation::Ended(Box::new(run))))
}

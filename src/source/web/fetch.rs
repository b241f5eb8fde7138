//! Sends requests, for pages on several threads.
//!
//! The threads are the caller's, who joins them: no request outlasts a stop, whatever it waits for
//! (`support::http`).

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use super::client::Validators;
use super::visit::{VisitResult, Visitor};
use crate::source::SourceError;

/// Why a page or file has no answer that its thread panicked over.
const PANICKED: &str = "internal error in the HTTP client";

/// Runs the work on up to so many threads at once, and returns when all of them have ended; fails
/// if the system refuses even one.
pub type FetchThreads = fn(usize, &(dyn Fn() + Sync)) -> io::Result<()>;

/// A page to visit.
#[derive(Debug)]
pub struct PageRequest {
    /// Its normalised URL.
    pub url: Url,
    /// The validators that the server sent last; empty to fetch it whole.
    pub validators: Validators,
}

/// Sends requests.
pub(super) struct Fetcher {
    /// Name of the source.
    pub(super) name: String,
    /// A URL of the site, for messages; empty if there is none.
    pub(super) shown_url: String,
    pub(super) visitor: Visitor,
    pub(super) concurrency: usize,
}

impl Fetcher {
    /// Visits pages on `threads`, politely, and returns the answers by their index in `requests`.
    /// After `budget` no further visit begins; pages without an answer wait for the next call.
    pub(super) fn visit(
        &self,
        requests: Vec<PageRequest>,
        budget: Duration,
        threads: FetchThreads,
    ) -> Result<Vec<(usize, VisitResult)>, SourceError> {
        let until = Instant::now() + budget;
        let count = self.concurrency.min(requests.len());
        let waiting = Mutex::new(requests.into_iter().enumerate().collect::<VecDeque<_>>());
        let answered = Mutex::new(Vec::new());
        let work = || {
            loop {
                let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let Some((place, request)) = waiting.pop_front() else { return };
                if place > 0 && Instant::now() >= until {
                    return;
                }
                drop(waiting);
                // A panic must give an answer for its page: without one, it would be requested
                // again and again.
                let visit = || self.visitor.visit(&request.url, &request.validators);
                let visited = catch_unwind(AssertUnwindSafe(visit));
                let Some(answer) = visited.unwrap_or_else(|_| Some(panicked())) else { return };
                answered.lock().unwrap_or_else(PoisonError::into_inner).push((place, answer));
            }
        };
        let started = threads(count, &work);
        started.map_err(|error| SourceError::starved(&self.name, "a thread", &error))?;
        self.check_stop()?;
        let mut answered = answered.into_inner().unwrap_or_else(PoisonError::into_inner);
        answered.sort_unstable_by_key(|(place, _)| *place);
        Ok(answered)
    }

    /// Waits; fails if the run is stopped meanwhile.
    pub(super) fn wait(&self, duration: Duration) -> Result<(), SourceError> {
        if self.visitor.stop.wait_for(duration) { Err(SourceError::Stopped) } else { Ok(()) }
    }

    /// Returns the result of `work`, which sends requests on this thread; fails if the run is
    /// stopped meanwhile. If it panics, the source is unavailable.
    pub(super) fn complete<T>(&self, work: impl FnOnce() -> Option<T>) -> Result<T, SourceError> {
        let done = catch_unwind(AssertUnwindSafe(work)).map_err(|_| SourceError::Remote {
            name: self.name.clone(),
            url: self.shown_url.clone(),
            reason: PANICKED.to_owned(),
        })?;
        // A request that a stop ended has failed for no other reason.
        self.check_stop()?;
        done.ok_or(SourceError::Stopped)
    }

    fn check_stop(&self) -> Result<(), SourceError> {
        if self.visitor.stop.is_requested() { Err(SourceError::Stopped) } else { Ok(()) }
    }
}

fn panicked() -> VisitResult {
    VisitResult::Outage { reason: PANICKED.to_owned(), pause: None }
}

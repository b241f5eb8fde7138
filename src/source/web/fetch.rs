//! The threads that send requests.
//!
//! Unlike all others, nobody joins them: the HTTP client offers no way to end a request that waits
//! for a name, a connection or a byte, and a stop must not take as long as a slow server. A stopped
//! run drops their results. While nothing stops, all of them have ended before a call returns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use super::client::Validators;
use super::visit::{VisitResult, Visitor};
use crate::source::SourceError;
use crate::support::checkpoint::StopSignal;

/// Why a page or file has no answer that its thread panicked over.
const PANICKED: &str = "internal error in the HTTP client";

/// A page to visit.
#[derive(Debug)]
pub struct PageRequest {
    /// Its normalised URL.
    pub url: Url,
    /// The validators that the server sent last; empty to fetch it whole.
    pub validators: Validators,
}

/// Sends requests on threads.
pub(super) struct Fetcher {
    /// Name of the source.
    pub(super) name: String,
    /// A URL of the site, for messages; empty if there is none.
    pub(super) shown_url: String,
    pub(super) visitor: Arc<Visitor>,
    pub(super) concurrency: usize,
}

impl Fetcher {
    /// Visits pages, politely, and returns the answers by their index in `requests`. After `budget`
    /// no further visit begins; pages without an answer wait for the next call.
    pub fn visit(
        &self,
        requests: Vec<PageRequest>,
        budget: Duration,
    ) -> Result<Vec<(usize, VisitResult)>, SourceError> {
        let until = Instant::now() + budget;
        let threads = self.concurrency.min(requests.len());
        let waiting =
            Arc::new(Mutex::new(requests.into_iter().enumerate().collect::<VecDeque<_>>()));
        let (sender, answers) = channel();
        for index in 0..threads {
            let (visitor, waiting) = (Arc::clone(&self.visitor), Arc::clone(&waiting));
            let sender = sender.clone();
            let started = self.spawn(move || {
                loop {
                    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some((place, request)) = waiting.pop_front() else { return };
                    if place > 0 && Instant::now() >= until {
                        return;
                    }
                    drop(waiting);
                    // A panic must give an answer for its page: without one, it would be requested
                    // again and again.
                    let visit = || visitor.visit(&request.url, &request.validators);
                    let visited = catch_unwind(AssertUnwindSafe(visit));
                    let Some(answer) = visited.unwrap_or_else(|_| Some(panicked())) else { return };
                    // If the run was stopped, nobody receives the answer.
                    let _ = sender.send((place, answer));
                    visitor.stop.wake();
                }
            });
            match started {
                Err(error) if index == 0 => return Err(error),
                // Fewer threads take longer.
                Err(_) => break,
                Ok(()) => {}
            }
        }
        drop(sender);
        let mut answered = Vec::new();
        while let Some(answer) = self.receive(&answers)? {
            answered.push(answer);
        }
        answered.sort_unstable_by_key(|(place, _)| *place);
        Ok(answered)
    }

    /// Waits; fails if the run is stopped meanwhile.
    pub fn wait(&self, duration: Duration) -> Result<(), SourceError> {
        if self.stop().wait_for(duration) { Err(SourceError::Stopped) } else { Ok(()) }
    }

    fn stop(&self) -> &Arc<StopSignal> {
        &self.visitor.stop
    }

    /// Runs `work` on its own thread and waits for it, or for a stop. If it panics, the source is
    /// unavailable.
    pub(super) fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let (sender, answer) = channel();
        self.spawn(move || drop(sender.send(work())))?;
        self.receive(&answer)?.ok_or_else(|| SourceError::Remote {
            name: self.name.clone(),
            url: self.shown_url.clone(),
            reason: PANICKED.to_owned(),
        })
    }

    /// Waits for what a spawned thread sends; `None` if all of them have ended.
    fn receive<T>(&self, answers: &Receiver<T>) -> Result<Option<T>, SourceError> {
        let ready = || match answers.try_recv() {
            Ok(answer) => Some(Some(answer)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        };
        self.stop().wait_until(ready).ok_or(SourceError::Stopped)
    }

    /// Starts `work` on its own thread.
    fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), SourceError> {
        let stop = Arc::clone(self.stop());
        let work = move || {
            // What it sends to is gone with it, which the waiting thread has to see.
            let _ = catch_unwind(AssertUnwindSafe(work));
            stop.wake();
        };
        let started = std::thread::Builder::new().name("kbingest-fetch".to_owned()).spawn(work);
        started.map(drop).map_err(|error| SourceError::starved(&self.name, "a thread", &error))
    }
}

fn panicked() -> VisitResult {
    VisitResult::Outage { reason: PANICKED.to_owned(), pause: None }
}

//! Calls of an embedder that is on another machine: they are made by threads of their own, as many
//! as may be in flight, which wait for answers while the consumer commits.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::calls::{CallResults, Calls};
use crate::error::Error;
use crate::pipeline::Context;

/// The texts of one call.
pub(super) struct Call {
    /// Number of the call, in the order of the chunks.
    pub(super) number: u64,
    pub(super) texts: Vec<String>,
}

/// The results of a call.
pub(super) struct Answered {
    pub(super) number: u64,
    pub(super) results: CallResults,
}

/// Calls from the consumer to the threads that make them, and their results.
pub struct RemoteCalls<'a> {
    calls: Calls<'a>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Call>,
    answered: Vec<Answered>,
    /// No more calls are taken.
    is_closed: bool,
}

impl<'a> RemoteCalls<'a> {
    /// Returns an empty queue.
    pub fn new(context: &'a Context<'_>) -> Self {
        Self { calls: Calls::new(context), queue: Mutex::default(), changed: Condvar::new() }
    }

    /// Makes calls until the queue is closed; for as many threads as calls may be in flight.
    pub fn serve(&self) {
        while let Some(Call { number, texts }) = self.next() {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let results = self.calls.embed_texts(&texts);
            self.lock().answered.push(Answered { number, results });
            self.changed.notify_all();
        }
    }

    /// Has the threads end when their calls are answered; calls that wait are not made.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Has calls that wait to be retried fail.
    pub(super) fn give_up(&self) {
        self.calls.fail_others();
    }

    pub(super) fn push(&self, call: Call) {
        self.lock().waiting.push_back(call);
        self.changed.notify_all();
    }

    /// Removes the calls that nobody makes yet; returns how many there were.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut self.lock().waiting).len()
    }

    /// Returns the results since the last call; waits for one for `at_most`.
    pub(super) fn answered(&self, at_most: Duration) -> Vec<Answered> {
        let queue = self.lock();
        let waited =
            self.changed.wait_timeout_while(queue, at_most, |queue| queue.answered.is_empty());
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut queue.answered)
    }

    fn next(&self) -> Option<Call> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            if let Some(call) = queue.waiting.pop_front() {
                return Some(call);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the threads that [serve](RemoteCalls::serve), once.
pub type StartThreads<'a> = &'a dyn Fn(usize) -> Result<(), Error>;

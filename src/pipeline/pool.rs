//! The pool of threads that a run's steps are spread over, started when one of them first has something to do:
//! starting it is a thirtieth of a run that finds nothing changed.

use std::sync::LazyLock;

use rayon::ThreadPool;

use crate::error::Error;

type Start = Box<dyn FnOnce() -> Result<ThreadPool, String> + Send>;

/// A pool that starts when it is first needed.
pub struct Pool(LazyLock<Result<ThreadPool, String>, Start>);

impl Pool {
    /// Returns a pool that `start` will start, or tell why it cannot be.
    pub fn new(start: impl FnOnce() -> Result<ThreadPool, String> + Send + 'static) -> Self {
        Self(LazyLock::new(Box::new(start)))
    }

    /// Returns the pool; fails where the system gives it no threads.
    pub fn get(&self) -> Result<&ThreadPool, Error> {
        let internal =
            |message: &String| Error::Internal { place: "thread pool", message: message.clone() };
        self.0.as_ref().map_err(internal)
    }
}

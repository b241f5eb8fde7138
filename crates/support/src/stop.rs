//! The signal that asks the threads of a run, and their processes, to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Asks every thread of a run to stop at its next checkpoint. Once set, it stays set.
#[derive(Debug, Default)]
pub struct StopSignal {
    stop: AtomicBool,
}

impl StopSignal {
    /// Requests the stop.
    pub fn request(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Reports whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

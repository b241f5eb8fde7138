//! The signal that asks the threads of a run, and the processes that work for them, to stop.

use std::sync::atomic::{AtomicBool, Ordering};

/// Asks every thread of a run to stop at its next checkpoint. Once set it stays set.
#[derive(Debug, Default)]
pub struct StopSignal {
    stop: AtomicBool,
}

impl StopSignal {
    /// Asks for the stop.
    pub fn request(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Reports whether a stop was asked for.
    pub fn is_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

//! The signal that asks the threads of a run, and their processes, to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Asks every thread of a run to stop at its next checkpoint. Once set, it stays set.
#[derive(Debug, Default)]
pub struct StopSignal {
    stop: AtomicBool,
    /// Held while a waiting thread looks, so that nothing changes unseen before it sleeps.
    looking: Mutex<()>,
    changed: Condvar,
}

impl StopSignal {
    /// Requests the stop, and ends every wait.
    pub fn request(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Reports whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits for `duration`, or less if a stop is requested; returns whether one was.
    pub fn wait_for(&self, duration: Duration) -> bool {
        self.wait_at_most(duration, || None::<()>);
        self.is_requested()
    }

    /// Waits until `ready` returns something, and returns it; `None` if a stop is requested before.
    /// `ready`, which must not block, is called at the start and after each [`Self::wake`].
    pub fn wait_until<T>(&self, ready: impl FnMut() -> Option<T>) -> Option<T> {
        self.wait(None, ready)
    }

    /// Waits like [`Self::wait_until`], but for `duration` at most; `None` also if it passes.
    pub fn wait_at_most<T>(
        &self,
        duration: Duration,
        ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.wait(Instant::now().checked_add(duration), ready)
    }

    /// Has waiting threads look again whether they are ready.
    pub fn wake(&self) {
        drop(self.looking.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait<T>(&self, until: Option<Instant>, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        let mut looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_requested() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if let Some(value) = ready() {
                return Some(value);
            }
            looking = match left {
                Some(Duration::ZERO) => return None,
                Some(left) => {
                    let waited = self.changed.wait_timeout(looking, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(looking).unwrap_or_else(PoisonError::into_inner),
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn a_stop_ends_a_wait() {
        let stop = StopSignal::default();
        assert!(!stop.wait_for(Duration::ZERO));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| stop.wait_for(Duration::MAX));
            stop.request();
            assert!(waiting.join().expect("it does not panic"));
        });
        assert_eq!(stop.wait_until(|| Some(1)), None);
    }

    #[test]
    fn a_wake_has_what_is_ready_returned() {
        let stop = StopSignal::default();
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..100 {
                    sender.send(number).expect("somebody receives");
                    stop.wake();
                }
            });
            for number in 0..100 {
                assert_eq!(stop.wait_until(|| receiver.try_recv().ok()), Some(number));
            }
        });
    }
}

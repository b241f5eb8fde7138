//! Signals: the first asks for a checkpoint, the second ends the process at once.
//!
//! Nothing is lost by the second: nothing depends on being asked politely.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;
use crate::support::checkpoint::StopSignal;

/// Signals this close together are one request: `timeout` sends its own to the process and to its group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// Which signal came first; `ctrlc` says only that one came.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    first: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to listen; goes in before anything else is done. Once per process.
    pub fn listen(stop: Arc<StopSignal>) -> Result<Self, Error> {
        let signals = Self::default();
        let refused = |message: String| Error::Internal { place: "signal handler", message };
        let heard = signals.clone();
        let mut first_at: Option<Instant> = None;
        ctrlc::set_handler(move || match first_at {
            None => {
                first_at = Some(Instant::now());
                stop.request();
            }
            Some(first_at) if first_at.elapsed() < SAME_REQUEST => {}
            Some(_) => std::process::exit(128 + heard.number().unwrap_or(SIGINT)),
        })
        .map_err(|error| refused(error.to_string()))?;
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.first), number)
                .map_err(|error| refused(error.to_string()))?;
        }
        Ok(signals)
    }

    /// Returns the number of the signal that came last, if any did.
    pub fn number(&self) -> Option<i32> {
        i32::try_from(self.first.load(Ordering::Acquire)).ok().filter(|number| *number != 0)
    }
}

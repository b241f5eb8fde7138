//! Signals: the first asks for a checkpoint, the second ends the process at once.
//!
//! Nothing is lost by the second: nothing depends on being asked politely.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::bus_error;
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
        // A write over the limit on file size (SIGXFSZ) then fails with EFBIG, like one on a full disk.
        let ignored = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(libc::SIGXFSZ, ignored)
            .map_err(|error| refused(error.to_string()))?;
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.first), number)
                .map_err(|error| refused(error.to_string()))?;
        }
        Ok(signals)
    }

    /// Calls `report` on a thread of its own when the system cannot back a page of shared memory (SIGBUS),
    /// as when the disk under SQLite's WAL index is full, then ends the process with `code`.
    ///
    /// The faulting thread cannot go on and is never let to.
    pub fn end_on_bus_error(
        code: i32,
        report: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let refused = |error: std::io::Error| Error::Internal {
            place: "signal handler",
            message: error.to_string(),
        };
        let (mut heard, signal) = UnixStream::pair().map_err(refused)?;
        let wait = move || {
            if heard.read_exact(&mut [0]).is_ok() {
                report();
                bus_error::end(code);
            }
        };
        std::thread::Builder::new()
            .name("kbingest-sigbus".to_owned())
            .spawn(wait)
            .map_err(refused)?;
        bus_error::hold(signal).map_err(refused)
    }

    /// Returns the number of the signal that came last, if any did.
    pub fn number(&self) -> Option<i32> {
        i32::try_from(self.first.load(Ordering::Acquire)).ok().filter(|number| *number != 0)
    }
}

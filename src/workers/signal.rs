//! Signals: the first requests a stop at a checkpoint, the second ends the process at once.
//!
//! The second loses nothing: no data depends on a clean stop.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator;

use super::bus_error;
use crate::error::Error;
use crate::support::checkpoint::StopSignal;

/// Signals this close together are one request: `timeout` sends its own to the process and to its
/// group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// The signal that requested the stop, and when.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    first: Arc<Mutex<Option<(i32, Instant)>>>,
}

impl Signals {
    /// Starts listening; called before anything else, once per process.
    ///
    /// `ctrlc` does not report which signal it caught, so it handles only Ctrl-C, and signal-hook
    /// the others.
    pub fn listen(stop: Arc<StopSignal>) -> Result<Self, Error> {
        let signals = Self::default();
        let (listener, asked) = (signals.clone(), Arc::clone(&stop));
        ctrlc::set_handler(move || listener.hear(SIGINT, &asked)).map_err(|error| match error {
            ctrlc::Error::System(error) => no_thread(&error),
            error => refused(error),
        })?;
        let mut wanted = vec![SIGTERM];
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut heard = iterator::Signals::new(wanted).map_err(refused)?;
        let listener = signals.clone();
        std::thread::Builder::new()
            .name("kbingest-signals".to_owned())
            .spawn(move || heard.forever().for_each(|signal| listener.hear(signal, &stop)))
            .map_err(|error| no_thread(&error))?;
        Ok(signals)
    }

    fn hear(&self, signal: i32, stop: &StopSignal) {
        let mut first = self.first();
        match *first {
            None => {
                *first = Some((signal, Instant::now()));
                stop.request();
            }
            Some((_, first_at)) if first_at.elapsed() < SAME_REQUEST => {}
            Some(_) => std::process::exit(128 + signal),
        }
    }

    fn first(&self) -> MutexGuard<'_, Option<(i32, Instant)>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `report` on its own thread when the system cannot back a page of shared memory
    /// (SIGBUS), as when the disk is full under SQLite's WAL index, then ends the process with
    /// `code`.
    ///
    /// The faulting thread cannot continue and is parked.
    pub fn end_on_bus_error(
        code: i32,
        report: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
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
            .map_err(|error| no_thread(&error))?;
        bus_error::park_on_sigbus(signal).map_err(refused)
    }

    /// Returns the number of the first signal, if there was one.
    pub fn number(&self) -> Option<i32> {
        self.first().map(|(signal, _)| signal)
    }
}

/// Makes a write over the limit on file size (SIGXFSZ) fail with EFBIG, as on a full disk: SQLite
/// also writes beside a knowledge base that is only read.
///
/// The signal is caught instead of ignored, so that programs started by this one get its default.
pub fn outlive_size_limit() -> Result<(), Error> {
    let caught = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(libc::SIGXFSZ, caught).map(drop).map_err(refused)
}

fn no_thread(error: &io::Error) -> Error {
    Error::no_thread("signals", error)
}

fn refused(error: impl Display) -> Error {
    Error::Internal { place: "signal handler", message: error.to_string() }
}

/// Reports whether the caller of this process made it ignore `signal`, as `nohup` does; false if
/// the system does not say. For SIGINT it would be useless: shells ignore it in what they start
/// with `&`.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

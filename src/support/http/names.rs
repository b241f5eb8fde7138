//! Addresses of hosts.
//!
//! The system's lookup cannot be interrupted, so that another process does it, which a stop ends.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use ureq::Error;
use ureq::unversioned::transport::NextTimeout;

use super::transport::{Waited, end_of, stopped, wait};
use crate::support::checkpoint::StopSignal;
use crate::support::lookup;

/// How long an address is known: every new connection asks for one.
const AGE_MAX: Duration = Duration::from_secs(60);
/// Limit on the hosts whose addresses are known.
const HOSTS_MAX: usize = 1000;
/// Limit on what a lookup prints, in bytes.
const PRINTED_BYTES_MAX: u64 = 4096;

/// Looks up names, and knows the addresses for a minute.
#[derive(Debug)]
pub struct Names {
    /// This program; `None` for library users: then a stop waits for the system's lookup.
    program: Option<PathBuf>,
    stop: Arc<StopSignal>,
    known: Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>,
}

impl Names {
    pub fn new(program: Option<&Path>, stop: Arc<StopSignal>) -> Self {
        Self { program: program.map(Path::to_owned), stop, known: Mutex::default() }
    }

    /// Returns the addresses of `host`, at least one.
    pub fn addresses(&self, host: &str, timeout: NextTimeout) -> Result<Vec<IpAddr>, Error> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, addresses)) = known().get(host)
            && since.elapsed() < AGE_MAX
        {
            return Ok(addresses.clone());
        }
        let started = self.program.as_ref().map(|program| lookup::under(program, host).spawn());
        let addresses = match started {
            Some(Ok(child)) => self.hear(child, timeout)?,
            // The system may have no process left.
            Some(Err(_)) | None => lookup::look_up(host)?,
        };
        let mut known = known();
        if known.len() >= HOSTS_MAX {
            known.clear();
        }
        known.insert(host.to_owned(), (Instant::now(), addresses.clone()));
        Ok(addresses)
    }

    /// Returns what a lookup prints; it has ended then, in any case.
    fn hear(&self, mut child: Child, timeout: NextTimeout) -> Result<Vec<IpAddr>, Error> {
        let printed = match child.stdout.take() {
            Some(output) => self.read(output, timeout),
            None => Ok(String::new()),
        };
        if printed.is_err() {
            let _ = child.kill();
        }
        let _ = child.wait();
        Ok(lookup::parse(&printed?)?)
    }

    fn read(&self, mut output: ChildStdout, timeout: NextTimeout) -> Result<String, Error> {
        let end = end_of(timeout)?;
        let mut printed = Vec::new();
        match wait(output.as_fd(), PollFlags::IN, end, &self.stop)? {
            Waited::Ready => {}
            Waited::Late => return Err(Error::Timeout(timeout.reason)),
            Waited::Stopped => return Err(stopped()),
        }
        // It prints everything at once, and ends.
        output.by_ref().take(PRINTED_BYTES_MAX).read_to_end(&mut printed)?;
        String::from_utf8(printed).map_err(|error| Error::Io(io::Error::other(error)))
    }
}

//! TCP connections whose waits all end when a run is stopped: for a connection, for a byte, and for
//! room to send one. A server that is slow, or never answers, delays no stop.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use crate::support::checkpoint::StopSignal;

/// How often a wait looks for a stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Ready,
    /// The time is over.
    Late,
    /// The run is stopped.
    Stopped,
}

/// Waits until `file` is ready for `events`, or has failed; until `end`, if there is one.
pub fn wait(
    file: impl AsFd,
    events: PollFlags,
    end: Option<Instant>,
    stop: &StopSignal,
) -> io::Result<Waited> {
    loop {
        if stop.is_requested() {
            return Ok(Waited::Stopped);
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(Waited::Late);
        }
        let step = left.map_or(LOOK_INTERVAL, |left| left.min(LOOK_INTERVAL));
        let step = Timespec { tv_sec: 0, tv_nsec: step.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&file, events)], Some(&step)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(Waited::Ready),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The error of a request that a stop ends. Not `Interrupted`, which readers retry.
pub fn stopped() -> Error {
    Error::Io(io::Error::other("the run is stopped"))
}

/// Returns when `timeout` is over; fails if it is.
pub fn end_of(timeout: NextTimeout) -> Result<Option<Instant>, Error> {
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    let limit = (!timeout.after.is_not_happening()).then_some(*timeout.after);
    Ok(limit.and_then(|limit| Instant::now().checked_add(limit)))
}

/// Connects directly, unless an earlier link of the chain has connected through a proxy.
#[derive(Debug)]
pub struct StoppableConnector {
    pub stop: Arc<StopSignal>,
}

impl<In: Transport> Connector<In> for StoppableConnector {
    type Out = Either<In, StoppableTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let config = details.config;
        let stream = connect_any(&details.addrs, details.timeout, &self.stop)?;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        let stop = Arc::clone(&self.stop);
        Ok(Some(Either::B(StoppableTransport { stream, buffers, stop })))
    }
}

/// Connects to the first address that accepts. All but the last get half of the time that is left.
fn connect_any(
    addresses: &[SocketAddr],
    timeout: NextTimeout,
    stop: &StopSignal,
) -> Result<TcpStream, Error> {
    let end = end_of(timeout)?;
    let mut failure = Error::HostNotFound;
    for (index, address) in addresses.iter().enumerate() {
        let is_last = index + 1 == addresses.len();
        let half = |end: Instant| {
            let now = Instant::now();
            now + end.saturating_duration_since(now) / 2
        };
        let own_end = if is_last { end } else { end.map(half) };
        match connect_to(*address, own_end, stop) {
            Ok((Waited::Ready, stream)) => return Ok(stream),
            Ok((Waited::Stopped, _)) => return Err(stopped()),
            Ok((Waited::Late, _)) => failure = Error::Timeout(Timeout::Connect),
            Err(error) => failure = Error::Io(error),
        }
    }
    Err(failure)
}

fn connect_to(
    address: SocketAddr,
    end: Option<Instant>,
    stop: &StopSignal,
) -> io::Result<(Waited, TcpStream)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    // Programs that are started meanwhile must not keep the connection open.
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    match connect(&stream, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            let waited = wait(&stream, PollFlags::OUT, end, stop)?;
            if waited != Waited::Ready {
                return Ok((waited, stream));
            }
            sockopt::socket_error(&stream)??;
        }
        Err(error) => return Err(error.into()),
    }
    stream.set_nodelay(true)?;
    Ok((Waited::Ready, stream))
}

/// A connection.
#[derive(Debug)]
pub struct StoppableTransport {
    /// Does not block.
    stream: TcpStream,
    buffers: LazyBuffers,
    stop: Arc<StopSignal>,
}

impl Transport for StoppableTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let end = end_of(timeout)?;
        let mut rest = &self.buffers.output()[..amount];
        while !rest.is_empty() {
            let mut stream = &self.stream;
            let wrote =
                attempt(|| stream.write(rest), PollFlags::OUT, &self.stream, &self.stop, end);
            match wrote? {
                None => return Err(Error::Timeout(timeout.reason)),
                Some(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Some(count) => rest = &rest[count..],
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let end = end_of(timeout)?;
        let free = self.buffers.input_append_buf();
        let mut stream = &self.stream;
        let read = attempt(|| stream.read(free), PollFlags::IN, &self.stream, &self.stop, end)?;
        let Some(count) = read else { return Err(Error::Timeout(timeout.reason)) };
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    /// An open connection has nothing to read: the server owes no response.
    fn is_open(&mut self) -> bool {
        let read = (&self.stream).read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Calls `step`, which does not block, until it has done something; `None` if the time is over.
fn attempt(
    mut step: impl FnMut() -> io::Result<usize>,
    events: PollFlags,
    stream: &TcpStream,
    stop: &StopSignal,
    end: Option<Instant>,
) -> Result<Option<usize>, Error> {
    loop {
        // Also a server that never pauses has to let go.
        if stop.is_requested() {
            return Err(stopped());
        }
        match step() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => return Ok(Some(done?)),
        }
        match wait(stream, events, end, stop)? {
            Waited::Ready => {}
            Waited::Late => return Ok(None),
            Waited::Stopped => return Err(stopped()),
        }
    }
}

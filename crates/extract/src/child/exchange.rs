//! One document through the pipes: never blocks on a child that does not read, write or end.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use kbingest_support::stop::StopSignal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use super::wire::{self, LENGTHS_BYTES};
use super::worker::{STOP_GRACE, Worker};

/// How often a requested stop is checked for.
const TICK: Duration = Duration::from_millis(100);

/// Bytes read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Why there is no reply.
pub(super) enum Loss {
    /// The child ended.
    Died,
    /// It took too long.
    Deadline,
    /// Its reply is over the limit.
    TooLarge,
    /// A stop was requested.
    Stopped,
    /// A pipe failed.
    Io(io::Error),
}

/// Head and body of a reply.
type RawReply = (Vec<u8>, Vec<u8>);

/// The limits of an exchange.
pub(super) struct Exchange<'a> {
    pub(super) deadline: Instant,
    pub(super) stop: Option<&'a StopSignal>,
    pub(super) text_bytes_max: u64,
}

impl Exchange<'_> {
    /// Sends `request` and returns head and body of the reply.
    pub(super) fn run(&self, worker: &mut Worker, request: [&[u8]; 2]) -> Result<RawReply, Loss> {
        let (Some(mut input), Some(mut output)) =
            (worker.process.stdin.take(), worker.process.stdout.take())
        else {
            return Err(Loss::Died);
        };
        for pipe in [input.as_fd(), output.as_fd()] {
            fcntl_setfl(pipe, OFlags::NONBLOCK).map_err(|error| Loss::Io(error.into()))?;
        }
        let mut outgoing = Outgoing { pieces: request, sent: 0 };
        let mut reply = Vec::new();
        let mut stop_at = None;
        let result = loop {
            if let Some(parts) = self.whole(&mut reply)? {
                break parts;
            }
            self.check_time(&mut stop_at)?;
            let mut pipes = vec![PollFd::new(&output, PollFlags::IN)];
            if let Some(stderr) = &worker.process.stderr {
                pipes.push(PollFd::new(stderr, PollFlags::IN));
            }
            if !outgoing.is_done() {
                pipes.push(PollFd::new(&input, PollFlags::OUT));
            }
            wait(&mut pipes)?;
            worker.read_stderr();
            if !outgoing.is_done() {
                outgoing.send(&mut input)?;
            }
            if !receive(&mut output, &mut reply)? {
                return Err(Loss::Died);
            }
        };
        worker.process.stdin = Some(input);
        worker.process.stdout = Some(output);
        Ok(result)
    }

    /// Splits the reply once it is complete.
    fn whole(&self, reply: &mut Vec<u8>) -> Result<Option<RawReply>, Loss> {
        let Some((head, body)) = wire::lengths(reply) else { return Ok(None) };
        if body as u64 > self.text_bytes_max {
            return Err(Loss::TooLarge);
        }
        if reply.len() < LENGTHS_BYTES + head + body {
            return Ok(None);
        }
        let mut head_part = reply.split_off(LENGTHS_BYTES);
        let body_part = head_part.split_off(head);
        Ok(Some((head_part, body_part)))
    }

    fn check_time(&self, stop_at: &mut Option<Instant>) -> Result<(), Loss> {
        let now = Instant::now();
        if now >= self.deadline {
            return Err(Loss::Deadline);
        }
        if self.stop.is_some_and(StopSignal::is_requested)
            && now >= *stop_at.get_or_insert(now + STOP_GRACE)
        {
            return Err(Loss::Stopped);
        }
        Ok(())
    }
}

/// A request that is being sent.
struct Outgoing<'a> {
    pieces: [&'a [u8]; 2],
    sent: usize,
}

impl Outgoing<'_> {
    fn is_done(&self) -> bool {
        self.sent == self.pieces[0].len() + self.pieces[1].len()
    }

    fn send(&mut self, input: &mut impl Write) -> Result<(), Loss> {
        let [head, body] = self.pieces;
        let rest = match self.sent.checked_sub(head.len()) {
            Some(sent) => &body[sent..],
            None => &head[self.sent..],
        };
        match input.write(rest) {
            Ok(sent) => self.sent += sent,
            Err(error) if is_passing(&error) => {}
            // It died; what it wrote is in the other pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Loss::Died),
            Err(error) => return Err(Loss::Io(error)),
        }
        Ok(())
    }
}

/// Waits until one of the pipes is ready, for a short time at most.
fn wait(pipes: &mut [PollFd<'_>]) -> Result<(), Loss> {
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match poll(pipes, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Loss::Io(error.into())),
    }
}

/// Reads what is available; returns false at the end.
fn receive(output: &mut impl Read, reply: &mut Vec<u8>) -> Result<bool, Loss> {
    let mut piece = [0; PIECE_BYTES];
    match output.read(&mut piece) {
        Ok(0) => Ok(false),
        Ok(count) => {
            reply.extend_from_slice(&piece[..count]);
            Ok(true)
        }
        Err(error) if is_passing(&error) => Ok(true),
        Err(error) => Err(Loss::Io(error)),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

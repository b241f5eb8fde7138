//! A running command: its output is read up to a limit; it is killed with its group if it takes too
//! long, writes too much, or a stop is requested.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kbingest_support::byte_size::ByteSize;
use kbingest_support::process_limit;
use kbingest_support::stop::StopSignal;
use kbingest_support::supervise::{self, NOT_STARTED, NOT_STARTED_WORDS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::child::STOP_GRACE;
use crate::{DocumentError, ExtractConfig};

/// How often time and requested stops are checked.
const TICK: Duration = Duration::from_millis(20);

/// Bytes read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Limit on the bytes of stderr that are kept, from its end.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// Limit on the characters of it that are reported.
const WORDS_CHARS_MAX: usize = 500;

/// The variables of this program's environment that a command gets; others may hold secrets.
const ENVIRONMENT: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"];

/// Runs commands within the limits of a document.
pub(super) struct Watch {
    program: Option<PathBuf>,
    max_text: ByteSize,
    max_memory: ByteSize,
    max_seconds: u64,
    stop: Option<Arc<StopSignal>>,
}

/// Why a command was killed, or cannot be read.
enum Loss {
    Deadline,
    TooLarge,
    Stopped,
    Io(io::Error),
}

/// The output of a command so far.
#[derive(Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Watch {
    pub(super) fn new(config: &ExtractConfig, stop: Option<Arc<StopSignal>>) -> Self {
        Self {
            program: config.program.clone(),
            max_text: config.max_text,
            max_memory: config.max_memory,
            max_seconds: config.max_seconds,
            stop,
        }
    }

    /// Runs `command` in `folder` and returns its stdout; an exit code other than 0 is a failure.
    /// Its environment is [`ENVIRONMENT`] and the variables named by `env`.
    pub(super) fn run(
        &self,
        uri: &str,
        command: &[OsString],
        env: &[String],
        folder: &Path,
    ) -> Result<Vec<u8>, DocumentError> {
        let permanent = |reason: String| DocumentError::permanent(uri, reason);
        let transient = |reason: String| DocumentError::transient(uri, reason);
        let name = command.first().map(|name| name.display().to_string()).unwrap_or_default();
        let mut group = self.start(command, env, folder).map_err(|error| {
            transient(format!("cannot start {name}: {}", process_limit::explain(&error)))
        })?;
        let mut output = Output::default();
        let code = self.listen(&mut group, &mut output).map_err(|loss| match loss {
            Loss::Deadline => {
                permanent(format!("takes longer than max_seconds ({})", self.max_seconds))
            }
            Loss::TooLarge => permanent(format!("its text is over max_text ({})", self.max_text)),
            Loss::Stopped => transient("the run was stopped while it was extracted".to_owned()),
            Loss::Io(error) => transient(format!("cannot talk to {name}: {error}")),
        })?;
        let words = tail(&output.stderr);
        match code {
            Some(0) => Ok(output.stdout),
            Some(code)
                if code == i32::from(NOT_STARTED) && words.starts_with(NOT_STARTED_WORDS) =>
            {
                Err(transient(words.replacen("kbingest ", "", 1)))
            }
            _ => {
                let how =
                    code.map_or("by a signal".to_owned(), |code| format!("with exit code {code}"));
                let colon = if words.is_empty() { "" } else { ": " };
                let reason = format!("{name} ended {how}{colon}{words}");
                Err(if process_limit::is_named_in(&words) {
                    transient(process_limit::with_limits(&reason))
                } else if is_from_outside(code) {
                    transient(reason)
                } else {
                    permanent(reason)
                })
            }
        }
    }

    /// Starts a command below a process that kills it when this one ends. Without a program for
    /// that, as in other programs that use the library, it is started directly.
    fn start(&self, command: &[OsString], env: &[String], folder: &Path) -> io::Result<Group> {
        let mut process = match (&self.program, command) {
            (Some(program), _) => {
                let mut process = supervise::under(program, self.max_memory.0);
                process.args(command);
                process
            }
            (None, [program, arguments @ ..]) => {
                let mut process = Command::new(program);
                process.args(arguments).stdin(Stdio::null());
                process
            }
            (None, []) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        process.env_clear();
        for name in ENVIRONMENT.iter().copied().chain(env.iter().map(String::as_str)) {
            if let Some(value) = std::env::var_os(name) {
                process.env(name, value);
            }
        }
        process.current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Ok(Group(process.spawn()?))
    }

    /// Reads the output until the command ends, and returns its exit code.
    fn listen(&self, group: &mut Group, output: &mut Output) -> Result<Option<i32>, Loss> {
        let deadline = Instant::now() + Duration::from_secs(self.max_seconds);
        let mut stop_at = None;
        for pipe in group.pipes() {
            fcntl_setfl(pipe, OFlags::NONBLOCK).map_err(|error| Loss::Io(error.into()))?;
        }
        loop {
            let has_ended = group.has_ended().map_err(Loss::Io)?;
            if has_ended {
                // What it left running can no longer write.
                group.kill();
            }
            self.read(group, output)?;
            if has_ended {
                return group.0.wait().map(|status| status.code()).map_err(Loss::Io);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Loss::Deadline);
            }
            if self.stop.as_deref().is_some_and(StopSignal::is_requested)
                && now >= *stop_at.get_or_insert(now + STOP_GRACE)
            {
                return Err(Loss::Stopped);
            }
            wait(group)?;
        }
    }

    /// Reads what is available.
    fn read(&self, group: &mut Group, output: &mut Output) -> Result<(), Loss> {
        let limit = usize::try_from(self.max_text.0).unwrap_or(usize::MAX);
        take(&mut group.0.stdout, &mut output.stdout, |output| output.len() <= limit)
            .map_err(Loss::Io)?;
        if output.stdout.len() > limit {
            return Err(Loss::TooLarge);
        }
        take(&mut group.0.stderr, &mut output.stderr, |words| {
            words.drain(..words.len().saturating_sub(WORDS_BYTES_MAX));
            true
        })
        .map_err(Loss::Io)
    }
}

/// A process that leads its group; when dropped, it and the whole group are killed.
struct Group(Child);

impl Group {
    /// Returns the pipes that are still open.
    fn pipes(&self) -> Vec<BorrowedFd<'_>> {
        let stdout = self.0.stdout.as_ref().map(AsFd::as_fd);
        let stderr = self.0.stderr.as_ref().map(AsFd::as_fd);
        stdout.into_iter().chain(stderr).collect()
    }

    /// Reports whether it has ended; it is not reaped yet, so its pid is not reused.
    fn has_ended(&self) -> io::Result<bool> {
        let Some(pid) = self.pid() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(pid), options)?.is_some())
    }

    fn kill(&self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.0.id().cast_signed())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // If it was reaped already, the pid may belong to another process.
        if matches!(self.0.try_wait(), Ok(None)) {
            self.kill();
            let _ = self.0.wait();
        }
    }
}

/// Waits until something is written, for a short time at most.
fn wait(group: &Group) -> Result<(), Loss> {
    let mut pipes: Vec<_> = group
        .pipes()
        .into_iter()
        .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN))
        .collect();
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match poll(&mut pipes, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(Loss::Io(error.into())),
    }
}

/// Reads what is available while `goes_on`; a pipe at its end is closed.
fn take<P: Read>(
    pipe: &mut Option<P>,
    into: &mut Vec<u8>,
    mut goes_on: impl FnMut(&mut Vec<u8>) -> bool,
) -> io::Result<()> {
    let mut piece = [0; PIECE_BYTES];
    while let Some(open) = pipe {
        match open.read(&mut piece) {
            Ok(0) => *pipe = None,
            Ok(count) => {
                into.extend_from_slice(&piece[..count]);
                if !goes_on(into) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reports whether a command, or the process above it, was killed from outside; it has no code
/// then.
fn is_from_outside(code: Option<i32>) -> bool {
    code.is_none_or(|code| supervise::is_from_outside(code - 128))
}

/// Returns the end of the output as one line.
fn tail(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let skipped = line.chars().count().saturating_sub(WORDS_CHARS_MAX);
    line.chars().skip(skipped).filter(|c| !c.is_control()).collect()
}

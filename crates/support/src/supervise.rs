//! The process between this program and a command, such as an extractor of the user's or a `git
//! fetch`. It makes the command and everything it starts end together with this program, even if
//! that is killed.
//!
//! It leads the process group. Its input is a pipe that nobody writes to and that closes when its
//! parent ends; it then kills the group, including itself.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{
    Resource, Rlimit, Signal, getpgrp, getpid, kill_process_group, setpgid, setrlimit,
};

use crate::process_limit;

/// The subcommand of this program that calls [`supervise`].
pub const SUBCOMMAND: &str = "supervise";

/// Means memory without a limit.
pub const UNLIMITED: u64 = u64::MAX;

/// A shell's exit code for a program that cannot be started.
pub const NOT_STARTED: u8 = 127;

/// The beginning of stderr in that case.
pub const NOT_STARTED_WORDS: &str = "kbingest cannot start ";

/// Returns the beginning of a command line by which `program`, which is this program, supervises
/// the rest of it. Its input must be a pipe that stays open as long as the command may run.
pub fn under(program: &Path, memory_bytes: u64) -> Command {
    let mut command = Command::new(program);
    command.arg(SUBCOMMAND).arg(memory_bytes.to_string()).arg("--").stdin(Stdio::piped());
    command
}

/// Runs a command to its end and returns its exit code, or 128 + the number of the signal that
/// ended it. `memory_bytes` limits the data of each of its processes.
pub fn supervise(memory_bytes: u64, command: &[OsString]) -> io::Result<u8> {
    if getpgrp() != getpid() {
        setpgid(None, None)?;
    }
    let end_with_parent = || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = kill_process_group(getpgrp(), Signal::KILL);
    };
    if let Err(error) = std::thread::Builder::new().spawn(end_with_parent) {
        return Ok(not_started(command, &error));
    }
    limit(Resource::Core, 0);
    // Not the address space, of which some runtimes reserve far more than they use.
    if memory_bytes != UNLIMITED {
        limit(Resource::Data, memory_bytes);
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match Command::new(program).args(arguments).stdin(Stdio::null()).status() {
        Ok(status) => {
            let signal = status.signal().map(|signal| 128 + signal);
            Ok(u8::try_from(status.code().or(signal).unwrap_or(1)).unwrap_or(1))
        }
        Err(error) => Ok(not_started(command, &error)),
    }
}

/// Reports that `command` was not started, and returns the exit code for that.
fn not_started(command: &[OsString], error: &io::Error) -> u8 {
    use io::Write;
    let program = command.first().map_or_else(String::new, |name| name.display().to_string());
    let reason = process_limit::explain(error);
    let _ = writeln!(io::stderr(), "{NOT_STARTED_WORDS}{program}: {reason}");
    NOT_STARTED
}

/// Reports whether this signal is unrelated to what the process did: `systemctl stop`, a closed
/// terminal or a machine without memory send it.
pub fn is_from_outside(signal: i32) -> bool {
    [Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL].iter().any(|one| one.as_raw() == signal)
}

fn limit(resource: Resource, value: u64) {
    let _ = setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
}

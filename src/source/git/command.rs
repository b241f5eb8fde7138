//! Running `git`: nothing is asked of a person, nothing of the user's shell leaks in, a stop ends it.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::source::Setting;
use crate::support::checkpoint::StopSignal;
use crate::support::supervise;

/// Variables of a repository that somebody may be working in, as in a hook: `git rev-parse --local-env-vars`
/// without those that hold settings.
const LOCAL_VARIABLES: [&str; 12] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_WORK_TREE",
];
/// Transports that a url may ask for; `ext::` would run any command.
const PROTOCOLS: &str = "file:git:http:https:ssh";
/// How often a running git is looked at for a request to stop.
const STOP_POLL_NS: i64 = 50_000_000;
/// Bytes of what git prints that are kept, but for listings, which are read line by line.
const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Bytes of a line of a listing that are kept: more than an address may have.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of error messages that are kept.
const ERRORS_BYTES_MAX: usize = 64 * 1024;
/// Characters of an error message that are shown.
const REASON_CHARS_MAX: usize = 400;

/// What git says, in C, where it finds no space; signal 25 is SIGXFSZ, for a limit on file size.
const NO_SPACE: [&str; 4] =
    ["No space left on device", "Disk quota exceeded", "File too large", "died of signal 25"];

/// Why git did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GitError {
    /// The run was asked to stop meanwhile.
    Stopped,
    /// There is no space for what it would write; what it said.
    Full(String),
    /// What git or the system said, one line.
    Failed(String),
}

/// Takes a part of what a command prints, and says whether that is enough.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<ControlFlow<()>, GitError> + 'a;

/// The `git` command for one bare repository.
#[derive(Debug)]
pub(super) struct Git {
    folder: PathBuf,
    /// This program, which sees to it that a git that may wait for another machine ends with it.
    program: Option<PathBuf>,
    stop: Arc<StopSignal>,
}

impl Git {
    pub(super) fn new(folder: PathBuf, setting: &Setting<'_>) -> Self {
        let program = setting.program.map(Path::to_owned);
        Self { folder, program, stop: setting.stop.clone() }
    }

    /// Returns the folder of the repository.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a command for the repository; [`Self::run`] runs it.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("git");
        command.stdin(Stdio::null());
        self.prepare(command)
    }

    fn prepare(&self, mut command: Command) -> Command {
        for variable in LOCAL_VARIABLES {
            command.env_remove(variable);
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
            .env("GIT_HTTP_LOW_SPEED_TIME", "60")
            .env("LC_ALL", "C")
            .arg("--git-dir")
            .arg(&self.folder)
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
            .args(["-c", "core.hooksPath=/dev/null"])
            // Ctrl-C on the terminal is for us; we end git in an orderly way.
            .process_group(0);
        command
    }

    /// Returns a command that may talk to another machine: ssh must not ask a person either, unless the
    /// user has chosen how it is called. It ends with this process, also where that is killed.
    pub(super) fn remote_command(&self) -> Command {
        let mut command = match &self.program {
            Some(program) => {
                let mut command = supervise::under(program, supervise::UNLIMITED);
                command.arg("git");
                self.prepare(command)
            }
            None => self.command(),
        };
        let is_set = |name| std::env::var_os(name).is_some();
        let is_configured = || self.run(self.command().args(["config", "core.sshCommand"])).is_ok();
        if !is_set("GIT_SSH_COMMAND") && !is_set("GIT_SSH") && !is_configured() {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30");
        }
        command
    }

    /// Runs `command` and returns what it prints.
    pub(super) fn run(&self, command: &mut Command) -> Result<Vec<u8>, GitError> {
        let mut output = Vec::new();
        self.run_into(command, &mut |bytes| {
            if output.len() + bytes.len() > OUTPUT_BYTES_MAX {
                return Err(GitError::Failed("git prints more than 16 MiB".into()));
            }
            output.extend_from_slice(bytes);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(output)
    }

    /// Runs `command` and hands what it prints to `sink`, part by part; ends git when that has enough.
    fn run_into(&self, command: &mut Command, sink: &mut Sink<'_>) -> Result<(), GitError> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GitError::Failed("the command git is not installed".into()),
            _ => failed("cannot run git", &error),
        })?;
        let finished = self.drain(&mut child, sink);
        let errors = match finished {
            Ok(ControlFlow::Continue(errors)) => errors,
            Ok(ControlFlow::Break(())) => {
                end(&mut child);
                return Ok(());
            }
            Err(error) => {
                end(&mut child);
                return Err(error);
            }
        };
        let status = child.wait().map_err(|error| failed("cannot wait for git", &error))?;
        if self.stop.is_requested() {
            return Err(GitError::Stopped);
        }
        if status.success() {
            return Ok(());
        }
        let reason = reason(&String::from_utf8_lossy(&errors));
        Err(if reason.is_empty() {
            GitError::Failed(format!("git ended with {status}"))
        } else if lacks_space(&reason) {
            GitError::Full(reason)
        } else {
            GitError::Failed(reason)
        })
    }

    /// Reads both streams until git closes them, or `sink` has enough, or a stop is asked for; returns the errors.
    fn drain(
        &self,
        child: &mut Child,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<(), Vec<u8>>, GitError> {
        let mut stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let mut errors: Vec<u8> = Vec::new();
        let (mut output_open, mut errors_open) = (true, true);
        let mut buffer = vec![0; 64 * 1024];
        while output_open || errors_open {
            if self.stop.is_requested() {
                return Err(GitError::Stopped);
            }
            let mut streams = [stdout.as_fd(), stderr.as_fd()]
                .map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::IN));
            // One that is closed would always be ready.
            let open = usize::from(!output_open)..1 + usize::from(errors_open);
            let timeout = Timespec { tv_sec: 0, tv_nsec: STOP_POLL_NS };
            match poll(&mut streams[open], Some(&timeout)) {
                // What git has left behind, as ssh does for later connections, may keep the streams for long.
                Ok(0) if child.try_wait().is_ok_and(|status| status.is_some()) => break,
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(failed("cannot read from git", &error.into())),
            }
            let [ready_output, ready_errors] = streams.map(|stream| !stream.revents().is_empty());
            let unreadable = |error| failed("cannot read from git", &error);
            if output_open && ready_output {
                let count = stdout.read(&mut buffer).map_err(unreadable)?;
                output_open = count > 0;
                if sink(&buffer[..count])?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if errors_open && ready_errors {
                let count = stderr.read(&mut buffer).map_err(unreadable)?;
                errors_open = count > 0;
                let room = ERRORS_BYTES_MAX.saturating_sub(errors.len());
                errors.extend_from_slice(&buffer[..count.min(room)]);
            }
        }
        Ok(ControlFlow::Continue(errors))
    }

    /// Hands the files below `tree` to `each`, as `git ls-tree -r -l -z` prints them, until that has enough. Of a line
    /// that is too long for a file the beginning is handed on.
    ///
    /// A tree of kilobytes whose folders are the same folder over and over has more files than could ever be listed.
    pub(super) fn list_tree(&self, tree: &str, each: &mut Sink<'_>) -> Result<(), GitError> {
        let mut line = Vec::new();
        let mut sink = |mut bytes: &[u8]| {
            while let Some(end) = memchr::memchr(0, bytes) {
                let room = LINE_BYTES_MAX.saturating_sub(line.len());
                line.extend_from_slice(&bytes[..end.min(room)]);
                bytes = &bytes[end + 1..];
                let flow = each(&line)?;
                line.clear();
                if flow.is_break() {
                    return Ok(flow);
                }
            }
            let room = LINE_BYTES_MAX.saturating_sub(line.len());
            line.extend_from_slice(&bytes[..bytes.len().min(room)]);
            Ok(ControlFlow::Continue(()))
        };
        let mut command = self.command();
        command.args(["ls-tree", "-r", "-l", "-z", "--full-tree", tree]);
        self.run_into(&mut command, &mut sink)
    }
}

/// Ends git with the processes that it started.
pub(super) fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::TERM);
    }
    let _ = child.wait();
}

pub(super) fn failed(what: &str, error: &io::Error) -> GitError {
    GitError::Failed(format!("{what}: {error}"))
}

/// Tells whether git found no space here; what the other side says begins with its name.
fn lacks_space(reason: &str) -> bool {
    let own = reason.split("; ").filter(|line| !line.starts_with("remote:"));
    own.into_iter().any(|line| NO_SPACE.iter().any(|words| line.contains(words)))
}

/// Returns what git said in one line, without its prefixes; advice that it prints for people is left out.
fn reason(errors: &str) -> String {
    let lines = errors.lines().map(str::trim);
    let is_advice = |line: &str| {
        ["hint:", "Please make sure", "and the repository"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let lines = lines.filter(|line| !line.is_empty() && !is_advice(line));
    let line = lines
        .map(|line| line.strip_prefix("fatal: ").or(line.strip_prefix("error: ")).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("; ");
    line.chars().take(REASON_CHARS_MAX).collect()
}

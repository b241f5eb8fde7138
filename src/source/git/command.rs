//! Running `git`: nothing is asked of a person, nothing of the user's shell leaks in, a stop ends it.

use std::io::{self, Read};
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
/// Bytes of a listing at most: some ten million files.
const OUTPUT_BYTES_MAX: usize = 1 << 30;
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
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GitError::Failed("the command git is not installed".into()),
            _ => failed("cannot run git", &error),
        })?;
        let finished = self.drain(&mut child);
        if finished.is_err() {
            end(&mut child);
        }
        let (output, errors) = finished?;
        let status = child.wait().map_err(|error| failed("cannot wait for git", &error))?;
        if self.stop.is_requested() {
            return Err(GitError::Stopped);
        }
        if status.success() {
            return Ok(output);
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

    /// Reads both streams until git closes them, or a stop is asked for.
    fn drain(&self, child: &mut Child) -> Result<(Vec<u8>, Vec<u8>), GitError> {
        let mut stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let (mut output, mut errors) = (Vec::new(), Vec::new());
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
            let mut read = |stream: &mut dyn Read, into: &mut Vec<u8>, max: usize| {
                let count = stream.read(&mut buffer);
                let count = count.map_err(|error| failed("cannot read from git", &error))?;
                into.extend_from_slice(&buffer[..count.min(max.saturating_sub(into.len()))]);
                Ok(count > 0)
            };
            if output_open && ready_output {
                output_open = read(&mut stdout, &mut output, OUTPUT_BYTES_MAX)?;
                if output.len() == OUTPUT_BYTES_MAX {
                    return Err(GitError::Failed("git lists more than 1 GiB of names".into()));
                }
            }
            if errors_open && ready_errors {
                errors_open = read(&mut stderr, &mut errors, ERRORS_BYTES_MAX)?;
            }
        }
        Ok((output, errors))
    }

    /// Returns the files below `tree`, as `git ls-tree -r -l -z` prints them.
    pub(super) fn list_tree(&self, tree: &str) -> Result<Vec<u8>, GitError> {
        self.run(self.command().args(["ls-tree", "-r", "-l", "-z", "--full-tree", tree]))
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

//! Runs `git`: without prompts, independent of the user's shell, and interrupted by a stop.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::source::Setting;
use crate::support::cache::{CLONES, Cache};
use crate::support::checkpoint::StopSignal;
use crate::support::own_folder::OwnFolder;
use crate::support::secrets::masked;
use crate::support::{files, process_limit, storage, supervise};

/// Prefixes of the variables passed on: how the user reaches servers, and where the user's settings
/// are. All other `GIT_` variables belong to a repository in which somebody may be working, as in a
/// hook, or change git's output.
const PASSED_ON: [&str; 6] =
    ["GIT_CONFIG_", "GIT_EXEC_PATH", "GIT_HTTP_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_"];
/// Settings that override the clone's and the user's: nothing runs that was not requested.
const SETTINGS: [&str; 9] = [
    "gc.auto=0",
    "maintenance.auto=false",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "protocol.ext.allow=never",
    "transfer.bundleURI=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
];
/// The settings of every clone, rewritten before each call, so that nothing that somebody else put
/// there applies. Every fetch makes a pack, which can be verified as a whole.
const CLONE_SETTINGS: &str = "\
[core]
	repositoryformatversion = 0
	bare = true
	logAllRefUpdates = false
	sharedRepository = 0600
[fetch]
	unpackLimit = 1
[gc]
	autoPackLimit = 20
";
/// The same for a repository whose ids are SHA-256 hashes (gitformat-hash-function-transition(5)).
const CLONE_SETTINGS_SHA256: &str = "\
[core]
	repositoryformatversion = 1
	bare = true
	logAllRefUpdates = false
	sharedRepository = 0600
[extensions]
	objectFormat = sha256
[fetch]
	unpackLimit = 1
[gc]
	autoPackLimit = 20
";
/// Allowed contents of a clone; anything else, such as hooks or attributes, is removed.
const CLONE_FILES: [&str; 6] = ["HEAD", "config", "objects", "packed-refs", "refs", "shallow"];
/// The HEAD of a new repository: a branch that does not exist.
const CLONE_HEAD: &str = "ref: refs/heads/none\n";
/// Files that would add other objects to the clone.
const ALTERNATES: [&str; 2] = ["alternates", "http-alternates"];

/// How often a wait for git checks for a stop.
const STOP_POLL_NS: i64 = 50_000_000;
/// A shell's line that passes a variable to a command.
const PIPE: &str = "printf %s \"$KBINGEST_INPUT\" | \"$0\" \"$@\"";
/// Limit on git's output, except listings, which are read line by line.
const OUTPUT_BYTES_MAX: usize = 16 << 20;
/// Limit on a line of a listing: longer than a URI may be.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Limit on error messages, in bytes.
const ERRORS_BYTES_MAX: usize = 64 * 1024;
/// Limit on a shown error message, in characters.
const REASON_CHARS_MAX: usize = 400;

/// Free space below which git's messages about space are believed; also the amount written to
/// detect a quota.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// Free space and files below which git cannot do anything.
const EXHAUSTED_BYTES: u64 = 64 << 10;
const FREE_FILES_MIN: u64 = 16;
const PROBE_BYTES: usize = 1 << 20;

/// Git's messages, in the C locale, when it finds no space; signal 25 is SIGXFSZ, for a limit on
/// file size.
const NO_SPACE: [&str; 4] =
    ["No space left on device", "Disk quota exceeded", "File too large", "died of signal 25"];

/// Why git failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GitError {
    /// The run was stopped meanwhile.
    Stopped,
    /// There is no space for its files; git's message.
    Full(String),
    /// The folder of the clone cannot be used; the system's message.
    Cache(String),
    /// The system refuses a process that git needs; its message.
    Starved(String),
    /// The message of git or the system, in one line.
    Failed(String),
}

/// Consumes a part of a command's output; decides whether to stop there.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<ControlFlow<()>, GitError> + 'a;

/// The `git` command for one bare repository in the cache.
#[derive(Debug)]
pub(super) struct Git {
    cache: Arc<Cache>,
    name: String,
    folder: OnceLock<OwnFolder>,
    /// Whether the ids of the repository are SHA-256 hashes; until it is fetched, as in the clone.
    is_sha256: AtomicBool,
    /// This program, as a supervisor, so that a git that waits for another machine ends together
    /// with it.
    program: Option<PathBuf>,
    stop: Arc<StopSignal>,
}

impl Git {
    /// Prepares the clone `name` without touching it.
    pub(super) fn new(name: String, setting: &Setting<'_>) -> Self {
        let program = setting.program.map(Path::to_owned);
        let (cache, stop) = (Arc::clone(setting.cache), Arc::clone(&setting.stop));
        let (folder, is_sha256) = (OnceLock::new(), AtomicBool::new(false));
        Self { cache, name, folder, is_sha256, program, stop }
    }

    /// Prepares another clone of the same cache without touching it.
    pub(super) fn another(&self, name: String) -> Self {
        let (cache, stop) = (Arc::clone(&self.cache), Arc::clone(&self.stop));
        let (folder, is_sha256) = (OnceLock::new(), AtomicBool::new(false));
        Self { cache, name, folder, is_sha256, program: self.program.clone(), stop }
    }

    /// Removes the clones whose names begin with `start` and are not among `kept`; a failure only
    /// costs space.
    pub(super) fn remove_others(&self, start: &str, kept: &[String]) {
        let Ok(all) = self.cache.subfolder(CLONES) else { return };
        for name in all.entries().unwrap_or_default() {
            let is_kept = kept.iter().any(|kept| name == kept.as_str());
            if name.as_encoded_bytes().starts_with(start.as_bytes()) && !is_kept {
                let _ = all.remove(&name);
            }
        }
    }

    /// Opens the folder of the clone, and creates it if it does not exist.
    pub(super) fn folder(&self) -> Result<&OwnFolder, GitError> {
        if let Some(folder) = self.folder.get() {
            return Ok(folder);
        }
        let all = self.cache.subfolder(CLONES).map_err(cache_error)?;
        let folder = all.subfolder(&self.name).map_err(cache_error)?;
        let is_sha256 = holds(&folder, "config", CLONE_SETTINGS_SHA256);
        self.is_sha256.store(is_sha256, Ordering::Relaxed);
        Ok(self.folder.get_or_init(|| folder))
    }

    /// Returns whether the ids of the clone are SHA-256 hashes.
    pub(super) fn is_sha256(&self) -> bool {
        self.is_sha256.load(Ordering::Relaxed)
    }

    /// Changes between SHA-1 and SHA-256 for a clone that is empty.
    pub(super) fn change_hash(&self) {
        self.is_sha256.fetch_xor(true, Ordering::Relaxed);
    }

    /// Returns the path of the clone, even if it does not exist yet, for messages.
    pub(super) fn shown_path(&self) -> PathBuf {
        match self.folder.get() {
            Some(folder) => folder.path().to_owned(),
            None => self.cache.shown_path(),
        }
    }

    /// Creates an empty bare repository if there is none, and removes everything foreign if there
    /// is one.
    ///
    /// `git init` would use the user's templates and settings.
    pub(super) fn lay_out(&self) -> Result<(), GitError> {
        let folder = self.folder()?;
        let lay_out = || {
            for name in folder.entries()? {
                if !CLONE_FILES.iter().any(|wanted| name == *wanted) {
                    folder.remove(&name)?;
                }
            }
            folder.subfolder("refs")?;
            let objects = folder.subfolder("objects")?;
            if let Some(info) = objects.existing_subfolder("info")? {
                ALTERNATES.iter().try_for_each(|name| info.remove(name))?;
            }
            put(folder, "HEAD", CLONE_HEAD)
        };
        lay_out().map_err(cache_error)
    }

    /// Returns a command for the repository; [`Self::run`] runs it.
    pub(super) fn command(&self) -> Result<Command, GitError> {
        let mut command = Command::new("git");
        command.stdin(Stdio::null());
        self.prepare(command)
    }

    fn prepare(&self, mut command: Command) -> Result<Command, GitError> {
        let folder = self.folder()?;
        let settings = if self.is_sha256() { CLONE_SETTINGS_SHA256 } else { CLONE_SETTINGS };
        put(folder, "config", settings).map_err(cache_error)?;
        for (name, _) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            let is_kept = PASSED_ON.iter().any(|start| bytes.starts_with(start.as_bytes()));
            if bytes.starts_with(b"GIT_") && !is_kept {
                command.env_remove(name);
            }
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("SSH_ASKPASS_REQUIRE", "never")
            // Only `remote_command` contacts other machines.
            .env("GIT_ALLOW_PROTOCOL", "")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
            .env("GIT_HTTP_LOW_SPEED_TIME", "60")
            .env("LC_ALL", "C")
            .arg("--git-dir")
            .arg(folder.path())
            .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
            .arg("-c")
            .arg(format!("safe.directory={}", folder.path().display()))
            // Ctrl-C on the terminal is handled by us; we end git in an orderly way.
            .process_group(0);
        Ok(command)
    }

    /// Returns a command that may contact another machine by `protocols`: ssh must not prompt
    /// either, unless the user has configured how to call it. The command ends with this process,
    /// even if it is killed.
    ///
    /// With `input` it reads that text: a supervised command has no other way to get any.
    pub(super) fn remote_command(
        &self,
        protocols: &str,
        input: Option<&str>,
    ) -> Result<Command, GitError> {
        let words: &[&str] = if input.is_some() { &["sh", "-c", PIPE, "git"] } else { &["git"] };
        let mut command = match &self.program {
            Some(program) => {
                let mut command = supervise::under(program, supervise::UNLIMITED);
                command.args(words);
                command
            }
            None => {
                let mut command = Command::new(words[0]);
                command.stdin(Stdio::null()).args(&words[1..]);
                command
            }
        };
        if let Some(input) = input {
            command.env("KBINGEST_INPUT", input);
        }
        let mut command = self.prepare(command)?;
        command.env("GIT_ALLOW_PROTOCOL", protocols);
        let is_set = |name| std::env::var_os(name).is_some();
        let mut configured = self.command()?;
        configured.args(["config", "core.sshCommand"]);
        let is_ssh = protocols == "ssh";
        if is_ssh
            && !is_set("GIT_SSH_COMMAND")
            && !is_set("GIT_SSH")
            && self.run(&mut configured).is_err()
        {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=30");
        }
        Ok(command)
    }

    /// Runs `command`, and returns whether git succeeded; fails if a signal ended it.
    pub(super) fn succeeds(&self, command: &mut Command) -> Result<bool, GitError> {
        match self.execute(command, &mut |_| Ok(ControlFlow::Continue(())))? {
            Some((status, _)) if status.code().is_none() => {
                Err(GitError::Failed(format!("git ended with {status}")))
            }
            ended => Ok(ended.is_some_and(|(status, _)| status.success())),
        }
    }

    /// Runs `command` and returns its output.
    pub(super) fn run(&self, command: &mut Command) -> Result<Vec<u8>, GitError> {
        self.run_within(command, OUTPUT_BYTES_MAX)
    }

    /// Runs `command` and returns its output, of at most `bytes_max` bytes.
    pub(super) fn run_within(
        &self,
        command: &mut Command,
        bytes_max: usize,
    ) -> Result<Vec<u8>, GitError> {
        let mut output = Vec::new();
        self.run_into(command, &mut |bytes| {
            if output.len() + bytes.len() > bytes_max {
                return Err(GitError::Failed(format!("git prints more than {bytes_max} bytes")));
            }
            output.extend_from_slice(bytes);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(output)
    }

    /// Runs `command` and passes its output to `sink`, part by part; ends git when `sink` has
    /// enough.
    fn run_into(&self, command: &mut Command, sink: &mut Sink<'_>) -> Result<(), GitError> {
        let Some((status, errors)) = self.execute(command, sink)? else { return Ok(()) };
        if status.success() {
            return Ok(());
        }
        let reason = reason(&String::from_utf8_lossy(&errors));
        Err(if reason.is_empty() {
            GitError::Failed(format!("git ended with {status}"))
        } else if lacks_space(&reason) && self.is_out_of_space() || self.is_exhausted() {
            GitError::Full(reason)
        } else if is_starved(&reason) {
            GitError::Starved(process_limit::with_limits(&reason))
        } else {
            GitError::Failed(reason)
        })
    }

    /// Runs `command` and returns its exit status and error messages; `None` if `sink` had enough
    /// and git was ended.
    fn execute(
        &self,
        command: &mut Command,
        sink: &mut Sink<'_>,
    ) -> Result<Option<(ExitStatus, Vec<u8>)>, GitError> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GitError::Failed("the command git is not installed".into()),
            _ if process_limit::is_refusal(&error) => {
                GitError::Starved(process_limit::explain(&error))
            }
            _ => failed("cannot run git", &error),
        })?;
        let finished = self.drain(&mut child, sink);
        let errors = match finished {
            Ok(ControlFlow::Continue(errors)) => errors,
            Ok(ControlFlow::Break(())) => {
                end(&mut child);
                return Ok(None);
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
        Ok(Some((status, errors)))
    }

    /// Returns whether nothing can be created in the clone. If git could not create a folder, it
    /// may only report that the folder does not exist.
    fn is_exhausted(&self) -> bool {
        let Ok(folder) = self.folder() else { return false };
        let probe = folder.path().join("probe");
        storage::free_bytes(&probe).is_ok_and(|free| free < EXHAUSTED_BYTES)
            || storage::free_files(&probe).is_ok_and(|free| free < FREE_FILES_MIN)
    }

    /// Returns whether the clone can hardly grow. Git's message about space may come from the
    /// remote, which must not end the run or remove anything.
    fn is_out_of_space(&self) -> bool {
        let Ok(folder) = self.folder() else { return false };
        let probe = folder.path().join("probe");
        let write = || {
            let mut file = files::nameless(&probe)?;
            io::Write::write_all(&mut file, &vec![1; PROBE_BYTES])
        };
        storage::free_bytes(&probe).is_ok_and(|free| free < FREE_BYTES_MIN)
            || has_size_limit()
            || write().is_err_and(|error| storage::is_full(&error))
    }

    /// Reads both streams until git closes them, `sink` has enough, or a stop is requested; returns
    /// the error messages.
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
            // A closed stream would always be ready.
            let open = usize::from(!output_open)..1 + usize::from(errors_open);
            let timeout = Timespec { tv_sec: 0, tv_nsec: STOP_POLL_NS };
            match poll(&mut streams[open], Some(&timeout)) {
                // Processes left by git, such as ssh for later connections, may keep the streams
                // open for long.
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

    /// Passes the files below `tree` to `each`, as `git ls-tree -r -l -z` prints them, until it has
    /// enough. Overlong lines are truncated.
    ///
    /// A tree of kilobytes that repeats the same folder at every level has more files than could
    /// ever be listed.
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
        let mut command = self.command()?;
        command.args(["ls-tree", "-r", "-l", "-z", "--full-tree", tree]);
        self.run_into(&mut command, &mut sink)
    }
}

/// Ends git together with the processes it started.
pub(super) fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::TERM);
    }
    let _ = child.wait();
}

/// Returns the error of a git that the system did not start, with the limits in force.
pub(super) fn not_started(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot run git: {}", process_limit::explain(&error)))
}

pub(super) fn failed(what: &str, error: &io::Error) -> GitError {
    GitError::Failed(format!("{what}: {error}"))
}

/// Returns whether there is a limit on file size (`ulimit -f`).
fn has_size_limit() -> bool {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current.is_some()
}

/// Writes a file of ours with the content `text` into `folder`, unless it exists.
fn put(folder: &OwnFolder, name: &str, text: &str) -> io::Result<()> {
    if holds(folder, name, text) {
        return Ok(());
    }
    // Replaces anything else of that name, even a folder.
    folder.remove(name)?;
    files::replace(&folder.path().join(name), text.as_bytes())
}

/// Returns whether the file `name` in `folder` has exactly the content `text`.
fn holds(folder: &OwnFolder, name: &str, text: &str) -> bool {
    let mut found = String::new();
    let length = text.len() as u64 + 1;
    files::open(&folder.path().join(name))
        .and_then(|file| file.take(length).read_to_string(&mut found))
        .is_ok_and(|_| found == text)
}

/// Returns the error of a clone whose folder cannot be used.
pub(super) fn cache_error(error: io::Error) -> GitError {
    if storage::is_full(&error) {
        GitError::Full(error.to_string())
    } else {
        GitError::Cache(error.to_string())
    }
}

/// Returns whether git reported that it found no space itself; messages from the remote usually
/// begin with its name.
fn lacks_space(reason: &str) -> bool {
    // Git's message about an index-pack that SIGXFSZ ended before it could report anything itself.
    if has_size_limit() && reason.contains("invalid index-pack output") {
        return true;
    }
    let own = reason.split("; ").filter(|line| !line.starts_with("remote:"));
    own.into_iter().any(|line| NO_SPACE.iter().any(|words| line.contains(words)))
}

/// Returns whether git reported that it could not start a process or a thread itself.
fn is_starved(reason: &str) -> bool {
    let own = reason.split("; ").filter(|line| !line.starts_with("remote:"));
    own.into_iter().any(process_limit::is_named_in)
}

/// Returns git's message in one line, without prefixes and advice.
fn reason(errors: &str) -> String {
    let lines = errors.split(['\n', '\r']).map(str::trim);
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
    masked(&line).chars().take(REASON_CHARS_MAX).collect()
}

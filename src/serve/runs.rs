//! Runs that requests start: processes of this program, so that a run that crashes or needs much
//! memory leaves the service alone.
//!
//! They are asked to stop when the service ends, as by a signal; the next run continues them.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::bases::KnowledgeBase;
use super::refusal::{Refusal, RefusalCode};
use crate::domain::{RunId, RunState};
use crate::error::{Error, ExitCode};
use crate::operations::{self, Cancellation, Target};
use crate::support::clock;
use crate::support::lock::Lock;

/// How long a request waits for its run to begin, or to stop.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long the end of the service waits for its runs.
const END_MAX: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How runs are started.
#[derive(Clone, Debug)]
pub struct RunProgram {
    /// This program.
    pub path: PathBuf,
    /// Whether what the settings ask for is allowed without a look at what a person has allowed.
    pub is_trusted: bool,
    /// The environment variable with the service's token, which is no business of runs.
    pub token_variable: Option<String>,
}

/// The runs of a service.
#[derive(Debug, Default)]
pub struct Runs {
    /// `None`: requests may start none.
    program: Option<RunProgram>,
    /// The last process of each knowledge base; `None` when the service ends.
    children: Mutex<Option<BTreeMap<String, Child>>>,
}

impl Runs {
    /// Allows runs by `program`, if there is one.
    pub fn new(program: Option<RunProgram>) -> Self {
        Self { program, children: Mutex::new(Some(BTreeMap::new())) }
    }

    /// Starts a run of `base`, and returns it as soon as it has begun.
    pub fn start(&self, base: &KnowledgeBase) -> Result<RunState, Refusal> {
        let program = self.program()?;
        let Target::Config(config) = base.target() else {
            return Err(Refusal::bad_request(format!(
                "{} was opened by its file: start the server with its kb.toml",
                base.name
            )));
        };
        if Lock::holder(&config.kb).map_err(Error::from)?.is_some() {
            return Err(conflict(format!("a run of {} is at work", base.name)));
        }
        let began_ms = clock::now_ms();
        let pid = self.spawn(program, config.path.clone(), &base.name)?;
        let waited = Instant::now();
        loop {
            let ended = self.end_of(&base.name);
            let last = base.with(|searcher| Ok(searcher.reader().runs(1)?))?;
            let is_ours = |run: &RunState| run.pid == pid && run.heartbeat_ms >= began_ms;
            if let Some(run) = last.into_iter().find(is_ours) {
                return Ok(run);
            }
            match ended {
                Some(status) => return Err(not_begun(&base.name, status)),
                None if waited.elapsed() < WAIT_MAX => std::thread::sleep(POLL_INTERVAL),
                None => {
                    return Err(Refusal {
                        code: RefusalCode::Timeout,
                        message: "the run has not begun yet; GET /runs shows when it has"
                            .to_owned(),
                    });
                }
            }
        }
    }

    /// Asks run `id` of `base` to stop, and returns it when it has, or when that takes long.
    pub fn cancel(&self, base: &KnowledgeBase, id: RunId) -> Result<RunState, Refusal> {
        self.program()?;
        let last = || -> Result<RunState, Refusal> { find(base, id) };
        let is_last = base.with(|searcher| Ok(searcher.reader().last_run()?))?;
        if is_last.is_none_or(|run| run.id != id) || last()?.ended_ms.is_some() {
            return Err(conflict(format!("run {id} is not at work")));
        }
        match operations::cancel(base.target(), WAIT_MAX)? {
            Cancellation::NothingRunning => Err(conflict(format!("run {id} is not at work"))),
            _ => last(),
        }
    }

    /// Asks all runs to stop, as the service ends.
    pub fn ask_to_stop(&self) -> Vec<Child> {
        let children = self.lock().take().unwrap_or_default();
        let mut children: Vec<Child> = children.into_values().collect();
        children.retain_mut(|child| child.try_wait().is_ok_and(|ended| ended.is_none()));
        for child in &children {
            // One that has ended meanwhile was not waited for, so its number is still its own.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
        children
    }

    fn program(&self) -> Result<&RunProgram, Refusal> {
        self.program.as_ref().ok_or_else(|| Refusal {
            code: RefusalCode::Forbidden,
            message: "runs are not allowed: start the server with --allow-runs".to_owned(),
        })
    }

    /// Starts the process of a run, unless one is at work; returns its number.
    fn spawn(&self, program: &RunProgram, settings: PathBuf, name: &str) -> Result<u32, Refusal> {
        let mut children = self.lock();
        let Some(children) = children.as_mut() else {
            return Err(conflict("the server is about to end".to_owned()));
        };
        if let Some(child) = children.get_mut(name)
            && child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            return Err(conflict(format!("a run of {name} is at work")));
        }
        let mut command = Command::new(&program.path);
        command.args(["ingest", "--quiet"]);
        if program.is_trusted {
            command.arg("--trust");
        }
        if let Some(variable) = &program.token_variable {
            command.env_remove(variable);
        }
        // Not in our group: Ctrl-C would reach it, and so would our own request to stop.
        command.arg("--").arg(settings).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(Refusal::internal)?;
        let pid = child.id();
        children.insert(name.to_owned(), child);
        Ok(pid)
    }

    /// Returns how the last process of a knowledge base ended, if it has.
    fn end_of(&self, name: &str) -> Option<ExitStatus> {
        let mut children = self.lock();
        children.as_mut()?.get_mut(name)?.try_wait().ok().flatten()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BTreeMap<String, Child>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until `children`, which were asked to stop, have ended; kills those that take too long:
/// the next run continues them nevertheless.
pub fn wait_for(mut children: Vec<Child>) {
    let began = Instant::now();
    while began.elapsed() < END_MAX && !children.is_empty() {
        children.retain_mut(|child| child.try_wait().is_ok_and(|ended| ended.is_none()));
        std::thread::sleep(POLL_INTERVAL);
    }
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Returns run `id` of `base`.
pub fn find(base: &KnowledgeBase, id: RunId) -> Result<RunState, Refusal> {
    base.with(|searcher| Ok(searcher.reader().run(id)?))?.ok_or_else(|| Refusal {
        code: RefusalCode::NotFound,
        message: format!("{} has no run {id}; GET /runs lists them", base.name),
    })
}

fn conflict(message: String) -> Refusal {
    Refusal { code: RefusalCode::Conflict, message }
}

fn not_begun(name: &str, status: ExitStatus) -> Refusal {
    match status.code() {
        Some(code) if code == i32::from(ExitCode::Locked.number()) => {
            conflict(format!("a run of {name} is at work"))
        }
        _ => Refusal {
            code: RefusalCode::Unavailable,
            message: format!("the run ended before it began, {status}: the server's log says why"),
        },
    }
}

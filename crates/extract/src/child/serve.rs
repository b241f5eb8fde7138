//! The child's side: sets its limits, then extracts one document after the other until its input
//! ends.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kbingest_support::{lookup, sandbox, supervise};
use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};
use rustix::time::{ClockId, clock_gettime};

use super::wire::{self, Reply, Request};
use crate::extractor::in_process;
use crate::formats::by_id;
use crate::{DocumentError, Extracted};

/// Limit on the open files of a child: its three pipes, and a few that the system opens.
const FILES_MAX: u64 = 16;

/// The first argument of a child.
pub(super) const SUBCOMMAND: &str = "extract-worker";

/// This program, if it can start itself as a child.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Makes this program extract risky formats in child processes of its own, with the limits of
/// [`ExtractConfig`](crate::ExtractConfig) and without rights. Call it at the very beginning of
/// `main`.
///
/// A child is this program started again with other arguments: this function then extracts what its
/// parent sends, ends the process, and does not return. The arguments are `extract-worker` or
/// `supervise` with numbers after them, or `look-up` with a host; with any others it only records
/// the path of the program, and returns.
///
/// From then on [`ExtractConfig::default`](crate::ExtractConfig::default) names this program.
///
/// ```no_run
/// kbingest_extract::child::serve_if_asked();
/// let arguments = std::env::args(); // and so on, as without it
/// ```
pub fn serve_if_asked() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|one| one.to_str()?.parse::<u64>().ok());
    let is_asked = |subcommand: &str| arguments.first().is_some_and(|first| first == subcommand);
    if is_asked(SUBCOMMAND)
        && let (Some(memory_bytes), Some(parent)) = (number(1), number(2))
    {
        // A broken pipe means that nobody waits for a reply any more.
        let _ = serve(memory_bytes, parent);
        std::process::exit(0);
    }
    if is_asked(supervise::SUBCOMMAND)
        && let (Some(memory_bytes), Some(separator)) = (number(1), arguments.get(2))
        && separator == "--"
    {
        // Nobody reads its errors; the exit code reports the failure.
        let code = supervise::supervise(memory_bytes, &arguments[3..]).unwrap_or(1);
        std::process::exit(i32::from(code));
    }
    if is_asked(lookup::SUBCOMMAND)
        && let [_, host] = &arguments[..]
    {
        // A broken pipe means that nobody waits for the addresses any more.
        let _ = lookup::serve(&host.to_string_lossy());
        std::process::exit(0);
    }
    if let Some(program) = running_program() {
        let _ = PROGRAM.set(program);
    }
}

/// Returns the program that children are started from: this one, if its `main` began with
/// [`serve_if_asked`].
pub(crate) fn own_program() -> Option<PathBuf> {
    PROGRAM.get().cloned()
}

/// Returns this program, even if its file was replaced since it started.
fn running_program() -> Option<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Some(running.to_owned()) } else { std::env::current_exe().ok() }
}

/// Runs a child with `memory_bytes` of address space; it must not outlive the process `parent`.
fn serve(memory_bytes: u64, parent: u64) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before this was set.
    if getppid().map(|pid| u64::from(pid.as_raw_nonzero().get().unsigned_abs())) != Some(parent) {
        return Ok(());
    }
    // The parent reports panics.
    std::panic::set_hook(Box::new(|_| ()));
    let mut output = own_stdout()?;
    limit(Resource::Core, 0);
    limit(Resource::Fsize, 0);
    limit(Resource::Nofile, FILES_MAX);
    limit(Resource::As, memory_bytes);
    // A kernel without sandboxing leaves the limits above; `--version -v` reports it.
    sandbox::enter();
    stay_alone();
    let mut input = io::stdin().lock();
    while let Some((request, body)) = wire::read(&mut input)? {
        limit_processor(request.max_seconds);
        let (reply, text) = Reply::of(answer(&request, body));
        wire::write(&mut output, &reply, &text)?;
    }
    Ok(())
}

/// Makes libraries that compute in parallel use this thread alone: others would each reserve
/// address space, and the system may refuse them, at which rayon panics.
fn stay_alone() {
    #[cfg(feature = "pdf")]
    let _ = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
}

fn answer(request: &Request, body: Vec<u8>) -> Result<Extracted, DocumentError> {
    let Request { extractor, uri, .. } = request;
    match by_id(extractor) {
        Some(extractor) => in_process(extractor, uri, body),
        None => Err(DocumentError::transient(
            uri.as_str(),
            format!("the program has changed: {extractor} is not in it"),
        )),
    }
}

/// Reserves stdout for replies, so that a library that prints does not corrupt them.
fn own_stdout() -> io::Result<File> {
    let output = rustix::io::dup(io::stdout())?;
    let nowhere = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(nowhere)?;
    Ok(File::from(output))
}

/// Sets a limit permanently; a limit that the system refuses is not enforced.
fn limit(resource: Resource, value: u64) {
    let _ = setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
}

/// Adds processor time for the next document. Only the soft limit: the parent's deadline comes
/// first, this one applies if the parent cannot enforce it.
fn limit_processor(seconds: u64) {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
    let current = Some(used + seconds + 1);
    let _ = setrlimit(Resource::Cpu, Rlimit { current, maximum: None });
}

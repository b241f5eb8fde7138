//! The child's side: takes its limits on, then extracts one document after the other until its input
//! ends.

use std::fs::File;
use std::io;

use rustix::process::{
    Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit,
};
use rustix::time::{ClockId, clock_gettime};

use super::wire::{self, Reply, Request};
use crate::extraction::in_process;
use crate::{ExtractError, by_id};
use kbingest_support::sandbox;

/// Files that a child may have open: its three pipes, and the few that the system opens for itself.
const FILES_MAX: u64 = 16;

/// Runs a child. `memory_bytes` is its address space at most, `parent` the process that it must not
/// outlive.
pub fn serve(memory_bytes: u64, parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before this was set.
    if getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs()) != Some(parent) {
        return Ok(());
    }
    // What it says about a panic is told by the parent.
    std::panic::set_hook(Box::new(|_| ()));
    let mut output = own_stdout()?;
    limit(Resource::Core, 0);
    limit(Resource::Fsize, 0);
    limit(Resource::Nofile, FILES_MAX);
    limit(Resource::As, memory_bytes);
    // A kernel that has nothing of it leaves the limits above; `--version -v` says so.
    sandbox::enter();
    let mut input = io::stdin().lock();
    while let Some((request, body)) = wire::read(&mut input)? {
        limit_processor(request.max_seconds);
        let (reply, text) = Reply::of(answer(&request, body));
        wire::write(&mut output, &reply, &text)?;
    }
    Ok(())
}

fn answer(request: &Request, body: Vec<u8>) -> Result<crate::Extracted, ExtractError> {
    let Request { extractor, uri, .. } = request;
    match by_id(extractor) {
        Some(extractor) => in_process(extractor, uri, body),
        None => Err(ExtractError::Transient {
            uri: uri.clone(),
            reason: format!("the program has changed: {extractor} is not in it"),
        }),
    }
}

/// Takes stdout for the answers, so that a library that prints does not spoil them.
fn own_stdout() -> io::Result<File> {
    let output = rustix::io::dup(io::stdout())?;
    let nowhere = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(nowhere)?;
    Ok(File::from(output))
}

/// Sets a limit for good; what the system refuses it does not enforce anyway.
fn limit(resource: Resource, value: u64) {
    let _ = setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
}

/// Gives the next document its processor time, on top of what those before it took. Only the soft limit:
/// the parent's deadline comes first, this one holds where the parent cannot look.
fn limit_processor(seconds: u64) {
    let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec.unsigned_abs();
    let current = Some(used + seconds + 1);
    let _ = setrlimit(Resource::Cpu, Rlimit { current, maximum: None });
}

//! Waits for other processes and threads. Nothing here decides how a test ends, unless what it
//! waits for never happens.

use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Long enough for the slowest machine; the wait usually takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);

/// Waits until `condition` holds; fails after [`PATIENCE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Waits until `find` finds something, and returns it; fails after [`PATIENCE`].
pub fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(LOOK_AGAIN_AFTER);
    }
}

/// Returns how a process ended; kills it and fails after [`PATIENCE`].
pub fn end_of(child: &mut Child, what: &str) -> ExitStatus {
    let pid = Pid::from_child(child);
    in_time(what, pid, || child.wait().unwrap())
}

/// Runs a command and returns its output; kills it and fails after [`PATIENCE`].
pub fn output_of(command: &mut Command, what: &str) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    in_time(what, pid, || child.wait_with_output().unwrap())
}

fn in_time<T: Send>(what: &str, pid: Pid, wait: impl FnOnce() -> T + Send) -> T {
    let (done, over) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || done.send(wait()));
        over.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            // The scope waits for the end of the process.
            let _ = kill_process(pid, Signal::KILL);
            panic!("{what}: the process does not end")
        })
    })
}

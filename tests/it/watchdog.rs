//! Says which tests hang: a test binary that waits forever says nothing.

use std::fs;
use std::io::Write;
use std::sync::Once;
use std::time::Duration;

/// Longer than all tests take on the slowest machine.
const TESTS_MAX: Duration = Duration::from_secs(35 * 60);

/// Ends this process after the time that all tests take, once; with the names of those that are
/// not over.
pub fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        std::thread::Builder::new().name("watchdog".to_owned()).spawn(run).unwrap();
    });
}

fn run() {
    std::thread::sleep(TESTS_MAX);
    // Past what the test that started the thread captures.
    let _ = writeln!(std::io::stderr(), "these threads hang: {}", threads().join(", "));
    std::process::abort();
}

/// Returns the beginnings of the names of all threads: those of tests are their paths. Only where
/// the system has a `/proc`.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(name).map(|name| name.trim().to_owned()).collect()
}

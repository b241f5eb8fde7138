//! Limits that the system sets on this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open files to the maximum allowed; a shell's default of 256 or 1024 is
/// easily reached by a search during a run. If that is refused, the old limit stays.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

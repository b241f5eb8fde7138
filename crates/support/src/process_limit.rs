//! Limits that keep the system from starting a thread or a process: recognised, and named.

use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use crate::byte_size::ByteSize;

/// What programs print if the system refuses them a process or a thread: the message of EAGAIN, and
/// those of shells and of Java, which do not print it.
const REFUSED: [&str; 4] = [
    "Resource temporarily unavailable",
    "cannot fork",
    "unable to create thread",
    "unable to create native thread",
];

/// What to do about it.
pub const HINT: &str = "raise the limit (`ulimit -u`, TasksMax= of systemd, --pids-limit of a \
                        container), or end other processes of this user";

/// Reports whether `error` is the system's refusal of a thread or a process for lack of numbers or
/// memory; the same call may succeed later.
pub fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory)
}

/// Reports whether `words`, which another program or a library printed, name such a refusal.
pub fn is_named_in(words: &str) -> bool {
    let words = words.to_lowercase();
    REFUSED.iter().any(|refused| words.contains(&refused.to_lowercase()))
}

/// Returns `error`, of starting a thread or a process, with the limits that apply to this process.
pub fn explain(error: &io::Error) -> String {
    if is_refusal(error) { with_limits(&error.to_string()) } else { error.to_string() }
}

/// Returns `reason`, why a thread or a process was refused, with the limits that apply to this
/// process.
pub fn with_limits(reason: &str) -> String {
    let limits = limits();
    let colon = if limits.is_empty() { "" } else { ": " };
    format!("{reason}{colon}{}", limits.join(", "))
}

/// Returns the limits on threads and processes, and on the memory that each needs.
fn limits() -> Vec<String> {
    let of = |resource| getrlimit(resource).current;
    let count = of(Resource::Nproc).map(|most| {
        format!("the limit of this user (`ulimit -u`) is {most} threads and processes")
    });
    let group = cgroup_limit()
        .map(|most| format!("that of this cgroup (pids.max) is {most} threads and processes"));
    let memory = of(Resource::As)
        .map(|most| format!("that of a process (`ulimit -v`) is {} of memory", ByteSize(most)));
    [count, group, memory].into_iter().flatten().collect()
}

/// Reports whether this process may have less than `bytes` of memory.
pub fn is_memory_below(bytes: u64) -> bool {
    [Resource::As, Resource::Data]
        .into_iter()
        .filter_map(|resource| getrlimit(resource).maximum)
        .any(|most| most < bytes)
}

/// Returns the smallest `pids.max` of the cgroups that this process is in, see cgroups(7).
fn cgroup_limit() -> Option<u64> {
    let lines = fs_err::read_to_string("/proc/self/cgroup").ok()?;
    let folders = lines.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let root = match parts.next()? {
            "" => "/sys/fs/cgroup",
            "pids" => "/sys/fs/cgroup/pids",
            _ => return None,
        };
        let below = Path::new(parts.next()?).components();
        let below: PathBuf = below.filter(|part| matches!(part, Component::Normal(_))).collect();
        Some((PathBuf::from(root), below))
    });
    let limits = folders.flat_map(|(root, below)| {
        let ancestors: Vec<_> = below.ancestors().map(|part| root.join(part)).collect();
        ancestors.into_iter().filter_map(|folder| {
            fs_err::read_to_string(folder.join("pids.max")).ok()?.trim().parse().ok()
        })
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_other_programs_are_recognised() {
        for words in [
            "sh: 1: Cannot fork",
            "bash: fork: retry: Resource temporarily unavailable",
            "BlockingIOError: [Errno 11] Resource temporarily unavailable",
            "error: cannot fork() for index-pack: Resource temporarily unavailable",
            "fatal: unable to create thread: Resource temporarily unavailable",
            "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory",
        ] {
            assert!(is_named_in(words), "{words}");
        }
        for words in ["", "the fork is missing", "no such resource", "syntax error near thread"] {
            assert!(!is_named_in(words), "{words}");
        }
    }

    #[test]
    fn the_limits_are_part_of_the_message() {
        let refusal = io::Error::from_raw_os_error(libc::EAGAIN);
        assert!(is_refusal(&refusal));
        let limits = limits();
        let explained = explain(&refusal);
        assert!(explained.starts_with(&refusal.to_string()), "{explained}");
        assert!(limits.iter().all(|limit| explained.contains(limit)), "{explained}");
        let other = io::Error::from_raw_os_error(libc::ENOENT);
        assert!(!is_refusal(&other));
        assert_eq!(explain(&other), other.to_string());
    }
}

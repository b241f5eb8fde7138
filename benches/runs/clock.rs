//! The resources that a process has used: CPU time, memory, bytes written. On systems other than
//! Linux the table lacks some lines.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU seconds, user and system, of this process so far, in nanoseconds even if the
/// kernel counts user and system in clock ticks.
pub fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns the largest resident set of this process so far, in bytes.
pub fn peak_rss_bytes() -> Option<u64> {
    Some(field("/proc/self/status", "VmHWM:")? * 1024)
}

/// Returns the bytes that this process has caused to be written to disks so far.
pub fn written_bytes() -> Option<u64> {
    field("/proc/self/io", "write_bytes:")
}

/// Returns the CPU seconds of the processes that this one has waited for, in steps of 10 ms.
pub fn children_cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may contain anything.
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) / 100.0)
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

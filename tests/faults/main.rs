//! Faults of the machine under a run, tested on the real binary. Linux with a C compiler; a test
//! binary of its own because a test here takes a minute, not a second.
//!
//! - `every_call`: each call that touches our files fails or is the last one, and the next run puts
//!   it right
//! - `power_cut`: the power fails after a call, and what was not synced is there in part
//! - `disk_full`: a limit on file size, a small tmpfs, a small ext4
//!
//! `KBINGEST_FAULTS` sets how many calls are tried per fault, or `all`.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod disk;
mod disk_full;
mod every_call;
mod log;
mod power_cut;
mod shim;
#[expect(dead_code, reason = "the other test binary uses the rest")]
#[path = "../it/support.rs"]
mod support;
#[expect(dead_code, reason = "the other test binary uses it")]
#[path = "../it/wait.rs"]
mod wait;

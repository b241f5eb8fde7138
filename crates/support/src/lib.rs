//! Small tools that the program `kbingest` and its extraction share: files and folders of our own,
//! child processes and their sandbox, the stop signal, sizes, numbers, rows.
//!
//! They know nothing of documents. This is no interface for others: it changes with every version.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what prints is the program, with writes that survive a closed pipe"
)]

pub mod byte_size;
pub mod cache;
pub mod files;
pub mod fingerprint;
pub mod front_matter;
pub mod headings;
pub mod line_ends;
pub mod lookup;
pub mod names;
pub mod numbers;
pub mod own_folder;
pub mod panics;
pub mod process_limit;
pub mod rows;
pub mod sandbox;
pub mod sharing;
pub mod stop;
pub mod storage;
pub mod supervise;

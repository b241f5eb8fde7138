//! The integration tests, one binary. What belongs where:
//!
//! - `tidy`: layers, module docs, file sizes
//! - `config`, `cli`: what a person types and reads
//! - `source`, `extract`, `chunker`, `wordpiece`: one stage each, against its contract
//! - `ingest`, `stop`, `crash`, `concurrent`, `history`: runs, through `operations` or the real binary,
//!   compared by whole dumps
//! - `search`: queries, filters, folding, the index made anew
//! - `eval`: measures against a reference, and the gate
//! - `histories`, `hostile`, `repair`: random histories, bad input, damaged files
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod chunker;
mod cli;
mod concurrent;
mod config;
mod crash;
mod eval;
mod extract;
mod histories;
mod history;
mod hostile;
mod ingest;
mod poison;
mod repair;
mod search;
mod source;
mod stop;
mod support;
mod tidy;
mod wordpiece;

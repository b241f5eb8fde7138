//! The integration tests, one binary. What belongs where:
//!
//! - `tidy`: layers, module docs, file sizes
//! - `config`, `cli`: what a person types and reads
//! - `source`, `extract`, `chunker`, `wordpiece`: one stage each, against its contract
//! - `git`, `web`: the sources that are not folders, from listing to knowledge base
//! - `child`: documents that break their extractor, through the real binary
//! - `ingest`, `stop`, `crash`, `kills`, `concurrent`, `history`: runs, through `operations` or the real binary,
//!   compared by whole dumps
//! - `search`: queries, filters, folding, the index made anew
//! - `fuzz`: what holds for any input
//! - `handover`: every interleaving of the two threads
//! - `eval`: measures against a reference, and the gate
//! - `histories`, `hostile`, `repair`: random histories, bad input, damaged files
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod child;
mod chunker;
mod cli;
mod concurrent;
mod config;
mod crash;
mod eval;
mod extract;
mod fuzz;
mod git;
mod handover;
mod histories;
mod history;
mod hostile;
mod ingest;
mod kills;
mod migration;
mod poison;
mod repair;
mod search;
mod source;
mod stop;
mod support;
mod tidy;
mod web;
mod wordpiece;

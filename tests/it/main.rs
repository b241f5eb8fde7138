//! The integration tests, one binary. What belongs where:
//!
//! - `tidy`: layers, module docs, file sizes
//! - `config`, `cli`: what a person types and reads; `library`: what programs use
//! - `source`, `extract`, `chunker`, `wordpiece`: one stage each, against its contract
//! - `git`, `web`, `archive`, `records`: the sources that are not folders, from listing to
//!   knowledge base
//! - `alike`: what all kinds of sources have in common
//! - `child`, `command`: documents that break their extractor, and programs of the user's, through
//!   the real binary
//! - `ingest`, `stop`, `crash`, `kills`, `concurrent`, `history`: runs, through `operations` or the
//!   real binary, compared by whole dumps
//! - `plan`: what a run would do
//! - `progress`: what a run reports about itself while it works and at its end
//! - `embedder`: an embedder that fails, by a script
//! - `models`: `[embed.http]`, with servers on loopback
//! - `onnx`: transformers in this process, with the feature of that name
//! - `access`: modes, groups and other users of the machine
//! - `search`: filters, folding, rebuilding the index; `queries`: what a query means
//! - `words`: which words are the same; `links`: where hits lead
//! - `mcp`, `serve`: what agents and programs ask, through the real binary
//! - `limits`: what a run does under the system's limits on threads and processes
//! - `security`: what strangers may try
//! - `fuzz`: what holds for any input
//! - `fingerprint`: what is stored to decide whether work is done again
//! - `nfc`: names with accents in either form; `reread`: everything read again
//! - `unavailable`: sources that cannot be reached
//! - `handover`: every interleaving of the two threads
//! - `eval`: measures against a reference, and the gate
//! - `histories`, `hostile`, `repair`: random histories, bad input, damaged files
//! - `support`, `users`, `wait`: what they share
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod access;
mod alike;
mod archive;
mod child;
mod chunker;
mod cli;
mod command;
mod concurrent;
mod config;
mod crash;
mod deletions;
mod embedder;
mod eval;
mod extract;
mod fingerprint;
mod found;
mod fuzz;
mod git;
mod handover;
mod histories;
mod history;
mod hostile;
mod includes;
mod ingest;
mod kills;
mod known_failures;
mod library;
mod limits;
mod lines;
mod links;
#[cfg(feature = "serve")]
mod mcp;
mod migration;
mod model_change;
mod models;
mod nfc;
#[cfg(feature = "onnx")]
mod onnx;
mod owner;
mod plan;
mod poison;
mod progress;
mod publish;
mod queries;
mod recipes;
mod records;
mod repair;
mod reread;
mod search;
mod security;
#[cfg(feature = "serve")]
mod serve;
mod source;
mod stop;
mod support;
mod tidy;
mod unavailable;
mod users;
mod wait;
mod web;
mod wordpiece;
mod words;

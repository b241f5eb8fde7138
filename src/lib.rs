//! Builds knowledge bases for retrieval from documents, and keeps them up to date.
//!
//! A *knowledge base* is one SQLite file with the documents' text, their chunks, vectors and a
//! full-text index. [`operations::ingest()`] brings it up to date with its sources;
//! [`operations::search()`] asks it. `examples/ingest_and_search.rs` does both in a few lines.
//!
//! A module uses only modules below it in this list; `source`, `extract`, `chunk` and `embed` never
//! use each other. A test holds the code to it.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what prints is `cli`, with writes that survive a closed pipe"
)]

pub mod cli;
pub mod operations;
pub mod workers;

pub mod pipeline;

pub mod search;

pub mod error;

pub mod config;

pub mod source;

pub mod extract;

pub mod chunk;

pub mod embed;

pub mod kb;

pub mod analysis;

pub mod eval;

pub mod support;

pub mod domain;

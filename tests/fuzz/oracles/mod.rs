//! What holds for any input, one function per fuzz target: it panics where it does not.
//!
//! `cargo fuzz` looks for such inputs with the targets beside this folder, `tests/it/fuzz.rs` tries
//! the seeds and changes of them in every test run.

pub mod chunker;
pub mod config;
pub mod extraction;
pub mod knowledge_base;
pub mod query;

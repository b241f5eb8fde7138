//! Properties of any input, one function per fuzz target: it panics if they are violated.
//!
//! `cargo fuzz` searches for such inputs with the targets beside this folder; `tests/it/fuzz.rs`
//! tries the seeds and changes of them in every test run.

pub mod chunker;
pub mod config;
pub mod extraction;
pub mod knowledge_base;
pub mod query;

//! Services that answer programs from open knowledge bases, as long as they run.
//!
//! Reads knowledge bases, also beside running ingests, and writes nothing.

mod bases;
mod budget;
mod http;
mod mcp;
mod page;
mod refusal;
mod resource;
mod runs;
mod stdio;
pub mod tools;

pub use bases::{KnowledgeBase, KnowledgeBases};
pub use http::{Access, serve as serve_http};
pub use mcp::Mcp;
pub use refusal::{Refusal, RefusalCode};
pub use runs::RunProgram;
pub use stdio::serve as serve_stdio;

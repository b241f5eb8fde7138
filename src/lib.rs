//! Builds knowledge bases for retrieval from documents, and keeps them up to date.
//!
//! A *knowledge base* is one SQLite file with the text of documents, their chunks, vectors and a
//! full-text index. A [`Config`] names the *sources* of documents: folders, git repositories,
//! archives, files of records and web sites. [`ingest()`] brings the knowledge base up to date with
//! them, [`search()`] finds passages in it:
//!
//! ```no_run
#![doc = include_str!("../examples/ingest_and_search.rs")]
//! ```
//!
//! # Runs
//!
//! [`ingest()`] does only what changed. It may be stopped by a [`StopSignal`] or killed at any
//! instruction: the next [`ingest()`] or [`resume()`] continues it, and searches see each document
//! in its old version or its new one, never a mix. The [`RunReport`] says how the run
//! [`ended`](RunReport::ended); a document that cannot be read is one of its
//! [`failures`](RunReport::failures) and keeps its last good version. While it works, an
//! [`EventSink`] receives [`Event`]s with the state of the run. [`status()`] and [`cancel()`] work
//! from other processes, [`check()`] verifies and repairs a knowledge base.
//!
//! # Searches
//!
//! [`search()`] opens a knowledge base for one [`Query`]; [`open_searcher`] returns a [`Searcher`]
//! for any number of them, which threads share and which sees what runs commit meanwhile.
//! [`eval()`] measures searches against known answers.
//!
//! # What can be replaced
//!
//! An [`Embedder`] of your own, set as [`Session::embedder`] and handed to [`Searcher::open`],
//! makes the vectors: `examples/own_embedder.rs` is one. `[[extract.command]]` tables of kb.toml
//! add formats. The crate [`kbingest_extract`] is what turns documents into Markdown, and is useful
//! alone.
//!
//! # Documents of strangers
//!
//! Parsers of PDF, Office and mail files may crash, loop or eat memory. If `main` begins with
//! [`serve_if_asked`] they run in child processes with limits and without rights, as they do in the
//! program `kbingest`; in other programs a panic costs one document, and neither time nor memory is
//! limited. A kb.toml that starts programs or reaches outside of its folder is refused until the
//! user allows it: [`Config::requests`] lists what it asks for.
//!
//! # Errors
//!
//! An [`Error`] ended an operation; [`Error::exit_code`] is what the program `kbingest` would exit
//! with. Modules that are not documented here are not stable.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what prints is `cli`, with writes that survive a closed pipe"
)]

// A module uses only modules below it in this list; `source`, `extract`, `chunk` and `embed` never
// use each other. A test holds the code to it. They are public for the tests and benchmarks of this
// package.
#[doc(hidden)]
pub mod cli;

#[cfg(feature = "serve")]
#[doc(hidden)]
pub mod serve;

#[doc(hidden)]
pub mod operations;
#[doc(hidden)]
pub mod workers;

#[doc(hidden)]
pub mod pipeline;

#[doc(hidden)]
pub mod search;

#[doc(hidden)]
pub mod error;

#[doc(hidden)]
pub mod config;

#[doc(hidden)]
pub mod rerank;

#[doc(hidden)]
pub mod source;

#[doc(hidden)]
pub mod extract;

#[doc(hidden)]
pub mod chunk;

#[doc(hidden)]
pub mod embed;

#[doc(hidden)]
pub mod kb;

#[doc(hidden)]
pub mod analysis;

#[doc(hidden)]
pub mod eval;

#[doc(hidden)]
pub mod support;

#[doc(hidden)]
pub mod domain;

pub use chunk::ChunkConfig;
pub use config::{Config, ConfigError, Problem, Request, SearchConfig};
pub use domain::{
    Failure, FailureKind, MediaType, Metrics, Phase, PhaseStatus, Phases, QueueStats, RunId,
    RunState, RunStatus, Stage,
};
pub use embed::{
    Api, BudgetConfig, BuiltinConfig, EmbedConfig, EmbedError, Embedder, Embeddings, HashConfig,
    HttpConfig, Limits, Measure, Model, OnTooLong, OnnxConfig, Pooling, Role,
};
pub use error::{Error, ExitCode, chain};
pub use eval::EvalReport;
pub use extract::{CommandConfig, ExtractConfig, Metadata, child::serve_if_asked};
pub use kb::{
    Correction, Day, Explanation, Filter, Finding, Hit, Interpretation, KbError, Query, SearchMode,
    Show, UriGlob,
};
pub use operations::{
    AllowDeletes, Cancellation, CheckOptions, CheckReport, ChunkReport, DocumentSettings,
    EvalOptions, ExtractReport, FailOn, Gate, IngestOptions, Publication, ResumeOptions, RunReport,
    SearchReport, Session, StatusReport, Target, cancel, check, chunk, eval, extract, ingest,
    open_searcher, publish_if_good, resume, search, status,
};
pub use pipeline::outcome::Completed;
pub use pipeline::phases::PhaseSeconds;
pub use rerank::{RerankApi, RerankConfig, RerankError, RerankHttpConfig, RerankOnnxConfig};
pub use search::{SearchResult, Searcher, Warning};
pub use source::{
    ArchiveConfig, DirectoryConfig, GitConfig, Located, MaxDelete, RecordsConfig, SourceConfig,
    WebConfig,
};
pub use support::byte_size::ByteSize;
pub use support::checkpoint::StopSignal;
pub use support::events::{Event, EventSink, Silent, Withheld};

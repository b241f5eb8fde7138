//! Plain data that every layer shares; no I/O, no behaviour beyond its own invariants.

mod chunk;
mod document;
mod failure;
mod ids;
mod phase;
mod queue;
mod run;
mod site_file;
mod start_page;

pub use chunk::{Chunk, LineRange, Span};
pub use document::{Entry, Version};
pub use failure::{Failure, Stage};
pub use ids::{ChunkId, DocumentId, RevisionId, RunId};
pub use kbingest_extract::{
    DocumentError, ExtractFingerprint, FailureKind, KnownLines, LineMap, MediaType,
};
pub use phase::{Phase, PhaseStatus, Phases};
pub use queue::{ChunkRange, QueueStats};
pub use run::{Metrics, ProgressReport, RunSettings, RunState, RunStatus, Usage};
pub use site_file::SiteFile;
pub use start_page::StartPage;

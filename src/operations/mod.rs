//! One function per subcommand: opens what it needs, takes the lock, starts the workers, returns a
//! report. No business logic, and nothing is printed here.

mod analyze;
mod cache;
mod cancel;
mod check;
mod diff;
mod document;
mod eval;
mod export;
mod files;
mod get;
mod ingest;
mod list;
mod model;
mod pages;
mod plan;
#[cfg(test)]
mod plans;
mod publish;
mod report;
mod runs;
mod search;
mod similar;
mod stats;
mod status;
mod tune;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use analyze::{AnalyzeReport, EmbedReport, analyze, embed};
pub use cache::{CacheReport, cache};
pub use cancel::{Cancellation, cancel};
pub use check::{CheckOptions, CheckReport, check};
pub use diff::{ChangedDocument, DiffReport, DocumentChange, diff, diff_since};
pub use document::{ChunkReport, ChunkShown, DocumentSettings, ExtractReport, chunk, extract};
pub use eval::{EvalOptions, Gate, eval};
pub use export::{ChunkRecord, DocumentRecord, ExportRecord, ExportUnit, export};
pub use files::candidate;
pub use get::{ChunkOfDocument, DocumentReport, HeadingShown, get};
pub use ingest::{IngestOptions, ResumeOptions, ingest, resume};
pub use list::list;
pub use model::{KeptModels, fetch_models, kept_models, verify_models};
pub use pages::{PagesReport, page_states, pages};
pub use plan::{Change, PlanReport, SourcePlan, plan};
pub use publish::publish_if_good;
pub use report::{Publication, RunReport};
pub use runs::{PastRun, RunsReport, runs};
pub use search::{SearchReport, open_searcher, search, search_with};
pub use similar::{SimilarReport, similar};
pub use stats::{ChunkTokens, LengthRange, StatsReport, stats};
pub use status::{ReasonCount, StatusReport, status};
pub use tune::{TuneReport, tune};

pub use crate::pipeline::outcome::FailOn;
pub use crate::pipeline::producer::reconcile::AllowDeletes;

use crate::config::{Config, SearchConfig};
use crate::embed::Embedder;
use crate::error::Error;
use crate::support::checkpoint::{CheckpointHook, StopSignal};
use crate::support::events::{EventSink, Silent};
use crate::support::lock;

/// The target of a command: a kb.toml, or a knowledge base alone.
#[derive(Clone, Debug)]
pub enum Target {
    /// Loaded settings.
    Config(Box<Config>),
    /// A knowledge base file.
    File(PathBuf),
}

impl Target {
    /// Detects what `path` is, and loads it if it is a kb.toml. A name that ends in `.kb` means a
    /// knowledge base even if it does not exist.
    ///
    /// The folders of the sources are not checked, as by [`Config::load_without_sources`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        if is_knowledge_base(path) {
            return Ok(Self::File(path.to_owned()));
        }
        Ok(Self::Config(Box::new(Config::load_without_sources(path)?)))
    }

    /// Allows what its settings ask for, for this process.
    pub fn allow(&mut self) {
        if let Self::Config(config) = self {
            config.is_trusted = true;
        }
    }

    /// Ignores the reranker that its settings name.
    pub fn without_reranker(&mut self) {
        if let Self::Config(config) = self {
            config.search.rerank = None;
        }
    }

    /// Returns how it is searched. A knowledge base alone has no settings, and no reranker: nothing
    /// is sent anywhere because of a file.
    fn search_config(&self) -> SearchConfig {
        match self {
            Self::Config(config) => config.search.clone(),
            Self::File(_) => SearchConfig::default(),
        }
    }

    /// Returns the path of the knowledge base.
    pub fn kb(&self) -> &Path {
        match self {
            Self::Config(config) => &config.kb,
            Self::File(path) => path,
        }
    }
}

/// Fails if the knowledge base at `kb`, or a candidate beside it, belongs to another user. For
/// commands that write, unless the user gives `--adopt`.
pub fn refuse_others(kb: &Path) -> Result<(), Error> {
    lock::refuse_others(kb)?;
    Ok(lock::refuse_others(&candidate(kb))?)
}

impl From<Config> for Target {
    fn from(config: Config) -> Self {
        Self::Config(Box::new(config))
    }
}

/// How the caller follows and controls a run; by default nobody does.
pub struct Session<'a> {
    /// Requests a stop.
    pub stop: Arc<StopSignal>,
    /// Receives events.
    pub events: &'a dyn EventSink,
    /// Called at every checkpoint; for tests.
    #[doc(hidden)]
    pub hook: Option<&'a CheckpointHook>,
    /// Makes the vectors instead of the model that kb.toml names.
    pub embedder: Option<&'a dyn Embedder>,
}

impl Default for Session<'_> {
    fn default() -> Self {
        Self { stop: Arc::default(), events: &Silent, hook: None, embedder: None }
    }
}

/// Reports whether `path` is a knowledge base and not a kb.toml.
pub fn is_knowledge_base(path: &Path) -> bool {
    is_sqlite(path) || path.extension().is_some_and(|ending| ending == "kb")
}

/// Reads the first bytes, before SQLite opens the file: closing a file that SQLite has open in this
/// process would drop its locks.
fn is_sqlite(path: &Path) -> bool {
    use std::io::Read;
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut start = [0; MAGIC.len()];
    // Opening a FIFO would wait for its writer.
    path.is_file()
        && std::fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && start == *MAGIC
}

//! One function per subcommand: opens what it needs, takes the lock, starts the workers, returns a
//! report. No business logic, and nothing is printed here.

mod cancel;
mod check;
mod document;
mod eval;
mod files;
mod ingest;
mod publish;
mod search;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cancel::{Cancellation, cancel};
pub use check::{CheckOptions, CheckReport, check};
pub use document::{ChunkReport, ChunkShown, DocumentSettings, ExtractReport, chunk, extract};
pub use eval::{EvalOptions, Gate, eval};
pub use files::candidate;
pub use ingest::{IngestOptions, RunReport, ingest, resume};
pub use publish::{Publication, publish_if_good};
pub use search::{SearchOptions, SearchReport, Searcher, search};
pub use status::{ReasonCount, StatusReport, status};

use crate::config::Config;
use crate::error::Error;
use crate::support::checkpoint::{CheckpointHook, StopSignal};
use crate::support::events::EventSink;
use crate::support::lock;

/// What a command works on: a kb.toml, or a knowledge base that came without one.
#[derive(Clone, Debug)]
pub enum Target {
    /// Loaded settings.
    Config(Box<Config>),
    /// A knowledge base file.
    File(PathBuf),
}

impl Target {
    /// Finds out what `path` is, and loads it where it is a kb.toml. A name that ends in `.kb` stands for a
    /// knowledge base even where there is none.
    ///
    /// The folders of the sources need not be there; [`Config::load`] insists on them.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if is_knowledge_base(path) {
            return Ok(Self::File(path.to_owned()));
        }
        Ok(Self::Config(Box::new(Config::load_without_sources(path)?)))
    }

    /// Returns the path of the knowledge base.
    pub fn kb(&self) -> &Path {
        match self {
            Self::Config(config) => &config.kb,
            Self::File(path) => path,
        }
    }
}

/// Fails where the knowledge base at `kb`, or one that is tried out beside it, belongs to another user. For commands
/// that write, unless the user says that it is theirs to use.
pub fn refuse_others(kb: &Path) -> Result<(), Error> {
    lock::refuse_others(kb)?;
    Ok(lock::refuse_others(&candidate(kb))?)
}

/// How the caller follows and steers a run.
pub struct Session<'a> {
    /// Asks for a stop.
    pub stop: Arc<StopSignal>,
    /// Is told what happens.
    pub events: &'a dyn EventSink,
    /// Called at every checkpoint; for tests.
    pub hook: Option<&'a CheckpointHook>,
}

/// Tells whether `path` names a knowledge base and not a kb.toml.
pub fn is_knowledge_base(path: &Path) -> bool {
    is_sqlite(path) || path.extension().is_some_and(|ending| ending == "kb")
}

/// Looks at the first bytes, before SQLite opens the file: closing a file that SQLite has open in this
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

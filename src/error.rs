//! The error of an operation, and the exit codes of the program.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::domain::DocumentError;
use crate::embed::EmbedError;
use crate::kb::KbError;
use crate::rerank::RerankError;
use crate::source::SourceError;
use crate::support::bounded::{ERROR_BYTES_MAX, bounded};
use crate::support::lock::LockError;
use crate::support::numbers::counted;
use crate::support::process_limit;

/// The exit codes of the program; public and documented, never renumbered.
///
/// Ordered by precedence: when several apply, the greatest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// 0: the knowledge base is up to date with its sources, or there was nothing to do.
    Success,
    /// 3: the gate of an evaluation failed.
    GateFailed,
    /// 3: finished, but some documents failed.
    DocumentsFailed,
    /// 4: a limit of kb.toml left something out.
    Limit,
    /// 10: no such knowledge base.
    Missing,
    /// 11: locked by another run.
    Locked,
    /// 12: damaged.
    Damaged,
    /// 13: incompatible: a newer file format, or not ours.
    Incompatible,
    /// 20: a source is unreachable.
    SourceUnreachable,
    /// 21: deletions withheld.
    DeletionsWithheld,
    /// 22: the gate of `--publish-if-eval` failed; the knowledge base is unchanged.
    NotPublished,
    /// 30: the embedder is unavailable after retries.
    EmbedderUnavailable,
    /// 31: the embedder refuses.
    EmbedderRefuses,
    /// 40: storage is full.
    StorageFull,
    /// 41: storage cannot be read or written.
    StorageIo,
    /// 2: wrong usage or a wrong kb.toml.
    Usage,
    /// 1: an unexpected error.
    Unexpected,
    /// 130: stopped at a checkpoint on request. A signal gives its own number instead.
    Cancelled,
}

impl ExitCode {
    /// Returns the number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Unexpected => 1,
            Self::Usage => 2,
            Self::GateFailed | Self::DocumentsFailed => 3,
            Self::Limit => 4,
            Self::Missing => 10,
            Self::Locked => 11,
            Self::Damaged => 12,
            Self::Incompatible => 13,
            Self::SourceUnreachable => 20,
            Self::DeletionsWithheld => 21,
            Self::NotPublished => 22,
            Self::EmbedderUnavailable => 30,
            Self::EmbedderRefuses => 31,
            Self::StorageFull => 40,
            Self::StorageIo => 41,
            Self::Cancelled => 130,
        }
    }
}

/// Why an operation ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// kb.toml cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The command cannot be run as requested.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// A kb.toml that is not allowed names a knowledge base outside of its folder with none of its
    /// sources: their documents would be deleted.
    #[error("{}, outside of the folder of {}, holds other sources: {held:?}", kb.display(), config.display())]
    OtherSources {
        /// The kb.toml.
        config: PathBuf,
        /// The knowledge base.
        kb: PathBuf,
        /// Names of the sources that it holds.
        held: Vec<String>,
    },
    /// Another kb.toml builds the knowledge base: its documents would be deleted.
    #[error("{} belongs to {}, and {} would replace its documents", kb.display(), known.display(), config.display())]
    OtherConfig {
        /// The knowledge base.
        kb: PathBuf,
        /// The kb.toml of its last run.
        known: PathBuf,
        /// This kb.toml.
        config: PathBuf,
    },
    /// The knowledge base cannot be used.
    #[error(transparent)]
    Kb(KbError),
    /// A search by vectors is asked for, and no embedder of the vectors is available.
    #[error("{}: its vectors are of a model that is not at hand", kb.display())]
    NoEmbedder {
        /// The knowledge base.
        kb: PathBuf,
    },
    /// A filter names a source that does not exist.
    #[error("the knowledge base has no source \"{name}\"")]
    UnknownSource {
        /// The name.
        name: String,
        /// Names of the sources that exist.
        known: Vec<String>,
    },
    /// The document that was asked for does not exist.
    #[error("the knowledge base has no document {name}")]
    UnknownDocument {
        /// Its name, as typed.
        name: String,
        /// The names that are most like it.
        near: Vec<String>,
    },
    /// Another run is active, or the lock cannot be taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A source cannot be used.
    #[error(transparent)]
    Source(SourceError),
    /// Texts could not be embedded.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// Passages could not be reranked, and only their order was asked for.
    #[error(transparent)]
    Rerank(#[from] RerankError),
    /// The budget is used up; the next run continues.
    #[error("the budget is used up: {used}; {} {}", counted(*waiting, "chunk"), if *waiting == 1 { "waits" } else { "wait" })]
    Budget {
        /// What was used, of how much.
        used: String,
        /// Chunks without a vector.
        waiting: u64,
    },
    /// The one document requested cannot be extracted.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A result cannot be printed.
    #[error("cannot write to stdout")]
    Output {
        /// The system's error.
        source: std::io::Error,
    },
    /// The system refused a thread.
    #[error("cannot start the thread for {what}: {reason}")]
    Threads {
        /// What it is for.
        what: &'static str,
        /// The system's error, with the limits in force.
        reason: String,
    },
    /// A thread panicked.
    #[error("internal error in {place}: {message}")]
    Internal {
        /// Name of the thread.
        place: &'static str,
        /// Its message.
        message: String,
    },
    /// The run was stopped at a checkpoint on request.
    #[error("stopped at a checkpoint")]
    Stopped,
}

impl From<KbError> for Error {
    /// A transaction that was stopped is the run's stop.
    fn from(error: KbError) -> Self {
        match error {
            KbError::Stopped => Self::Stopped,
            error => Self::Kb(error),
        }
    }
}

impl From<SourceError> for Error {
    /// A source that was stopped is the run's stop, and never the reason of one.
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Stopped => Self::Stopped,
            error => Self::Source(error),
        }
    }
}

impl Error {
    /// Returns the error of a thread for `what` that the system did not start.
    pub fn no_thread(what: &'static str, error: &std::io::Error) -> Self {
        Self::Threads { what, reason: process_limit::explain(error) }
    }

    /// Returns the process exit code for this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_)
            | Self::Usage { .. }
            | Self::OtherSources { .. }
            | Self::OtherConfig { .. }
            | Self::NoEmbedder { .. }
            | Self::UnknownSource { .. }
            | Self::UnknownDocument { .. } => ExitCode::Usage,
            Self::Kb(error) => kb_exit_code(error),
            Self::Lock(LockError::Held { .. }) => ExitCode::Locked,
            Self::Lock(LockError::Full { .. }) => ExitCode::StorageFull,
            Self::Lock(
                LockError::Io { .. } | LockError::Foreign { .. } | LockError::Denied { .. },
            ) => ExitCode::StorageIo,
            Self::Source(SourceError::Config { .. }) => ExitCode::Usage,
            Self::Source(SourceError::Unreachable { .. } | SourceError::Remote { .. }) => {
                ExitCode::SourceUnreachable
            }
            Self::Source(SourceError::Full { .. }) => ExitCode::StorageFull,
            Self::Source(SourceError::Cache { .. }) => ExitCode::StorageIo,
            Self::Embed(EmbedError::Unavailable { .. })
            | Self::Rerank(RerankError::Unavailable { .. }) => ExitCode::EmbedderUnavailable,
            Self::Embed(EmbedError::OverBudget { .. }) | Self::Budget { .. } => ExitCode::Limit,
            Self::Embed(EmbedError::Refused { .. } | EmbedError::BadInput { .. })
            | Self::Rerank(RerankError::Refused { .. }) => ExitCode::EmbedderRefuses,
            Self::Document(_) => ExitCode::DocumentsFailed,
            Self::Source(SourceError::Starved { .. })
            | Self::Output { .. }
            | Self::Threads { .. }
            | Self::Internal { .. } => ExitCode::Unexpected,
            Self::Stopped | Self::Source(SourceError::Stopped) => ExitCode::Cancelled,
        }
    }
}

fn kb_exit_code(error: &KbError) -> ExitCode {
    match error {
        KbError::Missing(_) => ExitCode::Missing,
        KbError::Incompatible { .. } | KbError::Outdated { .. } => ExitCode::Incompatible,
        KbError::Damaged(_) | KbError::ForeignSchema { .. } | KbError::Endless { .. } => {
            ExitCode::Damaged
        }
        KbError::Full { .. } => ExitCode::StorageFull,
        KbError::Io { .. }
        | KbError::Denied { .. }
        | KbError::LogOfOthers(_)
        | KbError::NetworkFileSystem { .. }
        | KbError::Replaced(_)
        | KbError::Special(_) => ExitCode::StorageIo,
        KbError::Busy | KbError::LostRun(_) => ExitCode::Locked,
        KbError::Sql(_) => ExitCode::Unexpected,
        KbError::Stopped => ExitCode::Cancelled,
    }
}

/// Returns the error and its causes in one line, which is never longer than [`ERROR_BYTES_MAX`] and
/// a mark.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // A transparent error repeats the one it wraps.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        if line.len() > ERROR_BYTES_MAX {
            break;
        }
        cause = error.source();
    }
    bounded(&line, ERROR_BYTES_MAX).into_owned()
}

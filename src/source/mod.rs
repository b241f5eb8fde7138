//! Where documents come from: one trait, and a folder of files as its first kind.
//!
//! A source lists its documents in uri order, then reads them one by one. It only reads: it writes
//! nothing to disk, takes no lock and knows nothing of the knowledge base. Uris, versions and their
//! order are part of the file format, because the ledger of a later run is compared with them.

mod directory;
mod directory_config;
mod file;
mod globs;
pub mod uri;
mod walk;

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::{Entry, FailureKind, Version};

pub use directory::DirectorySource;
pub use directory_config::DirectoryConfig;

pub use crate::support::byte_size::ByteSize;

/// The documents of one source, in uri order.
pub type Listing<'a> = Box<dyn Iterator<Item = Result<Entry, ListError>> + Send + 'a>;

/// A place that documents come from.
pub trait Source: Send + Sync {
    /// Returns the name given in kb.toml, unique among all sources.
    fn name(&self) -> &str;

    /// Lists every document, strictly increasing by [`uri::uri_order`], holding only a few folders
    /// in memory.
    ///
    /// An error in the iterator concerns one entry; the listing goes on after it.
    fn list(&self) -> Result<Listing<'_>, SourceError>;

    /// Reads a document as it is now, which may be newer than what was listed.
    fn read(&self, entry: &Entry) -> Result<Content, ReadError>;
}

/// A document's bytes and the state of the document that they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The whole document.
    pub bytes: Vec<u8>,
    /// State in which the bytes were read; `None` where a later change might not alter it, so that
    /// only a hash of the bytes can tell.
    pub version: Option<Version>,
}

/// One entry of a source that could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list {}", if uri.is_empty() { "the source's own folder" } else { uri })]
pub struct ListError {
    /// Address of the entry inside the source; empty for the source's root.
    pub uri: String,
    /// The entry is, or may be, a folder: documents below it may exist although they are not
    /// listed, so that none of them may be deleted.
    pub blocks_deletions: bool,
    /// What the system said.
    pub source: io::Error,
}

/// A source that cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its settings are wrong: kb.toml has to be changed.
    #[error("source \"{name}\": {reason}")]
    Config {
        /// Name of the source.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Its root is missing, no folder, or not readable: nothing is known about its documents.
    #[error("source \"{name}\": cannot reach {}", path.display())]
    Unreachable {
        /// Name of the source.
        name: String,
        /// Root of the source.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A document that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Left out on purpose.
    #[error("{}: {reason}", path.display())]
    Skipped {
        /// The file.
        path: PathBuf,
        /// Why it is left out.
        reason: String,
    },
    /// Cannot be read whatever happens to the document.
    #[error("{}: {reason}", path.display())]
    Permanent {
        /// The file.
        path: PathBuf,
        /// Why it will never be read.
        reason: String,
    },
    /// May work in the next run. Refused permission is transient too: granting it changes neither
    /// size nor mtime, so that nothing else would make a later run try again.
    #[error("cannot read {}", path.display())]
    Transient {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ReadError {
    /// Returns what a later run does about it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Skipped { .. } => FailureKind::Skipped,
            Self::Permanent { .. } => FailureKind::Permanent,
            Self::Transient { .. } => FailureKind::Transient,
        }
    }
}

/// The `[[source.…]]` tables of kb.toml.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// `[[source.directory]]`: folders on this machine.
    #[serde(default)]
    pub directory: Vec<DirectoryConfig>,
}

/// Opens every configured source, in the order of kb.toml.
///
/// Relative paths are relative to `base`, the folder of kb.toml. `leave_out` names files that are
/// never documents: each file that the program itself writes, the knowledge base with its `-wal`,
/// `-shm` and `.lock`.
pub fn open(
    config: &SourceConfig,
    base: &Path,
    leave_out: &[PathBuf],
) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for directory in &config.directory {
        sources.push(Box::new(DirectorySource::new(directory, base, leave_out)?));
    }
    Ok(sources)
}

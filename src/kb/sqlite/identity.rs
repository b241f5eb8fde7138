//! The device and inode of open files: SQLite does not notice when a file is removed or replaced
//! during a run, and everything the run writes would be lost.
//!
//! Paths are only examined and never opened: closing a file drops the locks that SQLite holds on
//! it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::errno;
use crate::kb::KbError;
use crate::support::storage;

/// Device and inode.
type FileId = (u64, u64);

/// The files that SQLite has open for one knowledge base.
#[derive(Debug)]
pub struct OpenFiles {
    /// The knowledge base first, then the log and its index, if SQLite has them open.
    files: Vec<(PathBuf, FileId)>,
}

impl OpenFiles {
    /// Records the files of `connection`, which has read from `path`; they stay the same while it
    /// is open.
    pub fn of(connection: &Connection, path: &Path) -> Result<Self, KbError> {
        let mut files = Vec::with_capacity(3);
        let found = id(path)?;
        match found {
            Some(found) if !errno::has_moved(connection) => files.push((path.to_owned(), found)),
            _ => return Err(KbError::Replaced(path.to_owned())),
        }
        for ending in ["-wal", "-shm"] {
            let beside = storage::beside(path, ending);
            if let Some(found) = id(&beside)? {
                files.push((beside, found));
            }
        }
        Ok(Self { files })
    }

    /// Fails unless every path still names the open file.
    pub fn check(&self) -> Result<(), KbError> {
        for (path, known) in &self.files {
            if id(path)? != Some(*known) {
                return Err(KbError::Replaced(path.clone()));
            }
        }
        Ok(())
    }

    /// Reports whether both have the same knowledge base open.
    pub fn is_same_file(&self, other: &Self) -> bool {
        let main = |files: &Self| files.files.first().map(|(_, id)| *id);
        main(self) == main(other)
    }
}

/// Returns the identity of `path`, `None` if it does not exist.
fn id(path: &Path) -> Result<Option<FileId>, KbError> {
    let of = |found: Metadata| Some((found.dev(), found.ino()));
    match std::fs::metadata(path) {
        Ok(found) => Ok(of(found)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(KbError::io("read", path, source)),
    }
}

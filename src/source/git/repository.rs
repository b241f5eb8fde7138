//! One repository of a source, or one of its submodules: its clone, and the processes that read
//! from it.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::clone::CachedClone;
use super::command::{Git, GitError};
use super::dates::{Change, Dates};
use super::objects::{Blob, Objects};

/// A clone at one commit.
pub(super) struct Repository {
    clone: CachedClone,
    /// The only folder that is listed; empty for all.
    subdirectory: String,
    /// Whether the whole history is fetched, so that the last change of each file is known.
    has_history: bool,
    /// The commit that this process uses, or why there is none: fetched once.
    fetched: Mutex<Option<Result<String, GitError>>>,
    objects: Mutex<Option<Objects>>,
    dates: Mutex<Option<Dates>>,
}

impl Repository {
    /// Prepares the repository without touching the clone.
    pub(super) fn new(clone: CachedClone, subdirectory: &str, has_history: bool) -> Self {
        Self {
            clone,
            subdirectory: subdirectory.to_owned(),
            has_history,
            fetched: Mutex::new(None),
            objects: Mutex::new(None),
            dates: Mutex::new(None),
        }
    }

    pub(super) fn cached(&self) -> &CachedClone {
        &self.clone
    }

    pub(super) fn git(&self) -> &Git {
        self.clone.git()
    }

    pub(super) fn subdirectory(&self) -> &str {
        &self.subdirectory
    }

    /// Returns the commit that this process uses, fetched at the first call.
    pub(super) fn commit(&self) -> Result<String, GitError> {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.get_or_insert_with(|| self.clone.update()).clone()
    }

    /// Returns git's name of the tree that is listed.
    pub(super) fn tree(&self, commit: &str) -> String {
        format!("{commit}:{}", self.subdirectory)
    }

    /// Ends the processes that read from it; the next read starts them again.
    pub(super) fn release(&self) {
        *self.objects.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.dates.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Reads the file at `uri` below the listed folder, if it has at most `bytes_max` bytes.
    pub(super) fn read_path(&self, uri: &str, bytes_max: u64) -> Result<Blob, io::Error> {
        // The request is one line.
        if uri.contains('%') || uri.contains(char::is_control) {
            return Ok(Blob::Missing);
        }
        let commit = self.commit().map_err(|error| io::Error::other(format!("{error:?}")))?;
        let tree = self.tree(&commit);
        let slash = if tree.ends_with(':') { "" } else { "/" };
        self.read_blob(&format!("{tree}{slash}{uri}"), bytes_max)
    }

    /// Reads the blob `id` if it has at most `bytes_max` bytes.
    pub(super) fn read_blob(&self, id: &str, bytes_max: u64) -> Result<Blob, io::Error> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if objects.is_none() {
            *objects = Some(Objects::open(self.git())?);
        }
        let blob = objects.as_mut().map(|objects| objects.read(id, bytes_max));
        let blob = blob.expect("it was opened above");
        if blob.is_err() {
            // The next read starts a new process.
            *objects = None;
        }
        blob
    }

    /// Returns the last change of the file at `path`, if the history is known.
    ///
    /// Fails if git cannot be started.
    pub(super) fn change_of(&self, path: &Path) -> io::Result<Option<Change>> {
        let Some(commit) = self.commit().ok().filter(|_| self.has_history) else {
            return Ok(None);
        };
        let mut dates = self.dates.lock().unwrap_or_else(PoisonError::into_inner);
        if dates.is_none() {
            *dates = Some(Dates::open(self.git(), &commit, &self.subdirectory)?);
        }
        Ok(dates.as_mut().and_then(|dates| dates.find(path)))
    }
}

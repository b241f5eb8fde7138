//! The state of a file that is read without a log, because its reader may not write: SQLite would
//! not notice a change.

use std::path::Path;
use std::time::SystemTime;

use crate::kb::KbError;
use crate::support::storage;

/// The state of a file that nobody writes, as far as can be seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unchanged {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Whether SQLite has left no log beside it.
    pub(super) has_no_log: bool,
}

impl Unchanged {
    /// Returns the state of the file at `path`.
    pub(super) fn of(path: &Path) -> Result<Self, KbError> {
        let found = path.metadata().map_err(|source| KbError::io("read", path, source))?;
        let log = storage::beside(path, "-wal").metadata();
        let has_no_log = !log.is_ok_and(|log| log.len() > 0);
        Ok(Self { bytes: found.len(), modified: found.modified().ok(), has_no_log })
    }

    /// Reports whether the file at `path` is still in this state.
    pub(super) fn holds(&self, path: &Path) -> bool {
        Self::of(path).is_ok_and(|now| now == *self)
    }
}

//! Cache of files other than pages: robots.txt for a day, and llms.txt as long as it does not
//! exist.
//!
//! It is loaded when a run begins and reports what was fetched since; storing that is up to the
//! caller.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::SiteFile;
use crate::support::clock::now_ms;

/// A file is fetched again after this: RFC 9309, section 2.4.
pub(super) const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Limit on the bytes of files, of all hosts together, that one run reports for storing; the next
/// run fetches others again.
const FETCHED_BYTES_MAX: usize = 32 << 20;

/// The cached files.
#[derive(Debug, Default)]
pub(super) struct FileCache {
    known: Mutex<HashMap<String, SiteFile>>,
    fetched: Mutex<Fetched>,
}

#[derive(Debug, Default)]
struct Fetched {
    files: Vec<SiteFile>,
    /// Bytes of these and of those reported before.
    bytes: usize,
}

impl FileCache {
    /// Loads the files that earlier runs have fetched.
    pub(super) fn load(&self, files: Vec<SiteFile>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(files.into_iter().map(|file| (file.url.clone(), file)));
    }

    /// Returns the file at `url` and its age, unless it is too old.
    pub(super) fn find(&self, url: &str) -> Option<(Option<Vec<u8>>, Duration)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let file = known.get(url)?;
        // If the clock was set back, the age is negative and the file counts as unknown.
        let age =
            Duration::from_millis(u64::try_from(now_ms().saturating_sub(file.fetched_ms)).ok()?);
        (age < AGE_MAX).then(|| (file.body.clone(), age))
    }

    /// Returns the file at `url`, however old; `None` if nothing is known about it.
    pub(super) fn last(&self, url: &str) -> Option<Option<Vec<u8>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(url).map(|file| file.body.clone())
    }

    /// Records what was just fetched.
    pub(super) fn note(&self, url: &str, body: Option<&[u8]>) {
        let body = body.map(<[u8]>::to_vec);
        let file = SiteFile { url: url.to_owned(), fetched_ms: now_ms(), body };
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let size_bytes = file.url.len() + file.body.as_ref().map_or(0, Vec::len);
        if fetched.bytes + size_bytes <= FETCHED_BYTES_MAX {
            fetched.bytes += size_bytes;
            fetched.files.push(file);
        }
    }

    /// Returns what was fetched since the last call.
    pub(super) fn take_fetched(&self) -> Vec<SiteFile> {
        std::mem::take(&mut self.fetched.lock().unwrap_or_else(PoisonError::into_inner).files)
    }
}

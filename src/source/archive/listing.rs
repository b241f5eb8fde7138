//! The listing of an archive from when it was last unpacked, so that an unchanged one need not be
//! unpacked to be listed.
//!
//! On disk: one file per source in the cache of the knowledge base, always written as a whole. Its
//! first line is the checksum of the rest, which is JSON. It may be deleted at any time: if it is
//! damaged, the archive is unpacked again. Only a run writes it, and the run holds the lock of the
//! knowledge base.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tracing::debug;

use super::member::Listed;
use crate::source::file::Stamp;
use crate::support::cache::{Cache, LISTINGS};
use crate::support::files;
use crate::support::fingerprint::Fingerprint;

/// Changes whenever the same archive and settings would give another listing.
const FORMAT: &str = "members@1";
/// Limit on a listing: `max_members` of the longest names.
const LISTING_BYTES_MAX: u64 = 1 << 30;

/// Stores the listing of one archive, with the settings that it depends on.
pub(super) struct ListingStore {
    cache: Arc<Cache>,
    name: String,
    settings: String,
}

/// A stored listing.
#[derive(Serialize, Deserialize)]
struct StoredListing<L> {
    settings: String,
    /// Size and mtime, if any later write would change them.
    stamp: Option<String>,
    /// Hash of the archive.
    hash: String,
    listed: L,
}

/// The state of an archive before it is unpacked.
pub(super) struct State {
    stamp: Stamp,
    hash: String,
}

impl State {
    /// Reads the archive once, and rewinds it.
    fn of(archive: &mut File, stamp: Stamp) -> io::Result<Self> {
        archive.rewind()?;
        let mut hasher = blake3::Hasher::new();
        io::copy(archive, &mut hasher)?;
        archive.rewind()?;
        Ok(Self { stamp, hash: hasher.finalize().to_hex().to_string() })
    }

    /// Returns the stamp as text, if a later write cannot leave it unchanged.
    fn trusted_stamp(&self) -> Option<String> {
        self.stamp.is_settled(SystemTime::now()).then(|| self.stamp.version().0)
    }
}

impl ListingStore {
    /// Stores the listing as `name` in `cache`; `settings` are those that it depends on.
    pub(super) fn new(cache: &Arc<Cache>, name: String, settings: &Fingerprint) -> Self {
        Self { cache: Arc::clone(cache), name, settings: format!("{FORMAT} {settings}") }
    }

    fn path(&self) -> io::Result<PathBuf> {
        Ok(self.cache.subfolder(LISTINGS)?.path().join(&self.name))
    }

    /// Returns the stored listing if the archive is unchanged, else the archive's state, to store
    /// its listing later. Reads the archive only if its stamp cannot be trusted.
    pub(super) fn find(
        &self,
        archive: &mut File,
        stamp: Stamp,
    ) -> io::Result<Result<Listed, State>> {
        let stored = self.load().filter(|stored| stored.settings == self.settings);
        let has_stamp =
            |stored: &StoredListing<_>| stored.stamp.as_ref() == Some(&stamp.version().0);
        let stored = match stored {
            Some(stored) if has_stamp(&stored) => return Ok(Ok(stored.listed)),
            stored => stored,
        };
        let state = State::of(archive, stamp)?;
        let Some(mut stored) = stored.filter(|stored| stored.hash == state.hash) else {
            return Ok(Err(state));
        };
        stored.stamp = state.trusted_stamp();
        self.save(&stored);
        Ok(Ok(stored.listed))
    }

    /// Stores the listing, unless the archive has changed meanwhile.
    pub(super) fn keep(&self, archive: &File, before: &State, listed: &Listed) {
        if archive.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == before.stamp) {
            self.save(&StoredListing {
                settings: self.settings.clone(),
                stamp: before.trusted_stamp(),
                hash: before.hash.clone(),
                listed,
            });
        }
    }

    fn load(&self) -> Option<StoredListing<Listed>> {
        let mut text = String::new();
        let file = files::open(&self.path().ok()?).ok()?;
        file.take(LISTING_BYTES_MAX).read_to_string(&mut text).ok()?;
        let (checksum, body) = text.split_once('\n')?;
        let is_whole = blake3::hash(body.as_bytes()).to_hex().as_str() == checksum;
        if is_whole { serde_json::from_str(body).ok() } else { None }
    }

    /// Failures are only logged: a listing that cannot be stored is made again.
    fn save<L: Serialize>(&self, stored: &StoredListing<L>) {
        let write = || {
            let body = serde_json::to_string(stored)?;
            let text = format!("{}\n{body}", blake3::hash(body.as_bytes()).to_hex());
            files::replace(&self.path()?, text.as_bytes())
        };
        if let Err(error) = write() {
            debug!(name = self.name, %error, "listing not stored");
        }
    }
}

//! What an archive held when it was last unpacked, so that one that is the same is not unpacked to list it.
//!
//! On disk: one file for each source in the cache of the knowledge base, written anew as a whole. Its first line
//! is the checksum of the rest, which is JSON. It may be deleted at any time: whatever is wrong with it costs
//! unpacking and nothing else. Only a run writes it, which holds the lock of the knowledge base.

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

/// Changes whenever the same archive and settings would be listed differently.
const FORMAT: &str = "members@1";
/// No listing is larger: `max_members` of the longest names.
const LISTING_BYTES_MAX: u64 = 1 << 30;

/// Where a listing is kept, and what else than the archive decides it.
pub(super) struct Shelf {
    cache: Arc<Cache>,
    name: String,
    settings: String,
}

/// An archive as it was listed.
#[derive(Serialize, Deserialize)]
struct Kept<L> {
    settings: String,
    /// Size and mtime, where any later write would change them.
    stamp: Option<String>,
    /// Hash of the archive.
    hash: String,
    listed: L,
}

/// An archive as it was before it was unpacked.
pub(super) struct State {
    stamp: Stamp,
    hash: String,
}

impl State {
    /// Reads the archive once, and stands at its start again.
    fn of(archive: &mut File, stamp: Stamp) -> io::Result<Self> {
        archive.rewind()?;
        let mut hasher = blake3::Hasher::new();
        io::copy(archive, &mut hasher)?;
        archive.rewind()?;
        Ok(Self { stamp, hash: hasher.finalize().to_hex().to_string() })
    }

    /// Tells the stamp, where a later write cannot leave it as it is.
    fn told(&self) -> Option<String> {
        self.stamp.is_settled(SystemTime::now()).then(|| self.stamp.version().0)
    }
}

impl Shelf {
    /// Keeps the listing as `name` in `cache`; `settings` are those that decide it.
    pub(super) fn new(cache: &Arc<Cache>, name: String, settings: &str) -> Self {
        Self { cache: Arc::clone(cache), name, settings: format!("{FORMAT} {settings}") }
    }

    fn path(&self) -> io::Result<PathBuf> {
        Ok(self.cache.subfolder(LISTINGS)?.path().join(&self.name))
    }

    /// Returns what the archive holds, where it is as it was, else its state, by which to keep what it holds now. Only
    /// an archive whose stamp is not trusted is read.
    pub(super) fn find(
        &self,
        archive: &mut File,
        stamp: Stamp,
    ) -> io::Result<Result<Listed, State>> {
        let kept = self.load().filter(|kept| kept.settings == self.settings);
        let has_stamp = |kept: &Kept<_>| kept.stamp.as_ref() == Some(&stamp.version().0);
        let kept = match kept {
            Some(kept) if has_stamp(&kept) => return Ok(Ok(kept.listed)),
            kept => kept,
        };
        let state = State::of(archive, stamp)?;
        let Some(mut kept) = kept.filter(|kept| kept.hash == state.hash) else {
            return Ok(Err(state));
        };
        kept.stamp = state.told();
        self.save(&kept);
        Ok(Ok(kept.listed))
    }

    /// Keeps what the archive holds, unless it changed meanwhile.
    pub(super) fn keep(&self, archive: &File, before: &State, listed: &Listed) {
        if archive.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == before.stamp) {
            self.save(&Kept {
                settings: self.settings.clone(),
                stamp: before.told(),
                hash: before.hash.clone(),
                listed,
            });
        }
    }

    fn load(&self) -> Option<Kept<Listed>> {
        let mut text = String::new();
        let file = files::open(&self.path().ok()?).ok()?;
        file.take(LISTING_BYTES_MAX).read_to_string(&mut text).ok()?;
        let (checksum, body) = text.split_once('\n')?;
        let is_whole = blake3::hash(body.as_bytes()).to_hex().as_str() == checksum;
        if is_whole { serde_json::from_str(body).ok() } else { None }
    }

    /// A listing that cannot be kept is made again.
    fn save<L: Serialize>(&self, kept: &Kept<L>) {
        let write = || {
            let body = serde_json::to_string(kept)?;
            let text = format!("{}\n{body}", blake3::hash(body.as_bytes()).to_hex());
            files::replace(&self.path()?, text.as_bytes())
        };
        if let Err(error) = write() {
            debug!(name = self.name, %error, "listing not kept");
        }
    }
}

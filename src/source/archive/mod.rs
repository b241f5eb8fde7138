//! An archive (zip, tar, tar.gz) as a source: its members are documents.
//!
//! No member is ever written under its own name: wanted members go into one unnamed file in the
//! cache of the knowledge base, from which they are read. The system frees it when the process
//! ends, even if it is killed. An archive that is unchanged since an earlier run is listed without
//! unpacking it (`listing.rs`), and unpacked only when a member is read. Names, sizes, number and
//! nesting of members are checked, whatever the archive claims.

mod config;
mod listing;
mod member;
mod tar;
mod unpack;
mod zip;

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::located::Located;

use self::listing::ListingStore;
use self::member::{Listed, Member, Wanted};
use self::unpack::{UnpackError, Unpacked, Unpacking};
use super::file::Stamp;
use super::globs::Globs;
use super::{
    ByteSize, Content, ListError, Listing, Setting, Source, SourceError, lfs, limited, uri,
};
use crate::domain::{DocumentError, Entry, Version};
use crate::support::cache::{Cache, SPOOL};
use crate::support::checkpoint::StopSignal;
use crate::support::files;
use crate::support::fingerprint::Fingerprint;

pub use config::ArchiveConfig;

/// Changes whenever the same archive would give other members.
const LISTED_BY: &str = "unpack@3";

/// Members of one archive.
pub struct ArchiveSource {
    name: String,
    path: PathBuf,
    wanted: Wanted,
    limits: Limits,
    max_documents: u64,
    /// Where the unnamed file is created.
    cache: Arc<Cache>,
    stop: Arc<StopSignal>,
    listings: ListingStore,
    /// The archive as last unpacked, with its version.
    unpacked: Mutex<Option<(Version, Arc<Unpacked>)>>,
}

/// Limits, whatever an archive claims.
#[derive(Clone, Copy, Debug)]
struct Limits {
    file_size: ByteSize,
    total_size: ByteSize,
    members: u64,
    depth: u32,
}

impl ArchiveSource {
    /// Prepares the source without touching its file.
    pub fn new(config: &ArchiveConfig, setting: &Setting<'_>) -> Result<Self, SourceError> {
        let name = config.name.get_ref().clone();
        let globs = Globs::of_source(&name, &config.include, &config.exclude)?;
        let limits = Limits {
            file_size: *config.max_file_size.get_ref(),
            total_size: *config.max_total_size.get_ref(),
            members: config.max_members,
            depth: *config.max_depth.get_ref(),
        };
        let path = setting.base.join(config.path.get_ref());
        let settings = Fingerprint::of_code(LISTED_BY)
            .with("path", path.display())
            .with_each("include", config.include.iter().map(Located::get_ref))
            .with_each("exclude", config.exclude.iter().map(Located::get_ref))
            .with("hidden", config.hidden)
            .with("max_file_size", limits.file_size.0)
            .with("max_total_size", limits.total_size.0)
            .with("max_members", limits.members)
            .with("max_depth", limits.depth);
        Ok(Self {
            path,
            wanted: Wanted { globs, hidden: config.hidden },
            limits,
            max_documents: *config.max_documents.get_ref(),
            cache: Arc::clone(setting.cache),
            stop: setting.stop.clone(),
            listings: ListingStore::new(setting.cache, listing_name(config), &settings),
            unpacked: Mutex::new(None),
            name,
        })
    }

    fn unreachable(&self, source: io::Error) -> SourceError {
        SourceError::Unreachable { name: self.name.clone(), path: self.path.clone(), source }
    }

    fn open(&self) -> Result<(File, Stamp), SourceError> {
        // Opening a FIFO would wait for its writer.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let archive = File::options().read(true).custom_flags(flags).open(&self.path);
        let archive = archive.map_err(|error| self.unreachable(error))?;
        let metadata = archive.metadata().map_err(|error| self.unreachable(error))?;
        if !metadata.is_file() {
            return Err(self.unreachable(io::Error::other("not a regular file")));
        }
        Ok((archive, Stamp::of(&metadata)))
    }

    /// Returns the current content of the archive; unpacks it if the content is not known.
    fn listed(&self) -> Result<Arc<Listed>, SourceError> {
        let (mut archive, stamp) = self.open()?;
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, unpacked)) = &*unpacked
            && *known == stamp.version()
        {
            return Ok(Arc::clone(&unpacked.listed));
        }
        let stored =
            self.listings.find(&mut archive, stamp).map_err(|error| self.unreachable(error))?;
        let before = match stored {
            Ok(listed) => {
                *unpacked = None;
                return Ok(Arc::new(listed));
            }
            Err(state) => state,
        };
        let all = self.unpack(&mut archive, &self.stop)?;
        self.listings.keep(&archive, &before, &all.listed);
        let listed = Arc::clone(&all.listed);
        *unpacked = Some((stamp.version(), Arc::new(all)));
        Ok(listed)
    }

    fn unpack(&self, archive: &mut File, stop: &StopSignal) -> Result<Unpacked, SourceError> {
        let folder = self.cache.folder();
        let spool = match &folder {
            Ok(folder) => folder.path().join(format!("{SPOOL}{}", self.name)),
            Err(_) => self.cache.shown_path(),
        };
        let no_spool = |source| SourceError::of_cache(&self.name, &spool, source);
        let spool = folder.and_then(|_| files::nameless(&spool)).map_err(no_spool)?;
        let unpacking = Unpacking::new(&self.wanted, self.limits, stop, spool);
        unpacking.run(archive).map_err(|spoiled| match spoiled {
            UnpackError::Stopped => SourceError::Stopped,
            UnpackError::Archive(reason) => self.unreachable(io::Error::other(reason)),
            UnpackError::Spool(source) => no_spool(source),
        })
    }

    /// Returns the unpacked archive, in the version listed, or in its current one if a stored
    /// listing was used.
    fn unpacked(&self) -> Result<Arc<Unpacked>, SourceError> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, unpacked)) = &*unpacked {
            return Ok(Arc::clone(unpacked));
        }
        let (mut archive, stamp) = self.open()?;
        // Runs even during a stop: a document not read because of a stop would count as failed, and
        // the work is bounded.
        let all = Arc::new(self.unpack(&mut archive, &StopSignal::default())?);
        *unpacked = Some((stamp.version(), Arc::clone(&all)));
        Ok(all)
    }
}

impl Source for ArchiveSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Listing<'_>, SourceError> {
        let listed = self.listed()?;
        let problems = listed.problems.len();
        let count = problems + listed.members.len();
        let listing = (0..count).map(move |at| match listed.problems.get(at) {
            Some(problem) => Err(ListError {
                uri: problem.uri.clone(),
                blocks_deletions: problem.blocks_deletions,
                is_limit: false,
                source: io::Error::other(problem.reason.clone()),
            }),
            None => Ok(listed.members[at - problems].entry()),
        });
        Ok(limited(Box::new(listing), self.max_documents))
    }

    fn read(&self, entry: &Entry) -> Result<Content, DocumentError> {
        let transient =
            |source: io::Error| DocumentError::unreadable(Path::new(&entry.uri), source);
        let unpacked = self.unpacked().map_err(|error| transient(io::Error::other(error)))?;
        let members = &unpacked.listed.members;
        let found = members.binary_search_by(|one| uri::uri_order(&one.uri, &entry.uri));
        let Ok(at) = found else {
            return Err(transient(io::Error::other("it is not in the archive any more")));
        };
        let member: &Member = &members[at];
        if let Some(reason) = &member.too_large {
            return Err(DocumentError::skipped(&entry.uri, reason));
        }
        if let Some(reason) = &member.damage {
            return Err(DocumentError::permanent(&entry.uri, reason));
        }
        let mut bytes = vec![0; usize::try_from(member.size_bytes).unwrap_or(0)];
        unpacked.spool.read_exact_at(&mut bytes, member.offset).map_err(transient)?;
        if lfs::is_pointer(&bytes) {
            let reason = "a Git LFS pointer; the content itself is not in the archive";
            return Err(DocumentError::skipped(&entry.uri, reason));
        }
        Ok(Content { bytes, version: member.entry().version, metadata: Default::default() })
    }
}

/// Returns the name under which the listing of an archive is stored.
pub(super) fn listing_name(config: &ArchiveConfig) -> String {
    format!("{}.json", config.name.get_ref())
}

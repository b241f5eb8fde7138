//! An archive (zip, tar, tar.gz) as a source: its members are documents.
//!
//! No member is ever written under its own name: those that are wanted go into one file without a name, beside
//! the knowledge base, from which they are read. The system frees it when the process ends, however it ends.
//! Names, sizes, number and nesting of members are not believed but checked, whatever the archive says.

mod config;
mod member;
mod unpack;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use self::member::{Member, Wanted};
use self::unpack::{Spoiled, Unpacked, Unpacking};
use super::globs::Globs;
use super::{
    ByteSize, Content, ListError, Listing, ReadError, Setting, Source, SourceError, file, uri,
};
use crate::domain::{Entry, Version};
use crate::support::checkpoint::StopSignal;

pub use config::ArchiveConfig;

/// Members of one archive.
pub struct ArchiveSource {
    name: String,
    path: PathBuf,
    wanted: Wanted,
    limits: Limits,
    /// Where the file without a name is made.
    spool: PathBuf,
    stop: Arc<StopSignal>,
    /// The archive as it was last unpacked, with its version.
    unpacked: Mutex<Option<(Version, Arc<Unpacked>)>>,
}

/// What is refused, whatever an archive says of itself.
#[derive(Clone, Copy)]
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
        let globs = Globs::new(
            config.include.iter().map(|pattern| pattern.get_ref().as_str()),
            config.exclude.iter().map(|pattern| pattern.get_ref().as_str()),
        )
        .map_err(|reason| SourceError::Config { name: name.clone(), reason })?;
        Ok(Self {
            path: setting.base.join(config.path.get_ref()),
            wanted: Wanted { globs, hidden: config.hidden },
            limits: Limits {
                file_size: *config.max_file_size.get_ref(),
                total_size: *config.max_total_size.get_ref(),
                members: config.max_members,
                depth: *config.max_depth.get_ref(),
            },
            spool: setting.spool.to_owned(),
            stop: setting.stop.clone(),
            unpacked: Mutex::new(None),
            name,
        })
    }

    /// Returns the members as they are now.
    fn unpacked(&self) -> Result<Arc<Unpacked>, SourceError> {
        let unreachable = |source| SourceError::Unreachable {
            name: self.name.clone(),
            path: self.path.clone(),
            source,
        };
        let mut archive = File::open(&self.path).map_err(unreachable)?;
        let metadata = archive.metadata().map_err(unreachable)?;
        if !metadata.is_file() {
            return Err(unreachable(io::Error::other("not a regular file")));
        }
        let now = file::Stamp::of(&metadata).version();
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, unpacked)) = &*unpacked
            && *known == now
        {
            return Ok(Arc::clone(unpacked));
        }
        let spool = nameless(&self.spool).map_err(|source| SourceError::Unreachable {
            name: self.name.clone(),
            path: self.spool.clone(),
            source,
        })?;
        let unpacking = Unpacking::new(&self.wanted, self.limits, &self.stop, spool);
        let all = unpacking.run(&mut archive).map_err(|spoiled| match spoiled {
            Spoiled::Stopped => SourceError::Stopped,
            Spoiled::Archive(reason) => unreachable(io::Error::other(reason)),
            Spoiled::Spool(source) => SourceError::Unreachable {
                name: self.name.clone(),
                path: self.spool.clone(),
                source,
            },
        })?;
        let (_, all) = unpacked.insert((now, Arc::new(all)));
        Ok(Arc::clone(all))
    }

    fn find(&self, wanted: &str) -> Option<(Arc<Unpacked>, usize)> {
        let unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, unpacked) = unpacked.as_ref()?;
        let at = unpacked.members.binary_search_by(|one| uri::uri_order(&one.uri, wanted)).ok()?;
        Some((Arc::clone(unpacked), at))
    }
}

impl Source for ArchiveSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Listing<'_>, SourceError> {
        let unpacked = self.unpacked()?;
        let problems = unpacked.problems.len();
        let count = problems + unpacked.members.len();
        Ok(Box::new((0..count).map(move |at| match unpacked.problems.get(at) {
            Some(problem) => Err(ListError {
                uri: problem.uri.clone(),
                blocks_deletions: problem.blocks_deletions,
                source: io::Error::other(problem.reason.clone()),
            }),
            None => Ok(unpacked.members[at - problems].entry()),
        })))
    }

    fn read(&self, entry: &Entry) -> Result<Content, ReadError> {
        let path = || Path::new(&entry.uri).to_owned();
        let Some((unpacked, at)) = self.find(&entry.uri) else {
            let source = io::Error::other("it is not in the archive any more");
            return Err(ReadError::Transient { path: path(), source });
        };
        let member: &Member = &unpacked.members[at];
        if let Some(reason) = &member.too_large {
            return Err(ReadError::Skipped { path: path(), reason: reason.clone() });
        }
        if let Some(reason) = &member.damage {
            return Err(ReadError::Permanent { path: path(), reason: reason.clone() });
        }
        let mut bytes = vec![0; usize::try_from(member.size_bytes).unwrap_or(0)];
        unpacked
            .spool
            .read_exact_at(&mut bytes, member.offset)
            .map_err(|source| ReadError::Transient { path: path(), source })?;
        Ok(Content { bytes, version: member.entry().version, metadata: Default::default() })
    }
}

/// Makes a file that has no name any more.
fn nameless(path: &Path) -> io::Result<File> {
    // What a process left that was killed between the two.
    let _ = std::fs::remove_file(path);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}

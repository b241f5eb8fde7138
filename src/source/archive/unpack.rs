//! Unpacks every wanted member into the spool, including nested archives up to the allowed depth.
//!
//! Everything unpacked counts, wanted or not, so that `max_total_size` and `max_members` together
//! bound the work.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use zip::ZipReadOptions;

use super::member::{Listed, Member, NAME_BYTES_MAX, Name, Problem, Wanted};
use super::tar::TarReader;
use super::{Limits, zip as directory};
use crate::source::{ByteSize, own, uri};
use crate::support::checkpoint::StopSignal;

/// Extensions of members that are archives themselves.
const ARCHIVE_ENDINGS: [&str; 4] = [".zip", ".tar", ".tar.gz", ".tgz"];

/// Problems of members that are reported one by one.
const PROBLEMS_MAX: usize = 100;

/// Limit on the bytes of names kept, for each member allowed.
const NAME_BYTES_PER_MEMBER: u64 = 256;

/// Lower bound of that limit.
const NAMES_BYTES_MIN: u64 = 1 << 20;

/// Limit on folders that are recognised as made by kbingest.
const OWN_FOLDERS_MAX: usize = 1000;

/// Offset of the magic in a tar file (POSIX.1-1988, ustar).
const TAR_MARK_AT: usize = 257;

/// An archive that has been unpacked.
pub(super) struct Unpacked {
    pub(super) listed: Arc<Listed>,
    pub(super) spool: File,
}

/// Why an archive could not be unpacked at all.
pub(super) enum UnpackError {
    /// The run is stopping.
    Stopped,
    /// It cannot be read at all.
    Archive(String),
    /// The spool cannot be written.
    Spool(io::Error),
}

/// Why unpacking an archive, or one inside it, ended early.
enum Interruption {
    /// It is damaged, or over a limit; the members before that are kept.
    Here(String),
    /// The whole archive fails.
    Fatal(UnpackError),
}

impl From<io::Error> for Interruption {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<StopAsked>()) {
            return Self::Fatal(UnpackError::Stopped);
        }
        Self::Here(format!("it ends early: {error}"))
    }
}

/// An archive being unpacked.
pub(super) struct Unpacking<'a> {
    wanted: &'a Wanted,
    limits: Limits,
    stop: &'a StopSignal,
    spool: File,
    written: u64,
    unpacked_bytes: u64,
    seen: u64,
    names_bytes: u64,
    members: Vec<Member>,
    /// URIs of folders that kbingest made, each with a `/` at its end.
    own_folders: Vec<String>,
    problems: Vec<Problem>,
    /// Problems that are not reported one by one.
    unreported: u64,
    /// Whether one of them may hide a document.
    unreported_block_deletions: bool,
}

/// The input: an archive, or a member that is one.
trait Input: Read + Seek {}

impl<T: Read + Seek> Input for T {}

impl<'a> Unpacking<'a> {
    pub(super) fn new(
        wanted: &'a Wanted,
        limits: Limits,
        stop: &'a StopSignal,
        spool: File,
    ) -> Self {
        Self {
            wanted,
            limits,
            stop,
            spool,
            written: 0,
            unpacked_bytes: 0,
            seen: 0,
            names_bytes: 0,
            members: Vec::new(),
            own_folders: Vec::new(),
            problems: Vec::new(),
            unreported: 0,
            unreported_block_deletions: false,
        }
    }

    /// Unpacks the archive; if it ends early, the members before that are kept.
    pub(super) fn run(mut self, archive: &mut File) -> Result<Unpacked, UnpackError> {
        match self.open("", 0, archive) {
            Err(Interruption::Fatal(error)) => return Err(error),
            Err(Interruption::Here(reason)) if self.seen == 0 => {
                return Err(UnpackError::Archive(reason));
            }
            Err(Interruption::Here(reason)) => {
                let uri = String::new();
                self.problems.insert(0, Problem { uri, blocks_deletions: true, reason });
            }
            Ok(()) => {}
        }
        let Self {
            mut members,
            own_folders,
            mut problems,
            spool,
            unreported,
            unreported_block_deletions,
            ..
        } = self;
        let is_own = |uri: &str| own_folders.iter().any(|folder| uri.starts_with(folder.as_str()));
        members.retain(|member| !is_own(&member.uri));
        problems.retain(|problem| !is_own(&problem.uri));
        if unreported > 0 {
            problems.push(Problem {
                uri: "(other members)".to_owned(),
                blocks_deletions: unreported_block_deletions,
                reason: format!("{unreported} more with problems"),
            });
        }
        // As in tar, a later member of the same name replaces an earlier one.
        members.reverse();
        members.sort_by(|a, b| uri::uri_order(&a.uri, &b.uri));
        members.dedup_by(|later, first| later.uri == first.uri);
        Ok(Unpacked { listed: Arc::new(Listed { members, problems }), spool })
    }

    fn open(
        &mut self,
        outer: &str,
        depth: u32,
        archive: &mut dyn Input,
    ) -> Result<(), Interruption> {
        let damaged = |error: io::Error| Interruption::Here(format!("it cannot be read: {error}"));
        let mut start = Vec::new();
        archive.take(512).read_to_end(&mut start).map_err(damaged)?;
        archive.rewind().map_err(damaged)?;
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            self.unpack_zip(outer, depth, archive)
        } else if start.starts_with(b"\x1f\x8b") {
            self.unpack_tar(outer, depth, &mut MultiGzDecoder::new(archive))
        } else if start.get(TAR_MARK_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
            self.unpack_tar(outer, depth, archive)
        } else {
            Err(Interruption::Here("it is not a zip, tar or tar.gz file".to_owned()))
        }
    }

    fn unpack_zip(
        &mut self,
        outer: &str,
        depth: u32,
        archive: &mut dyn Input,
    ) -> Result<(), Interruption> {
        let damaged =
            |error| Interruption::Here(format!("it cannot be read as a zip file: {error}"));
        let mut zip = directory::open(archive).map_err(damaged)?;
        let left = self.limits.members.saturating_sub(self.seen);
        let shares = directory::sharing(&mut zip, left).map_err(damaged)?;
        let files = zip.files().map_err(damaged)?;
        let mut index = 0;
        while let Some(member) = files.next() {
            self.see_member()?;
            let member = member.map_err(|error| {
                Interruption::Here(format!("its directory is damaged: {error}"))
            })?;
            let is_sharing = shares.get(index).copied().unwrap_or(true);
            index += 1;
            let name = member
                .name()
                .map_or_else(|_| member.name_raw().to_vec(), |name| name.into_owned().into_bytes());
            let is_file = member.is_file() && !member.is_symlink();
            let Some(uri) = self.admit(outer, depth, &name, name.len() as u64, is_file)? else {
                continue;
            };
            if is_sharing {
                self.damaged(
                    uri,
                    "shares its bytes with another member, as a zip bomb does".into(),
                );
                continue;
            }
            if member.encrypted() {
                self.damaged(uri, "is encrypted: it opens with a password only".to_owned());
                continue;
            }
            match member.with_reader(files.reader_mut(), ZipReadOptions::default()) {
                Ok(mut member) => self.take(uri, depth, &mut member)?,
                Err(error) => self.damaged(uri, format!("is damaged: {error}")),
            }
        }
        Ok(())
    }

    fn unpack_tar(
        &mut self,
        outer: &str,
        depth: u32,
        stream: &mut dyn Read,
    ) -> Result<(), Interruption> {
        let limit = self.limits.total_size;
        let before = self.unpacked_bytes;
        let left = limit.0.saturating_sub(before);
        let mut stream = Counted { inner: stream, count: 0, left, limit, stop: self.stop };
        let mut archive = TarReader::new(&mut stream);
        while let Some(member) = archive.next(|| self.see_member())? {
            self.see_member()?;
            let (name, is_file) = (&member.name, member.is_file);
            match self.admit(outer, depth, name, member.name_bytes, is_file)? {
                Some(uri) if member.is_sparse => {
                    self.damaged(uri, "is stored with its holes left out (sparse)".to_owned());
                }
                Some(uri) => self.take(uri, depth, &mut archive)?,
                None => {}
            }
        }
        // Bytes read without being wanted count, too.
        self.unpacked_bytes = self.unpacked_bytes.max(before + stream.count);
        Ok(())
    }

    fn see_member(&mut self) -> Result<(), Interruption> {
        if self.stop.is_requested() {
            return Err(Interruption::Fatal(UnpackError::Stopped));
        }
        self.seen += 1;
        if self.seen > self.limits.members {
            let max = self.limits.members;
            return Err(Interruption::Here(format!("it has more than max_members ({max})")));
        }
        Ok(())
    }

    /// Returns the URI of a member to unpack; `name` may only be the beginning of its `name_bytes`
    /// bytes.
    fn admit(
        &mut self,
        outer: &str,
        depth: u32,
        name: &[u8],
        name_bytes: u64,
        is_file: bool,
    ) -> Result<Option<String>, Interruption> {
        if !is_file {
            return Ok(None);
        }
        self.note_own_folder(outer, name);
        match self.wanted.judge(outer, name, name_bytes) {
            Name::Wanted(uri) => {
                let opens = depth < self.limits.depth && is_archive(&uri);
                let is_wanted =
                    if opens { self.wanted.wants_below(&uri) } else { self.wanted.wants(&uri) };
                if !is_wanted {
                    return Ok(None);
                }
                self.names_bytes += uri.len() as u64;
                let max =
                    self.limits.members.saturating_mul(NAME_BYTES_PER_MEMBER).max(NAMES_BYTES_MIN);
                if self.names_bytes > max {
                    let max = ByteSize(max);
                    return Err(Interruption::Here(format!("its names are over {max} together")));
                }
                return Ok(Some(uri));
            }
            Name::Leaves(uri) => {
                let reason = "its name leads out of the archive; it is left out".to_owned();
                self.problem(Problem { uri, blocks_deletions: false, reason });
            }
            Name::TooLong(uri) => {
                let reason = format!(
                    "its name is over {NAME_BYTES_MAX} bytes, or {} with the archives that it is in; it is left out",
                    uri::BYTES_MAX
                );
                self.problem(Problem { uri, blocks_deletions: true, reason });
            }
            Name::Unwanted => {}
        }
        Ok(None)
    }

    /// Remembers the folder of the member `name` if kbingest made it: nothing in it is a document.
    fn note_own_folder(&mut self, outer: &str, name: &[u8]) {
        let folder = own::marked_folder(Path::new(OsStr::from_bytes(name)));
        if let Some(folder) = folder.filter(|_| self.own_folders.len() < OWN_FOLDERS_MAX) {
            let folder = folder.strip_prefix(".").unwrap_or(folder);
            self.own_folders.push(format!("{outer}{}/", uri::encode(folder)));
        }
    }

    /// Unpacks a member into the spool, or opens it if it is an archive.
    fn take(&mut self, uri: String, depth: u32, member: &mut dyn Read) -> Result<(), Interruption> {
        let Limits { file_size, total_size, .. } = self.limits;
        let left = total_size.0.saturating_sub(self.unpacked_bytes);
        let mut bytes = Vec::new();
        let limit = file_size.0.min(left).saturating_add(1);
        let result = member.take(limit).read_to_end(&mut bytes);
        let size_bytes = bytes.len() as u64;
        self.unpacked_bytes += size_bytes;
        if size_bytes > left {
            return Err(Interruption::Here(over_total(total_size)));
        }
        if let Err(error) = result {
            if error.get_ref().is_some_and(|inner| inner.is::<OverTotal>()) {
                return Err(Interruption::Here(over_total(total_size)));
            }
            if error.get_ref().is_some_and(|inner| inner.is::<StopAsked>()) {
                return Err(Interruption::Fatal(UnpackError::Stopped));
            }
            self.damaged(uri, format!("is damaged: {error}"));
            return Ok(());
        }
        if size_bytes > file_size.0 {
            let reason = format!("it is over max_file_size ({file_size})");
            let version = Member::version_of(blake3::hash(&bytes));
            let too_large = Some(reason);
            self.members.push(Member {
                uri,
                version,
                size_bytes: 0,
                offset: 0,
                too_large,
                damage: None,
            });
            return Ok(());
        }
        if depth < self.limits.depth && is_archive(&uri) {
            return self.open_inner(uri, depth, bytes);
        }
        if own::is_content(&bytes) {
            return Ok(());
        }
        self.spool
            .write_all(&bytes)
            .map_err(|error| Interruption::Fatal(UnpackError::Spool(error)))?;
        let offset = self.written;
        self.written += size_bytes;
        let version = Member::version_of(blake3::hash(&bytes));
        self.members.push(Member {
            uri,
            version,
            size_bytes,
            offset,
            too_large: None,
            damage: None,
        });
        Ok(())
    }

    fn open_inner(&mut self, uri: String, depth: u32, bytes: Vec<u8>) -> Result<(), Interruption> {
        let outer = format!("{uri}/");
        match self.open(&outer, depth + 1, &mut Cursor::new(bytes)) {
            Err(Interruption::Here(reason)) => {
                self.problem(Problem { uri, blocks_deletions: true, reason });
                let is_over = self.unpacked_bytes > self.limits.total_size.0
                    || self.seen > self.limits.members;
                if is_over {
                    Err(Interruption::Here("an archive in it is over a limit".to_owned()))
                } else {
                    Ok(())
                }
            }
            other => other,
        }
    }

    fn damaged(&mut self, uri: String, reason: String) {
        let version = Member::version_of(blake3::hash(reason.as_bytes()));
        self.members.push(Member {
            uri,
            version,
            size_bytes: 0,
            offset: 0,
            too_large: None,
            damage: Some(reason),
        });
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.iter().any(|one| one.uri == problem.uri) {
            // Two problems of one document become one; it is kept if either blocks its deletion.
            let known = self.problems.iter_mut().filter(|one| one.uri == problem.uri);
            known.for_each(|one| one.blocks_deletions |= problem.blocks_deletions);
        } else if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.unreported += 1;
            self.unreported_block_deletions |= problem.blocks_deletions;
        }
    }
}

fn is_archive(uri: &str) -> bool {
    let uri = uri.to_ascii_lowercase();
    ARCHIVE_ENDINGS.iter().any(|ending| uri.ends_with(ending))
}

fn over_total(limit: ByteSize) -> String {
    format!("it unpacks to more than max_total_size ({limit}); the rest is left out")
}

/// The error of a stream that exceeds its limit.
#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than max_total_size ({0}); the rest is left out")]
struct OverTotal(ByteSize);

/// The error of a stream when the run is stopping.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
struct StopAsked;

/// A stream that fails after a number of bytes, or when the run is stopping.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    count: u64,
    left: u64,
    limit: ByteSize,
    stop: &'a StopSignal,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_requested() {
            return Err(io::Error::other(StopAsked));
        }
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        if self.count > self.left {
            return Err(io::Error::other(OverTotal(self.limit)));
        }
        Ok(count)
    }
}

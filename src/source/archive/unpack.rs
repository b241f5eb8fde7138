//! Unpacking: every wanted member into the spool, archives inside archives as deep as is allowed.
//!
//! All that is unpacked counts, wanted or not, so that the work is bounded by `max_total_size` and
//! `max_members` together.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

use super::Limits;
use super::member::{Listed, Member, Name, Problem, Wanted};
use crate::source::{ByteSize, uri};
use crate::support::checkpoint::StopSignal;

/// Endings of members that are archives themselves.
const ARCHIVE_ENDINGS: [&str; 4] = [".zip", ".tar", ".tar.gz", ".tgz"];

/// Members with something wrong that are told one by one.
const PROBLEMS_MAX: usize = 100;

/// Where the mark of a tar file stands (POSIX.1-1988, ustar).
const TAR_MARK_AT: usize = 257;

/// An archive that has been unpacked.
pub(super) struct Unpacked {
    pub(super) listed: Arc<Listed>,
    pub(super) spool: File,
}

/// Why nothing is known of an archive.
pub(super) enum Spoiled {
    /// The run is to stop.
    Stopped,
    /// It cannot be read at all.
    Archive(String),
    /// The spool cannot be written.
    Spool(io::Error),
}

/// Why an archive, or one inside it, is left before its end.
enum Left {
    /// It is damaged, or over a limit; what came before stays.
    Here(String),
    /// Nothing can go on.
    Spoiled(Spoiled),
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
    members: Vec<Member>,
    problems: Vec<Problem>,
}

/// An archive, or a member that is one.
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
            members: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Unpacks the archive; where it breaks off, what came before that stays.
    pub(super) fn run(mut self, archive: &mut File) -> Result<Unpacked, Spoiled> {
        match self.open("", 0, archive) {
            Err(Left::Spoiled(spoiled)) => return Err(spoiled),
            Err(Left::Here(reason)) if self.seen == 0 => return Err(Spoiled::Archive(reason)),
            Err(Left::Here(reason)) => {
                let uri = String::new();
                self.problems.insert(0, Problem { uri, blocks_deletions: true, reason });
            }
            Ok(()) => {}
        }
        let Self { mut members, problems, spool, .. } = self;
        // A later member of the same name takes the place of an earlier one, as tar has it.
        members.reverse();
        members.sort_by(|a, b| uri::uri_order(&a.uri, &b.uri));
        members.dedup_by(|later, first| later.uri == first.uri);
        Ok(Unpacked { listed: Arc::new(Listed { members, problems }), spool })
    }

    fn open(&mut self, outer: &str, depth: u32, archive: &mut dyn Input) -> Result<(), Left> {
        let damaged = |error: io::Error| Left::Here(format!("it cannot be read: {error}"));
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
            Err(Left::Here("it is no zip, tar or tar.gz file".to_owned()))
        }
    }

    fn unpack_zip(&mut self, outer: &str, depth: u32, archive: &mut dyn Input) -> Result<(), Left> {
        let mut archive = ZipArchive::new(archive)
            .map_err(|error| Left::Here(format!("it cannot be read as a zip file: {error}")))?;
        for index in 0..archive.len() {
            self.see_member()?;
            let (name, is_file, problem) = match archive.by_index_raw(index) {
                Ok(member) => {
                    let locked =
                        member.encrypted().then_some("is encrypted: it opens with a password only");
                    let name = member.name().map_or_else(
                        |_| member.name_raw().to_vec(),
                        |name| name.into_owned().into_bytes(),
                    );
                    let is_file = member.is_file() && !member.is_symlink();
                    (name, is_file, locked.map(str::to_owned))
                }
                Err(error) => return Err(Left::Here(format!("its directory is damaged: {error}"))),
            };
            let Some(address) = self.admit(outer, depth, &name, is_file) else { continue };
            if let Some(problem) = problem {
                self.damaged(address, problem);
                continue;
            }
            match archive.by_index(index) {
                Ok(mut member) => self.take(address, depth, &mut member)?,
                Err(error) => self.damaged(address, format!("is damaged: {error}")),
            }
        }
        Ok(())
    }

    fn unpack_tar(&mut self, outer: &str, depth: u32, stream: &mut dyn Read) -> Result<(), Left> {
        let limit = self.limits.total_size;
        let before = self.unpacked_bytes;
        let left = limit.0.saturating_sub(before);
        let mut stream = Counted { inner: stream, count: 0, left, limit };
        let mut archive = tar::Archive::new(&mut stream);
        let damaged = |error: io::Error| Left::Here(format!("it breaks off: {error}"));
        for entry in archive.entries().map_err(damaged)? {
            self.see_member()?;
            let mut entry = entry.map_err(damaged)?;
            let name = entry.path_bytes().into_owned();
            let is_file = entry.header().entry_type().is_file();
            let Some(address) = self.admit(outer, depth, &name, is_file) else { continue };
            self.take(address, depth, &mut entry)?;
        }
        // What was read without being wanted, too.
        self.unpacked_bytes = self.unpacked_bytes.max(before + stream.count);
        Ok(())
    }

    fn see_member(&mut self) -> Result<(), Left> {
        if self.stop.is_requested() {
            return Err(Left::Spoiled(Spoiled::Stopped));
        }
        self.seen += 1;
        if self.seen > self.limits.members {
            let max = self.limits.members;
            return Err(Left::Here(format!("it has more than max_members ({max})")));
        }
        Ok(())
    }

    /// Returns the address of a member that is to be unpacked.
    fn admit(&mut self, outer: &str, depth: u32, name: &[u8], is_file: bool) -> Option<String> {
        match self.wanted.judge(outer, name) {
            Name::Wanted(address) if is_file => {
                let opens = depth < self.limits.depth && is_archive(&address);
                (opens || self.wanted.wants(&address)).then_some(address)
            }
            Name::Leaves(shown) if is_file => {
                let reason = "its name leads out of the archive; it is left out".to_owned();
                self.problem(Problem { uri: shown, blocks_deletions: false, reason });
                None
            }
            _ => None,
        }
    }

    /// Unpacks a member into the spool, or opens it where it is an archive.
    fn take(&mut self, address: String, depth: u32, member: &mut dyn Read) -> Result<(), Left> {
        let Limits { file_size, total_size, .. } = self.limits;
        let left = total_size.0.saturating_sub(self.unpacked_bytes);
        let mut bytes = Vec::new();
        let limit = file_size.0.min(left).saturating_add(1);
        let result = member.take(limit).read_to_end(&mut bytes);
        let size_bytes = bytes.len() as u64;
        self.unpacked_bytes += size_bytes;
        if size_bytes > left {
            return Err(Left::Here(over_total(total_size)));
        }
        if let Err(error) = result {
            if error.get_ref().is_some_and(|inner| inner.is::<OverTotal>()) {
                return Err(Left::Here(over_total(total_size)));
            }
            self.damaged(address, format!("is damaged: {error}"));
            return Ok(());
        }
        if size_bytes > file_size.0 {
            let reason = format!("it is over max_file_size ({file_size})");
            let version = Member::version_of(blake3::hash(&bytes));
            let too_large = Some(reason);
            self.members.push(Member {
                uri: address,
                version,
                size_bytes: 0,
                offset: 0,
                too_large,
                damage: None,
            });
            return Ok(());
        }
        if depth < self.limits.depth && is_archive(&address) {
            return self.open_inner(address, depth, bytes);
        }
        self.spool.write_all(&bytes).map_err(|error| Left::Spoiled(Spoiled::Spool(error)))?;
        let offset = self.written;
        self.written += size_bytes;
        let version = Member::version_of(blake3::hash(&bytes));
        self.members.push(Member {
            uri: address,
            version,
            size_bytes,
            offset,
            too_large: None,
            damage: None,
        });
        Ok(())
    }

    fn open_inner(&mut self, address: String, depth: u32, bytes: Vec<u8>) -> Result<(), Left> {
        let outer = format!("{address}/");
        match self.open(&outer, depth + 1, &mut Cursor::new(bytes)) {
            Err(Left::Here(reason)) => {
                self.problem(Problem { uri: address, blocks_deletions: true, reason });
                let is_over = self.unpacked_bytes > self.limits.total_size.0
                    || self.seen > self.limits.members;
                if is_over {
                    Err(Left::Here("an archive in it is over a limit".to_owned()))
                } else {
                    Ok(())
                }
            }
            other => other,
        }
    }

    fn damaged(&mut self, address: String, reason: String) {
        let version = Member::version_of(blake3::hash(reason.as_bytes()));
        self.members.push(Member {
            uri: address,
            version,
            size_bytes: 0,
            offset: 0,
            too_large: None,
            damage: Some(reason),
        });
    }

    fn problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

fn is_archive(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    ARCHIVE_ENDINGS.iter().any(|ending| address.ends_with(ending))
}

fn over_total(limit: ByteSize) -> String {
    format!("it unpacks to more than max_total_size ({limit}); the rest is left out")
}

/// The error of a stream that is longer than it may be.
#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than max_total_size ({0}); the rest is left out")]
struct OverTotal(ByteSize);

/// A stream that ends with an error after so many bytes.
struct Counted<'a> {
    inner: &'a mut dyn Read,
    count: u64,
    left: u64,
    limit: ByteSize,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        if self.count > self.left {
            return Err(io::Error::other(OverTotal(self.limit)));
        }
        Ok(count)
    }
}

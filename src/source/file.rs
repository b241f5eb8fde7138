//! Reads one regular file: bounded, never blocking, and with the version of exactly these bytes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, open, openat, statat};

use super::beneath::PASSED;
use super::{ByteSize, Content};
use crate::domain::{DocumentError, Version};

/// Attempts at a file that changes while it is read; after these it is left to the next run.
const READ_ATTEMPTS: usize = 2;

/// A write within this time after the mtime may not change it: the kernel's clock ticks every 1 to
/// 10 ms.
const RACY_NS: i128 = 20_000_000;

/// The same for an mtime in whole seconds: FAT counts in steps of 2 s.
const RACY_COARSE_NS: i128 = 2_000_000_000;

/// Capacity for the version of a file of less than 10 GB.
const VERSION_BYTES: usize = 32;

/// Size and modification time of a file. Inode and ctime are left out: they change with every
/// checkout, copy or chmod, and would make a later run read unchanged documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size_bytes: u64,
    mtime_ns: i128,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mtime_ns =
            i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { size_bytes: metadata.len(), mtime_ns }
    }

    /// Returns the same as [`Stamp::of`] from the result of `statat`.
    pub(super) fn of_found(found: &Stat) -> Self {
        let mtime_ns = i128::from(found.st_mtime) * 1_000_000_000 + i128::from(found.st_mtime_nsec);
        Self { size_bytes: found.st_size.unsigned_abs(), mtime_ns }
    }

    pub(super) fn version(self) -> Version {
        let Self { size_bytes, mtime_ns } = self;
        let mut version = String::with_capacity(VERSION_BYTES);
        // It fits until the year 2262, and formatting 128 bits takes three times as long.
        let written = match i64::try_from(mtime_ns) {
            Ok(mtime_ns) => write!(version, "{size_bytes}-{mtime_ns}"),
            Err(_) => write!(version, "{size_bytes}-{mtime_ns}"),
        };
        written.expect("writing to a String does not fail");
        Version(version)
    }

    /// Reports whether any write after `now` changes the stamp: git's racy-mtime rule
    /// (Documentation/technical/racy-git.adoc). An mtime in the future is not trusted either.
    pub(super) fn is_settled(self, now: SystemTime) -> bool {
        let now_ns = now.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos() as i128);
        let coarse = self.mtime_ns % 1_000_000_000 == 0;
        now_ns - self.mtime_ns > if coarse { RACY_COARSE_NS } else { RACY_NS }
    }
}

/// Reads the regular file at `path`, which may be reached through links but must not be one.
pub(super) fn read(path: &Path, max: ByteSize) -> Result<Content, DocumentError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder =
        open(folder.unwrap_or(Path::new(".")), PASSED.difference(OFlags::NOFOLLOW), Mode::empty());
    let folder = folder.map_err(|error| DocumentError::unreadable(path, error))?;
    read_in(&folder, path.file_name().unwrap_or_default(), path, max)
}

/// Reads the regular file `name` in an opened folder if it has at most `max` bytes, whatever its
/// metadata say; errors name it `path`.
///
/// A symbolic link, FIFO, socket or device is refused without opening it; if one replaces the file
/// in between, opening it neither follows a link nor waits.
pub(super) fn read_in(
    folder: &OwnedFd,
    name: &OsStr,
    path: &Path,
    max: ByteSize,
) -> Result<Content, DocumentError> {
    let transient = |source: io::Error| DocumentError::unreadable(path, source);
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let found = found.map_err(|error| DocumentError::unopened(path, error))?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    check_kind_and_size(path, is_file, found.st_size.unsigned_abs(), max)?;
    let mut file = open_in(folder, name).map_err(transient)?;
    for _ in 0..READ_ATTEMPTS {
        let metadata = file.metadata().map_err(transient)?;
        check_kind_and_size(path, metadata.is_file(), metadata.len(), max)?;
        let before = Stamp::of(&metadata);
        let bytes = read_bounded(&mut file, before.size_bytes, max).map_err(transient)?;
        if bytes.len() as u64 > max.0 {
            return Err(too_large(path, ByteSize(bytes.len() as u64), max));
        }
        let now = SystemTime::now();
        let after = Stamp::of(&file.metadata().map_err(transient)?);
        if after == before {
            // Files such as those of /proc have more bytes than their size says: their version is
            // unknown.
            let known = bytes.len() as u64 == after.size_bytes && after.is_settled(now);
            let version = known.then(|| after.version());
            return Ok(Content { bytes, version, metadata: BTreeMap::new() });
        }
        file.rewind().map_err(transient)?;
    }
    Err(transient(io::Error::other("it changed while it was read, twice")))
}

fn check_kind_and_size(
    path: &Path,
    is_file: bool,
    size_bytes: u64,
    max: ByteSize,
) -> Result<(), DocumentError> {
    if !is_file {
        return Err(DocumentError::skipped(named(path), "not a regular file any more"));
    }
    if size_bytes > max.0 {
        return Err(too_large(path, ByteSize(size_bytes), max));
    }
    Ok(())
}

fn too_large(path: &Path, size: ByteSize, max: ByteSize) -> DocumentError {
    DocumentError::skipped(named(path), format!("{size} is over max_file_size ({max})"))
}

/// Returns a path as errors name it.
pub(super) fn named(path: &Path) -> String {
    path.display().to_string()
}

fn open_in(folder: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?.into())
}

fn read_bounded(file: &mut File, size_hint: u64, max: ByteSize) -> io::Result<Vec<u8>> {
    let limit = max.0.saturating_add(1);
    // One byte more than expected, so that the end is detected without growing the buffer.
    let capacity = usize::try_from(size_hint.saturating_add(1).min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(capacity);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_fifo_that_takes_the_place_of_a_file_neither_blocks_nor_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("a.md");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let opened = open(folder.path(), PASSED, Mode::empty()).unwrap();
        let metadata = open_in(&opened, OsStr::new("a.md")).unwrap().metadata().unwrap();
        let error = check_kind_and_size(&fifo, metadata.is_file(), 0, ByteSize(1)).unwrap_err();
        assert!(error.to_string().ends_with(": not a regular file any more"), "{error}");
    }

    #[test]
    fn fresh_and_future_mtimes_are_not_trusted() {
        let check = |mtime_ns, now_ns, expected| {
            let now = UNIX_EPOCH + Duration::from_nanos(now_ns);
            assert_eq!(
                Stamp { size_bytes: 1, mtime_ns }.is_settled(now),
                expected,
                "{mtime_ns} {now_ns}"
            );
        };
        check(5_000_000_001, 5_000_000_001, false);
        check(5_000_000_001, 5_020_000_001, false);
        check(5_000_000_001, 5_020_000_002, true);
        check(5_000_000_000, 5_500_000_000, false);
        check(5_000_000_000, 7_000_000_000, false);
        check(5_000_000_000, 7_000_000_001, true);
        check(9_000_000_001, 5_000_000_000, false);
        check(-1, 5_000_000_000, true);
    }
}

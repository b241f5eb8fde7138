//! Files that kbingest makes, for this knowledge base or another one: never documents.
//!
//! Those of this knowledge base are known by their paths (`Setting::leave_out`); those of others
//! are recognised here, by name and content. A folder of ours has a marker.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::kb;
use crate::support::lock;
use crate::support::own_folder::MARKER;

/// Endings of SQLite's files beside a database.
const SQLITE: [&[u8]; 3] = [b"-wal", b"-shm", b"-journal"];
/// Endings of copies of a knowledge base; `.damaged` may be followed by a number.
const COPIES: [&[u8]; 3] = [b".next", b".repaired", b".damaged"];
/// Why such a file is skipped if it was listed.
pub(super) const REASON: &str = "a file that kbingest made";
const LOCK: &[u8] = b".lock";
const KB: &[u8] = b".kb";
/// Bytes of a page of a knowledge base.
const PAGE_BYTES: i64 = 8192;
/// Bytes that are read of a file to recognise it: more than SQLite's header.
const START_BYTES: usize = 200;
/// Limit on a lock file.
const LOCK_BYTES_MAX: usize = 400;

/// Reports whether `bytes` are a knowledge base or its lock file.
pub(super) fn is_content(bytes: &[u8]) -> bool {
    kb::is_header(bytes) || bytes.len() <= LOCK_BYTES_MAX && lock::is_text(bytes)
}

/// Reports whether `path` is the marker of a folder of ours; returns that folder, unless it is the
/// root.
pub(super) fn marked_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    path.file_name().is_some_and(|name| name == MARKER).then_some(folder)
}

/// Reports whether the file `name` in `folder` is a knowledge base, or belongs to one beside it.
///
/// The lock file is read first: reading a knowledge base that this process has open would drop
/// SQLite's locks on it.
pub(super) fn is_file(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    if let Some(base) = name.strip_suffix(LOCK) {
        return is_lock(folder, name) || is_knowledge_base(folder, base);
    }
    let database = without_ending(name, &SQLITE);
    let original = original(database.unwrap_or(name));
    if database.is_none() && original.is_none() && !name.ends_with(KB) {
        return false;
    }
    let is_kb = |base: &[u8]| is_knowledge_base(folder, base);
    is_kb(database.unwrap_or(name)) || original.is_some_and(is_kb)
}

/// Returns the name of the knowledge base of which the file `name` in `folder` is the lock file.
pub(super) fn locked_by<'a>(folder: BorrowedFd<'_>, name: &'a [u8]) -> Option<&'a [u8]> {
    let base = name.strip_suffix(LOCK)?;
    (is_lock(folder, name) && has_whole_pages(folder, base)).then_some(base)
}

/// Reports whether a file has the size of a database, or does not exist: a document does not become
/// one by a text beside it.
fn has_whole_pages(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    match statat(folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => found.st_size % PAGE_BYTES == 0,
        Err(error) => error == Errno::NOENT,
    }
}

fn without_ending<'a>(name: &'a [u8], endings: &[&[u8]]) -> Option<&'a [u8]> {
    let base = endings.iter().find_map(|ending| name.strip_suffix(*ending))?;
    (!base.is_empty()).then_some(base)
}

/// Returns the name of the knowledge base of which `name` may be a copy.
fn original(name: &[u8]) -> Option<&[u8]> {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let numbered = &name[..name.len() - digits];
    let plain = numbered.strip_suffix(b"-").filter(|_| digits > 0).unwrap_or(name);
    without_ending(plain, &COPIES)
}

fn is_knowledge_base(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    if is_lock(folder, &[name, LOCK].concat()) && has_whole_pages(folder, name) {
        return true;
    }
    match start(folder, name) {
        Ok(start) => kb::is_header(&start),
        // Of another user: by its name alone.
        Err(Errno::ACCESS) => name.ends_with(KB),
        Err(_) => false,
    }
}

fn is_lock(folder: BorrowedFd<'_>, name: &[u8]) -> bool {
    match start(folder, name) {
        Ok(start) => lock::is_text(&start),
        Err(Errno::ACCESS) => name.strip_suffix(LOCK).is_some_and(|base| base.ends_with(KB)),
        Err(_) => false,
    }
}

fn start(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(openat(folder, OsStr::from_bytes(name), flags, Mode::empty())?);
    let mut start = Vec::new();
    let read = file.take(START_BYTES as u64).read_to_end(&mut start);
    read.map_or_else(|_| Err(Errno::IO), |_| Ok(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_named_after_their_original() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(original(name.as_bytes()), expected.map(str::as_bytes), "{name}");
        };
        check("a.kb.next", Some("a.kb"));
        check("a.kb.repaired", Some("a.kb"));
        check("a.kb.damaged", Some("a.kb"));
        check("a.kb.damaged-12", Some("a.kb"));
        check("a.kb.damaged12", None);
        check("a.kb.damaged-", None);
        check(".next", None);
        check("a.kb", None);
        check("2024-12", None);
    }

    #[test]
    fn a_folder_is_marked_by_a_file_in_it() {
        let marked = |path: &'static str| marked_folder(Path::new(path));
        assert_eq!(marked("a/b/.kbingest-folder"), Some(Path::new("a/b")));
        assert_eq!(marked(".kbingest-folder"), None);
        assert_eq!(marked("a/kbingest-folder"), None);
    }
}

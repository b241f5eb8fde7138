//! Opens files and folders below the folder of a source, and nothing else: no link on the way is
//! followed.
//!
//! Between listing and reading, anybody who can write to the folder can replace a subfolder by a
//! link. Resolving a path again from its beginning would then follow that link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

/// Limit of the system on a path, in bytes, including the terminating zero.
const PATH_BYTES_MAX: usize = 4096;

/// Flags for folders whose names are read.
pub(super) const LISTED: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// Flags for folders in which single names are looked up: needs no permission to read them.
#[cfg(target_os = "linux")]
pub(super) const PASSED: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
pub(super) const PASSED: OFlags = LISTED;

/// Set if the kernel has no `openat2` (Linux before 5.6).
#[cfg(target_os = "linux")]
static HAS_NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// The opened folder of a source.
#[derive(Debug)]
pub(super) struct Root {
    handle: OwnedFd,
    path: PathBuf,
}

impl Root {
    /// Opens the folder at `path`, which may itself be reached through links.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let handle = open(&path, LISTED, Mode::empty())?;
        Ok(Self { handle, path })
    }

    /// Returns the path, which was free of links when it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder `relative` to look up names in it.
    pub(super) fn pass(&self, relative: &Path) -> io::Result<OwnedFd> {
        self.folder(relative, PASSED)
    }

    /// Opens the folder `relative` to read the names in it.
    pub(super) fn list(&self, relative: &Path) -> io::Result<OwnedFd> {
        self.folder(relative, LISTED)
    }

    fn folder(&self, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        if relative.as_os_str().is_empty() {
            return Ok(openat(&self.handle, ".", flags, Mode::empty())?);
        }
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other("its path leaves the source"));
        }
        if self.path.as_os_str().len() + 1 + relative.as_os_str().len() >= PATH_BYTES_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        openat_beneath(self.handle.as_fd(), relative, flags).map_err(|error| match error {
            Errno::LOOP | Errno::XDEV => io::Error::other("a link has replaced a folder"),
            error => error.into(),
        })
    }
}

/// Reports whether the path of the file `relative` below `root` is too long for the system.
pub(super) fn is_too_long(root: &Path, relative: &Path) -> bool {
    root.as_os_str().len() + 1 + relative.as_os_str().len() >= PATH_BYTES_MAX
}

#[cfg(target_os = "linux")]
fn openat_beneath(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    if HAS_NO_OPENAT2.load(Ordering::Relaxed) {
        return part_by_part(root, relative, flags);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, relative, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS) => {
            HAS_NO_OPENAT2.store(true, Ordering::Relaxed);
            part_by_part(root, relative, flags)
        }
        // Filters of system calls answer with EPERM; EAGAIN means that something was moved
        // meanwhile.
        Err(Errno::PERM | Errno::INVAL | Errno::AGAIN) => part_by_part(root, relative, flags),
        opened => opened,
    }
}

#[cfg(not(target_os = "linux"))]
fn openat_beneath(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    part_by_part(root, relative, flags)
}

/// Does the same without the kernel's help: opens one component at a time, none of them a link.
fn part_by_part(root: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut parts = relative.components().map(|part| part.as_os_str()).peekable();
    let mut opened: Option<OwnedFd> = None;
    while let Some(part) = parts.next() {
        let folder = opened.as_ref().map_or(root, |folder| folder.as_fd());
        let flags = if parts.peek().is_some() { PASSED } else { flags };
        opened = Some(openat(folder, part, flags, Mode::empty()).map_err(|error| {
            // With O_DIRECTORY, a link that is not followed counts as not a folder.
            if error == Errno::NOTDIR { Errno::LOOP } else { error }
        })?);
    }
    opened.ok_or(Errno::NOENT)
}

/// Splits a path below a root into its folder and its file name.
pub(super) fn split(relative: &Path) -> (&Path, &OsStr) {
    let bytes = relative.as_os_str().as_bytes();
    let name_at = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let folder = bytes[..name_at].strip_suffix(b"/").unwrap_or_default();
    (Path::new(OsStr::from_bytes(folder)), OsStr::from_bytes(&bytes[name_at..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_is_followed_with_and_without_the_help_of_the_kernel() {
        let [inside, outside] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        std::fs::create_dir_all(inside.path().join("a/b")).unwrap();
        std::fs::create_dir_all(outside.path().join("b")).unwrap();
        symlink(outside.path(), inside.path().join("out")).unwrap();
        symlink("a", inside.path().join("in")).unwrap();
        let root = Root::open(inside.path()).unwrap();
        let check = |path: &str, expected: bool| {
            let path = Path::new(path);
            assert_eq!(root.pass(path).is_ok(), expected, "{path:?}");
            assert_eq!(root.list(path).is_ok(), expected, "{path:?}");
            if path.components().all(|part| matches!(part, Component::Normal(_))) {
                for flags in [PASSED, LISTED] {
                    let opened = part_by_part(root.handle.as_fd(), path, flags);
                    assert_eq!(opened.is_ok(), expected, "{path:?}");
                }
            }
        };
        check("a", true);
        check("a/b", true);
        for path in ["out", "out/b", "in", "in/b", "a/../out", "..", "/etc", "missing"] {
            check(path, false);
        }
        assert!(root.pass(Path::new("")).is_ok());
    }
}

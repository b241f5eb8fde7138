//! Folders that this program created for itself, and the only ones in which it removes anything.
//!
//! On disk: a folder of mode 0700 with a marker that contains the folder's own inode, so that a
//! marker from an unpacked archive or a clone is invalid. In the user's own cache, in which nothing
//! comes from others, a marker may contain another inode: CI systems keep caches, and homes are
//! restored. The content of such a folder may be deleted at any time. Nothing is removed before the
//! marker was read through the opened folder, and never through a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, statat,
    unlinkat,
};

use super::{files, storage};

/// The file that marks a folder as ours.
pub const MARKER: &str = ".kbingest-folder";
/// The beginning of the marker.
const MADE_BY_US: &str = "Made by kbingest, and removed by it at any time.\n";
/// Limit on a marker, in bytes.
const MARKER_BYTES_MAX: u64 = 256;
/// Mode bits by which others may change its content.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Flags to open a folder itself, not the target of a link.
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder with our marker, opened.
#[derive(Debug)]
pub struct OwnFolder {
    path: PathBuf,
    handle: OwnedFd,
}

impl OwnFolder {
    /// Opens the folder for everything that belongs to the knowledge base at `kb` and can be made
    /// again: clones, listings of archives, unpacked members. Creates it if it does not exist, and
    /// holds a lock on it.
    ///
    /// It is `<hash of the path of kb>` in `root`; without a root `kbingest/<hash of the path of
    /// kb>` in `$XDG_CACHE_HOME` or `~/.cache`; or `<kb>.cache` if neither can be written, or if a
    /// knowledge base of another machine that shares the home uses it.
    pub fn for_knowledge_base(kb: &Path, root: Option<&Path>) -> io::Result<Self> {
        let [user, beside] = cache_places(kb, root);
        if let Some((folder, all)) = user.as_deref().and_then(|path| Some((path, path.parent()?))) {
            match make_private(all) {
                Ok(()) => {
                    let folder = Self::open_or_create_in_cache(folder)?;
                    if folder.try_lock() {
                        return Ok(folder);
                    }
                }
                Err(error) if is_unwritable(&error) => {}
                Err(error) => return Err(naming(all, error)),
            }
        }
        let beside = beside.ok_or(io::ErrorKind::NotFound)?;
        let folder = Self::open_or_create(&beside)?;
        if !folder.try_lock() {
            return Err(naming(&beside, io::Error::other("is in use by another run")));
        }
        Ok(folder)
    }

    /// Opens the folder at `path`, which may be removed at any time, and creates it if it does not
    /// exist.
    ///
    /// Fails, naming it, if there is anything that this program did not create, for this user, in
    /// this place.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        match Self::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            made => made,
        }
    }

    fn open_or_create_in_cache(path: &Path) -> io::Result<Self> {
        match Self::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open_in_cache(path),
            made => made,
        }
    }

    /// Opens our own folder at `path`; fails like [`Self::open_or_create`], and if it does not
    /// exist.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_marked(path, Self::marker)
    }

    /// Opens our own folder at `path` in the user's own cache; it may have been moved there.
    pub(super) fn open_in_cache(path: &Path) -> io::Result<Self> {
        Self::open_marked(path, |_| Ok(MADE_BY_US.to_owned()))
    }

    /// Opens a folder whose marker begins with the result of `marker`.
    fn open_marked(path: &Path, marker: fn(&Self) -> io::Result<String>) -> io::Result<Self> {
        let folder = Self::open_unmarked(path).map_err(|error| naming(path, error))?;
        let wanted = marker(&folder).map_err(|error| naming(path, error))?;
        if folder.found_marker().is_ok_and(|found| found.starts_with(&wanted)) {
            return Ok(folder);
        }
        // A process killed between creating a folder and marking it left an empty one.
        if folder.entries().is_ok_and(|entries| entries.is_empty()) {
            folder.mark().map_err(|error| naming(path, error))?;
            return Ok(folder);
        }
        Err(naming(
            path,
            io::Error::other("was not made here by kbingest; remove it or move it away"),
        ))
    }

    fn open_unmarked(path: &Path) -> io::Result<Self> {
        let handle = openat(rustix::fs::CWD, path, FOLDER, Mode::empty()).map_err(|error| {
            if matches!(error, rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) {
                return io::Error::other("is not a folder, or a symbolic link to one; remove it");
            }
            error.into()
        })?;
        check_owner(&handle)?;
        Ok(Self { path: path.to_owned(), handle })
    }

    /// Creates the folder at `path`; fails if anything exists there.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        let named = |error| naming(path, error);
        std::fs::DirBuilder::new().mode(0o700).create(path).map_err(named)?;
        let folder = Self::open_unmarked(path).map_err(named)?;
        folder.mark().map_err(named)?;
        Ok(folder)
    }

    /// Locks the folder while it is open; returns whether nobody else holds the lock. Always
    /// succeeds on a file system without such locks.
    pub fn try_lock(&self) -> bool {
        let lock = flock(&self.handle, FlockOperation::NonBlockingLockExclusive);
        !matches!(lock, Err(rustix::io::Errno::WOULDBLOCK))
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the subfolder `name`, and creates it if it does not exist.
    ///
    /// `name` is one component of a path. A folder below one of ours needs no marker.
    pub fn subfolder(&self, name: &str) -> io::Result<Self> {
        let path = self.path.join(name);
        if !is_name(Path::new(name)) {
            return Err(naming(&path, io::Error::other("is not a name for a folder")));
        }
        match mkdirat(&self.handle, name, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(naming(&path, error.into())),
        }
        self.existing_subfolder(name)?.ok_or_else(|| naming(&path, io::ErrorKind::NotFound.into()))
    }

    /// Opens the subfolder `name`; `None` if it does not exist.
    pub fn existing_subfolder(&self, name: &str) -> io::Result<Option<Self>> {
        let path = self.path.join(name);
        let opened = match openat(&self.handle, name, FOLDER, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
                Err(io::Error::other("is not a folder, or a symbolic link to one; remove it"))
            }
            opened => opened.map_err(io::Error::from),
        };
        let checked = opened.and_then(|handle| check_owner(&handle).map(|()| handle));
        let handle = checked.map_err(|error| naming(&path, error))?;
        Ok(Some(Self { path, handle }))
    }

    /// Returns the names in it, without the marker, in order.
    pub fn entries(&self) -> io::Result<Vec<std::ffi::OsString>> {
        use std::os::unix::ffi::OsStrExt;
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            let name = std::ffi::OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." && name != MARKER {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Removes `name` with its content; does nothing if it does not exist.
    pub fn remove(&self, name: impl AsRef<Path>) -> io::Result<()> {
        let name = name.as_ref();
        if !is_name(name) {
            return Err(naming(&self.path.join(name), io::Error::other("is not a file name")));
        }
        remove_at(self.handle.as_fd(), name).map_err(|error| naming(&self.path.join(name), error))
    }

    /// Removes everything in it except the marker.
    pub fn clear(&self) -> io::Result<()> {
        self.entries()?.into_iter().try_for_each(|name| self.remove(name))
    }

    /// Removes everything in it, at any depth, whose name `is_wanted`; does not follow links.
    pub fn remove_matching(&self, is_wanted: &dyn Fn(&OsStr) -> bool) -> io::Result<()> {
        for name in self.entries()? {
            if is_wanted(&name) {
                self.remove(&name)?;
                continue;
            }
            let handle = match openat(&self.handle, &name, FOLDER, Mode::empty()) {
                Ok(handle) => handle,
                Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => continue,
                Err(error) => return Err(naming(&self.path.join(name), error.into())),
            };
            Self { path: self.path.join(&name), handle }.remove_matching(is_wanted)?;
        }
        Ok(())
    }

    /// Removes the folder with its content.
    pub fn remove_all(self) -> io::Result<()> {
        self.clear()?;
        match unlinkat(&self.handle, MARKER, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(naming(&self.path, error.into())),
        }
        std::fs::remove_dir(&self.path).map_err(|error| naming(&self.path, error))
    }

    fn mark(&self) -> io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let marker = openat(&self.handle, MARKER, flags, Mode::RUSR | Mode::WUSR)?;
        File::from(marker).write_all(self.marker()?.as_bytes())
    }

    fn found_marker(&self) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let marker = openat(&self.handle, MARKER, flags, Mode::empty())?;
        check_owner(&marker)?;
        let mut text = String::new();
        File::from(marker).take(MARKER_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Returns the content of the marker, which includes the folder's inode: a stranger who ships a
    /// marker does not know that.
    fn marker(&self) -> io::Result<String> {
        let inode = fstat(&self.handle)?.st_ino;
        Ok(format!("{MADE_BY_US}inode {inode}\n"))
    }
}

/// Reports whether `folder` has the marker of a folder of ours, made here or elsewhere.
pub fn is_marked(folder: BorrowedFd<'_>) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(marker) = openat(folder, MARKER, flags, Mode::empty()) else { return false };
    let mut text = Vec::new();
    let read = File::from(marker).take(MARKER_BYTES_MAX).read_to_end(&mut text);
    read.is_ok() && text.starts_with(MADE_BY_US.as_bytes())
}

/// Returns whether `name` is a single component of a path and does not lead elsewhere.
fn is_name(name: &Path) -> bool {
    let is_plain = !name.as_os_str().as_encoded_bytes().contains(&b'/');
    is_plain && name.components().count() == 1 && name.file_name().is_some()
}

/// Removes `name` in `folder`, without following a link at any step.
fn remove_at(folder: BorrowedFd<'_>, name: &Path) -> io::Result<()> {
    let kind = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => FileType::from_raw_mode(found.st_mode),
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if kind != FileType::Directory {
        return Ok(unlinkat(folder, name, AtFlags::empty())?);
    }
    let inner =
        OwnFolder { path: PathBuf::new(), handle: openat(folder, name, FOLDER, Mode::empty())? };
    for entry in inner.entries()? {
        remove_at(inner.handle.as_fd(), Path::new(&entry))?;
    }
    match unlinkat(&inner.handle, MARKER, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}

/// Fails if `file` belongs to somebody else, or others may change it.
fn check_owner(file: impl AsFd) -> io::Result<()> {
    let found = fstat(file)?;
    let user = rustix::process::geteuid().as_raw();
    if found.st_uid != user {
        let reason =
            format!("belongs to user {}, not to you (user {user}); remove it", found.st_uid);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    if found.st_mode & WRITABLE_BY_OTHERS != 0 {
        let mode = found.st_mode & 0o7777;
        let reason =
            format!("others may write to it (mode {mode:o}); remove it, or `chmod go-w` it");
        return Err(io::Error::other(reason));
    }
    Ok(())
}

/// Returns the possible paths of the cache of the knowledge base at `kb`: in `root`, or else the
/// user's own cache folder (XDG Base Directory Specification), if known; and beside the knowledge
/// base.
pub(super) fn cache_places(kb: &Path, root: Option<&Path>) -> [Option<PathBuf>; 2] {
    let kb = std::path::absolute(kb).unwrap_or_else(|_| kb.to_owned());
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // A home that does not exist, as daemons have, is not created.
    let home = || named("HOME").filter(|home| home.is_dir()).map(|home| home.join(".cache"));
    let user = || named("XDG_CACHE_HOME").or_else(home).map(|cache| cache.join("kbingest"));
    let hash = blake3::hash(storage::resolved(&kb).as_os_str().as_encoded_bytes()).to_hex();
    let user = root.map(Path::to_owned).or_else(user).map(|all| all.join(&hash[..32]));
    [user, Some(storage::beside(&kb, ".cache"))]
}

/// Creates a folder for its owner only, and its parents; fails if it exists and belongs to somebody
/// else.
fn make_private(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // The user may have moved it by a link.
    check_owner(File::open(path)?)?;
    match files::cannot_create_beside(&path.join("folder")) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Returns whether `error` means that this user cannot create anything here, rather than that there
/// is no space.
fn is_unwritable(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | NotFound | NotADirectory)
}

/// Returns `error` with the path of the folder; keeps its kind.
fn naming(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_folder_that_was_made_here_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, copy, others, link] =
            ["ours", "copy", "others", "link"].map(|name| folder.path().join(name));
        OwnFolder::open_or_create(&ours).unwrap();
        OwnFolder::open_or_create(&ours).unwrap();
        assert_eq!(ours.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let refused = |path: &Path, words: &str| {
            let error = OwnFolder::open_or_create(path).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(path.to_str().unwrap()), "{error}");
        };
        // The inode in a marker that came with the folder is another one.
        fs::create_dir(&copy).unwrap();
        fs::copy(ours.join(MARKER), copy.join(MARKER)).unwrap();
        fs::write(copy.join("config"), "").unwrap();
        refused(&copy, "not made here");
        // Nothing from others gets into the user's own cache.
        OwnFolder::open_in_cache(&copy).unwrap();
        assert!(OwnFolder::open_in_cache(folder.path()).is_err());
        fs::create_dir(&others).unwrap();
        fs::write(others.join("file"), "").unwrap();
        refused(&others, "not made here");
        symlink(&ours, &link).unwrap();
        refused(&link, "symbolic link");
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o770)).unwrap();
        refused(&ours, "others may write");
    }

    #[test]
    fn an_empty_folder_that_a_killed_process_left_is_marked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ours");
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        OwnFolder::open_or_create(&path).unwrap();
        assert!(path.join(MARKER).exists());
    }

    #[test]
    fn removing_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        let ours = OwnFolder::open_or_create(&folder.path().join("ours")).unwrap();
        let inner = ours.subfolder("inner").unwrap();
        fs::write(inner.path().join("file"), "").unwrap();
        fs::create_dir(inner.path().join("deep")).unwrap();
        symlink(&outside, inner.path().join("deep/link")).unwrap();
        symlink(&outside, ours.path().join("link")).unwrap();
        assert!(ours.subfolder("link").is_err());
        assert!(ours.subfolder("..").is_err());
        assert!(ours.remove("..").is_err());
        ours.remove("inner").unwrap();
        assert!(!inner.path().exists());
        let path = ours.path().to_owned();
        ours.remove_all().unwrap();
        assert!(!path.exists());
        assert!(outside.join("kept").exists());
    }
}

//! Walks a folder, each folder before its content, siblings in URI order.
//!
//! It holds the names of one folder per level of depth, and nothing else, because the ledger is
//! compared in order. Folders are entered through their opened parent, so that a link that replaces
//! a folder during the walk is not followed.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, openat, statat};
use rustix::io::Errno;
use tracing::debug;

use super::beneath::{self, LISTED, Root};
use super::file::Stamp;
use super::own;
use super::rules::Rules;
use super::uri;
use crate::support::own_folder::is_marked;

/// Limit on open folders on the path to the current one.
const OPEN_MAX: usize = 64;

/// The type of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// Anything else, which is never opened.
    Other,
}

/// A file below the root.
pub struct Found {
    /// Its path below the root.
    pub relative: PathBuf,
    /// Size and time; `None` if the system does not report them.
    pub stamp: Option<Stamp>,
}

/// Something that exists, or may exist, but is not listed.
#[derive(Debug)]
pub enum WalkError {
    /// A path that cannot be opened or examined.
    Unlisted {
        /// The path below the root.
        relative: PathBuf,
        /// The kind of the system's error.
        kind: io::ErrorKind,
    },
    /// A folder that is not entered, because its rules cannot be obeyed.
    Rules {
        /// The folder below the root.
        relative: PathBuf,
        /// Which file is wrong, and why.
        reason: String,
    },
    /// The folder has more names than the limit; the walk ends.
    TooMany {
        /// The folder below the root.
        relative: PathBuf,
    },
}

/// Decides what the walk may enter and yield, by the path below the root.
pub type Admits = dyn Fn(&Path, Kind) -> bool + Send + Sync;

/// The settings of a walk.
pub struct Walking {
    /// Decides before anything is opened.
    pub admits: Box<Admits>,
    /// Obey files of rules.
    pub has_rules: bool,
    /// Follow links that stay below the root.
    pub follow_links: bool,
    /// Files that are never found, even through a link; below the root.
    pub leave_out: Vec<PathBuf>,
    /// Limit on the names of one folder held in memory.
    pub names_max: usize,
}

/// A walk in progress.
pub struct Walk {
    root: Arc<Root>,
    walking: Walking,
    rules: Option<Rules>,
    /// From the root to the current folder; empty before the walk begins, and after it.
    levels: Vec<Level>,
    /// The path of the current folder below the root, with a `/` at its end; empty for the root.
    path: Vec<u8>,
    has_begun: bool,
}

/// A folder on the path to the current one.
struct Level {
    /// `None` if it was closed because of [`OPEN_MAX`].
    folder: Option<Dir>,
    names: std::vec::IntoIter<Name>,
    /// Bytes of [`Walk::path`] without this folder's part.
    parent_bytes: usize,
    /// Its real path, if it was reached through a link.
    linked_to: Option<PathBuf>,
    has_rules: bool,
    has_more: bool,
}

/// A name that is wanted.
struct Name {
    name: Box<[u8]>,
    kind: Kind,
    /// The target below the root, if the name is a link.
    target: Option<Box<Path>>,
    /// Why it could not be examined.
    error: Option<io::ErrorKind>,
}

impl Walk {
    pub(super) fn new(root: Arc<Root>, walking: Walking) -> Self {
        let (levels, path) = (Vec::new(), Vec::new());
        Self { root, walking, rules: None, levels, path, has_begun: false }
    }

    /// Returns the path of the current folder below the root.
    fn here(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.strip_suffix(b"/").unwrap_or(&self.path)))
    }

    fn begin(&mut self) -> Result<(), WalkError> {
        self.has_begun = true;
        let relative = PathBuf::new();
        if self.walking.has_rules {
            let wrong = |error: super::rules::RulesError| WalkError::Rules {
                relative: PathBuf::new(),
                reason: format!("the {} of a folder above it {}", error.file, error.reason),
            };
            self.rules = Some(Rules::above(self.root.path()).map_err(wrong)?);
        }
        let opened = self.root.list(&relative);
        let opened =
            opened.map_err(|error| WalkError::Unlisted { relative, kind: error.kind() })?;
        self.enter(opened, 0, None)
    }

    /// Enters the folder at [`Self::path`]; the first `parent_bytes` of the path are its parent's.
    fn enter(
        &mut self,
        opened: OwnedFd,
        parent_bytes: usize,
        linked_to: Option<PathBuf>,
    ) -> Result<(), WalkError> {
        let entered = self.read(opened, linked_to.as_deref());
        let (folder, names, has_rules, has_more) = match entered {
            Ok(entered) => entered,
            Err(error) => {
                self.path.truncate(parent_bytes);
                return Err(error);
            }
        };
        if let Some(far) = self.levels.len().checked_sub(OPEN_MAX) {
            self.levels[far].folder = None;
        }
        let (folder, names) = (Some(folder), names.into_iter());
        self.levels.push(Level { folder, names, parent_bytes, linked_to, has_rules, has_more });
        Ok(())
    }

    /// Reads the rules and the wanted names of a folder, sorted; returns also whether it has rules,
    /// and more names than the limit.
    fn read(
        &mut self,
        opened: OwnedFd,
        linked_to: Option<&Path>,
    ) -> Result<(Dir, Vec<Name>, bool, bool), WalkError> {
        let here = self.here().to_owned();
        let unlisted = |error: Errno| WalkError::Unlisted {
            relative: here.clone(),
            kind: io::Error::from(error).kind(),
        };
        let mut folder = Dir::new(opened).map_err(unlisted)?;
        let is_root = here.as_os_str().is_empty();
        if !is_root && is_marked(folder.fd().map_err(unlisted)?) {
            return Ok((folder, Vec::new(), false, false));
        }
        let mut has_rules = false;
        if let Some(rules) = &mut self.rules {
            let path = self.root.path().join(&here);
            has_rules = rules.enter(folder.fd().map_err(unlisted)?, &path).map_err(|error| {
                let reason = format!("its {} {}", error.file, error.reason);
                WalkError::Rules { relative: here.clone(), reason }
            })?;
        }
        let names = self.names(&mut folder, linked_to).map_err(unlisted);
        if names.is_err() && has_rules {
            self.leave_rules();
        }
        let (names, has_more) = names?;
        Ok((folder, names, has_rules, has_more))
    }

    fn leave_rules(&mut self) {
        if let Some(rules) = &mut self.rules {
            rules.leave();
        }
    }

    /// Returns the wanted names of a folder, sorted, and whether it has more than the limit; if so,
    /// only the first are returned.
    fn names(
        &self,
        folder: &mut Dir,
        linked_to: Option<&Path>,
    ) -> Result<(Vec<Name>, bool), Errno> {
        let max = self.walking.names_max;
        let mut names = Vec::new();
        let mut has_more = false;
        let sort = |names: &mut Vec<Name>| {
            names.sort_unstable_by(|a, b| {
                uri::sibling_order(
                    Path::new(OsStr::from_bytes(&a.name)),
                    Path::new(OsStr::from_bytes(&b.name)),
                )
            });
        };
        let mut path = self.root.path().as_os_str().as_bytes().to_vec();
        path.push(b'/');
        let root_bytes = path.len();
        path.extend_from_slice(&self.path);
        let folder_bytes = path.len();
        while let Some(entry) = folder.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            path.truncate(folder_bytes);
            path.extend_from_slice(name);
            let mut file_type = entry.file_type();
            if file_type == FileType::Unknown {
                let found = statat(folder.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                file_type =
                    found.map_or(FileType::Unknown, |found| FileType::from_raw_mode(found.st_mode));
            }
            let whole = Path::new(OsStr::from_bytes(&path));
            let relative = Path::new(OsStr::from_bytes(&path[root_bytes..]));
            if let Some(name) = self.judge(name, file_type, whole, relative, linked_to) {
                names.push(name);
            }
            if names.len() > max.saturating_mul(2) {
                has_more = true;
                sort(&mut names);
                names.truncate(max);
            }
        }
        let fd = folder.fd()?;
        let locked = names.iter().filter_map(|one| own::locked_by(fd, &one.name));
        let locked: HashSet<_> = locked.map(<[u8]>::to_owned).collect();
        let is_own = |name: &[u8]| locked.contains(name) || own::is_file(fd, name);
        names.retain(|one| one.kind != Kind::File || !is_own(&one.name));
        sort(&mut names);
        has_more |= names.len() > max;
        names.truncate(max);
        Ok((names, has_more))
    }

    /// Returns the entry at `path`, which is `relative` below the root, if it is wanted.
    fn judge(
        &self,
        name: &[u8],
        file_type: FileType,
        path: &Path,
        relative: &Path,
        linked_to: Option<&Path>,
    ) -> Option<Name> {
        let named = |kind, target, error| Some(Name { name: name.into(), kind, target, error });
        let wanted = |kind| {
            (self.walking.admits)(relative, kind)
                && !self
                    .rules
                    .as_ref()
                    .is_some_and(|rules| rules.ignore(path, kind == Kind::Folder))
        };
        match file_type {
            FileType::Directory => wanted(Kind::Folder).then(|| named(Kind::Folder, None, None))?,
            FileType::RegularFile => {
                let is_ours = self.walking.leave_out.iter().any(|out| is_same(out, relative));
                (!is_ours && wanted(Kind::File)).then(|| named(Kind::File, None, None))?
            }
            FileType::Symlink if self.walking.follow_links => {
                let (kind, target) = match self.follow(path, relative, linked_to) {
                    Ok(followed) => followed?,
                    Err(error) => return named(Kind::Other, None, Some(error)),
                };
                let is_ours = self.walking.leave_out.iter().any(|out| is_same(out, &target));
                let is_wanted = kind != Kind::Other && !is_ours && wanted(kind);
                is_wanted.then(|| named(kind, Some(target.into()), None))?
            }
            FileType::Symlink => None,
            // It may be a folder.
            FileType::Unknown => named(Kind::Other, None, Some(io::ErrorKind::Other)),
            _ => {
                debug!(path = %path.display(), "left out: not a regular file");
                None
            }
        }
    }

    /// Returns the type and the target, below the root, of the link at `path`; `None` if it is not
    /// followed.
    ///
    /// Links may not leave the root. A linked folder is only entered outside of other linked
    /// folders: its content is listed at its own place anyway, and twenty folders full of links to
    /// one another have 20! paths.
    fn follow(
        &self,
        path: &Path,
        relative: &Path,
        linked_to: Option<&Path>,
    ) -> Result<Option<(Kind, PathBuf)>, io::ErrorKind> {
        let resolved = path.canonicalize().and_then(|real| Ok((real.symlink_metadata()?, real)));
        let (found, real) = match resolved {
            Ok(resolved) => resolved,
            Err(error) if is_dangling(&error) => {
                debug!(path = %path.display(), "link is dangling");
                return Ok(None);
            }
            Err(error) => return Err(error.kind()),
        };
        let Ok(target) = real.strip_prefix(self.root.path()) else {
            debug!(path = %path.display(), "link not followed: it leaves the source");
            return Ok(None);
        };
        let kind = match found.file_type() {
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        };
        if kind == Kind::Folder && (linked_to.is_some() || relative.starts_with(target)) {
            debug!(path = %path.display(), "link not followed: in a linked folder, or in a circle");
            return Ok(None);
        }
        Ok(Some((kind, target.to_owned())))
    }

    /// Processes a name of the current folder; returns it if it is a file.
    fn visit(&mut self, name: Name) -> Result<Option<Found>, WalkError> {
        let Name { name, kind, target, error } = name;
        let mut relative = Vec::with_capacity(self.path.len() + name.len());
        relative.extend_from_slice(&self.path);
        relative.extend_from_slice(&name);
        let relative = PathBuf::from(OsString::from_vec(relative));
        let unlisted =
            |relative, error: io::Error| Err(WalkError::Unlisted { relative, kind: error.kind() });
        if let Some(kind) = error {
            return Err(WalkError::Unlisted { relative, kind });
        }
        if kind == Kind::File {
            // A file without readable metadata is listed nevertheless: it exists, and reading it
            // reports the error.
            let stamp = match &target {
                Some(target) => self.stamp_of_target(target).ok(),
                None => self.stamp(&name),
            };
            return Ok(Some(Found { relative, stamp }));
        }
        let opened = match &target {
            Some(target) => self.root.list(target),
            None if beneath::is_too_long(self.root.path(), &relative) => {
                Err(Errno::NAMETOOLONG.into())
            }
            None => self.open(&name),
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return unlisted(relative, error),
        };
        let parent_bytes = self.path.len();
        self.path.extend_from_slice(&name);
        self.path.push(b'/');
        let linked_to = target.map(PathBuf::from).or_else(|| self.linked_to(&name));
        self.enter(opened, parent_bytes, linked_to)?;
        Ok(None)
    }

    /// Returns the real path of the folder `name`, if the current folder was reached through a
    /// link.
    fn linked_to(&self, name: &[u8]) -> Option<PathBuf> {
        let linked_to = self.levels.last()?.linked_to.as_ref()?;
        Some(linked_to.join(OsStr::from_bytes(name)))
    }

    /// Opens the folder `name` of the current folder.
    fn open(&mut self, name: &[u8]) -> io::Result<OwnedFd> {
        let folder = self.folder()?;
        openat(folder, OsStr::from_bytes(name), LISTED, Mode::empty()).map_err(
            |error| match error {
                // It was a folder when its name was read.
                Errno::LOOP | Errno::NOTDIR => io::Error::other("a link has replaced it"),
                error => error.into(),
            },
        )
    }

    /// Returns the current folder, and opens it again if it was closed.
    fn folder(&mut self) -> io::Result<BorrowedFd<'_>> {
        let level = self.levels.last().ok_or(io::ErrorKind::NotFound)?;
        if level.folder.is_none() {
            let place = level.linked_to.as_deref().unwrap_or(self.here());
            let folder = Dir::new(self.root.list(place)?)?;
            self.levels.last_mut().ok_or(io::ErrorKind::NotFound)?.folder = Some(folder);
        }
        match self.levels.last().and_then(|level| level.folder.as_ref()) {
            Some(folder) => Ok(folder.fd()?),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn stamp(&mut self, name: &[u8]) -> Option<Stamp> {
        let folder = self.folder().ok()?;
        let found = statat(folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(Stamp::of_found(&found))
    }

    fn stamp_of_target(&self, target: &Path) -> io::Result<Stamp> {
        let (folder, name) = beneath::split(target);
        let found = statat(self.root.pass(folder)?, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Stamp::of_found(&found))
    }
}

impl Iterator for Walk {
    type Item = Result<Found, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.has_begun
            && let Err(error) = self.begin()
        {
            return Some(Err(error));
        }
        while let Some(level) = self.levels.last_mut() {
            if let Some(name) = level.names.next() {
                match self.visit(name) {
                    Ok(None) => {}
                    Ok(Some(found)) => return Some(Ok(found)),
                    Err(error) => return Some(Err(error)),
                }
                continue;
            }
            if level.has_more {
                let relative = self.here().to_owned();
                self.levels.clear();
                return Some(Err(WalkError::TooMany { relative }));
            }
            if level.has_rules {
                self.leave_rules();
            }
            if let Some(level) = self.levels.pop() {
                self.path.truncate(level.parent_bytes);
            }
        }
        None
    }
}

/// Compares bytes, because comparing `Path`s compares components.
fn is_same(a: &Path, b: &Path) -> bool {
    a.as_os_str() == b.as_os_str()
}

/// Reports whether `error` means that a link has no target, or is its own target.
fn is_dangling(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_folder_with_more_names_than_are_held_the_first_are_found() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["g", "b", "d/x", "a", "h", "c/x", "f", "e"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let check = |names_max, expected: &[&str]| {
            let root = Arc::new(Root::open(folder.path()).unwrap());
            let admits: Box<Admits> = Box::new(|_, _| true);
            let (has_rules, follow_links, leave_out) = (false, false, Vec::new());
            let walking = Walking { admits, has_rules, follow_links, leave_out, names_max };
            let found = Walk::new(root, walking).map(|found| match found {
                Ok(found) => found.relative.display().to_string(),
                Err(error) => format!("{error:?}"),
            });
            assert_eq!(found.collect::<Vec<_>>(), expected);
        };
        let cut = "TooMany { relative: \"\" }";
        check(1, &["a", cut]);
        check(3, &["a", "b", "c/x", cut]);
        check(7, &["a", "b", "c/x", "d/x", "e", "f", "g", cut]);
        check(8, &["a", "b", "c/x", "d/x", "e", "f", "g", "h"]);
    }
}

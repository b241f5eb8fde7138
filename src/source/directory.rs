//! A folder of files as a source.
//!
//! It decides what is a document; `walk.rs` finds what there is, `file.rs` reads it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use tracing::{debug, warn};

use super::directory_config::DirectoryConfig;
use super::file::{self, Stamp};
use super::globs::Globs;
use super::open_folder::OpenFolder;
use super::walk::{self, Found, Kind, Walk, WalkError};
use super::{ByteSize, Content, ListError, Listing, ReadError, Source, SourceError, uri};
use crate::domain::Entry;

/// Ignore rules of our own, obeyed as `.gitignore` is, and winning over it.
const IGNORE_FILE: &str = ".kbignore";

/// Files below one folder of this machine.
#[derive(Debug)]
pub struct DirectorySource {
    name: String,
    /// Absolute, but perhaps through symbolic links.
    root: PathBuf,
    globs: Globs,
    gitignore: bool,
    hidden: bool,
    follow_links: bool,
    max_file_size: ByteSize,
    /// Real paths.
    leave_out: Vec<PathBuf>,
}

impl DirectorySource {
    /// Prepares the source without touching its folder.
    ///
    /// A relative path is relative to `base`. The files in `leave_out`, which need not exist yet,
    /// are never listed.
    pub fn new(
        config: &DirectoryConfig,
        base: &Path,
        leave_out: &[PathBuf],
    ) -> Result<Self, SourceError> {
        let name = config.name.get_ref().clone();
        let root = base.join(config.path.get_ref());
        let globs = Globs::new(
            config.include.iter().map(|pattern| pattern.get_ref().as_str()),
            config.exclude.iter().map(|pattern| pattern.get_ref().as_str()),
        )
        .map_err(|reason| SourceError::Config { name: name.clone(), reason })?;
        Ok(Self {
            root: std::path::absolute(&root).unwrap_or(root),
            name,
            globs,
            gitignore: config.gitignore,
            hidden: config.hidden,
            follow_links: config.follow_links,
            max_file_size: *config.max_file_size.get_ref(),
            leave_out: leave_out.iter().map(|path| real_path(path)).collect(),
        })
    }

    /// Returns the real path of the root after making sure that it can be listed.
    fn reach_root(&self) -> Result<PathBuf, SourceError> {
        let reach = || {
            let root = self.root.canonicalize()?;
            root.read_dir()?;
            Ok(root)
        };
        reach().map_err(|source| SourceError::Unreachable {
            name: self.name.clone(),
            path: self.root.clone(),
            source,
        })
    }

    fn walk(&self, root: &Path) -> Walk {
        let gate = Gate {
            root: root.to_path_buf(),
            globs: self.globs.clone(),
            gitignore: self.gitignore,
            hidden: self.hidden,
            follow_links: self.follow_links,
            leave_out: self.leave_out.clone(),
        };
        let admits = move |path: &Path, kind| gate.admits(path, kind);
        if self.gitignore {
            walk::by_rules(root, self.follow_links, IGNORE_FILE, admits)
        } else {
            walk::plainly(root, self.follow_links, admits)
        }
    }

    /// Returns what `found` is listed as, if it is a document.
    fn entry(&self, root: &Path, found: &Found, folder: &mut OpenFolder) -> Option<Entry> {
        let path = found.path();
        let kind = found.kind()?;
        if kind.is_folder {
            return None;
        }
        if !kind.is_file {
            debug!(path = %path.display(), "left out: not a regular file");
            return None;
        }
        let relative = below(root, path)?;
        if !self.globs.wants_file(relative) || self.is_left_out(path, kind.is_link) {
            return None;
        }
        // A file without readable metadata is listed all the same: it exists, and reading it will
        // say what is wrong.
        let stamp = if kind.is_link {
            found.metadata().map(|metadata| Stamp::of(&metadata)).ok()
        } else {
            folder.stamp(path).ok()
        };
        Some(Entry {
            uri: uri::encode(relative),
            version: stamp.map(Stamp::version),
            size_bytes: stamp.map_or(0, |stamp| stamp.size_bytes),
        })
    }

    fn is_left_out(&self, path: &Path, is_link: bool) -> bool {
        // Bytes, because a `Path` is compared part by part.
        let contains =
            |path: &Path| self.leave_out.iter().any(|out| out.as_os_str() == path.as_os_str());
        contains(path) || is_link && contains(&real_path(path))
    }

    /// Returns the path of a listed document, free of links where links are followed.
    fn path_of(&self, entry: &Entry) -> Result<PathBuf, ReadError> {
        let relative = uri::decode(&entry.uri);
        let path = self.root.join(&relative);
        let leaves = |component| !matches!(component, Component::Normal(_));
        if relative.components().any(leaves) || relative.as_os_str().is_empty() {
            return Err(ReadError::Permanent { path, reason: "the uri leaves the source".into() });
        }
        if !self.follow_links {
            return Ok(path);
        }
        let resolve = || Ok((self.root.canonicalize()?, path.canonicalize()?));
        match resolve() {
            Ok((root, real)) if real.starts_with(&root) => Ok(real),
            Ok(_) => Err(ReadError::Skipped { path, reason: "its link leaves the source".into() }),
            Err(source) => Err(ReadError::Transient { path, source }),
        }
    }
}

impl Source for DirectorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Listing<'_>, SourceError> {
        let root = self.reach_root()?;
        let walk = self.walk(&root);
        let mut folder = OpenFolder::default();
        Ok(Box::new(walk.filter_map(move |found| match found {
            Ok(found) => self.entry(&root, &found, &mut folder).map(Ok),
            Err(error) => list_error(&root, error).map(Err),
        })))
    }

    fn read(&self, entry: &Entry) -> Result<Content, ReadError> {
        file::read(&self.path_of(entry)?, self.max_file_size)
    }
}

/// What the walk may enter and yield; the rest is never opened.
struct Gate {
    root: PathBuf,
    globs: Globs,
    gitignore: bool,
    hidden: bool,
    follow_links: bool,
    leave_out: Vec<PathBuf>,
}

impl Gate {
    fn admits(&self, path: &Path, kind: Kind) -> bool {
        if !self.hidden && is_hidden(path) && path != self.root {
            return false;
        }
        if kind.is_folder && !self.admits_folder(path) {
            return false;
        }
        !kind.is_link || self.follow_links && self.admits_link(path, kind.is_folder)
    }

    /// `hidden = true` is meant for `.github`, not for git's own files.
    fn admits_folder(&self, path: &Path) -> bool {
        let is_git = self.gitignore && path.file_name().is_some_and(|name| name == ".git");
        let is_own = self.leave_out.iter().any(|out| out.as_os_str() == path.as_os_str());
        let wanted = |relative| self.globs.wants_folder(relative);
        !is_git && !is_own && below(&self.root, path).is_some_and(wanted)
    }

    /// Links may not leave the root. A linked folder is entered only outside of other linked
    /// folders: its content is listed at its own place anyway, and twenty folders full of links to
    /// one another have 20! paths.
    fn admits_link(&self, path: &Path, is_folder: bool) -> bool {
        let stays_inside = path.canonicalize().is_ok_and(|real| real.starts_with(&self.root));
        let parent = path.parent().unwrap_or(&self.root);
        let nested = || parent.canonicalize().is_ok_and(|real| real != parent);
        let admitted = stays_inside && !(is_folder && nested());
        if !admitted {
            debug!(path = %path.display(), "link not followed");
        }
        admitted
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

/// Returns what the walk's error means for the listing, if anything.
fn list_error(root: &Path, error: WalkError) -> Option<ListError> {
    let (path, kind) = match error {
        WalkError::Unlisted { path, kind } => (path, kind),
        WalkError::Rules { path, file } => {
            return Some(ListError {
                uri: uri::encode(below(root, &path).unwrap_or(Path::new(""))),
                blocks_deletions: true,
                source: io::Error::other(format!("its {file} is no regular file of at most 1 MiB")),
            });
        }
        WalkError::Rule(_) => {
            warn!("not obeyed: {error}");
            return None;
        }
    };
    if path.is_symlink() && path.metadata().is_err_and(|error| leads_nowhere(&error)) {
        warn!(path = %path.display(), "link leads nowhere");
        return None;
    }
    Some(ListError {
        uri: uri::encode(below(root, &path).unwrap_or(Path::new(""))),
        // Whatever cannot be opened or looked at may be a folder with documents below it.
        blocks_deletions: true,
        // Only the kind: the message of the cause repeats the path.
        source: kind.into(),
    })
}

/// Tells whether `error` says that a link has no target, or is its own.
fn leads_nowhere(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ELOOP)
}

/// Returns the part of `path` below `root`, which the walk has put before it; `Path::strip_prefix`
/// would compare part by part and cost a tenth of the walk.
fn below<'a>(root: &Path, path: &'a Path) -> Option<&'a Path> {
    let rest = path.as_os_str().as_bytes().strip_prefix(root.as_os_str().as_bytes())?;
    Some(Path::new(OsStr::from_bytes(rest.strip_prefix(b"/").unwrap_or(rest))))
}

/// Returns `path` free of links, also where the file itself does not exist yet.
fn real_path(path: &Path) -> PathBuf {
    let resolve = || {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(parent.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(resolve).unwrap_or_else(|| path.to_path_buf())
}

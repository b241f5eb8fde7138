//! A folder of files as a source.
//!
//! It decides what is a document; `walk.rs` finds the files, `file.rs` reads them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::beneath::{self, Root};
use super::directory_config::DirectoryConfig;
use super::file::{self, Stamp};
use super::globs::Globs;
use super::walk::{Found, Kind, Walk, WalkError, Walking};
use super::{ByteSize, Content, ListError, Listing, Source, SourceError, lfs, limited, own, uri};
use crate::domain::{DocumentError, Entry};

/// Names of one folder that are held in memory, even if fewer documents are allowed: some may be
/// empty folders.
const NAMES_MAX: usize = 1_000_000;

/// Files below one folder of this machine.
#[derive(Debug)]
pub struct DirectorySource {
    name: String,
    /// Absolute, but it may contain symbolic links.
    root: PathBuf,
    globs: Globs,
    gitignore: bool,
    hidden: bool,
    follow_links: bool,
    max_file_size: ByteSize,
    max_documents: u64,
    /// Absolute paths free of links.
    leave_out: Vec<PathBuf>,
    /// The folder as opened for the last listing: files are read below it, even if its path leads
    /// elsewhere by then.
    opened: Mutex<Option<Arc<Root>>>,
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
        let globs = Globs::of_source(&name, &config.include, &config.exclude)?;
        Ok(Self {
            root: std::path::absolute(&root).unwrap_or(root),
            name,
            globs,
            gitignore: config.gitignore,
            hidden: config.hidden,
            follow_links: config.follow_links,
            max_file_size: *config.max_file_size.get_ref(),
            max_documents: *config.max_documents.get_ref(),
            leave_out: leave_out.iter().map(|path| real_path(path)).collect(),
            opened: Mutex::new(None),
        })
    }

    /// Opens the root, which must be a folder that can be listed.
    fn reach_root(&self) -> Result<Arc<Root>, SourceError> {
        let opened = Root::open(&self.root).map(Arc::new);
        let root = opened.map_err(|source| SourceError::Unreachable {
            name: self.name.clone(),
            path: self.root.clone(),
            source,
        })?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        *opened = Some(Arc::clone(&root));
        Ok(root)
    }

    /// Returns the root as listed, or opens it if it was not listed.
    fn opened_root(&self) -> Result<Arc<Root>, SourceError> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        opened.map_or_else(|| self.reach_root(), Ok)
    }

    fn walk(&self, root: Arc<Root>) -> Walk {
        let below = |path: &PathBuf| path.strip_prefix(root.path()).map(Path::to_owned).ok();
        let leave_out: Vec<_> = self.leave_out.iter().filter_map(below).collect();
        let gate = Gate {
            globs: self.globs.clone(),
            gitignore: self.gitignore,
            hidden: self.hidden,
            leave_out: leave_out.clone(),
        };
        let walking = Walking {
            admits: Box::new(move |relative, kind| gate.admits(relative, kind)),
            has_rules: self.gitignore,
            follow_links: self.follow_links,
            leave_out,
            names_max: usize::try_from(self.max_documents).unwrap_or(usize::MAX).max(NAMES_MAX),
        };
        Walk::new(root, walking)
    }

    /// Returns the path below the root of a listed document; if links are followed, with all links
    /// resolved.
    fn place_of(&self, root: &Root, entry: &Entry) -> Result<PathBuf, DocumentError> {
        let relative = uri::decode(&entry.uri);
        let path = self.root.join(&relative);
        let leaves = |component| !matches!(component, Component::Normal(_));
        if relative.components().any(leaves) || relative.as_os_str().is_empty() {
            return Err(DocumentError::permanent(file::named(&path), "the uri leaves the source"));
        }
        if beneath::is_too_long(root.path(), &relative) {
            return Err(DocumentError::unreadable(&path, rustix::io::Errno::NAMETOOLONG));
        }
        if !self.follow_links {
            return Ok(relative);
        }
        match root.path().join(&relative).canonicalize() {
            Ok(real) => match real.strip_prefix(root.path()) {
                Ok(place) => Ok(place.to_owned()),
                Err(_) => {
                    Err(DocumentError::skipped(file::named(&path), "its link leaves the source"))
                }
            },
            Err(source) => Err(DocumentError::unreadable(&path, source)),
        }
    }
}

impl Source for DirectorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Listing<'_>, SourceError> {
        let walk = self.walk(self.reach_root()?);
        let listing = walk.map(|found| found.map(entry).map_err(list_error));
        Ok(limited(Box::new(listing), self.max_documents))
    }

    fn read(&self, entry: &Entry) -> Result<Content, DocumentError> {
        let path = || self.root.join(uri::decode(&entry.uri));
        let unreachable = |error| DocumentError::unreadable(&path(), io::Error::other(error));
        let root = self.opened_root().map_err(unreachable)?;
        let place = self.place_of(&root, entry)?;
        let (folder, name) = beneath::split(&place);
        let folder = root.pass(folder).map_err(|error| DocumentError::unopened(&path(), error))?;
        let content = file::read_in(&folder, name, &path(), self.max_file_size)?;
        if lfs::is_pointer(&content.bytes) {
            let reason = "a Git LFS pointer; `git lfs pull` in its repository fetches the content";
            return Err(DocumentError::skipped(file::named(&path()), reason));
        }
        // Under another name, or behind a link; the others are not listed.
        if own::is_content(&content.bytes) {
            return Err(DocumentError::skipped(file::named(&path()), own::REASON));
        }
        Ok(content)
    }

    fn read_included(&self, uri: &str) -> Option<Vec<u8>> {
        if !uri::may_be_included(uri, self.hidden) {
            return None;
        }
        let entry = Entry { uri: uri.to_owned(), ..Entry::default() };
        self.read(&entry).ok().map(|content| content.bytes)
    }
}

/// Decides what the walk may enter and yield; nothing else is opened.
struct Gate {
    globs: Globs,
    gitignore: bool,
    hidden: bool,
    leave_out: Vec<PathBuf>,
}

impl Gate {
    fn admits(&self, relative: &Path, kind: Kind) -> bool {
        if !self.hidden && is_hidden(relative) {
            return false;
        }
        match kind {
            Kind::Folder => self.admits_folder(relative),
            Kind::File => self.globs.wants_file(relative),
            Kind::Other => false,
        }
    }

    /// `hidden = true` is meant for `.github`, not for git's own files.
    fn admits_folder(&self, relative: &Path) -> bool {
        let is_git = self.gitignore && relative.file_name().is_some_and(|name| name == ".git");
        let is_own = self.leave_out.iter().any(|out| out.as_os_str() == relative.as_os_str());
        !is_git && !is_own && self.globs.wants_folder(relative)
    }
}

/// Returns the listing's entry for a file.
fn entry(found: Found) -> Entry {
    let Found { relative, stamp } = found;
    Entry {
        format_name: None,
        uri: uri::encode(&relative),
        version: stamp.map(Stamp::version),
        size_bytes: stamp.map_or(0, |stamp| stamp.size_bytes),
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

/// Returns the listing's error for an error of the walk. Anything that cannot be opened or examined
/// may be a folder with documents in it.
fn list_error(error: WalkError) -> ListError {
    let (relative, source) = match error {
        // Only the kind: the message of the cause repeats the path.
        WalkError::Unlisted { relative, kind } => (relative, kind.into()),
        WalkError::Rules { relative, reason } => (relative, io::Error::other(reason)),
        WalkError::TooMany { relative } => {
            let folder = uri::encode(&relative);
            return ListError::limit(format!(
                "a folder of it (\"{folder}\") has more names than the limit"
            ));
        }
    };
    ListError { uri: uri::encode(&relative), blocks_deletions: true, is_limit: false, source }
}

/// Returns `path` with all links resolved, even if the file itself does not exist yet.
fn real_path(path: &Path) -> PathBuf {
    let resolve = || {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(parent.join(path.file_name()?))
    };
    path.canonicalize().ok().or_else(resolve).unwrap_or_else(|| path.to_path_buf())
}

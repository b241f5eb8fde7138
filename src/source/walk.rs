//! Walks a folder: with ignore rules by `ignore`, without by `walkdir`.
//!
//! Both are serial and sorted: the parallel walker of `ignore` cannot sort, and the ledger has to be
//! met in order. They hold the names of one folder per level of depth, nothing else.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::WalkBuilder;
use walkdir::WalkDir;

use super::uri;

/// Size of an ignore file at most.
const RULES_BYTES_MAX: u64 = 1 << 20;

/// What a walk finds, each folder before its content, siblings in uri order.
pub type Walk = Box<dyn Iterator<Item = Result<Found, WalkError>> + Send>;

/// What a path is.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// A folder, or a link to one that is followed.
    pub is_folder: bool,
    /// A regular file, or a link to one that is followed.
    pub is_file: bool,
    /// Reached through a link of this name.
    pub is_link: bool,
}

/// Something below the root.
pub enum Found {
    /// By [`by_rules`].
    Ruled(ignore::DirEntry),
    /// By [`plainly`].
    Plain(walkdir::DirEntry),
}

/// Something that could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// A path that exists, or may.
    #[error("{}: {kind}", path.display())]
    Unlisted {
        /// The path.
        path: PathBuf,
        /// What the system said.
        kind: io::ErrorKind,
    },
    /// A folder that is not entered, because reading its rules might never end.
    #[error("{}: its {file} is no regular file of at most 1 MiB", path.display())]
    Rules {
        /// The folder.
        path: PathBuf,
        /// What stands where its rules should be.
        file: String,
    },
    /// A loop of links, which is left; or an ignore file that cannot be read.
    #[error("{0}")]
    Rule(String),
}

/// Walks `root` obeying git's ignore files and those called `ignore_file`; `admits` decides first.
pub fn by_rules(
    root: &Path,
    follow_links: bool,
    ignore_file: &str,
    admits: impl Fn(&Path, Kind) -> bool + Send + Sync + 'static,
) -> Walk {
    // Rules of parent folders hold inside one git repository only: a `.gitignore` of `*` in a home
    // folder that is managed by other means must not empty every source below it. Rules from the
    // user's own git settings never hold, because the same kb.toml would then mean other documents
    // under cron.
    let in_repository = root.ancestors().any(|folder| folder.join(".git").exists());
    if let Some(file) = endless_rules(root, ignore_file) {
        return Box::new(std::iter::once(Err(WalkError::Rules { path: root.to_path_buf(), file })));
    }
    let refused = Arc::new(Mutex::new(Vec::new()));
    let filter = {
        let (refused, ignore_file) = (Arc::clone(&refused), ignore_file.to_owned());
        move |entry: &ignore::DirEntry| {
            let kind = ruled_kind(entry);
            if !admits(entry.path(), kind) {
                return false;
            }
            let file = kind.is_folder.then(|| endless_rules(entry.path(), &ignore_file)).flatten();
            let Some(file) = file else { return true };
            let error = WalkError::Rules { path: entry.path().to_path_buf(), file };
            refused.lock().unwrap_or_else(PoisonError::into_inner).push(error);
            false
        }
    };
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .follow_links(follow_links)
        .sort_by_file_path(uri::sibling_order)
        .filter_entry(filter)
        .git_ignore(true)
        .git_exclude(true)
        .parents(in_repository)
        .require_git(in_repository)
        .add_custom_ignore_filename(ignore_file)
        .build();
    Box::new(Ruled { root: root.to_path_buf(), walk, refused, waiting: Vec::new() })
}

/// A walk that obeys rules, with what else there is to tell of it.
struct Ruled {
    root: PathBuf,
    walk: ignore::Walk,
    /// Folders that the filter of `walk` has refused.
    refused: Arc<Mutex<Vec<WalkError>>>,
    /// Told before the walk goes on, the last one first.
    waiting: Vec<Result<Found, WalkError>>,
}

impl Iterator for Ruled {
    type Item = Result<Found, WalkError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(waiting) = self.waiting.pop() {
            return Some(waiting);
        }
        let found = self.walk.next();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let none_refused = refused.is_empty();
        let rule = match &found {
            // An ignore file that cannot be read comes with the folder that it is in.
            Some(Ok(entry)) => entry.error().map(|error| WalkError::Rule(error.to_string())),
            _ => None,
        };
        let found = found.map(|found| match found {
            Ok(entry) => Ok(Found::Ruled(entry)),
            Err(error) => Err(ruled_error(&self.root, &error)),
        });
        // Nearly always. After the last entry a folder behind it may have been refused.
        if none_refused && rule.is_none() {
            return found;
        }
        self.waiting.extend(found);
        self.waiting.extend(rule.map(Err));
        self.waiting.extend(refused.drain(..).rev().map(Err));
        drop(refused);
        self.waiting.pop()
    }
}

/// Returns the file with rules of `folder`, if there is one, whose reading might never end.
///
/// `ignore` opens whatever goes by such a name and reads it line by line into memory: a FIFO waits for
/// its writer for ever, and a link to `/dev/zero` is one line without end.
fn endless_rules(folder: &Path, ignore_file: &str) -> Option<String> {
    let look = |name: &str| folder.join(name).metadata().ok();
    let is_endless = |found: &Metadata| {
        let is_bounded = found.is_file() && found.len() <= RULES_BYTES_MAX;
        !is_bounded && !found.is_dir()
    };
    let git = look(".git");
    let exclude = git.as_ref().filter(|git| git.is_dir()).and_then(|_| look(".git/info/exclude"));
    let files = [
        (ignore_file, look(ignore_file)),
        (".gitignore", look(".gitignore")),
        (".git", git),
        (".git/info/exclude", exclude),
    ];
    let endless = files.into_iter().find(|(_, found)| found.as_ref().is_some_and(is_endless));
    endless.map(|(name, _)| name.to_owned())
}

/// Walks `root` without rules; `admits` decides alone.
pub fn plainly(
    root: &Path,
    follow_links: bool,
    admits: impl Fn(&Path, Kind) -> bool + Send + Sync + 'static,
) -> Walk {
    let walk = WalkDir::new(root)
        .follow_links(follow_links)
        .sort_by(|a, b| uri::sibling_order(a.path(), b.path()))
        .into_iter()
        .filter_entry(move |entry| admits(entry.path(), plain_kind(entry)));
    let root = root.to_path_buf();
    Box::new(walk.map(move |found| {
        found.map(Found::Plain).map_err(|error| match error.io_error() {
            Some(cause) => WalkError::Unlisted {
                path: error.path().unwrap_or(&root).to_path_buf(),
                kind: cause.kind(),
            },
            None => WalkError::Rule(error.to_string()),
        })
    }))
}

impl Found {
    /// Returns the path, `root` included.
    pub fn path(&self) -> &Path {
        match self {
            Self::Ruled(entry) => entry.path(),
            Self::Plain(entry) => entry.path(),
        }
    }

    /// Returns what it is; `None` for standard input, which no walk finds.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Ruled(entry) => entry.file_type().map(|_| ruled_kind(entry)),
            Self::Plain(entry) => Some(plain_kind(entry)),
        }
    }

    /// Returns size and times, of a followed link's target.
    pub fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::Ruled(entry) => entry.metadata().map_err(io::Error::other),
            Self::Plain(entry) => entry.metadata().map_err(io::Error::other),
        }
    }
}

fn ruled_kind(entry: &ignore::DirEntry) -> Kind {
    let file_type = entry.file_type();
    Kind {
        is_folder: file_type.is_some_and(|kind| kind.is_dir()),
        is_file: file_type.is_some_and(|kind| kind.is_file()),
        is_link: entry.path_is_symlink(),
    }
}

fn plain_kind(entry: &walkdir::DirEntry) -> Kind {
    Kind {
        is_folder: entry.file_type().is_dir(),
        is_file: entry.file_type().is_file(),
        is_link: entry.path_is_symlink(),
    }
}

fn ruled_error(root: &Path, error: &ignore::Error) -> WalkError {
    // The walk's own errors have a depth; those without are about ignore files.
    match error.io_error().filter(|_| error.depth().is_some()) {
        Some(cause) => WalkError::Unlisted {
            path: place_of(error).unwrap_or(root).to_path_buf(),
            kind: cause.kind(),
        },
        None => WalkError::Rule(error.to_string()),
    }
}

/// Returns the path that the walk's error is about.
fn place_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            place_of(err)
        }
        _ => None,
    }
}

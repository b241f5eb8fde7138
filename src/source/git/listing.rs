//! The listing of a source: which files of a repository and its submodules are documents.

use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use tracing::debug;

use super::command::GitError;
use super::repository::Repository;
use crate::domain::{Entry, Version};
use crate::source::globs::Globs;
use crate::source::{ListError, own, uri};

/// Prefix of the version of a submodule that is not followed: its id is that of a commit elsewhere.
pub(super) const SUBMODULE: &str = "commit ";
/// Mode of a submodule in a tree.
const SUBMODULE_MODE: &[u8] = b"160000";

/// Limit on the entries of a tree examined, for each document allowed: the others are not wanted.
const SEEN_PER_DOCUMENT: u64 = 16;
/// Limit on the bytes of URIs kept, for each document allowed.
const NAME_BYTES_PER_DOCUMENT: u64 = 256;
/// Lower bound of that limit.
const NAMES_BYTES_MIN: u64 = 1 << 20;
/// Problems of entries that are reported one by one.
const PROBLEMS_MAX: usize = 100;
/// Limit on folders of a repository that are recognised as made by kbingest.
const OWN_FOLDERS_MAX: usize = 1000;

/// The settings that decide which files are wanted.
pub(super) struct Wanted {
    pub(super) globs: Globs,
    pub(super) hidden: bool,
    pub(super) max_documents: u64,
    /// Whether submodules are followed.
    pub(super) submodules: bool,
}

/// A submodule as its repository has it.
pub(super) struct Link {
    /// Its path below the folder that the source lists.
    pub(super) path: PathBuf,
    /// Its path in the repository that contains it.
    pub(super) inner_path: PathBuf,
    /// Its commit.
    pub(super) commit: String,
}

/// The part of a listing that was read.
#[derive(Default)]
pub(super) struct Files {
    entries: Vec<Entry>,
    problems: Vec<ListError>,
    /// Submodules to follow.
    links: Vec<Link>,
    seen: u64,
    names_bytes: u64,
    /// Whether a limit ended the listing.
    is_over: bool,
    /// URIs of folders that kbingest made, each with a `/` at its end.
    own_folders: Vec<String>,
}

impl Files {
    /// Adds the documents of `repository` at `commit`, whose files are below `folder`.
    pub(super) fn add(
        &mut self,
        wanted: &Wanted,
        repository: &Repository,
        commit: &str,
        folder: &Path,
    ) -> Result<(), GitError> {
        let tree = repository.tree(commit);
        repository.git().list_tree(&tree, &mut |line| {
            let line = TreeLine::parse(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                GitError::Failed(format!("git lists an invalid line: {line:.80}"))
            })?;
            Ok(self.see(wanted, &line, repository, folder))
        })
    }

    fn see(
        &mut self,
        wanted: &Wanted,
        line: &TreeLine<'_>,
        repository: &Repository,
        folder: &Path,
    ) -> ControlFlow<()> {
        self.seen += 1;
        let path = folder.join(line.path);
        if let Some(folder) = own::marked_folder(&path) {
            self.note_own_folder(folder);
        }
        let max = wanted.max_documents;
        if wanted.wants(&path, line.is_submodule()) {
            if wanted.submodules && line.is_submodule() {
                let inner_path = Path::new(repository.subdirectory()).join(line.path);
                self.links.push(Link { path, inner_path, commit: line.id.to_owned() });
            } else if let Some(entry) = line.entry(&path) {
                return self.keep(entry, max);
            }
        }
        if self.seen < max.saturating_mul(SEEN_PER_DOCUMENT) {
            return ControlFlow::Continue(());
        }
        self.limit(format!(
            "it has more than {SEEN_PER_DOCUMENT} files for each of max_documents ({max})"
        ))
    }

    fn keep(&mut self, entry: Entry, max_documents: u64) -> ControlFlow<()> {
        if self.entries.len() as u64 == max_documents {
            let what = format!("it has more documents than max_documents ({max_documents})");
            return self.limit(what);
        }
        // A path of this length is not even kept completely.
        if entry.uri.len() > uri::BYTES_MAX {
            self.problem(ListError::too_long(&entry.uri));
            return ControlFlow::Continue(());
        }
        self.names_bytes += entry.uri.len() as u64;
        let names_bytes_max = max_documents.saturating_mul(NAME_BYTES_PER_DOCUMENT);
        if self.names_bytes > names_bytes_max.max(NAMES_BYTES_MIN) {
            return self.limit(format!(
                "its names have more than {NAME_BYTES_PER_DOCUMENT} bytes for each of max_documents ({max_documents})"
            ));
        }
        self.entries.push(entry);
        ControlFlow::Continue(())
    }

    /// Returns the submodules found since the last call.
    pub(super) fn take_links(&mut self) -> Vec<Link> {
        std::mem::take(&mut self.links)
    }

    /// Returns whether a limit ended the listing.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Ends the listing; the entries that git lists first are kept, whatever their order among all.
    pub(super) fn limit(&mut self, what: String) -> ControlFlow<()> {
        self.is_over = true;
        self.problems.push(ListError::limit(what));
        ControlFlow::Break(())
    }

    /// Adds the problem of a submodule, below which documents may exist that are not listed.
    pub(super) fn unlisted(&mut self, link: &Link, reason: String) {
        let source = io::Error::other(format!("this submodule is unavailable: {reason}"));
        let uri = uri::encode(&link.path);
        self.problem(ListError { uri, blocks_deletions: true, is_limit: false, source });
    }

    /// Keeps the first problems; each of them blocks deletions, so the others change nothing.
    fn problem(&mut self, problem: ListError) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// Remembers a folder that kbingest made: nothing in it is a document.
    fn note_own_folder(&mut self, folder: &Path) {
        if self.own_folders.len() < OWN_FOLDERS_MAX {
            self.own_folders.push(format!("{}/", uri::encode(folder)));
        }
    }

    /// Returns the problems, and the documents in URI order.
    pub(super) fn finish(self) -> (Vec<ListError>, Vec<Entry>) {
        let Self { mut entries, mut problems, own_folders, .. } = self;
        let is_own = |uri: &str| own_folders.iter().any(|folder| uri.starts_with(folder.as_str()));
        entries.retain(|entry| !is_own(&entry.uri));
        // Git orders by whole paths, the ledger by components.
        entries.sort_by(|a, b| uri::uri_order(&a.uri, &b.uri));
        // A tree that git has not checked may contain a name several times; the first is used.
        entries.dedup_by(|later, first| {
            let is_double = later.uri == first.uri;
            if is_double && problems.len() < PROBLEMS_MAX {
                problems.push(ListError {
                    uri: later.uri.clone(),
                    blocks_deletions: false,
                    is_limit: false,
                    source: io::Error::other("the repository has two files of this name"),
                });
            }
            is_double
        });
        (problems, entries)
    }
}

impl Wanted {
    /// Reports whether a file, or the content of a submodule, may be wanted.
    fn wants(&self, path: &Path, is_submodule: bool) -> bool {
        let is_wanted = match (is_submodule, self.submodules) {
            (false, _) => self.globs.wants(path),
            (true, false) => self.globs.wants(path) && self.globs.wants_below(path),
            (true, true) => self.globs.wants_below(path),
        };
        let bytes = path.as_os_str().as_bytes();
        is_wanted
            && (self.hidden || !bytes.split(|&b| b == b'/').any(|name| name.starts_with(b".")))
    }
}

/// One entry of `git ls-tree -r -l -z`.
struct TreeLine<'a> {
    mode: &'a [u8],
    id: &'a str,
    size_bytes: u64,
    path: &'a Path,
}

impl<'a> TreeLine<'a> {
    /// Parses `<mode> SP <type> SP <id> SP <size, padded> TAB <path>`.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let tab = line.iter().position(|&byte| byte == b'\t')?;
        let mut words = line[..tab].split(|&b| b == b' ').filter(|word| !word.is_empty());
        let mode = words.next()?;
        let _type = words.next()?;
        let id = std::str::from_utf8(words.next()?).ok()?;
        // The size of a submodule, or of a blob missing in the clone, is unknown: reading checks
        // again.
        let size_bytes = std::str::from_utf8(words.next()?).ok()?.parse().unwrap_or(0);
        let path = Path::new(std::ffi::OsStr::from_bytes(&line[tab + 1..]));
        Some(Self { mode, id, size_bytes, path })
    }

    fn is_submodule(&self) -> bool {
        self.mode == SUBMODULE_MODE
    }

    /// Returns the entry of the listing for the file at `path`, if it may be a document.
    fn entry(&self, path: &Path) -> Option<Entry> {
        let version = match self.mode {
            b"100644" | b"100755" | b"100664" => self.id.to_owned(),
            SUBMODULE_MODE => format!("{SUBMODULE}{}", self.id),
            _ => {
                debug!(path = %path.display(), "left out: a symbolic link");
                return None;
            }
        };
        let (uri, size_bytes) = (uri::encode(path), self.size_bytes);
        Some(Entry { uri, version: Some(Version(version)), size_bytes, format_name: None })
    }
}

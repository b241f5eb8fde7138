//! A git repository as a source: one commit of it, listed from a bare clone in the cache of the
//! knowledge base.
//!
//! On disk: the clone, created and updated by the `git` command under the lock of the run; it may
//! be deleted at any time and is then created again. Nothing of the repository is ever checked out
//! or executed, and only our own settings and the user's apply.
//!
//! The version of a document is the id of its blob, which git computes from the bytes: an unchanged
//! file is recognised from the listing alone, whatever happened to the history. Comparing trees
//! with the last ingested commit would be faster, but would miss files that failed or whose
//! settings changed; `git ls-tree` lists 80,000 files in a third of a second.

mod clone;
mod command;
mod config;
mod dates;
mod objects;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tracing::debug;

use self::clone::CachedClone;
use self::command::{Git, GitError};
use self::dates::Dates;
use self::objects::{Blob, Objects};
use super::globs::Globs;
use super::own;
use super::{ByteSize, Content, ListError, Listing, Setting, Source, SourceError, uri};
use crate::domain::{DocumentError, Entry, Version};

pub use config::GitConfig;

/// The beginning of every LFS pointer: github.com/git-lfs/git-lfs, docs/spec.md.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";
/// Limit on an LFS pointer, in bytes.
const LFS_POINTER_BYTES_MAX: usize = 1024;
/// Prefix of a submodule's version: its id is that of a commit elsewhere.
const SUBMODULE: &str = "commit ";

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

/// Returns the folder name of the clone: another URL gets another clone.
pub(super) fn clone_name(config: &GitConfig, base: &Path) -> String {
    let url = blake3::hash(config.absolute_url(base).as_bytes()).to_hex();
    format!("{}-{}", config.name.get_ref(), &url[..16])
}

/// Files of one commit of a git repository.
pub struct GitSource {
    name: String,
    clone: CachedClone,
    subdirectory: String,
    globs: Globs,
    hidden: bool,
    max_file_size: ByteSize,
    max_documents: u64,
    /// Whether the whole history is fetched, so that the last change of each file is known.
    has_history: bool,
    /// The commit that this process uses, or why there is none: fetched once.
    fetched: Mutex<Option<Result<String, GitError>>>,
    objects: Mutex<Option<Objects>>,
    dates: Mutex<Option<Dates>>,
}

impl GitSource {
    /// Prepares the source without touching repository or clone.
    pub fn new(config: &GitConfig, setting: &Setting<'_>) -> Result<Self, SourceError> {
        let name = config.name.get_ref().clone();
        let globs = Globs::of_source(&name, &config.include, &config.exclude)?;
        let git = Git::new(clone_name(config, setting.base), setting);
        Ok(Self {
            clone: CachedClone::new(git, config, setting.base),
            name,
            subdirectory: config.subdirectory.get_ref().trim_end_matches('/').to_owned(),
            globs,
            hidden: config.hidden,
            max_file_size: *config.max_file_size.get_ref(),
            max_documents: *config.max_documents.get_ref(),
            has_history: config.depth == 0,
            fetched: Mutex::new(None),
            objects: Mutex::new(None),
            dates: Mutex::new(None),
        })
    }

    /// Returns the commit that this process uses, fetched at the first call.
    fn commit(&self) -> Result<String, GitError> {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.get_or_insert_with(|| self.clone.update()).clone()
    }

    fn unreachable(&self, error: GitError) -> SourceError {
        match error {
            GitError::Stopped => SourceError::Stopped,
            GitError::Full(reason) => SourceError::Full {
                name: self.name.clone(),
                path: self.clone.git().shown_path(),
                source: io::Error::new(io::ErrorKind::StorageFull, reason),
            },
            GitError::Cache(reason) => {
                SourceError::Cache { name: self.name.clone(), source: io::Error::other(reason) }
            }
            GitError::Starved(reason) => {
                SourceError::Starved { name: self.name.clone(), what: "git", reason }
            }
            GitError::Failed(reason) => SourceError::Remote {
                name: self.name.clone(),
                url: self.clone.shown_url().to_owned(),
                reason,
            },
        }
    }

    /// Returns git's name of the tree that is listed.
    fn tree(&self, commit: &str) -> String {
        format!("{commit}:{}", self.subdirectory)
    }

    fn files(&self) -> Result<(Vec<ListError>, Vec<Entry>), GitError> {
        let commit = self.commit()?;
        let mut files = Files::default();
        let names_bytes_max = self.max_documents.saturating_mul(NAME_BYTES_PER_DOCUMENT);
        let seen_max = self.max_documents.saturating_mul(SEEN_PER_DOCUMENT);
        let mut see = |line: &[u8]| {
            files.seen += 1;
            let line = TreeLine::parse(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                GitError::Failed(format!("git lists an invalid line: {line:.80}"))
            })?;
            if let Some(folder) = own::marked_folder(line.path) {
                files.note_own_folder(folder);
            }
            let Some(entry) = self.entry(&line) else {
                return Ok(if files.seen < seen_max {
                    ControlFlow::Continue(())
                } else {
                    files.limit(format!(
                        "it has more than {SEEN_PER_DOCUMENT} files for each of max_documents ({})",
                        self.max_documents
                    ))
                });
            };
            if files.entries.len() as u64 == self.max_documents {
                let max = self.max_documents;
                let what = format!("it has more documents than max_documents ({max})");
                return Ok(files.limit(what));
            }
            // A path of this length is not even kept completely.
            if entry.uri.len() > uri::BYTES_MAX {
                files.problem(ListError::too_long(&entry.uri));
                return Ok(ControlFlow::Continue(()));
            }
            files.names_bytes += entry.uri.len() as u64;
            if files.names_bytes > names_bytes_max.max(NAMES_BYTES_MIN) {
                return Ok(files.limit(format!(
                    "its names have more than {NAME_BYTES_PER_DOCUMENT} bytes for each of max_documents ({})",
                    self.max_documents
                )));
            }
            files.entries.push(entry);
            Ok(ControlFlow::Continue(()))
        };
        let listed = self.clone.git().list_tree(&self.tree(&commit), &mut see);
        match listed {
            Err(GitError::Failed(_)) if !self.subdirectory.is_empty() => {
                let short = &commit[..commit.len().min(12)];
                let what = format!("commit {short} has no folder {}", self.subdirectory);
                return Err(GitError::Failed(what));
            }
            listed => listed?,
        }
        let Files { mut entries, mut problems, own_folders, .. } = files;
        entries.retain(|entry| !is_below_any(&entry.uri, &own_folders));
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
        Ok((problems, entries))
    }

    /// Returns the entry for a line of the listing, if it is a document.
    fn entry(&self, line: &TreeLine<'_>) -> Option<Entry> {
        let path = line.path;
        let is_hidden =
            || path.as_os_str().as_encoded_bytes().split(|&b| b == b'/').any(starts_with_dot);
        let is_submodule = line.mode == b"160000";
        let is_wanted = self.globs.wants(path) && (!is_submodule || self.globs.wants_below(path));
        if !is_wanted || !self.hidden && is_hidden() {
            return None;
        }
        let version = match line.mode {
            b"100644" | b"100755" | b"100664" => line.id.to_owned(),
            b"160000" => format!("{SUBMODULE}{}", line.id),
            _ => {
                debug!(path = %path.display(), "left out: a symbolic link");
                return None;
            }
        };
        let size_bytes = line.size_bytes;
        let uri = uri::encode(path);
        Some(Entry { uri, version: Some(Version(version)), size_bytes, format_name: None })
    }

    fn read_blob(&self, id: &str) -> Result<Blob, io::Error> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if objects.is_none() {
            *objects = Some(Objects::open(self.clone.git())?);
        }
        let blob = objects.as_mut().map(|objects| objects.read(id, self.max_file_size.0));
        let blob = blob.expect("it was opened above");
        if blob.is_err() {
            // The next read starts a new process.
            *objects = None;
        }
        blob
    }

    /// Returns what git knows about the document at `path` below the subdirectory.
    ///
    /// Fails if git cannot be started: without its date, the document would be saved incompletely,
    /// and would not be read again.
    fn metadata(&self, path: &Path) -> io::Result<BTreeMap<String, Value>> {
        let mut known = json!({ "path": uri::encode(&Path::new(&self.subdirectory).join(path)) });
        if self.has_history
            && let Ok(commit) = self.commit()
        {
            let mut dates = self.dates.lock().unwrap_or_else(PoisonError::into_inner);
            if dates.is_none() {
                *dates = Some(Dates::open(self.clone.git(), &commit, &self.subdirectory)?);
            }
            if let Some(change) = dates.as_mut().and_then(|dates| dates.find(path)) {
                known["commit"] = Value::from(change.commit);
                known["changed"] = Value::from(change.date);
            }
        }
        Ok(BTreeMap::from([("git".to_owned(), known)]))
    }
}

impl Source for GitSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn list(&self) -> Result<Listing<'_>, SourceError> {
        let (problems, files) = self.files().map_err(|error| self.unreachable(error))?;
        Ok(Box::new(problems.into_iter().map(Err).chain(files.into_iter().map(Ok))))
    }

    fn read(&self, entry: &Entry) -> Result<Content, DocumentError> {
        let path = Path::new(&entry.uri);
        let skipped = |reason: String| DocumentError::skipped(&entry.uri, reason);
        let id = entry.version.as_ref().map_or("", |version| version.0.as_str());
        if id.starts_with(SUBMODULE) {
            let reason = "a submodule; make its repository a source of its own";
            return Err(skipped(reason.to_owned()));
        }
        let too_large = |size| {
            let max = self.max_file_size;
            skipped(format!("{} is over max_file_size ({max})", ByteSize(size)))
        };
        if entry.size_bytes > self.max_file_size.0 {
            return Err(too_large(entry.size_bytes));
        }
        match self.read_blob(id) {
            Ok(Blob::Bytes(bytes)) if is_lfs_pointer(&bytes) => Err(skipped(
                "a Git LFS pointer; the content itself is not in the repository".into(),
            )),
            Ok(Blob::Bytes(bytes)) if own::is_content(&bytes) => {
                Err(skipped("a file that kbingest made".into()))
            }
            Ok(Blob::Bytes(bytes)) => {
                let metadata = self.metadata(&uri::decode(&entry.uri));
                let metadata =
                    metadata.map_err(|source| DocumentError::unreadable(path, source))?;
                Ok(Content { bytes, version: entry.version.clone(), metadata })
            }
            Ok(Blob::TooLarge { size_bytes }) => Err(too_large(size_bytes)),
            Ok(Blob::Missing) => {
                self.clone.distrust();
                let source = io::Error::other(format!(
                    "blob {id} is missing in the clone, which is made again in the next run"
                ));
                Err(DocumentError::unreadable(path, source))
            }
            Err(source) => Err(DocumentError::unreadable(path, source)),
        }
    }
}

/// The part of a listing that was read.
#[derive(Default)]
struct Files {
    entries: Vec<Entry>,
    problems: Vec<ListError>,
    seen: u64,
    names_bytes: u64,
    /// URIs of folders that kbingest made, each with a `/` at its end.
    own_folders: Vec<String>,
}

impl Files {
    /// Remembers a folder that kbingest made: nothing in it is a document.
    fn note_own_folder(&mut self, folder: &Path) {
        if self.own_folders.len() < OWN_FOLDERS_MAX {
            self.own_folders.push(format!("{}/", uri::encode(folder)));
        }
    }

    /// Ends the listing; the entries that git lists first are kept, whatever their order among all.
    fn limit(&mut self, what: String) -> ControlFlow<()> {
        self.problems.push(ListError::limit(what));
        ControlFlow::Break(())
    }

    /// Keeps the first problems; each of them blocks deletions, so the others change nothing.
    fn problem(&mut self, problem: ListError) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
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
        use std::os::unix::ffi::OsStrExt;
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
}

fn is_below_any(uri: &str, folders: &[String]) -> bool {
    folders.iter().any(|folder| uri.starts_with(folder.as_str()))
}

fn starts_with_dot(name: &[u8]) -> bool {
    name.starts_with(b".")
}

fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.len() <= LFS_POINTER_BYTES_MAX && bytes.starts_with(LFS_POINTER)
}

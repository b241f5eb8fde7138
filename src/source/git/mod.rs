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
mod listing;
mod objects;
mod repository;
mod submodules;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use self::clone::CachedClone;
use self::command::{Git, GitError};
use self::listing::{Files, Link, SUBMODULE, Wanted};
use self::objects::Blob;
use self::repository::Repository;
use self::submodules::{DEPTH_MAX, SUBMODULES_MAX, Submodule};
use super::globs::Globs;
use super::{ByteSize, Content, ListError, Listing, Setting, Source, SourceError, lfs, own, uri};
use crate::domain::{DocumentError, Entry};

pub use config::{GitConfig, may_be_private};

/// Limit on submodules with processes that read from them. Documents are read in the order of
/// their URIs, so those of one submodule mostly together.
const IN_USE_MAX: usize = 4;

/// Returns the folder name of the clone: another URL gets another clone.
fn clone_name(config: &GitConfig, base: &Path) -> String {
    let url = blake3::hash(config.absolute_url(base).as_bytes()).to_hex();
    format!("{}-{}", config.name.get_ref(), &url[..16])
}

/// Returns the beginning of the folder names of the clones of its submodules.
fn submodules_start(config: &GitConfig, base: &Path) -> String {
    format!("{}+", clone_name(config, base))
}

/// Returns whether the folder `name` is the clone of this repository or of one of its submodules.
pub(super) fn is_clone_of(name: &OsStr, config: &GitConfig, base: &Path) -> bool {
    let start = submodules_start(config, base);
    name == clone_name(config, base).as_str()
        || config.submodules && name.as_encoded_bytes().starts_with(start.as_bytes())
}

/// Files of one commit of a git repository, and of its submodules.
pub struct GitSource {
    name: String,
    config: GitConfig,
    /// The folder of kb.toml.
    base: PathBuf,
    repository: Repository,
    wanted: Wanted,
    max_file_size: ByteSize,
    /// Those that were listed last.
    submodules: Mutex<Vec<Arc<Submodule>>>,
    /// Those with processes that read from them, the last used one first.
    in_use: Mutex<VecDeque<Arc<Submodule>>>,
}

impl GitSource {
    /// Prepares the source without touching repository or clone.
    pub fn new(config: &GitConfig, setting: &Setting<'_>) -> Result<Self, SourceError> {
        let name = config.name.get_ref().clone();
        let globs = Globs::of_source(&name, &config.include, &config.exclude)?;
        let git = Git::new(clone_name(config, setting.base), setting);
        let clone = CachedClone::new(git, config, setting.base);
        let subdirectory = config.subdirectory.get_ref().trim_end_matches('/');
        Ok(Self {
            repository: Repository::new(clone, subdirectory, config.depth == 0),
            name,
            wanted: Wanted {
                globs,
                hidden: config.hidden,
                max_documents: *config.max_documents.get_ref(),
                submodules: config.submodules,
            },
            max_file_size: *config.max_file_size.get_ref(),
            config: config.clone(),
            base: setting.base.to_owned(),
            submodules: Mutex::default(),
            in_use: Mutex::default(),
        })
    }

    fn unreachable(&self, error: GitError) -> SourceError {
        match error {
            GitError::Stopped => SourceError::Stopped,
            GitError::Full(reason) => SourceError::Full {
                name: self.name.clone(),
                path: self.repository.git().shown_path(),
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
                url: self.repository.cached().shown_url().to_owned(),
                reason,
            },
        }
    }

    fn files(&self) -> Result<(Vec<ListError>, Vec<Entry>), GitError> {
        if self.config.lfs {
            self.repository.cached().require_lfs()?;
        }
        let commit = self.repository.commit()?;
        let mut files = Files::default();
        let listed = files.add(&self.wanted, &self.repository, &commit, Path::new(""));
        let subdirectory = self.repository.subdirectory();
        match listed {
            Err(GitError::Failed(_)) if !subdirectory.is_empty() => {
                let short = &commit[..commit.len().min(12)];
                let what = format!("commit {short} has no folder {subdirectory}");
                return Err(GitError::Failed(what));
            }
            listed => listed?,
        }
        if self.config.submodules {
            self.add_submodules(&mut files)?;
        }
        Ok(files.finish())
    }

    /// Adds the documents of all submodules, and of those inside of them. One that is unavailable
    /// costs only itself.
    fn add_submodules(&self, files: &mut Files) -> Result<(), GitError> {
        let mut followed: Vec<Arc<Submodule>> = Vec::new();
        let mut clones = Vec::new();
        let mut left = VecDeque::from([(None::<Arc<Submodule>>, files.take_links())]);
        while let Some((parent, links)) = left.pop_front() {
            if links.is_empty() {
                continue;
            }
            let parent = parent.as_deref();
            let repository = parent.map_or(&self.repository, |parent| &parent.repository);
            let urls = submodules::urls(repository.git(), &repository.commit()?)?;
            for link in links {
                if followed.len() == SUBMODULES_MAX && !files.is_over() {
                    let _ = files.limit(format!("it has more than {SUBMODULES_MAX} submodules"));
                }
                if files.is_over() {
                    break;
                }
                match self.add_submodule(files, parent, &link, &urls, &mut clones) {
                    Ok(one) => {
                        followed.push(Arc::clone(&one));
                        left.push_back((Some(one), files.take_links()));
                    }
                    Err(GitError::Failed(reason)) => files.unlisted(&link, reason),
                    Err(error) => return Err(error),
                }
            }
        }
        if !files.is_over() {
            let start = submodules_start(&self.config, &self.base);
            self.repository.git().remove_others(&start, &clones);
        }
        *self.submodules.lock().unwrap_or_else(PoisonError::into_inner) = followed;
        Ok(())
    }

    /// Fetches the submodule `link` of `parent`, or of the repository itself, and adds its
    /// documents; adds the name of its clone to `clones`.
    fn add_submodule(
        &self,
        files: &mut Files,
        parent: Option<&Submodule>,
        link: &Link,
        urls: &HashMap<PathBuf, String>,
        clones: &mut Vec<String>,
    ) -> Result<Arc<Submodule>, GitError> {
        let depth = parent.map_or(0, |parent| parent.depth) + 1;
        if depth > DEPTH_MAX {
            let reason = format!("it is in more than {DEPTH_MAX} others");
            return Err(GitError::Failed(reason));
        }
        let no_url = || GitError::Failed(".gitmodules has no URL for it".to_owned());
        let url = urls.get(&link.inner_path).ok_or_else(no_url)?;
        let parent = parent.map_or(&self.config, |parent| &parent.settings);
        let settings = submodules::settings(parent, &self.base, link, url);
        let settings = settings.map_err(GitError::Failed)?;
        if submodules::is_local(settings.url.get_ref()) {
            submodules::require_files(self.repository.git())?;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(uri::encode(&link.path).as_bytes()).update(b"\0");
        hasher.update(settings.absolute_url(&self.base).as_bytes());
        let start = submodules_start(&self.config, &self.base);
        let name = format!("{start}{}", &hasher.finalize().to_hex()[..16]);
        clones.push(name.clone());
        let git = self.repository.git().another(name);
        let clone = CachedClone::pinned(git, &settings, &self.base);
        let repository = Repository::new(clone, "", settings.depth == 0);
        let commit = repository.commit()?;
        let listed = files.add(&self.wanted, &repository, &commit, &link.path);
        if let Err(GitError::Failed(_)) = listed {
            repository.cached().distrust();
        }
        listed?;
        let (path, folder) = (link.path.clone(), format!("{}/", uri::encode(&link.path)));
        Ok(Arc::new(Submodule { path, folder, depth, settings, repository }))
    }

    /// Returns the innermost submodule that contains the document `uri`, to read from it.
    fn submodule_of(&self, uri: &str) -> Option<Arc<Submodule>> {
        let submodules = self.submodules.lock().unwrap_or_else(PoisonError::into_inner);
        let containing = submodules.iter().filter(|one| uri.starts_with(&one.folder));
        let found = containing.max_by_key(|one| one.folder.len()).cloned()?;
        drop(submodules);
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|one| !Arc::ptr_eq(one, &found));
        in_use.push_front(Arc::clone(&found));
        if in_use.len() > IN_USE_MAX
            && let Some(last) = in_use.pop_back()
        {
            last.repository.release();
        }
        Some(found)
    }

    /// Returns what git knows about the document at `path` below the subdirectory, which is
    /// `inner_path` in `repository`.
    ///
    /// Fails if git cannot be started: without its date, the document would be saved incompletely,
    /// and would not be read again.
    fn metadata(
        &self,
        path: &Path,
        repository: &Repository,
        inner_path: &Path,
    ) -> io::Result<BTreeMap<String, Value>> {
        let whole = Path::new(self.repository.subdirectory()).join(path);
        let mut known = json!({ "path": uri::encode(&whole) });
        if let Some(change) = repository.change_of(inner_path)? {
            known["commit"] = Value::from(change.commit);
            known["changed"] = Value::from(change.date);
        }
        Ok(BTreeMap::from([("git".to_owned(), known)]))
    }

    /// Returns the content that the Git LFS pointer `pointer` of the document `uri` stands for.
    fn read_lfs(
        &self,
        uri: &str,
        repository: &Repository,
        pointer: &[u8],
    ) -> Result<Vec<u8>, DocumentError> {
        if !self.config.lfs {
            let reason =
                "a Git LFS pointer; `lfs = true` in its [[source.git]] fetches the content";
            return Err(DocumentError::skipped(uri, reason));
        }
        let failed =
            |reason: String| DocumentError::unreadable(Path::new(uri), io::Error::other(reason));
        let (Some(size_bytes), Ok(pointer)) = (lfs::size_bytes(pointer), str::from_utf8(pointer))
        else {
            return Err(DocumentError::permanent(uri, "a damaged Git LFS pointer"));
        };
        if size_bytes > self.max_file_size.0 {
            return Err(self.too_large(uri, size_bytes));
        }
        let content = repository.cached().fetch_lfs(pointer, self.max_file_size.0);
        let content = content.map_err(|error| failed(self.unreachable(error).to_string()))?;
        if content.len() as u64 != size_bytes {
            return Err(failed("git lfs returns a content of another size".to_owned()));
        }
        Ok(content)
    }

    fn too_large(&self, uri: &str, size_bytes: u64) -> DocumentError {
        let max = self.max_file_size;
        let reason = format!("{} is over max_file_size ({max})", ByteSize(size_bytes));
        DocumentError::skipped(uri, reason)
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
        let unreadable = |source| DocumentError::unreadable(Path::new(&entry.uri), source);
        let id = entry.version.as_ref().map_or("", |version| version.0.as_str());
        if id.starts_with(SUBMODULE) {
            let reason = "a submodule; `submodules = true` in its [[source.git]] follows it";
            return Err(DocumentError::skipped(&entry.uri, reason));
        }
        if entry.size_bytes > self.max_file_size.0 {
            return Err(self.too_large(&entry.uri, entry.size_bytes));
        }
        let submodule = self.submodule_of(&entry.uri);
        let repository = submodule.as_ref().map_or(&self.repository, |one| &one.repository);
        let bytes = match repository.read_blob(id, self.max_file_size.0).map_err(unreadable)? {
            Blob::Bytes(pointer) if lfs::is_pointer(&pointer) => {
                self.read_lfs(&entry.uri, repository, &pointer)?
            }
            Blob::Bytes(bytes) => bytes,
            Blob::TooLarge { size_bytes } => return Err(self.too_large(&entry.uri, size_bytes)),
            Blob::Missing => {
                repository.cached().distrust();
                return Err(unreadable(io::Error::other(format!(
                    "blob {id} is missing in the clone, which is made again in the next run"
                ))));
            }
        };
        if own::is_content(&bytes) {
            return Err(DocumentError::skipped(&entry.uri, own::REASON));
        }
        let path = uri::decode(&entry.uri);
        let folder = submodule.as_ref().map_or(Path::new(""), |one| &one.path);
        let inner_path = path.strip_prefix(folder).unwrap_or(&path);
        let metadata = self.metadata(&path, repository, inner_path).map_err(unreadable)?;
        Ok(Content { bytes, version: entry.version.clone(), metadata })
    }

    fn read_included(&self, uri: &str) -> Option<Vec<u8>> {
        if !uri::may_be_included(uri, self.wanted.hidden) {
            return None;
        }
        let submodule = self.submodule_of(uri);
        let repository = submodule.as_ref().map_or(&self.repository, |one| &one.repository);
        let folder = submodule.as_ref().map_or("", |one| &one.folder);
        match repository.read_path(uri.strip_prefix(folder)?, self.max_file_size.0).ok()? {
            Blob::Bytes(bytes) if !lfs::is_pointer(&bytes) => Some(bytes),
            _ => None,
        }
    }
}

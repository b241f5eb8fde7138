//! Sources of documents: folders of files, git repositories, archives and files of records, which
//! list their documents, and web sites, which are crawled.
//!
//! A listed source lists its documents in URI order, then reads them one by one. Sources only read:
//! they take no lock and know nothing of the knowledge base; on disk they keep at most a copy that
//! can be fetched again. URIs, versions and their order are part of the file format, because a
//! later run compares them with the ledger.

mod archive;
mod base_url;
mod beneath;
mod directory;
mod directory_config;
mod file;
mod git;
mod globs;
mod lfs;
mod located;
mod max_delete;
mod named;
mod own;
mod records;
mod rules;
mod settings;
mod skip_if;
mod sorted_spool;
pub mod uri;
mod walk;
mod web;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::analysis::AnchorStyle;
use crate::domain::{DocumentError, Entry, Version};
use crate::support::cache::{self, Cache};
use crate::support::checkpoint::StopSignal;
use crate::support::{process_limit, storage};

pub use archive::{ArchiveConfig, ArchiveSource};
pub use base_url::{LinkPlace, link, link_of_page};
pub use directory::DirectorySource;
pub use directory_config::DirectoryConfig;
pub use git::{GitConfig, GitSource, may_be_private};
pub use located::Located;
pub use max_delete::MaxDelete;
pub use records::{RecordsConfig, RecordsSource};
pub use skip_if::skip_condition;
pub use sorted_spool::SortedSpool;
pub use web::{
    FetchThreads, Fetched, PageRequest, Soft404, Starts, UnusableSitemap, Validators, Verdict,
    VisitResult, WebConfig, WebSource, host, is_public, looks_like_sitemap, markdown_links,
};

pub use crate::support::byte_size::ByteSize;

/// The documents of one source, in URI order.
pub type Listing<'a> = Box<dyn Iterator<Item = Result<Entry, ListError>> + Send + 'a>;

/// A source that lists its documents.
pub trait Source: Send + Sync {
    /// Returns the name given in kb.toml, unique among all sources.
    fn name(&self) -> &str;

    /// Lists every document, strictly increasing by [`uri::uri_order`], holding only a few folders
    /// in memory.
    ///
    /// An error in the iterator concerns one entry; the listing continues after it.
    fn list(&self) -> Result<Listing<'_>, SourceError>;

    /// Reads the current state of a document, which may be newer than the listed one.
    fn read(&self, entry: &Entry) -> Result<Content, DocumentError>;

    /// Reads a file that a document includes, whether or not it is itself a document; `None` if
    /// there is none, it is hidden or too large, or this kind of source has no files beside its
    /// documents.
    fn read_included(&self, uri: &str) -> Option<Vec<u8>> {
        let _ = uri;
        None
    }
}

/// A document's bytes and the version they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The whole document.
    pub bytes: Vec<u8>,
    /// Version of the bytes; `None` if a later change might not alter it, so that only a hash of
    /// the bytes shows a change.
    pub version: Option<Version>,
    /// Metadata that the source knows; empty for files.
    pub metadata: BTreeMap<String, Value>,
}

/// One entry of a source that could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list {}", if uri.is_empty() { "the source's own folder" } else { uri })]
pub struct ListError {
    /// URI of the entry inside the source; empty for the source's root.
    pub uri: String,
    /// The entry is, or may be, a folder: documents below it may exist although they are not
    /// listed, so none of them may be deleted.
    pub blocks_deletions: bool,
    /// Not a failure: a limit of kb.toml left out the rest of the listing. Blocks deletions.
    pub is_limit: bool,
    /// The system's error.
    pub source: io::Error,
}

impl ListError {
    /// Returns the end of a listing truncated by a limit; `what` names the limit and what it left
    /// out.
    fn limit(what: String) -> Self {
        let source = io::Error::other(what);
        Self { uri: String::new(), blocks_deletions: true, is_limit: true, source }
    }

    /// Returns the error for an entry whose URI is over [`uri::BYTES_MAX`], under a shortened URI.
    pub fn too_long(uri: &str) -> Self {
        let what = format!("its URI is over {} bytes", uri::BYTES_MAX);
        let (uri, source) = (uri::shortened(uri).into_owned(), io::Error::other(what));
        Self { uri, blocks_deletions: true, is_limit: false, source }
    }
}

/// Ends `listing` after `max_documents`, with an error if there are more.
fn limited<'a>(listing: Listing<'a>, max_documents: u64) -> Listing<'a> {
    let mut left = max_documents;
    let mut is_over = false;
    let limited = listing.map_while(move |item| {
        if is_over {
            return None;
        }
        if item.is_err() {
            return Some(item);
        }
        if left == 0 {
            is_over = true;
            let what = format!("it has more documents than max_documents ({max_documents})");
            return Some(Err(ListError::limit(what)));
        }
        left -= 1;
        Some(item)
    });
    Box::new(limited)
}

/// A source that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its settings are wrong: kb.toml has to be changed.
    #[error("source \"{name}\": {reason}")]
    Config {
        /// Name of the source.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Its root is missing, not a folder, or not readable: nothing is known about its documents.
    #[error("source \"{name}\": cannot reach {}", path.display())]
    Unreachable {
        /// Name of the source.
        name: String,
        /// Root of the source.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The remote it is a copy of is unavailable: nothing is known about its documents.
    #[error("source \"{name}\": cannot fetch {url}: {reason}")]
    Remote {
        /// Name of the source.
        name: String,
        /// The remote, without passwords.
        url: String,
        /// The message of the remote, or of the program that contacted it.
        reason: String,
    },
    /// There is no space for what it fetches or unpacks.
    #[error("source \"{name}\": no space to write {}", path.display())]
    Full {
        /// Name of the source.
        name: String,
        /// The file or folder being written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Its folder in the cache cannot be used; the error names the folder.
    #[error("source \"{name}\": cannot use the cache")]
    Cache {
        /// Name of the source.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// The system refuses a thread or a process that it needs.
    #[error("source \"{name}\": cannot start {what}: {reason}")]
    Starved {
        /// Name of the source.
        name: String,
        /// The thread or the program.
        what: &'static str,
        /// The system's error, with the limits in force.
        reason: String,
    },
    /// The run was asked to stop before the source was listed.
    #[error("stopped")]
    Stopped,
}

impl SourceError {
    /// Returns the error of the source `name` that cannot use its part of the cache at `path`.
    fn of_cache(name: &str, path: &Path, source: io::Error) -> Self {
        let name = name.to_owned();
        let path = path.to_owned();
        if storage::is_full(&source) {
            return Self::Full { name, path, source };
        }
        let is_named = source.to_string().contains(&*path.to_string_lossy());
        let reason =
            if is_named { source.to_string() } else { format!("{}: {source}", path.display()) };
        Self::Cache { name, source: io::Error::new(source.kind(), reason) }
    }

    /// Returns the error of the source `name`, which cannot start `what`.
    fn starved(name: &str, what: &'static str, error: &io::Error) -> Self {
        Self::Starved { name: name.to_owned(), what, reason: process_limit::explain(error) }
    }

    /// Returns whether it ends the run: the problem is on this machine and may concern every
    /// source.
    pub fn ends_run(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Cache { .. } | Self::Starved { .. })
    }
}

/// The `[[source.…]]` tables of kb.toml.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// `[[source.directory]]`: folders on this machine.
    #[serde(default)]
    pub directory: Vec<DirectoryConfig>,
    /// `[[source.git]]`: git repositories.
    #[serde(default)]
    pub git: Vec<GitConfig>,
    /// `[[source.archive]]`: archives on this machine.
    #[serde(default)]
    pub archive: Vec<ArchiveConfig>,
    /// `[[source.records]]`: files, each of whose records is a document.
    #[serde(default)]
    pub records: Vec<RecordsConfig>,
    /// `[[source.web]]`: web sites.
    #[serde(default)]
    pub web: Vec<WebConfig>,
}

/// A source, by how its documents are found.
pub enum AnySource {
    /// It lists them.
    Listed(Box<dyn Source>),
    /// They are found by following links.
    Crawled(Box<WebSource>),
    /// It cannot be reached: its documents are kept, and the other sources are ingested.
    Unavailable {
        /// Name of the source.
        name: String,
        /// Whether it is a web site.
        is_site: bool,
        /// Why it cannot be reached.
        error: SourceError,
    },
}

impl AnySource {
    /// Returns the name given in kb.toml, unique among all sources.
    pub fn name(&self) -> &str {
        match self {
            Self::Listed(source) => source.name(),
            Self::Crawled(site) => site.name(),
            Self::Unavailable { name, .. } => name,
        }
    }

    fn listed(source: impl Source + 'static) -> Self {
        Self::Listed(Box::new(source))
    }

    /// Returns whether it is a web site.
    pub fn is_site(&self) -> bool {
        matches!(self, Self::Crawled(_) | Self::Unavailable { is_site: true, .. })
    }

    /// Returns an unavailable source in place of an error that concerns it alone.
    fn available(
        name: &Located<String>,
        is_site: bool,
        opened: Result<Self, SourceError>,
    ) -> Result<Self, SourceError> {
        match opened {
            Err(error @ (SourceError::Unreachable { .. } | SourceError::Remote { .. })) => {
                Ok(Self::Unavailable { name: name.get_ref().clone(), is_site, error })
            }
            opened => opened,
        }
    }
}

/// Problems in a source's settings: bytes in kb.toml, the key, and what is allowed.
pub type Problems = Vec<(Range<usize>, String, String)>;

impl SourceConfig {
    /// Returns kind, name and problems of every table; with `base`, the folder of kb.toml, paths
    /// of folders must not be of files.
    #[doc(hidden)]
    pub fn tables(&self, base: Option<&Path>) -> Vec<(&'static str, &Located<String>, Problems)> {
        let folders = self.directory.iter().map(|one| ("directory", &one.name, one.problems(base)));
        let repositories = self.git.iter().map(|one| ("git", &one.name, one.problems()));
        let sites = self.web.iter().map(|one| ("web", &one.name, one.problems()));
        let archives = self.archive.iter().map(|one| ("archive", &one.name, one.problems()));
        let records = self.records.iter().map(|one| ("records", &one.name, one.problems()));
        folders.chain(repositories).chain(archives).chain(records).chain(sites).collect()
    }
}

impl SourceConfig {
    /// Returns the limits on deletions, by the name of their source.
    pub fn max_deletes(&self) -> impl Iterator<Item = (String, MaxDelete)> {
        let directories = self.directory.iter().map(|one| (&one.name, one.max_delete));
        let repositories = self.git.iter().map(|one| (&one.name, one.max_delete));
        let archives = self.archive.iter().map(|one| (&one.name, one.max_delete));
        let records = self.records.iter().map(|one| (&one.name, one.max_delete));
        let sites = self.web.iter().map(|one| (&one.name, one.max_delete));
        let all = directories.chain(repositories).chain(archives).chain(records).chain(sites);
        all.filter_map(|(name, limit)| Some((name.get_ref().clone(), limit?)))
    }
}

/// What the metadata of documents that are skipped say, by the name of their source.
pub type SkipRules = BTreeMap<String, Vec<Located<String>>>;

impl SourceConfig {
    /// Returns which documents are skipped by their metadata.
    pub fn skip_rules(&self) -> SkipRules {
        let directories = self.directory.iter().map(|one| (&one.name, &one.skip_if));
        let repositories = self.git.iter().map(|one| (&one.name, &one.skip_if));
        let archives = self.archive.iter().map(|one| (&one.name, &one.skip_if));
        let records = self.records.iter().map(|one| (&one.name, &one.skip_if));
        let all = directories.chain(repositories).chain(archives).chain(records);
        let all = all.filter(|(_, conditions)| !conditions.is_empty());
        all.map(|(name, conditions)| (name.get_ref().clone(), conditions.clone())).collect()
    }
}

/// How the documents of a source are linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLinks {
    /// Template of their URLs; empty: they have none.
    pub base_url: String,
    /// Rule of the fragments of their headings.
    pub anchors: AnchorStyle,
}

/// How documents are linked, by the name of their source.
pub type Links = BTreeMap<String, SourceLinks>;

impl SourceConfig {
    /// Returns how documents are linked; pages of sites are at their own URLs.
    pub fn links(&self) -> Links {
        let none = AnchorStyle::default();
        let directories = self.directory.iter().map(|one| (&one.name, &one.base_url, one.anchors));
        let repositories = self.git.iter().map(|one| (&one.name, &one.base_url, one.anchors));
        let archives = self.archive.iter().map(|one| (&one.name, &one.base_url, one.anchors));
        let records = self.records.iter().map(|one| (&one.name, &one.base_url, none));
        let all = directories.chain(repositories).chain(archives).chain(records);
        let links = all.map(|(name, base_url, anchors)| {
            let links = SourceLinks { base_url: base_url.get_ref().clone(), anchors };
            (name.get_ref().clone(), links)
        });
        links.collect()
    }
}

/// The environment of a source, besides its own settings.
pub struct Setting<'a> {
    /// The folder of kb.toml; relative paths are relative to it.
    pub base: &'a Path,
    /// Files and folders that are never documents: those the program itself writes.
    pub leave_out: &'a [PathBuf],
    /// Cache for clones of repositories, listings of archives and unpacked members, opened when a
    /// source needs it.
    pub cache: &'a Arc<Cache>,
    /// This program, to supervise processes that must not outlive it, as in `ExtractConfig`; `None`
    /// for library users.
    pub program: Option<&'a Path>,
    /// Interrupts waits.
    pub stop: Arc<StopSignal>,
}

/// Opens every configured source: folders, repositories, archives, records, sites, each in the
/// order of kb.toml.
pub fn open(config: &SourceConfig, setting: &Setting<'_>) -> Result<Vec<AnySource>, SourceError> {
    let Setting { base, leave_out, .. } = *setting;
    let is_of_git = |name: &OsStr| config.git.iter().any(|one| git::is_clone_of(name, one, base));
    let listed: Vec<_> = config.archive.iter().map(archive::listing_name).collect();
    setting.cache.tidy(&|kind, name| {
        if kind == cache::CLONES {
            is_of_git(name)
        } else {
            listed.iter().any(|wanted| name == wanted.as_str())
        }
    });
    let mut sources = Vec::new();
    let mut add = |name, is_site, opened| -> Result<(), SourceError> {
        sources.push(AnySource::available(name, is_site, opened)?);
        Ok(())
    };
    for one in &config.directory {
        add(&one.name, false, DirectorySource::new(one, base, leave_out).map(AnySource::listed))?;
    }
    for one in &config.git {
        add(&one.name, false, GitSource::new(one, setting).map(AnySource::listed))?;
    }
    for one in &config.archive {
        add(&one.name, false, ArchiveSource::new(one, setting).map(AnySource::listed))?;
    }
    for one in &config.records {
        add(&one.name, false, RecordsSource::new(one, setting).map(AnySource::listed))?;
    }
    for one in &config.web {
        let site = WebSource::new(one, setting);
        add(&one.name, true, site.map(|site| AnySource::Crawled(Box::new(site))))?;
    }
    Ok(sources)
}

//! `[[source.git]]`: the settings of one repository, with their positions in kb.toml for error
//! messages.

use std::ffi::OsString;
use std::path::Path;

use crate::analysis::AnchorStyle;
use crate::source::located::Located;
use serde::Deserialize;

use crate::source::is_public;
use crate::source::settings::{Checks, empty, max_documents_default, max_file_size_default};
use crate::source::{MaxDelete, Problems};
use crate::support::byte_size::ByteSize;
use crate::support::percent;

/// One git repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitConfig {
    /// Name of the source, unique among all sources.
    pub name: Located<String>,
    /// What `git fetch` takes: an https, ssh or git URL, `user@host:path`, or a folder, relative to
    /// kb.toml.
    pub url: Located<String>,
    /// Branch, tag or full commit id; empty means the branch that the repository has checked out.
    #[serde(default = "empty", rename = "ref")]
    pub reference: Located<String>,
    /// The only folder of the repository to ingest; empty means all.
    #[serde(default = "empty")]
    pub subdirectory: Located<String>,
    /// Globs of files to include, relative to `subdirectory`; empty means all.
    #[serde(default)]
    pub include: Vec<Located<String>>,
    /// Globs of files and folders to exclude; they win over `include`.
    #[serde(default)]
    pub exclude: Vec<Located<String>>,
    /// Include files with a file or folder name that begins with a dot.
    #[serde(default)]
    pub hidden: bool,
    /// Larger files are skipped and reported.
    #[serde(default = "max_file_size_default")]
    pub max_file_size: Located<ByteSize>,
    /// Limit on the number of documents.
    #[serde(default = "max_documents_default")]
    pub max_documents: Located<u64>,
    /// Limit on the documents that one run deletes; `None`: half of them, or ten, but never all.
    #[serde(default)]
    pub max_delete: Option<MaxDelete>,
    /// Documents with such metadata are skipped: `draft=true`, or `nosearch` for any value.
    #[serde(default)]
    pub skip_if: Vec<Located<String>>,
    /// Where readers find the documents: a URL with `{path}`; empty: nowhere.
    #[serde(default = "empty")]
    pub base_url: Located<String>,
    /// By which rule a heading becomes the fragment of a link.
    #[serde(default)]
    pub anchors: AnchorStyle,
    /// Commits of history to fetch; 0 means all, and gives every document its last change.
    #[serde(default = "one")]
    pub depth: u32,
    /// User name for `password_env`.
    #[serde(default = "username_default")]
    pub username: String,
    /// Follow submodules: their files are documents below the paths of the submodules.
    #[serde(default)]
    pub submodules: bool,
    /// Ingest the contents that Git LFS stores elsewhere, by `git lfs`.
    #[serde(default)]
    pub lfs: bool,
    /// Environment variable that holds the password or token; empty: git asks the user's own
    /// helpers.
    #[serde(default = "empty")]
    pub password_env: Located<String>,
}

fn one() -> u32 {
    1
}

fn username_default() -> String {
    "git".to_owned()
}

impl GitConfig {
    /// Returns the repository at `url` with the defaults of all other settings.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into().into(),
            url: url.into().into(),
            reference: empty(),
            subdirectory: empty(),
            include: Vec::new(),
            exclude: Vec::new(),
            hidden: false,
            max_file_size: max_file_size_default(),
            max_documents: max_documents_default(),
            max_delete: None,
            skip_if: Vec::new(),
            base_url: empty(),
            anchors: AnchorStyle::default(),
            depth: one(),
            submodules: false,
            lfs: false,
            username: username_default(),
            password_env: empty(),
        }
    }

    /// Checks what the syntax cannot; returns for every problem its bytes in kb.toml, the key, what
    /// is wrong and what is allowed.
    #[doc(hidden)]
    pub fn problems(&self) -> Problems {
        let mut checks = Checks::of("source.git");
        checks.name(&self.name);
        checks.base_url(&self.base_url);
        checks.add(self.url.span(), "url", check_url(self.url.get_ref()));
        let reference = &self.reference;
        checks.add(reference.span(), "ref", check_reference(reference.get_ref()));
        let folder = &self.subdirectory;
        checks.add(folder.span(), "subdirectory", check_subdirectory(folder.get_ref()));
        checks.globs("include", &self.include);
        checks.globs("exclude", &self.exclude);
        checks.size("max_file_size", &self.max_file_size);
        checks.max_documents(&self.max_documents);
        let variable = &self.password_env;
        if !variable.get_ref().is_empty() {
            let result = check_variable(variable.get_ref(), is_http(self.url.get_ref()));
            checks.add(variable.span(), "password_env", result);
        }
        checks.into_problems()
    }

    /// Returns whether `url` is a path.
    pub(crate) fn has_path(&self) -> bool {
        is_path(self.url.get_ref())
    }

    /// Replaces `url`, which is a path, by another path; fails if it is none.
    pub(crate) fn set_path(&mut self, path: String) -> Result<(), String> {
        if !is_path(&path) || path.contains("://") {
            return Err(format!("{:?} is expanded to something that is not a folder", &*self.url));
        }
        self.url.replace(path);
        Ok(())
    }

    /// Returns `url`, made absolute if it is a path, as text.
    pub fn absolute_url(&self, base: &Path) -> String {
        self.location(base).to_string_lossy().into_owned()
    }

    /// Returns `url`, made absolute if it is a path; the path of `base` need not be UTF-8.
    pub(super) fn location(&self, base: &Path) -> OsString {
        let url = self.url.get_ref();
        if !is_path(url) {
            return url.into();
        }
        let path = base.join(url);
        std::path::absolute(&path).unwrap_or(path).into_os_string()
    }
}

/// Applies git's own rule: a colon before the first slash makes it `host:path`.
pub(super) fn is_path(url: &str) -> bool {
    let before_slash = url.split('/').next().unwrap_or(url);
    !before_slash.contains(':')
}

fn is_http(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Returns whether `url` requests a program `git-remote-NAME` by `NAME::`, like `ext::`, which runs
/// any command.
pub(super) fn has_helper(url: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    url.trim_start_matches(is_of_name).starts_with("::")
}

/// Returns whether a URL, by its text alone, may lead to a private host: git resolves names itself.
pub fn may_be_private(url: &str) -> bool {
    let parsed = url::Url::parse(url).ok();
    match parsed.as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(url::Host::Ipv6(ip)) => !is_public(ip.into()),
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let ends_privately =
                [".localhost", ".local", ".internal"].iter().any(|end| name.ends_with(end));
            !name.is_empty() && (!name.contains('.') || ends_privately)
        }
        None => false,
    }
}

const URLS: &str = "allowed are https, http, ssh and git urls, user@host:path, and a folder";

pub(super) fn check_url(url: &str) -> Result<(), String> {
    // Not shown: it may contain a password.
    let wrong = |what: &str| Err(format!("{what}; {URLS}"));
    let decoded = percent::decoded(url);
    if url.is_empty() || url.starts_with('-') || decoded.contains(char::is_control) {
        return wrong("this is not a URL");
    }
    if has_helper(url) {
        return wrong("this asks for a remote helper");
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return check_place(url);
    };
    if is_path(url) {
        return Ok(());
    }
    if !["https", "http", "ssh", "git", "file"].contains(&scheme) {
        return wrong("this asks for a protocol that git would need another program for");
    }
    if scheme == "file" && !rest.starts_with('/') {
        return wrong("file:// must be followed by an absolute path");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (user, host) = rest[..end].rsplit_once('@').unwrap_or(("", &rest[..end]));
    let is_option = |part: &str| percent::decoded(part).starts_with('-');
    if is_option(host) || is_option(&rest[..end]) || host.is_empty() && scheme != "file" {
        return wrong("this names no host");
    }
    if user.contains(':') || is_http(url) && rest[end..].contains(['?', '#']) {
        return Err("a password or token does not belong in this file; name a variable in \
                    `password_env`, and leave out what begins with `?` or `#`"
            .into());
    }
    Ok(())
}

/// Checks a path, or `user@host:path`.
fn check_place(url: &str) -> Result<(), String> {
    if is_path(url) {
        return Ok(());
    }
    let (host, path) = url.split_once(':').unwrap_or((url, ""));
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    if name.is_empty() || name.starts_with('-') || path.starts_with('-') {
        return Err(format!("host or path must not be empty or begin with `-`; {URLS}"));
    }
    // `user:password@host:path`, in which git would take `user` as the host.
    if !host.contains('@') && path.split('/').next().is_some_and(|part| part.contains('@')) {
        return Err("a password does not belong in this file; ssh uses your own keys".into());
    }
    Ok(())
}

/// Checks for what git-check-ref-format(1) forbids, so that the ref is one word and never a range
/// or an option.
fn check_reference(reference: &str) -> Result<(), String> {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    let is_wrong = reference.starts_with(['-', '/', '+'])
        || reference.contains(forbidden)
        || reference.contains("..")
        || reference.contains("@{")
        || reference.ends_with(['/', '.']);
    if is_wrong {
        return Err(format!(
            "{reference:?} is not a ref; allowed is a branch, a tag, or a full commit id"
        ));
    }
    Ok(())
}

fn check_subdirectory(path: &str) -> Result<(), String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_wrong = path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if !path.is_empty() && is_wrong || path.contains(char::is_control) {
        return Err(format!(
            "{path:?} is not a folder of a repository; allowed is a path like docs/guide, without a leading \
             `/`, `.` or `..`"
        ));
    }
    Ok(())
}

fn check_variable(name: &str, has_server: bool) -> Result<(), String> {
    if !has_server {
        return Err("a password is for http and https only; ssh uses your own keys".into());
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "{name:?} is not the name of an environment variable; the password itself does not belong here"
        ));
    }
    Ok(())
}

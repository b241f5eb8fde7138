//! The submodules of a repository: where its `.gitmodules` says that they are, and whether they may
//! be fetched from there.
//!
//! `.gitmodules` comes from whoever can write to the repository, not from the user: it may lead to
//! public https servers, and to the server of the repository itself by the same protocol. Only a
//! repository on this machine may name another one on this machine.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::GitConfig;
use super::command::{Git, GitError};
use super::config::{check_url, is_path, may_be_private};
use super::listing::Link;
use super::repository::Repository;

/// Limit on submodules inside of submodules.
pub(super) const DEPTH_MAX: usize = 8;
/// Limit on the submodules of a source.
pub(super) const SUBMODULES_MAX: usize = 200;

/// A submodule that is followed.
pub(super) struct Submodule {
    /// Its path below the folder that the source lists.
    pub(super) path: PathBuf,
    /// The URI of its folder, with a `/` at its end.
    pub(super) folder: String,
    /// The submodules that it is in, and itself.
    pub(super) depth: usize,
    /// How it is fetched.
    pub(super) settings: GitConfig,
    pub(super) repository: Repository,
}

/// Returns the URLs in the `.gitmodules` of `commit`, by the paths of their submodules.
pub(super) fn urls(git: &Git, commit: &str) -> Result<HashMap<PathBuf, String>, GitError> {
    let mut command = git.command()?;
    command.args(["config", "--no-includes", "--blob", &format!("{commit}:.gitmodules"), "-z"]);
    command.args(["--get-regexp", r"^submodule\..*\.(path|url)$"]);
    let listed = match git.run(&mut command) {
        Ok(listed) => listed,
        // There is no such file, or nothing in it.
        Err(GitError::Failed(_)) => return Ok(HashMap::new()),
        Err(error) => return Err(error),
    };
    let mut paths = HashMap::new();
    let mut urls = HashMap::new();
    for entry in listed.split(|&byte| byte == 0) {
        let Some(end) = entry.iter().position(|&byte| byte == b'\n') else { continue };
        let (key, value) = (&entry[..end], &entry[end + 1..]);
        if let Some(name) = key.strip_suffix(b".path") {
            paths.insert(name.to_owned(), PathBuf::from(OsStr::from_bytes(value)));
        } else if let Some(name) = key.strip_suffix(b".url") {
            urls.insert(name.to_owned(), String::from_utf8_lossy(value).into_owned());
        }
    }
    Ok(paths.into_iter().filter_map(|(name, path)| Some((path, urls.remove(&name)?))).collect())
}

/// Returns the settings to fetch the submodule `link` of the repository with the settings `parent`,
/// whose `.gitmodules` names `url`; the error says why it is not fetched. `base` is the folder of
/// kb.toml.
pub(super) fn settings(
    parent: &GitConfig,
    base: &Path,
    link: &Link,
    url: &str,
) -> Result<GitConfig, String> {
    let place = parent.absolute_url(base);
    let url = absolute(&place, url).ok_or_else(|| refused("leads out of its server"))?;
    if url.chars().any(char::is_control) || check_url(&url).is_err() {
        return Err(refused("is not one that git may fetch"));
    }
    let has_same_origin = !is_local(&url) && origin(&url) == origin(&place);
    if is_local(&url) && !is_local(&place) {
        return Err(refused("leads to a folder of this machine"));
    }
    if !is_local(&url) && !has_same_origin {
        if !url.starts_with("https://") {
            return Err(refused("uses another protocol than https"));
        }
        if may_be_private(&url) {
            return Err(refused("leads to a host that may not be public"));
        }
    }
    let mut settings = GitConfig::new(parent.name.get_ref().as_str(), url);
    settings.reference = link.commit.clone().into();
    settings.depth = parent.depth;
    settings.lfs = parent.lfs;
    if has_same_origin {
        settings.username = parent.username.clone();
        settings.password_env = parent.password_env.clone();
    }
    Ok(settings)
}

/// Returns whether `url` is a folder of this machine.
pub(super) fn is_local(url: &str) -> bool {
    is_path(url) || url.starts_with("file://")
}

/// Fails if the user's git settings forbid folders of this machine.
pub(super) fn require_files(git: &Git) -> Result<(), GitError> {
    match git.run(git.command()?.args(["config", "protocol.file.allow"])) {
        Ok(value) if value.trim_ascii() == b"never" => {
            let what = "leads to a folder of this machine, and protocol.file.allow is never";
            Err(GitError::Failed(refused(what)))
        }
        Err(error @ (GitError::Stopped | GitError::Starved(_))) => Err(error),
        _ => Ok(()),
    }
}

fn refused(what: &str) -> String {
    format!("its URL in .gitmodules {what}; make its repository a source of its own")
}

/// Returns the scheme, user, host and port of a URL, or the user and host of `user@host:path`.
fn origin(url: &str) -> &str {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find('/').unwrap_or(rest.len());
            &url[..scheme.len() + 3 + host]
        }
        None => url.split(':').next().unwrap_or(url),
    }
}

/// Resolves `url` against that of the repository at `place` if it begins with `./` or `../`, as
/// git-submodule(1) says; `None` if it leads out of the server of `place`.
fn absolute(place: &str, url: &str) -> Option<String> {
    let is_relative = ["./", "../"].iter().any(|start| url.starts_with(start)) || url == "..";
    if !is_relative {
        return Some(url.to_owned());
    }
    if is_path(place) {
        let mut path = PathBuf::new();
        for part in Path::new(place).join(url).components() {
            match part {
                Component::ParentDir => drop(path.pop()),
                Component::CurDir => {}
                part => path.push(part),
            }
        }
        return path.into_os_string().into_string().ok();
    }
    let start = origin(place).len();
    let separator = if place.contains("://") { "/" } else { ":" };
    let mut parts: Vec<_> =
        place[start..].split(['/', ':']).filter(|part| !part.is_empty()).collect();
    for part in url.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    let is_rooted = separator == ":" && place[start..].starts_with(":/");
    let root = if is_rooted { "/" } else { "" };
    Some(format!("{}{separator}{root}{}", &place[..start], parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_relative_to_that_of_the_repository() {
        let check = |place: &str, url: &str, expected: Option<&str>| {
            assert_eq!(absolute(place, url).as_deref(), expected, "{place} {url}");
        };
        let https = "https://example.org/team/service.git";
        check(https, "https://other.org/x", Some("https://other.org/x"));
        check(https, "../lib.git", Some("https://example.org/team/lib.git"));
        check(https, "../../all/lib", Some("https://example.org/all/lib"));
        check(https, "../../../lib", None);
        check(https, "./lib", Some("https://example.org/team/service.git/lib"));
        check("git@example.org:team/a.git", "../b.git", Some("git@example.org:team/b.git"));
        check("git@example.org:/team/a.git", "../b.git", Some("git@example.org:/team/b.git"));
        check("/srv/repos/a", "../b", Some("/srv/repos/b"));
        check("file:///srv/a", "../b", Some("file:///srv/b"));
    }

    #[test]
    fn what_a_repository_may_name() {
        let check = |place: &str, url: &str, expected: Result<&str, &str>| {
            let mut parent = GitConfig::new("a", place);
            parent.password_env = "TOKEN".into();
            let link =
                Link { path: "lib".into(), inner_path: "lib".into(), commit: "1".repeat(40) };
            let found = settings(&parent, Path::new("/base"), &link, url);
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found.url.get_ref(), expected, "{place} {url}");
                    let gets_password = !found.password_env.get_ref().is_empty();
                    assert_eq!(
                        gets_password,
                        origin(expected) == origin(place) && !is_local(place)
                    );
                }
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{url}: {why}"),
                (found, expected) => {
                    panic!(
                        "{place} {url}: {:?} instead of {expected:?}",
                        found.map(|found| found.url)
                    )
                }
            }
        };
        let https = "https://example.org/a.git";
        check(https, "https://example.org/b.git", Ok("https://example.org/b.git"));
        check(https, "../b.git", Ok("https://example.org/b.git"));
        check(https, "https://example.com/b.git", Ok("https://example.com/b.git"));
        let with_user = format!("https://{}@example.com/b", "example.org");
        check(https, &with_user, Ok(&with_user));
        let not_https = Err("another protocol");
        check(https, "http://example.org/b.git", not_https);
        check(https, "git@example.org:b.git", not_https);
        check(https, "ssh://example.org/b.git", not_https);
        check(https, "git://example.org/b.git", not_https);
        for local in ["/etc", "file:///etc", "etc"] {
            check(https, local, Err("this machine"));
            check("git@example.org:a.git", local, Err("this machine"));
        }
        for wrong in ["ext::sh -c id", "-oProxyCommand=id", "fd::3", "foo://x/y", "https://", ""] {
            check(https, wrong, Err("may fetch"));
        }
        for private in ["localhost", "10.0.0.1", "[::1]"] {
            check(https, &format!("https://{private}/x"), Err("public"));
        }
        check("git@example.org:a.git", "../b.git", Ok("git@example.org:b.git"));
        check("git@example.org:a.git", "git@example.com:b.git", not_https);
        check("/srv/a", "../b", Ok("/srv/b"));
        check("/srv/a", "/srv/c", Ok("/srv/c"));
        check("/srv/a", "https://example.com/b", Ok("https://example.com/b"));
    }
}

//! The bare clone of a repository: made, brought up to the wanted commit, thrown away where it is damaged.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::GitConfig;
use super::command::{Git, GitError, failed};

/// The wanted commit; a ref keeps git from dropping it.
const HEAD: &str = "refs/kbingest/head";
/// In a clone that is not to be used any more.
const DISTRUSTED: &str = "kbingest-distrusted";
/// Hands user name and password from the environment to git, and to nobody else: neither is on a command line.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                      \"$KBINGEST_GIT_USERNAME\" \"$KBINGEST_GIT_PASSWORD\"; }; f";

/// A bare clone that is ours alone, under the lock of the run.
#[derive(Debug)]
pub(super) struct CachedClone {
    git: Git,
    url: String,
    /// Without user name and password.
    shown_url: String,
    reference: String,
    depth: u32,
    username: String,
    password_env: String,
}

impl CachedClone {
    /// A `url` that is a path is relative to `base`.
    pub(super) fn new(git: Git, config: &GitConfig, base: &Path) -> Self {
        let url = config.absolute_url(base);
        Self {
            git,
            shown_url: without_credentials(&url),
            url,
            reference: config.reference.get_ref().clone(),
            depth: config.depth,
            username: config.username.clone(),
            password_env: config.password_env.get_ref().clone(),
        }
    }

    pub(super) fn git(&self) -> &Git {
        &self.git
    }

    pub(super) fn shown_url(&self) -> &str {
        &self.shown_url
    }

    /// Notes that the clone lacks what it should have: the next process makes it again.
    pub(super) fn distrust(&self) {
        let _ = fs::write(self.git.folder().join(DISTRUSTED), "");
    }

    /// Fetches the wanted commit, and returns its id.
    pub(super) fn update(&self) -> Result<String, GitError> {
        let folder = self.git.folder();
        if folder.join(DISTRUSTED).exists() {
            self.throw_away()?;
        }
        match self.try_update() {
            // Git leaves what it had fetched so far, which would keep the disk full.
            Err(GitError::Full(reason)) => {
                let _ = self.throw_away();
                Err(GitError::Full(reason))
            }
            Err(GitError::Failed(reason)) if is_damage(&reason) => {
                self.throw_away()?;
                self.try_update()
            }
            updated => updated,
        }
    }

    fn try_update(&self) -> Result<String, GitError> {
        remove_leftovers(self.git.folder());
        self.init()?;
        self.fetch()?;
        let commit = self.resolve()?;
        self.tidy()?;
        Ok(commit)
    }

    /// Lets git pack what many fetches have left, and drop what is no part of the commit any more; most often it finds
    /// nothing to do. A failure costs only space.
    fn tidy(&self) -> Result<(), GitError> {
        let mut command = self.git.command();
        command.args([
            "-c",
            "gc.auto=6700",
            "-c",
            "gc.autoDetach=false",
            "-c",
            "gc.pruneExpire=now",
        ]);
        match self.git.run(command.args(["gc", "--auto", "--quiet"])) {
            Err(GitError::Stopped) => Err(GitError::Stopped),
            _ => Ok(()),
        }
    }

    fn throw_away(&self) -> Result<(), GitError> {
        let folder = self.git.folder();
        let what = format!("cannot remove the damaged clone {}", folder.display());
        fs::remove_dir_all(folder).map_err(|error| failed(&what, &error))
    }

    /// Makes an empty bare repository; nothing where there is one.
    fn init(&self) -> Result<(), GitError> {
        let folder = self.git.folder();
        let what = format!("cannot create {}", folder.display());
        fs::create_dir_all(folder).map_err(|error| failed(&what, &error))?;
        self.git.run(self.git.command().args(["init", "--quiet", "--bare", "--template="]))?;
        Ok(())
    }

    fn fetch(&self) -> Result<(), GitError> {
        let mut command = self.remote_command()?;
        command.args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force"]);
        command.args(["--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow"]);
        if self.depth > 0 {
            command.arg(format!("--depth={}", self.depth));
        } else if self.git.folder().join("shallow").exists() {
            command.arg("--unshallow");
        }
        command.args(["--", &self.url, &format!("+{}:{HEAD}", self.wanted())]);
        self.git.run(&mut command).map(drop).map_err(|error| self.explain(error))
    }

    fn wanted(&self) -> &str {
        if self.reference.is_empty() { "HEAD" } else { &self.reference }
    }

    /// Tells a repository without commits, and a ref that is not there, from an outage.
    fn explain(&self, error: GitError) -> GitError {
        let GitError::Failed(reason) = error else { return error };
        let is_missing = ["couldn't find remote ref", "not our ref", "no such remote ref"]
            .iter()
            .any(|words| reason.contains(words));
        if !is_missing {
            return GitError::Failed(reason.replace(&self.url, &self.shown_url));
        }
        let refs = self.remote_command().and_then(|mut command| {
            self.git.run(command.args(["ls-remote", "--quiet", "--", &self.url]))
        });
        GitError::Failed(match refs {
            Ok(refs) if refs.is_empty() => {
                "the repository is empty: it has no commit yet".to_owned()
            }
            Ok(_) if self.reference.is_empty() => {
                "its HEAD names a branch that is not there; set `ref`".to_owned()
            }
            _ => format!("it has no branch, tag or full commit id {:?}", self.reference),
        })
    }

    fn resolve(&self) -> Result<String, GitError> {
        let commit = format!("{HEAD}^{{commit}}");
        let id =
            self.git.run(self.git.command().args(["rev-parse", "--verify", "--quiet", &commit]))?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// Returns a command that may talk to the remote, with the password that kb.toml names.
    fn remote_command(&self) -> Result<Command, GitError> {
        let mut command = self.git.remote_command();
        let name = &self.password_env;
        if name.is_empty() {
            return Ok(command);
        }
        let Ok(password) = std::env::var(name) else {
            return Err(GitError::Failed(format!("the environment variable {name} is not set")));
        };
        // For this server only, and in place of the user's own helpers.
        let scope = origin(&self.shown_url);
        command
            .args(["-c", &format!("credential.{scope}.helper=")])
            .args(["-c", &format!("credential.{scope}.helper={HELPER}")])
            .env("KBINGEST_GIT_USERNAME", &self.username)
            .env("KBINGEST_GIT_PASSWORD", password);
        Ok(command)
    }
}

/// Removes locks and half written files that a killed git has left: the clone is ours alone, so that nobody uses them.
fn remove_leftovers(folder: &Path) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let is_lock = path.extension().is_some_and(|ending| ending == "lock");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_leftovers(&path);
        } else if is_lock || entry.file_name().as_encoded_bytes().starts_with(b"tmp_") {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Tells whether git complains of its own repository, which is made again, and not of the other side.
fn is_damage(reason: &str) -> bool {
    const COMPLAINTS: [&str; 9] = [
        "not a git repository",
        "bad object",
        "is corrupt",
        "loose object",
        "invalid index-pack output",
        "packfile",
        "did not send all necessary objects",
        "bad config",
        "shallow file",
    ];
    COMPLAINTS.iter().any(|words| reason.contains(words))
        && !reason.contains("does not appear to be")
}

/// Returns scheme, host and port of `url`.
fn origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

/// Returns `url` without what stands before an `@` in its host part.
fn without_credentials(url: &str) -> String {
    let Some(at) = url.find("://").map(|at| at + 3) else { return url.to_owned() };
    let end = url[at..].find('/').map_or(url.len(), |slash| at + slash);
    match url[at..end].rfind('@') {
        Some(sign) => format!("{}{}", &url[..at], &url[at + sign + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_passwords() {
        let check = |url: &str, shown: &str, scope: &str| {
            assert_eq!(without_credentials(url), shown);
            assert_eq!(origin(&without_credentials(url)), scope);
        };
        check(
            "ssh://me:secret@example.org/a@b.git",
            "ssh://example.org/a@b.git",
            "ssh://example.org",
        );
        check("ssh://example.org:8443/a", "ssh://example.org:8443/a", "ssh://example.org:8443");
        check("https://example.org", "https://example.org", "https://example.org");
        check("git@example.org:a/b.git", "git@example.org:a/b.git", "git@example.org:a");
    }
}

//! The bare clone of a repository: creates it, updates it to the wanted commit, recreates it if it
//! is damaged.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use super::GitConfig;
use super::command::{Git, GitError, cache_error};
use super::config::{has_helper, is_path};
use crate::support::{files, percent};

/// The ref of the wanted commit, which keeps git from dropping the commit.
const HEAD: &str = "refs/kbingest/head";
/// All branches, for a commit that cannot be fetched by its id.
const BRANCHES: &str = "+refs/heads/*:refs/kbingest/heads/*";
/// Hex digits of an id by either hash function.
const SHA1_DIGITS: usize = 40;
const SHA256_DIGITS: usize = 64;
/// Marks a clone that must not be used any more.
const DISTRUSTED: &str = "kbingest-distrusted";
/// Passes user name and password from the environment to git only: neither is on a command line.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                      \"$KBINGEST_GIT_USERNAME\" \"$KBINGEST_GIT_PASSWORD\"; }; f";

/// The remote program for a URL that is a folder. Neither `-c` nor `GIT_CONFIG_*` reaches it
/// otherwise.
const UPLOAD_PACK: &str = "--upload-pack=env GIT_NO_LAZY_FETCH=1 GIT_ALLOW_PROTOCOL= git \
     -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.alternateRefsCommand=true \
     -c core.pager=cat -c core.sshCommand=false -c core.gitProxy=false -c protocol.allow=never \
     -c gc.auto=0 -c maintenance.auto=false -c uploadpack.advertiseBundleURIs=false upload-pack";

/// A bare clone that only we use, under the lock of the run.
#[derive(Debug)]
pub(super) struct CachedClone {
    git: Git,
    url: OsString,
    /// Without user name and password.
    shown_url: String,
    reference: String,
    /// Whether the reference is the commit itself, which never changes.
    is_pinned: bool,
    depth: u32,
    username: String,
    password_env: String,
}

impl CachedClone {
    /// A `url` that is a path is relative to `base`.
    pub(super) fn new(git: Git, config: &GitConfig, base: &Path) -> Self {
        let url = config.location(base);
        Self {
            git,
            shown_url: without_credentials(&url.to_string_lossy()),
            url,
            reference: config.reference.get_ref().clone(),
            is_pinned: false,
            depth: config.depth,
            username: config.username.clone(),
            password_env: config.password_env.get_ref().clone(),
        }
    }

    /// Prepares the clone of a submodule, whose `ref` is a commit: it is fetched only once.
    pub(super) fn pinned(git: Git, config: &GitConfig, base: &Path) -> Self {
        Self { is_pinned: true, ..Self::new(git, config, base) }
    }

    pub(super) fn git(&self) -> &Git {
        &self.git
    }

    pub(super) fn shown_url(&self) -> &str {
        &self.shown_url
    }

    /// Marks the clone as incomplete: the next process creates it again.
    pub(super) fn distrust(&self) {
        if let Ok(folder) = self.git.folder() {
            let _ = files::replace(&folder.path().join(DISTRUSTED), b"");
        }
    }

    /// Fetches the wanted commit, and returns its id.
    pub(super) fn update(&self) -> Result<String, GitError> {
        let folder = self.git.folder()?;
        if folder.entries().is_ok_and(|names| names.iter().any(|name| name == DISTRUSTED)) {
            self.throw_away()?;
        }
        self.remove_leftovers();
        self.git.lay_out()?;
        // A partial clone, left by a kill during the first fetch, or one that has lost objects.
        if !self.has_commit()? {
            self.throw_away()?;
            // A full id tells the hash function, and git takes another's for the name of a branch.
            if self.has_id_of_other_hash() {
                self.git.change_hash();
            }
            self.git.lay_out()?;
        }
        let updated = match self.try_update() {
            // The clone was made for the ids of another repository, or before it was known.
            Err(GitError::Failed(reason)) if has_other_hash(&reason) => {
                self.throw_away()?;
                self.git.change_hash();
                self.git.lay_out()?;
                self.try_update()
            }
            updated => updated,
        };
        match updated {
            // Git keeps what it has fetched so far, which would keep the disk full.
            Err(GitError::Full(reason)) => {
                self.remove_leftovers();
                if !self.has_commit().unwrap_or(true) {
                    let _ = self.throw_away();
                }
                Err(GitError::Full(reason))
            }
            Err(GitError::Failed(reason)) if is_suspicious(&reason) => {
                if self.is_sound()? {
                    return Err(GitError::Failed(reason));
                }
                self.throw_away()?;
                self.git.lay_out()?;
                self.try_update()
            }
            updated => updated,
        }
    }

    /// Returns whether the commit that the reference names is fetched, with the wanted history.
    fn has_pinned(&self) -> Result<bool, GitError> {
        let is_shallow = self.git.folder()?.path().join("shallow").exists();
        if self.depth == 0 && is_shallow || !self.has_commit()? {
            return Ok(false);
        }
        Ok(self.resolve()? == self.reference)
    }

    /// Returns the content that the Git LFS pointer `pointer` stands for, of at most `bytes_max`
    /// bytes.
    pub(super) fn fetch_lfs(&self, pointer: &str, bytes_max: u64) -> Result<Vec<u8>, GitError> {
        let remote = self.remote()?;
        let mut origin = OsString::from("remote.origin.url=");
        origin.push(&remote.url);
        let mut command = self.remote_command(&remote, Some(pointer))?;
        command.arg("-c").arg(origin).args(["lfs", "smudge"]);
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let content = self.git.run_within(&mut command, bytes_max);
        content.map_err(|error| self.explain_lfs(&remote, error))
    }

    fn explain_lfs(&self, remote: &Remote, error: GitError) -> GitError {
        match error {
            GitError::Failed(reason) => {
                let reason = reason.replace(&remote.effective, &self.shown_url);
                GitError::Failed(format!("git lfs cannot fetch it: {reason}"))
            }
            error => error,
        }
    }

    /// Fails if `git lfs` is not installed.
    pub(super) fn require_lfs(&self) -> Result<(), GitError> {
        if self.git.succeeds(self.git.command()?.args(["lfs", "version"]))? {
            return Ok(());
        }
        let needs = "`lfs = true` needs Git LFS, which is not installed: install the package git-lfs, \
                     or remove the setting";
        Err(GitError::Failed(needs.to_owned()))
    }

    fn has_id_of_other_hash(&self) -> bool {
        let is_id = self.reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        let other = if self.git.is_sha256() { SHA1_DIGITS } else { SHA256_DIGITS };
        is_id && self.reference.len() == other
    }

    fn try_update(&self) -> Result<String, GitError> {
        if self.is_pinned && self.has_pinned()? {
            return Ok(self.reference.clone());
        }
        self.fetch()?;
        let commit = self.resolve()?;
        self.tidy()?;
        Ok(commit)
    }

    fn has_commit(&self) -> Result<bool, GitError> {
        let commit = format!("{HEAD}^{{commit}}");
        self.git.succeeds(self.git.command()?.args(["rev-parse", "--verify", "--quiet", &commit]))
    }

    /// Returns whether the clone itself is intact: a message of git about damage may come from the
    /// remote, and must not discard the clone. If there is no commit yet, there is nothing to
    /// recreate.
    fn is_sound(&self) -> Result<bool, GitError> {
        if !self.has_commit()? {
            return Ok(true);
        }
        let mut connected = self.git.command()?;
        connected.args(["fsck", "--connectivity-only", "--no-dangling", "--no-progress"]);
        if !self.git.succeeds(&mut connected)? {
            return Ok(false);
        }
        let objects = self.git.folder()?.existing_subfolder("objects").map_err(cache_error)?;
        let Some(objects) = objects else { return Ok(false) };
        let packs = objects.existing_subfolder("pack").map_err(cache_error)?;
        let Some(packs) = packs else { return Ok(true) };
        for name in packs.entries().map_err(cache_error)? {
            let path = packs.path().join(&name);
            let is_index = path.extension().is_some_and(|ending| ending == "idx");
            let mut verified = self.git.command()?;
            if is_index && !self.git.succeeds(verified.arg("verify-pack").arg(&path))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes locks and temporary files left by a killed git: nobody else uses the clone.
    fn remove_leftovers(&self) {
        let is_left = |name: &OsStr| {
            let name = name.as_encoded_bytes();
            name.ends_with(b".lock") || name.starts_with(b"tmp_") || name.ends_with(b".part")
        };
        if let Ok(folder) = self.git.folder() {
            let _ = folder.remove_matching(&is_left);
        }
    }

    /// Lets git repack the results of many fetches and drop unreachable objects; usually it finds
    /// nothing to do. A failure only costs space.
    fn tidy(&self) -> Result<(), GitError> {
        let mut command = self.git.command()?;
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

    /// Removes everything in the folder of the clone, which is one of our own.
    fn throw_away(&self) -> Result<(), GitError> {
        self.git.folder()?.clear().map_err(cache_error)
    }

    fn fetch(&self) -> Result<(), GitError> {
        let remote = self.remote()?;
        let fetched = self.fetch_ref(&remote, self.depth, &format!("+{}:{HEAD}", self.wanted()));
        let fetched = match fetched {
            // By an old protocol a server gives only the commits that it names: those of branches.
            Err(GitError::Failed(reason)) if self.is_pinned && is_unknown(&reason) => {
                self.fetch_ref(&remote, 0, BRANCHES).and_then(|()| {
                    let mut command = self.git.command()?;
                    self.git.run(command.args(["update-ref", HEAD, &self.reference])).map(drop)
                })
            }
            fetched => fetched,
        };
        fetched.map_err(|error| self.explain(&remote, error))
    }

    /// Fetches what `refspec` names, with this much history; 0 means all of it.
    fn fetch_ref(&self, remote: &Remote, depth: u32, refspec: &str) -> Result<(), GitError> {
        let mut command = self.remote_command(remote, None)?;
        command.args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--force"]);
        command.args(["--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow"]);
        command.args(remote.upload_pack());
        if depth > 0 {
            command.arg(format!("--depth={depth}"));
        } else if self.git.folder()?.path().join("shallow").exists() {
            command.arg("--unshallow");
        }
        self.git.run(command.arg("--").arg(&remote.url).arg(refspec)).map(drop)
    }

    /// Returns the remote, rewritten by the user's own settings (`url.*.insteadOf`).
    fn remote(&self) -> Result<Remote, GitError> {
        let (url, user) = match self.url.to_str() {
            Some(url) => without_user(url),
            None => (self.url.clone(), None),
        };
        let mut command = self.git.command()?;
        let shown = self.git.run(command.args(["ls-remote", "--get-url", "--"]).arg(&url))?;
        let effective = String::from_utf8_lossy(&shown).trim_end_matches('\n').to_owned();
        Ok(Remote { url, user, effective })
    }

    fn wanted(&self) -> &str {
        if self.reference.is_empty() { "HEAD" } else { &self.reference }
    }

    /// Distinguishes a repository without commits, and a missing ref, from an outage.
    fn explain(&self, remote: &Remote, error: GitError) -> GitError {
        let GitError::Failed(reason) = error else { return error };
        if !is_unknown(&reason) {
            return GitError::Failed(
                reason
                    .replace(&remote.effective, &self.shown_url)
                    .replace(&*self.url.to_string_lossy(), &self.shown_url),
            );
        }
        let refs = self.remote_command(remote, None).and_then(|mut command| {
            command.args(["ls-remote", "--quiet"]).args(remote.upload_pack());
            self.git.run(command.arg("--").arg(&remote.url))
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
        let id = self.git.run(self.git.command()?.args([
            "rev-parse",
            "--verify",
            "--quiet",
            &commit,
        ]))?;
        Ok(String::from_utf8_lossy(&id).trim().to_owned())
    }

    /// Returns a command that may contact the remote, with the password that kb.toml names.
    fn remote_command(&self, remote: &Remote, input: Option<&str>) -> Result<Command, GitError> {
        let mut command = self.git.remote_command(remote.protocols(), input)?;
        let name = &self.password_env;
        // For this server only.
        let scope = origin(&self.shown_url);
        if name.is_empty() {
            if let Some(user) = &remote.user {
                // It may be a token: other users cannot see the environment.
                command
                    .arg(format!("--config-env=credential.{scope}.username=KBINGEST_GIT_USERNAME"))
                    .env("KBINGEST_GIT_USERNAME", user);
            }
            return Ok(command);
        }
        let Ok(password) = std::env::var(name) else {
            return Err(GitError::Failed(format!("the environment variable {name} is not set")));
        };
        // Replaces the user's own helpers.
        command
            .args(["-c", &format!("credential.{scope}.helper=")])
            .args(["-c", &format!("credential.{scope}.helper={HELPER}")])
            .env("KBINGEST_GIT_USERNAME", &self.username)
            .env("KBINGEST_GIT_PASSWORD", password);
        Ok(command)
    }
}

/// The remote of a clone.
struct Remote {
    /// The URL passed to git.
    url: OsString,
    /// User name of an http URL, which must not be on a command line.
    user: Option<String>,
    /// The URL after git's rewriting.
    effective: String,
}

impl Remote {
    /// Returns the protocols that it needs, for `GIT_ALLOW_PROTOCOL`; never `ext::`, which runs any
    /// command.
    fn protocols(&self) -> &'static str {
        match self.effective.split_once("://") {
            Some(("https", _)) => "https",
            // An http server may redirect to https.
            Some(("http", _)) => "http:https",
            Some(("ssh", _)) => "ssh",
            Some(("git", _)) => "git",
            Some(("file", _)) => "file",
            Some(_) => "",
            None if is_path(&self.effective) => "file",
            None if has_helper(&self.effective) => "",
            None => "ssh",
        }
    }

    /// Returns how git starts the remote program on this machine: the folder may belong to a
    /// stranger, whose settings must not make it fetch from elsewhere, which may run a program that
    /// they name.
    fn upload_pack(&self) -> Option<&'static str> {
        (self.protocols() == "file").then_some(UPLOAD_PACK)
    }
}

/// Returns whether git reports that clone and remote have ids by different hash functions.
fn has_other_hash(reason: &str) -> bool {
    let mut lines = reason.split("; ").filter(|line| !line.starts_with("remote:"));
    lines.any(|line| line.contains("mismatched algorithms: client"))
}

/// Returns whether git reports that the remote does not have, or does not give, what is wanted.
fn is_unknown(reason: &str) -> bool {
    const WORDS: [&str; 4] = [
        "couldn't find remote ref",
        "not our ref",
        "no such remote ref",
        "request for unadvertised object",
    ];
    WORDS.iter().any(|words| reason.contains(words))
}

/// Returns whether git reports a problem with a repository, which may be the clone.
fn is_suspicious(reason: &str) -> bool {
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

/// Returns an http URL without its user name, and that name.
fn without_user(url: &str) -> (OsString, Option<String>) {
    let Some((scheme @ ("http" | "https"), rest)) = url.split_once("://") else {
        return (url.into(), None);
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, _)) => {
            let place = &rest[user.len() + 1..];
            let user = percent::decoded(user);
            (format!("{scheme}://{place}").into(), Some(user))
        }
        None => (url.into(), None),
    }
}

/// Returns scheme, host and port of `url`.
fn origin(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

/// Returns `url` without the user part before an `@` in its host.
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

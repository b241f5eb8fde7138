//! The kb.toml files whose requests the user has allowed, each by its path and its content.
//!
//! On disk: `$XDG_STATE_HOME/kbingest/allowed` or `~/.local/state/kbingest/allowed`, with one file
//! per permission, whose name is the hash of path and content and whose text is the path, for
//! people. As with direnv, an edit, or a copy elsewhere, has to be allowed again. A file that
//! somebody else put there is ignored.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::support::files;

/// Environment variable with allowed hashes, separated by commas; for CI.
pub const VARIABLE: &str = "KBINGEST_TRUST";

/// Mode bits by which others may change it.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Returns whether the user allowed the kb.toml at `path` with the content of this `hash`.
///
/// A file that cannot be read allows nothing.
pub(super) fn is_allowed(path: &Path, hash: &str) -> bool {
    let named = std::env::var(VARIABLE).unwrap_or_default();
    if named.split([',', ' ']).any(|one| one == hash) {
        return true;
    }
    entry(path, hash).is_some_and(|entry| {
        let is_ours = |path: &Path| path.symlink_metadata().is_ok_and(|found| is_of_user(&found));
        entry.parent().is_some_and(is_ours)
            && files::open(&entry)
                .and_then(|file| file.metadata())
                .is_ok_and(|found| is_of_user(&found))
    })
}

/// Stores that the user allows the kb.toml at `path` with the content of this `hash`.
pub(super) fn allow(path: &Path, hash: &str) -> io::Result<()> {
    let entry = entry(path, hash).ok_or_else(no_home)?;
    let folder = entry.parent().unwrap_or(Path::new("/"));
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", entry.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(named)?;
    if !folder.symlink_metadata().is_ok_and(|found| is_of_user(&found)) {
        let reason = "is somebody else's, or others may write to it; remove it";
        return Err(io::Error::other(format!("{} {reason}", folder.display())));
    }
    files::remove(&entry).map_err(named)?;
    let mut file = files::create_new(&entry).map_err(named)?;
    writeln!(file, "{}", path.display()).map_err(named)
}

/// Removes what [`allow`] stored; returns whether there was anything.
pub(super) fn revoke(path: &Path, hash: &str) -> io::Result<bool> {
    let Some(entry) = entry(path, hash) else { return Ok(false) };
    let was_there = entry.symlink_metadata().is_ok();
    files::remove(&entry)?;
    Ok(was_there)
}

/// Returns the folder that holds the permissions, if known.
pub fn folder() -> Option<PathBuf> {
    Some(user_state()?.join("kbingest").join("allowed"))
}

fn is_of_user(found: &std::fs::Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw()
        && found.mode() & WRITABLE_BY_OTHERS == 0
        && !found.is_symlink()
}

fn entry(path: &Path, hash: &str) -> Option<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0").update(hash.as_bytes());
    let name = hasher.finalize().to_hex().to_string();
    Some(folder()?.join(name))
}

/// Returns the user's state folder (XDG Base Directory Specification), if known.
fn user_state() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))
}

fn no_home() -> io::Error {
    io::Error::other("neither XDG_STATE_HOME nor HOME is set, so that nothing can be remembered")
}

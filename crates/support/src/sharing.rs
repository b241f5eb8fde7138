//! Who may read and write the files of a knowledge base: their modes, owners and groups.
//!
//! Paths are only examined and changed, never opened: closing a file drops the locks that SQLite
//! holds on it in this process.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::Path;
use std::str::FromStr;

use rustix::fs::{AtFlags, CWD, accessat};
use rustix::process::{getegid, geteuid, getgroups};

use crate::storage;

pub use rustix::fs::Access;

/// The user id of root, who can do anything anyway.
const ROOT: u32 = 0;
/// What the umask takes from, as for every file that a program creates.
const BY_UMASK: u32 = 0o666;
/// What only its owner may read and write.
const PRIVATE: u32 = 0o600;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// The permission bits of a file, as in `"0640"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let bits = u32::from_str_radix(text, 8).ok().filter(|_| is_octal);
        let Some(bits) = bits.filter(|bits| bits & !BY_UMASK == 0) else {
            return Err(format!(
                "\"{text}\" is not the mode of a file: three octal digits of 0, 2, 4 and 6, as in \"0640\""
            ));
        };
        if bits & PRIVATE != PRIVATE {
            return Err(format!("\"{text}\" keeps its owner out: the first digit must be 6"));
        }
        if bits & OTHERS_WRITE != 0 {
            return Err(format!(
                "\"{text}\" lets everybody write: the last digit must be 0 or 4; share it with a group, as in \"0660\""
            ));
        }
        Ok(Self(bits))
    }
}

/// What a new file is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sharing<'a> {
    /// Its mode, if the user wants a certain one.
    pub mode: Option<Mode>,
    /// The file that it belongs to or is a copy of, if there is one: it gets the same mode, as
    /// SQLite's files do; created by root, also the same owner and group.
    pub model: Option<&'a Path>,
}

impl Sharing<'_> {
    /// Opens the file at `path` with `options`, which must not follow links, and creates it if it
    /// does not exist, readable by nobody else until its mode is set.
    pub fn create(&self, options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        if path.symlink_metadata().is_ok() {
            return options.open(path);
        }
        let (model, wanted) = self.wanted();
        let file = options.mode(if wanted.is_some() { PRIVATE } else { BY_UMASK }).open(path)?;
        if let Some(model) = model {
            let owner = geteuid().is_root().then(|| model.uid());
            // Its group is only a help: the owner may not be in it.
            let _ = fchown(&file, owner, Some(model.gid()));
        }
        if let Some(wanted) = wanted {
            file.set_permissions(Permissions::from_mode(wanted))?;
        }
        Ok(file)
    }

    /// Gives a file that exists the wanted mode and group, if it is this user's and has no other
    /// name.
    pub fn adjust(&self, file: &File) -> io::Result<()> {
        let found = file.metadata()?;
        let (model, wanted) = self.wanted();
        if !is_ours(&found) || found.nlink() != 1 {
            return Ok(());
        }
        if let Some(model) = model.filter(|model| model.gid() != found.gid()) {
            let _ = fchown(file, None, Some(model.gid()));
        }
        match wanted {
            Some(wanted) if bits(&found) != wanted => {
                file.set_permissions(Permissions::from_mode(wanted))
            }
            _ => Ok(()),
        }
    }

    /// Returns the model, if it exists, and the mode of a file.
    fn wanted(&self) -> (Option<Metadata>, Option<u32>) {
        let model = self.model.and_then(|model| model.symlink_metadata().ok());
        let wanted = self.mode.map(|mode| mode.0).or(model.as_ref().map(bits));
        (model, wanted)
    }

    /// Gives the database at `path`, and SQLite's files beside it, the mode that the user wants, if
    /// they are this user's.
    pub fn apply(&self, path: &Path) -> io::Result<()> {
        let Some(Mode(wanted)) = self.mode else { return Ok(()) };
        for path in storage::database_files(path) {
            let Ok(found) = path.symlink_metadata() else { continue };
            let is_ours = is_ours(&found) && found.is_file() && found.nlink() == 1;
            if is_ours && bits(&found) != wanted {
                std::fs::set_permissions(&path, Permissions::from_mode(wanted))?;
            }
        }
        Ok(())
    }
}

/// Gives the files that SQLite has created beside the database at `path` to its group: SQLite gives
/// them its mode, and its group only if root created them.
pub fn share_with_group(path: &Path) {
    let [database, beside @ ..] = storage::database_files(path);
    let Ok(group) = database.metadata().map(|found| found.gid()) else { return };
    for path in beside {
        if path.symlink_metadata().is_ok_and(|found| is_ours(&found) && found.gid() != group) {
            // Without it, others of the group cannot use the file while this process does.
            let _ = lchown(&path, None, Some(group));
        }
    }
}

/// Reports whether this user may do `what` with `path`; true if the answer is unknown.
pub fn may(what: Access, path: &Path) -> bool {
    accessat(CWD, path, what, AtFlags::EACCESS) != Err(rustix::io::Errno::ACCESS)
}

/// Reports whether the file at `path` is this user's or root's, or is shared with a group of this
/// user: the group may write both the file and its folder, or the folder is this user's or root's.
/// In a folder where everybody may write, somebody else may have put it there.
pub fn is_trusted(path: &Path, found: &Metadata) -> bool {
    if is_ours(found) || found.uid() == ROOT {
        return true;
    }
    let is_shared = |found: &Metadata| bits(found) & GROUP_WRITES != 0 && is_in_group(found.gid());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(folder) = folder.unwrap_or(Path::new(".")).metadata() else { return false };
    let is_safe = bits(&folder) & OTHERS_WRITE == 0
        && (is_ours(&folder) || folder.uid() == ROOT || is_shared(&folder));
    found.is_file() && is_safe && is_shared(found)
}

/// Returns a user as messages name it.
pub fn user_name(user: u32) -> String {
    if user == ROOT { "root".to_owned() } else { format!("user {user}") }
}

/// Returns who owns the file at `path`, and its mode, as messages name them.
pub fn describe(path: &Path) -> String {
    path.symlink_metadata().map_or_else(
        |error| error.to_string(),
        |found| {
            let (user, group) = (user_name(found.uid()), found.gid());
            format!("it belongs to {user} and group {group}, with mode {:04o}", bits(&found))
        },
    )
}

/// Returns this user's id.
pub fn user() -> u32 {
    geteuid().as_raw()
}

fn is_ours(found: &Metadata) -> bool {
    found.uid() == user()
}

fn is_in_group(group: u32) -> bool {
    getegid().as_raw() == group
        || getgroups().is_ok_and(|groups| groups.iter().any(|one| one.as_raw() == group))
}

fn bits(found: &Metadata) -> u32 {
    found.mode() & 0o777
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_files_that_their_owner_can_use() {
        for (text, bits) in [("0600", 0o600), ("640", 0o640), ("0660", 0o660), ("0644", 0o644)] {
            assert_eq!(text.parse(), Ok(Mode(bits)), "{text}");
        }
        for text in ["", "6", "64", "00640", "0o640", "0680", "0755", "1640", "-640", "rw-r-----"] {
            let error = Mode::from_str(text).unwrap_err();
            assert!(error.contains("is not the mode of a file"), "{error}");
        }
        for (text, why) in [("0440", "keeps its owner out"), ("0666", "lets everybody write")] {
            let error = Mode::from_str(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_new_file_has_the_wanted_mode_or_that_of_its_model() {
        let folder = tempfile::tempdir().unwrap();
        let [model, path] = ["model", "path"].map(|name| folder.path().join(name));
        File::create(&model).unwrap().set_permissions(Permissions::from_mode(0o640)).unwrap();
        let made = |sharing: Sharing<'_>| {
            let _ = std::fs::remove_file(&path);
            sharing.create(OpenOptions::new().write(true).create_new(true), &path).unwrap();
            bits(&path.metadata().unwrap())
        };
        let mode = Some(Mode(0o660));
        assert_eq!(made(Sharing { mode, model: None }), 0o660);
        assert_eq!(made(Sharing { mode, model: Some(&model) }), 0o660);
        assert_eq!(made(Sharing { mode: None, model: Some(&model) }), 0o640);
        std::fs::remove_file(&model).unwrap();
        let by_umask = made(Sharing { mode: None, model: Some(&model) });
        assert_eq!(by_umask, made(Sharing::default()));
        Sharing { mode, model: None }.apply(&path).unwrap();
        assert_eq!(bits(&path.metadata().unwrap()), 0o660);
    }
}

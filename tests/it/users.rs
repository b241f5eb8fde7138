//! The program run as another user of the machine, which only root can do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

use crate::support::{Place, program};

/// The program where every user may run it; the folder of the build may be private.
static PROGRAM: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("kbingest");
    fs::copy(program().get_program(), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, path)
});

/// Another user, and its group of the same number; neither need be known to the system.
#[derive(Clone, Copy, Debug)]
pub struct User(pub u32);

/// Returns whether the tests run as root; says so if a test is skipped for that.
pub fn are_available() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: only root can act as another user");
    }
    is_root
}

impl User {
    /// Gives everything in `folder`, and itself, to this user and its group.
    pub fn take(self, folder: &Path) {
        for entry in walkdir::WalkDir::new(folder) {
            lchown(entry.unwrap().path(), Some(self.0), Some(self.0)).unwrap();
        }
    }

    /// Returns `program` to be run by this user in `place`.
    pub fn command(self, place: &Place, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.uid(self.0).gid(self.0).current_dir(place.path("")).stdin(Stdio::null());
        command.env("HOME", place.path("")).env("XDG_CACHE_HOME", place.cache());
        command
    }

    /// Returns kbingest to be run by this user in `place`.
    pub fn kbingest(self, place: &Place) -> Command {
        self.command(place, &PROGRAM.1)
    }

    /// The same if this user may have `threads` threads and processes.
    pub fn kbingest_within(self, place: &Place, threads: u64) -> Command {
        let mut command = self.command(place, "prlimit");
        command.arg(format!("--nproc={threads}")).arg(&PROGRAM.1);
        command
    }
}

//! Where fetched models are kept: `models` in the user's cache folder of kbingest, below it
//! `OWNER--NAME/COMMIT`. All of it may be removed at any time, and is fetched again.

use std::fmt::Display;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::HubName;
use crate::support::checkpoint::StopSignal;
use crate::support::files;

/// Locked while files are fetched.
const LOCK: &str = ".lock";
/// Between two attempts to lock it.
const WAIT: Duration = Duration::from_millis(200);

/// A kept model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Owner and name.
    pub name: String,
    /// Its commit.
    pub commit: String,
    /// Its folder.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub folder: PathBuf,
    /// The size of its files, in bytes.
    pub bytes: u64,
}

/// The folder of one model.
pub(super) struct Store {
    folder: PathBuf,
    /// Held while files are fetched into it.
    _lock: Option<File>,
}

impl Store {
    /// Names the folder without touching it.
    pub(super) fn open(name: &HubName, commit: &str) -> Result<Self, String> {
        let root = root().ok_or_else(|| {
            "neither XDG_CACHE_HOME nor HOME is set, so that models cannot be kept".to_owned()
        })?;
        let folder = root.join(format!("{}--{}", name.owner, name.name)).join(commit);
        Ok(Self { folder, _lock: None })
    }

    /// Creates the folder if it does not exist, and waits until no other process fetches into it.
    pub(super) fn create(name: &HubName, commit: &str, stop: &StopSignal) -> Result<Self, String> {
        let store = Self::open(name, commit)?;
        let path = store.place(LOCK)?;
        let wrong = |error: &dyn Display| format!("{}: {error}", path.display());
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| wrong(&error))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _lock: Some(file), ..store }),
                Err(TryLockError::WouldBlock) if !stop.wait_for(WAIT) => {}
                Err(error) => return Err(wrong(&error)),
            }
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns where the file `path` is or will be, and creates its folder.
    pub(super) fn place(&self, path: &str) -> Result<PathBuf, String> {
        let place = self.folder.join(path);
        self.make(place.parent().unwrap_or(&self.folder))?;
        Ok(place)
    }

    /// Returns the sha256 of the file `path`; `None` if it is not here.
    pub(super) fn sha256(&self, path: &str) -> Result<Option<String>, String> {
        let place = self.folder.join(path);
        match sha256(&place) {
            Ok((sha256, _)) => Ok(Some(sha256)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", place.display())),
        }
    }

    /// Returns what to do about a file with other content than expected.
    pub(super) fn differs(&self, path: &str, expected: &str, found: &str) -> String {
        format!(
            "{} has the sha256 {found}, and {expected} is expected; if the new content is meant, \
             remove its line from {} and fetch it again",
            self.folder.join(path).display(),
            super::LOCK
        )
    }

    fn make(&self, folder: &Path) -> Result<(), String> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))
    }
}

/// Returns all kept models, by name.
pub fn kept() -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for model in folders(root().as_deref())? {
        for commit in folders(Some(&model))? {
            let name =
                |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = size(&commit)?;
            let (name, hash) = (name(&model).replacen("--", "/", 1), name(&commit));
            all.push(Kept { name, commit: hash, folder: commit, bytes });
        }
    }
    all.sort_by(|a, b| (&a.name, &a.commit).cmp(&(&b.name, &b.commit)));
    Ok(all)
}

/// Returns sha256, in hexadecimal, and size of the file at `path`.
pub(super) fn sha256(path: &Path) -> io::Result<(String, u64)> {
    let mut file = files::open_input(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
    Ok((hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), bytes))
}

/// Returns the folder of all models (XDG Base Directory Specification), if known.
fn root() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    Some(cache?.join("kbingest").join("models"))
}

/// Returns the folders in `folder`; none if it does not exist.
fn folders(folder: Option<&Path>) -> io::Result<Vec<PathBuf>> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            size(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}

//! The lock that keeps two runs off one knowledge base.
//!
//! On disk: `<knowledge base>.lock`, with the mode of the knowledge base, never reached through a
//! link, and never deleted. Only the kernel's file lock on it counts: the kernel releases it when
//! its process dies, even by a kill, so it is never stale. The text inside (pid, host, time) is
//! only used in messages.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sharing::{self, Mode, Sharing, user_name};
use super::storage::database_files;
use super::{files, storage};

const TRIES_MAX: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Why the lock was not obtained.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("{path} is locked by another run ({holder})")]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// There is no space to create it.
    #[error("no space to write {path} ({free_bytes} bytes free on its disk)")]
    Full {
        /// The lock file.
        path: PathBuf,
        /// Free space on its disk.
        free_bytes: u64,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file to write was put there by somebody else.
    #[error("{path} {reason}")]
    Foreign {
        /// The knowledge base, or a file beside it.
        path: PathBuf,
        /// Why it does not count as ours.
        reason: String,
        /// Whether it is a regular file of another user, which `--adopt` allows to use.
        may_be_adopted: bool,
    },
    /// This user may not write the lock file of another.
    #[error("you ({}) may not lock {}: {}", user_name(sharing::user()), path.display(), sharing::describe(path))]
    Denied {
        /// The lock file.
        path: PathBuf,
        /// Whether a process holds the lock; `None` if this user may not even read it.
        is_held: Option<bool>,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {path}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// The lock, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Returns the path of the lock file of the knowledge base at `kb`.
pub fn lock_path(kb: &Path) -> PathBuf {
    storage::beside(kb, ".lock")
}

/// Fails if the knowledge base at `kb`, which is to be written, or one of SQLite's files beside it,
/// is a link or not a regular file.
pub fn refuse_links(kb: &Path) -> Result<(), LockError> {
    for path in database_files(kb) {
        let Ok(found) = path.symlink_metadata() else { continue };
        let reason = if found.is_symlink() {
            "is a symbolic link, and a knowledge base is never written through one; \
             name the file itself, or remove the link"
        } else if !found.is_file() {
            "is not a regular file; remove it, or name another knowledge base"
        } else {
            continue;
        };
        return Err(LockError::Foreign { path, reason: reason.into(), may_be_adopted: false });
    }
    Ok(())
}

/// Fails if a knowledge base is to be created and files with the names of its journals are not
/// ours: SQLite would remove a journal that belongs to another file, and fill an empty one. If our
/// lock file exists, they were left by a killed process.
fn refuse_strange(kb: &Path) -> Result<(), LockError> {
    let foreign = |path: PathBuf, reason: &str| {
        Err(LockError::Foreign { path, reason: reason.into(), may_be_adopted: false })
    };
    let lock = lock_path(kb);
    if let Ok(mut file) = files::open(&lock) {
        let text = read_holder(&mut file);
        let is_ours =
            file.metadata().is_ok_and(|found| found.len() == 0) || text.starts_with("pid ");
        let reason = "is not a lock file of kbingest; move it away, or name another knowledge base";
        return if is_ours { Ok(()) } else { foreign(lock, reason) };
    }
    let bytes = kb.metadata().map(|found| found.len());
    // A power cut may leave an empty knowledge base of ours, without its lock.
    let is_left = bytes.is_ok() && kb.extension().is_some_and(|ending| ending == "kb");
    if is_left || bytes.is_ok_and(|bytes| bytes > 0) {
        return Ok(());
    }
    match database_files(kb).into_iter().find(|path| path.exists()) {
        Some(path) => {
            foreign(path, "is not of kbingest; move it away, or name another knowledge base")
        }
        None => Ok(()),
    }
}

/// Fails if the knowledge base at `kb`, or a file beside it, belongs to another user: in a folder
/// that others may write to, somebody may have planted it to be filled. Missing files are ignored;
/// root is trusted, and a group of this user with which the file and its folder are shared.
///
/// Checks names without opening files: closing a file would drop the locks that SQLite holds on it
/// in this process.
pub fn refuse_others(kb: &Path) -> Result<(), LockError> {
    for path in database_files(kb).into_iter().chain([lock_path(kb)]) {
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if !sharing::is_trusted(&path, &metadata) {
            let (owner, user) = (metadata.uid(), sharing::user());
            let reason = format!("belongs to user {owner}, not to you (user {user})");
            return Err(LockError::Foreign { path, reason, may_be_adopted: metadata.is_file() });
        }
    }
    Ok(())
}

impl Lock {
    /// Locks the knowledge base at `kb`, which is not a link.
    ///
    /// The lock file has the mode of the knowledge base.
    pub fn take(kb: &Path) -> Result<Self, LockError> {
        Self::take_as(kb, None)
    }

    /// The same with a lock file that has the mode `mode` if it is new.
    ///
    /// Tries for a tenth of a second, because [`Lock::holder`] takes the lock for an instant.
    pub fn take_as(kb: &Path, mode: Option<Mode>) -> Result<Self, LockError> {
        refuse_links(kb)?;
        refuse_strange(kb)?;
        let path = lock_path(kb);
        let io = |source: std::io::Error| {
            let path = path.clone();
            if source.kind() == ErrorKind::PermissionDenied && path.exists() {
                LockError::Denied { is_held: is_held(&path), path }
            } else if storage::is_full(&source) {
                let free_bytes = storage::free_bytes(&path).unwrap_or(0);
                LockError::Full { path, free_bytes, source }
            } else {
                LockError::Io { path, source }
            }
        };
        let sharing = Sharing { mode, model: Some(kb) };
        let mut file = files::open_or_create(&path, &sharing).map_err(io)?;
        let mut tries = 0;
        while let Err(error) = file.try_lock() {
            match error {
                TryLockError::WouldBlock if tries < TRIES_MAX => {
                    tries += 1;
                    std::thread::sleep(TRY_AGAIN_AFTER);
                }
                TryLockError::WouldBlock => {
                    return Err(LockError::Held { holder: read_holder(&mut file), path });
                }
                TryLockError::Error(source) => return Err(io(source)),
            }
        }
        sharing.adjust(&file).and_then(|()| write_holder(&mut file)).map_err(io)?;
        Ok(Self { _file: file })
    }

    /// Locks an existing knowledge base; creates no lock file if there is none.
    pub fn take_existing(kb: &Path) -> Result<Option<Self>, LockError> {
        if kb.exists() { Self::take(kb).map(Some) } else { Ok(None) }
    }

    /// Returns the holder's text about itself, or `None` if nobody holds the lock. Fails with
    /// [`LockError::Denied`] if this user may not read the lock file.
    pub fn holder(kb: &Path) -> Result<Option<String>, LockError> {
        let path = lock_path(kb);
        let mut file = match files::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(LockError::Denied { path, is_held: None });
            }
            Err(source) => return Err(LockError::Io { path, source }),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&mut file))),
            Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
        }
    }
}

/// What a `cancel` adds to the text of a lock file whose holder writes to the knowledge base for so
/// long that the request cannot be stored there. The next holder writes a new text.
const STOP: &str = "; asked to stop";

/// Asks the holder of the lock of the knowledge base at `kb` to stop.
pub fn ask_to_stop(kb: &Path) -> Result<(), LockError> {
    let path = lock_path(kb);
    let asked = files::open_to_append(&path).and_then(|mut file| file.write_all(STOP.as_bytes()));
    asked.map_err(|source| match source.kind() {
        ErrorKind::PermissionDenied => LockError::Denied { path, is_held: Some(true) },
        _ => LockError::Io { path, source },
    })
}

/// Reports whether [`ask_to_stop`] was called since the lock of the knowledge base at `kb` was
/// taken.
pub fn is_asked_to_stop(kb: &Path) -> bool {
    files::open(&lock_path(kb)).is_ok_and(|mut file| read_holder(&mut file).ends_with(STOP))
}

/// Reports whether a process holds the lock on the file at `path`; `None` if it cannot be read.
fn is_held(path: &Path) -> Option<bool> {
    let file = files::open(path).ok()?;
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// Returns the name of this machine, for messages.
pub fn host_name() -> String {
    fs_err::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "pid {} on {} since {since}", std::process::id(), host_name())
}

/// Reports whether `start`, the first bytes of a file, are the text in a lock file of ours.
pub fn is_text(start: &[u8]) -> bool {
    let rest = start.strip_prefix(b"pid ").unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_since = |words: &[u8]| words == b" since ";
    digits > 0 && rest[digits..].starts_with(b" on ") && rest.windows(7).any(is_since)
}

fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    match file.take(200).read_to_string(&mut holder) {
        Ok(_) if !holder.is_empty() => holder,
        _ => "unknown process".to_owned(),
    }
}

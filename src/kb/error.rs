//! What can go wrong with a knowledge base, by what the caller can do about it.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::support::{files, sharing, storage};

/// Why a knowledge base could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KbError {
    /// There is no file.
    #[error("no knowledge base at {0}")]
    Missing(PathBuf),
    /// The file is not ours, or of a version that this program does not know.
    #[error("{path} {reason}")]
    Incompatible {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The file is of an older version, which is read only once it has been opened for writing.
    #[error("{path} has file format {version}; this program reads format {current}")]
    Outdated {
        /// The file.
        path: PathBuf,
        /// Its file format.
        version: usize,
        /// That of this program.
        current: usize,
    },
    /// It claims to be a knowledge base, but its tables are not those that this program creates.
    #[error("{path}: its schema is not ours: {difference}")]
    ForeignSchema {
        /// The file.
        path: PathBuf,
        /// The first entry that differs, and how.
        difference: String,
    },
    /// Reading took longer than any sound knowledge base needs.
    #[error(
        "{path} was read for {seconds} s without an end: its content is not what this program writes"
    )]
    Endless {
        /// The file.
        path: PathBuf,
        /// The limit.
        seconds: u64,
    },
    /// The path no longer names the file that is open, or SQLite's files beside it are others.
    #[error(
        "{0} was removed or replaced while it was written: what was written last is in no file that has a name"
    )]
    Replaced(PathBuf),
    /// The file's content contradicts itself.
    #[error("the knowledge base is damaged: {0}")]
    Damaged(String),
    /// No space is left, or a quota or limit on file size was met.
    #[error("no space to write {path} ({free_bytes} bytes free on its disk)")]
    Full {
        /// The file.
        path: PathBuf,
        /// Space left on its disk.
        free_bytes: u64,
        /// The error of SQLite or of the system.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read, written, created or removed.
    #[error("cannot {action} {path}")]
    Io {
        /// What failed, as in `create`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system or of SQLite.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This user may not do that with the file.
    #[error("you ({}) may not {action} {}: {}", sharing::user_name(sharing::user()), path.display(), sharing::describe(path))]
    Denied {
        /// `read` or `write`.
        action: &'static str,
        /// The knowledge base, or a file beside it.
        path: PathBuf,
    },
    /// A run was killed, and its log cannot be read by a user who may not write.
    #[error(
        "the last run on {0} was killed, and only a user who may write the file can read what it left in its log"
    )]
    LogOfOthers(PathBuf),
    /// The file is on a file system that does not lock and share memory as SQLite needs it.
    #[error(
        "{path} would lie on {file_system}, a network file system, where locks cannot be trusted"
    )]
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// Type of the file system.
        file_system: String,
    },
    /// A FIFO or a device has the path of a file of the knowledge base.
    #[error("{0} is not a regular file; remove it, or name another knowledge base")]
    Special(PathBuf),
    /// Another process wrote for longer than we wait.
    #[error("the knowledge base is busy: another process is writing")]
    Busy,
    /// A stop was requested during a long transaction, which was rolled back.
    #[error("stopped")]
    Stopped,
    /// Another process now owns the run.
    #[error("run {0} is no longer ours: another process has taken it over")]
    LostRun(crate::domain::RunId),
    /// A statement failed: our mistake, or not classified yet (see [`KbError::classify`]).
    #[error("unexpected database error")]
    Sql(#[source] rusqlite::Error),
}

/// What SQLite does with a file when it fails; it does not say which.
const READ_OR_WRITE: &str = "read or write";

/// An error of SQLite with the `errno` that SQLite kept.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct Refused {
    reason: std::io::Error,
    source: rusqlite::Error,
}

impl From<rusqlite::Error> for KbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl KbError {
    /// Classifies a failed statement on the file at `path` by what the caller can do about it.
    ///
    /// `errno` is the last one that SQLite got from the system: SQLite reports a read that failed
    /// once (EIO) as a malformed database, and too many open files as a read-only one.
    #[doc(hidden)]
    pub fn classify(self, path: &Path, errno: i32) -> Self {
        let Self::Sql(error) = self else { return self };
        let path = path.to_owned();
        let code = error.sqlite_error_code();
        let is_storage = matches!(
            code,
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::PermissionDenied
            )
        );
        let hidden = || files::cannot_create_beside(&path).and_then(|error| error.raw_os_error());
        let errno = match (errno, code) {
            // If SQLite cannot create a file it tries to read it, and keeps the error of that.
            (0 | libc::ENOENT, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
                hidden().unwrap_or(0)
            }
            _ => errno,
        };
        match (errno, code) {
            (libc::ENOSPC | libc::EDQUOT | libc::EFBIG, _) if is_storage => {
                Self::full(&path, error)
            }
            (_, Some(ErrorCode::DiskFull)) => Self::full(&path, error),
            (
                libc::EIO | libc::EMFILE | libc::ENFILE | libc::EROFS | libc::EACCES | libc::EPERM,
                _,
            ) if is_storage => {
                let reason = std::io::Error::from_raw_os_error(errno);
                Self::io(READ_OR_WRITE, &path, Refused { reason, source: error })
            }
            // Our statements obey the constraints of our tables, unless they compute with damaged
            // values.
            (_, Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig)) => {
                Self::Damaged(error.to_string())
            }
            (_, Some(ErrorCode::OperationInterrupted)) => Self::Stopped,
            _ if is_damage(&error) => Self::Damaged(error.to_string()),
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => Self::Busy,
            _ if is_storage => Self::io(READ_OR_WRITE, &path, error),
            _ => Self::Sql(error),
        }
    }

    /// Returns what is damaged, if a statement of this program failed because of damage.
    ///
    /// Our statements fail to compile only if the schema lacks what they name, and violate
    /// constraints only if existing rows do: both are damage.
    pub fn damage(&self) -> Option<String> {
        match self {
            Self::Damaged(what) => Some(what.clone()),
            Self::Sql(error)
                if is_damage(error)
                    || matches!(error, rusqlite::Error::SqlInputError { .. })
                    || matches!(
                        error.sqlite_error_code(),
                        // FTS5 reports some damage to its settings as being out of memory.
                        Some(
                            ErrorCode::Unknown
                                | ErrorCode::ConstraintViolation
                                | ErrorCode::OutOfMemory
                        )
                    ) =>
            {
                Some(error.to_string())
            }
            _ => None,
        }
    }

    /// Returns the error of a file at `path` that the system or SQLite refused to `action`.
    pub fn io(
        action: &'static str,
        path: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }

    /// Returns the error of a write to `path` that found no space.
    #[doc(hidden)]
    pub fn full(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let free_bytes = storage::free_bytes(path).unwrap_or(0);
        Self::Full { path: path.to_owned(), free_bytes, source: source.into() }
    }
}

/// Reports whether a statement failed because the file contradicts itself or its schema.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    let is_reported = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    // A schema that refers to something missing, which no version of ours wrote.
    let is_schema = matches!(
        error,
        Error::SqliteFailure(_, Some(message)) | Error::SqlInputError { msg: message, .. }
            if message.starts_with("unknown function")
                || message.starts_with("no such ")
                || message.starts_with("invalid fts5 file format")
                || message == "integer overflow"
    );
    // Rows that violate the tables' own constraints: no statement wrote them.
    is_reported
        || is_schema
        || matches!(
            error,
            Error::InvalidColumnType(..)
                // A row that every file has.
                | Error::QueryReturnedNoRows
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..)
        )
}

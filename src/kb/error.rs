//! What can go wrong with a knowledge base, by what the caller can do about it.

use std::path::PathBuf;

use rusqlite::ErrorCode;

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
    /// The file's content contradicts itself.
    #[error("the knowledge base is damaged: {0}")]
    Damaged(String),
    /// No space is left, or a limit on file size was met.
    #[error("the disk is full while writing the knowledge base")]
    Full(#[source] rusqlite::Error),
    /// The file cannot be read or written.
    #[error("the knowledge base cannot be read or written")]
    Io(#[source] rusqlite::Error),
    /// The file cannot be made.
    #[error("cannot create {path}")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process wrote for longer than we wait.
    #[error("the knowledge base is busy: another process is writing")]
    Busy,
    /// Another process has taken the run over.
    #[error("run {0} is no longer ours: another process has taken it over")]
    LostRun(crate::domain::RunId),
    /// A statement failed in a way that is our mistake.
    #[error("unexpected database error")]
    Sql(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for KbError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied,
            ) => Self::Io(error),
            _ => Self::Sql(error),
        }
    }
}

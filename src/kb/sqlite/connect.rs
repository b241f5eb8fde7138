//! Opens the file with connections that are set up the same way everywhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{errno, guard, schema};
use crate::kb::KbError;
use crate::support::{files, storage};

/// How long a statement waits for another writing process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Page cache of a connection; 4 MiB at 8 KiB per page. In pages, not KiB: SQLite converts KiB
/// before it knows the page size, and would take twice as much.
const CACHE_PAGES: i64 = 512;

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, KbError> {
    if !path.exists() {
        return Err(KbError::Missing(path.to_owned()));
    }
    refuse_special(path)?;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| KbError::from(error).classify(path, 0))?;
    let configured = configure(&connection).map_err(|error| schema::foreign(path, error));
    configured.map_err(|error| error.classify(path, errno::last(&connection)))?;
    Ok(connection)
}

pub(super) fn connect_read_only(path: &Path) -> Result<Connection, KbError> {
    if !path.exists() {
        return Err(KbError::Missing(path.to_owned()));
    }
    refuse_special(path)?;
    // Opened for writing if possible, but never used for it: the last connection that closes
    // removes the WAL's files, which a read-only one would leave behind.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match try_open(path, flags) {
        Err((error, _)) if cannot_make_wal(&error) && is_immutable(path) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_URI;
            try_open(&immutable_uri(path), flags)
        }
        opened => opened,
    };
    opened.map_err(|(error, errno)| schema::foreign(path, error).classify(path, errno))
}

/// Fails if the file, or one of SQLite's beside it, is a FIFO or a device: SQLite would block on
/// it.
fn refuse_special(path: &Path) -> Result<(), KbError> {
    for path in storage::database_files(path) {
        if path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(KbError::Special(path));
        }
    }
    Ok(())
}

/// Opens a file for reading only, and reads from it; the error includes the system's last one.
fn try_open(path: &Path, flags: OpenFlags) -> Result<Connection, (rusqlite::Error, i32)> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| (error, 0))?;
    let look = || {
        configure(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    look().map_err(|error| (error, errno::last(&connection)))?;
    Ok(connection)
}

/// Reports whether SQLite could not create the files that it needs beside another.
fn cannot_make_wal(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// Reports whether nobody can write to `path`: WAL needs a writable folder for its shared memory,
/// and there is no log left. Such a file may be read as an immutable one.
fn is_immutable(path: &Path) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let refusal = files::cannot_create_beside(path).map(|error| error.kind());
    let is_refused = matches!(refusal, Some(PermissionDenied | ReadOnlyFilesystem));
    let has_log = || storage::beside(path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    is_refused && !has_log()
}

/// Returns SQLite's URI for `path` with the promise that the file does not change.
fn immutable_uri(path: &Path) -> PathBuf {
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    PathBuf::from(format!("file:{escaped}?immutable=1"))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    guard::close(connection)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A plan that depends on bound values is prepared again for each of them, which took 3 % of a
    // first ingest.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(&format!(
        "PRAGMA foreign_keys = ON;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = {CACHE_PAGES};
         PRAGMA temp_store = MEMORY;"
    ))?;
    Ok(())
}

/// Creates an empty file that only its owner can read, if it does not exist: documents may be
/// private.
pub(super) fn make_private_file(path: &Path) -> Result<(), KbError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if storage::is_full(&error) => Err(KbError::full(path, error)),
        Err(source) => Err(KbError::io("create", path, source)),
    }
}

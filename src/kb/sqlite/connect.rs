//! Opens the file with connections that are set up the same way everywhere.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::unchanged::Unchanged;
use super::{errno, guard, schema, statistics};
use crate::kb::KbError;
use crate::support::sharing::{self, Access, Sharing};
use crate::support::{files, storage};

/// How long a statement waits for another writing process.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a file whose log appears or disappears meanwhile is opened again.
const TRIES_MAX: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Page cache of a connection; 4 MiB at 8 KiB per page. In pages, not KiB: SQLite converts KiB
/// before it knows the page size, and would take twice as much.
const CACHE_PAGES: i64 = 512;

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, KbError> {
    require(path)?;
    // SQLite would open it for reading, and fail at the first write.
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        refuse_denied("write", &storage::database_files(path), Access::WRITE_OK)?;
    }
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| KbError::from(error).classify(path, 0))?;
    #[cfg(test)]
    let connection = super::recorded::record(connection, path);
    let configured = configure(&connection).map_err(|error| schema::foreign(path, error));
    configured.map_err(|error| error.classify(path, errno::last(&connection)))?;
    Ok(connection)
}

/// A connection that only reads, and the state of a file that it assumes not to change.
pub(super) struct ReadOnly {
    pub(super) connection: Connection,
    pub(super) assumed: Option<Unchanged>,
}

/// Opens the file for reading. A user who may not write it leaves nothing beside it: SQLite's files
/// there are only used if they exist.
pub(super) fn connect_read_only(path: &Path) -> Result<ReadOnly, KbError> {
    for _ in 1..TRIES_MAX {
        match try_connect_read_only(path) {
            // A run began or ended meanwhile.
            Err(KbError::LogOfOthers(_) | KbError::Io { .. }) => {
                std::thread::sleep(TRY_AGAIN_AFTER)
            }
            connected => return connected,
        }
    }
    try_connect_read_only(path)
}

fn try_connect_read_only(path: &Path) -> Result<ReadOnly, KbError> {
    require(path)?;
    refuse_denied("read", &storage::database_files(path), Access::READ_OK)?;
    let may_write = sharing::may(Access::WRITE_OK, path);
    let named = |(error, errno)| schema::foreign(path, error).classify(path, errno);
    let index = storage::beside(path, "-shm");
    if may_write || index.exists() {
        // Opened for writing if possible, but never used for it: the last connection that closes
        // removes the WAL's files, which a read-only one would leave behind.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match try_open(path, flags) {
            Err((error, _)) if cannot_make_wal(&error) && (!may_write || is_immutable(path)) => {}
            Err(error) => return Err(named(error)),
            Ok(connection) => {
                if may_write {
                    sharing::share_with_group(path);
                }
                return Ok(ReadOnly { connection, assumed: None });
            }
        }
    }
    let assumed = Unchanged::of(path)?;
    if !assumed.has_no_log {
        return Err(KbError::LogOfOthers(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = try_open(&immutable_uri(path), flags).map_err(named)?;
    Ok(ReadOnly { connection, assumed: Some(assumed) })
}

/// Fails if there is no file, or something else.
fn require(path: &Path) -> Result<(), KbError> {
    match path.try_exists() {
        Ok(true) => refuse_special(path),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(KbError::io("reach", path, error))
        }
        _ => Err(KbError::Missing(path.to_owned())),
    }
}

/// Fails if this user may not do `what` with one of `paths` that exists.
fn refuse_denied(action: &'static str, paths: &[PathBuf], what: Access) -> Result<(), KbError> {
    match paths.iter().find(|path| !sharing::may(what, path)) {
        Some(path) => Err(KbError::Denied { action, path: path.clone() }),
        None => Ok(()),
    }
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
    #[cfg(test)]
    let connection = super::recorded::record(connection, path);
    let look = || {
        configure(&connection)?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
        statistics::ignore(&connection, BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)
    };
    look().map_err(|error| (error, errno::last(&connection)))?;
    Ok(connection)
}

/// Reports whether SQLite could not create the files that it needs beside another.
fn cannot_make_wal(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// Reports whether WAL's shared memory cannot be created beside `path`, and there is no log left.
/// Such a file may be read as an immutable one.
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

/// Creates an empty file if it does not exist; `sharing` says who may read and write it.
pub(super) fn make_file(path: &Path, sharing: &Sharing<'_>) -> Result<(), KbError> {
    if path.symlink_metadata().is_ok() {
        let applied = sharing.apply(path);
        return applied.map_err(|source| KbError::io("change the mode of", path, source));
    }
    match files::create_new_shared(path, sharing) {
        Ok(_) => Ok(()),
        Err(error) if storage::is_full(&error) => Err(KbError::full(path, error)),
        Err(source) => Err(KbError::io("create", path, source)),
    }
}

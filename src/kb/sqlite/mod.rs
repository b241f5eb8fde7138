//! The knowledge base in SQLite (bundled, WAL).
//!
//! On disk: the file itself, `-wal` and `-shm` while it is open. One write connection, used by whoever
//! holds its mutex, always `BEGIN IMMEDIATE`; one read connection for the rest, in short transactions.

mod check;
mod convert;
mod copy;
mod documents;
mod dump;
mod errno;
mod filter;
mod frontier;
mod frontier_end;
mod guard;
mod hits;
mod identity;
mod index;
mod intake;
mod ledger;
mod match_expression;
mod places;
mod queue;
mod repair;
mod revisions;
mod runs;
mod schema;
mod seal;
mod search;
mod shape;
mod shrink;
mod stage;
mod statistics;
mod tally;
mod twin;
mod vectors;
mod verify;
mod web_file;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use self::guard::Watch;
use self::identity::OpenFiles;
use self::index::merge;
use super::KbError;
use crate::support::byte_size::ByteSize;
use crate::support::storage;

pub use check::{Finding, Recomputed};
pub use documents::{NewText, Outcome, Reading, SaveResult};
pub use filter::{Filter, parse_date};
pub use frontier::{
    CrawledSite, FoundLink, FrontierCounts, OVER_LIMIT, PageLinks, PageReport, PageState,
    QueuedPage, ROWS_PER_QUEUED, StartPage,
};
pub use hits::{Explanation, Hit, Place};
pub use index::{IndexRows, Segment};
pub use intake::{Suspect, Suspects};
pub use ledger::LedgerRow;
pub use queue::{Commit, PendingRange, StoredChunk, Unit};
pub use repair::Repair;
pub use search::{SearchMode, SearchQuery, SearchSide};
pub use stage::{ChunkedRevision, NewChunk, StaleRevision, TextRevision};
pub use statistics::{FormatCount, Statistics};
pub use tally::RunKey;
pub use vectors::{ReusableVectors, StoredVector};

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Space below which a run is not begun: its first batches would fill it.
const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// As far as SQLite maps a file, a little less than 2 GiB.
const MAPPED_BYTES_MAX: i64 = 0x7fff_0000;
/// Pages that a connection keeps; 4 MiB at 8 KiB a page. Said in KiB, it would be twice that: SQLite counts them before
/// it knows how large they are.
const CACHE_PAGES: i64 = 512;
/// Of the connection that reads what another writes: each commit makes its pages stale.
const READER_CACHE_PAGES: i64 = 256;
/// Pages in the WAL before SQLite copies them back; 32 MiB at 8 KiB a page.
const WAL_PAGES: i64 = 4096;

/// An open knowledge base; shared by the threads of a run.
pub struct KnowledgeBase {
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    watch: Watch,
    /// What every commit insists on; `None` if it is only read and its folder gives SQLite no place for a log.
    files: Option<OpenFiles>,
}

impl std::fmt::Debug for KnowledgeBase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KnowledgeBase").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KnowledgeBase {
    /// Opens the knowledge base at `path` for writing, and makes it where there is none.
    pub fn create_or_open(path: &Path) -> Result<Self, KbError> {
        if storage::free_bytes(path).is_ok_and(|free_bytes| free_bytes < FREE_BYTES_MIN) {
            let wanted = ByteSize(FREE_BYTES_MIN);
            return Err(KbError::full(path, format!("a run is begun where {wanted} are free")));
        }
        make_private_file(path)?;
        Self::open_for_writing(path)
    }

    /// Refuses a network file system for the knowledge base at `path`.
    pub fn check_file_system(path: &Path) -> Result<(), KbError> {
        match storage::network_file_system(path) {
            None => Ok(()),
            Some(file_system) => {
                Err(KbError::NetworkFileSystem { path: path.to_owned(), file_system })
            }
        }
    }

    /// Opens an existing knowledge base for writing; brings an older file to this version's schema.
    pub fn open_for_writing(path: &Path) -> Result<Self, KbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut writer = connect(path, flags)?;
        let prepared = schema::prepare(&mut writer, path).and_then(|()| {
            merge::set_up(&writer)?;
            writer.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
            Ok(())
        });
        prepared.map_err(|error| error.told_apart(path, errno::last(&writer)))?;
        let mut reader = connect(path, flags)?;
        let limited = reader
            .pragma_update(None, "cache_size", READER_CACHE_PAGES)
            .and_then(|()| reader.pragma_update(None, "query_only", true));
        let limited = limited
            // The writer has compared the schema.
            .and_then(|()| guard::allow_views(&reader))
            .and_then(|()| Watch::over(&mut reader));
        let watch =
            limited.map_err(|error| KbError::from(error).told_apart(path, errno::last(&reader)))?;
        // The log is there now: both connections have read.
        let files = Some(OpenFiles::of(&writer, path)?);
        Self::new(path, writer, reader, watch, files)
    }

    /// Opens an existing knowledge base for reading; works beside a running ingest, and for a file on a
    /// read-only medium. Methods that write fail.
    pub fn open_for_reading(path: &Path) -> Result<Self, KbError> {
        let mut reader = connect_read_only(path).map_err(|error| error.told_apart(path, 0))?;
        // A search reads every vector: pages that need no copy halve its time.
        reader.pragma_update(None, "mmap_size", MAPPED_BYTES_MAX)?;
        schema::check_current(&reader, path)
            .map_err(|error| error.told_apart(path, errno::last(&reader)))?;
        let watch = Watch::over(&mut reader)?;
        let writer = Connection::open_in_memory()?;
        let files = OpenFiles::of(&reader, path).ok();
        Self::new(path, writer, reader, watch, files)
    }

    #[expect(clippy::unnecessary_wraps, reason = "its callers return it")]
    fn new(
        path: &Path,
        writer: Connection,
        reader: Connection,
        watch: Watch,
        files: Option<OpenFiles>,
    ) -> Result<Self, KbError> {
        let (writer, reader) = (Mutex::new(writer), Mutex::new(reader));
        Ok(Self { path: path.to_owned(), writer, reader, watch, files })
    }

    /// Fails if the path no longer names the file that is open: what was written to it is lost then.
    pub fn insist_on_files(&self) -> Result<(), KbError> {
        self.files.as_ref().map_or(Ok(()), OpenFiles::insist)
    }

    /// Reports whether `other` has the same file open.
    pub fn is_same_file(&self, other: &Self) -> bool {
        match (&self.files, &other.files) {
            (Some(files), Some(others)) => files.is_same_file(others),
            _ => false,
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in one write transaction, which is rolled back where it fails.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        let mut writer = lock(&self.writer);
        let transact = || {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            self.insist_on_files()?;
            tx.commit()?;
            Ok(value)
        };
        let result: Result<T, KbError> = transact();
        result.map_err(|error| error.told_apart(&self.path, errno::last(&writer)))
    }

    /// Runs `work` in one read transaction, for no longer than a search may take: all that it reads is of one moment.
    fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.read_within(Some(guard::READING_MAX), work)
    }

    /// The same for work that reads the whole file, however long that takes; a signal ends it.
    fn read_all<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.read_within(None, work)
    }

    fn read_within<T>(
        &self,
        most: Option<Duration>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        let mut reader = lock(&self.reader);
        self.watch.begin(most);
        let result = reader.transaction().map_err(KbError::from).and_then(|tx| work(&tx));
        result.map_err(|error| match (error, most) {
            (KbError::Sql(error), Some(most)) if is_interrupted(&error) => {
                KbError::Endless { path: self.path.clone(), seconds: most.as_secs() }
            }
            (error, _) => error.told_apart(&self.path, errno::last(&reader)),
        })
    }

    /// Merges full-text segments within a budget, unless it `should_stop`, empties the WAL, gives space back and updates
    /// the planner's statistics, so that one clean file is left.
    pub fn finish(
        &self,
        merge_pages_max: u64,
        should_stop: &dyn Fn() -> bool,
    ) -> Result<(), KbError> {
        let writer = lock(&self.writer);
        tidy(&writer, merge_pages_max, should_stop)
            // A run that stored and deleted nothing writes nothing.
            .and_then(|()| match merge_pages_max > 0 && !should_stop() {
                true => shrink::when_mostly_free(&writer, &self.path),
                false => Ok(()),
            })
            .map_err(|error| error.told_apart(&self.path, errno::last(&writer)))?;
        self.insist_on_files()
    }
}

fn tidy(
    writer: &Connection,
    merge_pages_max: u64,
    should_stop: &dyn Fn() -> bool,
) -> Result<(), KbError> {
    let mut budget = merge_pages_max;
    while budget > 0
        && !should_stop()
        && merge::step_at_end(writer, budget.min(merge::PAGES_PER_STEP))?
    {
        budget = budget.saturating_sub(merge::PAGES_PER_STEP);
    }
    writer.execute_batch("PRAGMA optimize")?;
    // A reader may hold the WAL; the next run empties it then.
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Gives out `count` new ids of the table `name` and returns the first; they are never given out again.
fn take_ids(tx: &Transaction<'_>, name: &str, count: u64) -> Result<i64, KbError> {
    let count = convert::to_sql(count);
    // RETURNING would make a table for the one row.
    tx.prepare_cached("UPDATE counter SET last = last + ?2 WHERE name = ?1")?
        .execute(rusqlite::params![name, count])?;
    let last: i64 = tx
        .prepare_cached("SELECT last FROM counter WHERE name = ?1")?
        .query_row([name], |row| convert::id(row, 0))?;
    Ok(last - count + 1)
}

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic in a transaction rolled it back on the way out: the connection is sound.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, KbError> {
    if !path.exists() {
        return Err(KbError::Missing(path.to_owned()));
    }
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| KbError::from(error).told_apart(path, 0))?;
    let configured = configure(&connection).map_err(|error| schema::foreign(path, error));
    configured.map_err(|error| error.told_apart(path, errno::last(&connection)))?;
    Ok(connection)
}

fn connect_read_only(path: &Path) -> Result<Connection, KbError> {
    if !path.exists() {
        return Err(KbError::Missing(path.to_owned()));
    }
    // Opened for writing where that is allowed, and never used for it: the last connection that closes
    // takes the WAL's files away, which a read-only one would leave behind.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = match look_into(path, flags) {
        Err((error, _)) if is_for_want_of_a_folder(&error) && lies_still(path) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_URI;
            look_into(&immutable_uri(path), flags)
        }
        opened => opened,
    };
    opened.map_err(|(error, errno)| schema::foreign(path, error).told_apart(path, errno))
}

/// Opens a file that is only read, and reads from it; an error comes with what the system said last.
fn look_into(path: &Path, flags: OpenFlags) -> Result<Connection, (rusqlite::Error, i32)> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| (error, 0))?;
    let look = || {
        configure(&connection)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))
    };
    look().map_err(|error| (error, errno::last(&connection)))?;
    Ok(connection)
}

/// Tells whether SQLite could not make the files that it needs beside another.
fn is_for_want_of_a_folder(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// Tells whether nobody can write to `path`: WAL needs a writable folder for its shared memory, and nothing of a log is
/// left. Such a file may be read as it stands.
fn lies_still(path: &Path) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let refusal = storage::cannot_create_beside(path).map(|error| error.kind());
    let is_refused = matches!(refusal, Some(PermissionDenied | ReadOnlyFilesystem));
    let has_log = || storage::beside(path, "-wal").metadata().is_ok_and(|log| log.len() > 0);
    is_refused && !has_log()
}

/// Returns SQLite's URI for `path` that promises an unchanging file.
fn immutable_uri(path: &Path) -> PathBuf {
    let escaped =
        path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    PathBuf::from(format!("file:{escaped}?immutable=1"))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    guard::close(connection)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A plan that depends on bound values is made anew for each of them, which was 3 % of a first ingest.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(&format!(
        "PRAGMA foreign_keys = ON;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = {CACHE_PAGES};
         PRAGMA temp_store = MEMORY;"
    ))?;
    Ok(())
}

/// Makes an empty file that only its owner can read, where there is none yet: documents may be private.
fn make_private_file(path: &Path) -> Result<(), KbError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if storage::is_full(&error) => Err(KbError::full(path, error)),
        Err(source) => Err(KbError::Create { path: path.to_owned(), source }),
    }
}

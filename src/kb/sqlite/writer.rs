//! A knowledge base that is open for writing.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags, Transaction, TransactionBehavior};

use super::connect::{BUSY_TIMEOUT, connect, make_file};
use super::guard::StopWatch;
use super::index::merge;
use super::maintenance::shrink;
use super::{Reader, convert, errno, is_interrupted, lock, schema, statistics};
use crate::kb::KbError;
use crate::support::byte_size::ByteSize;
use crate::support::checkpoint::StopSignal;
use crate::support::events::{Event, EventSink, FinishStep};
use crate::support::sharing::{self, Sharing};
use crate::support::storage;

/// Free space below which no run starts: its first batches would fill the disk.
const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Pages in the WAL at which SQLite copies them back; 32 MiB at 8 KiB a page.
const WAL_PAGES: i64 = 4096;

/// How long the end of a run waits for readers, to empty the WAL.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(200);

/// A knowledge base that is open for writing; shared by the threads of a run.
pub struct Writer {
    reader: Reader,
    connection: Mutex<Connection>,
    stop_watch: StopWatch,
    interrupt: InterruptHandle,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Writer {
    /// Opens the knowledge base at `path`, creating it if it does not exist.
    pub fn create_or_open(path: &Path) -> Result<Self, KbError> {
        Self::create_or_open_as(path, &Sharing::default(), None)
    }

    /// The same; `sharing` says who may read and write it, and `stop` ends long transactions, as
    /// in [`Self::open_stoppable`].
    pub fn create_or_open_as(
        path: &Path,
        sharing: &Sharing<'_>,
        stop: Option<&Arc<StopSignal>>,
    ) -> Result<Self, KbError> {
        if storage::free_bytes(path).is_ok_and(|free_bytes| free_bytes < FREE_BYTES_MIN) {
            let wanted = ByteSize(FREE_BYTES_MIN);
            return Err(KbError::full(path, format!("a run is begun where {wanted} are free")));
        }
        make_file(path, sharing)?;
        Self::open_stoppable(path, stop)
    }

    /// Opens an existing knowledge base; updates the schema of an older file.
    pub fn open(path: &Path) -> Result<Self, KbError> {
        Self::open_stoppable(path, None)
    }

    /// The same. A transaction that takes long when `stop` is requested, be it an update of the
    /// schema, is rolled back, and ends with [`KbError::Stopped`].
    pub fn open_stoppable(path: &Path, stop: Option<&Arc<StopSignal>>) -> Result<Self, KbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = connect(path, flags)?;
        let stop_watch = StopWatch::over(&mut connection, stop)?;
        let prepared = schema::prepare(&mut connection, path).and_then(|()| {
            merge::set_up(&connection)?;
            connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
            Ok(())
        });
        prepared.map_err(|error| error.classify(path, errno::last(&connection)))?;
        if statistics::forget(&connection) {
            // Plans are made with what a connection read when it was opened.
            drop(connection);
            return Self::open_stoppable(path, stop);
        }
        let reader = Reader::beside(&connection, path)?;
        sharing::share_with_group(path);
        let interrupt = connection.get_interrupt_handle();
        Ok(Self { reader, connection: Mutex::new(connection), stop_watch, interrupt })
    }

    /// Returns a reader of the same file, with a connection of its own.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Runs `work` in one write transaction, which is rolled back if it fails, or goes on for long
    /// after a stop was requested.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.write_by(true, work)
    }

    /// The same; only if it `is_stoppable` does a stop end it. What a stop itself asks to be saved
    /// is not.
    pub(super) fn write_by<T>(
        &self,
        is_stoppable: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        let mut connection = self.connection();
        self.stop_watch.begin(is_stoppable);
        let transact = || {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&tx)?;
            self.reader.check_files()?;
            tx.commit()?;
            Ok(value)
        };
        let result: Result<T, KbError> = transact();
        result.map_err(|error| self.classify(error, &connection))
    }

    pub(super) fn is_writing(&self) -> bool {
        matches!(self.connection.try_lock(), Err(TryLockError::WouldBlock))
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    pub(super) fn classify(&self, error: KbError, connection: &Connection) -> KbError {
        error.classify(self.reader.path(), errno::last(connection))
    }

    /// Merges full-text segments within a budget, unless it `should_stop`, empties the WAL, and
    /// gives space back, so that one clean file is left. [`Self::interrupt`] ends it at once; the
    /// next run does the rest.
    pub fn finish(
        &self,
        merge_pages_max: u64,
        should_stop: &dyn Fn() -> bool,
        events: &dyn EventSink,
    ) -> Result<(), KbError> {
        let writer = self.connection();
        self.stop_watch.begin(true);
        let finished = tidy(&writer, merge_pages_max, should_stop, events)
            // A run that stored and deleted nothing writes nothing here.
            .and_then(|()| match merge_pages_max > 0 && !should_stop() {
                true => shrink::when_mostly_free(&writer, self.reader.path(), events),
                false => Ok(()),
            });
        match finished {
            Err(KbError::Sql(error)) if is_interrupted(&error) => {}
            finished => finished.map_err(|error| self.classify(error, &writer))?,
        }
        self.reader.check_files()
    }

    /// Ends the statement that another thread is executing.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }

    /// Merges segments for two steps during a run, if there are too many.
    pub(super) fn merge_when_full(&self) -> Result<(), KbError> {
        let writer = self.connection();
        self.stop_watch.begin(true);
        let mut merged = merge::step_when_full(&writer);
        if matches!(merged, Ok(true)) {
            merged = merge::step_when_full(&writer);
        }
        merged.map(drop).map_err(|error| self.classify(error, &writer))
    }
}

/// Fails if `path` is on a network file system.
pub fn check_file_system(path: &Path) -> Result<(), KbError> {
    match storage::network_file_system(path) {
        None => Ok(()),
        Some(file_system) => Err(KbError::NetworkFileSystem { path: path.to_owned(), file_system }),
    }
}

pub(super) fn tidy(
    writer: &Connection,
    merge_pages_max: u64,
    should_stop: &dyn Fn() -> bool,
    events: &dyn EventSink,
) -> Result<(), KbError> {
    let report = |step: FinishStep| events.emit(&Event::Finishing { step });
    let mut budget = merge_pages_max;
    while budget > 0 {
        if should_stop() {
            break;
        }
        let pages_left = merge::pages_left(writer)?.min(budget);
        if pages_left > 0 {
            report(FinishStep::Merging { pages_left });
        }
        if should_stop() || !merge::step_at_end(writer, budget.min(merge::PAGES_PER_STEP))? {
            break;
        }
        budget = budget.saturating_sub(merge::PAGES_PER_STEP);
    }
    report(FinishStep::EmptyingLog);
    // Readers may hold the WAL for as long as there are searches; the next run empties it then.
    writer.busy_timeout(CHECKPOINT_WAIT)?;
    let emptied = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    writer.busy_timeout(BUSY_TIMEOUT)?;
    Ok(emptied?)
}

/// Reserves `count` new ids of the table `name` and returns the first; ids are never reused.
pub(super) fn take_ids(tx: &Transaction<'_>, name: &str, count: u64) -> Result<i64, KbError> {
    let count = convert::to_sql(count);
    // RETURNING would create a table for the one row.
    tx.prepare_cached("UPDATE counter SET last = last + ?2 WHERE name = ?1")?
        .execute(rusqlite::params![name, count])?;
    let last: i64 = tx
        .prepare_cached("SELECT last FROM counter WHERE name = ?1")?
        .query_row([name], |row| convert::id(row, 0))?;
    Ok(last - count + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::kb::sqlite::guard;

    /// Counts to `last`, in a step of SQLite for each few numbers.
    fn count_to(last: i64) -> String {
        format!(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {last})
             SELECT COUNT(*) FROM number"
        )
    }

    #[test]
    fn a_stop_ends_a_long_transaction_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let stop = Arc::new(StopSignal::default());
        let path = folder.path().join("a.kb");
        let kb = Writer::create_or_open_as(&path, &Sharing::default(), Some(&stop)).unwrap();
        let run_with = |is_stoppable: bool, count: i64| {
            kb.write_by(is_stoppable, |tx| {
                tx.execute("UPDATE counter SET last = last + 1 WHERE name = 'run'", [])?;
                Ok(tx.query_row(&count_to(count), [], |row| row.get::<_, i64>(0))?)
            })
        };
        let last = || {
            kb.write(|tx| {
                let sql = "SELECT last FROM counter WHERE name = 'run'";
                Ok(tx.query_row(sql, [], |row| row.get::<_, i64>(0))?)
            })
        };
        assert_eq!(run_with(true, 100_000).unwrap(), 100_000);
        assert_eq!(last().unwrap(), 1);
        // While it waits for a stop, it is under way; what is shorter than the grace is finished.
        std::thread::scope(|scope| {
            let endless = scope.spawn(|| run_with(true, i64::MAX));
            stop.request();
            let requested = Instant::now();
            assert!(matches!(endless.join().unwrap(), Err(KbError::Stopped)));
            assert!(requested.elapsed() < Duration::from_secs(10), "{:?}", requested.elapsed());
        });
        assert_eq!(last().unwrap(), 1);
        assert_eq!(run_with(true, 1_000).unwrap(), 1_000);
        // Longer than the grace, by far.
        let begun = Instant::now();
        while begun.elapsed() < 2 * Duration::from_millis(guard::STOP_GRACE_MS) {
            assert_eq!(run_with(false, 3_000_000).unwrap(), 3_000_000);
        }
        assert!(matches!(run_with(true, i64::MAX), Err(KbError::Stopped)));
        drop(kb);
        // A migration is such a transaction; one that is not needed is not stopped.
        Writer::open_stoppable(&path, Some(&stop)).unwrap();
    }
}

//! Limits what a file from a stranger can make SQLite do: its schema runs nothing, its values have
//! plausible sizes, and reading it ends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;

use crate::support::checkpoint::StopSignal;

/// Time limit for a search, a `status` or a query of a run; each takes less than a hundredth of it
/// on the largest knowledge bases measured.
pub const READING_MAX: Duration = Duration::from_mins(1);
/// Steps of SQLite's virtual machine between two checks of the clock; some 0.1 ms.
const STEPS_PER_LOOK: i32 = 10_000;

/// How long a transaction may go on when a stop is requested, in milliseconds.
pub const STOP_GRACE_MS: u64 = 500;

/// Limit on a value or row, in bytes: twice the longest text of a document. Reading one costs
/// several times its size.
const VALUE_BYTES_MAX: i32 = 128 << 20;

/// Limits on statements, with a margin: the widest result has 27 columns, the longest statement is
/// a 12 KB step of the file format. `VACUUM` attaches one file. Foreign keys count as triggers.
const LIMITS: [(Limit, i32); 10] = [
    (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 200_000),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 50),
    (Limit::SQLITE_LIMIT_ATTACHED, 1),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Keeps the file's schema from running anything. Called before anything else is done with a
/// connection.
pub fn close(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    for (limit, most) in LIMITS {
        connection.set_limit(limit, most)?;
    }
    connection.execute_batch("PRAGMA cell_size_check = ON")
}

/// Lets statements use the views of a schema that equals ours.
pub fn allow_views(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, true)?;
    Ok(())
}

/// Lets a run write the pages of the full-text index itself, which `DEFENSIVE` forbids.
///
/// Only for the writing connection, after comparing the schema: `DEFENSIVE` guards against SQL that
/// is not ours, and then the file contains none.
pub fn allow_segments(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    Ok(())
}

/// Interrupts statements of one connection that read for too long.
#[derive(Debug)]
pub struct Watch {
    /// Milliseconds after [`START`] at which reading is interrupted.
    deadline_ms: Arc<AtomicU64>,
}

/// Interrupts what one connection writes, if a stop is requested and the transaction goes on for
/// longer than any batch takes. What is shorter is finished work, and is committed.
#[derive(Debug, Default)]
pub struct StopWatch {
    /// Milliseconds after [`START`] at which the transaction began; the greatest number if it is to
    /// end in spite of a stop.
    began_ms: Arc<AtomicU64>,
}

impl StopWatch {
    /// Watches over `connection`; nothing is interrupted without `stop`.
    pub fn over(
        connection: &mut Connection,
        stop: Option<&Arc<StopSignal>>,
    ) -> rusqlite::Result<Self> {
        let watch = Self::default();
        watch.begin(true);
        if let Some(stop) = stop {
            let (began_ms, stop) = (Arc::clone(&watch.began_ms), Arc::clone(stop));
            let mut stopped_ms = None;
            let is_over = move || {
                let now_ms = now_ms();
                let since_ms = began_ms.load(Ordering::Relaxed);
                stop.is_requested()
                    && now_ms > *stopped_ms.get_or_insert(now_ms) + STOP_GRACE_MS
                    && now_ms > since_ms.saturating_add(STOP_GRACE_MS)
            };
            connection.progress_handler(STEPS_PER_LOOK, Some(is_over))?;
        }
        Ok(watch)
    }

    /// Notes that a transaction begins, and whether a stop may end it.
    pub fn begin(&self, is_stoppable: bool) {
        let began_ms = if is_stoppable { now_ms() } else { u64::MAX };
        self.began_ms.store(began_ms, Ordering::Relaxed);
    }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Watch {
    /// Watches over `connection`.
    pub fn over(connection: &mut Connection) -> rusqlite::Result<Self> {
        let deadline_ms = Arc::new(AtomicU64::new(u64::MAX));
        let known = Arc::clone(&deadline_ms);
        let is_over = move || now_ms() > known.load(Ordering::Relaxed);
        connection.progress_handler(STEPS_PER_LOOK, Some(is_over))?;
        Ok(Self { deadline_ms })
    }

    /// Starts the clock; without `most`, reading has no time limit.
    pub fn begin(&self, most: Option<Duration>) {
        let most_ms = most.and_then(|most| u64::try_from(most.as_millis()).ok());
        let deadline = most_ms.map_or(u64::MAX, |most_ms| now_ms().saturating_add(most_ms));
        self.deadline_ms.store(deadline, Ordering::Relaxed);
    }
}

fn now_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

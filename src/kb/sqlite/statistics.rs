//! The statistics that `ANALYZE` stores, which no plan of ours may depend on.
//!
//! They describe the past: after a run with one document the plans of the next run would scan whole
//! tables, in a time that grows with the square of its size. The statements here need none, and the
//! test of their plans compares them with and without.
//!
//! Each run drops them, so that those which a reader finds are of the file as it is, or forged.

use std::time::Duration;

use rusqlite::Connection;

use super::shape;

/// Drops the statistics that earlier versions, or somebody else, had SQLite collect; returns
/// whether there were any. Plans are made with what a connection read when it was opened.
pub fn forget(connection: &Connection) -> bool {
    let forget = |table: &str| connection.execute_batch(&format!("DROP TABLE {table}")).is_ok();
    // Another process may be writing; the next run drops them then.
    shape::STATISTICS.iter().filter(|(table, _)| forget(table)).count() > 0
}

/// Makes the plans of `connection`, which is only to read, without the statistics of its file.
///
/// SQLite has no setting for that. It loads them with the schema, which is loaded here in a
/// transaction that has deleted them, and is kept when that is rolled back: nothing is written. If
/// a run holds the lock, it has dropped them. Who may not write the file reads with them; a search
/// has its time limit. Afterwards statements wait `busy_timeout` for other processes.
pub fn ignore(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    let is_one = "SELECT COUNT(*) > 0 FROM sqlite_schema WHERE name GLOB 'sqlite_stat?'";
    if !connection.query_row(is_one, [], |row| row.get(0))? {
        return Ok(());
    }
    connection.busy_timeout(Duration::ZERO)?;
    if connection.execute_batch("BEGIN IMMEDIATE").is_ok() {
        for (table, _) in shape::STATISTICS {
            // It need not exist.
            let _ = connection.execute_batch(&format!("DELETE FROM {table}"));
        }
        let loaded = connection
            .execute_batch("PRAGMA writable_schema = RESET; SELECT 1 FROM sqlite_schema LIMIT 0");
        connection.execute_batch("ROLLBACK")?;
        loaded?;
    }
    connection.busy_timeout(busy_timeout)
}

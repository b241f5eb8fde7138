//! Records the statements of tests.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

/// Statements on knowledge bases of this name are recorded.
pub const RECORDED_NAME: &str = "recorded.kb";

static RECORDED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Records the statements of `connection` to the file at `path` from now on, if its name asks for
/// it.
pub fn record(mut connection: Connection, path: &Path) -> Connection {
    if path.file_name().is_some_and(|name| name == RECORDED_NAME) {
        let note = |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(statement, _) = event {
                let mut recorded = RECORDED.lock().unwrap_or_else(PoisonError::into_inner);
                recorded.insert(statement.sql().into_owned());
            }
        };
        connection
            .trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note))
            .expect("SQLite traces statements");
    }
    connection
}

/// Returns the statements recorded since the last call.
pub fn take_recorded() -> BTreeSet<String> {
    std::mem::take(&mut RECORDED.lock().unwrap_or_else(PoisonError::into_inner))
}

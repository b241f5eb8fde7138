//! What the system answered SQLite.
#![expect(unsafe_code, reason = "rusqlite does not wrap sqlite3_system_errno")]

use rusqlite::{Connection, ffi};

/// Returns the `errno` of the last call to the system that failed in SQLite's I/O on `connection`, 0
/// before the first.
pub fn last(connection: &Connection) -> i32 {
    // SAFETY: the handle is that of an open connection, which the reference keeps open and, since a
    // `Connection` is not `Sync`, unused by other threads; the function only reads a field of it.
    unsafe { ffi::sqlite3_system_errno(connection.handle()) }
}

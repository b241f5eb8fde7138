//! What SQLite knows about its open files: the system's last error, and whether the path still
//! names them.
#![expect(unsafe_code, reason = "rusqlite does not wrap SQLite's file controls")]

use std::ffi::{c_int, c_void};
use std::ptr::{from_mut, null_mut};

use rusqlite::{Connection, ffi};

/// Returns the `errno` of the last failed system call in SQLite's I/O on `connection`, 0 if there
/// was none.
///
/// The files are asked first: SQLite reports a failed read as a malformed database and then has no
/// `errno` for the connection, or that of a later call.
pub fn last(connection: &Connection) -> i32 {
    // SAFETY: the handle is that of an open connection, which the reference keeps open and, since a
    // `Connection` is not `Sync`, unused by other threads; the functions only read fields of it and
    // of its files. SQLite's documentation of the two file controls gives their argument types.
    unsafe {
        let handle = connection.handle();
        let mut errno: c_int = 0;
        let argument = from_mut(&mut errno).cast::<c_void>();
        ffi::sqlite3_file_control(handle, c"main".as_ptr(), ffi::SQLITE_FCNTL_LAST_ERRNO, argument);
        if errno == 0 {
            errno = of_journal(handle);
        }
        if errno == 0 { ffi::sqlite3_system_errno(handle) } else { errno }
    }
}

/// Reports whether the path that SQLite opened now names another file, or none: SQLite compares it
/// with its open file, so there is no race.
pub fn has_moved(connection: &Connection) -> bool {
    let mut moved: c_int = 0;
    // SAFETY: as above; SQLite writes an int to the argument of this file control.
    unsafe {
        let argument = from_mut(&mut moved).cast::<c_void>();
        let main = c"main".as_ptr();
        ffi::sqlite3_file_control(connection.handle(), main, ffi::SQLITE_FCNTL_HAS_MOVED, argument);
    }
    moved != 0
}

/// Returns the last `errno` of the WAL or rollback journal.
unsafe fn of_journal(handle: *mut ffi::sqlite3) -> i32 {
    let mut journal: *mut ffi::sqlite3_file = null_mut();
    let argument = from_mut(&mut journal).cast::<c_void>();
    let mut errno: c_int = 0;
    // SAFETY: the caller's handle is open. The file that SQLite names lives as long as the
    // connection; its table of methods is null while it is not open.
    unsafe {
        let main = c"main".as_ptr();
        ffi::sqlite3_file_control(handle, main, ffi::SQLITE_FCNTL_JOURNAL_POINTER, argument);
        if let Some(methods) = journal.as_ref().and_then(|file| file.pMethods.as_ref())
            && let Some(control) = methods.xFileControl
        {
            let argument = from_mut(&mut errno).cast::<c_void>();
            control(journal, ffi::SQLITE_FCNTL_LAST_ERRNO, argument);
        }
    }
    errno
}

//! Returns free space: SQLite keeps the pages of deleted rows for later, and a file never shrinks
//! by itself.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use crate::kb::KbError;
use crate::kb::sqlite::convert::from_sql;
use crate::support::events::{Event, EventSink, FinishStep};
use crate::support::storage;

/// Free pages below which the file is not rewritten: 4 MiB, which the next documents fill.
const FREE_PAGES_MIN: u64 = 512;
/// Content above which the file is not rewritten: some ten seconds.
const USED_BYTES_MAX: u64 = 2 << 30;

/// Rewrites the file without its free pages if these are more than half of it.
///
/// In one transaction: readers see the old pages or the new, and a process that dies meanwhile
/// leaves the old. The file keeps its size if there is no space for a copy, or another process uses
/// it.
pub fn when_mostly_free(
    writer: &Connection,
    path: &Path,
    events: &dyn EventSink,
) -> Result<(), KbError> {
    let number = |name: &str| {
        writer.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map(from_sql)
    };
    let (pages, free) = (number("page_count")?, number("freelist_count")?);
    if free < FREE_PAGES_MIN || free * 2 <= pages {
        return Ok(());
    }
    let used_bytes = (pages - free) * number("page_size")?;
    // Space for the copy, and for the log it is written to.
    let has_space = storage::free_bytes(path).is_ok_and(|bytes| bytes > used_bytes * 3);
    if used_bytes > USED_BYTES_MAX || !has_space {
        return Ok(());
    }
    events.emit(&Event::Finishing { step: FinishStep::Shrinking });
    // The copy may be larger than memory.
    writer.execute_batch("PRAGMA temp_store = FILE")?;
    let vacuumed = writer.execute_batch("VACUUM");
    writer.execute_batch("PRAGMA temp_store = MEMORY")?;
    match vacuumed {
        Ok(()) => {
            // A reader may hold the log; the next run then empties it.
            Ok(writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Err(error.into())
        }
        // Everything is in the file; it is only larger than necessary.
        Err(error) => {
            tracing::warn!(%error, "free space is not released");
            Ok(())
        }
    }
}

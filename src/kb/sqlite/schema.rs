//! The version of the file format: recognises our files, creates new ones, updates old ones.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::convert::size_to_sql;
use super::shape::Shape;
use super::{guard, vectors};
use crate::kb::KbError;

/// `kbin` in ASCII; distinguishes our files from other SQLite files.
const APPLICATION_ID: i64 = 0x6b62_696e;

/// Reports whether `start`, the first bytes of a file, are those of a knowledge base (SQLite's
/// "Database File Format", section 1.3).
pub fn is_header(start: &[u8]) -> bool {
    let id = start.get(68..72).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
    start.starts_with(b"SQLite format 3\0") && id.is_some_and(|id| i64::from(id) == APPLICATION_ID)
}

/// A step of the file format.
struct Migration {
    sql: &'static str,
    /// Fingerprint of the schema after this step. A wrong one only costs time: the schema is then
    /// created in memory and compared; a test keeps it right.
    shape: &'static str,
    /// The part that SQL cannot do, run after it.
    then: fn(&Transaction<'_>) -> Result<(), KbError>,
}

/// Every step of the file format, oldest first; `user_version` counts those applied. Append only.
const MIGRATIONS: &[Migration] = &[
    Migration {
        sql: include_str!("migrations/0001_tables.sql"),
        shape: "bbed967b240636af",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0002_vector_blocks.sql"),
        shape: "f8c81c6df8b2e6ea",
        then: vectors::pack_rows,
    },
    Migration {
        sql: include_str!("migrations/0003_frontier_bounds.sql"),
        shape: "552efa830be9c62f",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0004_checksums.sql"),
        shape: "463f0410262f9d84",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0005_settings_hashes.sql"),
        shape: "e4d2667932cbd128",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0006_known_failures.sql"),
        shape: "255191ab5f50635f",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0007_document_counts.sql"),
        shape: "3ce3aa2f7a295d6f",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0008_progress.sql"),
        shape: "35e33af7d5cd4764",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0009_pages.sql"),
        shape: "803b8aa7611ad7a7",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0010_line_maps.sql"),
        shape: "d531266c9ba4c032",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0011_probes.sql"),
        shape: "caaa3eb8bd9d2fed",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0012_row_heads.sql"),
        shape: "f05b1a6bb1062b84",
        then: |_| Ok(()),
    },
    Migration {
        sql: include_str!("migrations/0013_usage.sql"),
        shape: "87ee77bf3f627503",
        then: |_| Ok(()),
    },
];

/// SQLite 3.7.0 to 3.51.2 can corrupt a WAL file when two connections write and checkpoint at once.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Creates the schema in an empty file, or updates an older one to this version.
pub fn prepare(connection: &mut Connection, path: &Path) -> Result<(), KbError> {
    assert!(
        rusqlite::version_number() >= SQLITE_VERSION_MIN,
        "SQLite {} is too old: build with the bundled one",
        rusqlite::version()
    );
    if is_empty(connection).map_err(|error| foreign(path, error))? {
        // Both must be set before the first table.
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;")?;
    } else {
        check(connection, path)?;
    }
    guard::allow_views(connection)?;
    guard::allow_segments(connection)?;
    let applied = user_version(connection)?;
    if applied == MIGRATIONS.len() {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Another process may have started between the check and the lock.
    if !is_empty(&tx)? {
        check(&tx, path)?;
    }
    let applied = user_version(&tx)?;
    migrate(&tx, applied..MIGRATIONS.len())?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", size_to_sql(MIGRATIONS.len()))?;
    tx.commit()?;
    Ok(())
}

/// Applies the migrations in `range`.
fn migrate(tx: &Transaction<'_>, range: Range<usize>) -> Result<(), KbError> {
    for migration in &MIGRATIONS[range] {
        tx.execute_batch(migration.sql)?;
        (migration.then)(tx)?;
    }
    Ok(())
}

/// Returns the schema of version `version`.
fn ours(version: usize) -> Result<Shape, KbError> {
    let mut connection = Connection::open_in_memory()?;
    let tx = connection.transaction()?;
    migrate(&tx, 0..version)?;
    Ok(Shape::of(&tx)?)
}

/// Checks that the schema is that of version `version`, before any other statement uses its tables.
fn check_shape(connection: &Connection, path: &Path, version: usize) -> Result<(), KbError> {
    let found = Shape::of(connection)?;
    let known = version.checked_sub(1).and_then(|last| MIGRATIONS.get(last));
    if known.is_some_and(|migration| migration.shape == found.fingerprint()) {
        return Ok(());
    }
    match found.difference(&ours(version)?) {
        None => Ok(()),
        Some(difference) => Err(KbError::ForeignSchema { path: path.to_owned(), difference }),
    }
}

/// Checks that the file is ours and of this version of the format.
pub fn check_current(connection: &Connection, path: &Path) -> Result<(), KbError> {
    check(connection, path)?;
    let version = user_version(connection)?;
    if version < MIGRATIONS.len() {
        return Err(KbError::Outdated {
            path: path.to_owned(),
            version,
            current: MIGRATIONS.len(),
        });
    }
    guard::allow_views(connection)?;
    Ok(())
}

/// Checks that the file is ours and not of a later version.
pub fn check(connection: &Connection, path: &Path) -> Result<(), KbError> {
    let incompatible = |reason: String| KbError::Incompatible { path: path.to_owned(), reason };
    if is_empty(connection).map_err(|error| foreign(path, error))? {
        return Err(incompatible("is an empty file, not yet a knowledge base".to_owned()));
    }
    let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id != APPLICATION_ID {
        return Err(incompatible("is a SQLite file of another program".to_owned()));
    }
    let version = user_version(connection)?;
    if version > MIGRATIONS.len() {
        return Err(incompatible(format!(
            "has file format {version}; this version of kbingest knows formats up to {}",
            MIGRATIONS.len()
        )));
    }
    check_shape(connection, path, version)
}

/// Returns the version of the file format of this program.
pub fn latest_version() -> usize {
    MIGRATIONS.len()
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT COUNT(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn user_version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Returns the meaning of an error of the first access to a file.
pub fn foreign(path: &Path, error: rusqlite::Error) -> KbError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => KbError::Incompatible {
            path: path.to_owned(),
            reason: "is not a knowledge base, nor any SQLite file".to_owned(),
        },
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_schemas() {
        for (version, migration) in (1..).zip(MIGRATIONS) {
            let made = ours(version).unwrap().fingerprint();
            assert_eq!(migration.shape, made, "format {version}");
        }
    }
}

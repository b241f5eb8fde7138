//! Converts between the types of the domain and those of SQLite.

use std::ops::Range;

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Type};

use crate::domain::{ExtractFingerprint, FailureKind, MediaType, PhaseStatus, RunStatus, Stage};
use crate::kb::KbError;

/// Returns a count as SQLite's signed integer, which no count of ours exceeds.
pub fn to_sql(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns a size as SQLite's signed integer.
pub fn size_to_sql(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Returns a stored count; the schema ensures that it is not negative.
pub fn from_sql(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Returns a stored size; the schema ensures that it is not negative.
pub fn size_from_sql(size: i64) -> usize {
    usize::try_from(size).unwrap_or(0)
}

/// Upper bound of all ids; enough for a million new chunks a day for three thousand years. Blocks
/// of vectors have this many bits for a chunk.
pub const ID_END: i64 = 1 << 40;

/// Returns the id in `column`; an error if it is out of range, so that sums of ids do not overflow.
pub fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    within(column, row.get(column)?, 0..ID_END)
}

/// Returns the count or size in `column`; an error if it is out of range.
pub fn small(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    within(column, row.get(column)?, 0..ID_END)
}

/// Returns `value` of `column` if it is in `range`; otherwise none of our statements wrote it.
pub fn within(column: usize, value: i64, range: Range<i64>) -> rusqlite::Result<i64> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(rusqlite::Error::IntegralValueOutOfRange(column, value))
    }
}

/// Returns stored text; an error if its bytes are not UTF-8.
pub fn utf8(bytes: Vec<u8>) -> Result<String, KbError> {
    String::from_utf8(bytes).map_err(|_| KbError::Damaged("a stored text is not UTF-8".to_owned()))
}

/// Returns xxh3-64 of `bytes` as SQLite's signed integer; SQLite itself does not detect flipped
/// bits.
pub fn checksum(bytes: &[u8]) -> i64 {
    xxhash_rust::xxh3::xxh3_64(bytes).cast_signed()
}

/// Returns the name of the extractor of a fingerprint.
pub fn format_of(extract_fp: &str) -> String {
    match extract_fp.parse::<ExtractFingerprint>() {
        Ok(fingerprint) => fingerprint.extractor().name.clone(),
        Err(_) => extract_fp.to_owned(),
    }
}

macro_rules! parse {
    ($(#[$doc:meta])* $function:ident, $kind:ty) => {
        $(#[$doc])*
        pub fn $function(column: usize, name: &str) -> rusqlite::Result<$kind> {
            <$kind>::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
                rusqlite::Error::FromSqlConversionFailure(
                    column,
                    Type::Text,
                    Box::new(FromSqlError::InvalidType),
                )
            })
        }
    };
}

parse! {
    /// Returns the media type stored as `name` in `column`.
    media_type, MediaType
}
parse! {
    /// Returns the stage stored as `name` in `column`.
    stage, Stage
}
parse! {
    /// Returns the kind of failure stored as `name` in `column`.
    failure_kind, FailureKind
}
parse! {
    /// Returns the status of a run stored as `name` in `column`.
    run_status, RunStatus
}
parse! {
    /// Returns the status of a phase stored as `name` in `column`.
    phase_status, PhaseStatus
}

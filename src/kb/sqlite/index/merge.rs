//! Decides when to merge segments: a search reads each of them, and each merge rewrites them.
//!
//! FTS5 merges step by step: it continues with the current level, and then with any that has enough
//! segments.

use rusqlite::{Connection, OptionalExtension, params};

use super::segment::structure;
use crate::kb::KbError;
use crate::kb::sqlite::convert::{size_to_sql, to_sql};

/// Segments of a level that are merged together (`usermerge`). With FTS5's four, those of 1 GB were
/// merged twice.
const LEVEL_MIN: usize = 8;
/// Unmerged segments from which the end of a run merges.
const UNMERGED_MIN: usize = 4;
/// Limit on unmerged segments during a run.
const UNMERGED_MAX: usize = 128;
/// The same if none were merged before: half of 100 MB is merged during the run instead of at its
/// end.
const FIRST_UNMERGED_MAX: usize = 16;
/// Pages written by a step, a commit of a tenth of a second. Each step also rewrites one page of
/// every segment.
pub const PAGES_PER_STEP: u64 = 2048;

/// Sets FTS5's merge settings in the file, unless they are set.
pub fn set_up(connection: &Connection) -> Result<(), KbError> {
    let sql = "SELECT v FROM chunk_fts_config WHERE k = 'usermerge'";
    let level_min: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    if level_min != Some(size_to_sql(LEVEL_MIN)) {
        set_level_min(connection, LEVEL_MIN)?;
    }
    Ok(())
}

/// Merges for a step during a run, if there are too many segments; returns whether it did.
pub fn step_when_full(connection: &Connection) -> Result<bool, KbError> {
    let structure = structure(connection)?;
    let unmerged_max = if structure.merged_most() > 0 { UNMERGED_MAX } else { FIRST_UNMERGED_MAX };
    let is_due = structure.is_merging() || structure.unmerged() >= unmerged_max;
    // SQLite keeps a statement's changes in memory, which a run needs for other things: half a
    // step.
    if is_due { step(connection, PAGES_PER_STEP / 2) } else { Ok(false) }
}

/// Returns the number of pages that are left to merge at the end of a run.
pub fn pages_left(connection: &Connection) -> Result<u64, KbError> {
    Ok(structure(connection)?.pages_to_merge(UNMERGED_MIN))
}

/// Merges for a step at the end of a run; returns whether it did.
///
/// Unmerged segments are merged from a few on, unless a level above has as many, with which FTS5
/// would start.
pub fn step_at_end(connection: &Connection, pages: u64) -> Result<bool, KbError> {
    let structure = structure(connection)?;
    let unmerged = structure.unmerged();
    let are_few = (UNMERGED_MIN..LEVEL_MIN).contains(&unmerged);
    if structure.is_merging() || !are_few || structure.merged_most() >= unmerged {
        return step(connection, pages);
    }
    let tx = connection.unchecked_transaction()?;
    set_level_min(&tx, unmerged)?;
    let is_merged = step(&tx, pages)?;
    set_level_min(&tx, LEVEL_MIN)?;
    tx.commit()?;
    Ok(is_merged)
}

/// Merges until `pages` are written; returns whether any were.
fn step(connection: &Connection, pages: u64) -> Result<bool, KbError> {
    let before = connection.total_changes();
    command(connection, "merge", to_sql(pages))?;
    // FTS5 documents fewer than two changes as the sign that nothing is left to merge.
    Ok(connection.total_changes() - before >= 2)
}

fn set_level_min(connection: &Connection, segments: usize) -> Result<(), KbError> {
    command(connection, "usermerge", size_to_sql(segments))
}

/// Sends FTS5 a command with a number.
fn command(connection: &Connection, name: &str, number: i64) -> Result<(), KbError> {
    connection
        .prepare_cached("INSERT INTO chunk_fts (chunk_fts, rank) VALUES (?1, ?2)")?
        .execute(params![name, number])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::trial::{by_pages, enter, index, rows};
    use super::*;

    /// Adds segments of a row each.
    fn write(connection: &mut Connection, ids: std::ops::Range<usize>) {
        for id in ids.map(size_to_sql) {
            let rows = rows(id..id + 1, |id| format!("common word{id}"));
            enter(by_pages, connection, &[], &rows).unwrap();
        }
    }

    /// Returns the number of unmerged segments, and the largest number on a level above.
    fn segments(connection: &Connection) -> (usize, usize) {
        let structure = structure(connection).unwrap();
        (structure.unmerged(), structure.merged_most())
    }

    fn new_index() -> Connection {
        let connection = index().unwrap();
        set_up(&connection).unwrap();
        connection
    }

    fn level_min(connection: &Connection) -> i64 {
        let sql = "SELECT v FROM chunk_fts_config WHERE k = 'usermerge'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn the_end_of_a_run_merges_what_four_have_written() {
        let mut connection = new_index();
        assert_eq!(level_min(&connection), 8);
        write(&mut connection, 1..4);
        assert!(!step_at_end(&connection, 1000).unwrap());
        assert_eq!(segments(&connection), (3, 0));
        for times in 1..=3 {
            let unmerged = segments(&connection).0;
            write(&mut connection, 10 * times..10 * times + 4 - unmerged);
            assert!(step_at_end(&connection, 1000).unwrap());
            assert_eq!(segments(&connection), (0, times));
        }
        assert_eq!(level_min(&connection), 8);
        // As many above: they are not merged before there are eight.
        write(&mut connection, 100..103);
        assert!(!step_at_end(&connection, 1000).unwrap());
        write(&mut connection, 103..108);
        assert!(step_at_end(&connection, 1000).unwrap());
        assert_eq!(segments(&connection), (0, 4));
        let found = "SELECT COUNT(*) FROM chunk_fts WHERE chunk_fts MATCH 'common'";
        let count: i64 = connection.query_row(found, [], |row| row.get(0)).unwrap();
        assert_eq!(count, 4 + 4 + 4 + 8);
    }

    #[test]
    fn a_run_merges_the_first_segments_soon_and_later_ones_late() {
        let mut connection = new_index();
        write(&mut connection, 1..16);
        assert!(!step_when_full(&connection).unwrap());
        write(&mut connection, 16..17);
        assert!(step_when_full(&connection).unwrap());
        assert_eq!(segments(&connection), (0, 1));
        write(&mut connection, 17..17 + UNMERGED_MAX - 1);
        assert!(!step_when_full(&connection).unwrap());
        write(&mut connection, 1000..1001);
        while step_when_full(&connection).unwrap() {}
        assert_eq!(segments(&connection), (0, 2));
    }
}

//! When segments are merged: a search looks into each of them, and each time that one is merged it is written anew.
//!
//! FTS5 does it, step by step: it goes on with the level that it is at, and then takes whichever has enough segments.

use rusqlite::{Connection, OptionalExtension, params};

use super::segment::structure;
use crate::kb::KbError;
use crate::kb::sqlite::convert::{size_to_sql, to_sql};

/// Segments of a level that are merged (`usermerge`). With FTS5's four, those of 1 GB were merged twice.
const LEVEL_MIN: usize = 8;
/// Segments as they were written that are merged at the end of a run.
const UNMERGED_MIN: usize = 4;
/// Segments as they were written that there may be within a run.
const UNMERGED_MAX: usize = 128;
/// The same where none were merged before: half of 100 MB is merged beside other work, and not all of it at the end.
const FIRST_UNMERGED_MAX: usize = 16;
/// Pages that a step writes, a commit of a tenth of a second. Each writes one of every segment anew besides.
pub const PAGES_PER_STEP: u64 = 2048;

/// Sets what FTS5 keeps in the file of how it merges, unless it is so.
pub fn set_up(connection: &Connection) -> Result<(), KbError> {
    let sql = "SELECT v FROM chunk_fts_config WHERE k = 'usermerge'";
    let level_min: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    if level_min != Some(size_to_sql(LEVEL_MIN)) {
        set_level_min(connection, LEVEL_MIN)?;
    }
    Ok(())
}

/// Merges for a step within a run, where there are too many segments; tells whether it did.
pub fn step_when_full(connection: &Connection) -> Result<bool, KbError> {
    let structure = structure(connection)?;
    let unmerged_max = if structure.merged_most() > 0 { UNMERGED_MAX } else { FIRST_UNMERGED_MAX };
    let is_due = structure.is_merging() || structure.unmerged() >= unmerged_max;
    // SQLite keeps in memory what a statement changes, and a run needs that for other things: half a step.
    if is_due { step(connection, PAGES_PER_STEP / 2) } else { Ok(false) }
}

/// Merges for a step at the end of a run; tells whether it did.
///
/// What runs have written is merged from a few segments on, unless a level above has as many, with which FTS5 would begin.
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

/// Merges until `pages` are written; tells whether any were.
fn step(connection: &Connection, pages: u64) -> Result<bool, KbError> {
    let before = connection.total_changes();
    command(connection, "merge", to_sql(pages))?;
    // FTS5 documents fewer than two changes as its sign that nothing is left to merge.
    Ok(connection.total_changes() - before >= 2)
}

fn set_level_min(connection: &Connection, segments: usize) -> Result<(), KbError> {
    command(connection, "usermerge", size_to_sql(segments))
}

/// Gives FTS5 a command with a number.
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

    /// Returns how many segments there are that were not merged, and the most on a level above.
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
        // As many above: those are merged no sooner than there are eight.
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

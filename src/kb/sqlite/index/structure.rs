//! The record of an index's segments (fts5_index.c, "Structure Record").

use super::varint;

/// It begins with a counter of settings changes, which stays unchanged.
const COOKIE_BYTES: usize = 4;
/// Marks a structure whose segments name the origin of their rows, as in a table with
/// `contentless_delete`.
const VERSION_2: &[u8] = &[0xff, 0, 0, 1];

/// Levels and segments that FTS5 allows (fts5_index.c, `FTS5_MAX_LEVEL` and `FTS5_MAX_SEGMENT`).
const LEVELS_MAX: u64 = 64;
const SEGMENTS_MAX: u64 = 2000;

/// The segments of an index by level: unmerged on level 0, merged on those above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    cookie: Vec<u8>,
    write_counter: u64,
    levels: Vec<Level>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Level {
    /// Number of its segments that are being merged.
    merging: u64,
    segments: Vec<Segment>,
}

/// The data of a segment: its id; first and last leaf; origins of its oldest and newest rows; pages
/// and number of tombstones; rows.
type Segment = [u64; 8];

const ID: usize = 0;
const FIRST_LEAF: usize = 1;
const LAST_LEAF: usize = 2;
const LAST_ORIGIN: usize = 4;
const TOMBSTONES: usize = 6;
const ROWS: usize = 7;

impl Structure {
    /// Reads a record; `None` if a knowledge base cannot have it.
    pub fn read(record: &[u8]) -> Option<Self> {
        let (cookie, rest) = record.split_at_checked(COOKIE_BYTES)?;
        let rest = &mut rest.strip_prefix(VERSION_2)?;
        let (level_count, segment_count) = (varint::take(rest)?, varint::take(rest)?);
        let write_counter = varint::take(rest)?;
        if level_count > LEVELS_MAX || segment_count > SEGMENTS_MAX {
            return None;
        }
        let mut levels = Vec::new();
        for _ in 0..level_count {
            let (merging, count) = (varint::take(rest)?, varint::take(rest)?);
            if count > SEGMENTS_MAX {
                return None;
            }
            let mut level = Level { merging, segments: Vec::new() };
            for _ in 0..count {
                let mut segment = Segment::default();
                for part in &mut segment {
                    *part = varint::take(rest)?;
                }
                level.segments.push(segment);
            }
            levels.push(level);
        }
        Some(Self { cookie: cookie.to_vec(), write_counter, levels })
    }

    /// Returns the record.
    pub fn record(&self) -> Vec<u8> {
        let mut record = [&self.cookie, VERSION_2].concat();
        let count = self.segments().count();
        for part in [self.levels.len() as u64, count as u64, self.write_counter] {
            varint::put(&mut record, part);
        }
        for level in &self.levels {
            varint::put(&mut record, level.merging);
            varint::put(&mut record, level.segments.len() as u64);
            for part in level.segments.iter().flatten() {
                varint::put(&mut record, *part);
            }
        }
        record
    }

    /// Returns the number of unmerged segments.
    pub fn unmerged(&self) -> usize {
        self.levels.first().map_or(0, |level| level.segments.len())
    }

    /// Returns the largest number of merged segments on a level.
    pub fn merged_most(&self) -> usize {
        self.levels.iter().skip(1).map(|level| level.segments.len()).max().unwrap_or(0)
    }

    /// Returns the number of pages of the segments that wait to be merged, if there are at least
    /// `unmerged_min` unmerged ones, and of those that are being merged.
    pub fn pages_to_merge(&self, unmerged_min: usize) -> u64 {
        let is_waiting = |number: usize, level: &Level| {
            level.merging > 0 || number == 0 && level.segments.len() >= unmerged_min
        };
        let levels = self.levels.iter().enumerate();
        let waiting = levels.filter(|(number, level)| is_waiting(*number, level));
        let segments = waiting.flat_map(|(_, level)| &level.segments);
        // A merge drops the pages that it has read.
        segments.map(|segment| (segment[LAST_LEAF] + 1).saturating_sub(segment[FIRST_LEAF])).sum()
    }

    /// Reports whether a merge is in progress.
    pub fn is_merging(&self) -> bool {
        self.levels.iter().any(|level| level.merging > 0)
    }

    /// Adds a segment and returns its id and its origin, by which its rows refer to it.
    pub fn add(&mut self, leaves: u32, rows: usize) -> (i64, i64) {
        let used: Vec<_> = self.segments().map(|segment| segment[ID]).collect();
        let id = (1..).find(|id| !used.contains(id)).unwrap_or_default();
        let origin = self
            .segments()
            .map(|segment| segment[LAST_ORIGIN])
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let segment = [id, 1, u64::from(leaves), origin, origin, 0, 0, rows as u64];
        self.levels[0].segments.push(segment);
        (id as i64, origin as i64)
    }

    /// Returns the number of rows in the segments without those deleted since. Rows that are
    /// deleted during a merge are counted with its result, which has no rows of its own yet.
    pub fn rows(&self) -> u64 {
        let sum = |field: usize| -> u64 { self.segments().map(|segment| segment[field]).sum() };
        sum(ROWS).saturating_sub(sum(TOMBSTONES))
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.levels.iter().flat_map(|level| &level.segments)
    }
}

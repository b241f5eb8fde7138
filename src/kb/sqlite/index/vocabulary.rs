//! The terms of the full-text index, read from the pages that hold them.
//!
//! FTS5's own table of terms (`fts5vocab`) reads the whole index, as it counts each term. Here only
//! the leaves on which a term begins are read, one in many: a query with a misspelt word may do so.

use rusqlite::Connection;

use super::varint;
use crate::kb::KbError;

/// Size of a leaf's header: the offset of its first row, and that of the offsets of its terms.
const HEADER_BYTES: usize = 4;
/// Prefix of the terms of the index itself (`FTS5_MAIN_PREFIX`).
const MAIN_INDEX: u8 = b'0';

/// Calls `visit` with every term of the index, some of them more than once, on at most `leaves_max`
/// leaves. A damaged leaf ends where it makes no sense.
pub fn for_each_term(
    tx: &Connection,
    leaves_max: u64,
    mut visit: impl FnMut(&str),
) -> Result<(), KbError> {
    // The id of a leaf: its segment, 37 bits, and its number (`FTS5_SEGMENT_ROWID`).
    let mut statement = tx.prepare_cached(
        "SELECT block FROM chunk_fts_idx CROSS JOIN chunk_fts_data ON id = (segid << 37) + (pgno >> 1)
         LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(leaves_max).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let leaf = row.get_ref(0)?.as_blob().unwrap_or_default();
        read_leaf(leaf, &mut visit);
    }
    Ok(())
}

/// Calls `visit` with the terms of a leaf (fts5_index.c, "Segment leaf nodes").
fn read_leaf(leaf: &[u8], visit: &mut impl FnMut(&str)) -> Option<()> {
    let end = usize::from(u16::from_be_bytes([*leaf.get(2)?, *leaf.get(3)?]));
    let mut offsets = leaf.get(end..)?;
    let mut term: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(distance) = varint::take(&mut offsets) {
        at += usize::try_from(distance).ok()?;
        let mut rest = leaf.get(at..end).filter(|_| at >= HEADER_BYTES)?;
        // The first term of a leaf is whole.
        let is_first = term.is_empty();
        let kept = if is_first { 0 } else { usize::try_from(varint::take(&mut rest)?).ok()? };
        let added = usize::try_from(varint::take(&mut rest)?).ok()?;
        term.truncate(kept);
        term.extend_from_slice(rest.get(..added)?);
        if let Some((&MAIN_INDEX, text)) = term.split_first()
            && let Ok(text) = str::from_utf8(text)
        {
            visit(text);
        }
    }
    Some(())
}

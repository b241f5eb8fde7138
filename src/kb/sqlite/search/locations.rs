//! Where in its document a passage is, for people: the page of a PDF, slide or sheet, and the
//! fragment of a heading for a deep link.

use rusqlite::{OptionalExtension, Transaction};
use serde_json::Value;

use crate::kb::KbError;

/// Page, from 1, and fragment of the heading above; `None` if the document has none.
pub type Location = (Option<u64>, Option<String>);

/// Returns the location of the passage of a revision that begins at `start_byte`.
pub fn find(tx: &Transaction<'_>, revision: i64, start_byte: u64) -> Result<Location, KbError> {
    let metadata: Option<(String, String)> = tx
        .prepare_cached("SELECT metadata, encoding FROM revision WHERE id = ?1")?
        .query_row([revision], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((metadata, encoding)) = metadata else { return Ok((None, None)) };
    if !metadata.contains("\"pages\"") && !metadata.contains("\"anchors\"") {
        return Ok((None, None));
    }
    let Ok(metadata) = serde_json::from_str::<Value>(&metadata) else { return Ok((None, None)) };
    // Front matter of a text may have a field of that name.
    let pages = metadata.get("pages").filter(|_| !encoding.starts_with("utf"));
    Ok((
        pages.and_then(|pages| page(pages, start_byte)),
        metadata.get("anchors").and_then(|anchors| anchor(anchors, start_byte)),
    ))
}

/// `pages` holds the byte at which each page begins; entry 0 is page 1.
fn page(pages: &Value, start_byte: u64) -> Option<u64> {
    let starts: Vec<u64> = pages.as_array()?.iter().filter_map(Value::as_u64).collect();
    let page = starts.partition_point(|&start| start <= start_byte);
    (page > 0).then_some(page as u64)
}

/// `anchors` holds pairs of the byte at which a heading begins and its fragment.
fn anchor(anchors: &Value, start_byte: u64) -> Option<String> {
    let pairs = anchors.as_array()?.iter().filter_map(|pair| {
        let [start, fragment] = pair.as_array()?.as_slice() else { return None };
        Some((start.as_u64()?, fragment.as_str()?))
    });
    let above = pairs.take_while(|(start, _)| *start <= start_byte).last();
    above.map(|(_, fragment)| fragment.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_and_fragments_are_those_that_a_passage_begins_on() {
        let pages = json!([0, 10, 10, 30]);
        let of = |start| page(&pages, start);
        assert_eq!([0, 9, 10, 29, 30, 99].map(of), [1, 1, 3, 3, 4, 4].map(Some));
        assert_eq!(page(&json!([5]), 0), None);
        assert_eq!(page(&json!("x"), 0), None);
        let anchors = json!([[3, "a"], [8, "b"], "odd"]);
        let of = |start| anchor(&anchors, start);
        assert_eq!(
            [0, 3, 7, 8].map(of),
            [None, Some("a"), Some("a"), Some("b")].map(|one| one.map(str::to_owned))
        );
    }
}

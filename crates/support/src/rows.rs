//! Reads delimited rows of a text (RFC 4180), for sources and extractors.

use csv::{Reader, ReaderBuilder, StringRecord};

/// Returns the rows of `text`, including the first; their lengths may differ.
pub fn reader(text: &str, separator: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Passes each row of `text` to `take` until it returns `false`.
///
/// All rows share one buffer: a copy of a short row after a long one would have its capacity.
pub fn each(text: &str, separator: u8, mut take: impl FnMut(&StringRecord) -> bool) {
    let mut reader = reader(text, separator);
    let mut row = StringRecord::new();
    // Invalid quotes are read literally, and the text is UTF-8: rows cannot be invalid.
    while reader.read_record(&mut row).unwrap_or(false) && take(&row) {}
}

//! Rows of a text whose fields a separator keeps apart (RFC 4180), as sources and extractors read them.

use csv::{Reader, ReaderBuilder, StringRecord};

/// Returns the rows of `text`, the first one included; they may differ in length.
pub fn reader(text: &str, separator: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

/// Shows `take` each row of `text` until it returns `false`.
///
/// One row takes the place of another: a copy of a short row that follows a long one is as large as that one.
pub fn each(text: &str, separator: u8, mut take: impl FnMut(&StringRecord) -> bool) {
    let mut reader = reader(text, separator);
    let mut row = StringRecord::new();
    // Broken quotes are read as they are, and the text is UTF-8: nothing can be wrong with a row.
    while reader.read_record(&mut row).unwrap_or(false) && take(&row) {}
}

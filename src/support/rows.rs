//! Rows of a text whose fields a separator keeps apart (RFC 4180), as sources and extractors read them.

use csv::{Reader, ReaderBuilder};

/// Returns the rows of `text`, the first one included; they may differ in length.
pub fn reader(text: &str, separator: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
}

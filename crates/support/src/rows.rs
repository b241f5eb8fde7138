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

/// Passes each row of `text`, with its first and last line, from 0, to `take` until it returns
/// `false`.
///
/// All rows share one buffer: a copy of a short row after a long one would have its capacity.
pub fn each(
    text: &str,
    separator: u8,
    mut take: impl FnMut(&StringRecord, (usize, usize)) -> bool,
) {
    let mut reader = reader(text, separator);
    let mut row = StringRecord::new();
    let (mut start, mut line) = (0, 0);
    // Invalid quotes are read literally, and the text is UTF-8: rows cannot be invalid.
    while reader.read_record(&mut row).unwrap_or(false) {
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX).min(text.len());
        let read = &text.as_bytes()[start..end];
        let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let blank = read.iter().take_while(|byte| is_line_end(byte)).count();
        let filled = read.iter().rposition(|byte| !is_line_end(byte)).map_or(blank, |at| at + 1);
        let first = line + line_feeds(&read[..blank]);
        let last = first + line_feeds(&read[blank..filled.max(blank)]);
        if !take(&row, (first, last)) {
            return;
        }
        (start, line) = (end, last + line_feeds(&read[filled.max(blank)..]));
    }
}

fn line_feeds(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_lines() {
        let mut lines = Vec::new();
        each("a,b\r\n\n\n\"c\nd\",e\nf,g", b',', |row, of| {
            lines.push((row[0].to_owned(), of));
            true
        });
        let expected = [("a", (0, 0)), ("c\nd", (3, 4)), ("f", (5, 5))];
        assert_eq!(lines, expected.map(|(cell, of)| (cell.to_owned(), of)));
    }
}

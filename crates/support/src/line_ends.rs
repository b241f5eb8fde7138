//! Texts whose lines end with a carriage return alone, as on old Macs.

use std::borrow::Cow;

/// Returns `text` with a line feed in place of every carriage return that none follows: the same
/// length, the same offsets.
pub fn unix(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_lone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    if !has_lone(bytes) {
        return Cow::Borrowed(text);
    }
    let mut unix = String::with_capacity(text.len());
    unix.extend(text.char_indices().map(|(at, c)| if is_lone(at) { '\n' } else { c }));
    Cow::Owned(unix)
}

/// Returns what [`unix`] does if no line of `text` ends with a line feed, and `text` otherwise.
pub fn unix_throughout(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\n', text.as_bytes()).is_some() { Cow::Borrowed(text) } else { unix(text) }
}

/// Reports whether a carriage return is followed by anything but a line feed.
fn has_lone(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_carriage_returns_are_line_feeds() {
        let check = |text: &str, expected: &str| assert_eq!(unix(text), expected);
        check("a\rb\r\rc\r", "a\nb\n\nc\n");
        check("a\r\nb\rc\n", "a\r\nb\nc\n");
        check("é\r\n", "é\r\n");
        assert_eq!(unix_throughout("a\rb\n"), "a\rb\n");
        assert_eq!(unix_throughout("a\rb"), "a\nb");
    }
}

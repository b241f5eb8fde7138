//! Truncates texts of unlimited length from others before they are stored or shown.

use std::borrow::Cow;

/// Limit on a stored error, in bytes: enough to say what failed and why.
pub const ERROR_BYTES_MAX: usize = 4096;

/// Returns `text`, or its beginning with a mark if it is longer than `bytes_max`.
pub fn bounded(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let beginning = &text[..text.floor_char_boundary(bytes_max)];
    Cow::Owned(format!("{beginning}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_end_at_a_character() {
        assert_eq!(bounded("four", 4), "four");
        assert_eq!(bounded("éé", 3), "é… (4 bytes)");
    }
}

//! Texts that are stored or shown, and that somebody else made as long as they liked.

use std::borrow::Cow;

/// Bytes of an error that are kept: it says what failed and why, and no more.
pub const ERROR_BYTES_MAX: usize = 4096;

/// Returns `text`, or where it is longer than `bytes_max` what it begins with, with a mark for the rest.
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

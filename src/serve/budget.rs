//! The size of answers: models pay for each token, and clients refuse answers that are too long.

use serde::Serialize;

/// Estimates the tokens of `text`: one for four ASCII characters, one for each other character. The
/// usual tokenisers need fewer.
pub fn tokens(text: &str) -> usize {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let others = text.chars().filter(|c| !c.is_ascii()).count();
    ascii.div_ceil(4) + others
}

/// Estimates the tokens of `value` as JSON.
pub fn tokens_of(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |json| tokens(&json))
}

/// Returns the start of `text` that has at most `tokens`, and ends with a whole line, or with a
/// whole word if the first line is too long.
pub fn start_of(text: &str, tokens: usize) -> &str {
    let mut quarters = 0;
    for (at, character) in text.char_indices() {
        quarters += if character.is_ascii() { 1 } else { 4 };
        if quarters > tokens.saturating_mul(4) {
            // With the first character that is too many: a line or word may end before it.
            let start = &text[..at + character.len_utf8()];
            let whole = start.rfind('\n').or_else(|| start.rfind(' ')).filter(|at| *at > 0);
            return &text[..whole.unwrap_or(at)];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_estimated_from_above() {
        assert_eq!(tokens(""), 0);
        assert_eq!(tokens("abcd"), 1);
        assert_eq!(tokens("abcde"), 2);
        assert_eq!(tokens("日本"), 2);
        assert_eq!(tokens_of(&"ab"), 1);
    }

    #[test]
    fn a_start_ends_with_a_line_or_a_word() {
        for (text, most, expected) in [
            ("short", 9, "short"),
            ("one line\nanother line", 3, "one line"),
            ("words on one line", 2, "words on"),
            ("unbroken", 1, "unbr"),
            ("日本語", 2, "日本"),
            ("日本語", 0, ""),
        ] {
            let start = start_of(text, most);
            assert_eq!(start, expected);
            assert!(tokens(start) <= most, "{text}");
        }
    }
}

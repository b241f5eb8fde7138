//! Folds of East Asian characters that are written in several ways.

/// Returns hiragana for katakana, and `character` otherwise.
pub fn fold(character: char) -> char {
    match character {
        '\u{30a1}'..='\u{30f6}' | '\u{30fd}' | '\u{30fe}' => {
            char::from_u32(character as u32 - 0x60).unwrap_or(character)
        }
        _ => character,
    }
}

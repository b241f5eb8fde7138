//! Folding: maps letters that people type in several ways to one.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Returns `word` in compatibility form and lower case, as stemmers expect it.
pub fn lower(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    // Lower-casing may decompose a capital into a letter and a mark: composed again.
    let lower = |c: char| if c == 'ς' { 'σ' } else { c };
    word.nfkc().flat_map(char::to_lowercase).map(lower).nfc().collect()
}

/// Returns `word` without the accents of Latin, Greek and Cyrillic letters.
pub fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let kept = word.nfd().filter(|c| !matches!(c, '\u{300}'..='\u{36f}'));
    let mut folded = String::with_capacity(word.len());
    for character in kept.nfc() {
        match character {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ı' => folded.push('i'),
            other => folded.push(other),
        }
    }
    Cow::Owned(folded)
}

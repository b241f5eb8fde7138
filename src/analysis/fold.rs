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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_lower_case_in_compatibility_form() {
        let check = |word: &str, expected: &str| assert_eq!(lower(word), expected, "{word}");
        check("", "");
        check("README2", "readme2");
        check("ÀÉ", "àé");
        // A letter and its mark are one, however they were typed.
        check("E\u{301}", "é");
        check("\u{212a}", "k");
        check("ﬁn", "fin");
        check("ＡＢ", "ab");
        check("½", "1⁄2");
        check("ẞ", "ß");
        // The sigma at the end of a word is none of its own: a stem may end elsewhere.
        check("ΟΔΟΣ", "οδοσ");
        check("οδος", "οδοσ");
        check("İ", "i\u{307}");
    }

    #[test]
    fn accents_of_latin_greek_and_cyrillic_go() {
        let check = |word: &str, expected: &str| assert_eq!(fold(word), expected, "{word}");
        check("", "");
        check("plain", "plain");
        check("café", "cafe");
        check("ångström", "angstrom");
        check("ậ", "a");
        check("i\u{307}stanbul", "istanbul");
        check("straße", "strasse");
        check("æœþ", "aeoeth");
        check("øłđðı", "olddi");
        check("άνοιξη", "ανοιξη");
        check("ёй", "еи");
    }

    #[test]
    fn marks_of_other_scripts_stay() {
        let check = |word: &str| assert_eq!(fold(word), word);
        // Each has marks of its own, and some are made of several letters by Unicode's own forms.
        check("किताब");
        check("が");
        check("한국");
        check("آب");
    }
}

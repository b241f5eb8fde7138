//! Folding: maps letters that people type in several ways to one.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Returns `word` in compatibility form and lower case, as stemmers expect it.
pub fn lower(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    // Lower-casing may decompose a capital into a letter and a mark: composed again.
    word.nfkc().flat_map(char::to_lowercase).filter(|c| !is_optional(*c)).map(usual).nfc().collect()
}

/// Reports whether most people leave `character` out: vowel signs of Arabic and Hebrew, the
/// lengthening of Arabic letters, marks without a shape.
fn is_optional(character: char) -> bool {
    matches!(character,
        '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
        | '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Returns the usual form of a letter or digit that is written in several ways.
fn usual(character: char) -> char {
    match character {
        // The sigma at the end of a word.
        'ς' => 'σ',
        // Letters of Persian and Urdu that look like those of Arabic.
        'ک' => 'ك',
        'ی' => 'ي',
        'ھ' | 'ہ' | 'ە' => 'ه',
        '٠'..='٩' => ascii_digit(character, '٠'),
        '۰'..='۹' => ascii_digit(character, '۰'),
        '०'..='९' => ascii_digit(character, '०'),
        '০'..='৯' => ascii_digit(character, '০'),
        other => other,
    }
}

fn ascii_digit(digit: char, zero: char) -> char {
    char::from_digit(u32::from(digit) - u32::from(zero), 10).unwrap_or(digit)
}

/// Returns `word` without the accents of Latin, Greek and Cyrillic letters, and with one form of
/// the Arabic and Indic letters that are often exchanged.
pub fn fold(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let is_kept = |c: &char| {
        !matches!(c, '\u{300}'..='\u{36f}'
            // Hamza and madda, and the dots of nukta.
            | '\u{653}'..='\u{655}' | '\u{93c}' | '\u{9bc}' | '\u{a3c}' | '\u{abc}' | '\u{b3c}')
    };
    let kept = word.nfd().filter(is_kept);
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
            'ħ' => folded.push('h'),
            'ٱ' => folded.push('ا'),
            'ة' => folded.push('ه'),
            'ى' => folded.push('ي'),
            // Candrabindu and anusvara.
            '\u{901}' => folded.push('\u{902}'),
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
    }

    #[test]
    fn letters_that_people_exchange_are_one() {
        let check = |one: &str, other: &str| {
            assert_eq!(fold(&lower(one)), fold(&lower(other)), "{one} {other}");
        };
        check("كتاب", "کتاب");
        check("على", "علی");
        check("كُتُبٌ", "كتب");
        check("كـــتاب", "كتاب");
        check("مدرسة", "مدرسه");
        check("أحمد", "احمد");
        check("إسلام", "اسلام");
        check("آب", "اب");
        check("می\u{200c}خواهم", "میخواهم");
        check("שָׁלוֹם", "שלום");
        check("ज़मीन", "जमीन");
        check("क\u{93c}लम", "\u{958}लम");
        check("गाँव", "गांव");
        check("١٢٣", "123");
        check("۱۲۳", "१२३");
    }
}

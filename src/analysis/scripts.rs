//! Which characters make words, and which are written without spaces between words.

use unicode_normalization::char::canonical_combining_class;

/// Reports whether `character` is a letter, a digit or combines with one.
pub fn is_word(character: char) -> bool {
    character.is_alphanumeric()
        || (!character.is_ascii()
            && (canonical_combining_class(character) != 0
                || matches!(character, '\u{ad}' | '\u{200c}' | '\u{200d}')))
}

/// Reports whether `character` is of a script that is written without spaces between words.
pub fn is_spaceless(character: char) -> bool {
    matches!(character,
        '\u{e01}'..='\u{e3e}' | '\u{e40}'..='\u{eff}' | '\u{1000}'..='\u{109f}'
        | '\u{1100}'..='\u{11ff}' | '\u{1780}'..='\u{17d3}' | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{3096}' | '\u{3099}'..='\u{309a}' | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{318f}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9f}' | '\u{20000}'..='\u{3ffff}')
}

/// Returns how many characters of a script without spaces make a token: three if its syllables are
/// of several characters, two otherwise.
pub fn gram_chars(character: char) -> usize {
    match character {
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17d3}' => 3,
        _ => 2,
    }
}

/// Reports whether `character` is a symbol that people search for: a picture or a mark with a name.
pub fn is_symbol(character: char) -> bool {
    matches!(character,
        '§' | '¶' | '©' | '®' | '°' | '™' | '€' | '£' | '¥' | '₹' | '†' | '‡' | '№'
        | '\u{2190}'..='\u{21ff}' | '\u{2200}'..='\u{22ff}' | '\u{2300}'..='\u{23ff}'
        | '\u{25a0}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

//! Operators and other marks that people search for (`operator<<`, `=>`, `.env`).
//!
//! An index splits at most ASCII marks, so that tokens spell them with their full-width forms.

use std::ops::Range;

/// Limit on the marks of an operator.
const MARKS_MAX: usize = 3;
const OPERATOR: &[u8] = b"operator";

/// Reports whether `byte` is a mark of operators.
pub fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'<' | b'>'
            | b'='
            | b'!'
            | b'&'
            | b'|'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'^'
            | b'~'
            | b'?'
            | b':'
            | b'.'
    )
}

/// Returns the end of the operator of two or three marks that stands alone at `at`.
pub fn operator_end(bytes: &[u8], at: usize) -> Option<usize> {
    let opens = |byte: u8| matches!(byte, b' ' | b'\n' | b'\t' | b'`' | b'"' | b'\'' | b'(');
    let closes =
        |byte: u8| matches!(byte, b' ' | b'\n' | b'\t' | b'`' | b'"' | b'\'' | b')' | b',');
    if !is_operator(bytes[at]) || at > 0 && !opens(bytes[at - 1]) {
        return None;
    }
    let marks = bytes[at..].iter().take(MARKS_MAX + 1).take_while(|byte| is_operator(**byte));
    let end = at + marks.count();
    let operator = &bytes[at..end];
    // Punctuation, rules, list marks and the frames of tables.
    let is_markup = operator.iter().all(|byte| b"?!.".contains(byte))
        || matches!(operator, b"--" | b"**" | b"~~" | b"//" | b"..")
        || operator.len() == 3 && operator.iter().all(|byte| *byte == operator[0] && *byte != b'=')
        || operator.contains(&b'|') && operator != b"||" && operator != b"|>" && operator != b"||=";
    let is_alone = bytes.get(end).is_none_or(|byte| closes(*byte));
    ((2..=MARKS_MAX).contains(&operator.len()) && is_alone && !is_markup).then_some(end)
}

/// Reports whether `word` may be the first word of the name of a C++ operator.
pub fn is_operator_word(word: &[u8]) -> bool {
    word.len() == OPERATOR.len() && word == OPERATOR
}

/// Reports whether the last word of `name` may be that of the name of a C++ operator.
pub fn ends_with_operator(name: &str) -> bool {
    name.as_bytes().ends_with(OPERATOR)
}

/// Returns the end of the name of a C++ operator whose first word is `word`.
pub fn operator_name_end(text: &str, word: Range<usize>) -> Option<usize> {
    let bytes = text.as_bytes();
    if !ends_with_operator(&text[word.clone()]) {
        return None;
    }
    let rest = &bytes[word.end..];
    let marks = match rest {
        [b'(', b')', ..] | [b'[', b']', ..] => 2,
        _ => rest.iter().take(MARKS_MAX).take_while(|byte| is_operator(**byte)).count(),
    };
    let marks = if rest.starts_with(b".") { 0 } else { marks };
    (marks > 0).then_some(word.end + marks)
}

/// Returns the end of the name that begins with the dot at `at`, as in `.env` and `.NET`.
pub fn dotted_end(bytes: &[u8], at: usize) -> Option<usize> {
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    let before = at.checked_sub(1).map(|before| bytes[before]);
    let is_first = before.is_none_or(|byte| !is_inside(&byte) && !b".)]}>*_".contains(&byte));
    let letters = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let ends = !bytes.get(at + 1 + letters).is_some_and(is_inside);
    (is_first && letters > 0 && ends).then_some(at + 1 + letters)
}

/// Returns the token of a name with operators, or of operators alone.
pub fn token(text: &str) -> String {
    let spell = |c: char| match c {
        '!'..='/' | ':'..='@' | '['..='`' | '{'..='~' => {
            char::from_u32(c as u32 + 0xfee0).unwrap_or(c)
        }
        other => other.to_ascii_lowercase(),
    };
    text.chars().map(spell).collect()
}

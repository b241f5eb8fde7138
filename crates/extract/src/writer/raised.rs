//! Raised and lowered signs, which keep their sense: 10⁶ is not 106.

/// Endings of numbers and names that are raised for their looks only.
const ENDINGS: [&str; 12] = ["st", "nd", "rd", "th", "er", "re", "ème", "o", "a", "tm", "sm", "®"];

/// Returns raised inline Markdown that follows `before`.
pub(crate) fn raised(before: Option<char>, text: &str) -> String {
    let text = text.trim();
    let lower = text.to_lowercase();
    let is_ending = ENDINGS.contains(&lower.as_str()) || text == "™";
    let is_plain = before.is_none_or(char::is_whitespace)
        || text.is_empty()
        || text.contains(['\n', '^'])
        || is_ending && (text.len() > 1 || before.is_some_and(|c| c.is_ascii_digit()));
    if is_plain { text.to_owned() } else { format!("^{text}^") }
}

/// Returns lowered inline Markdown: digits and signs are Unicode's; words are marked.
pub(crate) fn lowered(text: &str) -> String {
    let text = text.trim();
    let sign = |c: char| match c {
        '0'..='9' => char::from_u32(0x2080 + u32::from(c) - u32::from('0')),
        '+' => Some('₊'),
        '-' | '−' => Some('₋'),
        '=' => Some('₌'),
        '(' => Some('₍'),
        ')' => Some('₎'),
        _ => None,
    };
    let signs: Option<String> = text.chars().map(sign).collect();
    match signs {
        Some(signs) => signs,
        None if text.contains(['\n', '~']) => text.to_owned(),
        None => format!("~{text}~"),
    }
}

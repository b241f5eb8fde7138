//! Texts in quotes and lists of them, `["a", "b"]`, whose hashes are stored in users' files.
//!
//! A change of this format would re-read records and fetch web sites again, so it is written here
//! and not by `Debug`, whose output it equals today.

use std::fmt::Write;

/// Returns `text` in quotes; quotes, backslashes and control characters in it are escaped.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\0' => quoted.push_str("\\0"),
            _ if c.is_control() => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(c));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns `texts` in quotes, in brackets.
pub fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = texts.into_iter().map(quoted).collect();
    format!("[{}]", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_quotes() {
        let check = |text: &str, expected: &str| assert_eq!(quoted(text), expected);
        check("", r#""""#);
        check("a 'b' é", r#""a 'b' é""#);
        check("a\"b\\", r#""a\"b\\""#);
        check("a\tb\r\n\0\u{7f}", r#""a\tb\r\n\0\u{7f}""#);
        assert_eq!(list([]), "[]");
        assert_eq!(list(["a", "b, \"c\""]), r#"["a", "b, \"c\""]"#);
    }
}

//! Where in kb.toml a problem is: the bytes and the key that a message is about.

use toml::de::{DeTable, DeValue};

use super::Problem;

/// Returns the problem that the parser reports, in words about kb.toml.
pub(super) fn of_syntax(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let mut message = error.message().trim().replace('\n', "; ");
    for (theirs, ours) in WORDS {
        message = message.replace(theirs, ours);
    }
    Problem { key: key_at(text, span.start), message, span }
}

/// Serde's words for Rust types, and words about kb.toml for the same.
const WORDS: [(&str, &str); 13] = [
    ("unknown field", "unknown key"),
    ("missing field", "missing key"),
    ("duplicate field", "duplicate key"),
    ("there are no fields", "this table has no keys"),
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected f64", "expected a number"),
    ("expected u32", "expected a whole number, 0 or more"),
    ("expected a string", "expected a text in quotes"),
    ("expected path string", "expected a path in quotes"),
    ("expected a boolean", "expected true or false"),
    ("expected a sequence", "expected a list"),
    ("map, expected a list", "table, expected a list of tables: write [[two brackets]]"),
];

/// Returns a problem of the value that `message` begins with, in `table`; of the table if it names
/// none.
pub(super) fn of_table(text: &str, table: &str, message: String) -> Problem {
    let name = message.split_whitespace().next().unwrap_or_default();
    let mut names = name.strip_prefix(&format!("{table}.")).unwrap_or(name).split('.');
    let found = DeTable::parse(text).ok().and_then(|root| {
        let (key, mut value) = root.get_ref().iter().find(|(key, _)| key.get_ref() == table)?;
        let mut place = (key.span(), table.to_owned());
        while let DeValue::Table(inner) = value.get_ref()
            && let Some(name) = names.next()
            && let Some((key, next)) = inner.iter().find(|(key, _)| key.get_ref() == name)
        {
            place = (next.span(), format!("{}.{}", place.1, key.get_ref()));
            value = next;
        }
        Some(place)
    });
    let (span, key) = found.unwrap_or_else(|| (0..0, table.to_owned()));
    Problem { span, key, message }
}

/// Returns the key whose line contains the byte at `at`, with the table above it.
///
/// toml's errors give a position but no key; the text has both.
fn key_at(text: &str, at: usize) -> String {
    let at = text.floor_char_boundary(at);
    let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end);
    let mut table = "";
    let mut key = "";
    for line in text[..line_end].lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.strip_prefix('[').unwrap_or(header);
            table = header.split(']').next().unwrap_or_default().trim();
            key = "";
        } else if let Some((name, _)) = line.split_once('=')
            && is_key(name.trim())
        {
            key = name.trim();
        }
    }
    match (table, key) {
        ("", key) => key.to_owned(),
        (table, "") => table.to_owned(),
        (table, key) => format!("{table}.{key}"),
    }
}

/// Distinguishes a key from a comment, and from a text in a list of several lines.
fn is_key(name: &str) -> bool {
    let is_quoted = |quote| name.len() >= 2 && name.starts_with(quote) && name.ends_with(quote);
    let is_bare = || name.chars().all(|c| c.is_alphanumeric() || " \t-_.".contains(c));
    is_quoted('"') || is_quoted('\'') || is_bare()
}

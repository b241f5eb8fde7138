//! Titles, and the parts of a URI that they are made from.

use std::borrow::Cow;

use crate::TITLE_CHARS_MAX;

/// Returns the last part of `uri`.
pub(crate) fn file_name(uri: &str) -> &str {
    // For every document in every run: splitting by characters would take five times as long.
    uri.bytes().rposition(|byte| byte == b'/').map_or(uri, |slash| &uri[slash + 1..])
}

/// Returns the file name without its extension.
pub(crate) fn file_stem(uri: &str) -> &str {
    let name = file_name(uri);
    split(name).map_or(name, |(stem, _)| stem)
}

/// Returns the extension in lower case; a dot file's name is its extension.
pub(crate) fn extension(uri: &str) -> Option<Cow<'_, str>> {
    let name = file_name(uri);
    let extension = split(name).map(|(_, extension)| extension).or(name.strip_prefix('.'))?;
    let is_lower = extension.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    Some(if is_lower { extension.into() } else { extension.to_lowercase().into() })
}

fn split(name: &str) -> Option<(&str, &str)> {
    let dot = name.bytes().rposition(|byte| byte == b'.').filter(|&dot| dot > 0)?;
    Some((&name[..dot], &name[dot + 1..]))
}

/// Returns the title of a document that states none: its file name without extension.
pub(crate) fn from_stem(uri: &str) -> String {
    clean(file_stem(uri)).unwrap_or_else(|| uri.to_owned())
}

/// Returns the title of data, whose extension says what it is: its file name.
pub(crate) fn from_name(uri: &str) -> String {
    clean(file_name(uri)).unwrap_or_else(|| uri.to_owned())
}

/// Returns `raw` as one line: control characters and soft hyphens dropped, white space runs as one
/// space, at most [`TITLE_CHARS_MAX`] characters; `None` if nothing is left.
pub(crate) fn clean(raw: &str) -> Option<String> {
    let mut title = String::new();
    let mut chars = 0;
    for word in raw.split_whitespace() {
        let word = word.chars().filter(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{ad}'));
        let before = title.len();
        for c in (chars > 0).then_some(' ').into_iter().chain(word) {
            if chars == TITLE_CHARS_MAX {
                break;
            }
            title.push(c);
            chars += 1;
        }
        if title[before..] == *" " {
            title.pop();
            chars -= 1;
        }
    }
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_stems_and_extensions() {
        let check = |uri: &str, stem: &str, expected: Option<&str>| {
            assert_eq!((file_stem(uri), extension(uri).as_deref()), (stem, expected), "{uri}");
        };
        check("a/getting-started.md", "getting-started", Some("md"));
        check("a.b/README", "README", None);
        check("x.tar.GZ", "x.tar", Some("gz"));
        check("a/.gitignore", ".gitignore", Some("gitignore"));
        check("a/.config.toml", ".config", Some("toml"));
        check("end.", "end", Some(""));
    }

    #[test]
    fn titles_are_one_line() {
        let check = |raw: &str, expected: Option<&str>| {
            assert_eq!(clean(raw).as_deref(), expected);
        };
        check(" a \n\t b\u{7}c ", Some("a bc"));
        check("a \u{1b} b", Some("a b"));
        check("\u{feff}\u{1b}", None);
        check(" \n", None);
        check(&"é".repeat(400), Some(&"é".repeat(TITLE_CHARS_MAX)));
        check(&format!("{} b", "a".repeat(299)), Some(&"a".repeat(299)));
    }
}

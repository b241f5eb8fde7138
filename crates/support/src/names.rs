//! Names of files: one Unicode form to compare them in, and a lossy one for reports.
//!
//! A Mac stores `ä` as a letter and a combining mark (NFD), keyboards make one character of it
//! (NFC; Unicode Standard Annex 15). Names identify files as they are; only comparisons use NFC.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::Serializer;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Returns `text` in NFC.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.nfc().collect())
}

/// Returns the other forms in which `text` may be stored: NFC and NFD.
pub fn forms(text: &str) -> [String; 2] {
    [text.nfc().collect(), text.nfd().collect()]
}

/// Returns `path` in NFC; bytes that are not UTF-8 stay as they are.
pub fn nfc_path(path: &Path) -> Cow<'_, Path> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_ascii() {
        return Cow::Borrowed(path);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return match nfc(text) {
            Cow::Borrowed(_) => Cow::Borrowed(path),
            Cow::Owned(text) => Cow::Owned(PathBuf::from(text)),
        };
    }
    let mut normal = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        normal.extend_from_slice(nfc(chunk.valid()).as_bytes());
        normal.extend_from_slice(chunk.invalid());
    }
    Cow::Owned(PathBuf::from(OsString::from_vec(normal)))
}

/// Serialises a path; bytes that are not UTF-8 become U+FFFD, as serde refuses them.
pub fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// Serialises a path like [`lossy`], or nothing.
pub fn lossy_option<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => serializer.serialize_some(&path.to_string_lossy()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn names_are_compared_in_one_form() {
        let check = |path: &[u8], expected: &[u8]| {
            let normal = nfc_path(Path::new(OsStr::from_bytes(path)));
            assert_eq!(normal.as_os_str().as_bytes(), expected);
        };
        check(b"a/b.md", b"a/b.md");
        check("Vertra\u{308}ge/a".as_bytes(), "Verträge/a".as_bytes());
        check("Verträge/a".as_bytes(), "Verträge/a".as_bytes());
        // Hangul, and several marks in another order.
        check("\u{1112}\u{1161}\u{11ab}".as_bytes(), "한".as_bytes());
        check("a\u{323}\u{302}".as_bytes(), "ậ".as_bytes());
        check("a\u{302}\u{323}".as_bytes(), "ậ".as_bytes());
        check(b"a\xcc\x88\xff/o\xcc\x88", b"\xc3\xa4\xff/\xc3\xb6");
        // Compatibility forms are other names.
        check("ﬁ".as_bytes(), "ﬁ".as_bytes());
    }
}

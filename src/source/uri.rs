//! The URI of a file: its path below the root, `/`-separated, readable and reversible.
//!
//! Ordinary names stay as they are. Bytes that are not UTF-8 and control characters become `%XX`,
//! and so does a `%` that would otherwise look like such an escape. This is not RFC 3986: spaces,
//! `#` and letters of any script stay.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::support::percent;

/// Limit on a URI, in bytes; the path of a file has at most half as many.
pub const BYTES_MAX: usize = 8192;

/// Bytes of a longer one that are kept.
const BYTES_SHOWN: usize = 200;

/// Returns `uri`, or a short, unique replacement if it is over [`BYTES_MAX`].
///
/// A longer one is never stored: every listing and every report would contain it.
pub fn shortened(uri: &str) -> Cow<'_, str> {
    if uri.len() <= BYTES_MAX {
        return Cow::Borrowed(uri);
    }
    let beginning = &uri[..uri.floor_char_boundary(BYTES_SHOWN)];
    let hash = blake3::hash(uri.as_bytes()).to_hex();
    Cow::Owned(format!("{beginning}… ({} bytes, {})", uri.len(), &hash[..16]))
}

/// Returns the URI of `path`, which is relative to the root of its source.
pub fn encode(path: &Path) -> String {
    escape(path.as_os_str()).into_owned()
}

/// Returns the path that [`encode`] made `uri` from.
pub fn decode(uri: &str) -> PathBuf {
    PathBuf::from(OsString::from_vec(percent::decoded_bytes(uri)))
}

/// Returns the URI of a file that is named in the document at `from`: a path relative to it, or to
/// the root of the source if it begins with `/`; `None` if it leaves the source.
pub fn resolve(from: &str, path: &str) -> Option<String> {
    let (folder, _) = from.rsplit_once('/').unwrap_or(("", from));
    let mut parts: Vec<&OsStr> = Vec::new();
    let folder = decode(if path.starts_with('/') { "" } else { folder });
    for part in folder.components().chain(Path::new(path).components()) {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir | Component::RootDir => {}
            Component::Prefix(_) => return None,
        }
    }
    let path: PathBuf = parts.into_iter().collect();
    (!path.as_os_str().is_empty()).then(|| encode(&path))
}

/// Reports whether a document may include a file: not one of git's own, which may contain
/// passwords, and no hidden one, or in a hidden folder, unless those are documents, too.
pub(super) fn may_be_included(uri: &str, hidden: bool) -> bool {
    let is_refused =
        |part: &str| part.starts_with('.') && (!hidden || part.eq_ignore_ascii_case(".git"));
    !uri.split('/').any(is_refused)
}

/// Compares two URIs component by component, bytewise: a folder's files are consecutive, at the
/// position of the folder's name.
///
/// Equivalent to comparing with `/` replaced by U+0001, which no URI contains; SQL does it that
/// way.
pub fn uri_order(a: &str, b: &str) -> Ordering {
    // If nothing has changed, all are equal.
    if a == b {
        return Ordering::Equal;
    }
    let key = |byte| if byte == b'/' { 1 } else { byte };
    a.bytes().map(key).cmp(b.bytes().map(key))
}

/// Compares the paths of two entries of one folder as [`uri_order`] compares their URIs.
pub(super) fn sibling_order(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.as_os_str().as_bytes(), b.as_os_str().as_bytes());
    // Nearly all names are their own encoding up to the first difference: encoding each would cost
    // a fifth of the walk, and extracting the names first, instead of the common prefix of the
    // paths, a tenth.
    let common = common_length(a, b);
    let differing = [a.get(common), b.get(common)];
    let shared = a[..common].iter().rev().take_while(|&&byte| byte != b'/');
    if shared.chain(differing.into_iter().flatten()).all(|&byte| is_plain(byte)) {
        differing[0].cmp(&differing[1])
    } else {
        escape(OsStr::from_bytes(name(a))).cmp(&escape(OsStr::from_bytes(name(b))))
    }
}

/// Returns the length of the common prefix of `a` and `b`, comparing mostly eight bytes at a time.
fn common_length(a: &[u8], b: &[u8]) -> usize {
    let (a_words, _) = a.as_chunks::<8>();
    let (b_words, _) = b.as_chunks::<8>();
    let at = 8 * a_words.iter().zip(b_words).take_while(|(a, b)| a == b).count();
    at + a[at..].iter().zip(&b[at..]).take_while(|(a, b)| a == b).count()
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// Reports whether a byte is its own encoding in any context.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'%'
}

fn escape(path: &OsStr) -> Cow<'_, str> {
    let path = path.as_bytes();
    match std::str::from_utf8(path) {
        Ok(text) if path.iter().all(|&byte| is_plain(byte)) || !text.contains(needs_care) => {
            Cow::Borrowed(text)
        }
        _ => Cow::Owned(escape_chunks(path)),
    }
}

fn needs_care(c: char) -> bool {
    c == '%' || c.is_control()
}

fn escape_chunks(path: &[u8]) -> String {
    let mut uri = String::with_capacity(path.len() + 8);
    for chunk in path.utf8_chunks() {
        let valid = chunk.valid();
        for (at, c) in valid.char_indices() {
            let reads_as_escape =
                c == '%' && percent::escaped(&valid.as_bytes()[at + 1..]).is_some();
            if reads_as_escape || c.is_control() {
                push_escaped(&mut uri, c.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                uri.push(c);
            }
        }
        push_escaped(&mut uri, chunk.invalid());
    }
    uri
}

fn push_escaped(uri: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(uri, "%{byte:02X}").expect("writing to a String does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of a Unix file name, with special ones more often than by chance.
    fn name() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            4 => 1..=255_u8,
            2 => prop::sample::select(b"%%%2fF09aA \x01\x7f\xc2\x80\xff".to_vec()),
        ];
        prop::collection::vec(byte, 1..12)
            .prop_map(|bytes| bytes.into_iter().map(|b| if b == b'/' { b'_' } else { b }).collect())
    }

    #[test]
    fn paths_in_documents_are_resolved() {
        let check = |from: &str, path: &str, expected: Option<&str>| {
            assert_eq!(resolve(from, path).as_deref(), expected, "{from} {path}");
        };
        check("a/b.md", "c.md", Some("a/c.md"));
        check("a/b.md", "./../c d.md", Some("c d.md"));
        check("a/b.md", "/c.md", Some("c.md"));
        check("a%01/b.md", "c%41.md", Some("a%01/c%2541.md"));
        check("a/b.md", "../../c.md", None);
        check("b.md", "..", None);
        check("b.md", "/", None);
        assert!(may_be_included("a/b.md", false) && may_be_included("a/.b/c.md", true));
        assert!(!may_be_included("a/.b/c.md", false) && !may_be_included(".GIT/config", true));
    }

    #[test]
    fn names_look_like_themselves_where_they_can() {
        let check = |name: &[u8], uri: &str| {
            assert_eq!(encode(Path::new(OsStr::from_bytes(name))), uri);
            assert_eq!(decode(uri).as_os_str().as_bytes(), name);
        };
        check(b"guide/a b#c.md", "guide/a b#c.md");
        check("Ελλάδα/日本.md".as_bytes(), "Ελλάδα/日本.md");
        check(b"100%", "100%");
        check(b"100% sure", "100% sure");
        check(b"100%25", "100%2525");
        check(b"%zz%a", "%zz%a");
        check(b"a\nb\x7f", "a%0Ab%7F");
        check(b"\xc2\x85", "%C2%85");
        check(b"caf\xe9.md", "caf%E9.md");
        check(b"%\xff", "%%FF");
        check(b"%2\xff", "%2%FF");
    }

    proptest! {
        #[test]
        fn every_path_round_trips(parts in prop::collection::vec(name(), 1..4)) {
            let bytes = parts.join(&b'/');
            let uri = encode(Path::new(OsStr::from_bytes(&bytes)));
            prop_assert!(!uri.contains(char::is_control));
            let decoded = decode(&uri);
            prop_assert_eq!(decoded.as_os_str().as_bytes(), bytes);
        }

        #[test]
        fn order_is_that_of_the_ledger(a in "[a-c./ é-]{0,8}", b in "[a-c./ é-]{0,8}") {
            let ledger = |uri: &str| uri.replace('/', "\u{1}");
            prop_assert_eq!(uri_order(&a, &b), ledger(&a).as_bytes().cmp(ledger(&b).as_bytes()));
        }

        #[test]
        fn siblings_are_ordered_by_their_uris(
            beginning in "[a-c%\n]{0,3}",
            a in prop_oneof![Just(Vec::new()), name()],
            b in name(),
        ) {
            let path = |rest: Vec<u8>| {
                let name = [beginning.as_bytes(), &rest].concat();
                Path::new("/top/sub").join(OsStr::from_bytes(&name))
            };
            let (a, b) = (path(a), path(b));
            prop_assert_eq!(sibling_order(&a, &b), uri_order(&encode(&a), &encode(&b)));
        }
    }
}

//! `kb://NAME/SOURCE/URI`: the URIs of documents as resources.

use crate::kb::ListPlace;
use crate::support::percent;

const SCHEME: &str = "kb://";

/// Returns the URI of the document at `place` of the knowledge base called `kb`.
pub fn uri(kb: &str, place: &ListPlace) -> String {
    format!("{SCHEME}{}", path(kb, place))
}

/// Returns what identifies the document at `place`, as `NAME/SOURCE/URI`, for a path.
pub fn path(kb: &str, place: &ListPlace) -> String {
    let source = percent::encoded_path(&place.source).replace('/', "%2F");
    format!("{kb}/{source}/{}", percent::encoded_path(&place.uri))
}

/// Returns the template of the URIs of the knowledge base called `kb` (RFC 6570).
pub fn template(kb: &str) -> String {
    format!("{SCHEME}{kb}/{{source}}/{{+uri}}")
}

/// Returns the name of the knowledge base and the document that `uri` means; `None` if it is no
/// such URI.
pub fn parse(uri: &str) -> Option<(String, ListPlace)> {
    let (kb, rest) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    let (source, uri) = rest.split_once('/')?;
    let place = ListPlace { source: percent::decoded(source), uri: percent::decoded(uri) };
    let is_complete = !kb.is_empty() && !place.source.is_empty() && !place.uri.is_empty();
    is_complete.then(|| (kb.to_owned(), place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_parsed_as_they_are_made() {
        for (source, of_document, expected) in [
            ("docs", "a/b c.md", "kb://handbook/docs/a/b%20c.md"),
            ("a/b", "ü.md", "kb://handbook/a%2Fb/%C3%BC.md"),
            ("web", "https://x.org/a?b=1#c", "kb://handbook/web/https%3A//x.org/a%3Fb%3D1%23c"),
            ("docs", "50%.md", "kb://handbook/docs/50%25.md"),
        ] {
            let place = ListPlace { source: source.to_owned(), uri: of_document.to_owned() };
            let made = uri("handbook", &place);
            assert_eq!(made, expected);
            assert_eq!(parse(&made), Some(("handbook".to_owned(), place)));
        }
        for text in ["", "kb://", "kb://x", "kb://x/docs", "kb://x/docs/", "file:///x/docs/a.md"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

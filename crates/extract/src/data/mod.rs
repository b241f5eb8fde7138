//! Data without a format of its own: JSON, lines of JSON, and XML that is not a document, rendered
//! by path.
//!
//! Lists and objects become headings, so that a value is found with the path to it; values become
//! list items, and lists of similar objects tables. Data that cannot be rendered so stays
//! unchanged.

pub(crate) mod csv;
mod element;
mod json;
mod render;
pub(crate) mod xml;

use crate::text::encoding::{self, Decoded};
use crate::text::plain;
use crate::{DocumentError, Extracted, Extractor, MediaType, Metadata, TEXT_BYTES_MAX, title};

pub(crate) use element::read_xml;

/// Limit on the values of a document; with more it stays unchanged. This bounds memory, as no child
/// process does.
const NODES_MAX: usize = 1_000_000;

/// Limit on nested lists and objects; deeper data stays unchanged.
const DEPTH_MAX: usize = 128;

/// A value, with its first and last line in the file, from 1; 0 if they are unknown.
#[derive(Debug)]
pub(crate) struct Node {
    kind: Kind,
    lines: (u32, u32),
}

/// The content of a node.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) enum Kind {
    /// A text, a number, true, false or null, as shown.
    Value(String),
    List(Vec<Node>),
    /// Names in the order of the document; a name may be repeated.
    Object(Vec<(String, Node)>),
}

impl From<Kind> for Node {
    fn from(kind: Kind) -> Self {
        Self { kind, lines: (0, 0) }
    }
}

/// Nodes are compared by what they say.
#[cfg(test)]
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Node {
    /// Returns the node of this name.
    fn member(&self, wanted: &str) -> Option<&Self> {
        let Kind::Object(members) = &self.kind else { return None };
        members.iter().find_map(|(name, node)| (name == wanted).then_some(node))
    }

    /// Returns the value of this name, unless it is a list or object.
    fn value(&self, wanted: &str) -> Option<&str> {
        let Kind::Object(members) = &self.kind else { return None };
        members.iter().find_map(|(name, node)| match &node.kind {
            Kind::Value(value) if name == wanted => Some(value.as_str()),
            _ => None,
        })
    }
}

/// JSON files.
pub(crate) struct Json;

/// Files with a JSON value on each line.
pub(crate) struct JsonLines;

impl Extractor for Json {
    fn id(&self) -> &'static str {
        "json@3"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        rendered_or_plain(uri, bytes, json::read)
    }
}

impl Extractor for JsonLines {
    fn id(&self) -> &'static str {
        "jsonl@3"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        rendered_or_plain(uri, bytes, json::read_lines)
    }
}

/// Renders what `read` finds in a document; if it finds nothing, the document stays unchanged.
pub(crate) fn rendered_or_plain(
    uri: &str,
    bytes: Vec<u8>,
    read: impl Fn(&str) -> Option<Node>,
) -> Result<Extracted, DocumentError> {
    let read = |text: &str| {
        let node = read(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        (!matches!(node.kind, Kind::Value(_))).then_some(node)
    };
    // Data may contain any character, even so many control characters that the document would seem
    // binary.
    if let Ok(text) = std::str::from_utf8(&bytes) {
        return match read(text) {
            Some(node) => extracted(uri, &node, "utf-8".to_owned()),
            None => plain::SOURCE.extract(uri, bytes),
        };
    }
    let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
    match read(&text) {
        Some(node) => extracted(uri, &node, encoding),
        None => plain::SOURCE.extract(uri, text.into_bytes()),
    }
}

fn extracted(uri: &str, node: &Node, encoding: String) -> Result<Extracted, DocumentError> {
    let (text, lines) = render::render(node);
    if text.len() > TEXT_BYTES_MAX {
        return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
    }
    let stated = node.value("title").and_then(title::clean);
    Ok(Extracted {
        title: stated.unwrap_or_else(|| title::from_name(uri)),
        media_type: MediaType::Markdown,
        text,
        encoding,
        metadata: Metadata::new(),
        lines,
    })
}

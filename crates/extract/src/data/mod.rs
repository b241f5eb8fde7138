//! Data without a form of its own: JSON, lines of JSON, and XML that is no document, told by path.
//!
//! Lists and objects become headings, so that a value that is found comes with the path to it; values become
//! list items, and lists of like objects tables. What cannot be told so stays as it is.

pub(crate) mod csv;
mod element;
mod json;
mod tell;
pub(crate) mod xml;

use crate::text::encoding::{self, Decoded};
use crate::text::plain;
use crate::{DocumentError, Extracted, Extractor, MediaType, Metadata, TEXT_BYTES_MAX, title};

pub(crate) use element::read_xml;

/// Values of a document at most; more stays as it is. A limit on memory: this is no child process.
const NODES_MAX: usize = 1_000_000;

/// Lists and objects inside each other; deeper data stays as it is.
const DEPTH_MAX: usize = 128;

/// A value.
#[derive(Debug, PartialEq)]
pub(crate) enum Node {
    /// A text, a number, true, false or null, as it is read.
    Value(String),
    List(Vec<Node>),
    /// Names in the order of the document; one may be there twice.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Returns the value of this name, where that is no list or object.
    fn value(&self, wanted: &str) -> Option<&str> {
        let Self::Object(members) = self else { return None };
        members.iter().find_map(|(name, node)| match node {
            Self::Value(value) if name == wanted => Some(value.as_str()),
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
        "json@1"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        told_or_plain(uri, bytes, json::read)
    }
}

impl Extractor for JsonLines {
    fn id(&self) -> &'static str {
        "jsonl@1"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        told_or_plain(uri, bytes, json::read_lines)
    }
}

/// Tells what `read` finds in a document; where it finds nothing, the document stays as it is.
pub(crate) fn told_or_plain(
    uri: &str,
    bytes: Vec<u8>,
    read: impl Fn(&str) -> Option<Node>,
) -> Result<Extracted, DocumentError> {
    let read = |text: &str| {
        let node = read(text.strip_prefix('\u{feff}').unwrap_or(text))?;
        (!matches!(node, Node::Value(_))).then_some(node)
    };
    // Data may hold any character, also so many that are no text that the document would seem binary.
    if let Ok(text) = std::str::from_utf8(&bytes) {
        return match read(text) {
            Some(node) => told(uri, &node, "utf-8".to_owned()),
            None => plain::SOURCE.extract(uri, bytes),
        };
    }
    let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
    match read(&text) {
        Some(node) => told(uri, &node, encoding),
        None => plain::SOURCE.extract(uri, text.into_bytes()),
    }
}

fn told(uri: &str, node: &Node, encoding: String) -> Result<Extracted, DocumentError> {
    let text = tell::tell(node);
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
    })
}

//! The result of extraction: a text with its title, its media type and its metadata.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::LineMap;

/// The metadata of a document, by name.
pub type Metadata = BTreeMap<String, Value>;

/// Limit on the bytes of a document's text.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// A document's text and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// One line of at most [`TITLE_CHARS_MAX`] characters, never empty.
    pub title: String,
    /// Decides how the text is chunked.
    pub media_type: MediaType,
    /// The whole text; empty if the document is blank.
    pub text: String,
    /// Encoding of the bytes: `utf-8`, `utf-8-bom`, `utf-16le`, `windows-1252`, …; `utf-8-lossy` if
    /// a few broken characters were replaced.
    pub encoding: String,
    /// Front matter as written; `author`, `date`, `language` and the like.
    pub metadata: Metadata,
    /// The lines of the file that the lines of the text come from.
    pub lines: LineMap,
}

impl Extracted {
    /// Returns its number of pages, slides or sheets; 0 if its format has none.
    pub(crate) fn pages(&self) -> usize {
        let starts = self.metadata.get("pages").and_then(Value::as_array).map_or(0, Vec::len);
        let stated = self.metadata.get("page_count").and_then(Value::as_u64);
        let is_counted = self.encoding == "pdf";
        let stated = stated.filter(|_| is_counted).and_then(|count| usize::try_from(count).ok());
        // Front matter may have a field of that name.
        if self.encoding.starts_with("utf") { 0 } else { starts.max(stated.unwrap_or(0)) }
    }
}

/// Limit on the characters of a title.
pub const TITLE_CHARS_MAX: usize = 300;

/// The kind of a text, which decides how it is chunked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum MediaType {
    /// CommonMark with tables and front matter.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// Prose without known markup: paragraphs between blank lines.
    #[serde(rename = "text/plain")]
    Plain,
    /// Program text, configuration and data: lines matter, blank lines separate groups.
    #[serde(rename = "text/x-source")]
    Source,
}

impl MediaType {
    /// Every media type.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Plain, Self::Source];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown",
            Self::Plain => "text/plain",
            Self::Source => "text/x-source",
        }
    }
}

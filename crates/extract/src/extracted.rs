//! What extraction returns: a text with its title, its kind and what the document says of itself.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What a document says of itself, by name.
pub type Metadata = BTreeMap<String, Value>;

/// Bytes of text that a document may come to.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// A document's text and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// One line of at most [`TITLE_CHARS_MAX`] characters, never empty.
    pub title: String,
    /// Decides how the text is chunked.
    pub media_type: MediaType,
    /// The whole text; empty where the document is blank.
    pub text: String,
    /// What the bytes were: `utf-8`, `utf-8-bom`, `utf-16le`, `windows-1252`, …; `utf-8-lossy`
    /// where a few broken characters were replaced.
    pub encoding: String,
    /// What it says of itself: front matter as written; `author`, `date`, `language` and the like.
    pub metadata: Metadata,
}

impl Extracted {
    /// Returns how many pages, slides or sheets it has; 0 where its format has none.
    pub(crate) fn pages(&self) -> usize {
        let starts = self.metadata.get("pages").and_then(Value::as_array).map_or(0, Vec::len);
        let stated = self.metadata.get("page_count").and_then(Value::as_u64);
        let is_counted = self.encoding == "pdf";
        let stated = stated.filter(|_| is_counted).and_then(|count| usize::try_from(count).ok());
        // Front matter may have a field of that name.
        if self.encoding.starts_with("utf") { 0 } else { starts.max(stated.unwrap_or(0)) }
    }
}

/// Longest title that is kept.
pub const TITLE_CHARS_MAX: usize = 300;

/// What kind of text a revision holds, which decides how it is chunked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum MediaType {
    /// CommonMark with tables and front matter.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// Prose without markup that we understand: paragraphs between blank lines.
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

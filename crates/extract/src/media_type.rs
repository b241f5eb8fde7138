//! The kinds of text that documents become.

use serde::Serialize;

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

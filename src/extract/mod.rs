//! From a document's bytes to its text: one trait, and a file or folder for each format.
//!
//! Pure functions of uri and bytes: nothing is read, written or kept. The text of a Markdown or plain
//! document in UTF-8 is its bytes, BOM and line ends included, so that spans and line numbers are those
//! of the file; every other format becomes Markdown, and spans are those of that.

pub mod child;
mod config;
mod encoding;
mod extraction;
#[cfg(debug_assertions)]
mod fault;
mod front_matter;
pub mod html;
mod markdown;
mod plain;
mod sniff;
mod title;
mod writer;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::{FailureKind, MediaType};

pub use config::ExtractConfig;
pub use extraction::{Attempt, Extraction};

/// What a document says of itself, by name.
pub type Metadata = BTreeMap<String, Value>;

/// Bytes of text that a document may come to.
pub const TEXT_BYTES_MAX: usize = 64 << 20;

/// Turns the bytes of one format into text.
pub trait Extractor: Send + Sync {
    /// Returns name and version, as in `markdown@1`; the version rises whenever the same bytes
    /// would give another text or title.
    fn id(&self) -> &'static str;

    /// Tells whether hostile bytes might crash it, or keep it busy or hungry without end: then it runs in
    /// a child process.
    fn is_risky(&self) -> bool {
        false
    }

    /// Extracts the text; `uri` gives the title where the text itself has none.
    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, ExtractError>;
}

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

/// Longest title that is kept.
pub const TITLE_CHARS_MAX: usize = 300;

/// A document whose text could not be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Not text: left out on purpose.
    #[error("{uri}: {reason}")]
    Skipped {
        /// The document.
        uri: String,
        /// What it is instead.
        reason: String,
    },
    /// Text that cannot be decoded as it is.
    #[error("{uri}: {reason}")]
    Permanent {
        /// The document.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// May work in the next run.
    #[error("{uri}: {reason}")]
    Transient {
        /// The document.
        uri: String,
        /// What kept it from being extracted.
        reason: String,
    },
}

impl ExtractError {
    /// A document that hits a limit, which is named.
    fn over_limit(uri: &str, what: &str, max: usize) -> Self {
        Self::Permanent { uri: uri.to_owned(), reason: format!("more {what} than {max} bytes") }
    }

    /// Returns what a later run does about it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Skipped { .. } => FailureKind::Skipped,
            Self::Permanent { .. } => FailureKind::Permanent,
            Self::Transient { .. } => FailureKind::Transient,
        }
    }
}

/// Returns the extractor for the document at `uri`, chosen by its extension alone.
pub fn extractor(uri: &str) -> &'static dyn Extractor {
    match title::extension(uri).as_deref() {
        #[cfg(debug_assertions)]
        Some("fault") if fault::is_on() => &fault::Fault,
        Some("md" | "markdown" | "mkd" | "mdx" | "mdown" | "qmd" | "rmd") => &markdown::Markdown,
        Some("html" | "htm" | "xhtml" | "xht") => &html::Html,
        None | Some("txt" | "text" | "log") => &plain::PLAIN,
        // Markup that we do not parse, programs, configuration and data.
        Some(_) => &plain::SOURCE,
    }
}

/// Every extractor.
const ALL: &[&dyn Extractor] = &[
    &markdown::Markdown,
    &html::Html,
    &plain::PLAIN,
    &plain::SOURCE,
    #[cfg(debug_assertions)]
    &fault::Fault,
];

/// Returns the extractor with this id, its version included.
fn by_id(id: &str) -> Option<&'static dyn Extractor> {
    ALL.iter().copied().find(|extractor| extractor.id() == id)
}

//! Bytes of documents to Markdown, with anchors, pages and metadata: one trait, and a file or folder for each format.
//!
//! Pure functions of uri and bytes: nothing is read, written or kept. The text of a Markdown or plain
//! document in UTF-8 is its bytes, BOM and line ends included, so that spans and line numbers are those
//! of the file; every other format becomes Markdown, and spans are those of that.

#[cfg(feature = "office")]
mod blocks;
mod captions;
mod cells;
#[cfg(feature = "office")]
mod chart;
pub mod child;
pub mod command;
mod config;
mod data;
pub mod dom;
mod ebook;
mod encoding;
mod error;
mod escapes;
mod extraction;
#[cfg(debug_assertions)]
mod fault;
mod feed;
#[cfg(feature = "office")]
mod formula;
mod front_matter;
pub mod html;
mod mail;
mod mail_text;
mod markdown;
mod markup;
mod media_type;
#[cfg(feature = "office")]
mod merged;
mod notebook;
#[cfg(feature = "office")]
mod numbering;
mod odf;
#[cfg(feature = "office")]
mod office;
#[cfg(feature = "office")]
mod outlook;
mod package;
#[cfg(feature = "pdf")]
mod pdf;
mod plain;
#[cfg(feature = "office")]
mod prepare;
#[cfg(feature = "pdf")]
mod right_to_left;
mod rtf;
mod sheet;
mod sniff;
mod table;
mod title;
mod writer;
mod xml;

use std::collections::BTreeMap;

use serde_json::Value;

pub use config::ExtractConfig;
pub use error::{ExtractError, FailureKind};
pub use extraction::{Attempt, Extraction};
pub use media_type::MediaType;

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

impl Extracted {
    /// Returns how many pages, slides or sheets it has; 0 where its format has none.
    fn pages(&self) -> usize {
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

/// Returns the extractor for the document at `uri`, chosen by its extension alone.
pub fn extractor(uri: &str) -> &'static dyn Extractor {
    match title::extension(uri).as_deref() {
        #[cfg(debug_assertions)]
        Some("fault") if fault::is_on() => &fault::Fault,
        Some("md" | "markdown" | "mkd" | "mdx" | "mdown" | "qmd" | "rmd") => &markdown::Markdown,
        Some("html" | "htm" | "xhtml" | "xht") => &html::Html,
        #[cfg(feature = "pdf")]
        Some("pdf") => &pdf::Pdf,
        #[cfg(feature = "office")]
        Some(
            "docx" | "docm" | "xlsx" | "xlsm" | "xlsb" | "pptx" | "pptm" | "doc" | "xls" | "ppt",
        ) => &office::Office,
        #[cfg(feature = "office")]
        Some("msg") => &outlook::Outlook,
        Some("odt" | "odp" | "ods" | "ott" | "otp" | "ots") => &odf::OpenDocument,
        Some("epub") => &ebook::Epub,
        Some("fb2") => &ebook::FictionBook,
        Some("rtf") => &rtf::Rtf,
        Some("ipynb") => &notebook::Notebook,
        Some("eml") => &mail::Mail,
        Some("mbox") => &mail::Mailbox,
        Some("csv" | "tsv") => &table::Csv,
        Some("json" | "geojson") => &data::Json,
        Some("jsonl" | "ndjson") => &data::JsonLines,
        Some("vtt" | "srt") => &captions::Captions,
        Some("adoc" | "asciidoc" | "asc") => &markup::ASCIIDOC,
        Some("rst" | "rest") => &markup::RST,
        Some("org") => &markup::ORG,
        Some("tex" | "latex" | "ltx") => &markup::LATEX,
        Some("xml" | "rss" | "atom" | "opml") => &feed::Xml,
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
    #[cfg(feature = "pdf")]
    &pdf::Pdf,
    #[cfg(feature = "office")]
    &office::Office,
    #[cfg(feature = "office")]
    &outlook::Outlook,
    &odf::OpenDocument,
    &ebook::Epub,
    &ebook::FictionBook,
    &rtf::Rtf,
    &notebook::Notebook,
    &mail::Mail,
    &mail::Mailbox,
    &table::Csv,
    &data::Json,
    &data::JsonLines,
    &captions::Captions,
    &feed::Xml,
    &markup::ASCIIDOC,
    &markup::RST,
    &markup::ORG,
    &markup::LATEX,
    &markup::MAN,
    #[cfg(debug_assertions)]
    &fault::Fault,
];

/// Returns the extractor with this id, its version included.
fn by_id(id: &str) -> Option<&'static dyn Extractor> {
    ALL.iter().copied().find(|extractor| extractor.id() == id)
}

//! Formats: which one a document has, by its name, its content or the id of its extractor.

#[cfg(debug_assertions)]
pub(crate) mod fault;
mod sniff;

use crate::extractor::{Extractor, in_process};
#[cfg(feature = "office")]
use crate::office;
#[cfg(feature = "pdf")]
use crate::pdf;
use crate::{DocumentError, Extracted};
use crate::{data, ebook, html, mail, markup, notebook, odf, rtf, text, title};
use sniff::Content;

const MAIL: mail::Mail = mail::Mail { extract_inner };
const MAILBOX: mail::Mailbox = mail::Mailbox { extract_inner };
#[cfg(feature = "office")]
const OUTLOOK: mail::Outlook = mail::Outlook { extract_inner };

/// Returns the extractor for the document at `uri`, chosen by its extension alone.
pub fn extractor(uri: &str) -> &'static dyn Extractor {
    match title::extension(uri).as_deref() {
        #[cfg(debug_assertions)]
        Some("fault") if fault::is_on() => &fault::Fault,
        Some(
            "md" | "markdown" | "mkd" | "mkdn" | "mdwn" | "mdown" | "mdx" | "mdc" | "qmd" | "rmd",
        ) => &text::markdown::Markdown,
        Some("html" | "htm" | "xhtml" | "xht") => &html::Html,
        #[cfg(feature = "pdf")]
        Some("pdf") => &pdf::Pdf,
        #[cfg(feature = "office")]
        Some(
            "docx" | "docm" | "xlsx" | "xlsm" | "xlsb" | "pptx" | "pptm" | "doc" | "xls" | "ppt",
        ) => &office::Office,
        #[cfg(feature = "office")]
        Some("msg") => &OUTLOOK,
        Some("odt" | "odp" | "ods" | "ott" | "otp" | "ots") => &odf::OpenDocument,
        Some("epub") => &ebook::Epub,
        Some("fb2") => &ebook::FictionBook,
        Some("rtf") => &rtf::Rtf,
        Some("ipynb") => &notebook::Notebook,
        Some("eml") => &MAIL,
        Some("mbox") => &MAILBOX,
        Some("csv" | "tsv") => &data::csv::Csv,
        Some("json" | "geojson") => &data::Json,
        Some("jsonl" | "ndjson") => &data::JsonLines,
        Some("vtt" | "srt") => &text::captions::Captions,
        Some("adoc" | "asciidoc" | "asc") => &markup::ASCIIDOC,
        Some("rst" | "rest") => &markup::RST,
        Some("org") => &markup::ORG,
        Some("tex" | "latex" | "ltx") => &markup::LATEX,
        Some("xml" | "rss" | "atom" | "opml") => &data::xml::Xml,
        None if PROGRAMS.contains(&title::file_name(uri)) => &text::plain::SOURCE,
        None => &text::plain::PLAIN,
        Some("txt" | "text") if title::file_name(uri) == "CMakeLists.txt" => &text::plain::SOURCE,
        Some("txt" | "text" | "log") => &text::plain::PLAIN,
        // Unknown markup, programs, configuration and data.
        Some(_) => &text::plain::SOURCE,
    }
}

/// Names of programs that have no extension.
const PROGRAMS: [&str; 14] = [
    "Makefile",
    "makefile",
    "GNUmakefile",
    "BSDmakefile",
    "Dockerfile",
    "Containerfile",
    "Jenkinsfile",
    "Vagrantfile",
    "Rakefile",
    "Gemfile",
    "Brewfile",
    "Procfile",
    "Justfile",
    "justfile",
];

/// Every extractor.
const ALL: &[&dyn Extractor] = &[
    &text::markdown::Markdown,
    &html::Html,
    &text::plain::PLAIN,
    &text::plain::SOURCE,
    #[cfg(feature = "pdf")]
    &pdf::Pdf,
    #[cfg(feature = "office")]
    &office::Office,
    #[cfg(feature = "office")]
    &OUTLOOK,
    &odf::OpenDocument,
    &ebook::Epub,
    &ebook::FictionBook,
    &rtf::Rtf,
    &notebook::Notebook,
    &MAIL,
    &MAILBOX,
    &data::csv::Csv,
    &data::Json,
    &data::JsonLines,
    &text::captions::Captions,
    &data::xml::Xml,
    &markup::ASCIIDOC,
    &markup::RST,
    &markup::ORG,
    &markup::LATEX,
    &markup::MAN,
    #[cfg(debug_assertions)]
    &fault::Fault,
];

/// Returns the extractor with this id, including its version.
pub(crate) fn by_id(id: &str) -> Option<&'static dyn Extractor> {
    ALL.iter().copied().find(|extractor| extractor.id() == id)
}

/// Returns the extractor that the content requires; `None` leaves it to the name.
pub(crate) fn by_content(uri: &str, bytes: &[u8]) -> Option<&'static dyn Extractor> {
    match sniff::content(uri, bytes)? {
        #[cfg(feature = "pdf")]
        Content::Pdf => Some(&pdf::Pdf),
        #[cfg(feature = "office")]
        Content::Office => Some(&office::Office),
        #[cfg(feature = "office")]
        Content::Outlook => Some(&OUTLOOK),
        Content::OpenDocument => Some(&odf::OpenDocument),
        Content::Epub => Some(&ebook::Epub),
        Content::Rtf => Some(&rtf::Rtf),
        Content::ManPage => Some(&markup::MAN),
        Content::Html => Some(&html::Html),
        Content::Other => Some(&text::plain::PLAIN),
        #[cfg(not(all(feature = "office", feature = "pdf")))]
        _ => None,
    }
}

/// Extracts a file inside another document.
fn extract_inner(name: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
    let extractor = by_content(name, &bytes).unwrap_or_else(|| extractor(name));
    in_process(extractor, name, bytes)
}

#[cfg(test)]
mod tests {
    use kbingest_support::fingerprint::Fingerprint;

    use super::*;

    #[test]
    fn ids_are_fingerprints() {
        for extractor in ALL {
            assert_eq!(Fingerprint::of_code(extractor.id()).to_string(), extractor.id());
        }
    }
}

//! PDF: text in reading order with its pages, by unpdf.
//!
//! Lines at the top or bottom of most pages are left out. A document without text is a failure with
//! its reason: its pages need OCR.

mod annotations;
mod hyphens;
mod right_to_left;
mod running;

use std::collections::BTreeMap;

use kbingest_support::numbers::counted;
use serde_json::Value;
use unpdf::{Error, PageMarkerStyle, ParseOptions, PdfParser, RenderOptions};

use crate::{DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, title};

/// Limit on the pages of a document.
const PAGES_MAX: u32 = 20_000;

/// What unpdf writes before each page.
const MARKER: (&str, &str) = ("<!-- page ", " -->");

/// Bytes in which the header is searched, as other programs do.
const HEADER_BYTES: usize = 1024;

/// PDF documents.
pub(crate) struct Pdf;

impl Extractor for Pdf {
    fn id(&self) -> &'static str {
        "pdf@4"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let failed = |reason: String| DocumentError::permanent(uri, reason);
        // Some programs write a few bytes before the header.
        let start = bytes.windows(5).take(HEADER_BYTES).position(|window| window == b"%PDF-");
        let bytes = &bytes[start.unwrap_or(0)..];
        let options = ParseOptions::new().lenient().with_resources(false).sequential();
        let document = PdfParser::from_bytes_with_options(bytes, options)
            .and_then(|parser| match parser.page_count() {
                0..=PAGES_MAX => parser.parse(),
                count => Err(Error::Other(format!("{count} pages, at most {PAGES_MAX}"))),
            })
            .map_err(|error| failed(reason(&error)))?;
        let options = RenderOptions::new().with_page_markers(PageMarkerStyle::Comment);
        let marked = unpdf::render::to_markdown(&document, &options)
            .map_err(|error| failed(reason(&error)))?;
        let marked = hyphens::joined(&right_to_left::in_reading_order(&marked));
        let annotations = annotations::read(bytes);
        let (text, pages) = join(&running::without(pages_of(&marked)), &annotations);
        if !text.contains(char::is_alphanumeric) {
            let count = document.metadata.page_count;
            return Err(failed(format!(
                "needs OCR: {} without text",
                counted(count.into(), "page")
            )));
        }
        let metadata = metadata(&document.metadata, pages);
        let stated = document.metadata.title.as_deref().and_then(title::clean);
        Ok(Extracted {
            title: stated
                .filter(|title| !is_file_name(title))
                .or_else(|| first_heading(&text))
                .unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding: "pdf".to_owned(),
            metadata,
            lines: LineMap::Unknown,
        })
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::Encrypted | Error::InvalidPassword => {
            "is encrypted: it opens with a password only".to_owned()
        }
        error => format!("cannot be read as PDF: {}", one_line(&error.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

/// Word processors use the name of the printed file as title.
fn is_file_name(title: &str) -> bool {
    let ending = title::extension(title).unwrap_or_default();
    title.starts_with("Microsoft Word - ")
        || ["doc", "docx", "tex", "dvi", "indd", "qxd", "pdf", "xls", "xlsx", "ppt", "pptx", "rtf"]
            .contains(&ending.as_ref())
}

fn first_heading(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with('#'))?;
    title::clean(&line.trim_start_matches('#').replace(['*', '\\'], ""))
}

/// Splits the text at its page markers: number of each page, and its lines.
fn pages_of(marked: &str) -> Vec<(u32, Vec<&str>)> {
    let mut pages = vec![(1, Vec::new())];
    for line in marked.lines() {
        let number = line.strip_prefix(MARKER.0).and_then(|rest| rest.strip_suffix(MARKER.1));
        match (number.and_then(|number| number.parse().ok()), pages.last_mut()) {
            (Some(number), _) => pages.push((number, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    pages.retain(|(_, lines)| lines.iter().any(|line| !line.trim().is_empty()));
    pages
}

/// Joins pages, each followed by its annotations; returns the text, and where each page begins:
/// entry 0 is page 1.
fn join(
    pages: &[(u32, Vec<&str>)],
    annotations: &BTreeMap<u32, Vec<String>>,
) -> (String, Vec<usize>) {
    let mut texts: BTreeMap<u32, String> = BTreeMap::new();
    for (number, lines) in pages {
        texts.entry(*number).or_default().push_str(lines.join("\n").trim_matches('\n'));
    }
    for (number, paragraphs) in annotations {
        let page = texts.entry(*number).or_default();
        // A program may have drawn them, too.
        let new = paragraphs.iter().filter(|text| !page.contains(text.as_str()));
        let new = new.map(String::as_str).collect::<Vec<_>>().join("\n\n");
        if !new.is_empty() {
            page.push_str(if page.is_empty() { "" } else { "\n\n" });
            page.push_str(&new);
        }
    }
    let mut text = String::new();
    let mut starts = Vec::new();
    for (number, page) in texts.into_iter().filter(|(_, page)| !page.is_empty()) {
        if !text.is_empty() {
            text.push('\n');
        }
        // Pages without text begin where the next one does.
        starts.resize((number as usize).max(starts.len()), text.len());
        text.push_str(&page);
        text.push('\n');
    }
    (text, starts)
}

fn metadata(stated: &unpdf::Metadata, pages: Vec<usize>) -> Metadata {
    let mut metadata = Metadata::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value.as_deref().and_then(title::clean) {
            metadata.insert(key.to_owned(), Value::from(value));
        }
    };
    set("author", stated.author.clone());
    set("subject", stated.subject.clone());
    set("keywords", stated.keywords.clone());
    let date = stated.modified.or(stated.created);
    set("date", date.map(|date| date.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
    metadata.insert("page_count".to_owned(), Value::from(stated.page_count));
    metadata.insert("pages".to_owned(), Value::from(pages));
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_lines_are_left_out_and_pages_known() {
        let page = |number: u32| {
            let word = ["no", "one", "two", "three", "four"][number as usize];
            format!(
                "<!-- page {number} -->\n\n**Report** {number}\n\nText {word}.\n\n*Page {number} of 4*\n\n"
            )
        };
        let marked: String = [1, 2, 4].map(page).concat();
        let (text, pages) = join(&running::without(pages_of(&marked)), &BTreeMap::new());
        assert_eq!(text, "Text one.\n\nText two.\n\nText four.\n");
        assert_eq!(pages, [0, 11, 22, 22]);
        let (text, _) = join(
            &running::without(pages_of(&[1, 2].map(page).concat())),
            &BTreeMap::from([(2, vec!["[Comment: Why?]".to_owned()])]),
        );
        assert!(text.ends_with("Text two.\n\n[Comment: Why?]\n"));
        assert!(text.contains("**Report** 2") && !text.contains("Page 1 of 4"));
    }
}

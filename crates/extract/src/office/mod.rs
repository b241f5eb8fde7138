//! Microsoft Office: Word, Excel and PowerPoint, old and new, by undoc.

mod blocks;
mod body;
mod chart;
mod formula;
mod merged;
mod names;
mod number;
mod numbering;
mod prepare;
mod relations;
mod runs;
mod sheets;

use serde_json::Value;
use undoc::render::RenderOptions;
use undoc::{Error, FormatType, SectionMarkerStyle};

use crate::{DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, title};

/// DOCX, XLSX, PPTX, DOC, XLS and PPT.
pub(crate) struct Office;

impl Extractor for Office {
    fn id(&self) -> &'static str {
        "office@5"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let failed = |error: &Error| {
            let reason = match error {
                Error::Encrypted => "is encrypted: it opens with a password only".to_owned(),
                error => format!("cannot be read as an Office document: {error}"),
            };
            DocumentError::permanent(uri, reason)
        };
        if is_binary_workbook(&bytes) {
            return Err(DocumentError::permanent(uri, BINARY_WORKBOOK));
        }
        let bytes = prepare::prepared(&bytes).unwrap_or(bytes);
        let mut document = undoc::parse_bytes(&bytes).map_err(|error| failed(&error))?;
        runs::prepare(&mut document);
        merged::spread(&mut document);
        if matches!(document.format, FormatType::Xlsx | FormatType::Xls) {
            blocks::cut(&mut document);
        }
        if document.format == FormatType::Xlsx {
            chart::add(&mut document, uri, bytes);
        }
        let options = RenderOptions {
            max_heading_level: 6,
            escape_special_chars: false,
            section_markers: SectionMarkerStyle::Comment,
            ..RenderOptions::default()
        };
        let marked = undoc::render::to_markdown(&document, &options).map_err(|e| failed(&e))?;
        let (text, pages) = sections(&runs::with_breaks(&without_tags(&marked)));
        let mut metadata = metadata(&document.metadata);
        if !pages.is_empty() {
            metadata.insert("pages".to_owned(), Value::from(pages));
        }
        let stated = document.metadata.title.as_deref().and_then(title::clean);
        Ok(Extracted {
            title: stated.or_else(|| first_heading(&text)).unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding: "office".to_owned(),
            metadata,
            lines: LineMap::Unknown,
        })
    }
}

/// The reason given for a workbook in a format that nothing here reads.
const BINARY_WORKBOOK: &str =
    "is a binary workbook (.xlsb), which is not supported: save it as .xlsx";

/// Detects an XLSB package by its main part ([MS-XLSB], section 2.1.7.61).
fn is_binary_workbook(bytes: &[u8]) -> bool {
    let archive = zip::ZipArchive::new(std::io::Cursor::new(bytes));
    archive.is_ok_and(|archive| archive.index_for_name("xl/workbook.bin").is_some())
}

/// Removes the HTML that undoc writes for what Markdown lacks.
fn without_tags(text: &str) -> String {
    const TAGS: [(&str, &str); 8] = [
        ("<u>", ""),
        ("</u>", ""),
        ("<br>", " "),
        ("<br/>", " "),
        ("<sup>", ""),
        ("</sup>", ""),
        ("<sub>", ""),
        ("</sub>", ""),
    ];
    TAGS.iter().fold(text.to_owned(), |text, (tag, instead)| text.replace(tag, instead))
}

/// Removes the markers of slides and sheets; returns the text, and where each of them begins. A
/// slide whose title is a heading needs no `Slide 3` above it.
fn sections(marked: &str) -> (String, Vec<usize>) {
    let mut text = String::with_capacity(marked.len());
    let mut starts = Vec::new();
    let mut heading = None;
    let mut is_new = false;
    for line in marked.lines() {
        let line = line.trim_end();
        if line.starts_with("<!-- slide ") || line.starts_with("<!-- sheet ") {
            push_line(&mut text, heading.take().unwrap_or_default());
            starts.push(text.len() + usize::from(!text.is_empty() && !text.ends_with("\n\n")));
            is_new = true;
        } else if is_new && (line.is_empty() || line == "---") {
        } else if is_new && line.starts_with("## ") {
            heading = Some(line);
            is_new = false;
        } else {
            is_new = false;
            if !line.is_empty()
                && let Some(heading) = heading.take()
            {
                let is_numbered = heading.starts_with("## Slide ");
                if !(is_numbered && line.starts_with("# ")) {
                    push_line(&mut text, heading);
                    push_line(&mut text, "");
                }
            }
            push_line(&mut text, line);
        }
    }
    push_line(&mut text, heading.unwrap_or_default());
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    starts.iter_mut().for_each(|start| *start = (*start).min(text.len()));
    (text, starts)
}

/// Adds a line; at most one blank line in a row.
fn push_line(text: &mut String, line: &str) {
    if !line.is_empty() || !text.is_empty() && !text.ends_with("\n\n") {
        text.push_str(line);
        text.push('\n');
    }
}

fn first_heading(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with('#'))?;
    title::clean(&line.trim_start_matches('#').replace(['*', '\\'], ""))
}

fn metadata(stated: &undoc::Metadata) -> Metadata {
    let mut metadata = Metadata::new();
    let known = [
        ("author", &stated.author),
        ("subject", &stated.subject),
        ("description", &stated.description),
        ("date", if stated.modified.is_some() { &stated.modified } else { &stated.created }),
    ];
    for (key, value) in known {
        if let Some(value) = value.as_deref().and_then(title::clean) {
            metadata.insert(key.to_owned(), Value::from(value));
        }
    }
    if !stated.keywords.is_empty() {
        metadata.insert("keywords".to_owned(), Value::from(stated.keywords.clone()));
    }
    if let Some(pages) = stated.page_count {
        metadata.insert("page_count".to_owned(), Value::from(pages));
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slides_and_sheets_have_headings_and_places() {
        let marked = "<!-- slide 1: Slide 1 -->\n\n## Slide 1\n\n# Title\n\n\nA\n\n\
                      <!-- slide 2: Slide 2 -->\n\n\n---\n\n## Slide 2\n\nB<br>C\n\n---\n\nD\n";
        let (text, starts) = sections(&without_tags(marked));
        assert_eq!(text, "# Title\n\nA\n\n## Slide 2\n\nB C\n\n---\n\nD\n");
        let at: Vec<_> = starts.iter().map(|&start| text[start..].lines().next()).collect();
        assert_eq!(at, [Some("# Title"), Some("## Slide 2")]);
        assert_eq!(sections("\n\nx\n"), ("x\n".to_owned(), vec![]));
    }
}

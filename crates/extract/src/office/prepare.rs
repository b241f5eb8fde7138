//! Prepares Office packages for their reader: adds what it ignores to their text, and removes what
//! only costs it time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::names::{self, Names};
use super::{body, formula, numbering, sheets};

/// The part that holds the text of a Word document.
const DOCUMENT: &str = "word/document.xml";

/// What it refers to: styles, numbering, comments.
const STYLES: &str = "word/styles.xml";
const NUMBERING: &str = "word/numbering.xml";
const COMMENTS: &str = "word/comments.xml";

/// Parts of a Word document that contain text and need no numbers.
const NOTES: [&str; 2] = ["word/footnotes.xml", "word/endnotes.xml"];

/// Slides of a presentation.
const SLIDES: &str = "ppt/slides/slide";

/// The parts of a workbook that say what its sheets show.
const WORKBOOK: &str = "xl/workbook.xml";
const FORMATS: &str = "xl/styles.xml";

/// The main part of a presentation.
const PRESENTATION: &str = "ppt/presentation.xml";

/// Sheets of a workbook.
const SHEETS: &str = "xl/worksheets/";

/// Charts, of which one bad number would make the document fail.
const CHARTS: [&str; 2] = ["word/charts/chart", "ppt/charts/chart"];

/// What Excel writes for a number that it could not calculate.
const NO_NUMBERS: [&str; 7] = ["#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"];

/// Limit on the unpacked bytes of the parts; larger packages stay unchanged.
const PARTS_BYTES_MAX: u64 = 64 << 20;

/// Parts of a package by index: its name and its text.
type Parts = BTreeMap<usize, (String, String)>;

/// Returns the package for its reader; `None` if it needs no change.
pub(crate) fn prepared(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let Names { names, are_changed } = Names::canonical(&mut archive)?;
    let mut changed = Parts::new();
    let mut texts = read_texts(&mut archive, &names, &mut changed)?;
    if let Some(document) = texts.remove(DOCUMENT) {
        word(document, &mut texts, &mut changed);
    }
    if texts.contains_key(WORKBOOK) {
        workbook(&names, &mut texts, &mut changed);
    }
    for (name, (index, text)) in texts {
        let text = if name.starts_with(SLIDES) && text.contains("<a:br") {
            without_breaks(&text)
        } else if CHARTS.iter().any(|charts| name.starts_with(charts))
            && let Cow::Owned(text) = without_no_numbers(&text)
        {
            text
        } else {
            continue;
        };
        changed.insert(index, (name, text));
    }
    let is_changed = are_changed || !changed.is_empty();
    if is_changed { rewritten(archive, &names, &changed) } else { None }
}

/// Parts that may need a change by name: their index and text.
type Texts = BTreeMap<String, (usize, String)>;

/// Prepares the parts of a Word document.
fn word((index, document): (usize, String), texts: &mut Texts, changed: &mut Parts) {
    let styles = texts.remove(STYLES);
    let stated = styles.as_ref().map_or("", |(_, text)| text);
    let comments = texts.remove(COMMENTS).map(|(_, text)| body::comments(&text));
    let comments = comments.unwrap_or_default();
    let hidden = body::hidden_styles(stated);
    let mut text = body::prepared(&document, &hidden, &comments);
    if text.contains("<m:oMath") {
        text = Cow::Owned(formula::replace(&text));
    }
    if let Some((at, styles)) = styles {
        let numbers = texts.remove(NUMBERING).map(|(_, text)| text).unwrap_or_default();
        let numbered = numbering::numbered(&text, &styles, &numbers);
        if numbered.styles != styles {
            changed.insert(at, (STYLES.to_owned(), numbered.styles));
        }
        text = Cow::Owned(numbered.document);
    }
    if *text != document {
        changed.insert(index, (DOCUMENT.to_owned(), text.into_owned()));
    }
    for name in NOTES {
        if let Some((index, notes)) = texts.remove(name)
            && let Cow::Owned(text) = body::prepared(&notes, &hidden, &BTreeMap::new())
        {
            changed.insert(index, (name.to_owned(), text));
        }
    }
}

/// Prepares the sheets of a workbook.
fn workbook(names: &[String], texts: &mut Texts, changed: &mut Parts) {
    let workbook = texts.remove(WORKBOOK).map(|(_, text)| text).unwrap_or_default();
    let styles = texts.remove(FORMATS).map(|(_, text)| text).unwrap_or_default();
    let formats = sheets::Formats::read(&workbook, &styles);
    // Comments on empty cells would be lost with them.
    let has_comments = names.iter().any(|name| name.starts_with("xl/") && name.contains("omment"));
    for (name, (index, text)) in std::mem::take(texts) {
        if !name.starts_with(SHEETS) {
            texts.insert(name, (index, text));
        } else {
            // Unpacking once is enough, even if nothing is changed.
            changed.insert(index, (name, sheets::shown(&text, &formats, has_comments)));
        }
    }
}

/// Unpacks the parts that may need a change, by name; `None` if they are too large. Those whose
/// prefixes are not the usual ones are changed.
fn read_texts(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    names: &[String],
    changed: &mut Parts,
) -> Option<Texts> {
    const KNOWN: [&str; 6] = [DOCUMENT, STYLES, NUMBERING, COMMENTS, WORKBOOK, FORMATS];
    let mut texts = BTreeMap::new();
    let mut left = PARTS_BYTES_MAX;
    let mut is_foreign = false;
    // The main part first: if its prefixes are the usual ones, so are those of the others.
    let is_main = |name: &str| [DOCUMENT, WORKBOOK, PRESENTATION].contains(&name);
    let mut order: Vec<_> = names.iter().enumerate().collect();
    order.sort_by_key(|(_, name)| !is_main(name));
    for (index, name) in order {
        let name = name.as_str();
        let is_sheet = name.starts_with(SHEETS) && name.ends_with(".xml");
        let is_known = KNOWN.contains(&name) || NOTES.contains(&name) || is_main(name);
        let is_chart = CHARTS.iter().any(|charts| name.starts_with(charts));
        let is_slide = name.starts_with(SLIDES);
        let is_other = is_foreign && name.ends_with(".xml");
        if !(is_known || is_sheet || is_chart || is_slide || is_other) {
            continue;
        }
        let Ok(part) = archive.by_index(index) else { continue };
        let mut text = String::new();
        if part.take(left).read_to_string(&mut text).is_err() {
            continue;
        }
        left = left.checked_sub(text.len() as u64).filter(|&left| left > 0)?;
        if (is_main(name) || is_foreign)
            && let Cow::Owned(usual) = names::with_usual_prefixes(&text)
        {
            is_foreign = true;
            changed.insert(index, (name.to_owned(), usual.clone()));
            text = usual;
        }
        texts.insert(name.to_owned(), (index, text));
    }
    Some(texts)
}

/// Writes the package again; changed parts are not compressed, as they are read next.
fn rewritten(
    mut archive: ZipArchive<Cursor<&[u8]>>,
    names: &[String],
    changed: &Parts,
) -> Option<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        match changed.get(&index) {
            Some((name, text)) => {
                writer.start_file(name.as_str(), stored).ok()?;
                writer.write_all(text.as_bytes()).ok()?;
            }
            None => {
                let name = names.get(index)?.as_str();
                writer.raw_copy_file_rename(archive.by_index_raw(index).ok()?, name).ok()?;
            }
        }
    }
    Some(writer.finish().ok()?.into_inner())
}

/// Removes the errors in place of a chart's numbers.
fn without_no_numbers(chart: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(chart);
    if chart.contains("<c:v>#") {
        for error in NO_NUMBERS {
            text = Cow::Owned(text.replace(&format!("<c:v>{error}</c:v>"), "<c:v></c:v>"));
        }
    }
    text
}

/// Adds a space before the text that follows a line break, to keep its words apart.
fn without_breaks(slide: &str) -> String {
    const TEXT: &str = "<a:t>";
    let mut rendered = String::with_capacity(slide.len());
    let mut parts = slide.split("<a:br");
    rendered.push_str(parts.next().unwrap_or_default());
    for part in parts {
        rendered.push_str("<a:br");
        match part.split_once(TEXT) {
            Some((before, after)) if !before.contains("</a:p>") => {
                rendered.push_str(before);
                rendered.push_str(TEXT);
                rendered.push(' ');
                rendered.push_str(after);
            }
            _ => rendered.push_str(part),
        }
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_without_a_number_is_read() {
        let chart = "<c:pt idx=\"0\"><c:v>#N/A</c:v></c:pt><c:pt idx=\"1\"><c:v>#1</c:v></c:pt>";
        assert_eq!(
            without_no_numbers(chart),
            "<c:pt idx=\"0\"><c:v></c:v></c:pt><c:pt idx=\"1\"><c:v>#1</c:v></c:pt>"
        );
    }

    #[test]
    fn words_around_a_break_stay_apart() {
        assert_eq!(
            without_breaks(
                "<a:t>a</a:t><a:br/><a:r><a:t>b</a:t></a:r></a:p><a:br></a:br></a:p><a:t>c</a:t>"
            ),
            "<a:t>a</a:t><a:br/><a:r><a:t> b</a:t></a:r></a:p><a:br></a:br></a:p><a:t>c</a:t>"
        );
    }
}

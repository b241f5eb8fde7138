//! Prepares Office packages for their reader: adds what it ignores to their text, and removes what
//! only costs it time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::formula;
use super::numbering;

/// The part that holds the text of a Word document.
const DOCUMENT: &str = "word/document.xml";

/// The styles, and the numbering of paragraphs.
const STYLES: &str = "word/styles.xml";
const NUMBERING: &str = "word/numbering.xml";

/// Slides of a presentation.
const SLIDES: &str = "ppt/slides/slide";

/// Sheets of a workbook.
const SHEETS: &str = "xl/worksheets/sheet";

/// Charts, of which one bad number would make the document fail.
const CHARTS: [&str; 2] = ["word/charts/chart", "ppt/charts/chart"];

/// What Excel writes for a number that it could not calculate.
const NO_NUMBERS: [&str; 7] = ["#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"];

/// Limit on the unpacked bytes of the parts; larger packages stay unchanged.
const PARTS_BYTES_MAX: u64 = 64 << 20;

/// Unpacked bytes of a sheet from which on removing its empty cells is worth it.
const SHEET_BYTES_MIN: u64 = 32 << 10;

/// Changed parts of a package, by index.
type Changed = BTreeMap<usize, (String, String)>;

/// Returns the package for its reader; `None` if it needs no change.
pub(crate) fn prepared(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut texts = read_texts(&mut archive)?;
    let mut changed = Changed::new();
    if let Some((index, mut document)) = texts.remove(DOCUMENT) {
        let mut is_changed = document.contains("<m:oMath");
        if is_changed {
            document = formula::replace(&document);
        }
        if let Some((at, styles)) = texts.remove(STYLES) {
            let numbers = texts.remove(NUMBERING).map(|(_, text)| text).unwrap_or_default();
            let numbered = numbering::numbered(&document, &styles, &numbers);
            if numbered.styles != styles {
                changed.insert(at, (STYLES.to_owned(), numbered.styles));
            }
            is_changed |= numbered.document != document;
            document = numbered.document;
        }
        if is_changed {
            changed.insert(index, (DOCUMENT.to_owned(), document));
        }
    }
    for (name, (index, text)) in texts {
        if name.starts_with(SLIDES) && text.contains("<a:br") {
            changed.insert(index, (name, without_breaks(&text)));
        } else if name.starts_with(SHEETS) {
            // Unpacking once is enough, even if nothing is removed.
            let text = without_empty_cells(&text).unwrap_or(text);
            changed.insert(index, (name, text));
        } else if CHARTS.iter().any(|charts| name.starts_with(charts))
            && let Cow::Owned(text) = without_no_numbers(&text)
        {
            changed.insert(index, (name, text));
        }
    }
    if changed.is_empty() { None } else { rewritten(archive, &changed) }
}

/// Unpacks the parts that may need a change, by name; `None` if they are too large.
fn read_texts(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
) -> Option<BTreeMap<String, (usize, String)>> {
    let names: Vec<_> = archive.file_names().flatten().map(|name| name.into_owned()).collect();
    // Comments on empty cells would be lost with them.
    let has_comments = names.iter().any(|name| name.starts_with("xl/") && name.contains("omment"));
    let mut texts = BTreeMap::new();
    let mut left = PARTS_BYTES_MAX;
    for name in names {
        let is_sheet = name.starts_with(SHEETS) && !has_comments;
        let is_known = [DOCUMENT, STYLES, NUMBERING].contains(&name.as_str());
        let is_chart = CHARTS.iter().any(|charts| name.starts_with(charts));
        if !(is_known || is_sheet || is_chart || name.starts_with(SLIDES)) {
            continue;
        }
        let Some(index) = archive.index_for_name(&name) else { continue };
        let Ok(part) = archive.by_index(index) else { continue };
        if is_sheet && part.size() < SHEET_BYTES_MIN {
            continue;
        }
        let mut text = String::new();
        if part.take(left).read_to_string(&mut text).is_err() {
            continue;
        }
        left = left.checked_sub(text.len() as u64).filter(|&left| left > 0)?;
        texts.insert(name, (index, text));
    }
    Some(texts)
}

/// Writes the package again; changed parts are not compressed, as they are read next.
fn rewritten(mut archive: ZipArchive<Cursor<&[u8]>>, changed: &Changed) -> Option<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        match changed.get(&index) {
            Some((name, text)) => {
                writer.start_file(name.as_str(), stored).ok()?;
                writer.write_all(text.as_bytes()).ok()?;
            }
            None => writer.raw_copy_file(archive.by_index_raw(index).ok()?).ok()?,
        }
    }
    Some(writer.finish().ok()?.into_inner())
}

/// Removes cells that have a format and no content, of which programs write millions; `None` if
/// there are few.
fn without_empty_cells(sheet: &str) -> Option<String> {
    const CELL: &str = "<c r=";
    const END: &str = "</c>";
    let mut text = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some(start) = rest.find(CELL) {
        let tag_end = start + rest[start..].find('>')? + 1;
        let is_empty = rest[..tag_end].ends_with("/>");
        let end = if is_empty {
            tag_end
        } else if rest[tag_end..].starts_with(END) {
            tag_end + END.len()
        } else {
            text.push_str(&rest[..tag_end]);
            rest = &rest[tag_end..];
            continue;
        };
        text.push_str(&rest[..start]);
        rest = &rest[end..];
    }
    text.push_str(rest);
    (text.len() < sheet.len()).then_some(text)
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
    fn cells_with_content_stay() {
        let rows = "<row r=\"1\"><c r=\"A1\" s=\"5\"/><c r=\"B1\"><v>1</v></c><c r=\"C1\"></c></row>\
                    <c s=\"1\"/><c r=\"D1\" t=\"inlineStr\"><is><t>x</t></is></c>";
        assert_eq!(
            without_empty_cells(rows).as_deref(),
            Some(
                "<row r=\"1\"><c r=\"B1\"><v>1</v></c></row>\
                 <c s=\"1\"/><c r=\"D1\" t=\"inlineStr\"><is><t>x</t></is></c>"
            )
        );
        assert_eq!(without_empty_cells("<c r=\"A1\"><v>1</v></c>"), None);
        assert_eq!(without_empty_cells("<c r=\"A1\""), None);
    }

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

//! Sheets of workbooks with the numbers that they show, before their reader sees them.
//!
//! After SpreadsheetML (ECMA-376, part 1, section 18.3): a number becomes a text, as the format of
//! its cell shows it.

use super::number::NumberFormats;
use crate::xml::{self, Part};

/// What decides how numbers are shown.
#[derive(Debug, Default)]
pub(super) struct Formats {
    numbers: NumberFormats,
    /// Number format by the style of a cell.
    styles: Vec<u32>,
}

impl Formats {
    /// Reads the workbook and its styles. What precedes an error is kept.
    pub(super) fn read(workbook: &str, styles: &str) -> Self {
        let mut formats = Self::default();
        let _ = xml::read(workbook, |part| {
            if let Part::Start(element) = part
                && element.name == "workbookPr"
            {
                let is_1904 = element.attribute("date1904");
                formats.numbers.is_1904 =
                    is_1904.is_some_and(|value| matches!(value, "1" | "true"));
                return false;
            }
            true
        });
        let mut is_cell = false;
        let _ = xml::read(styles, |part| {
            match part {
                Part::Start(element) => match element.name.as_str() {
                    "numFmt" => {
                        let id = element.attribute("numFmtId").and_then(|id| id.parse().ok());
                        if let (Some(id), Some(code)) = (id, element.attribute("formatCode")) {
                            formats.numbers.insert(id, code);
                        }
                    }
                    "cellXfs" => is_cell = true,
                    "xf" if is_cell => {
                        let id = element.attribute("numFmtId").and_then(|id| id.parse().ok());
                        formats.styles.push(id.unwrap_or(0));
                    }
                    _ => {}
                },
                Part::End("cellXfs") => is_cell = false,
                Part::End(_) | Part::Text(_) => {}
            }
            true
        });
        formats
    }

    fn shown(&self, value: f64, style: Option<&str>) -> String {
        let style = style.and_then(|style| style.parse::<usize>().ok());
        let format = style.and_then(|style| self.styles.get(style)).copied().unwrap_or(0);
        self.numbers.shown(value, format)
    }
}

/// Returns a sheet whose numbers are texts, and, unless it has comments, without the cells that
/// have a format and no content, of which programs write millions.
pub(super) fn shown(sheet: &str, formats: &Formats, has_comments: bool) -> String {
    const CELL: &str = "<c ";
    const END: &str = "</c>";
    let mut text = String::with_capacity(sheet.len() + sheet.len() / 8);
    let mut rest = sheet;
    while let Some(start) = rest.find(CELL) {
        let Some(tag_end) = rest[start..].find('>').map(|end| start + end + 1) else { break };
        let tag = &rest[start..tag_end];
        let length = if tag.ends_with("/>") { Some(0) } else { rest[tag_end..].find(END) };
        let Some(length) = length else { break };
        let content = &rest[tag_end..tag_end + length];
        let end = if tag.ends_with("/>") { tag_end } else { tag_end + length + END.len() };
        text.push_str(&rest[..start]);
        if content.is_empty() && !has_comments && tag.contains("r=") {
        } else if let Some(value) = as_text(tag, content, formats) {
            let place = attribute(tag, "r").map(|place| format!(" r=\"{place}\""));
            text.push_str(&format!("<c{} t=\"str\"><v>", place.unwrap_or_default()));
            text.push_str(&quick_xml::escape::partial_escape(value.as_str()));
            text.push_str("</v></c>");
        } else {
            text.push_str(&rest[start..end]);
        }
        rest = &rest[end..];
    }
    text.push_str(rest);
    text
}

/// Returns a number as its cell shows it, if that is another text than the one in the file.
fn as_text(tag: &str, content: &str, formats: &Formats) -> Option<String> {
    if attribute(tag, "t").is_some_and(|kind| kind != "n") {
        return None;
    }
    let (_, value) = content.split_once("<v")?;
    let (_, value) = value.split_once('>')?;
    let (value, _) = value.split_once("</v>")?;
    let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
    let shown = formats.shown(number, attribute(tag, "s"));
    (shown != value).then_some(shown)
}

/// Returns an attribute without a prefix of a start tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_ascii_whitespace().skip(1).find_map(|attribute| {
        let value = attribute.strip_prefix(name)?.strip_prefix('=')?;
        value.split(['"', '\'']).nth(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_shown_and_cells_with_content_stay() {
        let styles = "<styleSheet><numFmts><numFmt numFmtId='170' formatCode='0.0&quot; m&quot;'/>\
                      </numFmts><cellStyleXfs><xf numFmtId='9'/></cellStyleXfs>\
                      <cellXfs><xf/><xf numFmtId='170'/><xf numFmtId='10'/></cellXfs></styleSheet>";
        let formats = Formats::read("<workbook><workbookPr/></workbook>", styles);
        let rows = "<row r=\"1\"><c r=\"A1\" s=\"5\"/><c r=\"B1\"><v>1</v></c><c r=\"C1\"></c></row>\
                    <c s=\"1\"/><c r=\"D1\" t=\"inlineStr\"><is><t>x</t></is></c><cols/>\
                    <c r=\"E1\" s=\"1\"><f>A1&lt;2</f><v>2.25</v></c><c s=\"2\" r=\"F1\"><v>0.5</v></c>\
                    <c r=\"G1\" t=\"n\"><v>7.0000000000000007E-2</v></c><c r=\"H1\" t=\"s\"><v>0</v></c>";
        assert_eq!(
            shown(rows, &formats, false),
            "<row r=\"1\"><c r=\"B1\"><v>1</v></c></row>\
             <c s=\"1\"/><c r=\"D1\" t=\"inlineStr\"><is><t>x</t></is></c><cols/>\
             <c r=\"E1\" t=\"str\"><v>2.3 m</v></c><c r=\"F1\" t=\"str\"><v>50.00%</v></c>\
             <c r=\"G1\" t=\"str\"><v>0.07</v></c><c r=\"H1\" t=\"s\"><v>0</v></c>"
        );
        let cut = "<c r=\"A1\"><v>1.50000000000000001";
        assert_eq!(shown(cut, &formats, false), cut);
        assert!(shown("<c r=\"A1\"/>", &formats, true).contains("A1"));
    }
}

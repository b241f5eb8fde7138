//! Charts of Excel workbooks as tables under the sheet that shows them: their reader ignores them.
//!
//! After DrawingML charts (ECMA-376, part 1, section 21.2): title, categories and series, as the
//! workbook keeps them.

use std::collections::BTreeMap;

use undoc::{Block, Cell, Document, Paragraph, Row, Section, Table};

use super::number;
use super::relations::{self, Relations};
use crate::package::Package;
use crate::xml::{self, Part};

/// The part of a workbook that names its sheets.
const WORKBOOK: &str = "xl/workbook.xml";

/// Limit on the points of a series.
const POINTS_MAX: usize = 10_000;

/// Limit on the charts of a workbook.
const CHARTS_MAX: usize = 1_000;

/// Points of a series by index.
type Points = BTreeMap<usize, String>;

#[derive(Debug, Default)]
struct Series {
    name: String,
    values: Points,
}

#[derive(Debug, Default)]
struct Chart {
    title: String,
    categories: Points,
    series: Vec<Series>,
}

/// Adds the charts of a workbook to the sheets of its document. Unreadable ones are left out, like
/// pictures.
pub(crate) fn add(document: &mut Document, uri: &str, bytes: Vec<u8>) {
    let Ok(mut package) = Package::open(uri, bytes) else { return };
    if !package.has_below("xl/charts/") {
        return;
    }
    let mut left = CHARTS_MAX;
    let targets = relations(&mut package, WORKBOOK);
    for (name, id) in sheets(&mut package) {
        let Some((_, sheet)) = targets.get(&id) else { continue };
        let mut found = Vec::new();
        for drawing in related(&mut package, sheet, "/drawing") {
            for chart in related(&mut package, &drawing, "/chart").into_iter().take(left) {
                left -= 1;
                found.extend(text(&mut package, &chart).and_then(|text| read(&text)));
            }
        }
        let Some(section) = section(document, &name) else { continue };
        for chart in found {
            if !chart.title.is_empty() {
                section.add_paragraph(Paragraph::with_text(chart.title.clone()));
            }
            section.add_block(Block::Table(table(&chart)));
        }
    }
}

fn section<'a>(document: &'a mut Document, name: &str) -> Option<&'a mut Section> {
    document.sections.iter_mut().find(|section| section.name.as_deref() == Some(name))
}

fn text(package: &mut Package<'_>, name: &str) -> Option<String> {
    String::from_utf8(package.read(name).ok()?).ok()
}

/// Returns the names of the sheets with the ids of their parts, in their order.
fn sheets(package: &mut Package<'_>) -> Vec<(String, String)> {
    let mut sheets = Vec::new();
    let text = text(package, WORKBOOK).unwrap_or_default();
    // What precedes an error is kept.
    let _ = xml::read(&text, |part| {
        if let Part::Start(element) = part
            && element.name == "sheet"
            && let (Some(name), Some(id)) = (element.attribute("name"), element.attribute("id"))
        {
            sheets.push((name.to_owned(), id.to_owned()));
        }
        true
    });
    sheets
}

/// Returns what a part refers to.
fn relations(package: &mut Package<'_>, part: &str) -> Relations {
    let text = text(package, &relations::part_of(part)).unwrap_or_default();
    relations::read(part, &text)
}

/// Returns the parts of one kind to which a part refers.
fn related(package: &mut Package<'_>, part: &str, kind: &str) -> Vec<String> {
    relations::of_kind(relations(package, part), kind).collect()
}

/// Reads a chart; `None` if it shows nothing.
fn read(text: &str) -> Option<Chart> {
    let mut chart = Chart::default();
    let mut open: Vec<String> = Vec::new();
    let mut point = 0;
    let _ = xml::read(text, |part| {
        match part {
            Part::Start(element) => {
                match element.name.as_str() {
                    "ser" => chart.series.push(Series::default()),
                    "pt" => {
                        let index = element.attribute("idx").and_then(|index| index.parse().ok());
                        point = index.unwrap_or(0);
                    }
                    _ => {}
                }
                open.push(element.name);
            }
            Part::End(_) => {
                open.pop();
            }
            Part::Text(text) => put(&mut chart, &open, point, text),
        }
        true
    });
    chart.title = chart.title.split_whitespace().collect::<Vec<_>>().join(" ");
    let has_values = chart.series.iter().any(|series| !series.values.is_empty());
    has_values.then_some(chart)
}

/// Stores a piece of text according to the elements around it.
fn put(chart: &mut Chart, open: &[String], point: usize, text: &str) {
    let is_in = |name: &str| open.iter().any(|element| element == name);
    let last = open.last().map_or("", String::as_str);
    if !is_in("ser") {
        let is_title = open.get(1).is_some_and(|name| name == "chart")
            && open.get(2).is_some_and(|name| name == "title");
        if is_title && matches!(last, "t" | "v") {
            chart.title.push_str(text);
        }
        return;
    }
    let is_first = chart.series.len() == 1;
    let Some(series) = chart.series.last_mut() else { return };
    let points = if last != "v" {
        return;
    } else if is_in("val") || is_in("yVal") {
        &mut series.values
    } else if (is_in("cat") || is_in("xVal")) && is_first {
        &mut chart.categories
    } else if is_in("tx") {
        series.name.push_str(text);
        return;
    } else {
        return;
    };
    if point < POINTS_MAX {
        let number = text.parse().map(number::general);
        points.entry(point).or_default().push_str(number.as_deref().unwrap_or(text));
    }
}

/// A row for each category, a column for each series.
fn table(chart: &Chart) -> Table {
    let mut table = Table::new();
    let names = chart.series.iter().map(|series| Cell::header(series.name.clone()));
    table.add_row(Row::header(std::iter::once(Cell::header("")).chain(names).collect()));
    let lines = chart.series.iter().map(|series| &series.values).chain([&chart.categories]);
    let rows = lines.filter_map(|points| points.keys().last()).max().map_or(0, |last| last + 1);
    for index in 0..rows {
        let rendered = |points: &Points| points.get(&index).cloned().unwrap_or_default();
        let values = chart.series.iter().map(|series| rendered(&series.values));
        let cells: Vec<_> = std::iter::once(rendered(&chart.categories)).chain(values).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let cells = cells.into_iter().map(Cell::with_text).collect();
            table.add_row(Row { cells, is_header: false, height: None });
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_becomes_a_table() {
        let text = "<c:chartSpace><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Ducks &amp; </a:t></a:r>\
            <a:r><a:t>geese</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart>\
            <c:ser><c:idx val=\"0\"/><c:tx><c:strRef><c:f>A!$B$1</c:f><c:strCache><c:pt idx=\"0\">\
            <c:v>Fresh</c:v></c:pt></c:strCache></c:strRef></c:tx>\
            <c:cat><c:strRef><c:f>A!$A$2:$A$4</c:f><c:strCache><c:pt idx=\"0\"><c:v>2019</c:v></c:pt>\
            <c:pt idx=\"2\"><c:v>2021</c:v></c:pt></c:strCache></c:strRef></c:cat>\
            <c:val><c:numRef><c:numCache><c:formatCode>General</c:formatCode><c:pt idx=\"0\"><c:v>120</c:v>\
            </c:pt><c:pt idx=\"2\"><c:v>150</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser>\
            <c:ser><c:tx><c:v>Salt</c:v></c:tx><c:val><c:numLit><c:pt idx=\"2\"><c:v>9</c:v></c:pt>\
            </c:numLit></c:val></c:ser></c:barChart><c:catAx><c:title><c:tx><c:rich><a:p><a:r><a:t>Year</a:t>\
            </a:r></a:p></c:rich></c:tx></c:title></c:catAx></c:plotArea></c:chart></c:chartSpace>";
        let chart = read(text).unwrap();
        assert_eq!(chart.title, "Ducks & geese");
        let rendered: Vec<String> = table(&chart)
            .rows
            .iter()
            .map(|row| row.cells.iter().map(Cell::plain_text).collect::<Vec<_>>().join("|"))
            .collect();
        assert_eq!(rendered, ["|Fresh|Salt", "2019|120|", "2021|150|9"]);
        assert!(read("<c:chartSpace><c:chart><c:title/></c:chart></c:chartSpace>").is_none());
        assert!(read(&text[..500]).is_none());
    }
}

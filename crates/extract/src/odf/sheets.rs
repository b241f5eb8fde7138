//! Renders spreadsheets: a heading for each sheet, and a table for each block of cells in it.
//!
//! Programs fill rows and sheets up with a million empty cells, which are counted and never
//! created.

use std::ops::Range;

use super::{LEFT_OUT, REPEAT_MAX};
use crate::writer::{Writer, escaped};
use crate::xml::{self, Element, Part};
use crate::{TEXT_BYTES_MAX, sheet};

/// Limit on columns and rows, above those of programs: positions beyond are not distinguished.
const COLUMNS_MAX: usize = 16_384;
const ROWS_MAX: usize = 1 << 24;

/// Bytes that a cell takes besides its text.
const CELL_BYTES: usize = 4;

/// Limit on the merged cells that are repeated at a time.
const MERGED_MAX: usize = 1_000;

/// The rendered content of a workbook.
pub(super) struct Workbook {
    pub(super) markdown: String,
    /// Where each sheet begins.
    pub(super) starts: Vec<usize>,
    /// Name of the first sheet.
    pub(super) name: Option<String>,
    /// The limit on the text was reached.
    pub(super) is_full: bool,
}

/// Renders the content of a workbook; the error says where it is not XML.
pub(super) fn render(content: &str) -> Result<Workbook, String> {
    let mut renderer = Renderer {
        writer: Writer::new(TEXT_BYTES_MAX),
        starts: Vec::new(),
        name: None,
        left_out: 0,
        covered_left: sheet::COVERED_MAX,
        sheet: Sheet::default(),
        cells: Vec::new(),
        bytes: 0,
    };
    xml::read(content, |part| renderer.render(part))?;
    let mut is_full = renderer.is_full();
    renderer.sheet.write(&mut renderer.writer);
    is_full |= renderer.writer.is_full();
    let Renderer { starts, name, writer, .. } = renderer;
    Ok(Workbook { markdown: writer.finish(), starts, name, is_full })
}

struct Renderer {
    writer: Writer,
    starts: Vec<usize>,
    name: Option<String>,
    /// Number of open elements that are left out.
    left_out: usize,
    covered_left: usize,
    sheet: Sheet,
    /// The open cell; several if it contains a table.
    cells: Vec<Cell>,
    /// Bytes of cells read so far.
    bytes: usize,
}

/// A cell while it is read.
struct Cell {
    text: String,
    is_covered: bool,
    repeat: usize,
    columns: usize,
    rows: usize,
    /// The texts of links and their targets; the last may be open.
    links: Vec<(Range<usize>, String)>,
}

impl Cell {
    /// Returns its text in one line of Markdown.
    fn rendered(&self) -> String {
        let mut rendered = String::new();
        let mut push = |text: &str, target: Option<&str>| {
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_apart = text.starts_with(char::is_whitespace);
            if !words.is_empty() {
                if is_apart && !rendered.is_empty() && !rendered.ends_with(' ') {
                    rendered.push(' ');
                }
                match target {
                    Some(target) => rendered.push_str(&format!("[{}]({target})", escaped(&words))),
                    None => rendered.push_str(&escaped(&words)),
                }
            }
            if text.ends_with(char::is_whitespace) {
                rendered.push(' ');
            }
        };
        let mut at = 0;
        for (shown, target) in &self.links {
            push(&self.text[at..shown.start], None);
            let target = Some(target.as_str()).filter(|to| to.contains(':'));
            push(&self.text[shown.clone()], target);
            at = shown.end;
        }
        push(&self.text[at..], None);
        rendered.trim().to_owned()
    }
}

impl Renderer {
    fn render(&mut self, part: Part<'_>) -> bool {
        match part {
            Part::Start(element) => self.start(&element),
            Part::End(name) => self.end(name),
            Part::Text(text) => {
                if let Some(cell) = self.cells.last_mut().filter(|_| self.left_out == 0) {
                    cell.text.push_str(text);
                    self.bytes += text.len();
                }
            }
        }
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.writer.is_full() || self.bytes.max(self.sheet.bytes) > TEXT_BYTES_MAX
    }

    fn start(&mut self, element: &Element<'_>) {
        let name = element.name.as_str();
        if self.left_out > 0 || LEFT_OUT.contains(&name) || name == "annotation" {
            self.left_out += 1;
            return;
        }
        let number = |name| {
            let number = element.attribute(name).and_then(|text| text.parse::<usize>().ok());
            number.unwrap_or(1).max(1)
        };
        match name {
            "table" if self.cells.is_empty() => {
                self.sheet.write(&mut self.writer);
                let name = element.attribute("name").unwrap_or_default();
                self.name.get_or_insert_with(|| name.to_owned());
                self.starts.push(self.writer.next_line());
                self.writer.heading(2, &escaped(name));
            }
            "table-row" if self.cells.is_empty() => {
                self.sheet.repeat = number("number-rows-repeated");
            }
            "table-cell" | "covered-table-cell" => self.cells.push(Cell {
                text: String::new(),
                is_covered: name == "covered-table-cell",
                repeat: number("number-columns-repeated"),
                columns: number("number-columns-spanned"),
                rows: number("number-rows-spanned"),
                links: Vec::new(),
            }),
            _ => {
                let Some(cell) = self.cells.last_mut() else { return };
                match name {
                    "p" | "s" | "tab" | "line-break" => cell.text.push(' '),
                    "a" => {
                        let target = element.attribute("href").unwrap_or_default();
                        let start = cell.text.len();
                        cell.links.push((start..start, target.to_owned()));
                    }
                    _ => {}
                }
            }
        }
    }

    fn end(&mut self, name: &str) {
        if self.left_out > 0 {
            self.left_out -= 1;
            return;
        }
        match name {
            "table-cell" | "covered-table-cell" => {
                let Some(cell) = self.cells.pop() else { return };
                match self.cells.last_mut() {
                    Some(around) => {
                        around.text.push(' ');
                        around.text.push_str(&cell.text);
                    }
                    None => self.sheet.add(&cell, &mut self.covered_left),
                }
            }
            "table-row" if self.cells.is_empty() => self.sheet.end_row(),
            "a" => {
                let Some(cell) = self.cells.last_mut() else { return };
                let end = cell.text.len();
                if let Some((shown, _)) = cell.links.last_mut() {
                    shown.end = end;
                }
            }
            _ => {}
        }
    }
}

/// A merged cell that spans further rows.
struct Merged {
    rows: Range<usize>,
    columns: Range<usize>,
    text: String,
}

/// A row of cells that are not empty, by column.
type Row = Vec<(usize, String)>;

/// A sheet while it is read.
#[derive(Default)]
struct Sheet {
    /// Rows that are not empty, by number.
    rows: Vec<(usize, Row)>,
    /// Number of the current row, and how often it is repeated.
    number: usize,
    repeat: usize,
    cells: Row,
    /// Cells of it that repeat merged ones: of this row, and of rows above.
    beside: Vec<(usize, String)>,
    below: Vec<(usize, String)>,
    column: usize,
    merged: Vec<Merged>,
    /// Bytes of the rows, and of the current one; repetitions stop at the limit.
    bytes: usize,
    row_bytes: usize,
}

impl Sheet {
    /// Adds a cell to the row.
    fn add(&mut self, cell: &Cell, covered_left: &mut usize) {
        let text = cell.rendered();
        let start = self.column;
        self.column = start.saturating_add(cell.repeat).min(COLUMNS_MAX);
        if !text.is_empty() {
            let is_merged = cell.columns.max(cell.rows) > 1 && self.merged.len() < MERGED_MAX;
            if is_merged && sheet::is_label(&text) {
                self.merged.push(Merged {
                    rows: self.number..self.number.saturating_add(cell.rows),
                    columns: start..start.saturating_add(cell.columns),
                    text: text.clone(),
                });
            }
            let columns = start..start + cell.repeat.min(REPEAT_MAX);
            if !self.takes((text.len() + CELL_BYTES) * columns.len()) {
                return;
            }
            self.cells.extend(columns.map(|column| (column, text.clone())));
        } else if cell.is_covered {
            for merged in &self.merged {
                let columns = start.max(merged.columns.start)..self.column.min(merged.columns.end);
                let Some(left) = covered_left.checked_sub(columns.len()) else { return };
                if merged.rows.contains(&self.number) {
                    *covered_left = left;
                    let is_beside = merged.rows.start == self.number;
                    let rendered = if is_beside { &mut self.beside } else { &mut self.below };
                    rendered.extend(columns.map(|column| (column, merged.text.clone())));
                }
            }
        }
    }

    fn end_row(&mut self) {
        let (cells, beside, below) = (
            std::mem::take(&mut self.cells),
            std::mem::take(&mut self.beside),
            std::mem::take(&mut self.below),
        );
        let repeat = std::mem::take(&mut self.repeat).max(1);
        let row_bytes = std::mem::take(&mut self.row_bytes);
        let start = self.number;
        self.number = start.saturating_add(repeat).min(ROWS_MAX);
        self.column = 0;
        let number = self.number;
        self.merged.retain(|merged| merged.rows.end > number);
        if cells.is_empty() {
            return;
        }
        // A merged cell that has the row to itself is a title; one is enough.
        let mut row = cells;
        if row.len() > 1 || !below.is_empty() {
            row.extend(beside);
        }
        row.extend(below);
        row.sort_by_key(|(column, _)| *column);
        row.dedup_by_key(|(column, _)| *column);
        let numbers = start..start + repeat.min(REPEAT_MAX);
        if !self.takes(row_bytes * (numbers.len() - 1)) {
            return;
        }
        self.row_bytes = 0;
        self.rows.extend(numbers.map(|number| (number, row.clone())));
        // Omitted repetitions are not a gap.
        self.number = self.number.min(start + repeat.min(REPEAT_MAX));
    }

    /// Counts bytes about to be kept; returns false if they exceed the limit.
    fn takes(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.row_bytes = self.row_bytes.saturating_add(bytes);
        self.bytes <= TEXT_BYTES_MAX
    }

    /// Writes the sheet: a table for each block between empty rows, unless it continues in the same
    /// columns.
    fn write(&mut self, writer: &mut Writer) {
        let rows = std::mem::take(self).rows;
        let columns = |row: &Row| {
            let first = row.first().map_or(0, |(column, _)| *column);
            first..row.last().map_or(first, |(column, _)| column + 1)
        };
        let parts = sheet::parts(rows.iter().map(|(number, row)| (*number, columns(row))));
        for (lines, columns) in parts {
            match &rows[lines] {
                [(_, row)] if row.len() == 1 => writer.paragraph(&row[0].1),
                rows => {
                    let cells = rows.iter().map(|(_, row)| filled(row, &columns));
                    writer.rows(columns.len(), cells);
                }
            }
        }
    }
}

/// Returns the cells of a row in these columns, including the empty ones before its last.
fn filled<'a>(row: &'a Row, columns: &Range<usize>) -> impl Iterator<Item = &'a str> {
    let mut column = columns.start;
    row.iter().flat_map(move |(at, text)| {
        let gap = at - column;
        column = at + 1;
        std::iter::repeat_n("", gap).chain([text.as_str()])
    })
}

//! Tables of reStructuredText: simple ones and grids, and those of the directives `csv-table` and
//! `list-table`.

use kbingest_support::rows;

use super::inline::inline;
use crate::writer::Cells;

/// Reports whether a line begins a table.
pub(super) fn is_table(line: &str) -> bool {
    is_grid(line) || is_border(line)
}

fn is_grid(line: &str) -> bool {
    line.len() > 4 && line.starts_with('+') && line.chars().all(|c| "+-=".contains(c))
}

/// Reports whether a line is a border of a simple table.
fn is_border(line: &str) -> bool {
    line.len() > 4 && line.contains("= ") && line.chars().all(|c| "= ".contains(c))
}

/// Returns the number of lines of a table. A simple one ends with its third border, or with its
/// second if a blank line follows.
pub(super) fn lines(lines: &[&str]) -> usize {
    let first = lines.first().copied().unwrap_or_default();
    let to_blank = || lines.iter().take_while(|line| !line.is_empty()).count();
    if !is_border(first) {
        return to_blank();
    }
    let mut borders = 0;
    for (index, line) in lines
        .iter()
        .enumerate()
        .take_while(|(_, line)| line.is_empty() || !line.starts_with(' ') || line.len() > 1)
    {
        borders += usize::from(is_border(line));
        let ends = lines.get(index + 1).is_none_or(|next| next.is_empty());
        if borders == 3 || borders == 2 && is_border(line) && ends {
            return index + 1;
        }
    }
    to_blank()
}

/// Returns the cells of a table; `None` if Markdown cannot express it.
pub(super) fn cells(lines: &[&str]) -> Option<Cells> {
    if is_grid(lines.first()?) { grid(lines) } else { simple(lines) }
}

/// Columns by the border; a row whose first cell is empty continues the previous one.
fn simple(lines: &[&str]) -> Option<Cells> {
    let border = lines.first()?;
    let mut starts = Vec::new();
    let mut at = 0;
    for part in border.split(' ') {
        if !part.is_empty() {
            starts.push(at);
        }
        at += part.len() + 1;
    }
    if starts.is_empty() {
        return None;
    }
    let mut table = Rows::default();
    let is_text = |(_, line): &(usize, &&str)| !is_border(line) && !line.is_empty();
    for (index, line) in lines.iter().enumerate().filter(is_text) {
        // Joined columns are underlined; cells that exceed their column cannot be separated.
        if line.chars().all(|c| "- ".contains(c)) {
            return None;
        }
        let signs: Vec<char> = line.chars().collect();
        // A line has only the cells that it is long enough for.
        let reached = starts.partition_point(|start| *start < signs.len()).max(1);
        let cells = (0..reached).map(|index| {
            let start = starts[index].min(signs.len());
            let end = starts.get(index + 1).map_or(signs.len(), |end| (*end).min(signs.len()));
            let text: String = signs[start..end].iter().collect();
            inline(text.trim())
        });
        let cells: Vec<String> = cells.collect();
        let is_new = !cells[0].is_empty();
        table.line(index, is_new, cells.into_iter());
    }
    Some(table.finish())
}

/// Cells between bars; `None` if one spans several rows or columns.
fn grid(lines: &[&str]) -> Option<Cells> {
    let border: Vec<char> = lines.first()?.chars().collect();
    let bars: Vec<usize> =
        border.iter().enumerate().filter(|(_, c)| **c == '+').map(|(at, _)| at).collect();
    let mut table = Rows::default();
    let mut is_new = true;
    for (index, line) in lines.iter().enumerate().skip(1) {
        let signs: Vec<char> = line.chars().collect();
        if signs.len() != border.len() {
            return None;
        }
        if is_grid(line) {
            is_new = true;
            continue;
        }
        if bars.iter().any(|&at| signs[at] != '|') {
            return None;
        }
        let cell = |pair: &[usize]| {
            let text: String = signs[pair[0] + 1..pair[1]].iter().collect();
            inline(text.trim())
        };
        table.line(index, std::mem::take(&mut is_new), bars.windows(2).map(cell));
    }
    Some(table.finish())
}

/// Rows that may continue on further lines.
#[derive(Default)]
struct Rows {
    cells: Cells,
    /// The row that may continue.
    last: Vec<String>,
    /// Its first and last line.
    lines: (usize, usize),
}

impl Rows {
    /// Adds a line of cells: a new row, or more of the last one.
    fn line(&mut self, index: usize, is_new: bool, cells: impl Iterator<Item = String>) {
        if is_new || self.last.is_empty() {
            self.end_row();
            self.last = cells.collect();
            self.lines = (index, index);
            return;
        }
        self.lines.1 = index;
        for (index, cell) in cells.enumerate() {
            match self.last.get_mut(index) {
                None => self.last.push(cell),
                Some(_) if cell.is_empty() => {}
                Some(before) => {
                    before.push(' ');
                    before.push_str(&cell);
                }
            }
        }
    }

    fn end_row(&mut self) {
        if !self.last.is_empty() {
            self.cells.at(self.lines.0, self.lines.1);
            self.cells.push_row(std::mem::take(&mut self.last));
        }
    }

    /// Returns the rows.
    fn finish(mut self) -> Cells {
        self.end_row();
        self.cells
    }
}

/// Returns the cells of a `csv-table`.
pub(super) fn separated(header: Option<&str>, content: &[&str]) -> Cells {
    let text = header.into_iter().chain(content.iter().copied()).collect::<Vec<_>>().join("\n");
    let mut cells = Cells::default();
    let headers = usize::from(header.is_some());
    rows::each(&text, b',', |row, lines| {
        cells.at(lines.0.saturating_sub(headers), lines.1.saturating_sub(headers));
        cells.push_row(row.iter().map(|cell| inline(cell.trim())));
        true
    });
    cells
}

/// Returns the cells of a `list-table`: a list of lists; `None` if a cell has more than a
/// paragraph.
pub(super) fn listed(content: &[&str]) -> Option<Cells> {
    let mut cells = Cells::default();
    let mut has_row = false;
    for (index, line) in content.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let row = line.strip_prefix("* ");
        let inner = row.unwrap_or(line).trim_start();
        let cell = (inner == "-").then_some("").or_else(|| inner.strip_prefix("- "));
        match (row, cell) {
            (Some(_), Some(cell)) => {
                if std::mem::replace(&mut has_row, true) {
                    cells.end_row();
                }
                cells.at(index, index);
                cells.push(&inline(cell.trim()));
            }
            (None, Some(cell)) if has_row && line.starts_with("  -") => {
                cells.at(index, index);
                cells.push(&inline(cell.trim()));
            }
            (None, None) if line.starts_with("    ") && !inner.starts_with([':', '.', '*']) => {
                cells.at(index, index);
                if !cells.continue_cell(&inline(inner)) {
                    return None;
                }
            }
            _ => return None,
        }
    }
    cells.end_row();
    has_row.then_some(cells)
}

//! Tables of AsciiDoc: cells in a row, one a line, or as values between separators.

use std::borrow::Cow;

use kbingest_support::rows;

use super::inline;
use crate::writer::Cells;

/// Limit on the columns that a cell spans, and on its copies.
const SPAN_MAX: usize = 100;

/// Limit on the cells of a table, including those repeated by spans.
const CELLS_MAX: usize = 1_000_000;

/// What the line before a table says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Number of columns, if stated.
    columns: Option<usize>,
    /// What separates values, if the cells are no cells of AsciiDoc.
    separator: Option<u8>,
}

impl Settings {
    /// Reads `[cols="1,2*",format=csv]`.
    pub(super) fn of(line: &str) -> Self {
        let value = |key: &str| {
            let (_, rest) = line.split_once(&format!("{key}="))?;
            Some(match rest.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default(),
                None => rest.split([',', ']']).next().unwrap_or_default(),
            })
        };
        let columns = value("cols").map(|columns| {
            let count =
                |one: &str| one.split_once('*').map_or(1, |(n, _)| n.trim().parse().unwrap_or(1));
            // A number alone is that of the columns; otherwise each has a width.
            let stated: Option<usize> = columns.trim().parse().ok();
            stated.unwrap_or_else(|| columns.split([',', ';']).map(count).sum()).min(SPAN_MAX)
        });
        let separator = match value("format") {
            Some("csv") => Some(b','),
            Some("tsv") => Some(b'\t'),
            Some("dsv") => Some(b':'),
            _ => None,
        };
        Self { columns: columns.filter(|&count| count > 0), separator }
    }
}

/// A cell as written.
#[derive(Debug, Default)]
struct Cell {
    text: String,
    copies: usize,
    columns: usize,
    rows: usize,
    /// Its first and last line in the table.
    lines: (usize, usize),
}

impl Cell {
    /// Returns the number of columns that it and its copies take.
    fn width(&self) -> usize {
        self.copies * self.columns
    }
}

/// Returns the cells of the table with this delimiter.
pub(super) fn cells(delimiter: &str, settings: &Settings, block: &[Cow<'_, str>]) -> Cells {
    let by_delimiter = match delimiter.chars().next() {
        Some(',') => Some(b','),
        Some(':') => Some(b':'),
        _ => None,
    };
    if let Some(separator) = settings.separator.or(by_delimiter) {
        return values(separator, block);
    }
    let bar = if delimiter.starts_with('!') { '!' } else { '|' };
    let (cells, first_line, first_group) = written(bar, block);
    // The first line has a cell for each column; if it has one only, so have the lines up to the
    // first blank one.
    let columns = settings.columns.unwrap_or(if first_line > 1 { first_line } else { first_group });
    arranged(cells, columns.max(1))
}

fn values(separator: u8, block: &[Cow<'_, str>]) -> Cells {
    let mut table = Cells::default();
    rows::each(&block.join("\n"), separator, |row, (first, last)| {
        table.at(first, last);
        table.push_row(row.iter().map(|cell| inline(cell.trim())));
        true
    });
    table
}

/// Returns the cells, how many columns those on the first line have, and those before the first
/// blank line after it.
fn written(bar: char, block: &[Cow<'_, str>]) -> (Vec<Cell>, usize, usize) {
    let mut cells: Vec<Cell> = Vec::new();
    let (mut first_line, mut first_group) = (0, None);
    for (index, line) in block.iter().enumerate() {
        let columns = |cells: &[Cell]| cells.iter().map(Cell::width).sum::<usize>();
        if line.is_empty() && !cells.is_empty() {
            first_group.get_or_insert_with(|| columns(&cells));
        }
        let mut parts = split(line, bar).peekable();
        let mut head = parts.next().unwrap_or_default();
        let mut is_start = true;
        // Before a bar is the format of the cell after it, or more of the cell before.
        loop {
            let is_last = parts.peek().is_none();
            let (text, format) = if is_last { (head, "") } else { without_format(head, is_start) };
            if let Some(cell) = cells.last_mut()
                && !text.trim().is_empty()
            {
                cell.text.push(' ');
                cell.text.push_str(text.trim());
                cell.lines.1 = index;
            }
            let Some(next) = parts.next() else { break };
            let (copies, columns, rows) = spans(format);
            let lines = (index, index);
            cells.push(Cell { text: String::new(), copies, columns, rows, lines });
            (head, is_start) = (next, false);
        }
        if first_line == 0 {
            first_line = columns(&cells);
        }
        if cells.len() > CELLS_MAX {
            break;
        }
    }
    let all = cells.iter().map(Cell::width).sum();
    (cells, first_line, first_group.unwrap_or(all))
}

/// Splits a line at its bars; `\|` is a sign.
fn split(line: &str, bar: char) -> impl Iterator<Item = &str> {
    let mut before = ' ';
    line.split(move |c: char| {
        let is_bar = c == bar && before != '\\';
        before = c;
        is_bar
    })
}

/// Splits off the format of the next cell, as in `2+^.>s`, from the end of a text. After a bar it
/// follows a blank; a letter alone is one at the start of a line only.
fn without_format(text: &str, is_start: bool) -> (&str, &str) {
    let word = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let mut rest = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let has_span = rest.len() < word.len() && rest.starts_with(['+', '*']);
    if has_span {
        rest = &rest[1..];
    }
    let after = rest.trim_start_matches(['<', '^', '>', '.']);
    let is_aligned = after.len() < rest.len();
    let has_style = after.len() == 1 && "aehlmdsv".contains(after);
    let is_alone = word.len() == text.trim_start().len();
    if is_alone && !is_start && word.len() == text.len() {
        return (text, "");
    }
    let is_format = (after.is_empty() || has_style)
        && (has_span
            || is_aligned && rest.len() == word.len()
            || has_style && is_alone && is_start);
    if is_format { (&text[..text.len() - word.len()], word) } else { (text, "") }
}

/// Returns copies, columns and rows of a format.
fn spans(format: &str) -> (usize, usize, usize) {
    let number = |text: &str| text.parse::<usize>().unwrap_or(1).clamp(1, SPAN_MAX);
    if let Some((copies, _)) = format.split_once('*') {
        return (number(copies), 1, 1);
    }
    let Some((span, _)) = format.split_once('+') else { return (1, 1, 1) };
    let (columns, rows) = span.split_once('.').unwrap_or((span, ""));
    (1, number(columns), number(rows))
}

/// Arranges cells in rows; one that spans several places is repeated, so that each row is complete.
fn arranged(cells: Vec<Cell>, columns: usize) -> Cells {
    let mut table = Cells::default();
    // Texts that reach down into the next rows, by column.
    let mut reaching: Vec<(usize, String)> = vec![(0, String::new()); columns];
    let mut column = 0;
    let mut count = 0;
    for cell in cells {
        let text = inline(cell.text.trim());
        for _ in 0..cell.width().min(columns * cell.copies) {
            column = reach(&mut table, &mut reaching, column);
            table.at(cell.lines.0, cell.lines.1);
            table.push(&text);
            if cell.rows > 1 {
                reaching[column] = (cell.rows - 1, text.clone());
            }
            column += 1;
            count += 1;
            if column == columns {
                table.end_row();
                column = 0;
            }
        }
        if count > CELLS_MAX {
            break;
        }
    }
    if column > 0 {
        table.end_row();
    }
    table
}

/// Fills the next columns with the cells that reach them; returns the first free one.
fn reach(table: &mut Cells, reaching: &mut [(usize, String)], mut column: usize) -> usize {
    // A row of nothing but such cells ends, too.
    for _ in 0..reaching.len() * 2 {
        let (rows, text) = &mut reaching[column];
        if *rows == 0 {
            break;
        }
        *rows -= 1;
        table.push(text);
        column += 1;
        if column == reaching.len() {
            table.end_row();
            column = 0;
        }
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_arranged_in_rows() {
        let check = |delimiter: &str, settings: &str, text: &str, expected: &str| {
            let block: Vec<_> = text.lines().map(Cow::Borrowed).collect();
            let cells = cells(delimiter, &Settings::of(settings), &block);
            let rows = cells.rows().map(|row| row.collect::<Vec<_>>().join(" | "));
            assert_eq!(rows.collect::<Vec<_>>().join(" / "), expected, "{text}");
        };
        check("|===", "", "|a |b\n\n|c\n|d\n|e |f", "a | b / c | d / e | f");
        check("|===", "", "|a\n|b\n\n|c\n|d", "a | b / c | d");
        check("|===", "[cols=\"1,2*\"]", "|a\n|b\n|c\n|d\ne\n|f\n|g", "a | b | c / d e | f | g");
        check(
            "|===",
            "",
            "|a |b |c\n2+|wide |d\n.2+|tall |e |f\n|g |h",
            "a | b | c / wide | wide | d / tall | e | f / tall | g | h",
        );
        check("|===", "", "|a |b\n2*|x\n|a\\|b |c", "a | b / x | x / a\\|b | c");
        check("|===", "[cols=2]", "a|rich |s|b\n^|c >s|d", "rich | s / b | c / d");
        check(",===", "", "a,b\n\"c, d\",e", "a | b / c, d | e");
        check("|===", "[%header,format=csv]", "a,b\nc,d", "a | b / c | d");
        check(":===", "", "a:b", "a | b");
    }
}

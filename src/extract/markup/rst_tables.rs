//! Tables of reStructuredText: simple ones and grids, and those of the directives `csv-table` and `list-table`.

use super::rst::inline;

/// Tells whether a line begins a table.
pub(super) fn is_table(line: &str) -> bool {
    is_grid(line) || is_border(line)
}

fn is_grid(line: &str) -> bool {
    line.len() > 4 && line.starts_with('+') && line.chars().all(|c| "+-=".contains(c))
}

/// Tells whether a line is a border of a simple table.
fn is_border(line: &str) -> bool {
    line.len() > 4 && line.contains("= ") && line.chars().all(|c| "= ".contains(c))
}

/// Returns how many lines a table has. A simple one ends with its third border, or with its second where a blank
/// line follows that.
pub(super) fn lines(lines: &[&str]) -> usize {
    let first = lines.first().copied().unwrap_or_default();
    let to_blank = lines.iter().take_while(|line| !line.is_empty()).count();
    if !is_border(first) {
        return to_blank;
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
    to_blank
}

/// Returns the cells of a table; `None` where it is not as plain as Markdown's.
pub(super) fn rows(lines: &[&str]) -> Option<Vec<Vec<String>>> {
    if is_grid(lines.first()?) { grid(lines) } else { simple(lines) }
}

/// Columns by the border; a row whose first cell is empty goes on with the one before.
fn simple(lines: &[&str]) -> Option<Vec<Vec<String>>> {
    let border = lines.first()?;
    let mut columns = Vec::new();
    let mut at = 0;
    for part in border.split(' ') {
        if !part.is_empty() {
            columns.push(at..at + part.len());
        }
        at += part.len() + 1;
    }
    let last = columns.len().checked_sub(1)?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in lines.iter().filter(|line| !is_border(line) && !line.is_empty()) {
        // Columns that are joined are underlined; cells that reach out of theirs cannot be told.
        if line.chars().all(|c| "- ".contains(c)) {
            return None;
        }
        let signs: Vec<char> = line.chars().collect();
        let cell = |index: usize| {
            let start = columns[index].start.min(signs.len());
            let end = if index == last { signs.len() } else { columns[index + 1].start };
            let text: String = signs[start..end.clamp(start, signs.len())].iter().collect();
            inline(text.trim())
        };
        let cells: Vec<String> = (0..=last).map(cell).collect();
        match rows.last_mut().filter(|_| cells[0].is_empty()) {
            Some(row) => go_on(row, cells.into_iter()),
            None => rows.push(cells),
        }
    }
    Some(rows)
}

/// Cells between bars; `None` where one reaches over several rows or columns.
fn grid(lines: &[&str]) -> Option<Vec<Vec<String>>> {
    let border: Vec<char> = lines.first()?.chars().collect();
    let bars: Vec<usize> =
        border.iter().enumerate().filter(|(_, c)| **c == '+').map(|(at, _)| at).collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut is_new = true;
    for line in &lines[1..] {
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
        let cells = bars.windows(2).map(cell);
        if std::mem::take(&mut is_new) {
            rows.push(cells.collect());
        } else if let Some(row) = rows.last_mut() {
            go_on(row, cells);
        }
    }
    Some(rows)
}

/// Adds a further line of its cells to a row.
fn go_on(row: &mut [String], cells: impl Iterator<Item = String>) {
    for (before, cell) in row.iter_mut().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
        before.push(' ');
        before.push_str(&cell);
    }
}

/// Returns the rows of a `csv-table`.
pub(super) fn separated(header: Option<&str>, content: &[&str]) -> Option<Vec<Vec<String>>> {
    let text = header.into_iter().chain(content.iter().copied()).collect::<Vec<_>>().join("\n");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let rows: Result<Vec<Vec<String>>, _> = reader
        .records()
        .map(|record| record.map(|record| record.iter().map(str::to_owned).collect()))
        .collect();
    rows.ok().filter(|rows| !rows.is_empty())
}

/// Returns the rows of a `list-table`: a list of lists; `None` where a cell has more than a paragraph.
pub(super) fn listed(content: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in content.iter().filter(|line| !line.is_empty()) {
        let row = line.strip_prefix("* ");
        let inner = row.unwrap_or(line).trim_start();
        let cell = (inner == "-").then_some("").or_else(|| inner.strip_prefix("- "));
        match (row, cell) {
            (Some(_), Some(cell)) => rows.push(vec![cell.trim().to_owned()]),
            (None, Some(cell)) if line.starts_with("  -") => {
                rows.last_mut()?.push(cell.trim().to_owned());
            }
            (None, None) if line.starts_with("    ") && !inner.starts_with([':', '.', '*']) => {
                let before = rows.last_mut()?.last_mut()?;
                before.push(' ');
                before.push_str(inner);
            }
            _ => return None,
        }
    }
    (!rows.is_empty()).then_some(rows)
}

//! Tables in the sheets of all programs: where they are, and which merged cells are repeated.

use std::ops::Range;

/// Limit on the repetitions of merged cells in a document.
pub(crate) const COVERED_MAX: usize = 100_000;

/// Limit on the characters of a label: a merged cell with more is text, and not repeated.
const LABEL_CHARS_MAX: usize = 200;

/// Reports whether the text of a merged cell is a label, which is repeated wherever it reaches.
pub(crate) fn is_label(text: &str) -> bool {
    text.chars().count() <= LABEL_CHARS_MAX
}

/// Returns the tables of a sheet, given number and columns of each row that is not empty: the rows
/// and the columns of each table. Rows that continue in the same columns, at least two, are the
/// same table, as tables may contain empty rows.
pub(crate) fn parts(
    rows: impl Iterator<Item = (usize, Range<usize>)>,
) -> Vec<(Range<usize>, Range<usize>)> {
    let mut parts: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let mut last = None;
    for (index, (number, columns)) in rows.enumerate() {
        let is_next = last.replace(number).is_some_and(|last| last + 1 == number);
        match parts.last_mut().filter(|_| is_next) {
            Some((lines, around)) => {
                lines.end = index + 1;
                *around = around.start.min(columns.start)..around.end.max(columns.end);
            }
            None => {
                join_last(&mut parts);
                parts.push((index..index + 1, columns));
            }
        }
    }
    join_last(&mut parts);
    parts
}

/// Joins the last two if they fill the same columns.
fn join_last(parts: &mut Vec<(Range<usize>, Range<usize>)>) {
    if let [.., (above, columns), (below, same)] = parts.as_mut_slice()
        && columns == same
        && same.len() > 1
    {
        above.end = below.end;
        parts.pop();
    }
}

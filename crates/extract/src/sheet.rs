//! What holds for tables of all programs: where they are in a sheet, and which merged cells are told more than once.

use std::ops::Range;

/// Places of a document that merged cells are told in at most.
pub(crate) const COVERED_MAX: usize = 100_000;

/// Characters of a label: a merged cell with more is text, and told once.
const LABEL_CHARS_MAX: usize = 200;

/// Tells whether the text of a merged cell is a label, which is told wherever it reaches.
pub(crate) fn is_label(text: &str) -> bool {
    text.chars().count() <= LABEL_CHARS_MAX
}

/// Returns the tables of a sheet, told by number and columns of each row that is not empty: which of these rows are its
/// own, and the columns that it fills. What goes on in the same columns, more than one, is the same table: rows are
/// left empty within one, too.
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

/// Makes one of the last two where both are in the same columns.
fn join_last(parts: &mut Vec<(Range<usize>, Range<usize>)>) {
    if let [.., (above, columns), (below, same)] = parts.as_mut_slice()
        && columns == same
        && same.len() > 1
    {
        above.end = below.end;
        parts.pop();
    }
}

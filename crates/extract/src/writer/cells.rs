//! Cells of a table in one text: hostile tables have as many cells as bytes.

/// The rows of a table, which may differ in length.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    text: String,
    /// End of each cell in the text.
    ends: Vec<usize>,
    /// Number of cells up to the end of each row.
    rows: Vec<usize>,
    /// First and last line of each row, in the lines that the table is read from.
    lines: Vec<(u32, u32)>,
    /// Those of the open row.
    open: Option<(u32, u32)>,
    /// Those that are being read.
    at: (u32, u32),
}

impl Cells {
    /// Adds a cell to the open row.
    pub(crate) fn push(&mut self, cell: &str) {
        self.text.push_str(cell);
        self.ends.push(self.text.len());
        self.reach();
    }

    /// Sets the lines, from 0, that the next cells are read from.
    pub(crate) fn at(&mut self, first: usize, last: usize) {
        self.at = (u32::try_from(first).unwrap_or(0), u32::try_from(last).unwrap_or(0));
    }

    /// Adds the lines that are being read to those of the open row.
    fn reach(&mut self) {
        let (first, last) = self.open.unwrap_or(self.at);
        self.open = Some((first.min(self.at.0), last.max(self.at.1)));
    }

    /// Adds a further line to the last cell; returns whether there is one.
    pub(crate) fn continue_cell(&mut self, line: &str) -> bool {
        let Some(end) = self.ends.last_mut() else { return false };
        self.text.push(' ');
        self.text.push_str(line);
        *end = self.text.len();
        self.reach();
        true
    }

    /// Ends a row.
    pub(crate) fn end_row(&mut self) {
        self.rows.push(self.ends.len());
        self.lines.push(self.open.take().unwrap_or(self.at));
    }

    /// Adds a row.
    pub(crate) fn push_row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        cells.into_iter().for_each(|cell| self.push(cell.as_ref()));
        self.end_row();
    }

    /// Returns the number of cells.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the number of cells in the longest row.
    pub(crate) fn columns(&self) -> usize {
        self.ranges().map(|range| range.len()).max().unwrap_or(0)
    }

    /// Reports whether all cells are empty.
    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Returns the first and last line of each row, in the lines that the table is read from.
    pub(crate) fn lines(&self) -> &[(u32, u32)] {
        &self.lines
    }

    /// Returns the rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.ranges().map(|range| {
            range.map(|at| {
                let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
                &self.text[start..self.ends[at]]
            })
        })
    }

    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = std::iter::once(0).chain(self.rows.iter().copied());
        starts.zip(&self.rows).map(|(start, end)| start..*end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_they_were_added() {
        let mut cells = Cells::default();
        assert!(!cells.continue_cell("nothing"));
        cells.push_row(["a", "", "b"]);
        cells.push("c");
        assert!(cells.continue_cell("d"));
        cells.end_row();
        let shown = |cells: &Cells| {
            let rows = cells.rows().map(|row| row.collect::<Vec<_>>().join("|"));
            rows.collect::<Vec<_>>()
        };
        assert_eq!(shown(&cells), ["a||b", "c d"]);
        assert_eq!((cells.len(), cells.columns(), cells.is_blank()), (4, 3, false));
    }
}

//! Repeats merged cells of Office tables in every row and column that they cover: a label over
//! three columns is then found with each of them.

use std::collections::BTreeMap;

use undoc::{Block, Cell, Document, Table};

use crate::sheet;

/// Repeats the merged cells of all tables; tables that would become too large stay unchanged.
pub(crate) fn spread(document: &mut Document) {
    let mut left = sheet::COVERED_MAX;
    let blocks = document.sections.iter_mut().flat_map(|section| &mut section.content);
    for block in blocks {
        if let Block::Table(table) = block
            && table.has_merged_cells()
        {
            spread_table(table, &mut left);
        }
    }
}

fn spread_table(table: &mut Table, left: &mut usize) {
    let places = table.cell_columns();
    let Some(covered) = covered(table, &places, left) else { return };
    for (index, (row, places)) in table.rows.iter_mut().zip(places).enumerate() {
        let mut slots: BTreeMap<usize, Cell> = covered
            .range((index, 0)..(index + 1, 0))
            .map(|(&(_, column), cell)| (column, cell.clone()))
            .collect();
        if slots.is_empty() && !row.cells.iter().any(Cell::has_spans) {
            continue;
        }
        for (column, cell) in places.into_iter().zip(std::mem::take(&mut row.cells)) {
            slots.insert(column, Cell { col_span: 1, row_span: 1, ..cell });
        }
        let end = slots.last_key_value().map_or(0, |(last, _)| last + 1);
        let empty = Cell::new();
        let cell = |column| slots.remove(&column).unwrap_or_else(|| empty.clone());
        row.cells = (0..end).map(cell).collect();
    }
}

/// Returns the text of positions that merged cells cover, by row and column, without those of the
/// cells themselves; `None` if there are too many.
fn covered(
    table: &Table,
    places: &[Vec<usize>],
    left: &mut usize,
) -> Option<BTreeMap<(usize, usize), Cell>> {
    let (height, width) = (table.rows.len(), table.column_count());
    let mut covered = BTreeMap::new();
    for (row, (cells, columns)) in table.rows.iter().zip(places).enumerate() {
        for (cell, &column) in cells.cells.iter().zip(columns).filter(|(cell, _)| cell.has_spans())
        {
            let rows = row..height.min(row + cell.row_span.max(1) as usize);
            let columns = column..width.min(column + cell.col_span.max(1) as usize);
            // Shorter rows are filled up to the position.
            *left = left.checked_sub(rows.len() * columns.end)?;
            // A cell over the whole width, or alone over most of it, is a title or a note; one is
            // enough.
            let is_alone = cells.cells.iter().filter(|cell| !cell.is_empty()).count() == 1;
            let is_title =
                columns.len() == width || is_alone && rows.len() == 1 && 2 * columns.len() > width;
            let is_label =
                !is_title && cell.nested_tables.is_empty() && sheet::is_label(&cell.plain_text());
            let rendered = if is_label {
                Cell { col_span: 1, row_span: 1, ..cell.clone() }
            } else {
                Cell::new()
            };
            for place in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
                if place != (row, column) {
                    covered.entry(place).or_insert_with(|| rendered.clone());
                }
            }
        }
    }
    Some(covered)
}

#[cfg(test)]
mod tests {
    use undoc::Row;

    use super::*;

    fn cell(text: &str, col_span: u32, row_span: u32) -> Cell {
        Cell { col_span, row_span, ..Cell::with_text(text) }
    }

    fn table(rows: Vec<Vec<Cell>>) -> Table {
        let mut table = Table::new();
        for cells in rows {
            table.add_row(Row { cells, is_header: false, height: None });
        }
        table
    }

    fn rendered(table: &Table) -> Vec<String> {
        let row = |row: &Row| row.cells.iter().map(Cell::plain_text).collect::<Vec<_>>().join("|");
        table.rows.iter().map(row).collect()
    }

    #[test]
    fn labels_are_repeated_where_they_reach() {
        let mut merged = table(vec![
            vec![cell("Canals", 4, 1)],
            vec![cell("Name", 1, 2), cell("2023", 2, 1), cell("2024", 1, 1)],
            vec![cell("Q1", 1, 1), cell("Q2", 1, 1), cell("Q1", 1, 1)],
            vec![cell("North", 1, 2), cell("1", 1, 1)],
            vec![cell("2", 1, 1), cell("3", 1, 1), cell("4", 1, 9)],
            vec![cell(&"long ".repeat(50), 2, 1), cell("5", 1, 1)],
        ]);
        spread_table(&mut merged, &mut 1000);
        let long = "long ".repeat(50);
        assert_eq!(
            rendered(&merged),
            [
                "Canals|||",
                "Name|2023|2023|2024",
                "Name|Q1|Q2|Q1",
                "North|1",
                "North|2|3|4",
                &format!("{long}||5|4"),
            ]
        );
        assert!(!merged.has_merged_cells());
    }

    #[test]
    fn a_merge_over_a_whole_sheet_costs_nothing() {
        let mut rows = vec![vec![cell("a", 900, 60_000), cell("b", 1, 1)]];
        rows.resize(1000, vec![cell("c", 1, 1)]);
        let mut merged = table(rows);
        let before = rendered(&merged);
        spread_table(&mut merged, &mut 100_000);
        assert_eq!(rendered(&merged), before);
        assert!(merged.has_merged_cells());
    }
}

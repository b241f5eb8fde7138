//! Splits sheets of workbooks into the tables they contain, at empty rows, without the empty rows
//! and columns around them. A table then begins with its header, and a title above it is a line of
//! text.

use std::ops::Range;

use undoc::{Block, Cell, Document, Row, Table};

use crate::sheet;

/// Splits the sheets of a workbook.
pub(crate) fn cut(document: &mut Document) {
    for section in &mut document.sections {
        let mut blocks = Vec::with_capacity(section.content.len());
        for block in std::mem::take(&mut section.content) {
            match block {
                // A merge that is left covers positions without a cell.
                Block::Table(table) if !table.has_merged_cells() => add(table, &mut blocks),
                block => blocks.push(block),
            }
        }
        section.content = blocks;
    }
}

fn add(mut table: Table, blocks: &mut Vec<Block>) {
    let rows: Vec<_> = std::mem::take(&mut table.rows)
        .into_iter()
        .enumerate()
        .filter_map(|(number, row)| Some((number, filled(&row)?, row)))
        .collect();
    let parts = sheet::parts(rows.iter().map(|(number, columns, _)| (*number, columns.clone())));
    let mut rows = rows.into_iter();
    for (lines, columns) in parts {
        let mut part = Table { column_widths: None, ..table.clone() };
        for (_, _, mut row) in rows.by_ref().take(lines.len()) {
            row.cells.truncate(columns.end);
            row.cells.drain(..columns.start.min(row.cells.len()));
            part.add_row(row);
        }
        match part.rows.as_mut_slice() {
            [Row { cells, .. }] if cells.len() == 1 && cells[0].nested_tables.is_empty() => {
                blocks.extend(cells.remove(0).content.into_iter().map(Block::Paragraph));
            }
            _ => blocks.push(Block::Table(part)),
        }
    }
}

/// Returns the columns from the first cell with content to the last.
fn filled(row: &Row) -> Option<Range<usize>> {
    let has_content = |cell: &Cell| {
        !cell.nested_tables.is_empty()
            || cell.content.iter().any(|paragraph| {
                !paragraph.images.is_empty() || !paragraph.plain_text().trim().is_empty()
            })
    };
    let start = row.cells.iter().position(has_content)?;
    let end = row.cells.iter().rposition(has_content)? + 1;
    Some(start..end)
}

#[cfg(test)]
mod tests {
    use undoc::Section;

    use super::*;

    #[test]
    fn sheets_are_cut_at_empty_rows() {
        let mut table = Table::new();
        for row in [
            "||",
            "|Ducks|",
            " ||",
            "|Year|Count",
            "|2019|120",
            "||",
            "|2020|135",
            "||",
            "Sum|",
            "|255|",
        ] {
            let cells = row.split('|').map(Cell::with_text).collect();
            table.add_row(Row { cells, is_header: false, height: None });
        }
        let mut section = Section::new(0);
        section.add_block(Block::Table(table));
        let mut document = Document::new();
        document.sections.push(section);
        cut(&mut document);
        let rendered: Vec<String> = document.sections[0]
            .content
            .iter()
            .map(|block| match block {
                Block::Table(table) => {
                    let row = |row: &Row| {
                        row.cells.iter().map(Cell::plain_text).collect::<Vec<_>>().join("|")
                    };
                    table.rows.iter().map(row).collect::<Vec<_>>().join("\n")
                }
                Block::Paragraph(paragraph) => format!("{}.", paragraph.plain_text()),
                _ => String::new(),
            })
            .collect();
        assert_eq!(rendered, ["Ducks.", "Year|Count\n2019|120\n2020|135", "Sum|\n|255"]);
    }
}

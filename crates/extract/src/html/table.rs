//! Tables: data becomes a Markdown table, a layout table becomes the blocks in it.

use super::renderer::Renderer;
use crate::dom::NodeId;

/// Limit on the columns of a table, and on the rows that a cell spans.
const SPAN_MAX: usize = 1000;

/// Limit on the cells of a table, including those repeated by spans.
const CELLS_MAX: usize = 1_000_000;

/// Limit on the rows of a header.
const HEADER_ROWS_MAX: usize = 3;

/// A cell that spans further rows.
#[derive(Clone)]
struct Reaching {
    rows: usize,
    text: String,
}

impl Renderer<'_> {
    pub(super) fn table(&mut self, id: NodeId) {
        let tree = self.tree;
        let mut rows = Vec::new();
        self.stray(id);
        self.rows_of(id, &mut rows);
        let caption = tree.children(id).find(|&node| tree.name(node) == "caption");
        if let Some(caption) = caption.filter(|&node| !self.is_left_out(node)) {
            self.blocks(caption);
        }
        if self.is_layout(id, &rows) {
            for row in rows {
                for cell in self.cells_of(row) {
                    self.blocks(cell);
                }
            }
            return;
        }
        let mut grid = self.grid(&rows);
        self.merge_headers(&mut grid);
        self.write(id, grid);
    }

    /// Makes one header row of several, and an empty one if the first row has a header of its own.
    fn merge_headers(&self, grid: &mut Vec<(NodeId, Vec<String>)>) {
        let tree = self.tree;
        let is_header = |row: NodeId| {
            let mut cells = self.cells_of(row).into_iter();
            tree.name(tree.parent(row)) == "thead" || cells.all(|cell| tree.name(cell) == "th")
        };
        let headers = grid.iter().take_while(|(row, _)| is_header(*row)).count();
        let is_title = |line: &[String]| line.iter().all(|cell| *cell == line[0]);
        let can_merge = (2..=HEADER_ROWS_MAX).contains(&headers) && headers < grid.len();
        if can_merge && !grid[..headers].iter().any(|(_, line)| is_title(line)) {
            let below: Vec<_> = grid.drain(1..headers).collect();
            for (_, line) in below {
                for (cell, lower) in grid[0].1.iter_mut().zip(line) {
                    if !lower.trim().is_empty() && !cell.ends_with(&lower) {
                        *cell = format!("{cell} {lower}").trim().to_owned();
                    }
                }
            }
        } else if headers == 0
            && let Some((row, line)) = grid.first()
            && self.cells_of(*row).first().is_some_and(|cell| tree.name(*cell) == "th")
        {
            let blank = (*row, vec![String::new(); line.len()]);
            grid.insert(0, blank);
        }
    }

    /// Writes content of a table outside of its cells.
    fn stray(&mut self, id: NodeId) {
        let tree = self.tree;
        let is_part = |node| {
            let name = tree.name(node);
            matches!(
                name,
                "caption" | "colgroup" | "col" | "thead" | "tbody" | "tfoot" | "tr" | "td" | "th"
            )
        };
        self.run_of(tree.children(id).filter(|&node| !is_part(node)));
    }

    fn rows_of(&mut self, id: NodeId, rows: &mut Vec<NodeId>) {
        let mut has_loose_cells = false;
        for node in self.tree.children(id) {
            match self.tree.name(node) {
                "tr" => rows.push(node),
                "thead" | "tbody" | "tfoot" if !self.is_left_out(node) => {
                    self.stray(node);
                    self.rows_of(node, rows);
                }
                // Cells without a row form one.
                "td" | "th" if !has_loose_cells => {
                    has_loose_cells = true;
                    rows.push(id);
                }
                _ => {}
            }
        }
    }

    fn cells_of(&self, row: NodeId) -> Vec<NodeId> {
        let is_cell =
            |&node: &NodeId| matches!(self.tree.name(node), "td" | "th") && !self.is_left_out(node);
        self.tree.children(row).filter(is_cell).collect()
    }

    /// Reports whether a table is only used for layout.
    fn is_layout(&self, id: NodeId, rows: &[NodeId]) -> bool {
        let tree = self.tree;
        let is_plain_role = matches!(tree.attribute(id, "role"), Some("presentation" | "none"));
        let is_big = |node: NodeId| {
            let name = tree.name(node);
            matches!(name, "table" | "pre" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote")
        };
        let cells: Vec<_> = rows.iter().map(|&row| self.cells_of(row).len()).collect();
        let is_single = cells.iter().all(|&count| count <= 1);
        // A list of code in one cell is no reason to give up the rows; code or a table is.
        is_plain_role
            || is_single
            || tree.descendants(id).any(|node| is_big(node) && !self.is_left_out(node))
    }

    /// Writes the rows of a table, each with the element that it comes from.
    fn write(&mut self, id: NodeId, grid: Vec<(NodeId, Vec<String>)>) {
        if grid.iter().all(|(_, row)| row.iter().all(|cell| cell.trim().is_empty())) {
            return;
        }
        self.at(id);
        self.writer.begin_table(grid.iter().map(|(_, row)| row.len()).max().unwrap_or(0));
        for (node, row) in grid {
            if self.writer.is_full() {
                break;
            }
            self.at(node);
            self.writer.row(row.into_iter());
        }
        self.writer.end_table();
    }

    /// Returns the cells row by row; a cell that spans several is repeated, so that each row is
    /// complete.
    fn grid(&self, rows: &[NodeId]) -> Vec<(NodeId, Vec<String>)> {
        let mut grid = Vec::with_capacity(rows.len());
        let mut reaching: Vec<Option<Reaching>> = Vec::new();
        let mut count = 0;
        for &row in rows {
            let mut line = Vec::new();
            for cell in self.cells_of(row) {
                reach_down(&mut line, &mut reaching);
                let text = self.inline_text(cell).replace('\n', " ");
                let columns = self.span(cell, "colspan");
                let rows = self.span(cell, "rowspan");
                for _ in 0..columns {
                    let column = line.len();
                    line.push(text.clone());
                    if rows > 1 {
                        reaching.resize(reaching.len().max(column + 1), None);
                        reaching[column] = Some(Reaching { rows: rows - 1, text: text.clone() });
                    }
                }
            }
            reach_down(&mut line, &mut reaching);
            count += line.len();
            if !line.is_empty() {
                grid.push((row, line));
            }
            if count > CELLS_MAX {
                break;
            }
        }
        grid
    }

    fn span(&self, cell: NodeId, name: &str) -> usize {
        let span = self.tree.attribute(cell, name).and_then(|text| text.trim().parse().ok());
        span.unwrap_or(1).clamp(1, SPAN_MAX)
    }
}

/// Fills the next columns with the cells that span this row.
fn reach_down(line: &mut Vec<String>, reaching: &mut [Option<Reaching>]) {
    while let Some(place) = reaching.get_mut(line.len())
        && let Some(cell) = place
    {
        line.push(cell.text.clone());
        cell.rows -= 1;
        if cell.rows == 0 {
            *place = None;
        }
    }
}

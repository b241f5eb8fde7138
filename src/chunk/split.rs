//! Splits the blocks that do not fit: containers at items and leaves, leaves at ever finer grains
//! until every part fits.

use super::grain::{Grain, grains};
use super::outline::{Block, Kind};
use super::pack::{Head, Packer, Piece, Repeated};
use super::tables;
use crate::domain::Span;

/// Quarters of the budget that the heading and the head of a block (the first two rows of a table,
/// a fence line) may take; a longer head may be separated from the rest.
const LEAD_QUARTERS: usize = 3;

/// Quarters of the budget that a prefix may take; a longer one is not repeated.
const PREFIX_QUARTERS: usize = 2;

/// Quarters of the budget that the first cell of a row may take; a longer one is not repeated.
const CELL_QUARTERS: usize = 1;

impl Head {
    /// Returns what ends before `start`.
    fn before(self, start: usize) -> Self {
        let ends = |it: &Repeated| it.span.end <= start;
        Self { prefix: self.prefix.filter(ends), row: self.row.filter(ends) }
    }
}

impl Packer<'_> {
    /// Packs a block: whole, else item by item, else leaf by leaf.
    pub fn place_block(&mut self, block: &Block) {
        let leaves = &self.outline.leaves[block.leaves.clone()];
        if leaves.is_empty() {
            return self.place_leaf(block);
        }
        let whole = Piece { kind: kind_of(leaves), ..self.piece(block) };
        if let Some(tokens) = self.fitting(&whole) {
            return self.push(whole, tokens);
        }
        for item in leaves.chunk_by(|_, next| !next.starts_item) {
            let mut piece = Piece { kind: kind_of(item), ..self.piece(&item[0]) };
            piece.span.end = item[item.len() - 1].span.end;
            match self.fitting(&piece) {
                Some(tokens) => self.push(piece, tokens),
                None => item.iter().for_each(|leaf| self.place_leaf(leaf)),
            }
        }
    }

    /// Packs a block that contains no blocks: whole, else in parts.
    pub fn place_leaf(&mut self, block: &Block) {
        let mut piece = self.piece(block);
        if let Some(tokens) = self.fitting(&piece) {
            return self.push(piece, tokens);
        }
        let lead = Span::new(piece.span.start, block.lead_end);
        if !self.fits_quarters(lead, LEAD_QUARTERS) {
            piece.lead_end = block.span.start;
        }
        let prefix = block.prefix.filter(|&prefix| self.fits_quarters(prefix, PREFIX_QUARTERS));
        let head = Head { prefix: prefix.map(|span| self.repeated(span)), row: None };
        self.place_parts(piece, head, grains(block.kind));
    }

    /// Splits a piece that does not fit by the first of `grains`, and parts that still do not fit
    /// by the next; all parts but the first repeat `head`. The recursion is as deep as there are
    /// grains.
    ///
    /// A paragraph that is split does not fill up the open chunk, unless that is short: this makes
    /// fewer chunks about two subjects.
    fn place_parts(&mut self, piece: Piece, head: Head, grains: &[Grain]) {
        let Some((grain, finer)) = grains.split_first() else {
            let tokens = self.tokens(piece.span);
            return self.push(piece, tokens);
        };
        if matches!(grain, Grain::Sentence) && piece.kind == Kind::Prose {
            self.close_if_quarter_full();
        }
        let text = self.text;
        let end = piece.span.end;
        let body = &text[piece.lead_end..end];
        // A cut right after the lead would make a chunk of only a heading.
        let blank = body.len() - body.trim_start().len();
        let cuts = grain.cuts(body).filter(|&cut| cut > blank).map(|cut| piece.lead_end + cut);
        let cuts: Vec<usize> = cuts.filter(|&cut| !self.is_in_noise(cut)).collect();
        let mut start = piece.span.start;
        for cut in cuts.into_iter().chain([end]) {
            let is_first = start == piece.span.start;
            let part = Piece {
                span: Span::new(start, cut),
                lead_end: piece.lead_end.max(start),
                head: if is_first { piece.head } else { head.before(start) },
                kind: piece.kind,
            };
            match self.fitting(&part) {
                Some(tokens) => self.push(part, tokens),
                None => self.place_parts(part, self.head_inside(part, head, *grain), finer),
            }
            start = cut;
        }
    }

    /// Returns a block as one piece, together with the heading right before it.
    fn piece(&self, block: &Block) -> Piece {
        let start = self.heading_start.unwrap_or(block.span.start);
        let span = Span::new(start, block.span.end);
        Piece { span, lead_end: block.lead_end, head: Head::default(), kind: block.kind }
    }

    /// Returns what the parts of `part` repeat, which is itself a part split off by `grain`: if it
    /// is a row of a table, its first cell, too.
    fn head_inside(&self, part: Piece, head: Head, grain: Grain) -> Head {
        let row = Span::new(part.lead_end, part.span.end);
        let cell = match (part.kind, grain) {
            (Kind::Table, Grain::Line) => tables::first_cell(row.of(self.text)),
            (Kind::Html, Grain::Row) => tables::first_html_cell(row.of(self.text)),
            _ => return head,
        };
        let cell = cell.map(|cell| Span::new(row.start + cell.start, row.start + cell.end));
        let cell = cell.filter(|&cell| self.fits_quarters(cell, CELL_QUARTERS));
        Head { row: cell.map(|cell| self.repeated(cell)), ..head }
    }

    fn repeated(&self, span: Span) -> Repeated {
        Repeated { span, tokens: self.tokens(span) }
    }

    /// Returns the tokens of a piece that fits into an empty chunk, without its prefix.
    fn fitting(&self, piece: &Piece) -> Option<usize> {
        let head_bytes = piece.head.parts().map(|it| self.bytes(it.span)).sum::<usize>();
        let bytes = self.bytes(piece.span) + head_bytes;
        if !self.here.fits_bytes(bytes) {
            return None;
        }
        let tokens = self.tokens(piece.span);
        self.here.fits(tokens + piece.head.tokens(), bytes).then_some(tokens)
    }

    /// Reports whether `span` takes at most this many quarters of the budget.
    pub fn fits_quarters(&self, span: Span, quarters: usize) -> bool {
        self.here.fits_bytes(self.bytes(span))
            && self.tokens(span) * 4 <= self.here.budget * quarters
    }
}

/// Returns the kind of several blocks together: prose if all are.
fn kind_of(blocks: &[Block]) -> Kind {
    let all_prose = blocks.iter().all(|block| block.kind == Kind::Prose);
    if all_prose { Kind::Prose } else { Kind::Container }
}

#[cfg(test)]
mod tests {
    use crate::chunk::pack::tests::check;

    #[test]
    fn a_paragraph_is_split_at_sentences() {
        let (first, second) = ("One two three four five.", "Six seven eight nine ten.");
        let long = format!("{first} {second}\n");
        check(&long, (10, 0), &[("", long.trim_end(), 10)]);
        check(&long, (8, 0), &[("", first, 5), ("", second, 5)]);
        // What precedes it is joined only if it is less than a quarter of a chunk.
        let joined = format!("a\n\n{first}");
        check(&format!("a\n\n{long}"), (8, 0), &[("", &joined, 6), ("", second, 5)]);
        check(
            &format!("a b\n\n{long}"),
            (8, 0),
            &[("", "a b", 2), ("", first, 5), ("", second, 5)],
        );
    }

    #[test]
    fn a_sentence_is_split_at_lines_and_words() {
        check(
            "one two three\nfour five six\n",
            (4, 0),
            &[("", "one two three", 3), ("", "four five six", 3)],
        );
        check(
            "one two three four five six seven\n",
            (3, 0),
            &[("", "one two three", 3), ("", "four five six", 3), ("", "seven", 1)],
        );
    }

    #[test]
    fn a_heading_stays_with_the_first_part() {
        check(
            "# H\n\nOne two three four. Five six seven eight.\n",
            (10, 0),
            &[("H", "# H\n\nOne two three four.", 7), ("H", "Five six seven eight.", 5)],
        );
    }

    #[test]
    fn a_list_is_split_at_items_and_then_inside() {
        let text = "- a b c d\n- e f g h\n- i j\n";
        check(text, (13, 0), &[("", text.trim_end(), 13)]);
        check(text, (8, 0), &[("", "- a b c d", 5), ("", "- e f g h\n- i j", 8)]);
        check(
            "- One two three four. Five six seven eight.\n- nine\n",
            (6, 0),
            &[("", "- One two three four.", 5), ("", "Five six seven eight.\n- nine", 6)],
        );
    }

    #[test]
    fn the_first_line_of_a_table_is_repeated_while_it_is_short() {
        let text = "| a | b |\n|---|---|\n| c | d |\n| e | f |\n";
        check(
            text,
            (12, 0),
            &[("", "| a | b |\n|---|---|\n| c | d |", 11), ("", "| a | b |\n| e | f |", 10)],
        );
        // Seven words are more than half of a chunk.
        let text =
            "| alpha beta gamma | delta |\n|---|---|\n|1|2|\n|3|4|\n|5|6|\n|7|8|\n|9|0|\n|1|1|\n";
        check(
            text,
            (12, 0),
            &[
                ("", "| alpha beta gamma | delta |\n|---|---|\n|1|2|\n|3|4|\n|5|6|\n|7|8|", 12),
                ("", "|9|0|\n|1|1|", 2),
            ],
        );
    }

    #[test]
    fn a_code_block_is_split_at_lines_and_names_its_language_again() {
        check(
            "```rust\na b\nc d\n```\n",
            (4, 0),
            &[("", "```rust\na b", 3), ("", "```rust\nc d\n```", 4)],
        );
        // A fence that says nothing is not repeated.
        check("```\na b\nc d\n```\n", (4, 0), &[("", "```\na b", 3), ("", "c d\n```", 3)]);
        // Groups of lines come first.
        check("```\na\nb\n\nc\nd\n```\n", (4, 0), &[("", "```\na\nb", 3), ("", "c\nd\n```", 3)]);
    }
}

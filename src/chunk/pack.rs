//! Greedy packing of an outline's blocks into chunks.
//!
//! A block that fits stays whole, one that does not is cut into parts; blocks and parts are put
//! together as long as they fit and stand in one section. A heading stays with the first part after
//! it. A section under an eighth of the budget is joined with the next one under the same parent; the
//! heading path of a chunk out of several sections is that of their parent, and their headings stand in its
//! span.
//!
//! Work is linear in the text: every byte is counted at most once per grain of cutting, once more
//! where parts of one word meet in a chunk, and once for an overlap.

use super::outline::{Block, Kind, Outline};
use super::split::{Grain, grains};
use super::tokens::{Place, Places, is_space};
use super::{ChunkConfig, ChunkInput, CountTokens};
use crate::domain::{Chunk, LineRange, Span};

/// A section under this part of the budget is joined with the next.
const SMALL_SECTION: usize = 8;

/// Quarters of the budget that a heading may take; a longer one is text like any other.
const HEADING_QUARTERS: usize = 2;

/// Quarters of the budget that the heading and the head of a block (the first two rows of a table, a
/// fence line) may take; a longer head may be cut off.
const LEAD_QUARTERS: usize = 3;

/// Quarters of the budget that a prefix may take; a longer one is not repeated.
const PREFIX_QUARTERS: usize = 2;

/// Packs the blocks of `outline` into chunks.
pub(super) fn pack(
    outline: &Outline,
    input: &ChunkInput<'_>,
    config: &ChunkConfig,
    count: CountTokens<'_>,
) -> Vec<Chunk> {
    let mut packer = Packer {
        outline,
        text: input.text,
        count,
        places: Places::new(outline, input.title, config, count),
        overlap_tokens: config.overlap_tokens,
        section: 0,
        here: Place::default(),
        parent: Place::default(),
        heading_start: None,
        section_begins: true,
        open: None,
        last_prose: None,
        lines: Lines { at: 0, line: 1 },
        chunks: Vec::new(),
    };
    for (index, section) in outline.sections.iter().enumerate() {
        if !section.blocks.is_empty() {
            packer.pack_section(index);
        }
    }
    packer.close();
    packer.chunks
}

/// Bytes to be repeated, and what they cost.
#[derive(Clone, Copy)]
struct Repeated {
    span: Span,
    tokens: usize,
}

/// A block or a part of one on its way into a chunk.
#[derive(Clone, Copy)]
struct Piece {
    span: Span,
    /// No cut before this offset.
    lead_end: usize,
    /// Repeated where the piece begins a chunk.
    prefix: Option<Repeated>,
    kind: Kind,
}

/// A piece in a chunk.
#[derive(Clone, Copy)]
struct Part {
    piece: Piece,
    section: usize,
}

/// The chunk being filled.
struct Open {
    /// Never empty.
    parts: Vec<Part>,
    prefix: Option<Repeated>,
    overlap: Option<Repeated>,
    /// Tokens of prefix, overlap and parts.
    tokens: usize,
    /// Whether parts meet without white space between, so that `tokens` is only an estimate.
    glued: bool,
    /// Whether it holds its sections from their beginning.
    whole_sections: bool,
}

/// The end of the last chunk, from which an overlap may be taken.
struct LastProse {
    span: Span,
    section: usize,
}

struct Packer<'a> {
    outline: &'a Outline,
    text: &'a str,
    count: CountTokens<'a>,
    places: Places<'a>,
    overlap_tokens: usize,
    /// The section whose blocks are being packed, its place and that of its parent.
    section: usize,
    here: Place,
    parent: Place,
    /// Start of its heading, until the first piece takes it along.
    heading_start: Option<usize>,
    /// Whether nothing of this section is packed yet.
    section_begins: bool,
    open: Option<Open>,
    last_prose: Option<LastProse>,
    lines: Lines,
    chunks: Vec<Chunk>,
}

impl Packer<'_> {
    /// Packs the blocks of one section, its heading with the first of them.
    fn pack_section(&mut self, index: usize) {
        if !self.joins_open_chunk(index) {
            self.close();
        }
        let section = &self.outline.sections[index];
        self.section = index;
        self.here = self.places.of(Some(index));
        self.parent = self.places.of(section.parent);
        self.section_begins = true;

        if let Some(heading) = &section.heading {
            let lead = Span::new(heading.span.start, section.blocks[0].span.start);
            if self.fits_quarters(lead, HEADING_QUARTERS) {
                self.heading_start = Some(lead.start);
            } else {
                self.place_leaf(&Block::new(lead, Kind::Prose));
            }
        }
        for block in &section.blocks {
            self.place_block(block);
        }
    }

    /// Tells whether the open chunk is so small that section `index` may continue it.
    fn joins_open_chunk(&self, index: usize) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.whole_sections) else {
            return false;
        };
        let sections = &self.outline.sections;
        sections[self.section].parent == sections[index].parent
            && open.tokens * SMALL_SECTION < self.here.budget
    }

    /// Places a block: whole, else item by item, else leaf by leaf.
    fn place_block(&mut self, block: &Block) {
        let leaves = &self.outline.leaves[block.leaves.clone()];
        if leaves.is_empty() {
            return self.place_leaf(block);
        }
        let whole = Piece {
            kind: kind_of(leaves),
            ..self.piece(block)
        };
        if let Some(tokens) = self.fitting(&whole) {
            return self.push(whole, tokens);
        }
        for item in leaves.chunk_by(|_, next| !next.starts_item) {
            let mut piece = Piece {
                kind: kind_of(item),
                ..self.piece(&item[0])
            };
            piece.span.end = item[item.len() - 1].span.end;
            match self.fitting(&piece) {
                Some(tokens) => self.push(piece, tokens),
                None => item.iter().for_each(|leaf| self.place_leaf(leaf)),
            }
        }
    }

    /// Places a block that holds no blocks: whole, else in parts.
    fn place_leaf(&mut self, block: &Block) {
        let mut piece = self.piece(block);
        if let Some(tokens) = self.fitting(&piece) {
            return self.push(piece, tokens);
        }
        let lead = Span::new(piece.span.start, block.lead_end);
        if !self.fits_quarters(lead, LEAD_QUARTERS) {
            piece.lead_end = block.span.start;
        }
        let prefix = block
            .prefix
            .filter(|&prefix| self.fits_quarters(prefix, PREFIX_QUARTERS));
        let repeated = prefix.map(|span| Repeated {
            span,
            tokens: (self.count)(span.of(self.text)),
        });
        self.place_parts(piece, repeated, grains(block.kind));
    }

    /// Cuts a piece that does not fit at the first of `grains`, and what still does not fit at the
    /// next; all parts but the first repeat `repeated`. The recursion is as deep as there are grains.
    fn place_parts(&mut self, piece: Piece, repeated: Option<Repeated>, grains: &[Grain]) {
        let Some((grain, finer)) = grains.split_first() else {
            let tokens = (self.count)(piece.span.of(self.text));
            return self.push(piece, tokens);
        };
        let text = self.text;
        let end = piece.span.end;
        let body = &text[piece.lead_end..end];
        // What follows the lead must not be blank: no chunk is only a heading.
        let blank = body.len() - body.trim_start().len();
        let cuts = grain
            .cuts(body)
            .filter(|&cut| cut > blank)
            .map(|cut| piece.lead_end + cut);
        let mut start = piece.span.start;
        for cut in cuts.chain([end]) {
            let is_first = start == piece.span.start;
            let part = Piece {
                span: Span::new(start, cut),
                lead_end: piece.lead_end.max(start),
                prefix: if is_first { piece.prefix } else { repeated },
                kind: piece.kind,
            };
            match self.fitting(&part) {
                Some(tokens) => self.push(part, tokens),
                None => self.place_parts(part, repeated, finer),
            }
            start = cut;
        }
    }

    /// Returns a block as one piece, with the heading that waits for it.
    fn piece(&self, block: &Block) -> Piece {
        let start = self.heading_start.unwrap_or(block.span.start);
        let span = Span::new(start, block.span.end);
        Piece {
            span,
            lead_end: block.lead_end,
            prefix: None,
            kind: block.kind,
        }
    }

    /// Returns the tokens of a piece that fits into a chunk of its own, its prefix not counted.
    fn fitting(&self, piece: &Piece) -> Option<usize> {
        let bytes = piece.span.len() + piece.prefix.map_or(0, |prefix| prefix.span.len());
        if !self.here.fits_bytes(bytes) {
            return None;
        }
        let tokens = (self.count)(piece.span.of(self.text));
        let prefix_tokens = piece.prefix.map_or(0, |prefix| prefix.tokens);
        self.here
            .fits(tokens + prefix_tokens, bytes)
            .then_some(tokens)
    }

    /// Tells whether `span` takes at most so many quarters of the budget.
    fn fits_quarters(&self, span: Span, quarters: usize) -> bool {
        self.here.fits_bytes(span.len())
            && (self.count)(span.of(self.text)) * 4 <= self.here.budget * quarters
    }

    /// Adds a piece that fits to the open chunk, or begins a new chunk with it.
    fn push(&mut self, piece: Piece, tokens: usize) {
        if is_blank(piece.span.of(self.text)) {
            return;
        }
        self.heading_start = None;
        if self.extend(piece, tokens) {
            return;
        }
        self.close();
        let part = Part {
            piece,
            section: self.section,
        };
        let prefix_tokens = piece.prefix.map_or(0, |prefix| prefix.tokens);
        let mut open = Open {
            parts: vec![part],
            prefix: piece.prefix,
            overlap: None,
            tokens: tokens + prefix_tokens,
            glued: false,
            whole_sections: std::mem::take(&mut self.section_begins),
        };
        let overlap = self.overlap_before(&piece);
        if let Some(overlap) = overlap.filter(|it| it.tokens + open.tokens <= self.here.budget) {
            open.tokens += overlap.tokens;
            open.overlap = Some(overlap);
        }
        self.open = Some(open);
    }

    /// Adds a piece to the open chunk, if there is one and it fits.
    fn extend(&mut self, piece: Piece, tokens: usize) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        let first = open.parts[0];
        let last = open.parts[open.parts.len() - 1];
        let place = if first.section == self.section {
            &self.here
        } else {
            &self.parent
        };
        let bytes = piece.span.end - first.piece.span.start;
        // Link definitions and headings without a body, which come with the span.
        let between = &self.text[last.piece.span.end..piece.span.start];
        let between_tokens = match place.fits_bytes(bytes) {
            true if is_blank(between) => 0,
            true => (self.count)(between),
            false => return false,
        };
        let joined = open.tokens + between_tokens + tokens;
        if joined > place.budget {
            return false;
        }
        open.glued |= !self.text[..piece.span.start].ends_with(is_space);
        open.tokens = joined;
        open.parts.push(Part {
            piece,
            section: self.section,
        });
        self.section_begins = false;
        true
    }

    /// Finishes the open chunk.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let counted = (!open.glued).then_some(open.tokens);
        self.emit(&open.parts, open.prefix, open.overlap, counted);

        let last = open.parts[open.parts.len() - 1];
        let prose = open.parts.iter().rev();
        let prose =
            prose.take_while(|it| it.piece.kind == Kind::Prose && it.section == last.section);
        self.last_prose = prose.last().map(|part| LastProse {
            span: Span::new(part.piece.lead_end, last.piece.span.end),
            section: last.section,
        });
    }

    /// Makes a chunk of `parts`, whose tokens with what is repeated are `counted` where that is known.
    ///
    /// Where parts of a word meet, the sum of their tokens was an estimate. Should they together have
    /// more than the budget, each half becomes a chunk.
    fn emit(
        &mut self,
        parts: &[Part],
        prefix: Option<Repeated>,
        overlap: Option<Repeated>,
        counted: Option<usize>,
    ) {
        let (first, last) = (parts[0], parts[parts.len() - 1]);
        let place = if first.section == last.section {
            self.places.of(Some(first.section))
        } else {
            self.places.of(self.outline.sections[first.section].parent)
        };
        let span = trimmed(
            self.text,
            Span::new(first.piece.span.start, last.piece.span.end),
        );
        let tokens = counted.unwrap_or_else(|| {
            let repeated = [prefix, overlap].into_iter().flatten();
            (self.count)(span.of(self.text)) + repeated.map(|it| it.tokens).sum::<usize>()
        });
        if tokens > place.budget && parts.len() > 1 {
            let (front, back) = parts.split_at(parts.len() / 2);
            self.emit(front, prefix, overlap, None);
            return self.emit(back, back[0].piece.prefix, None, None);
        }
        self.chunks.push(Chunk {
            span,
            prefix: prefix.map(|it| it.span),
            overlap: overlap.map(|it| Span::new(it.span.start, span.start)),
            lines: self.lines.of(self.text, span),
            heading_path: place.path,
            token_count: place.context_tokens + tokens,
        });
    }

    /// Returns the words before `piece` that are to be repeated with it: from the start of a sentence
    /// where there is one, and only where text follows text in one section.
    fn overlap_before(&self, piece: &Piece) -> Option<Repeated> {
        let last = self
            .last_prose
            .as_ref()
            .filter(|last| last.section == self.section)?;
        if self.overlap_tokens == 0
            || piece.kind != Kind::Prose
            || !self.text[..piece.span.start].ends_with(is_space)
            || !is_blank(&self.text[last.span.end..piece.span.start])
        {
            return None;
        }
        let prose = last.span.of(self.text);
        let words: Vec<usize> = Grain::Word.cuts(prose).collect();
        let (mut start, mut tokens) = (prose.len(), 0);
        for &word in words.iter().rev().chain(&[0]) {
            let word_tokens = (self.count)(&prose[word..start]);
            if tokens + word_tokens > self.overlap_tokens {
                break;
            }
            (start, tokens) = (word, tokens + word_tokens);
        }
        if let Some(cut) = Grain::Sentence
            .cuts(&prose[start..])
            .next()
            .filter(|_| start > 0)
        {
            start += cut;
            tokens = (self.count)(&prose[start..]);
        }
        let span = Span::new(last.span.start + start, piece.span.start);
        (!is_blank(span.of(self.text))).then_some(Repeated { span, tokens })
    }
}

/// Returns the kind of blocks taken together: prose only where all are.
fn kind_of(blocks: &[Block]) -> Kind {
    let all_prose = blocks.iter().all(|block| block.kind == Kind::Prose);
    if all_prose {
        Kind::Prose
    } else {
        Kind::Container
    }
}

/// Tells whether `text` is white space only.
fn is_blank(text: &str) -> bool {
    text.trim_start().is_empty()
}

/// Returns `span` without the white space around it, the indentation of its first line kept.
fn trimmed(text: &str, span: Span) -> Span {
    let content = span.of(text);
    let end = span.start + content.trim_end().len();
    let indented = span.start + (content.len() - content.trim_start().len());
    let start = text[span.start..indented]
        .rfind('\n')
        .map_or(span.start, |at| span.start + at + 1);
    Span::new(start, end)
}

/// Counts lines as it goes through a text once.
struct Lines {
    at: usize,
    line: usize,
}

impl Lines {
    /// Returns the lines of a span that begins at or after the last one's end.
    fn of(&mut self, text: &str, span: Span) -> LineRange {
        let first = self.advance(text, span.start);
        LineRange {
            first,
            last: self.advance(text, span.end),
        }
    }

    /// Returns the line of the byte at `offset`.
    fn advance(&mut self, text: &str, offset: usize) -> usize {
        let passed = &text.as_bytes()[self.at..offset];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at = offset;
        self.line
    }
}

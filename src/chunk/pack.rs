//! Greedy packing of an outline's blocks into chunks.
//!
//! A block that fits stays whole, one that does not is split into parts (`split.rs`); blocks and
//! parts are packed together as long as they fit and are in one section. A paragraph that is split
//! begins a new chunk, unless the open one is short. A heading stays with the first part after it;
//! one without a body is a part itself, unless the heading paths below it say all that it says.
//! A section under an eighth of the budget is joined with the next one under the same parent; the
//! heading path of a chunk of several sections is that of their parent, and their headings are in
//! its span. Units of program text and configuration share a chunk as long as they fit, those
//! inside of a unit with it; the heading path ends with their names.
//!
//! Work is linear in the text: every byte is counted at most once per grain, once more if parts of
//! one word meet in a chunk, and once for an overlap.

use std::borrow::Cow;
use std::ops::Range;

use super::grain::Grain;
use super::outline::{Block, Kind, Outline, Sharing};
use super::tokens::{SectionContext, SectionContexts, is_space};
use super::{ChunkConfig, ChunkInput, CountTokens};
use crate::analysis::noise::{self, Noise};
use crate::domain::{Chunk, LineRange, Span};
use crate::support::line_ends;

/// A section smaller than the budget divided by this is joined with the next.
const SMALL_SECTION: usize = 8;

/// Quarters of the budget that a heading may take; a longer one is treated as text.
const HEADING_QUARTERS: usize = 2;

/// Packs the blocks of `outline` into chunks.
pub(super) fn pack(
    outline: &Outline,
    input: &ChunkInput<'_>,
    config: &ChunkConfig,
    count: CountTokens<'_>,
) -> Vec<Chunk> {
    let text = &line_ends::unix_throughout(input.text);
    let noise = match text {
        Cow::Borrowed(_) => Cow::Borrowed(input.noise),
        Cow::Owned(text) => Cow::Owned(noise::of(text)),
    };
    let mut packer = Packer {
        outline,
        text,
        noise,
        count,
        places: SectionContexts::new(outline, input.title, config, count),
        overlap_tokens: config.overlap_tokens,
        section: 0,
        here: SectionContext::default(),
        heading_start: None,
        section_begins: true,
        counted: (1, 3),
        open: None,
        last_prose: None,
        lines: Lines { at: 0, line: 1 },
        chunks: Vec::new(),
    };
    // Start of the first heading that is to go with the first part below it.
    let mut above = None;
    for (index, section) in outline.sections.iter().enumerate() {
        let heading = section.heading.as_ref().filter(|heading| !heading.span.is_empty());
        let next = outline.sections.get(index + 1);
        if !section.blocks.is_empty() {
            packer.pack_section(index, above.take());
        } else if let Some(heading) = heading {
            if next.is_none_or(|next| next.parent != Some(index)) {
                packer.pack_section(index, above.take());
            } else if above.is_some()
                || outline.sharing == Sharing::Inner // Paths of several sections leave out names.
                || !heading.is_said_by_its_text(text)
            {
                above.get_or_insert(heading.span.start);
            }
        }
    }
    packer.close();
    packer.chunks
}

/// Bytes to repeat, and their tokens.
#[derive(Clone, Copy)]
pub(super) struct Repeated {
    pub span: Span,
    pub tokens: usize,
}

/// What is repeated in a chunk.
#[derive(Clone, Copy, Default)]
struct Repeats {
    head: Head,
    overlap: Option<Repeated>,
}

/// What is repeated before a part of a table or code block.
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    /// The header row or fence line.
    pub prefix: Option<Repeated>,
    /// The first cell of the row that the part begins inside of.
    pub row: Option<Repeated>,
}

/// A block or a part of one, to be packed into a chunk.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub span: Span,
    /// No cut before this offset.
    pub lead_end: usize,
    /// Repeated if the piece begins a chunk.
    pub head: Head,
    pub kind: Kind,
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
    repeats: Repeats,
    /// Tokens of the parts and of the repeated text.
    tokens: usize,
    /// Whether parts meet without white space in between, so that `tokens` is only an estimate.
    glued: bool,
    /// Whether it contains its sections from their beginning.
    whole_sections: bool,
}

/// The prose at the end of the last chunk, for an overlap.
struct LastProse {
    span: Span,
    section: usize,
}

/// Packs pieces into chunks, in the order of the text; `split.rs` adds the splitting of blocks.
pub(super) struct Packer<'a> {
    pub outline: &'a Outline,
    pub text: &'a str,
    /// What in the text is no words, and costs nothing.
    noise: Cow<'a, [Noise]>,
    count: CountTokens<'a>,
    places: SectionContexts<'a>,
    overlap_tokens: usize,
    /// The section whose blocks are being packed.
    section: usize,
    /// The place of that section.
    pub here: SectionContext,
    /// Start of its heading, until a piece includes it.
    pub heading_start: Option<usize>,
    /// Whether nothing of this section is packed yet.
    section_begins: bool,
    /// Tokens and bytes of all pieces so far.
    counted: (usize, usize),
    open: Option<Open>,
    last_prose: Option<LastProse>,
    lines: Lines,
    chunks: Vec<Chunk>,
}

impl Packer<'_> {
    /// Returns the tokens of the words in `span`.
    pub fn tokens(&self, span: Span) -> usize {
        let span = span.start..span.end;
        (self.count)(&noise::words(self.text, span.clone(), noise::within(&self.noise, span)))
    }

    /// Returns the bytes of `span` without noise.
    pub fn bytes(&self, span: Span) -> usize {
        span.len() - noise::bytes_within(&self.noise, span.start..span.end)
    }

    /// Reports whether `offset` is inside noise, which is not split.
    pub fn is_in_noise(&self, offset: usize) -> bool {
        noise::is_inside(&self.noise, offset)
    }

    /// Packs the blocks of one section, its heading and those `above` with the first of them.
    fn pack_section(&mut self, index: usize, above: Option<usize>) {
        if !self.joins_open_chunk(index) {
            self.close();
        }
        let section = &self.outline.sections[index];
        self.section = index;
        self.here = self.places.of(Some(index));
        self.section_begins = true;

        if let Some(heading) = &section.heading {
            let start = above.unwrap_or(heading.span.start);
            let Some(first) = section.blocks.first() else {
                return self
                    .place_leaf(&Block::new(Span::new(start, heading.span.end), Kind::Prose));
            };
            let mut lead = Span::new(start, first.span.start);
            if start < heading.span.start && !self.fits_quarters(lead, HEADING_QUARTERS) {
                // Its own heading stays with the text, whatever is above.
                self.place_leaf(&Block::new(Span::new(start, heading.span.start), Kind::Prose));
                lead.start = heading.span.start;
            }
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

    /// Reports whether section `index` may continue the open chunk.
    fn joins_open_chunk(&self, index: usize) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.whole_sections) else {
            return false;
        };
        let sections = &self.outline.sections;
        let (first, index) = match self.outline.sharing {
            Sharing::Inner => (self.begun_with(open.parts[0].section), self.begun_with(index)),
            _ => (open.parts[0].section, index),
        };
        let is_sibling = sections[first].parent == sections[index].parent;
        let is_small = open.tokens * SMALL_SECTION < self.here.budget;
        let around = sections[first].parent;
        let is_inside = |outer: usize| self.outline.is_inside(index, outer);
        let is_near = match self.outline.sharing {
            Sharing::Inner => is_inside(first) || around.is_some_and(is_inside),
            _ => around.is_none_or(is_inside),
        };
        let shares = match self.outline.sharing {
            Sharing::Small => false,
            Sharing::Neighbours => true,
            Sharing::Inner => sections[index].parent.is_some(),
        };
        let fits = || open.tokens + self.estimated_tokens(index) <= self.here.budget;
        is_small && is_sibling || shares && (is_small && is_inside(first) || is_near && fits())
    }

    /// Returns the outermost section that begins with section `index`: nothing but headings is
    /// before it.
    fn begun_with(&self, index: usize) -> usize {
        let sections = &self.outline.sections;
        let around = |&at: &usize| {
            let parent = sections[at].parent?;
            (parent + 1 == at && sections[parent].blocks.is_empty()).then_some(parent)
        };
        std::iter::successors(Some(index), around).last().unwrap_or(index)
    }

    /// Estimates the tokens of a section with all that is inside of it, by the tokens per byte so
    /// far; to count them would take as long as chunking.
    fn estimated_tokens(&self, index: usize) -> usize {
        let sections = &self.outline.sections;
        let inner = (index + 1..sections.len()).take_while(|&at| self.outline.is_inside(at, index));
        let blocks = std::iter::once(index).chain(inner).flat_map(|at| &sections[at].blocks);
        let (tokens, bytes) = self.counted;
        let limit = self.here.budget * bytes / tokens.max(1);
        let mut sum = 0;
        for block in blocks {
            sum += self.bytes(block.span);
            if sum > limit {
                return usize::MAX / 2;
            }
        }
        sum * tokens / bytes + 1
    }

    /// Returns the place of a chunk with these parts.
    fn place_of(&self, parts: &[Part]) -> SectionContext {
        let (first, last) = (parts[0].section, parts[parts.len() - 1].section);
        if first == last {
            return self.places.of(Some(first));
        }
        if self.outline.sharing == Sharing::Small {
            return self.places.of(self.outline.sections[first].parent);
        }
        let mut sections: Vec<usize> = parts.iter().map(|part| part.section).collect();
        sections.dedup();
        self.places.of_several(&sections)
    }

    /// Adds a piece that fits to the open chunk, or starts a new chunk with it.
    pub fn push(&mut self, piece: Piece, tokens: usize) {
        if is_blank(piece.span.of(self.text)) {
            return;
        }
        self.heading_start = None;
        self.counted.0 += tokens;
        self.counted.1 += self.bytes(piece.span);
        if self.extend(piece, tokens) {
            return;
        }
        self.close();
        let mut repeats = Repeats { head: piece.head, overlap: None };
        let room = self.here.budget.saturating_sub(tokens + repeats.tokens());
        repeats.overlap = self.overlap_before(&piece).filter(|overlap| overlap.tokens <= room);
        self.open = Some(Open {
            parts: vec![Part { piece, section: self.section }],
            repeats,
            tokens: tokens + repeats.tokens(),
            glued: false,
            whole_sections: std::mem::take(&mut self.section_begins),
        });
    }

    /// Adds a piece to the open chunk, if there is one and it fits.
    fn extend(&mut self, piece: Piece, tokens: usize) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        let first = open.parts[0];
        let last = open.parts[open.parts.len() - 1];
        let skipped = &self.outline.skipped;
        let next = skipped.partition_point(|it| it.start < last.piece.span.end);
        if skipped.get(next).is_some_and(|it| it.start < piece.span.start) {
            return false;
        }
        let part = Part { piece, section: self.section };
        let shared;
        let place = if first.section == self.section {
            &self.here
        } else {
            shared = self.place_of(&[open.parts.as_slice(), &[part]].concat());
            &shared
        };
        let bytes = self.bytes(Span::new(first.piece.span.start, piece.span.end));
        // Whatever is between becomes part of the span.
        let between = Span::new(last.piece.span.end, piece.span.start);
        let between_tokens = match place.fits_bytes(bytes) {
            true if is_blank(between.of(self.text)) => 0,
            true => self.tokens(between),
            false => return false,
        };
        let joined = open.tokens + between_tokens + tokens;
        if joined > place.budget {
            return false;
        }
        let is_glued = !self.text[..piece.span.start].ends_with(is_space);
        if let Some(open) = &mut self.open {
            open.glued |= is_glued;
            open.tokens = joined;
            open.parts.push(part);
        }
        self.section_begins = false;
        true
    }

    /// Finishes the open chunk if it uses at least a quarter of the budget.
    pub fn close_if_quarter_full(&mut self) {
        if self.open.as_ref().is_some_and(|open| open.tokens * 4 >= self.here.budget) {
            self.close();
        }
    }

    /// Finishes the open chunk.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let counted = (!open.glued).then_some(open.tokens);
        self.emit(&open.parts, open.repeats, counted);

        let last = open.parts[open.parts.len() - 1];
        let prose = open.parts.iter().rev();
        let prose =
            prose.take_while(|it| it.piece.kind == Kind::Prose && it.section == last.section);
        self.last_prose = prose.last().map(|part| LastProse {
            span: Span::new(part.piece.lead_end, last.piece.span.end),
            section: last.section,
        });
    }

    /// Makes a chunk of `parts`; `counted` is their tokens with the repeated text, if known.
    ///
    /// If parts of a word meet, the sum of their tokens was an estimate. If they exceed the budget
    /// together, each half becomes a chunk.
    fn emit(&mut self, parts: &[Part], repeats: Repeats, counted: Option<usize>) {
        let (first, last) = (parts[0], parts[parts.len() - 1]);
        let place = self.place_of(parts);
        let span = trimmed(self.text, Span::new(first.piece.span.start, last.piece.span.end));
        let tokens = counted.unwrap_or_else(|| self.tokens(span) + repeats.tokens());
        if tokens > place.budget && parts.len() > 1 {
            let (front, back) = parts.split_at(parts.len() / 2);
            self.emit(front, repeats, None);
            let repeats = Repeats { head: back[0].piece.head, overlap: None };
            return self.emit(back, repeats, None);
        }
        self.chunks.push(Chunk {
            span,
            prefix: repeats.head.prefix.map(|it| it.span),
            row_head: repeats.head.row.map(|it| it.span),
            overlap: repeats.overlap.map(|it| Span::new(it.span.start, span.start)),
            lines: self.lines.of(self.text, span),
            heading_path: place.path,
            token_count: place.context_tokens + tokens,
        });
    }

    /// Returns the words before `piece` to repeat with it: from the start of a sentence if there is
    /// one, and only if prose follows prose in one section.
    fn overlap_before(&self, piece: &Piece) -> Option<Repeated> {
        let last = self.last_prose.as_ref().filter(|last| last.section == self.section)?;
        if self.overlap_tokens == 0
            || piece.kind != Kind::Prose
            || !self.text[..piece.span.start].ends_with(is_space)
            || !is_blank(&self.text[last.span.end..piece.span.start])
        {
            return None;
        }
        let prose = last.span.of(self.text);
        let tokens_of = |range: Range<usize>| {
            self.tokens(Span::new(last.span.start + range.start, last.span.start + range.end))
        };
        let words = Grain::Word.cuts(prose).filter(|cut| !self.is_in_noise(last.span.start + cut));
        let words: Vec<usize> = words.collect();
        let (mut start, mut tokens) = (prose.len(), 0);
        for &word in words.iter().rev().chain(&[0]) {
            let word_tokens = tokens_of(word..start);
            if tokens + word_tokens > self.overlap_tokens {
                break;
            }
            (start, tokens) = (word, tokens + word_tokens);
        }
        if let Some(cut) = Grain::Sentence.cuts(&prose[start..]).next().filter(|_| start > 0)
            && !self.is_in_noise(last.span.start + start + cut)
        {
            start += cut;
            tokens = tokens_of(start..prose.len());
        }
        let span = Span::new(last.span.start + start, piece.span.start);
        (!is_blank(span.of(self.text))).then_some(Repeated { span, tokens })
    }
}

impl Repeats {
    fn tokens(&self) -> usize {
        self.head.tokens() + self.overlap.map_or(0, |it| it.tokens)
    }
}

impl Head {
    /// Returns the tokens of all of it.
    pub fn tokens(&self) -> usize {
        self.parts().map(|it| it.tokens).sum()
    }

    /// Returns what is repeated.
    pub fn parts(&self) -> impl Iterator<Item = Repeated> {
        [self.prefix, self.row].into_iter().flatten()
    }
}

/// Reports whether `text` is only white space.
fn is_blank(text: &str) -> bool {
    text.trim_start().is_empty()
}

/// Returns `span` without the white space around it, but with the indentation of its first line.
fn trimmed(text: &str, span: Span) -> Span {
    let content = span.of(text);
    let end = span.start + content.trim_end().len();
    let indented = span.start + (content.len() - content.trim_start().len());
    let start = text[span.start..indented].rfind('\n').map_or(span.start, |at| span.start + at + 1);
    Span::new(start, end)
}

/// Counts lines in one pass over a text.
struct Lines {
    at: usize,
    line: usize,
}

impl Lines {
    /// Returns the lines of a span, which begins at or after the end of the last one.
    fn of(&mut self, text: &str, span: Span) -> LineRange {
        let first = self.advance(text, span.start);
        LineRange { first, last: self.advance(text, span.end) }
    }

    /// Returns the line of the byte at `offset`.
    fn advance(&mut self, text: &str, offset: usize) -> usize {
        let passed = &text.as_bytes()[self.at..offset];
        self.line += memchr::memchr_iter(b'\n', passed).count();
        self.at = offset;
        self.line
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::analysis::noise;
    use crate::chunk::{ChunkConfig, ChunkInput, body_text, chunker};
    use crate::domain::{Chunk, MediaType};

    /// Chunks Markdown without a title, by a count of words that `cost` weighs.
    fn chunks(text: &str, (max, overlap): (usize, usize), cost: fn(&str) -> usize) -> Vec<Chunk> {
        let config = ChunkConfig { max_tokens: max, overlap_tokens: overlap };
        let noise = &noise::of(text);
        let input = ChunkInput { title: "", text, noise, media_type: MediaType::Markdown };
        let count = |text: &str| text.split_whitespace().map(cost).sum();
        chunker(input.media_type).chunk(&input, &config, &count)
    }

    /// Checks heading path, body and tokens of every chunk, a word being a token.
    pub fn check(text: &str, limits: (usize, usize), expected: &[(&str, &str, usize)]) {
        let chunks = chunks(text, limits, |_| 1);
        let bodies: Vec<_> =
            chunks.iter().map(|chunk| body_text(text, &noise::of(text), chunk)).collect();
        let actual: Vec<_> = chunks
            .iter()
            .zip(&bodies)
            .map(|(chunk, body)| (chunk.heading_path.as_str(), body.as_ref(), chunk.token_count))
            .collect();
        assert_eq!(actual, expected, "{text}");
    }

    #[test]
    fn blocks_share_a_chunk_while_they_fit() {
        let text = "one two three\n\nfour five six\n\nseven eight\n";
        check(text, (8, 0), &[("", text.trim_end(), 8)]);
        check(text, (7, 0), &[("", "one two three\n\nfour five six", 6), ("", "seven eight", 2)]);
        check("", (8, 0), &[]);
        check("\n \n", (8, 0), &[]);
    }

    #[test]
    fn a_heading_goes_with_what_is_below_it() {
        // Its words count twice: in the heading path, and in the span.
        check("# H\n\na b c\n", (10, 0), &[("H", "# H\n\na b c", 6)]);
        check("a b\n\n# H\n\nc d\n", (10, 0), &[("", "a b", 2), ("H", "# H\n\nc d", 5)]);
        // One without a body is a part of the heading paths below it, or else a chunk.
        check("# H\n\n## I\n\na\n\n# J\n", (10, 0), &[("H > I", "## I\n\na", 6), ("J", "# J", 3)]);
        // Heading paths have no URLs.
        check("# [H](u)\n\n## I\n\na\n", (20, 0), &[("H > I", "# [H](u)\n\n## I\n\na", 8)]);
        check("# A\n\n# B\n", (20, 0), &[("", "# A\n\n# B", 4)]);
    }

    #[test]
    fn small_sections_of_one_parent_are_joined() {
        // An eighth of what the path leaves of 40 is more than four words and less than five.
        let text = "# T\n\n## A\n\nx y\n\n## B\n\nz\n\n# U\n\n## C\n\nw\n";
        check(text, (40, 0), &[("T", "## A\n\nx y\n\n## B\n\nz", 8), ("U > C", "## C\n\nw", 6)]);
        let text = "# T\n\n## A\n\nx y z\n\n## B\n\nw\n";
        check(text, (40, 0), &[("T > A", "## A\n\nx y z", 8), ("T > B", "## B\n\nw", 6)]);
    }

    #[test]
    fn an_overlap_begins_with_a_sentence_if_there_is_room_for_one() {
        let text = "One two three. Four five six seven.\n\nEight nine ten eleven twelve.\n";
        let first = ("", "One two three. Four five six seven.", 7);
        let second = "Eight nine ten eleven twelve.";
        check(text, (10, 0), &[first, ("", second, 5)]);
        // Three words are no sentence.
        let overlapped = format!("five six seven.\n\n{second}");
        check(text, (10, 3), &[first, ("", &overlapped, 8)]);
        let overlapped = format!("Four five six seven.\n\n{second}");
        check(text, (10, 4), &[first, ("", &overlapped, 9)]);
        check(text, (10, 5), &[first, ("", &overlapped, 9)]);
        // It would make the chunk too long.
        check(text, (8, 4), &[first, ("", second, 5)]);
        // Sections and code begin afresh.
        let text = "One two three.\n\n# H\n\nFour five.\n\n```\nsix seven eight nine ten\n```\n";
        check(
            text,
            (9, 2),
            &[
                ("", "One two three.", 3),
                ("H", "# H\n\nFour five.", 5),
                ("H", "```\nsix seven eight nine ten\n```", 8),
            ],
        );
    }

    #[test]
    fn parts_of_a_word_are_counted_together() {
        // As wordpieces do, a long word costs more than its letters one by one: ten letters fit by
        // the sum of their tokens, and are halved until they fit by their count.
        let text = "aaaaaaaaaa\n";
        let chunks = chunks(text, (10, 0), |word| word.len().pow(2));
        let actual: Vec<_> =
            chunks.iter().map(|chunk| (chunk.span.of(text), chunk.token_count)).collect();
        assert_eq!(actual, [("aa", 4), ("aaa", 9), ("aa", 4), ("aaa", 9)]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let text = "one two\n\n# H\n\n  three\n  four\n";
        let chunks = chunks(text, (10, 0), |_| 1);
        let lines: Vec<_> =
            chunks.iter().map(|chunk| (chunk.lines.first, chunk.lines.last)).collect();
        assert_eq!(lines, [(1, 1), (3, 6)]);
    }
}

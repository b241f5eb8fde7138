//! The outline of a text: sections with their headings and blocks as byte ranges. Chunkers build
//! it, the packer reads it; only headings are copied.

use std::ops::Range;

use crate::domain::Span;

/// Which sections share a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Small ones with the next.
    #[default]
    Small,
    /// Neighbours, and what is inside of them, as many as fit.
    Neighbours,
    /// The same below the outermost sections.
    Inner,
}

/// A text's sections in order.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Which sections share a chunk.
    pub sharing: Sharing,
    /// Sections in the order of the text; a subsection follows its parent.
    pub sections: Vec<Section>,
    /// The contents of containers; see [`Block::leaves`].
    pub leaves: Vec<Block>,
    /// Lines that are no text, in order; chunks end before them.
    pub skipped: Vec<Span>,
}

/// A heading and the blocks up to the next heading of any level.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// `None` before the first heading.
    pub heading: Option<Heading>,
    /// The section whose heading is above this one's; always an earlier one.
    pub parent: Option<usize>,
    /// Blocks in order, without overlap.
    pub blocks: Vec<Block>,
}

/// A section's heading.
#[derive(Debug)]
pub(super) struct Heading {
    /// The heading's lines, underline included.
    pub span: Span,
    /// 1 (outermost) to 6.
    pub level: u8,
    /// Its text without markup, white space collapsed; may be empty.
    pub text: String,
}

impl Heading {
    /// Reports whether its text has all letters and digits of its lines: no URL, no attribute, not
    /// truncated.
    pub fn is_said_by_its_text(&self, text: &str) -> bool {
        let said = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
        said(self.span.of(text)) == said(&self.text)
    }
}

/// A paragraph, list, table, …
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Bytes of the block, including blanks before it on its first line.
    pub span: Span,
    /// Decides how the block is split if it is too long.
    pub kind: Kind,
    /// End of the lead, which must not be separated from the bytes after it: a table's head, a
    /// fence line. Equals `span.start` if there is none.
    pub lead_end: usize,
    /// Bytes to repeat before every part of the block but the first.
    pub prefix: Option<Span>,
    /// Contents of a container, as a range of [`Outline::leaves`]: the paragraphs, code blocks, …
    /// inside it at any depth, flat and without gaps.
    pub leaves: Range<usize>,
    /// Whether this leaf starts an item of its list, or a child of its quote.
    pub starts_item: bool,
}

/// How a block is split if it is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Running text: at sentences.
    Prose,
    /// Code: at groups of lines, then at lines.
    Lines,
    /// A table: at lines, which are rows.
    Table,
    /// HTML: at rows of tables, then as lines.
    Html,
    /// Lists, quotes, footnotes: at items, then at leaves, each by its own kind.
    Container,
}

impl Block {
    /// Returns a block without lead, prefix or leaves.
    pub fn new(span: Span, kind: Kind) -> Self {
        Self { span, kind, lead_end: span.start, prefix: None, leaves: 0..0, starts_item: false }
    }
}

impl Outline {
    /// Reports whether section `index` is inside of section `outer`, at any depth.
    pub fn is_inside(&self, index: usize, outer: usize) -> bool {
        let parent = |index: &usize| self.sections[*index].parent;
        std::iter::successors(parent(&index), parent).any(|it| it == outer)
    }

    /// Returns one section without a heading whose blocks are the groups of lines between blank
    /// lines.
    pub fn of_paragraphs(text: &str, kind: Kind) -> Self {
        let mut section = Section::default();
        let mut start = None;
        let mut at = byte_order_mark(text);
        for line in text[at..].split_inclusive('\n') {
            match (line.trim_start().is_empty(), start) {
                (true, Some(first)) => {
                    section.blocks.push(Block::new(Span::new(first, at), kind));
                    start = None;
                }
                (false, None) => start = Some(at),
                _ => {}
            }
            at += line.len();
        }
        if let Some(first) = start {
            section.blocks.push(Block::new(Span::new(first, at), kind));
        }
        Self { sections: vec![section], ..Self::default() }
    }
}

/// Returns the length of the byte order mark at the start of `text`, which counts as blank.
pub(super) fn byte_order_mark(text: &str) -> usize {
    if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}

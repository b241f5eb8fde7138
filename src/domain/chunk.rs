//! A chunk: a span of a revision's text with its place in the document's structure.

use std::ops::Range;

use kbingest_extract::LineMap;

/// A half-open byte range `[start, end)` of a revision's text, on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Returns the span `[start, end)`.
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end, "span {start}..{end} runs backwards");
        Self { start, end }
    }

    /// Returns the length in bytes.
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Reports whether the span is empty.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Returns the bytes of `text` in the span.
    pub fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self::new(range.start, range.end)
    }
}

/// First and last line of a span, counted from 1, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    /// Line of the first byte.
    pub first: usize,
    /// Line of the last byte.
    pub last: usize,
}

impl LineRange {
    /// Returns the lines of the file that these lines of its text come from.
    pub fn in_file(self, lines: &LineMap) -> Self {
        let in_file = lines.in_file(self.first..=self.last);
        Self { first: *in_file.start(), last: *in_file.end() }
    }
}

/// A piece of a document that is embedded, indexed and returned as a search hit.
///
/// It holds no text of its own. The embedded text is the title, the heading path, then the text of
/// `prefix`, `row_head`, `overlap` and `span`, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The chunk's own bytes; spans of one revision are in order and do not overlap.
    pub span: Span,
    /// Bytes repeated before the span so that it can be understood alone: the header rows of a
    /// table, the fence line of a code block.
    pub prefix: Option<Span>,
    /// The first cell of the table row that the span begins inside of, repeated after the prefix.
    pub row_head: Option<Span>,
    /// Bytes of the text right before `span` that are repeated; it ends at the start of `span`.
    pub overlap: Option<Span>,
    /// Lines of `span` in the text; in the file, if that has lines and they are known, once it is
    /// stored.
    pub lines: LineRange,
    /// Headings above the chunk, outermost first, joined by ` > `; empty if there are none.
    pub heading_path: String,
    /// Tokens of the embedded text, counted by the embedder's own tokeniser.
    pub token_count: usize,
}

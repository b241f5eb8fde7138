//! Markdown: sections and top-level blocks from pulldown-cmark's events, in one pass over each
//! piece.
//!
//! No text is lost, whatever the parser does: bytes between blocks that are not blank, such as link
//! definitions, become blocks of their own. Front matter is metadata, but for lines that belong to
//! no key; a document of nothing else has it as its text. Nesting costs a counter, not a stack.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::outline::{Block, Heading, Kind, Outline, Section, Sharing, byte_order_mark};
use super::pieces::pieces;
use super::{ChunkConfig, ChunkInput, Chunker, CountTokens, mdx, pack, tables};
use crate::domain::{Chunk, Span};
use crate::support::{front_matter, headings, line_ends};

/// Limit on a heading's text in heading paths, in characters.
const HEADING_CHARS_MAX: usize = 200;

/// Ends of the names of files with data, which are the titles of their texts.
const DATA: [&str; 4] = [".json", ".jsonl", ".ndjson", ".xml"];

/// Chunks CommonMark with the extensions that documentation uses.
pub(super) struct Markdown;

impl Chunker for Markdown {
    fn id(&self) -> &'static str {
        "markdown@5"
    }

    fn chunk(
        &self,
        input: &ChunkInput<'_>,
        config: &ChunkConfig,
        count: CountTokens<'_>,
    ) -> Vec<Chunk> {
        let mut outline = outline(input.text);
        // Data that was converted has a section for each of its nodes, most of them tiny.
        if DATA.iter().any(|end| input.title.ends_with(end)) {
            outline.sharing = Sharing::Inner;
        }
        pack::pack(&outline, input, config, count)
    }
}

/// Returns the sections and blocks of a Markdown text.
fn outline(text: &str) -> Outline {
    let text = &line_ends::unix(text);
    let start = byte_order_mark(text);
    let metadata = front_matter::find(&text[start..]);
    let base = metadata.as_ref().map_or(start, |metadata| start + metadata.end);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut builder = Builder::new(text, start);
    for unread in metadata.iter().flat_map(|metadata| &metadata.unread) {
        let lines = Span::new(start + unread.start, start + unread.end);
        builder.skip_to(lines.start);
        builder.add_block(Block::new(lines, Kind::Prose));
    }
    builder.skip_to(base);
    for piece in pieces(text, base) {
        let parser = Parser::new_ext(&text[piece.clone()], options);
        builder.read(parser, piece.start);
    }
    builder.finish(start)
}

/// Builds an outline from events in the order of the text.
struct Builder<'a> {
    text: &'a str,
    outline: Outline,
    /// End of the last heading or block.
    cursor: usize,
    /// Sections that contain the current position, outermost first.
    ancestors: Vec<usize>,
    /// Text of the heading being read.
    heading: Option<String>,
    /// The container being read.
    container: Option<Block>,
    /// How far line starts were searched in it, and the last one found.
    line_seen: usize,
    line_start: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, base: usize) -> Self {
        let outline = Outline { sections: vec![Section::default()], ..Outline::default() };
        Self {
            text,
            outline,
            cursor: base,
            ancestors: Vec::new(),
            heading: None,
            container: None,
            line_seen: base,
            line_start: base,
        }
    }

    /// Reads the events of a piece of the text that begins at `base`.
    fn read(&mut self, parser: Parser<'_>, base: usize) {
        let in_text = |range: &Range<usize>| Span::new(base + range.start, base + range.end);
        let mut depth = 0;
        for (event, range) in parser.into_offset_iter() {
            let span = in_text(&range);
            match event {
                Event::Start(tag) => {
                    self.start(&tag, span, depth);
                    depth += 1;
                }
                Event::End(tag) => {
                    depth -= 1;
                    self.end(tag, span, depth);
                }
                Event::Rule => self.leaf(Kind::Prose, 0, span, depth),
                Event::Text(text) | Event::Code(text) => self.heading_text(&text),
                Event::SoftBreak | Event::HardBreak => self.heading_text(" "),
                Event::InlineHtml(tag) if headings::is_break(&tag) => self.heading_text(" "),
                _ => {}
            }
        }
    }

    /// Handles the start of a block or inline element inside `depth` others.
    fn start(&mut self, tag: &Tag<'_>, span: Span, depth: usize) {
        match tag {
            Tag::Heading { .. } if depth == 0 => self.heading = Some(String::new()),
            Tag::List(_) | Tag::BlockQuote(_) | Tag::FootnoteDefinition(_) if depth == 0 => {
                let mut container = Block::new(self.whole_lines(span), Kind::Container);
                let first_leaf = self.outline.leaves.len();
                container.leaves = first_leaf..first_leaf;
                self.line_start = container.span.start;
                self.line_seen = container.span.start;
                self.container = Some(container);
            }
            Tag::Paragraph if depth == 0 => self.paragraph(span),
            Tag::Paragraph | Tag::Heading { .. } | Tag::Item | Tag::BlockQuote(_) => {
                self.leaf(Kind::Prose, 0, span, depth);
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(_)) => self.leaf(Kind::Lines, 1, span, depth),
            Tag::CodeBlock(_) => self.leaf(Kind::Lines, 0, span, depth),
            Tag::HtmlBlock => self.leaf(Kind::Html, 0, span, depth),
            Tag::Table(_) => self.leaf(Kind::Table, 2, span, depth),
            _ => {}
        }
    }

    /// Continues at `to`: what is before it is no text.
    fn skip_to(&mut self, to: usize) {
        let skipped = Span::new(self.cursor, to.max(self.cursor));
        if !skipped.of(self.text).trim().is_empty() {
            self.outline.skipped.push(skipped);
        }
        self.cursor = skipped.end;
    }

    /// Adds a paragraph, without the statements of MDX that it begins with.
    fn paragraph(&mut self, span: Span) {
        let is_outmost = span.start == 0 || self.text[..span.start].ends_with('\n');
        let length = if is_outmost { mdx::statements(span.of(self.text)) } else { 0 };
        let statements = Span::new(span.start, span.start + length);
        if !statements.is_empty() {
            self.fill_gap(statements.start);
            self.skip_to(statements.end);
        }
        self.leaf(Kind::Prose, 0, Span::new(statements.end, span.end), 0);
    }

    /// Handles the end of an element inside `depth` others.
    fn end(&mut self, tag: TagEnd, span: Span, depth: usize) {
        match tag {
            TagEnd::Heading(level) if depth == 0 => {
                let braces = headings::braces(span.of(self.text));
                let has_braces =
                    self.heading.as_ref().is_some_and(|text| text.ends_with(braces.trim_start()));
                if !has_braces {
                    self.heading_text(braces);
                }
                self.add_heading(level as u8, span);
            }
            _ if depth == 0 => self.add_container(),
            TagEnd::CodeBlock | TagEnd::Table | TagEnd::HtmlBlock => {
                // In a tight list, no event marks the start of the next paragraph.
                let rest = self.text[span.end..].find('\n').filter(|_| !self.begins_line(span.end));
                let next_line = span.end + rest.map_or(0, |newline| newline + 1);
                self.leaf(Kind::Prose, 0, Span::new(next_line, next_line), depth);
            }
            _ => {}
        }
    }

    /// Adds text to the heading being read, if there is one.
    fn heading_text(&mut self, text: &str) {
        if let Some(heading) = &mut self.heading {
            heading.push_str(text);
        }
    }

    /// Adds a block that contains no blocks, to the section or as a leaf of the container. Its
    /// first `head_lines` lines stay with the lines after them, the first is repeated.
    fn leaf(&mut self, kind: Kind, head_lines: usize, span: Span, depth: usize) {
        if depth == 0 {
            let mut block = Block::new(self.whole_lines(span), kind);
            self.add_head(&mut block, head_lines, span);
            return self.add_block(block);
        }
        let Some(container) = &self.container else {
            return;
        };
        if span.start >= container.span.end || span.start < self.line_seen {
            return;
        }
        let first_leaf = container.leaves.start;
        let passed = &self.text[self.line_seen..span.start];
        if let Some(at) = passed.rfind(['\n', '\r']) {
            self.line_start = self.line_seen + at + 1;
        }
        self.line_seen = span.start;
        // Its end is only known when the next leaf begins.
        let mut leaf = Block::new(Span::new(self.line_start, span.end), kind);
        leaf.starts_item = depth == 1;
        self.add_head(&mut leaf, head_lines, span);
        match self.outline.leaves[first_leaf..].last_mut() {
            // An item and the first block in it begin on the same line, and are one leaf.
            Some(last) if last.span.start == leaf.span.start => {
                leaf.starts_item |= last.starts_item;
                *last = leaf;
            }
            _ => self.outline.leaves.push(leaf),
        }
    }

    /// Sets the lead and the prefix of a code block or table whose own bytes are `span`.
    fn add_head(&self, block: &mut Block, head_lines: usize, span: Span) {
        if block.kind == Kind::Html
            && let Some(header) = tables::header(span.of(self.text))
        {
            let header = Span::new(span.start + header.start, span.start + header.end);
            block.lead_end = header.end;
            block.prefix = Some(header);
        }
        let mut lines = span.of(self.text).split_inclusive('\n').take(head_lines);
        let Some(first) = lines.next() else { return };
        block.lead_end = span.start + first.len() + lines.map(str::len).sum::<usize>();
        let first = Span::new(span.start, span.start + first.trim_end().len());
        block.prefix = first.of(self.text).contains(char::is_alphanumeric).then_some(first);
    }

    /// Begins a new section.
    fn add_heading(&mut self, level: u8, span: Span) {
        let span = self.whole_lines(span);
        self.fill_gap(span.start);
        self.cursor = span.end;
        let sections = &mut self.outline.sections;
        let level_of = |index: usize| sections[index].heading.as_ref().map_or(0, |it| it.level);
        while self.ancestors.pop_if(|index| level_of(*index) >= level).is_some() {}
        let heading =
            Heading { span, level, text: path_text(&self.heading.take().unwrap_or_default()) };
        let parent = self.ancestors.last().copied();
        self.ancestors.push(sections.len());
        sections.push(Section { heading: Some(heading), parent, blocks: Vec::new() });
    }

    /// Adds the container being read, if there is one.
    fn add_container(&mut self) {
        let Some(mut container) = self.container.take() else {
            return;
        };
        let first_leaf = container.leaves.start;
        let leaves = &mut self.outline.leaves;
        let mut end = container.span.end;
        for leaf in leaves[first_leaf..].iter_mut().rev() {
            leaf.span.end = end;
            end = leaf.span.start;
            leaf.lead_end = leaf.lead_end.min(leaf.span.end);
        }
        if let Some(first) = leaves.get_mut(first_leaf) {
            first.span.start = container.span.start;
        }
        container.leaves = first_leaf..leaves.len();
        self.add_block(container);
    }

    /// Adds a block to the current section.
    fn add_block(&mut self, mut block: Block) {
        if block.span.of(self.text).trim_start().is_empty() {
            return; // To CommonMark, a line of no-break spaces is a paragraph.
        }
        self.fill_gap(block.span.start);
        self.cursor = block.span.end;
        block.lead_end = block.lead_end.clamp(block.span.start, block.span.end);
        self.blocks().push(block);
    }

    /// Makes a block of the text between the cursor and `to`, if it is not blank: link definitions,
    /// and whatever the parser ignores.
    fn fill_gap(&mut self, to: usize) {
        if to <= self.cursor {
            return;
        }
        let loose = &self.text[self.cursor..to];
        if !loose.trim_start().is_empty() {
            let start = self.cursor + (loose.len() - loose.trim_start().len());
            let block = Block::new(self.whole_lines(Span::new(start, to)), Kind::Lines);
            self.blocks().push(block);
        }
        self.cursor = to;
    }

    /// Returns `span` with the blanks before it if it begins its line, and without white space at
    /// its end; never from before the cursor.
    fn whole_lines(&self, span: Span) -> Span {
        let start = span.start.max(self.cursor);
        let end = start + self.text[start..span.end.max(start)].trim_end().len();
        let before = self.text[self.cursor..start].trim_end_matches([' ', '\t']);
        let line_start = self.cursor + before.len();
        Span::new(if self.begins_line(line_start) { line_start } else { start }, end)
    }

    /// Reports whether a line begins at `offset`, or the rest of a line after the last block.
    fn begins_line(&self, offset: usize) -> bool {
        offset == self.cursor || self.text[..offset].ends_with(['\n', '\r'])
    }

    /// Returns the blocks of the current section.
    fn blocks(&mut self) -> &mut Vec<Block> {
        let last = self.outline.sections.last_mut();
        &mut last.expect("there is a section before the first heading").blocks
    }

    /// Returns the outline; a text that is only front matter or statements has these as its block.
    fn finish(mut self, start: usize) -> Outline {
        self.fill_gap(self.text.len());
        let is_empty = |section: &Section| section.heading.is_none() && section.blocks.is_empty();
        if self.outline.sections.iter().all(is_empty) && !self.text[start..].trim().is_empty() {
            self.outline.skipped.clear();
            let whole = Span::new(start, start + self.text[start..].trim_end().len());
            self.blocks().push(Block::new(whole, Kind::Lines));
        }
        self.outline
    }
}

/// Returns the text of a heading for heading paths: white space collapsed, long ones truncated.
fn path_text(text: &str) -> String {
    let text = text.replace('\u{ad}', "");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(HEADING_CHARS_MAX) {
        Some((end, _)) => text[..end].trim_end().to_owned(),
        None => text,
    }
}

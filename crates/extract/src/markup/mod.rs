//! Lightweight markup, converted to Markdown: AsciiDoc, reStructuredText, Org, LaTeX and man pages.
//!
//! Line scanners, not parsers: headings, literal blocks, tables, lists and links become Markdown,
//! and every other line stays as typed. No text is lost.

mod asciidoc;
mod latex;
mod man;
mod org;
mod rst;

use std::collections::BTreeMap;

use crate::lines::LineStarts;
use crate::text::encoding::{self, Decoded};
use crate::writer::Cells;
use crate::writer::Writer;
use crate::{DocumentError, Extracted, Extractor, MediaType, Metadata, TEXT_BYTES_MAX, title};

/// One kind of markup.
pub(crate) struct Markup {
    id: &'static str,
    scan: fn(&str, &mut Scribe),
}

/// Limit on the tags of a document.
const TAGS_MAX: usize = 50;

/// AsciiDoc.
pub(crate) const ASCIIDOC: Markup = Markup { id: "asciidoc@4", scan: asciidoc::scan };
/// reStructuredText.
pub(crate) const RST: Markup = Markup { id: "rst@5", scan: rst::scan };
/// Org mode.
pub(crate) const ORG: Markup = Markup { id: "org@4", scan: org::scan };
/// LaTeX.
pub(crate) const LATEX: Markup = Markup { id: "latex@3", scan: latex::scan };
/// Man pages, by either macro package.
pub(crate) const MAN: Markup = Markup { id: "man@2", scan: man::scan };

/// Reports whether a text begins like a man page: with a comment of roff or its first macro.
pub(crate) fn is_man_page(start: &[u8]) -> bool {
    [&b".TH "[..], b".Dd ", b".\\\"", b"'\\\"", b".so "].iter().any(|mark| start.starts_with(mark))
}

/// The output of a scanner.
pub(crate) struct Scribe {
    writer: Writer,
    title: Option<String>,
    metadata: Metadata,
    /// Lines of the current paragraph or list, and the lines of the file that they come from.
    lines: Vec<(u32, String)>,
    /// The lines of the text that is scanned.
    source: LineStarts,
    /// The line of the file that is scanned.
    at: u32,
}

impl Scribe {
    /// Scans another text instead, which was made from the file; its lines come from the lines
    /// `in_file`, from 1.
    fn scan_instead(&mut self, text: &str, in_file: Option<Vec<u32>>) {
        self.source = LineStarts::of(text);
        self.source.come_from(in_file);
    }

    /// Sets the part of the scanned text that what follows comes from.
    fn at(&mut self, part: &str) {
        self.at = self.source.of_part(part).unwrap_or(self.at);
    }

    /// Adds a line to the paragraph.
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push((self.at, line.into()));
    }

    /// Ends the paragraph.
    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        self.writer.markdown_lines(lines.iter().map(|(at, line)| (Some(*at), line.as_str())));
        self.writer.at((self.at, self.at));
    }

    fn heading(&mut self, level: usize, text: &str) {
        self.flush();
        if level == 1 && self.title.is_none() {
            self.title = title::clean(text);
        }
        self.writer.heading(level, text);
    }

    fn code(&mut self, language: &str, lines: &[&str]) {
        self.flush();
        let is_filled = |line: &&str| !line.trim().is_empty();
        let Some(first) = lines.iter().position(is_filled) else { return };
        let end = lines.iter().rposition(is_filled).map_or(first, |last| last + 1);
        let lines = lines[first..end].iter().map(|line| (self.source.of_part(line), *line));
        self.writer.code_lines(language, lines);
    }

    /// Writes a table that was read from `block`, consecutive lines.
    fn table(&mut self, cells: &Cells, block: &[&str]) {
        self.flush();
        let first = block.first().and_then(|line| self.source.index_of_part(line));
        let in_file = |line: u32| first.map_or(self.at, |first| self.source.in_file(first + line));
        self.writer.cells(cells, |(first, last)| (in_file(first), in_file(last)));
    }

    /// Adds tags with colons between them, as Org writes them.
    fn add_tags(&mut self, tags: &str) {
        let known =
            self.metadata.get("tags").and_then(serde_json::Value::as_str).unwrap_or_default();
        let mut tags: Vec<&str> = known.split(' ').chain(tags.split([':', ' '])).collect();
        tags.retain(|tag| !tag.is_empty());
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag| seen.insert(*tag));
        tags.truncate(TAGS_MAX);
        if !tags.is_empty() {
            self.note("tags", &tags.join(" "));
        }
    }

    fn note(&mut self, key: &str, value: &str) {
        if let Some(value) = title::clean(value) {
            self.metadata.insert(key.to_owned(), value.into());
        }
    }
}

impl Extractor for Markup {
    fn id(&self) -> &'static str {
        self.id
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut scribe = Scribe {
            writer: Writer::new(TEXT_BYTES_MAX),
            title: None,
            metadata: Metadata::new(),
            lines: Vec::new(),
            source: LineStarts::of(text),
            at: 1,
        };
        (self.scan)(text, &mut scribe);
        scribe.flush();
        if scribe.writer.is_full() {
            return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
        }
        let (text, lines) = scribe.writer.finish_with_lines();
        Ok(Extracted {
            title: scribe.title.unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding,
            metadata: scribe.metadata,
            lines,
        })
    }
}

/// Returns the indentation of a line in columns; tabs advance to multiples of eight.
fn indent(line: &str) -> usize {
    let mut column = 0;
    for character in line.chars() {
        match character {
            ' ' => column += 1,
            '\t' => column = (column / 8 + 1) * 8,
            _ => break,
        }
    }
    column
}

/// Removes the lines of an indented block from `lines`, including blank lines inside it, and
/// returns them without their common indentation.
fn take_indented<'a>(lines: &mut &[&'a str], more_than: usize) -> Vec<&'a str> {
    let is_inside = |line: &&str| line.trim().is_empty() || indent(line) > more_than;
    let count = lines.iter().take_while(|line| is_inside(line)).count();
    let block = &lines[..count];
    let filled = block.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    *lines = &lines[filled..];
    let block = &block[..filled];
    let common = block
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.bytes().take_while(u8::is_ascii_whitespace).count());
    let common = common.min().unwrap_or(0);
    block.iter().map(|line| line.get(common..).unwrap_or(&line[line.len()..])).collect()
}

/// Limit on the bytes that values of names add to a document, so that they cannot multiply.
const RESOLVED_BYTES_MAX: usize = 1 << 20;

/// The values of names that a document defines.
struct Names {
    values: BTreeMap<String, String>,
    left: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { values: BTreeMap::new(), left: RESOLVED_BYTES_MAX }
    }
}

impl Names {
    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the value of a name, to be inserted once; `None` if it has none, or the limit is
    /// reached.
    fn resolve(&mut self, name: &str) -> Option<&str> {
        let value = self.values.get(name).filter(|value| value.len() <= self.left)?;
        self.left -= value.len();
        Some(value)
    }
}

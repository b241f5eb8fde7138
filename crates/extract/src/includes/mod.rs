//! Documents that include other files: the text of those takes the place of the line that names
//! them, as when the documents are published.
//!
//! reStructuredText (`include`, `literalinclude`), AsciiDoc (`include::`), Org (`#+INCLUDE`), LaTeX
//! (`\input`, `\include`), and in Markdown the forms of Quarto and Hugo (`{{< include >}}`),
//! Obsidian (`![[note]]`), mdBook (`{{#include}}`) and MkDocs (`--8<--`). A line stays unchanged if
//! its file cannot be read, is not text in UTF-8, is included in itself, or is over a limit.

mod directive;
mod select;

use crate::formats;
use crate::lines::{KnownLines, LineMap, Recorder};
use crate::text::front_matter;
use directive::{Directive, Form};

/// Limit on the files that a document includes.
const FILES_MAX: usize = 200;

/// Limit on the bytes that a document includes.
const BYTES_MAX: usize = 4 << 20;

/// Limit on files that include files.
const DEPTH_MAX: usize = 8;

/// A file that is included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncludedFile {
    /// Its URI, which is the same for all ways to name it.
    pub uri: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Reads the file that is named in a document: the URI of the document, and the path as written,
/// relative to it, or to the root of the source if it begins with `/`.
pub type ReadIncluded<'a> = &'a dyn Fn(&str, &str) -> Option<IncludedFile>;

/// A text with what it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithIncludes {
    /// The text.
    pub text: String,
    /// The lines of the document that its lines come from: an included line comes from the line
    /// that names its file.
    pub lines: KnownLines,
}

/// Returns the text of a document with the files that it includes; `None` if it includes none.
pub fn with_includes(uri: &str, bytes: &[u8], read: ReadIncluded<'_>) -> Option<WithIncludes> {
    let form = form_of(uri)?;
    let text = std::str::from_utf8(bytes).ok()?;
    if !directive::may_include(form, text) {
        return None;
    }
    let open = vec![uri.to_owned()];
    let mut reader = Reader { form, read, files_left: FILES_MAX, bytes_left: BYTES_MAX, open };
    let (mut recorder, mut has_any) = (Recorder::default(), false);
    let text = reader.expanded(uri, text, &mut |part, (first, last), is_included| {
        has_any |= is_included;
        recorder.at(first, last);
        let lines = if is_included { part.lines().count() } else { 1 };
        (0..lines).for_each(|_| recorder.line());
    });
    match recorder.finish() {
        LineMap::Known(lines) if has_any => Some(WithIncludes { text, lines }),
        _ => None,
    }
}

fn form_of(uri: &str) -> Option<Form> {
    let (name, _) = formats::extractor(uri).id().split_once('@')?;
    Some(match name {
        "markdown" => Form::Markdown,
        "rst" => Form::Rst,
        "asciidoc" => Form::AsciiDoc,
        "org" => Form::Org,
        "latex" => Form::Latex,
        _ => return None,
    })
}

/// Is given each part of an expanded text, the lines, from 1, that it takes the place of, and
/// whether it is included.
type EachPart<'a> = &'a mut dyn FnMut(&str, (u32, u32), bool);

/// Reads included files, within the limits of a document.
struct Reader<'a> {
    form: Form,
    read: ReadIncluded<'a>,
    files_left: usize,
    bytes_left: usize,
    /// The documents that are being read, outermost first.
    open: Vec<String>,
}

impl Reader<'_> {
    /// Returns a text of the document `uri` with what it includes.
    fn expanded(&mut self, uri: &str, text: &str, each: EachPart<'_>) -> String {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut expanded = String::with_capacity(text.len());
        let (mut at, mut number) = (0, 1);
        let mut in_code = false;
        while let Some(&line) = lines.get(at) {
            in_code ^= self.form == Form::Markdown && directive::is_fence(line);
            let found = directive::at(self.form, &lines[at..]);
            let found = found.filter(|one| !in_code || one.is_literal);
            let found = found.filter(|_| !directive::is_in_example(self.form, &lines[..=at]));
            let included = found.and_then(|one| Some((self.include(uri, &one)?, one.lines)));
            let (part, count) = match &included {
                Some((part, count)) => (part.as_str(), *count),
                None => (line, 1),
            };
            let next = number + u32::try_from(count).unwrap_or(1);
            each(part, (number, next - 1), included.is_some());
            expanded.push_str(part);
            (at, number) = (at + count, next);
        }
        expanded
    }

    /// Returns the text in place of a directive in the document `uri`.
    fn include(&mut self, uri: &str, directive: &Directive<'_>) -> Option<String> {
        if self.open.len() > DEPTH_MAX {
            return None;
        }
        self.files_left = self.files_left.checked_sub(1).filter(|_| self.bytes_left > 0)?;
        let file = directive.names.iter().find_map(|name| (self.read)(uri, name))?;
        if self.open.contains(&file.uri) {
            return None;
        }
        // What a file has is read, also if a part of it is meant.
        let Some(left) = self.bytes_left.checked_sub(file.bytes.len()) else {
            self.bytes_left = 0;
            return None;
        };
        self.bytes_left = left;
        let text = String::from_utf8(file.bytes).ok()?;
        let mut part = directive.selection.of(text.strip_prefix('\u{feff}').unwrap_or(&text))?;
        if self.form == Form::Markdown && !directive.is_literal {
            part = front_matter::split(&file.uri, &part).1.to_owned();
        }
        if !directive.is_literal && form_of(&file.uri).is_none_or(|form| form == self.form) {
            self.open.push(file.uri.clone());
            part = self.expanded(&file.uri, &part, &mut |_, _, _| {});
            self.open.pop();
        }
        Some(directive.rendered(&part))
    }
}

//! reStructuredText, after the specification of docutils.

mod inline;
mod tables;

use std::borrow::Cow;

use super::{Names, Scribe, indent, take_indented};
use crate::writer::Cells;
use inline::inline;
use tables::is_table;

/// Directives whose content is not text of the document.
const NO_TEXT: &[&str] = &[
    "toctree",
    "contents",
    "index",
    "highlight",
    "include",
    "meta",
    "raw",
    "currentmodule",
    "module",
    "automodule",
    "autoclass",
    "autofunction",
    "automethod",
    "default-role",
    "role",
    "sectnum",
    "title",
    "default-domain",
];

/// Directives whose content is code.
const CODE: &[&str] = &[
    "code",
    "code-block",
    "sourcecode",
    "parsed-literal",
    "doctest",
    "testcode",
    "prompt",
    "ipython",
    "productionlist",
    "graphviz",
    "literalinclude",
];

/// Directives whose argument is the beginning of their text.
const NOTES: &[&str] = &[
    "attention",
    "caution",
    "danger",
    "error",
    "hint",
    "important",
    "note",
    "tip",
    "warning",
    "seealso",
    "todo",
    "versionadded",
    "versionchanged",
    "deprecated",
];

pub(super) fn scan(text: &str, scribe: &mut Scribe) {
    let text = substituted(text);
    scribe.scan_instead(&text, None);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut levels = Vec::new();
    blocks(&lines, &mut levels, scribe, 0);
}

/// Inserts the texts of `.. |name| replace:: text` for `|name|`.
fn substituted(text: &str) -> Cow<'_, str> {
    fn definition(line: &str) -> Option<(&str, &str)> {
        let (name, rendered) = line.strip_prefix(".. |")?.split_once("| replace::")?;
        Some((name, rendered.trim()))
    }
    let mut known = Names::default();
    text.lines().filter_map(definition).for_each(|(name, rendered)| known.set(name, rendered));
    if known.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut rendered = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('|').filter(|_| !line.starts_with(".. |"))
        {
            rendered.push_str(before);
            let value =
                after.split_once('|').and_then(|(name, after)| Some((known.resolve(name)?, after)));
            match value {
                Some((value, after)) => {
                    rendered.push_str(value);
                    rest = after;
                }
                None => {
                    rendered.push('|');
                    rest = after;
                }
            }
        }
        rendered.push_str(rest);
    }
    Cow::Owned(rendered)
}

/// Limit on nested directives.
const DEPTH_MAX: usize = 16;

fn blocks(lines: &[&str], levels: &mut Vec<(char, bool)>, scribe: &mut Scribe, depth: usize) {
    let mut rest = lines;
    while let Some((&line, after)) = rest.split_first() {
        scribe.at(line);
        if line.is_empty() {
            scribe.flush();
            rest = after;
        } else if let Some((heading, mark, count)) = heading(rest) {
            let known = levels.iter().position(|level| *level == mark);
            let level = known.unwrap_or_else(|| {
                levels.push(mark);
                levels.len() - 1
            });
            scribe.heading(level + 1, &inline(heading));
            rest = &rest[count..];
        } else if let Some(explicit) =
            line.strip_prefix("..").filter(|l| l.is_empty() || l.starts_with(' '))
        {
            scribe.flush();
            rest = after;
            let body = take_indented(&mut rest, 0);
            directive(explicit.trim(), &body, levels, scribe, depth);
        } else if let Some((name, value)) = field(line).filter(|_| depth == 0) {
            scribe.note(name, if value.is_empty() { "true" } else { value });
            rest = after;
        } else if is_table(line) {
            let count = tables::lines(rest);
            match tables::cells(&rest[..count]) {
                Some(cells) => scribe.table(&cells, rest),
                None => scribe.code("", &rest[..count]),
            }
            rest = &rest[count..];
        } else if line.starts_with(">>> ") && scribe.lines.is_empty() {
            let count = rest.iter().take_while(|line| !line.is_empty()).count();
            scribe.code("python", &rest[..count]);
            rest = &rest[count..];
        } else {
            rest = after;
            paragraph_line(line, &mut rest, scribe);
        }
    }
    scribe.flush();
}

/// Returns a field of metadata: one of the bibliographic fields of docutils, or of Sphinx.
fn field(line: &str) -> Option<(&'static str, &str)> {
    const NAMES: [&str; 16] = [
        "author",
        "authors",
        "category",
        "date",
        "description",
        "keywords",
        "language",
        "modified",
        "nocomments",
        "nosearch",
        "orphan",
        "status",
        "summary",
        "tags",
        "updated",
        "version",
    ];
    let (name, value) = line.strip_prefix(':')?.split_once(':')?;
    let known = NAMES.iter().find(|known| name.eq_ignore_ascii_case(known))?;
    (value.is_empty() || value.starts_with(' ')).then(|| (*known, value.trim()))
}

fn paragraph_line(line: &str, rest: &mut &[&str], scribe: &mut Scribe) {
    let Some(before) = line.strip_suffix("::") else {
        let item = line.trim_start().strip_prefix("#. ");
        return scribe.line(match item {
            Some(item) => format!("{}1. {}", &line[..indent(line).min(line.len())], inline(item)),
            None => inline(line),
        });
    };
    // A paragraph that ends in two colons announces a literal block; one of them is kept.
    match before.trim_end() {
        "" => {}
        text if text.len() < before.len() => scribe.line(inline(text)),
        text => scribe.line(inline(&format!("{text}:"))),
    }
    if rest.first().is_none_or(|line| line.is_empty()) {
        let block = take_indented(rest, indent(line));
        scribe.code("", &block);
    }
}

/// Returns a heading at the start of `lines`, its mark with whether it has an overline, and its
/// number of lines.
fn heading<'a>(lines: &[&'a str]) -> Option<(&'a str, (char, bool), usize)> {
    let mark_of = |line: &str| {
        let first = line.chars().next().filter(char::is_ascii_punctuation)?;
        (line.len() >= 2 && line.chars().all(|c| c == first)).then_some(first)
    };
    let long_enough = |text: &str, line: &str| line.len() >= text.trim().chars().count().min(4);
    match lines {
        [above, text, below, ..]
            if mark_of(above).is_some()
                && mark_of(above) == mark_of(below)
                && mark_of(text).is_none()
                && !text.is_empty()
                && long_enough(text, above) =>
        {
            Some((text.trim(), (mark_of(above)?, true), 3))
        }
        [text, below, ..]
            if !text.is_empty()
                && !text.starts_with(' ')
                && mark_of(text).is_none()
                && mark_of(below).is_some()
                && long_enough(text, below) =>
        {
            Some((text, (mark_of(below)?, false), 2))
        }
        _ => None,
    }
}

fn directive(
    explicit: &str,
    body: &[&str],
    levels: &mut Vec<(char, bool)>,
    scribe: &mut Scribe,
    depth: usize,
) {
    let Some((name, argument)) = explicit.split_once("::") else {
        // A comment, a target or a footnote.
        if let Some(note) = explicit.strip_prefix('[') {
            scribe.line(format!("[{}", inline(note)));
            for line in body {
                scribe.at(line);
                scribe.line(inline(line));
            }
            scribe.flush();
        }
        return;
    };
    // Options are lines of `:name: value` at its start.
    let options = body.iter().take_while(|line| line.starts_with(':')).count();
    let content = &body[options..];
    let (name, argument) = (name.trim(), argument.trim());
    if name == "meta" {
        for (name, value) in body.iter().filter_map(|line| field(line)) {
            scribe.note(name, value);
        }
    }
    if name.contains(' ') || name.starts_with('|') || NO_TEXT.contains(&name) {
        return;
    }
    if CODE.contains(&name) {
        return scribe.code(argument, content);
    }
    if depth >= DEPTH_MAX {
        return;
    }
    let is_rendered = match name {
        // Around a part of the document, whose words are its own.
        "only" | "container" | "compound" | "class" | "rst-class" => {
            blocks(content, levels, scribe, depth + 1);
            true
        }
        "math" => {
            let lines: Vec<_> = std::iter::once(argument).chain(content.iter().copied()).collect();
            scribe.code("math", &lines);
            true
        }
        "image" | "figure" => {
            if let Some(alt) = option(&body[..options], "alt") {
                scribe.line(format!("![{alt}]({argument})"));
                scribe.flush();
            }
            blocks(content, levels, scribe, depth + 1);
            true
        }
        "csv-table" => {
            let cells = tables::separated(option(&body[..options], "header"), content);
            table(argument, (cells.len() > 0).then_some(cells), content, scribe)
        }
        "list-table" => table(argument, tables::listed(content), content, scribe),
        _ => false,
    };
    if !is_rendered {
        note(name, argument, content, scribe);
        blocks(content, levels, scribe, depth + 1);
    }
}

/// Returns an option of a directive.
fn option<'a>(options: &[&'a str], wanted: &str) -> Option<&'a str> {
    let rendered = options
        .iter()
        .find_map(|line| line.strip_prefix(':')?.strip_prefix(wanted)?.strip_prefix(':'));
    rendered.map(str::trim).filter(|rendered| !rendered.is_empty())
}

/// Writes a table with its caption; returns false if it is none.
fn table(caption: &str, cells: Option<Cells>, content: &[&str], scribe: &mut Scribe) -> bool {
    let Some(cells) = cells else { return false };
    if !caption.is_empty() {
        scribe.line(inline(caption));
    }
    scribe.table(&cells, content);
    true
}

/// Writes the name of the content of a directive.
fn note(name: &str, argument: &str, content: &[&str], scribe: &mut Scribe) {
    let is_admonition = content.iter().any(|line| !line.is_empty()) || !argument.is_empty();
    if is_admonition {
        // As in `py:function:: sorted(iterable)`: what is described; otherwise the kind of note.
        let shown = if name.contains(':') || argument.is_empty() {
            String::new()
        } else {
            format!(" {argument}")
        };
        let label = if name.contains(':') {
            format!("`{argument}`")
        } else {
            format!("**{name}:**{shown}")
        };
        scribe.line(label);
        // Text beside the name of a note continues on the next line.
        let goes_on = NOTES.contains(&name) && content.first().is_some_and(|line| !line.is_empty());
        if !goes_on || argument.is_empty() {
            scribe.flush();
        }
    }
}

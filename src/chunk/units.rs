//! Functions, classes and the like in program text of any language, detected by their first lines
//! and their indentation.
//!
//! Without a grammar: a line that looks like a definition begins a unit, with the comments,
//! attributes and decorators above it; the unit ends before the first line that is indented no
//! further and is not only a closing bracket. A line wrongly detected as a definition becomes a
//! heading, and no text is lost. In configuration, the units are tables and keys.

use std::vec::IntoIter;

use super::outline::{Block, Heading, Kind, Outline, Section, Sharing, byte_order_mark};
use super::yaml;
use crate::domain::Span;

/// Modifiers that may precede a keyword.
const MODIFIERS: [&str; 27] = [
    "pub",
    "export",
    "default",
    "async",
    "static",
    "public",
    "private",
    "protected",
    "internal",
    "abstract",
    "final",
    "override",
    "virtual",
    "inline",
    "unsafe",
    "partial",
    "sealed",
    "open",
    "local",
    "extern",
    "data",
    "const",
    "declare",
    "readonly",
    "suspend",
    "synchronized",
    "native",
];

/// Keywords that begin a definition.
const KEYWORDS: [&str; 23] = [
    "fn",
    "func",
    "fun",
    "def",
    "defp",
    "class",
    "struct",
    "enum",
    "union",
    "trait",
    "impl",
    "interface",
    "mod",
    "module",
    "defmodule",
    "namespace",
    "function",
    "sub",
    "procedure",
    "object",
    "protocol",
    "record",
    "type",
];

/// Words that may be followed by brackets without defining anything.
const CONTROL: [&str; 18] = [
    "if", "else", "for", "foreach", "while", "do", "switch", "match", "case", "return", "catch",
    "try", "with", "using", "loop", "unless", "elif", "assert",
];

/// Beginnings of comments and attributes.
const ABOVE: [&str; 8] = ["//", "#", "/*", "*", "@", "--", ";;", "%"];

/// Limit on a unit's name, in characters.
const NAME_CHARS_MAX: usize = 80;

/// Limit on the nesting of units; deeper ones belong to the unit around them.
const DEPTH_MAX: usize = 4;

/// What counts as a unit, by the extension of the file, whose name is the title of program text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Definitions.
    Code,
    /// `[table]`, as in TOML and INI.
    Tables,
    /// `key:` with its value below, as in YAML.
    Keys,
}

/// What a grammar found on a line.
#[derive(Debug, Default)]
pub(super) struct Mark {
    /// Units that began on earlier lines and include this one.
    pub depth: usize,
    /// The unit that begins here.
    pub name: Option<String>,
}

/// A unit that has not ended yet.
struct Unit {
    indent: usize,
    section: usize,
}

/// A text being divided into units.
struct Divider<'a> {
    text: &'a str,
    form: Form,
    /// Marks of the lines to come, used instead of indentation if there is a grammar.
    marks: Option<IntoIter<Mark>>,
    sections: Vec<Section>,
    open: Vec<Unit>,
    /// Start of the lines that are in no block yet.
    block: Option<usize>,
    /// Start and indentation of the comments right above.
    above: Option<(usize, usize)>,
    /// Documents that are not reached yet, last first.
    documents: Vec<yaml::Document>,
    /// Whether there are any: they are units around all keys.
    has_documents: bool,
    /// Indentation of the key whose text has not ended yet.
    key_of_text: Option<usize>,
}

/// Returns the units of `text` as sections, and groups of lines as their blocks.
///
/// `marks` of all lines show where units begin and end; without them, definitions and indentation
/// do.
pub(super) fn outline(text: &str, title: &str, marks: Option<Vec<Mark>>) -> Outline {
    let form = match title.rsplit('.').next().unwrap_or_default() {
        "toml" | "ini" | "cfg" | "conf" | "desktop" | "service" | "editorconfig" => Form::Tables,
        "yaml" | "yml" => Form::Keys,
        _ => Form::Code,
    };
    let mut at = byte_order_mark(text);
    let mut documents = if form == Form::Keys { yaml::documents(text, at) } else { Vec::new() };
    documents.reverse();
    let mut divider = Divider {
        text,
        form,
        marks: marks.map(Vec::into_iter),
        sections: vec![Section::default()],
        open: Vec::new(),
        block: None,
        above: None,
        has_documents: !documents.is_empty(),
        documents,
        key_of_text: None,
    };
    let mut lines = text[at..].split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        divider.take(at, line, lines.peek().copied().unwrap_or_default());
        at += line.len();
    }
    divider.close_block(at);
    let is_mapping = form == Form::Keys && !yaml::is_list(&text[byte_order_mark(text)..]);
    let sharing = if is_mapping { Sharing::Inner } else { Sharing::Neighbours };
    Outline { sharing, sections: divider.sections, ..Outline::default() }
}

impl Divider<'_> {
    /// Reads the line at `at`; the line after it may hold the bracket that makes it a definition.
    fn take(&mut self, at: usize, line: &str, next: &str) {
        let words = line.trim();
        if let Some(document) = self.documents.pop_if(|it| it.start <= at) {
            self.above = None;
            self.key_of_text = None;
            self.begin(at, 0, document.name);
        }
        let mark = self.marks.as_mut().map(|marks| marks.next().unwrap_or_default());
        if words.is_empty() {
            self.close_block(at);
            self.above = None;
            return;
        }
        let mut indent = line.len() - line.trim_start().len();
        let name = match (mark, self.form) {
            (Some(mark), _) => {
                indent = mark.depth;
                mark.name
            }
            (None, Form::Code) => definition(words, next.trim()),
            (None, Form::Tables) => table(words),
            (None, Form::Keys) => self.key(words, indent, at),
        };
        if self.form == Form::Keys {
            // The items of a list are inside of its key even if they are not indented further.
            indent = 2 * indent + usize::from(yaml::is_item(words));
        }
        if self.has_documents {
            indent += 1;
        }
        // All lines after a table's header belong to it, however far they are indented.
        if self.form == Form::Tables {
            indent = usize::from(name.is_none() && !is_above(words));
        }
        let start = self.above.take().filter(|above| above.1 == indent).map_or(at, |above| above.0);
        if let Some(name) = name {
            self.begin(start, indent, name);
        } else if is_above(words) {
            self.above = Some((start, indent));
        } else if words != "end" && words.contains(char::is_alphanumeric) {
            // A line that only closes stays with what it closes, even if that is two units at once:
            // a chunk of one bracket would be useless.
            self.end_units(start, indent, words);
        }
        self.block.get_or_insert(at);
    }

    /// Returns the key or named item that a line of YAML at `at` begins, unless it is in a text.
    fn key(&mut self, words: &str, indent: usize, at: usize) -> Option<String> {
        if self.key_of_text.is_some_and(|key| indent > key) {
            return None;
        }
        let key = words.trim_start_matches("- ");
        let key_indent = if key.contains(':') { indent + words.len() - key.len() } else { indent };
        self.key_of_text = yaml::begins_text(words).then_some(key_indent);
        if yaml::is_item(words) {
            return yaml::item(&self.text[at..]).map(|name| short(&name));
        }
        yaml::key(words).map(short)
    }

    /// Begins a unit at `start`, which may be before comments that were counted to the previous
    /// unit.
    fn begin(&mut self, start: usize, indent: usize, name: String) {
        self.close_block(start);
        while self.open.last().is_some_and(|unit| unit.indent >= indent) {
            self.open.pop();
        }
        let parent = self.open.last().map(|unit| unit.section);
        if self.open.len() < DEPTH_MAX + usize::from(self.has_documents) {
            self.open.push(Unit { indent, section: self.sections.len() });
            self.section(start, name, parent);
        }
        self.block = Some(start);
    }

    /// Ends the units that a line with this indentation is not part of; `at` is its start, comments
    /// included.
    fn end_units(&mut self, at: usize, indent: usize, words: &str) {
        let closes = words.starts_with(['}', ')', ']', '{']) || words.starts_with("end");
        let is_outside = |unit: &Unit| {
            indent < unit.indent || indent == unit.indent && !closes && !words.starts_with("where")
        };
        if !self.open.last().is_some_and(is_outside) {
            return;
        }
        while self.open.last().is_some_and(is_outside) {
            self.open.pop();
        }
        self.close_block(at);
        // The following lines belong to the unit around, whose name becomes their heading again.
        let around = self.open.last().map(|unit| unit.section);
        let parent = around.and_then(|section| self.sections[section].parent);
        let name = around.and_then(|section| self.sections[section].heading.as_ref());
        match name.map(|heading| heading.text.clone()) {
            Some(name) => {
                if let Some(unit) = self.open.last_mut() {
                    unit.section = self.sections.len();
                }
                self.section(at, name, parent);
            }
            None => self.sections.push(Section::default()),
        }
        self.block = Some(at);
    }

    /// Adds a section. Its heading takes no bytes: the line of the definition is part of the text.
    fn section(&mut self, at: usize, name: String, parent: Option<usize>) {
        let level = u8::try_from(self.open.len().min(6)).unwrap_or(6).max(1);
        let heading = Some(Heading { span: Span::new(at, at), level, text: name });
        self.sections.push(Section { heading, parent, blocks: Vec::new() });
    }

    /// Makes a block of the lines before `end`.
    fn close_block(&mut self, end: usize) {
        let Some(start) = self.block.take().filter(|&start| start < end) else { return };
        // A block of only white space is dropped.
        if let (Some(section), false) =
            (self.sections.last_mut(), self.text[start..end].trim().is_empty())
        {
            section.blocks.push(Block::new(Span::new(start, end), Kind::Lines));
        }
    }
}

fn is_above(words: &str) -> bool {
    ABOVE.iter().any(|mark| words.starts_with(mark))
}

/// Returns the name of the definition that a line begins, such as `fn main` or `class Shop`.
pub(super) fn definition(line: &str, next: &str) -> Option<String> {
    let rest = without_modifiers(line);
    let (first, after) = word(rest);
    let opens = line.contains(['(', '{', ':', '<', '=', ';']) || next.starts_with('{');
    if KEYWORDS.contains(&first) {
        let after = after.trim_start();
        let is_name = after.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let is_receiver =
            matches!(first, "func" | "impl" | "function" | "fn") && after.starts_with(['(', '<']);
        let is_alone = after.split_whitespace().count() == 1;
        // In many languages `type` may also be a name.
        let is_type = first != "type" || after.contains(['=', '{']) || after.contains(" struct");
        return (after.len() < rest.len()
            && (is_name || is_receiver)
            && (opens || is_alone)
            && is_type)
            .then(|| name(first, after));
    }
    if let Some(function) = assigned_function(rest) {
        return Some(function);
    }
    c_function(line, next)
}

/// Returns the name of a table: `[package.metadata]`, `[[bin]]`.
fn table(line: &str) -> Option<String> {
    let inner = line.strip_prefix('[')?.split(']').next()?.trim_start_matches('[').trim();
    let is_alone = line.ends_with(']') || line.contains("] #") || line.contains("] ;");
    (is_alone && !inner.is_empty() && !inner.contains([',', '='])).then(|| short(inner))
}

/// Strips modifiers such as `pub` and `export default`.
fn without_modifiers(line: &str) -> &str {
    let mut rest = line;
    loop {
        let (first, after) = word(rest);
        // `pub(crate)`, `extern "C"`
        let after = match after.strip_prefix('(') {
            Some(inner) if first == "pub" => {
                inner.split_once(')').map_or(after, |(_, after)| after)
            }
            _ => after,
        };
        let after = after.trim_start();
        let after = match after.strip_prefix('"') {
            Some(inner) if first == "extern" => {
                inner.split_once('"').map_or(after, |(_, after)| after)
            }
            _ => after,
        };
        if !MODIFIERS.contains(&first) || after.is_empty() {
            return rest;
        }
        rest = after.trim_start();
    }
}

/// Returns the name in `const name = (…) => {` and `name = function (…) {`.
fn assigned_function(line: &str) -> Option<String> {
    let (left, right) = line.split_once('=')?;
    let right = right.trim_start();
    let is_function = right.starts_with("function")
        || right.starts_with("async function")
        || right.ends_with("=> {");
    let left = left.trim().trim_start_matches("let ").trim_start_matches("var ");
    let is_name =
        !left.is_empty() && left.chars().all(|c| c.is_alphanumeric() || "_.$".contains(c));
    (is_function && is_name).then(|| short(left))
}

/// Returns the name in `int main(int argc, char **argv) {`: a type, a name, brackets; the `{` may
/// be on the next line.
fn c_function(line: &str, next: &str) -> Option<String> {
    let has_body = line.ends_with('{') || line.ends_with(')') && next.starts_with('{');
    let (before, _) = line.split_once('(').filter(|_| has_body)?;
    let (first, _) = word(before);
    let last = before.rsplit(|c: char| c.is_whitespace() || c == '*' || c == '&').next()?;
    let is_name = last.starts_with(|c: char| c.is_alphabetic() || "_~".contains(c))
        && last.chars().all(|c| c.is_alphanumeric() || "_:~".contains(c));
    let has_type = before.len() > last.len() && first != last;
    let is_plain = !before.contains(['=', '"', '.', '(', '}']) && !CONTROL.contains(&first);
    (is_name && has_type && is_plain && !CONTROL.contains(&last) && first != "new")
        .then(|| short(last))
}

/// Returns the word at the start of `text`, and the rest.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns the keyword and the name of a definition, without arguments and body.
fn name(keyword: &str, after: &str) -> String {
    let receiver = if after.starts_with('(') { after.find(')').map_or(0, |at| at + 1) } else { 0 };
    let ends: &[char] = if keyword == "impl" { &['{'] } else { &['(', '{', ':', '=', ';', '<'] };
    let end = after[receiver..].find(ends).map_or(after.len(), |at| receiver + at);
    short(&format!("{keyword} {}", after[..end].trim()))
}

pub(super) fn short(name: &str) -> String {
    let words = name.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_detected_by_their_lines() {
        let check = |line: &str, expected: Option<&str>| {
            assert_eq!(definition(line, "").as_deref(), expected, "{line}");
        };
        check("pub(crate) async fn read<T>(path: &Path) -> T {", Some("fn read"));
        check("unsafe extern \"C\" fn hook(code: i32) {", Some("fn hook"));
        check("impl<T> Iterator for Walk<T> {", Some("impl <T> Iterator for Walk<T>"));
        check("def total(self):", Some("def total"));
        check("class Shop(Base):", Some("class Shop"));
        check("func (s *Server) Serve(l net.Listener) error {", Some("func (s *Server) Serve"));
        check("type Server struct {", Some("type Server struct"));
        check("export default class App extends Component {", Some("class App extends Component"));
        check("const load = async (id) => {", Some("load"));
        check("exports.load = function (id) {", Some("exports.load"));
        check("static int parse(const char *text) {", Some("parse"));
        check("public void run() {", Some("run"));
        check("module Billing", Some("module Billing"));
        for other in [
            "if (a == b) {",
            "} else if (a) {",
            "return build(a) {",
            "type: object",
            "class of its own",
            "let total = sum(a, b);",
            "foo(bar, baz);",
            "# def commented():",
            "new Thing(a) {",
            "for each (x) {",
            "",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn tables_and_keys_are_units_of_configuration() {
        let names = |text: &str, title: &str| {
            let outline = outline(text, title, None);
            let filled = outline.sections.iter().filter(|section| !section.blocks.is_empty());
            let shown = filled.map(|section| {
                let name = section.heading.as_ref().map_or("-", |heading| heading.text.as_str());
                let lines = section.blocks.iter().map(|block| block.span.of(text).lines().count());
                format!("{name} {}", lines.sum::<usize>())
            });
            shown.collect::<Vec<_>>().join(", ")
        };
        let toml = "a = 1\n\n# What.\n[x.y]\nb = 2\nlist = [\n1,\n]\n\nc = 3\n[[z]]\nd = 4\n";
        assert_eq!(names(toml, "Cargo.toml"), "- 1, x.y 7, z 2");
        let yaml = "version: 3\nservices:\n  web:\n    image: a\n    ports:\n      - 80\n  db:\n    image: b\nx: 1\n";
        assert_eq!(names(yaml, "a.yml"), "- 1, services 1, web 2, ports 2, db 2, - 1");
        assert_eq!(names(toml, "a.txt"), "- 10");
    }

    #[test]
    fn brackets_stay_with_what_they_close() {
        let text = "mod a {\n    fn b() {\n        c();\n    }\n}\n\nmod d {\n    use e;\n}\n";
        let outline = outline(text, "a.rs", None);
        let filled = outline.sections.iter().filter(|section| !section.blocks.is_empty());
        let last = filled.map(|section| {
            let end = section.blocks.last().map_or(0, |block| block.span.end);
            text[..end].lines().count()
        });
        assert_eq!(last.collect::<Vec<_>>(), [1, 5, 9]);
    }

    #[test]
    fn units_hold_their_comments_and_end_where_they_are_outdented() {
        let text = "use a;\n\n/// Doc.\n#[must]\nfn one() {\n    two();\n\n    three();\n}\n\n// Also.\nconst X: u8 = 1;\n\n\
                    class Shop:\n    rate = 1\n\n    # Above.\n    def buy(self):\n        pass\n\n    last = 2\n\nrest = 3\n";
        let outline = outline(text, "a.py", None);
        let shown: Vec<_> = outline
            .sections
            .iter()
            .filter(|section| !section.blocks.is_empty())
            .map(|section| {
                let name = section.heading.as_ref().map_or("-", |heading| heading.text.as_str());
                let parent = section.parent.and_then(|at| outline.sections[at].heading.as_ref());
                let lines: String =
                    section.blocks.iter().map(|block| block.span.of(text)).collect();
                format!("{}/{name}: {lines}", parent.map_or("", |heading| heading.text.as_str()))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "/-: use a;\n",
                "/fn one: /// Doc.\n#[must]\nfn one() {\n    two();\n    three();\n}\n",
                "/-: // Also.\nconst X: u8 = 1;\n",
                "/class Shop: class Shop:\n    rate = 1\n",
                "class Shop/def buy:     # Above.\n    def buy(self):\n        pass\n",
                "/class Shop:     last = 2\n",
                "/-: rest = 3\n",
            ]
        );
    }
}

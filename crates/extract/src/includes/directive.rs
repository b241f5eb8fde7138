//! The lines that name an included file, in each markup.

use memchr::memmem;

use super::select::Selection;

/// A markup in which files are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Markdown,
    Rst,
    AsciiDoc,
    Org,
    Latex,
}

/// Directives of reStructuredText whose content is code.
const CODE: [&str; 6] =
    ["code", "sourcecode", "parsed-literal", "highlight", "prompt", "literalinclude"];

/// Limit on the lines of a block before a directive in it.
const EXAMPLE_LINES_MAX: usize = 1000;

/// Lines that include a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    /// Number of lines, at least one.
    pub(super) lines: usize,
    /// The file as written; others if there is none of the first name.
    pub(super) names: Vec<String>,
    pub(super) selection: Selection,
    /// The file is code.
    pub(super) is_literal: bool,
    /// Before every line of the text.
    indent: &'a str,
    /// Lines before the text; below a directive of reStructuredText it is indented.
    head: String,
    /// Line after the text.
    tail: &'static str,
    /// Levels that headings of AsciiDoc are moved down.
    level_offset: usize,
}

impl Directive<'_> {
    /// Returns the included text, in the form of the document.
    pub(super) fn rendered(&self, part: &str) -> String {
        let mut text = String::new();
        if !self.head.is_empty() {
            text = format!("{}{}", self.indent, self.head);
        }
        let inner = if self.head.starts_with("..") { "   " } else { "" };
        for line in part.lines() {
            if !line.trim().is_empty() {
                text.push_str(self.indent);
                text.push_str(inner);
                if line.starts_with('=') && line.trim_start_matches('=').starts_with(' ') {
                    text.extend(std::iter::repeat_n('=', self.level_offset));
                }
                text.push_str(line);
            }
            text.push('\n');
        }
        text.push_str(self.tail);
        text
    }
}

/// Reports whether a text may include files; most do not, and are not read line by line.
pub(super) fn may_include(form: Form, text: &str) -> bool {
    let marks: &[&str] = match form {
        Form::Markdown => &["![[", "{{<", "{{%", "{{#", "--8<--"],
        Form::Rst => &["include::"],
        Form::AsciiDoc => &["include::"],
        Form::Org => &["#+include", "#+INCLUDE", "#+Include"],
        Form::Latex => &["\\input", "\\include"],
    };
    marks.iter().any(|mark| memmem::find(text.as_bytes(), mark.as_bytes()).is_some())
}

/// Reports whether a line of Markdown begins or ends a block of code.
pub(super) fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

/// Reports whether the last of `lines` is in an indented block that shows markup: after a paragraph
/// of reStructuredText that ends in two colons, in a directive for code, in code of Markdown.
pub(super) fn is_in_example(form: Form, lines: &[&str]) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some((line, before)) = lines.split_last() else { return false };
    let mut depth = indent(line);
    if form == Form::Markdown {
        return depth >= 4 || line.starts_with('\t');
    }
    if form != Form::Rst || depth == 0 {
        return false;
    }
    for line in before.iter().rev().take(EXAMPLE_LINES_MAX) {
        let text = line.trim();
        if text.is_empty() || indent(line) >= depth {
            continue;
        }
        let is_code =
            |name: &&str| text.strip_prefix(".. ").is_some_and(|it| it.starts_with(*name));
        if CODE.iter().any(is_code) || text.ends_with("::") && !text.starts_with("..") {
            return true;
        }
        depth = indent(line);
        if depth == 0 {
            return false;
        }
    }
    false
}

/// Returns the directive that `lines` begin with.
pub(super) fn at<'a>(form: Form, lines: &[&'a str]) -> Option<Directive<'a>> {
    let line = lines.first()?.trim_end();
    let indent = &line[..line.len() - line.trim_start().len()];
    let line = line.trim_start();
    let mut found = match form {
        Form::Markdown => markdown(line)?,
        Form::Rst => rst(line, indent, &lines[1..])?,
        Form::AsciiDoc => asciidoc(line)?,
        Form::Org => org(line)?,
        Form::Latex => latex(line)?,
    };
    found.indent = indent;
    found.lines = found.lines.max(1);
    found.names.retain(|name| is_path(name));
    (!found.names.is_empty()).then_some(found)
}

/// Reports whether a name can be one of a file here: no URL, no reference to be resolved.
fn is_path(name: &str) -> bool {
    !name.trim().is_empty() && !name.contains("://") && !name.contains(['{', '}', '\0', '\n'])
}

fn of_name(name: &str) -> Directive<'static> {
    let name = name.trim().trim_matches(['"', '\'']).trim();
    Directive { names: vec![name.to_owned()], ..Directive::default() }
}

fn markdown(line: &str) -> Option<Directive<'static>> {
    for (open, close) in [("{{<", ">}}"), ("{{%", "%}}")] {
        if let Some(inside) = line.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            let name = inside.trim().strip_prefix("include ")?;
            return Some(of_name(name));
        }
    }
    if let Some(inside) = line.strip_prefix("{{#").and_then(|rest| rest.strip_suffix("}}")) {
        let (kind, name) = inside.trim().split_once(' ')?;
        return matches!(kind, "include" | "rustdoc_include" | "playground_include").then(|| {
            let mut parts = name.trim().split(':');
            let mut found = of_name(parts.next().unwrap_or_default());
            found.is_literal = true;
            let parts: Vec<_> = parts.collect();
            match parts.as_slice() {
                [] => {}
                [tag] if tag.parse::<usize>().is_err() => {
                    found.selection.tags.push((*tag).to_owned());
                }
                [first] => found.selection.set_lines(first),
                [first, last, ..] => found.selection.set_lines(&format!("{first}-{last}")),
            }
            found
        });
    }
    if let Some(name) = line.strip_prefix("--8<--") {
        let name = name.trim();
        return (name.len() > 2 && name.starts_with(['"', '\''])).then(|| of_name(name));
    }
    let inside = line.strip_prefix("![[")?.strip_suffix("]]")?;
    let name = inside.split('|').next().unwrap_or_default();
    let (note, heading) = match name.split_once('#') {
        Some((note, heading)) => (note, Some(heading)),
        None => (name, None),
    };
    // A block has an id that only Obsidian knows the extent of; other files are pictures.
    let is_note = note.ends_with(".md") || !note.rsplit('/').next()?.contains('.');
    if note.is_empty() || !is_note || heading.is_some_and(|heading| heading.starts_with('^')) {
        return None;
    }
    let file = if note.ends_with(".md") { note.to_owned() } else { format!("{note}.md") };
    let mut found = of_name(&file);
    found.names.push(format!("/{file}"));
    found.selection.heading =
        heading.map(|path| path.rsplit('#').next().unwrap_or_default().trim().to_owned());
    Some(found)
}

fn rst(line: &str, indent: &str, rest: &[&str]) -> Option<Directive<'static>> {
    let (kind, name) = line.strip_prefix(".. ")?.split_once("::")?;
    let is_literal = match kind.trim() {
        "include" => false,
        "literalinclude" => true,
        _ => return None,
    };
    let mut found = Directive { lines: 1, is_literal, ..of_name(name) };
    let mut language = String::new();
    let (mut start, mut end) = (None, None);
    for option in rest {
        let inner = option.trim_start();
        let is_inside = option.len() - inner.len() > indent.len();
        let Some((name, value)) = inner.strip_prefix(':').and_then(|one| one.split_once(':'))
        else {
            break;
        };
        if !is_inside {
            break;
        }
        found.lines += 1;
        let value = value.trim();
        match name {
            "language" | "code" => {
                found.is_literal = true;
                language = value.to_owned();
            }
            "literal" => found.is_literal = true,
            "lines" => found.selection.set_lines(value),
            "start-line" => start = value.parse::<usize>().ok(),
            "end-line" => end = value.parse::<usize>().ok(),
            "start-after" => found.selection.after = Some(value.to_owned()),
            "end-before" => found.selection.before = Some(value.to_owned()),
            _ => {}
        }
    }
    if start.is_some() || end.is_some() {
        found.selection.lines.push((start.unwrap_or(0) + 1, end.unwrap_or(usize::MAX)));
    }
    if found.is_literal {
        found.head = format!(".. code-block:: {language}").trim_end().to_owned() + "\n\n";
    }
    // What follows is not a part of it.
    found.tail = "\n";
    Some(found)
}

fn asciidoc(line: &str) -> Option<Directive<'static>> {
    let (name, options) = line.strip_prefix("include::")?.strip_suffix(']')?.split_once('[')?;
    let mut found = of_name(name);
    let mut rest = options.trim();
    while !rest.is_empty() {
        // A value with commas is in quotes.
        let (key, after) = rest.split_once('=').unwrap_or((rest, ""));
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        match key.trim_matches([',', ' ']) {
            "lines" => found.selection.set_lines(value),
            "tag" | "tags" => {
                let named = value.split([';', ',']).map(str::trim);
                // `**` and `*` mean all lines, `!name` all but those of a part.
                let named = named.filter(|tag| !tag.is_empty() && !tag.starts_with(['*', '!']));
                found.selection.tags.extend(named.map(str::to_owned));
            }
            "leveloffset" => {
                found.level_offset = value.trim_start_matches('+').parse().unwrap_or(0).min(5)
            }
            _ => {}
        }
        rest = after;
    }
    Some(found)
}

fn org(line: &str) -> Option<Directive<'static>> {
    let start = line.get(..10).filter(|start| start.eq_ignore_ascii_case("#+include:"))?;
    let rest = line[start.len()..].trim();
    let (name, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_once(' ').unwrap_or((rest, "")),
    };
    let (file, heading) = name.split_once("::").unwrap_or((name, ""));
    if !heading.is_empty() {
        return None;
    }
    let mut found = of_name(file);
    let words: Vec<&str> = rest.split_whitespace().collect();
    if let Some(at) = words.iter().position(|word| *word == ":lines") {
        found.selection.set_lines(words.get(at + 1).copied().unwrap_or_default());
    }
    if let Some(kind @ ("src" | "example" | "export" | "quote")) = words.first().copied() {
        let language = words.get(1).filter(|word| kind == "src" && !word.starts_with(':'));
        found.is_literal = true;
        let language = language.copied().unwrap_or_default();
        found.head = format!("#+begin_{kind} {language}").trim_end().to_owned() + "\n";
        found.tail = match kind {
            "src" => "#+end_src\n",
            "quote" => "#+end_quote\n",
            "export" => "#+end_export\n",
            _ => "#+end_example\n",
        };
    }
    Some(found)
}

fn latex(line: &str) -> Option<Directive<'static>> {
    let rest = line.strip_prefix("\\input").or_else(|| line.strip_prefix("\\include"))?;
    let name = rest.trim_start().strip_prefix('{')?.split_once('}')?.0.trim();
    let mut found = of_name(name);
    if !name.ends_with(".tex") {
        found.names.insert(0, format!("{name}.tex"));
    }
    // TeX looks for files from where it is started, which is usually the folder of the document.
    let from_root: Vec<_> = found.names.iter().map(|name| format!("/{name}")).collect();
    found.names.extend(from_root);
    Some(found)
}

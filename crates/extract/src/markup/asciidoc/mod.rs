//! AsciiDoc, after the language reference of docs.asciidoctor.org.

mod table;

use std::borrow::Cow;

use super::{Names, Scribe};

/// Limit on the words of a revision line.
const REVISION_WORDS_MAX: usize = 10;

/// Lines that open and close blocks whose content is literal.
const LITERAL: [&str; 4] = ["----", "....", "++++", "````"];

pub(super) fn scan(text: &str, scribe: &mut Scribe) {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut rest = lines.as_slice();
    let mut language = String::new();
    let mut settings = table::Settings::default();
    let mut attributes = Names::default();
    while let Some((&line, after)) = rest.split_first() {
        rest = after;
        scribe.at(line);
        if line.is_empty() {
            scribe.flush();
        } else if is_delimiter(line, "////") {
            take_until(&mut rest, line);
        } else if LITERAL.iter().any(|mark| is_delimiter(line, mark)) {
            let block = take_until(&mut rest, line);
            scribe.code(&std::mem::take(&mut language), &block);
        } else if let Some(inside) = line.strip_prefix("```") {
            let block = take_until(&mut rest, "```");
            scribe.code(inside, &block);
        } else if matches!(line, "|===" | ",===" | ":===" | "!===") {
            let block = take_until(&mut rest, line);
            let lines: Vec<_> = block.iter().map(|line| resolved(line, &mut attributes)).collect();
            scribe.table(&table::cells(line, &std::mem::take(&mut settings), &lines), &block);
        } else if ["====", "****", "____", "--"].iter().any(|mark| is_delimiter(line, mark)) {
            scribe.flush();
        } else if let Some((level, heading)) = heading(line) {
            scribe.heading(level, &inline(&resolved(heading, &mut attributes)));
            if level == 1 {
                header(rest, scribe);
            }
        } else if line.starts_with('[') && line.ends_with(']') {
            scribe.flush();
            language = language_of(line);
            settings = table::Settings::of(line);
        } else if !is_condition(line) {
            one_line(&resolved(line, &mut attributes), scribe, &mut attributes);
        }
    }
}

/// Notes author and date of the lines below the title: `Ada Bell <a@b.org>`, then
/// `v1.2, 2024-05-06: Spring`.
fn header(lines: &[&str], scribe: &mut Scribe) {
    let mut lines = lines
        .iter()
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with([':', '/']));
    let Some(authors) = lines.next() else { return };
    let revision = match authors.split_once(" <") {
        Some((author, mail)) if mail.contains('@') => {
            scribe.note("author", author);
            lines.next().copied().unwrap_or_default()
        }
        _ => authors,
    };
    let is_date = |word: &&str| {
        word.len() == 10
            && word.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut words = revision.split([',', ':', ' ']);
    // A revision is short; other lines are text.
    if revision.split(' ').count() < REVISION_WORDS_MAX
        && let Some(date) = words.find(is_date)
    {
        scribe.note("date", date);
    }
}

/// Reports whether a line begins or ends a conditional part; whether its condition holds is unknown
/// here.
fn is_condition(line: &str) -> bool {
    let is_of = |name: &str| line.starts_with(name);
    is_of("endif::")
        || is_of("ifeval::[")
        || (is_of("ifdef::") || is_of("ifndef::")) && line.ends_with("[]")
}

/// Returns a line with the values of its references `{name}`; unknown references stay.
fn resolved<'a>(line: &'a str, attributes: &mut Names) -> Cow<'a, str> {
    let mut rest = line;
    let mut rendered = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_')));
        let name = &after[..end.unwrap_or(after.len())];
        let is_reference = after[name.len()..].starts_with('}') && !before.ends_with('\\');
        rendered.push_str(before);
        match is_reference.then(|| attributes.resolve(name)).flatten() {
            Some(value) => {
                rendered.push_str(value);
                rest = &after[name.len() + 1..];
            }
            None => {
                rendered.push('{');
                rest = after;
            }
        }
    }
    if rest.len() == line.len() {
        return Cow::Borrowed(line);
    }
    rendered.push_str(rest);
    Cow::Owned(rendered)
}

/// Reports whether `line` is a delimiter made of the character of `mark`, at least as long.
fn is_delimiter(line: &str, mark: &str) -> bool {
    let first = mark.chars().next().unwrap_or('-');
    line.starts_with(mark) && line.chars().all(|c| c == first) && (mark != "--" || line == mark)
}

fn take_until<'a>(rest: &mut &[&'a str], end: &str) -> Vec<&'a str> {
    let at = rest.iter().position(|line| *line == end).unwrap_or(rest.len());
    let block = rest[..at].to_vec();
    *rest = &rest[(at + 1).min(rest.len())..];
    block
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let mark = line.chars().next().filter(|c| matches!(c, '=' | '#'))?;
    let text = line.trim_start_matches(mark);
    let level = line.len() - text.len();
    (level <= 6 && text.starts_with(' '))
        .then(|| (level, text.trim().trim_end_matches(mark).trim()))
}

/// Returns the language of `[source,rust]`.
fn language_of(line: &str) -> String {
    let mut parts = line.trim_matches(['[', ']']).split(',');
    let is_source = parts.next().is_some_and(|style| style.starts_with("source"));
    let language = parts.next().filter(|part| is_source && !part.contains('='));
    language.unwrap_or_default().trim().to_owned()
}

fn one_line(line: &str, scribe: &mut Scribe, attributes: &mut Names) {
    let attribute = line.strip_prefix(':').and_then(|line| line.split_once(':'));
    if let Some((name, value)) = attribute.filter(|(name, _)| is_name(name)) {
        attributes.set(name, value.trim());
        match name {
            "author" | "description" | "keywords" => scribe.note(name, value),
            "revdate" => scribe.note("date", value),
            "docdate" | "tags" | "orphan" | "nosearch" => scribe.note(name, value),
            "lang" => scribe.note("language", value),
            _ => {}
        }
    } else if line.starts_with("//") || line == "+" || line == "toc::[]" || line == "<<<" {
    } else if let Some(inside) = macro_of(line, "image::").or_else(|| macro_of(line, "video::")) {
        let (target, alt) = inside;
        let alt = alt.split(',').next().unwrap_or_default().trim_matches('"');
        scribe.flush();
        if !alt.is_empty() && !alt.contains('=') {
            scribe.line(format!("![{alt}]({target})"));
        }
    } else if line.starts_with('.') && !line.starts_with("..") && !line.starts_with(". ") {
        scribe.flush();
        scribe.line(inline(&line[1..]));
        scribe.flush();
    } else if let Some(item) = list_item(line) {
        scribe.line(item);
    } else if let Some((term, meaning)) = line.split_once("::")
        && (meaning.is_empty() || meaning.starts_with(' '))
        && !term.contains(['[', ':'])
    {
        scribe.flush();
        scribe.line(format!("**{}**", inline(term.trim())));
        scribe.flush();
        if !meaning.is_empty() {
            scribe.line(inline(meaning.trim()));
        }
    } else {
        scribe.line(inline(line.trim_end_matches(" +")));
    }
}

fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('!').unwrap_or(name);
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '!'))
}

/// Returns target and text of a macro that is the whole line.
fn macro_of<'a>(line: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(name)?.strip_suffix(']')?.split_once('[')
}

/// Returns a list item with its marks in Markdown.
fn list_item(line: &str) -> Option<String> {
    let indented = line.trim_start();
    let (marks, text) = indented.split_once(' ')?;
    let mark = marks.chars().next()?;
    if !marks.chars().all(|c| c == mark) || marks.len() > 6 {
        return None;
    }
    let level = (marks.len() - 1).max((line.len() - indented.len()) / 2);
    let text = inline(text.trim());
    match mark {
        '*' | '-' if mark == '*' || marks.len() == 1 => {
            Some(format!("{}- {text}", "  ".repeat(level)))
        }
        '.' => Some(format!("{}1. {text}", "   ".repeat(level))),
        _ => None,
    }
}

/// Converts links and cross references to Markdown; other marks stay.
fn inline(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    while let Some(&byte) = text.as_bytes().get(at) {
        // Only what begins like a link is compared with all of them.
        let may_begin = matches!(byte, b'<' | b'l' | b'x' | b'h' | b'm');
        let is_link = may_begin && LINKS.iter().any(|mark| text[at..].starts_with(mark));
        match is_link.then(|| reference(&text[at..])).flatten() {
            Some((markdown, length)) => {
                rendered.push_str(&text[copied..at]);
                rendered.push_str(&markdown);
                at += length;
                copied = at;
            }
            None => at += 1,
        }
    }
    rendered.push_str(&text[copied..]);
    rendered
}

/// Beginnings of references.
const LINKS: [&str; 6] = ["<<", "link:", "xref:", "https://", "http://", "mailto:"];

/// Longest reference that is searched for: many begin and never end.
const REFERENCE_BYTES_MAX: usize = 2000;

/// Returns a reference at the start of `text` in Markdown, and its length.
fn reference(text: &str) -> Option<(String, usize)> {
    let text = &text[..text.floor_char_boundary(REFERENCE_BYTES_MAX)];
    if let Some(inside) = text.strip_prefix("<<") {
        let (inside, _) = inside.split_once(">>")?;
        let (_, shown) = inside.split_once(',').unwrap_or(("", inside));
        return Some((shown.trim().to_owned(), inside.len() + 4));
    }
    let open = text
        .find(|c: char| c == '[' || c.is_whitespace())
        .filter(|&at| text[at..].starts_with('['))?;
    let close = open + text[open..].find(']')?;
    let target = text[..open].trim_start_matches("link:").trim_start_matches("xref:");
    let shown =
        text[open + 1..close].split(",window=").next().unwrap_or_default().trim_end_matches('^');
    let markdown = match shown.trim().trim_matches('"') {
        "" => target.to_owned(),
        shown => format!("[{shown}]({target})"),
    };
    Some((markdown, close + 1))
}

//! Man pages, by the macros of man(7) and mdoc(7).

use super::Scribe;
use crate::writer::Cells;

/// Macros that set words of a line in another font: their words are kept.
const FONTS: &[&str] = &["B", "I", "BR", "BI", "IB", "IR", "RB", "RI", "SM", "SB", "R"];

/// Macros of mdoc whose words are kept unchanged.
const SAID: &[&str] = &[
    "Nm", "Fl", "Ar", "Op", "Pa", "Xr", "Dv", "Ev", "Cm", "Va", "Vt", "Ft", "Fn", "Fa", "Fd", "In",
    "Ic", "Li", "Em", "Sy", "Dq", "Sq", "Ql", "Qq", "Pq", "Bq", "Aq", "Er", "Ns", "Lk", "Mt", "Nd",
    "Tn", "Ux",
];

pub(super) fn scan(text: &str, scribe: &mut Scribe) {
    let mut lines = text.lines().map(str::trim_end);
    let mut wants_term = false;
    while let Some(line) = lines.next() {
        scribe.at(line);
        let Some((name, arguments)) = request(line) else {
            said(&plain(line), &mut wants_term, scribe);
            continue;
        };
        match name {
            "TH" | "Dt" => title(&arguments, scribe),
            "SH" | "Sh" | "SS" | "Ss" => {
                let level = if name.eq_ignore_ascii_case("sh") { 2 } else { 3 };
                let text = arguments.join(" ");
                // The heading may be on the next line.
                let text = if text.is_empty() { plain(lines.next().unwrap_or("")) } else { text };
                scribe.heading(level, &text);
            }
            "nf" | "EX" | "Bd" => {
                let is_end = |line: &str| {
                    matches!(request(line), Some(("fi" | "EE" | "Ed" | "SH" | "Sh", _)))
                };
                let block: Vec<String> =
                    lines.by_ref().take_while(|line| !is_end(line)).map(code_line).collect();
                scribe.code("", &block.iter().map(String::as_str).collect::<Vec<_>>());
            }
            "TP" | "TQ" => {
                scribe.flush();
                wants_term = true;
            }
            "IP" | "It" => {
                scribe.flush();
                let term = arguments.first().map_or("", String::as_str);
                let term = if name == "It" { arguments.join(" ") } else { term.to_owned() };
                if term.chars().any(char::is_alphanumeric) {
                    scribe.line(format!("**{term}**"));
                    scribe.flush();
                }
            }
            "TS" => {
                let block: Vec<&str> = lines
                    .by_ref()
                    .take_while(|line| !matches!(request(line), Some(("TE", _))))
                    .collect();
                scribe.table(&table(&block), &block);
            }
            "PP" | "P" | "LP" | "Pp" | "sp" | "HP" | "br" | "RS" | "RE" => scribe.flush(),
            _ if FONTS.contains(&name) => {
                let separator = if name.len() == 2 && name != "SM" { "" } else { " " };
                said(&arguments.join(separator), &mut wants_term, scribe);
            }
            _ if SAID.contains(&name) => said(&mdoc(name, &arguments), &mut wants_term, scribe),
            _ => {}
        }
    }
}

/// Returns the cells of a table of tbl(1): options that end in a semicolon, formats that end in a
/// full stop, then a line a row; text between `T{` and `T}` is a cell of several lines.
fn table(block: &[&str]) -> Cells {
    let mut cells = Cells::default();
    let mut separator = '\t';
    let mut rows = block.iter().enumerate();
    let is_format = |line: &str| line.trim_end().ends_with('.');
    for (_, line) in rows.by_ref() {
        if line.trim_end().ends_with(';')
            && let Some((_, tab)) = line.split_once("tab")
        {
            separator = tab.trim_start().chars().nth(1).unwrap_or('\t');
        }
        if is_format(line) {
            break;
        }
    }
    let mut open: Option<String> = None;
    for (index, line) in rows {
        cells.at(index, index);
        let mut rest = *line;
        if let Some(text) = &mut open {
            let Some(after) = line.strip_prefix("T}") else {
                text.push(' ');
                text.push_str(&code_line(line));
                continue;
            };
            cells.push(open.take().unwrap_or_default().trim());
            let Some(after) = after.strip_prefix(separator) else {
                cells.end_row();
                continue;
            };
            rest = after;
        } else if line.starts_with(['.', '\'']) || matches!(line.trim(), "_" | "=" | "") {
            // A request, or a line between rows.
            continue;
        }
        let parts: Vec<&str> = rest.split(separator).collect();
        for (at, part) in parts.iter().enumerate() {
            if at + 1 == parts.len() && part.trim_end() == "T{" {
                open = Some(String::new());
            } else {
                cells.push(plain(part.trim()).trim());
            }
        }
        if open.is_none() {
            cells.end_row();
        }
    }
    if let Some(text) = open {
        cells.push(text.trim());
        cells.end_row();
    }
    cells
}

fn title(arguments: &[String], scribe: &mut Scribe) {
    let name = arguments.first().map(|name| name.to_lowercase()).unwrap_or_default();
    let section = arguments.get(1).map_or(String::new(), |section| format!("({section})"));
    scribe.heading(1, &format!("{name}{section}"));
}

fn said(text: &str, wants_term: &mut bool, scribe: &mut Scribe) {
    if text.trim().is_empty() {
        scribe.flush();
    } else if std::mem::take(wants_term) {
        scribe.line(format!("**{}**", text.trim()));
        scribe.flush();
    } else {
        scribe.line(text.trim());
    }
}

fn mdoc(name: &str, arguments: &[String]) -> String {
    let inner: Vec<_> = arguments
        .iter()
        .filter(|word| !SAID.contains(&word.as_str()) || word.len() != 2)
        .map(String::as_str)
        .collect();
    let text = inner.join(" ");
    match name {
        "Fl" => format!("-{text}"),
        "Op" => format!("[{text}]"),
        "Nd" => format!("- {text}"),
        "Xr" => match inner.as_slice() {
            [page, section, rest @ ..] => format!("{page}({section}){}", rest.concat()),
            _ => text,
        },
        _ => text,
    }
}

/// Returns name and arguments of a request; quotes keep blanks together.
fn request(line: &str) -> Option<(&str, Vec<String>)> {
    let rest = line.strip_prefix(['.', '\''])?.trim_start();
    let (name, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let mut arguments = Vec::new();
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        let (argument, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once([' ', '\t']).unwrap_or((rest, "")),
        };
        arguments.push(plain(argument));
        rest = after.trim_start();
    }
    Some((name, arguments))
}

fn code_line(line: &str) -> String {
    match request(line) {
        Some((name, arguments)) if FONTS.contains(&name) => arguments.join(" "),
        Some(_) => String::new(),
        None => plain(line),
    }
}

/// Resolves the escapes of roff.
fn plain(text: &str) -> String {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        rendered.push_str(before);
        let mut characters = after.chars();
        let (said, length) = match characters.next() {
            Some('"') => return rendered,
            // A font: one letter, two after a bracket, or a name in brackets.
            Some('f' | 'F' | 'm' | 's' | '*' | 'n') => ("", 1 + name_length(&after[1..])),
            Some('(') => (special(after.get(1..3).unwrap_or_default()), 3),
            Some('[') => {
                let name = after[1..].split(']').next().unwrap_or_default();
                (special(name), name.len() + 2)
            }
            Some('-') => ("-", 1),
            Some('e' | '\\') => ("\\", 1),
            Some('~' | ' ' | '0') => (" ", 1),
            Some('\'') => ("'", 1),
            Some('`') => ("`", 1),
            Some('.') => (".", 1),
            Some(character) => ("", character.len_utf8()),
            None => ("", 0),
        };
        rendered.push_str(said);
        rest = after.get(length..).unwrap_or_default();
    }
    rendered.push_str(rest);
    rendered
}

fn name_length(text: &str) -> usize {
    match text.chars().next() {
        Some('[') => text.find(']').map_or(text.len(), |at| at + 1),
        Some('(') => text.char_indices().nth(3).map_or(text.len(), |(at, _)| at),
        Some('+' | '-') => 2,
        Some(character) => character.len_utf8(),
        None => 0,
    }
}

fn special(name: &str) -> &'static str {
    match name {
        "em" => "\u{2014}",
        "en" => "\u{2013}",
        "hy" | "mi" => "-",
        "aq" | "cq" | "oq" => "'",
        "dq" | "lq" | "rq" => "\"",
        "bu" => "\u{2022}",
        "co" => "\u{a9}",
        "rs" => "\\",
        "ti" => "~",
        "ha" => "^",
        "ga" => "`",
        _ => "",
    }
}

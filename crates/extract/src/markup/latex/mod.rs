//! LaTeX: sections, lists, literal blocks, tables and captions; formulas and user macros stay as
//! typed.

mod lines;
mod macros;

use unicode_normalization::UnicodeNormalization;

use lines::{near, separated};

use super::Scribe;
use crate::writer::Cells;

/// Limit on nested lists that are indented: each level is written again on every line.
const LEVELS_MAX: usize = 16;

/// Returns the indentation of a line inside this many lists.
fn indent(lists: usize) -> String {
    "   ".repeat(lists.min(LEVELS_MAX))
}

/// Sectioning commands and the level of their heading. A document without chapters also begins at
/// 2.
const SECTIONS: [(&str, usize); 7] = [
    ("part", 1),
    ("chapter", 1),
    ("section", 2),
    ("subsection", 3),
    ("subsubsection", 4),
    ("paragraph", 5),
    ("subparagraph", 6),
];

/// Environments whose lines are code.
const LITERAL: [&str; 5] = ["verbatim", "lstlisting", "minted", "Verbatim", "alltt"];

/// Environments whose lines are a formula.
const FORMULAS: [&str; 7] =
    ["equation", "align", "gather", "multline", "eqnarray", "displaymath", "math"];

/// Commands whose argument is shown, and the marks around it.
const SHOWN: [(&str, &str); 15] = [
    ("emph", "*"),
    ("textit", "*"),
    ("textbf", "**"),
    ("texttt", "`"),
    ("verb", "`"),
    ("url", ""),
    ("underline", ""),
    ("textsc", ""),
    ("textrm", ""),
    ("textsf", ""),
    ("mbox", ""),
    ("caption", ""),
    ("title", ""),
    ("author", ""),
    ("date", ""),
];

/// Commands that are left out with their argument.
const HIDDEN: [&str; 20] = [
    "label",
    "index",
    "vspace",
    "hspace",
    "bibliographystyle",
    "usepackage",
    "documentclass",
    "newcommand",
    "renewcommand",
    "setlength",
    "pagestyle",
    "thispagestyle",
    "includegraphics",
    "centering",
    "maketitle",
    "tableofcontents",
    "noindent",
    "newpage",
    "clearpage",
    "hline",
];

/// Commands with arguments that are not text before the one that is.
const SETTINGS: [(&str, usize); 16] = [
    ("textcolor", 1),
    ("color", 1),
    ("colorbox", 1),
    ("fcolorbox", 2),
    ("fontsize", 2),
    ("multicolumn", 2),
    ("multirow", 2),
    ("parbox", 1),
    ("makebox", 0),
    ("raisebox", 1),
    ("resizebox", 2),
    ("scalebox", 1),
    ("rotatebox", 1),
    ("hypertarget", 1),
    ("hyperlink", 1),
    ("foreignlanguage", 1),
];

/// Limit on nested commands that are rendered.
const DEPTH_MAX: usize = 16;

pub(super) fn scan(text: &str, scribe: &mut Scribe) {
    let is_document = text.contains("\\begin{document}");
    let mut in_body = !is_document;
    let mut lists: Vec<bool> = Vec::new();
    let (text, in_file) = separated(&macros::expanded(text), &LITERAL);
    scribe.scan_instead(&text, Some(in_file));
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        scribe.at(line);
        let trimmed = line.trim_start();
        if trimmed.is_empty() {
            scribe.flush();
        } else if let Some(name) = argument(trimmed, "begin") {
            let kind = name.trim_end_matches('*');
            let end = format!("\\end{{{name}}}");
            let is_inside = |line: &&str| !line.trim_start().starts_with(&end);
            if name == "document" {
                in_body = true;
            } else if LITERAL.contains(&kind) {
                let block: Vec<_> = lines.by_ref().take_while(is_inside).collect();
                scribe.code(language(trimmed, name), &block);
            } else if FORMULAS.contains(&kind) {
                let block: Vec<_> = lines.by_ref().take_while(is_inside).collect();
                scribe.code("latex", &block);
            } else if matches!(kind, "itemize" | "enumerate" | "description") {
                if lists.is_empty() {
                    scribe.flush();
                }
                lists.push(kind == "enumerate");
            } else if matches!(kind, "tabular" | "tabularx" | "longtable") {
                let block: Vec<_> = lines.by_ref().take_while(is_inside).collect();
                scribe.table(&cells(&block), &block);
            }
        } else if let Some(name) = argument(trimmed, "end") {
            if matches!(name, "itemize" | "enumerate" | "description") {
                lists.pop();
                if lists.is_empty() {
                    scribe.flush();
                }
            }
        } else if let Some((level, words)) = section(trimmed) {
            scribe.heading(level, &inline(words));
        } else if let Some(words) = trimmed.strip_prefix("\\item") {
            let mark = if lists.last() == Some(&true) { "1." } else { "-" };
            let words = match words.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((term, rest)) => format!("**{term}**{rest}"),
                None => words.to_owned(),
            };
            scribe.line(format!(
                "{}{mark} {}",
                indent(lists.len().saturating_sub(1)),
                inline(words.trim_start())
            ));
        } else if let Some(title) = argument(trimmed, "title") {
            scribe.title = crate::title::clean(&inline(title));
        } else if let Some(author) = argument(trimmed, "author") {
            scribe.note("author", &inline(author));
        } else if in_body {
            let words = inline(trimmed);
            if !words.trim().is_empty() {
                let indent = indent(lists.len());
                scribe.line(format!("{indent}{}", words.trim()));
            }
        }
    }
}

/// Returns the argument of a command at the start of a line.
fn argument<'a>(line: &'a str, command: &str) -> Option<&'a str> {
    let rest = line.strip_prefix('\\')?.strip_prefix(command)?;
    let rest = skip_option(rest.strip_prefix('*').unwrap_or(rest));
    rest.starts_with('{').then(|| braced(rest).0)
}

fn skip_option(rest: &str) -> &str {
    let Some(inner) = rest.strip_prefix('[') else { return rest };
    match near(inner).find(']') {
        Some(end) => &inner[end + 1..],
        None => rest,
    }
}

/// Returns the content of the braces that `text` begins with, and what follows; everything if they
/// never close.
fn braced(text: &str) -> (&str, &str) {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return (&text[1..at], &text[at + 1..]),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (text.get(1..).unwrap_or_default(), "")
}

fn section(line: &str) -> Option<(usize, &str)> {
    let found = SECTIONS.iter().find_map(|(name, level)| Some((*level, argument(line, name)?)));
    found.filter(|(_, words)| !words.trim().is_empty())
}

/// Returns the language of a block of code, if it is given.
fn language<'a>(line: &'a str, name: &str) -> &'a str {
    let after = line.split_once('}').map_or("", |(_, after)| after);
    if name == "minted" {
        let after = skip_option(after);
        return if after.starts_with('{') { braced(after).0 } else { "" };
    }
    let stated = after.split_once("language=").map_or("", |(_, rest)| rest);
    stated.split([',', ']']).next().unwrap_or_default().trim()
}

/// Returns the cells of a table.
fn cells(block: &[&str]) -> Cells {
    let joined = block.join("\n");
    let mut cells = Cells::default();
    let mut next = 0;
    for row in joined.split("\\\\") {
        let blank = row.len() - row.trim_start().len();
        let feeds = |part: &str| part.bytes().filter(|&byte| byte == b'\n').count();
        let first = next + feeds(&row[..blank]);
        cells.at(first, first + feeds(row.trim()));
        next += feeds(row);
        let row = without_rules(row);
        if row.trim().is_empty() {
            continue;
        }
        let row = row.replace("\\&", "\u{1}");
        cells.push_row(row.split('&').map(|cell| inline(cell.trim()).replace('\u{1}', "&")));
    }
    cells
}

/// Removes lines between rows, and the marks of parts of a long table.
fn without_rules(row: &str) -> String {
    const RULES: [&str; 12] = [
        "\\hline",
        "\\toprule",
        "\\midrule",
        "\\bottomrule",
        "\\noalign{}",
        "\\endfirsthead",
        "\\endhead",
        "\\endfoot",
        "\\endlastfoot",
        "\\centering",
        "\\tabularnewline",
        "\\arraybackslash",
    ];
    let mut row = RULES.iter().fold(row.to_owned(), |row, rule| row.replace(rule, ""));
    for rule in ["\\cmidrule", "\\cline"] {
        while let Some(at) = row.find(rule) {
            let end = row[at..].find('}').map_or(row.len(), |end| at + end + 1);
            row.replace_range(at..end, "");
        }
    }
    // The distance to the next row, as in `[2pt]`.
    let words = row.trim_start();
    match words.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest.to_owned(),
        None => row,
    }
}

/// Converts commands in running text to Markdown. Formulas stay unchanged.
fn inline(text: &str) -> String {
    inline_at(text, 0)
}

fn inline_at(text: &str, depth: usize) -> String {
    if depth > DEPTH_MAX {
        return text.to_owned();
    }
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\\', '$', '~', '{', '}']) {
        rendered.push_str(&rest[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = match mark {
            "$" => {
                let end = after.find('$').map_or(after.len(), |end| end + 1);
                rendered.push('$');
                rendered.push_str(&after[..end]);
                &after[end..]
            }
            "~" => {
                rendered.push(' ');
                after
            }
            "\\" => command(after, depth, &mut rendered),
            // Braces only group.
            _ => after,
        };
    }
    rendered.push_str(rest);
    rendered.replace("``", "“").replace("''", "”").replace("---", "—").replace("--", "–")
}

/// Renders the command whose name `text` begins with, and returns what follows.
fn command<'a>(text: &'a str, depth: usize, rendered: &mut String) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    if end == 0 {
        return symbol(text, rendered);
    }
    let (name, after) = text.split_at(end);
    let after = after.strip_prefix('*').unwrap_or(after);
    if HIDDEN.contains(&name) {
        let mut rest = skip_option(after);
        while rest.starts_with('{') {
            rest = skip_option(braced(rest).1);
        }
        return rest;
    }
    if let Some(sign) = accented(name, after, rendered) {
        return sign;
    }
    if name == "footnote" && after.starts_with('{') {
        let (note, rest) = braced(after);
        rendered.push_str(&format!(" ({})", inline_at(note, depth + 1)));
        return rest;
    }
    if name == "href" && after.starts_with('{') {
        let (target, rest) = braced(after);
        let (shown, rest) = if rest.starts_with('{') { braced(rest) } else { (target, rest) };
        rendered.push_str(&format!("[{}]({target})", inline_at(shown, depth + 1)));
        return rest;
    }
    if name == "verb"
        && let Some(mark) = after.chars().next()
        && let Some(end) = near(&after[mark.len_utf8()..]).find(mark)
    {
        let (code, rest) = after[mark.len_utf8()..].split_at(end);
        rendered.push_str(&format!("`{code}`"));
        return &rest[mark.len_utf8()..];
    }
    let after = skip_option(after);
    let known = SHOWN.iter().find(|(shown, _)| *shown == name);
    match (known, after.starts_with('{')) {
        (Some((_, mark)), true) => {
            let (inside, rest) = braced(after);
            let is_code = *mark == "`";
            let inside = if is_code { code(inside) } else { inline_at(inside, depth + 1) };
            rendered.push_str(&format!("{mark}{inside}{mark}"));
            rest
        }
        (None, true)
            if matches!(name, "ref" | "eqref" | "cite" | "citep" | "citet" | "pageref") =>
        {
            let (inside, rest) = braced(after);
            rendered.push_str(&format!("[{inside}]"));
            rest
        }
        _ => {
            match name {
                "LaTeX" | "TeX" => rendered.push_str(name),
                "ldots" | "dots" => rendered.push('…'),
                _ => {}
            }
            arguments(name, after, depth, rendered)
        }
    }
}

/// Renders the arguments of a command, which are presumably texts, except for its settings; returns
/// what follows.
fn arguments<'a>(name: &str, text: &'a str, depth: usize, rendered: &mut String) -> &'a str {
    let settings = SETTINGS.iter().find(|(known, _)| *known == name);
    let mut rest = text;
    for _ in 0..settings.map_or(0, |(_, count)| *count) {
        if rest.starts_with('{') {
            rest = skip_option(braced(rest).1);
        }
    }
    let mut is_further = false;
    while rest.starts_with('{') {
        let (inside, after) = braced(rest);
        let words = inline_at(inside, depth + 1);
        if is_further && !words.is_empty() {
            rendered.push(' ');
        }
        rendered.push_str(&words);
        (rest, is_further) = (after, true);
    }
    if is_further { rest } else { rest.trim_start_matches(' ') }
}

/// Returns the argument of a command for code: signs without their backslash.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        code.push_str(before);
        rest = after;
        if let Some(after) = after.strip_prefix("textbackslash") {
            code.push('\\');
            rest = after.strip_prefix("{}").unwrap_or(after);
        } else if !after.starts_with(['_', '%', '&', '#', '$', '{', '}', ' ']) {
            code.push('\\');
        }
    }
    code.push_str(rest);
    code
}

/// Renders the command that is the sign at the start of `text`, and returns what follows.
fn symbol<'a>(text: &'a str, rendered: &mut String) -> &'a str {
    let Some(sign) = text.chars().next() else { return text };
    let (name, after) = text.split_at(sign.len_utf8());
    if let Some(rest) = accented(name, after, rendered) {
        return rest;
    }
    match sign {
        '\\' | ' ' | ',' | ';' => rendered.push(' '),
        '%' | '&' | '#' | '_' | '$' | '{' | '}' => rendered.push(sign),
        _ => {}
    }
    after
}

/// Letters that have a command of their own.
const LETTERS: [(&str, &str); 12] = [
    ("ss", "ß"),
    ("o", "ø"),
    ("O", "Ø"),
    ("ae", "æ"),
    ("AE", "Æ"),
    ("oe", "œ"),
    ("OE", "Œ"),
    ("aa", "å"),
    ("AA", "Å"),
    ("l", "ł"),
    ("L", "Ł"),
    ("i", "ı"),
];

/// Accents by their commands, as combining characters.
const ACCENTS: [(&str, char); 12] = [
    ("`", '\u{300}'),
    ("'", '\u{301}'),
    ("^", '\u{302}'),
    ("~", '\u{303}'),
    ("=", '\u{304}'),
    ("u", '\u{306}'),
    (".", '\u{307}'),
    ("\"", '\u{308}'),
    ("r", '\u{30a}'),
    ("H", '\u{30b}'),
    ("v", '\u{30c}'),
    ("c", '\u{327}'),
];

/// Renders a letter with an accent, or one that has a command; returns what follows.
fn accented<'a>(name: &str, after: &'a str, rendered: &mut String) -> Option<&'a str> {
    if let Some((_, letter)) = LETTERS.iter().find(|(known, _)| *known == name) {
        rendered.push_str(letter);
        let rest = after.strip_prefix("{}").unwrap_or(after);
        return Some(rest.strip_prefix(' ').unwrap_or(rest));
    }
    let (_, accent) = ACCENTS.iter().find(|(known, _)| *known == name)?;
    let is_letter_command = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let bare = if is_letter_command { after.trim_start_matches(' ') } else { after };
    let (inside, rest) = match bare.strip_prefix('{') {
        Some(inner) => inner.split_at(near(inner).find('}')?),
        None => (bare, ""),
    };
    // The dot of i and j disappears under an accent, which Unicode does by itself.
    let inside = inside.strip_prefix('\\').unwrap_or(inside);
    let letter = inside.chars().next().filter(|letter| letter.is_alphabetic())?;
    rendered.extend([letter, *accent].into_iter().nfc());
    Some(if bare.starts_with('{') { &rest[1..] } else { &inside[letter.len_utf8()..] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_text_become_markdown() {
        let check = |text: &str, expected: &str| assert_eq!(inline(text), expected, "{text}");
        check("an \\emph{old \\textbf{and bold}} word", "an *old **and bold*** word");
        check("50\\% of \\texttt{a\\_b} \\& $x_{1} \\le y$", "50% of `a_b` & $x_{1} \\le y$");
        check(
            "see~\\cite[p.~2]{knuth}\\label{x}, \\href{https://e.org}{there}",
            "see [knuth], [there](https://e.org)",
        );
        check("``quoted'' --- \\LaTeX{} \\verb|a{b}| \\own{kept}", "“quoted” — LaTeX `a{b}` kept");
        check("\\unclosed{brace \\emph{x", "brace *x*");
        check(
            "caf\\'e na\\\"{\\i}ve \\v{s} Stra\\ss e \\O re \\'{e}t\\'e",
            "café naïve š Straße Øre été",
        );
        check("a\\footnote{A \\emph{note}.} b", "a (A *note*.) b");
        check("\\", "");
        let deep = "\\emph{".repeat(200_000);
        assert!(inline(&deep).len() <= deep.len());
    }
}

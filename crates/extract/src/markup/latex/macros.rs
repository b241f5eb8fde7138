//! Commands that a LaTeX document defines itself: `\newcommand`, `\renewcommand`,
//! `\providecommand` and `\def` without parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{LITERAL, braced};
use crate::markup::RESOLVED_BYTES_MAX;

/// Definitions of commands.
const DEFINITIONS: [&str; 4] = ["newcommand", "renewcommand", "providecommand", "def"];

/// Limit on commands that stand for other commands.
const DEPTH_MAX: usize = 8;

/// Limit on the parameters of a command, of TeX.
const PARAMETERS_MAX: usize = 9;

/// A command that stands for a text.
struct Macro {
    parameters: usize,
    /// The value of the first parameter if it is left out.
    default: Option<String>,
    body: String,
}

/// Returns the text with the commands that it defines replaced by what they stand for; its lines
/// stay.
pub(super) fn expanded(text: &str) -> Cow<'_, str> {
    if !DEFINITIONS.iter().any(|name| text.contains(&format!("\\{name}"))) {
        return Cow::Borrowed(text);
    }
    let mut macros = BTreeMap::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at + 1..];
        if let Some((name, one, after)) = definition(rest) {
            macros.insert(name, one);
            rest = after;
        }
    }
    if macros.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut expansion = Expansion { macros, bytes_left: RESOLVED_BYTES_MAX };
    Cow::Owned(expansion.of(text, 0))
}

/// Reads a definition that `text` begins with, after its backslash; returns the rest, too.
fn definition(text: &str) -> Option<(&str, Macro, &str)> {
    let kind = name(text);
    if !DEFINITIONS.contains(&kind) {
        return None;
    }
    let rest = text[kind.len()..].trim_start_matches('*').trim_start();
    let (defined, mut rest) = match rest.strip_prefix('{') {
        Some(_) => braced(rest),
        None => {
            let length = 1 + name(rest.strip_prefix('\\')?).len();
            rest.split_at(length)
        }
    };
    let defined = defined.trim().strip_prefix('\\')?;
    let is_name = !defined.is_empty() && name(defined).len() == defined.len();
    let mut parameters = 0;
    let mut default = None;
    rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('[') {
        let (count, after) = inside.split_once(']')?;
        parameters = count.trim().parse().ok().filter(|&count| count <= PARAMETERS_MAX)?;
        rest = after.trim_start();
        if let Some(inside) = rest.strip_prefix('[') {
            let (value, after) = inside.split_once(']')?;
            default = Some(value.to_owned());
            rest = after.trim_start();
        }
    }
    if !rest.starts_with('{') || !is_name {
        return None;
    }
    let (body, after) = braced(rest);
    let body = body.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
    Some((defined, Macro { parameters, default, body }, after))
}

/// Returns the name of a command that `text` begins with, after its backslash.
fn name(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len())]
}

struct Expansion<'a> {
    macros: BTreeMap<&'a str, Macro>,
    bytes_left: usize,
}

impl Expansion<'_> {
    fn of(&mut self, text: &str, depth: usize) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            expanded.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let kept = unchanged(after);
            if kept > 0 {
                expanded.push_str(&rest[at..at + 1 + kept]);
                rest = &after[kept..];
                continue;
            }
            let name = name(after);
            match self.replaced(name, &after[name.len()..], depth) {
                Some((words, after)) => {
                    expanded.push_str(&words);
                    rest = after;
                }
                None => {
                    // A sign after a backslash begins no other command.
                    let sign = after.chars().next().map_or(0, char::len_utf8);
                    let length = 1 + name.len().max(sign);
                    expanded.push_str(&rest[at..at + length]);
                    rest = &rest[at + length..];
                }
            }
        }
        expanded.push_str(rest);
        expanded
    }

    /// Returns what a command stands for, and the rest after its arguments.
    fn replaced<'a>(
        &mut self,
        name: &str,
        text: &'a str,
        depth: usize,
    ) -> Option<(String, &'a str)> {
        let found = self.macros.get(name).filter(|_| depth < DEPTH_MAX)?;
        let mut rest = text;
        let mut arguments: Vec<&str> = Vec::new();
        if let Some(default) = &found.default {
            match rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
                Some((value, after)) => {
                    arguments.push(value);
                    rest = after;
                }
                None => arguments.push(default),
            }
        }
        while arguments.len() < found.parameters {
            let (argument, after) =
                rest.trim_start().starts_with('{').then(|| braced(rest.trim_start()))?;
            arguments.push(argument);
            rest = after;
        }
        if found.parameters == 0 {
            rest = rest.strip_prefix("{}").unwrap_or(rest);
        }
        let mut words = String::new();
        let mut parts = found.body.split('#');
        words.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let number = part.chars().next().and_then(|c| c.to_digit(10)).unwrap_or(0) as usize;
            match number.checked_sub(1).and_then(|at| arguments.get(at)) {
                Some(argument) => {
                    words.push_str(argument);
                    words.push_str(&part[1..]);
                }
                None => words.push_str(part),
            }
        }
        self.bytes_left = self.bytes_left.checked_sub(words.len())?;
        Some((self.of(&words, depth + 1), rest))
    }
}

/// Returns the length of what stays unchanged after a backslash: a definition, or an environment
/// whose lines are code; 0 if there is nothing of the kind.
fn unchanged(text: &str) -> usize {
    if let Some((_, _, after)) = definition(text) {
        return text.len() - after.len();
    }
    let Some((kind, _)) = text.strip_prefix("begin{").and_then(|rest| rest.split_once('}')) else {
        return 0;
    };
    if !LITERAL.contains(&kind.trim_end_matches('*')) {
        return 0;
    }
    text.find(&format!("\\end{{{kind}}}")).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_replaced() {
        let check = |definitions: &str, text: &str, expected: &str| {
            let whole = format!("{definitions}\n{text}");
            assert_eq!(expanded(&whole), format!("{definitions}\n{expected}"));
        };
        check(
            "\\newcommand{\\prod}{Zebra}",
            "Use \\prod{} and \\prod, \\product.",
            "Use Zebra and Zebra, \\product.",
        );
        check(
            "\\newcommand\\two[2]{#2 of #1}",
            "\\two{a}{b \\emph{c}} \\two{a}",
            "b \\emph{c} of a \\two{a}",
        );
        check("\\newcommand{\\o}[2][x]{#1#2}", "\\o{a} \\o[y]{a}", "xa ya");
        check("\\def\\a{A\n  B}\\def\\b{\\a!}", "\\b", "A B!");
        check(
            "\\def\\a{A}",
            "\\begin{verbatim}\n\\a\n\\end{verbatim} \\a",
            "\\begin{verbatim}\n\\a\n\\end{verbatim} A",
        );
        check("\\def\\a{\\a\\a}", "\\\\a", "\\\\a");
        let bomb =
            "\\def\\a{\\b\\b\\b\\b\\b\\b\\b\\b\\b\\b}\\def\\b{\\a\\a\\a\\a\\a\\a\\a\\a\\a\\a}";
        assert!(expanded(&format!("{bomb}{}", "\\a".repeat(1000))).len() < 4 * RESOLVED_BYTES_MAX);
        assert_eq!(expanded("\\newcommand{\\a"), "\\newcommand{\\a");
    }
}

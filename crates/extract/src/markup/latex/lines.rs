//! Breaks LaTeX into lines: environments, items and headings begin and end on lines of their own,
//! as its scanner requires.

use std::borrow::Cow;

/// Commands that are on a line of their own, with their argument.
const OWN_LINE: [&str; 10] = [
    "section",
    "subsection",
    "subsubsection",
    "chapter",
    "part",
    "paragraph",
    "title",
    "author",
    "caption",
    "date",
];

/// Environments with arguments in braces.
const WITH_ARGUMENTS: [&str; 8] = [
    "tabular",
    "tabularx",
    "longtable",
    "minted",
    "minipage",
    "multicols",
    "thebibliography",
    "wrapfigure",
];

/// Limit on the lines of the arguments of an environment.
const ARGUMENT_LINES_MAX: usize = 30;

/// Options and inline code are not longer than this.
const NEAR_BYTES: usize = 1000;

/// Returns the text without comments, broken into lines, and the line of `text`, from 1, that each
/// of them comes from; environments of `literal` stay unchanged.
pub(super) fn separated(text: &str, literal: &[&str]) -> (String, Vec<u32>) {
    let mut lines = Lines { text: String::with_capacity(text.len() + text.len() / 16) };
    let mut numbers = Vec::new();
    let mut inside: Option<String> = None;
    let mut rest = (1..).zip(text.lines().map(str::trim_end));
    while let Some((number, line)) = rest.next() {
        let mut line = Cow::Borrowed(line);
        if inside.is_none()
            && let Some(count) = open_arguments(&line, rest.clone().map(|(_, line)| line))
        {
            for (_, more) in rest.by_ref().take(count) {
                line = Cow::Owned(format!("{line} {}", more.trim()));
            }
        }
        let start = lines.text.len();
        lines.add_read(&line, literal, &mut inside);
        // Blanks before an environment may have been taken back.
        let added = lines.text.get(start..).unwrap_or_default();
        numbers.extend(added.bytes().filter(|&byte| byte == b'\n').map(|_| number));
    }
    (lines.text, numbers)
}

/// Returns how many of the next lines belong to the arguments of an environment that begins on
/// `line`; `None` if they end on it.
fn open_arguments<'a>(line: &str, next: impl Iterator<Item = &'a str>) -> Option<usize> {
    let (_, after) = line.split_once("\\begin{")?;
    let (name, arguments) = after.split_once('}')?;
    if !WITH_ARGUMENTS.contains(&name.trim_end_matches('*')) {
        return None;
    }
    let depth =
        |text: &str| text.matches('{').count() as isize - text.matches('}').count() as isize;
    let mut open = depth(arguments);
    if open <= 0 {
        return None;
    }
    for (count, line) in (1..=ARGUMENT_LINES_MAX).zip(next) {
        open += depth(line);
        if open <= 0 {
            return Some(count);
        }
    }
    None
}

struct Lines {
    text: String,
}

impl Lines {
    /// Adds a line; `inside` is the end of the literal environment that it is in.
    fn add_read(&mut self, line: &str, literal: &[&str], inside: &mut Option<String>) {
        if let Some(end) = inside {
            if line.trim_start().starts_with(end.as_str()) {
                *inside = None;
            }
            self.add(line);
            self.end();
            return;
        }
        let said = without_comment(line);
        // A line with only a comment ends no paragraph.
        if said.trim().is_empty() && said.len() < line.len() {
            return;
        }
        if let Some(name) = self.add_line(said)
            && literal.contains(&name.trim_end_matches('*'))
        {
            *inside = Some(format!("\\end{{{name}}}"));
        }
        // A command on its own line has ended the line.
        if said.trim().is_empty() || !self.text.ends_with('\n') {
            self.end();
        }
    }

    fn add(&mut self, part: &str) {
        self.text.push_str(part);
    }

    fn end(&mut self) {
        self.text.push('\n');
    }

    /// Ends the line unless it is empty.
    fn break_up(&mut self) {
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        if line.trim().is_empty() {
            let blanks = line.len();
            self.text.truncate(self.text.len() - blanks);
        } else {
            self.end();
        }
    }

    /// Adds a line, broken up; returns the name of the last environment that begins on it and does
    /// not end there.
    fn add_line<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        let mut open = None;
        let mut rest = line;
        while let Some(at) = rest.find('\\') {
            self.add(&rest[..at]);
            let after = &rest[at + 1..];
            rest = match after.chars().next() {
                Some('[') => {
                    self.break_up();
                    self.add("\\begin{displaymath}\n");
                    &after[1..]
                }
                Some(']') => {
                    self.break_up();
                    self.add("\\end{displaymath}\n");
                    &after[1..]
                }
                Some('(' | ')') => {
                    self.add("$");
                    &after[1..]
                }
                Some(sign) if !sign.is_ascii_alphabetic() => {
                    self.add(&rest[at..at + 1 + sign.len_utf8()]);
                    &after[sign.len_utf8()..]
                }
                Some(_) => self.add_command(&rest[at..], &mut open),
                None => {
                    self.add("\\");
                    after
                }
            };
        }
        self.add(rest);
        open
    }

    /// Adds the command that `text` begins with; returns what follows.
    fn add_command<'a>(&mut self, text: &'a str, open: &mut Option<&'a str>) -> &'a str {
        let letters = text[1..].find(|c: char| !c.is_ascii_alphabetic());
        let (command, after) = text.split_at(letters.map_or(text.len(), |end| end + 1));
        let name = || Some(near(after.strip_prefix('{')?).split_once('}')?.0);
        let name = if matches!(command, "\\begin" | "\\end") { name() } else { None };
        match (&command[1..], name) {
            ("begin", Some(name)) => {
                *open = Some(name);
                let has_arguments = WITH_ARGUMENTS.contains(&name.trim_end_matches('*'));
                let mut end = name.len() + 2;
                while let Some(close) = match after[end..].chars().next() {
                    Some('[') => Some(']'),
                    Some('{') if has_arguments => Some('}'),
                    _ => None,
                } {
                    let Some(length) = closing(&after[end..], close) else { break };
                    end += length;
                }
                self.break_up();
                self.add(command);
                self.add(&after[..end]);
                self.end();
                after[end..].trim_start()
            }
            ("end", Some(name)) => {
                *open = None;
                self.break_up();
                self.add(command);
                self.add(&after[..name.len() + 2]);
                self.end();
                after[name.len() + 2..].trim_start()
            }
            ("item", _) => {
                self.break_up();
                self.add(command);
                after
            }
            (known, _) if OWN_LINE.contains(&known) => {
                self.break_up();
                self.add(command);
                let mut end = usize::from(after.starts_with('*'));
                if after[end..].starts_with('[') {
                    end += closing(&after[end..], ']').unwrap_or(0);
                }
                let length = after[end..].starts_with('{').then(|| closing(&after[end..], '}'));
                let Some(length) = length.flatten() else { return after };
                self.add(&after[..end + length]);
                self.end();
                after[end + length..].trim_start()
            }
            _ => {
                self.add(command);
                after
            }
        }
    }
}

/// Removes a comment; `\%` is a sign.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '%' && before != '\\' {
            return &line[..at];
        }
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    line
}

/// Returns the part of a text in which an end is searched.
pub(super) fn near(text: &str) -> &str {
    &text[..text.floor_char_boundary(NEAR_BYTES)]
}

/// Returns the bytes up to the bracket that closes the first one.
fn closing(text: &str, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    let mut signs = text.char_indices();
    let (_, open) = signs.next()?;
    for (at, sign) in signs.take(NEAR_BYTES) {
        if sign == open {
            depth += 1;
        } else if sign == close {
            if depth == 0 {
                return Some(at + sign.len_utf8());
            }
            depth -= 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_know_where_they_come_from() {
        let (text, numbers) = separated("a\n% c\n  \\item b \\item c\n\nd", &[]);
        assert_eq!(text, "a\n\\item b \n\\item c\n\nd\n");
        assert_eq!(numbers, [1, 3, 3, 4, 5]);
    }

    #[test]
    fn things_stand_on_lines_of_their_own() {
        let check = |text: &str, expected: &str| {
            assert_eq!(separated(text, &["verbatim"]).0, expected, "{text}");
        };
        check(
            "\\begin{itemize}\\item One \\item Two\\end{itemize} after",
            "\\begin{itemize}\n\\item One \n\\item Two\n\\end{itemize}\nafter\n",
        );
        check(
            "\\begin{tabular}{l|l}[t] a & b \\\\[2pt] c\\end{tabular}",
            "\\begin{tabular}{l|l}[t]\na & b \\\\[2pt] c\n\\end{tabular}\n",
        );
        check("\\section*[S]{A {b}} c", "\\section*[S]{A {b}}\nc\n");
        check("a\n  % comment\nb % more\n", "a\nb \n");
        check(
            "x \\[ y \\] z \\(w\\)",
            "x \n\\begin{displaymath}\n y \n\\end{displaymath}\n z $w$\n",
        );
        check(
            "\\begin{verbatim}\n% \\item\n\\end{verbatim}",
            "\\begin{verbatim}\n% \\item\n\\end{verbatim}\n",
        );
        check("\\", "\\\n");
    }
}

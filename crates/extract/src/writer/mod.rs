//! Writes Markdown block by block; every converter of a structured format uses it.
//!
//! Blocks are on lines of their own, with the marks of the lists and quotes around them and blank
//! lines between them. It is CommonMark with tables of GitHub's kind, the dialect that the chunker
//! reads.

mod cells;
mod raised;

pub(crate) use cells::Cells;
pub(crate) use raised::{lowered, raised};

use crate::LineMap;
use crate::lines::Recorder;

/// Limit on nested lists and quotes that are shown; deeper ones are not indented any more, because
/// each level is written again on every line.
const LEVELS_MAX: usize = 16;

/// A growing Markdown text.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    text: String,
    /// The beginning of every line.
    prefix: String,
    levels: Vec<Level>,
    /// Marks of items that have no line yet, and how much of the prefix precedes them.
    marks: Option<(usize, String)>,
    /// A blank line is due before the next block.
    gap: bool,
    /// Columns of the table whose header is not written yet.
    header: Option<usize>,
    /// Bytes that may be written.
    bytes_max: usize,
    /// Where its lines come from.
    recorder: Recorder,
}

/// A quote, a list or an item of one.
#[derive(Debug)]
struct Level {
    prefix_bytes: usize,
    is_tight: bool,
}

impl Writer {
    /// Returns a writer that stops after `bytes_max`; see [`Self::is_full`].
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Returns the text; it ends with a line feed unless it is empty.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Returns the text with the lines of the file that its lines come from, according to
    /// [`Self::at`].
    pub(crate) fn finish_with_lines(self) -> (String, LineMap) {
        (self.text, self.recorder.finish())
    }

    /// Sets the lines of the file, from 1, that what follows comes from.
    pub(crate) fn at(&mut self, (first, last): (u32, u32)) {
        self.recorder.at(first, last);
    }

    /// Returns the byte at which the next block will begin, including its marks.
    pub(crate) fn next_line(&self) -> usize {
        let has_gap = self.gap && !self.text.is_empty();
        self.text.len() + if has_gap { self.prefix.trim_end().len() + 1 } else { 0 }
    }

    /// Reports whether the limit was reached; the rest is not written.
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() > self.bytes_max
    }

    /// Writes a heading of level 1 to 6; `text` is inline Markdown.
    pub(crate) fn heading(&mut self, level: usize, text: &str) {
        let words: Vec<_> = text.split_whitespace().collect();
        if !words.is_empty() {
            self.begin();
            self.line(&format!("{} {}", &"######"[..level.clamp(1, 6)], words.join(" ")));
            self.end();
        }
    }

    /// Writes a paragraph of inline Markdown; line feeds in it are kept. Marks that would turn it
    /// into another block are escaped.
    pub(crate) fn paragraph(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.begin();
        for (index, line) in text.trim().lines().enumerate() {
            let line = line.trim_start();
            match block_mark(line, index > 0) {
                Some(at) => self.line(&format!("{}\\{}", &line[..at], &line[at..])),
                None => self.line(line),
            }
        }
        self.end();
    }

    /// Writes a block of code, unchanged.
    pub(crate) fn code(&mut self, language: &str, text: &str) {
        self.code_lines(language, text.trim_end().lines().map(|line| (None, line)));
    }

    /// Writes lines of code, unchanged, each with the line of the file that it comes from, if that
    /// is another one than [`Self::at`].
    pub(crate) fn code_lines<'a>(
        &mut self,
        language: &str,
        lines: impl Iterator<Item = (Option<u32>, &'a str)> + Clone,
    ) {
        let Some(longest) = lines.clone().map(|(_, line)| longest_run(line, '`')).max() else {
            return;
        };
        let fence = "`".repeat(longest.max(2) + 1);
        self.begin();
        self.line(&format!("{fence}{language}"));
        for (at, line) in lines {
            self.line_at(at, line);
        }
        self.line(&fence);
        self.end();
    }

    /// Writes blocks that are already Markdown.
    pub(crate) fn markdown(&mut self, text: &str) {
        self.markdown_lines(text.lines().map(|line| (None, line)));
    }

    /// Writes lines that are already Markdown, like [`Self::code_lines`].
    pub(crate) fn markdown_lines<'a>(
        &mut self,
        lines: impl DoubleEndedIterator<Item = (Option<u32>, &'a str)> + Clone,
    ) {
        let is_empty = |line: &str| line.trim_matches('\r').is_empty();
        let after = lines.clone().rev().skip_while(|(_, line)| is_empty(line)).count();
        let lines = lines.take(after).skip_while(|(_, line)| is_empty(line));
        if lines.clone().all(|(_, line)| line.trim().is_empty()) {
            return;
        }
        self.begin();
        for (at, line) in lines {
            self.line_at(at, line);
        }
        self.end();
    }

    /// Writes a table whose first row is its header; cells are inline Markdown. Rows may differ in
    /// length.
    pub(crate) fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        if rows.iter().flatten().any(|cell| !cell.trim().is_empty()) {
            self.rows(columns, rows.iter().map(|row| row.iter().map(String::as_str)));
        }
    }

    /// Writes a table like [`Self::table`]; `in_file` returns the lines of the file from those of
    /// the table, from 0.
    pub(crate) fn cells(&mut self, cells: &Cells, in_file: impl Fn((u32, u32)) -> (u32, u32)) {
        if cells.is_blank() {
            return;
        }
        self.begin_table(cells.columns());
        for (row, lines) in cells.rows().zip(cells.lines()) {
            if self.is_full() {
                break;
            }
            self.at(in_file(*lines));
            self.row(row);
        }
        self.end_table();
    }

    /// Writes a table of this many columns; no row has more.
    pub(crate) fn rows<'a>(
        &mut self,
        columns: usize,
        rows: impl Iterator<Item = impl Iterator<Item = &'a str>>,
    ) {
        self.begin_table(columns);
        for row in rows {
            if self.is_full() {
                break;
            }
            self.row(row);
        }
        self.end_table();
    }

    /// Begins a table of this many columns; the first row is its header.
    pub(crate) fn begin_table(&mut self, columns: usize) {
        self.begin();
        self.header = Some(columns);
    }

    /// Writes a row of the open table.
    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: impl Iterator<Item = T>) {
        let mut line = String::from("|");
        let mut count = 0;
        for cell in cells {
            line.push(' ');
            push_cell(cell.as_ref(), &mut line);
            line.push_str(" |");
            count += 1;
        }
        let Some(columns) = self.header.take() else { return self.line(&line) };
        // Rows may be short, the header must not.
        line.push_str(&"  |".repeat(columns - count));
        self.line(&line);
        line.truncate(1);
        line.extend(std::iter::repeat_n(" --- |", columns));
        self.line(&line);
    }

    /// Ends the table.
    pub(crate) fn end_table(&mut self) {
        self.header = None;
        self.end();
    }

    /// Writes a thematic break.
    pub(crate) fn rule(&mut self) {
        self.begin();
        self.line("---");
        self.end();
    }

    /// Begins a quote.
    pub(crate) fn open_quote(&mut self) {
        self.open("> ", "> ", false);
    }

    /// Begins a list; a tight one has no blank lines between items.
    pub(crate) fn open_list(&mut self, is_tight: bool) {
        self.levels.push(Level { prefix_bytes: self.prefix.len(), is_tight });
    }

    /// Begins an item of the innermost list, with a mark such as `- ` or `1. `.
    pub(crate) fn open_item(&mut self, mark: &str) {
        let is_tight = self.is_tight();
        self.open(mark, &" ".repeat(mark.len()), is_tight);
    }

    /// Ends the innermost quote, list or item.
    pub(crate) fn close(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.prefix.truncate(level.prefix_bytes);
        }
        self.marks = None;
        self.end();
    }

    fn open(&mut self, mark: &str, prefix: &str, is_tight: bool) {
        self.begin();
        let prefix_bytes = self.prefix.len();
        self.levels.push(Level { prefix_bytes, is_tight });
        if self.levels.len() <= LEVELS_MAX {
            self.prefix.push_str(prefix);
            self.marks.get_or_insert_with(|| (prefix_bytes, String::new())).1.push_str(mark);
        }
    }

    fn is_tight(&self) -> bool {
        self.levels.last().is_some_and(|level| level.is_tight)
    }

    /// Separates the next block from the last.
    fn begin(&mut self) {
        if std::mem::take(&mut self.gap) && !self.text.is_empty() && !self.is_full() {
            self.text.push_str(self.prefix.trim_end());
            self.text.push('\n');
            self.recorder.gap();
        }
    }

    fn end(&mut self) {
        self.gap = !self.is_tight();
    }

    fn line_at(&mut self, at: Option<u32>, line: &str) {
        if let Some(at) = at {
            self.at((at, at));
        }
        self.line(line);
    }

    fn line(&mut self, line: &str) {
        if self.is_full() {
            return;
        }
        let start = self.text.len();
        match self.marks.take() {
            Some((prefix_bytes, marks)) => {
                self.text.push_str(&self.prefix[..prefix_bytes]);
                self.text.push_str(&marks);
            }
            None => self.text.push_str(&self.prefix),
        }
        self.text.push_str(line.trim_end_matches('\r'));
        // Two spaces after text are a line break; after marks alone they mean nothing.
        if line.trim().is_empty() {
            self.text.truncate(start + self.text[start..].trim_end().len());
        }
        self.text.push('\n');
        self.recorder.line();
    }
}

/// Adds the content of a table cell: one line, without a bar that would end it.
fn push_cell(text: &str, line: &mut String) {
    let start = line.len();
    for (index, word) in text.split_whitespace().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        for (index, part) in word.split('|').enumerate() {
            if index > 0 {
                if line.len() == start || !line.ends_with('\\') {
                    line.push('\\');
                }
                line.push('|');
            }
            line.push_str(part);
        }
    }
}

/// Returns the length of the longest run of `wanted`.
pub(crate) fn longest_run(text: &str, wanted: char) -> usize {
    let (mut longest, mut run) = (0, 0);
    for character in text.chars() {
        run = if character == wanted { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// Returns where a backslash is needed so that the line of a paragraph begins no other block.
fn block_mark(line: &str, is_continued: bool) -> Option<usize> {
    let ends_word = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
    let first = line.chars().next()?;
    let run = line.len() - line.trim_start_matches(first).len();
    let is_mark = match first {
        '#' => run <= 6 && ends_word(&line[run..]),
        '>' => true,
        '-' | '+' | '*' => {
            ends_word(&line[1..]) || first == '-' && line.trim_end().len() == run && run > 1
        }
        '=' => is_continued && line.trim_end().len() == run,
        '`' | '~' => run >= 3,
        '0'..='9' => {
            let digits = line.bytes().take_while(u8::is_ascii_digit).count();
            let rest = &line[digits..];
            return (digits <= 9 && rest.starts_with(['.', ')']) && ends_word(&rest[1..]))
                .then_some(digits);
        }
        _ => false,
    };
    is_mark.then_some(0)
}

/// Returns plain text as inline Markdown: escapes what would be markup, and nothing else, so that
/// words stay searchable.
pub(crate) fn escaped(text: &str) -> String {
    let mut inline = String::with_capacity(text.len() + text.len() / 16);
    let mut before = ' ';
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        let after = rest.clone().next().unwrap_or(' ');
        let is_markup = match character {
            '`' => true,
            '\\' => after.is_ascii_punctuation(),
            '*' => !(before.is_whitespace() && after.is_whitespace()),
            '_' => before.is_alphanumeric() != after.is_alphanumeric(),
            '<' => after.is_ascii_alphabetic() || matches!(after, '/' | '!' | '?'),
            '&' => after.is_ascii_alphabetic() && is_entity(rest.as_str()),
            ']' => matches!(after, '(' | '[' | ':'),
            _ => false,
        };
        if is_markup {
            inline.push('\\');
        }
        inline.push(character);
        before = character;
    }
    inline
}

/// Reports whether an ampersand is followed by the name of an entity.
fn is_entity(rest: &str) -> bool {
    let letters = rest.bytes().take(32).take_while(u8::is_ascii_alphanumeric).count();
    letters >= 2 && rest[letters..].starts_with(';')
}

/// Returns code as inline Markdown.
pub(crate) fn inline_code(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let code = words.join(" ");
    if code.is_empty() {
        return code;
    }
    let ticks = "`".repeat(longest_run(&code, '`') + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{code}{pad}{ticks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_set_apart() {
        let mut writer = Writer::new(1000);
        writer.heading(1, "A\n b");
        writer.paragraph(" one  \n# two\n1. three");
        writer.open_list(true);
        writer.open_item("- ");
        writer.paragraph("tight");
        writer.open_list(true);
        writer.open_item("1. ");
        writer.open_list(true);
        writer.open_item("- ");
        writer.paragraph("deep\nline");
        (0..4).for_each(|_| writer.close());
        writer.close();
        writer.open_item("- ");
        writer.close();
        writer.open_item("- ");
        writer.code("sh", "a\n\n  ```b\n");
        writer.close();
        writer.close();
        writer.open_quote();
        writer.paragraph("quote");
        writer.open_list(false);
        writer.open_item("- ");
        writer.paragraph("loose");
        writer.paragraph("second");
        (0..3).for_each(|_| writer.close());
        writer.table(&[vec!["a|b".into()], vec!["c\nd".into(), "e".into()]]);
        insta::assert_snapshot!(writer.finish(), @r"
        # A b

        one  
        \# two
        1\. three

        - tight
          1. - deep
               line
        - ````sh
          a

            ```b
          ````

        > quote
        >
        > - loose
        >
        >   second

        | a\|b |  |
        | --- | --- |
        | c d | e |
        ");
    }

    #[test]
    fn text_is_escaped_where_it_would_be_markup() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("snake_case 2 * 3 a[0] R&D", "snake_case 2 * 3 a[0] R&D");
        check("_em_ *em* `code`", r"\_em\_ \*em\* \`code\`");
        check("Vec<T> a < b", r"Vec\<T> a < b");
        check("&lt; & &x", r"\&lt; & &x");
        check("[a](b)", r"[a\](b)");
        check(r"C:\dir \* \", r"C:\dir \\\* \");
    }

    #[test]
    fn a_full_writer_stops() {
        let mut writer = Writer::new(20);
        (0..9).for_each(|_| writer.paragraph("0123456789"));
        assert!(writer.is_full());
        assert_eq!(writer.finish().len(), 23);
    }
}

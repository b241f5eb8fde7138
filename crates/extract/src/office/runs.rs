//! Runs of text in Office documents: what differs in looks only is one run, and what Markdown would
//! misread is escaped.

use undoc::{Block, Document, Paragraph, Table, TextRun};

use super::body::LINE_BREAK;
use crate::writer::{lowered, raised};

/// What Excel writes above the first comment of a thread, for its older versions.
const THREAD: &str = "[Threaded comment]";
const THREAD_END: &str = "Comment:";

/// Prepares all runs of a document.
pub(super) fn prepare(document: &mut Document) {
    for section in &mut document.sections {
        let around = [&mut section.header, &mut section.footer, &mut section.notes];
        around.into_iter().flatten().flatten().for_each(|paragraph| runs(paragraph, false));
        for block in &mut section.content {
            match block {
                Block::Paragraph(paragraph) => runs(paragraph, false),
                Block::Table(table) => cells(table),
                Block::Note { content, .. } => {
                    content.iter_mut().for_each(|paragraph| runs(paragraph, false));
                }
                Block::PageBreak | Block::SectionBreak | Block::Image { .. } => {}
            }
        }
    }
}

fn cells(table: &mut Table) {
    for cell in table.rows.iter_mut().flat_map(|row| &mut row.cells) {
        cell.content.iter_mut().for_each(|paragraph| runs(paragraph, true));
        cell.nested_tables.iter_mut().for_each(cells);
    }
}

fn runs(paragraph: &mut Paragraph, is_cell: bool) {
    let mut runs: Vec<TextRun> = Vec::with_capacity(paragraph.runs.len());
    for mut run in std::mem::take(&mut paragraph.runs) {
        let style = &mut run.style;
        (style.font, style.size, style.color, style.highlight) = (None, None, None, None);
        style.underline = false;
        match runs.last_mut().filter(|last| is_alike(last, &run)) {
            Some(last) => last.text.push_str(&run.text),
            None => runs.push(run),
        }
    }
    let mut before = None;
    for run in &mut runs {
        let is_blank = run.text.trim().is_empty();
        if std::mem::take(&mut run.style.superscript) && !is_blank {
            run.text = raised(before, &run.text);
        } else if std::mem::take(&mut run.style.subscript) && !is_blank {
            run.text = lowered(&run.text);
        }
        before = run.text.chars().next_back().or(before);
        if let Some(url) = &mut run.hyperlink
            && let Ok(plain) = quick_xml::escape::unescape(url)
        {
            *url = plain.into_owned();
        }
        without_boilerplate(run);
        if is_cell && run.text.contains('|') {
            run.text = run.text.replace("\\|", "|").replace('|', "\\|");
        }
    }
    paragraph.runs = runs;
}

/// Reports whether a run goes on like the last one.
fn is_alike(last: &TextRun, run: &TextRun) -> bool {
    let has_place = |run: &TextRun| run.note.is_some() || run.line_break || run.page_break;
    last.style == run.style
        && last.hyperlink == run.hyperlink
        && last.revision == run.revision
        && !has_place(last)
        && !has_place(run)
}

fn without_boilerplate(run: &mut TextRun) {
    if let Some((before, after)) = run.text.split_once(THREAD)
        && let Some((_, comment)) = after.split_once(THREAD_END)
    {
        run.text = format!("{before}{}", comment.trim_start());
    }
}

/// Returns rendered text with its line breaks: spaces in tables and headings.
pub(super) fn with_breaks(text: &str) -> String {
    if !text.contains(LINE_BREAK) {
        return text.to_owned();
    }
    let mut broken = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let start = line.trim_start_matches(' ');
        let indent = line.len() - start.len();
        let mark = start.bytes().take_while(u8::is_ascii_digit).count();
        let separator = if start.starts_with(['|', '#']) {
            " ".to_owned()
        } else if start.starts_with("- ") {
            format!("  \n{}", " ".repeat(indent + 2))
        } else if mark > 0 && start[mark..].starts_with(". ") {
            format!("  \n{}", " ".repeat(indent + mark + 2))
        } else {
            "  \n".to_owned()
        };
        let end = line.len() - line.trim_end().len();
        let parts = line[..line.len() - end].split(LINE_BREAK).map(str::trim);
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        broken.push_str(&" ".repeat(indent));
        broken.push_str(&parts.join(&separator));
        broken.push_str(if line.ends_with('\n') { "\n" } else { "" });
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_where_markdown_can() {
        let check = |text: &str, expected: &str| {
            assert_eq!(with_breaks(&text.replace('/', "\u{2028}")), expected);
        };
        check("a /b/ /c/\nd\n", "a  \nb  \nc\nd\n");
        check("# a/b\n| c/d | e |", "# a b\n| c d | e |");
        check("  - a/b\n12. c/d", "  - a  \n    b\n12. c  \n    d");
        check("/\nx", "\nx");
        check("a\n  b", "a\n  b");
    }

    #[test]
    fn runs_that_look_different_are_the_same_text() {
        let mut paragraph = Paragraph::default();
        let mut add = |text: &str, change: fn(&mut TextRun)| {
            let mut run = TextRun::plain(text);
            change(&mut run);
            paragraph.runs.push(run);
        };
        add("Wat", |run| (run.style.bold, run.style.size) = (true, Some(24)));
        add("er", |run| (run.style.bold, run.style.size) = (true, Some(26)));
        add(" 10", |_| {});
        add("1", |run| run.style.superscript = true);
        add("2", |run| (run.style.superscript, run.style.size) = (true, Some(9)));
        add("a|b", |run| run.hyperlink = Some("x?a=1&amp;b=2".to_owned()));
        let thread =
            " [Comment: [Threaded comment]\n\nYour version of Excel.\n\nComment:\n    Why?]";
        add(thread, |_| {});
        runs(&mut paragraph, true);
        let texts: Vec<_> = paragraph.runs.iter().map(|run| run.text.as_str()).collect();
        assert_eq!(texts, ["Water", " 10", "^12^", "a\\|b", " [Comment: Why?]"]);
        assert_eq!(paragraph.runs[3].hyperlink.as_deref(), Some("x?a=1&b=2"));
    }
}

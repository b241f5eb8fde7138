//! Running lines: headers and footers, which stand at the edge of most pages.
//!
//! Such a line is the same on each of them, or one of its numbers counts with the pages. A row of a
//! table is none, nor a heading with a number, nor all that a page contains.

use std::collections::HashMap;

/// Lines at each end of a page among which they are searched.
const EDGE_LINES: usize = 3;

/// Pages that a document must have before a line can be one.
const PAGES_MIN: usize = 3;

/// A page: its number and its lines.
type Page<'a> = (u32, Vec<&'a str>);

/// Removes running lines, and those that name the page.
pub(super) fn without(pages: Vec<Page<'_>>) -> Vec<Page<'_>> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (number, lines) in &pages {
        let edges = edges(lines).into_iter();
        let mut forms: Vec<_> = edges.flat_map(|at| forms(lines[at], *number)).collect();
        forms.sort();
        forms.dedup();
        for form in forms {
            *counts.entry(form).or_default() += 1;
        }
    }
    let is_frequent = |form: &String| {
        counts.get(form).is_some_and(|&count| count >= PAGES_MIN && count * 2 > pages.len())
    };
    let kept = pages.iter().map(|(number, lines)| {
        let is_running = |at: &usize| {
            is_page_number(lines[*at]) || forms(lines[*at], *number).iter().any(is_frequent)
        };
        let mut dropped: Vec<_> = edges(lines).into_iter().filter(is_running).collect();
        let filled = lines.iter().filter(|line| !line.trim().is_empty()).count();
        if dropped.len() == filled {
            // What counts with the pages may be all that they contain, as signs of rooms do.
            let is_same = |at: &usize| is_page_number(lines[*at]) || is_frequent(&same(lines[*at]));
            dropped.retain(is_same);
        }
        let lines = lines.iter().enumerate().filter(|(at, _)| !dropped.contains(at));
        (*number, lines.map(|(_, line)| *line).collect())
    });
    kept.collect()
}

/// Detects a line such as `Page 3` or `Page 3 of 12`, which is not text even if there are few
/// pages.
fn is_page_number(line: &str) -> bool {
    let words: Vec<_> =
        line.split([' ', '*', '#', '_', '/', '|']).filter(|one| !one.is_empty()).collect();
    let is_page = words.first().is_some_and(|word| word.eq_ignore_ascii_case("page"));
    let is_rest = |word: &&str| *word == "of" || word.chars().all(|c| c.is_ascii_digit());
    is_page && words.len() > 1 && words[1..].iter().all(is_rest)
}

/// Returns the positions of the first and last lines with text.
fn edges(lines: &[&str]) -> Vec<usize> {
    let filled: Vec<_> = (0..lines.len()).filter(|&at| !lines[at].trim().is_empty()).collect();
    let last = filled.len().saturating_sub(EDGE_LINES).max(EDGE_LINES.min(filled.len()));
    filled[..EDGE_LINES.min(filled.len())].iter().chain(&filled[last..]).copied().collect()
}

/// Returns the text of a line without marks.
fn same(line: &str) -> String {
    let letters: String = line.chars().filter(|c| !matches!(c, '#' | '*' | '_' | '\\')).collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the forms of a line, one of which a running line has on most pages: itself, and each of
/// its numbers as the difference to that of the page.
fn forms(line: &str, page: u32) -> Vec<String> {
    // Numbers of more digits are none of pages.
    const DIGITS_MAX: usize = 5;
    if line.trim_start().starts_with('|') {
        return Vec::new();
    }
    let text = same(line);
    let mut forms = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|found| at + found) {
        let length = text[start..].bytes().take_while(u8::is_ascii_digit).count();
        at = start + length;
        if let Ok(number) = text[start..at].parse::<i64>()
            && length <= DIGITS_MAX
            && !line.starts_with('#')
        {
            let offset = number - i64::from(page);
            forms.push(format!("{}\0{offset}\0{}", &text[..start], &text[at..]));
        }
    }
    forms.push(text);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pages: &[&str], expected: &[&str]) {
        let pages = (1..).zip(pages).map(|(number, page)| (number, page.lines().collect()));
        let kept = without(pages.collect());
        let kept: Vec<_> = kept.into_iter().map(|(_, lines)| lines.join("/")).collect();
        assert_eq!(kept, expected);
    }

    #[test]
    fn lines_that_repeat_or_count_with_the_pages_go() {
        let pages = |line: fn(usize) -> String| {
            let text = ["Ann says no.", "Bob says yes.", "Eve does not know.", "Why not?"];
            (1..).zip(text).map(|(page, text)| (line(page), text)).collect::<Vec<_>>()
        };
        let text = pages(|_| String::new());
        let text: Vec<_> = text.iter().map(|(_, text)| *text).collect();
        let running: [fn(usize) -> String; 5] = [
            |_| "# The report of 2024".to_owned(),
            |page| format!("{}", page + 16),
            |page| format!("- {page} -"),
            |page| format!("Volume 3, 2024 | p. {page} of 40"),
            |page| format!("**Canals**   *{page}*"),
        ];
        for line in running {
            let with: Vec<_> = pages(line).iter().map(|(a, b)| format!("{a}\n{b}")).collect();
            check(&with.iter().map(String::as_str).collect::<Vec<_>>(), &text);
        }
    }

    #[test]
    fn rows_headings_and_whole_pages_stay() {
        let rows = ["| 1 | 10 |\n| 2 | 20 |", "| 2 | 11 |\n| 2 | 20 |", "| 3 | 12 |\n| 2 | 20 |"];
        check(&rows, &rows.map(|page| page.replace('\n', "/")).each_ref().map(String::as_str));
        let chapters = ["# Chapter 1\nA.", "# Chapter 2\nB.", "# Chapter 3\nC."];
        check(&chapters, &["# Chapter 1/A.", "# Chapter 2/B.", "# Chapter 3/C."]);
        check(&["Room 101", "Room 102", "Room 103"], &["Room 101", "Room 102", "Room 103"]);
        let numbers = ["1960 100\nx", "1972 103\ny", "1984 999\nz"];
        check(&numbers, &["1960 100/x", "1972 103/y", "1984 999/z"]);
        check(&["Draft\nPage 1", "Draft\nPage 2", "Draft\nPage 3"], &["", "", ""]);
    }
}

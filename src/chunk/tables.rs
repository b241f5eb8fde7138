//! Rows of tables: the header row of a table in HTML, and the first cell of a row, which names what
//! the rest of it is about.

use std::ops::Range;

use memchr::memchr_iter;

/// Bytes of a row in which its first cell is looked for.
const CELL_BYTES_MAX: usize = 4096;

/// Returns the first cell with words of a row of a Markdown table, and the bars around it.
pub(super) fn first_cell(row: &str) -> Option<Range<usize>> {
    let inner = row.trim_start_matches([' ', '\t', '>']);
    let start = row.len() - inner.len();
    let inner = &inner[..inner.floor_char_boundary(CELL_BYTES_MAX)];
    let mut has_words = false;
    let mut is_escaped = false;
    for (at, c) in inner.char_indices() {
        if c == '|' && !is_escaped && has_words {
            return Some(start..start + at + 1);
        }
        has_words |= c.is_alphanumeric();
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

/// Returns the first cell with words of a row of an HTML table, with its tags.
pub(super) fn first_html_cell(row: &str) -> Option<Range<usize>> {
    let row = &row[..row.floor_char_boundary(CELL_BYTES_MAX)];
    tags(row, &["tr"]).next()?;
    let starts: Vec<usize> = tags(row, &["td", "th"]).collect();
    let ends = starts.iter().skip(1).copied().chain([row.len()]);
    starts.iter().zip(ends).find_map(|(&start, end)| {
        let close = tags(&row[start..end], &["/td", "/th"]).next().map(|at| start + at);
        // Without an end tag, the next cell ends it; the last one has to be whole.
        let end = close.or_else(|| (end < row.len()).then_some(end))?;
        has_words(&row[start..end]).then(|| start..start + row[start..end].trim_end().len())
    })
}

/// Returns the header row of the only table in a piece of HTML, with its tags.
pub(super) fn header(html: &str) -> Option<Range<usize>> {
    let mut tables = tags(html, &["table"]);
    let table = tables.next()?;
    if tables.next().is_some() {
        return None;
    }
    let start = table + tags(&html[table..], &["tr"]).next()?;
    let rest = &html[start..];
    let end = tags(&rest[1..], &["/tr", "tr", "tbody", "/thead"]).next()? + 1;
    let row = rest[..end].trim_end();
    let is_header = tags(row, &["th"]).next().is_some() && tags(row, &["td"]).next().is_none();
    (is_header && has_words(row)).then(|| start..start + row.len())
}

/// Returns where the rows of HTML tables begin, but for one at the start of `text`.
pub(super) fn rows(text: &str) -> impl Iterator<Item = usize> {
    tags(text, &["tr"]).filter(|&at| at > 0)
}

/// Returns where tags of these names begin.
fn tags<'a>(html: &'a str, names: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
    memchr_iter(b'<', html.as_bytes()).filter(move |&at| {
        let rest = &html.as_bytes()[at + 1..];
        names.iter().any(|name| {
            let is_name =
                rest.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()));
            is_name && !rest.get(name.len()).is_some_and(u8::is_ascii_alphanumeric)
        })
    })
}

/// Reports whether there is a letter or digit outside of tags.
fn has_words(html: &str) -> bool {
    let mut is_tag = false;
    html.chars().any(|c| {
        is_tag = (is_tag || c == '<') && c != '>';
        !is_tag && c.is_alphanumeric()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cell_with_words_names_a_row() {
        let check = |row: &str, expected: Option<&str>| {
            assert_eq!(first_cell(row).map(|it| &row[it]), expected, "{row}");
        };
        check("| a | b |", Some("| a |"));
        check("a | b", Some("a |"));
        check("> |  | `x\\|y` z | b |", Some("|  | `x\\|y` z |"));
        check("| - | ", None);
        check("a", None);
        let check = |row: &str, expected: Option<&str>| {
            assert_eq!(first_html_cell(row).map(|it| &row[it]), expected, "{row}");
        };
        check("<tr class=x><TD>a <b>b</b>\n</TD><td>c</td></tr>", Some("<TD>a <b>b</b>"));
        check("<tr><td><i></i></td><td>c<td>d", Some("<td>c"));
        check("<tr><td>a", None);
        check("<td>a</td>", None);
    }

    #[test]
    fn a_header_row_has_only_headers() {
        let check = |html: &str, expected: Option<&str>| {
            assert_eq!(header(html).map(|it| &html[it]), expected, "{html}");
        };
        let head = "<tr><th>a</th><th>b</th>";
        check(&format!("<table>\n<thead>{head}</tr></thead><tr><td>c"), Some(head));
        check(&format!("<p>x<table>{head}\n<tr><td>c"), Some(head));
        check("<table><tr><th>a</th><td>b</td></tr></table>", None);
        check("<table><tr><td>b</td></tr></table>", None);
        check(&format!("<table>{head}</tr></table><table>"), None);
        check("<tr><th>a</th></tr>", None);
    }
}

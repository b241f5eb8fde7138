//! A hit: title, headings, an excerpt with marked words, and where it is.

use maud::{Markup, html};

use super::links;
use crate::analysis::noise;
use crate::kb::{Hit, Likeness, LinesIn, ListPlace};

/// Limit on the bytes of an excerpt.
const EXCERPT_BYTES_MAX: usize = 700;
/// Bytes before the first marked word that an excerpt may begin with.
const LEAD_BYTES: usize = 200;

/// Returns a hit of the knowledge base called `kb`, which is named if there are several.
pub fn hit(kb: &str, is_named: bool, hit: &Hit) -> Markup {
    let place = ListPlace { source: hit.source.clone(), uri: hit.uri.clone() };
    let lines = (hit.start_line, hit.end_line);
    let title = if hit.title.trim().is_empty() { &hit.uri } else { &hit.title };
    html! {
        li .hit {
            h2 dir="auto" { a href=(links::view(kb, &place, Some(lines))) { (title) } }
            @if !hit.heading_path.is_empty() && hit.heading_path != hit.title {
                p .path dir="auto" { (hit.heading_path) }
            }
            p .text dir="auto" { (excerpt(&hit.text, &hit.matches)) }
            p .about {
                @if is_named { (kb) " / " }
                bdi { (hit.source) " / " (hit.uri) }
                ", " (numbered(hit))
                @if let Some(page) = hit.page { ", page " (page) }
                ", score " (format!("{:.3}", hit.score))
                @if let Some(url) = &hit.url {
                    " " a href=(url) rel="noreferrer noopener" { "original" }
                }
            }
            @for other in &hit.duplicates {
                @let place = ListPlace { source: other.source.clone(), uri: other.uri.clone() };
                @let lines = (other.start_line, other.end_line);
                p .about {
                    (likeness(other.likeness)) " "
                    a href=(links::view(kb, &place, Some(lines))) {
                        bdi { (other.source) " / " (other.uri) }
                    }
                }
            }
        }
    }
}

fn numbered(hit: &Hit) -> String {
    let Hit { start_line, end_line, .. } = hit;
    let lines = match start_line == end_line {
        true => format!("line {start_line}"),
        false => format!("lines {start_line}-{end_line}"),
    };
    if hit.lines_in == LinesIn::Text { format!("{lines} of its text") } else { lines }
}

fn likeness(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Same => "also in",
        Likeness::Similar => "similar in",
        Likeness::Translation => "translated in",
    }
}

/// Returns the part of a passage around its first marked word.
fn excerpt(text: &str, marks: &[[usize; 2]]) -> Markup {
    let start = start_of_excerpt(text, marks.first().map_or(0, |[start, _]| *start));
    let end = text.floor_char_boundary(start + EXCERPT_BYTES_MAX);
    let inside: Vec<_> = marks
        .iter()
        .filter(|[from, to]| *from >= start && *to <= end)
        .map(|[from, to]| [from - start, to - start])
        .collect();
    html! {
        @if !text[..start].trim().is_empty() { "… " }
        @for (words, is_marked) in noise::pieces(text[start..end].trim_end(), &inside) {
            @let words = words.replace("\n\n", "\n");
            @if is_marked { mark { (words) } } @else { (words) }
        }
        @if end < text.trim_end().len() { " …" }
    }
}

/// Returns the beginning of the line, or else of the word, that lies before the byte at `first`.
fn start_of_excerpt(text: &str, first: usize) -> usize {
    if first <= 2 * LEAD_BYTES {
        return text.len() - text.trim_start_matches('\n').len();
    }
    let from = text.floor_char_boundary(first - LEAD_BYTES);
    let lead = &text[from..first];
    let next = lead.find('\n').or_else(|| lead.find(' '));
    next.map_or(from, |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, marks: &[[usize; 2]], expected: &str) {
        assert_eq!(excerpt(text, marks).into_string(), expected);
    }

    #[test]
    fn marks_and_texts_are_escaped() {
        check("a <b> & c", &[[2, 5]], "a <mark>&lt;b&gt;</mark> &amp; c");
        check("\n\nno mark\n", &[], "no mark");
        check("\x1b[31mred\x1b[0m <i>", &[[5, 8]], "<mark>red</mark> &lt;i&gt;");
    }

    #[test]
    fn an_excerpt_is_around_the_first_mark() {
        let text = format!("{}\nthe word here\n{}", "ü ".repeat(400), "ä ".repeat(600));
        let at = text.find("word").unwrap();
        let html = excerpt(&text, &[[at, at + 4]]).into_string();
        assert!(html.starts_with("… the <mark>word</mark> here\nä ä "), "{html}");
        assert!(html.ends_with("ä …"), "{html}");
    }
}

//! A document: its text in passages, those asked for marked, and an outline to move in it.

use std::ops::Range;

use maud::{Markup, html};
use serde::Deserialize;

use super::find::Form;
use super::layout::{Page, page};
use super::links;
use crate::analysis::noise;
use crate::kb::{LinesIn, ListPlace, Passage, WholeDocument};
use crate::serve::tools::url_of;

/// Passages on a page: a document of a million lines is many pages.
const PASSAGES_MAX: usize = 200;

/// The lines of a document that are asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// First line; `None`: the document from its start.
    line: Option<u64>,
    /// Last line; `None`: the first one.
    end: Option<u64>,
}

impl Place {
    fn has(self, passage: &Passage) -> bool {
        self.line.is_some_and(|line| {
            passage.start_line <= self.end.unwrap_or(line).max(line) && line <= passage.end_line
        })
    }
}

/// Returns the page of the document at `place` of the knowledge base called `kb`.
pub fn document(kb: &str, place: &ListPlace, document: &WholeDocument, lines: Place) -> Page {
    let passages = &document.passages;
    let first = passages.iter().position(|passage| lines.has(passage));
    let page_number = first.unwrap_or(0) / PASSAGES_MAX;
    let start = page_number * PASSAGES_MAX;
    let shown = start..(start + PASSAGES_MAX).min(passages.len());
    let name = if document.title.trim().is_empty() { &place.uri } else { &document.title };
    let view = Shown { kb, place, document, lines, shown };
    let main = html! {
        article #document {
            h1 dir="auto" { (name) }
            (view.about())
            (view.outline())
            (view.turn(start.checked_sub(PASSAGES_MAX), "Earlier passages"))
            div .passages dir="auto" {
                @if passages.is_empty() { (document.text) }
                @for number in view.shown.clone() { (view.passage(number, first)) }
            }
            (view.turn((view.shown.end < passages.len()).then_some(view.shown.end), "Later passages"))
        }
    };
    page(&format!("{name} - kbingest"), &Form::plain(), &main)
}

/// The part of a document that is shown.
struct Shown<'a> {
    kb: &'a str,
    place: &'a ListPlace,
    document: &'a WholeDocument,
    lines: Place,
    /// Numbers of its passages.
    shown: Range<usize>,
}

impl Shown<'_> {
    fn about(&self) -> Markup {
        html! {
            p .about {
                (self.kb) " / " bdi { (self.place.source) " / " (self.place.uri) }
                @if let Some(day) = self.document.date { ", " (day) }
                ", " a href=(links::text(self.kb, self.place)) { "plain text" }
                @if let Some(url) = url_of(&self.place.uri) {
                    ", " a href=(url) rel="noreferrer noopener" { "original" }
                }
            }
        }
    }

    /// Returns links to the headings of the passages that are shown.
    fn outline(&self) -> Markup {
        let mut headings: Vec<&Passage> =
            self.document.passages[self.shown.clone()].iter().collect();
        headings.dedup_by(|a, b| a.heading_path == b.heading_path);
        headings.retain(|passage| !passage.heading_path.is_empty());
        html! {
            @if headings.len() > 1 {
                details .outline {
                    summary { "Outline" }
                    ul {
                        @for one in headings {
                            @let (above, heading) = heading(&one.heading_path);
                            li .{ "level-" (above) } dir="auto" {
                                a href={ "#line-" (one.start_line) } { (heading) }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Returns the link to the page that begins with passage `to`, if there is one.
    fn turn(&self, to: Option<usize>, words: &str) -> Markup {
        let line = to.map(|to| self.document.passages[to].start_line);
        html! {
            @if let Some(line) = line {
                p { a .button href=(links::view(self.kb, self.place, Some((line, line)))) { (words) } }
            }
        }
    }

    /// Returns a passage, with what is between it and the one before: front matter, blanks.
    fn passage(&self, number: usize, first: Option<usize>) -> Markup {
        let passage = &self.document.passages[number];
        let before = number.checked_sub(1).map(|before| &self.document.passages[before]);
        let from = before.map_or(0, |before| before.end_byte);
        // Passages may overlap; each byte is shown once.
        let start = passage.start_byte.max(from);
        let is_last = number + 1 == self.document.passages.len();
        let is_here = self.lines.has(passage);
        let is_first = first == Some(number);
        let id = if is_first { "here".to_owned() } else { format!("passage-{number}") };
        html! {
            (self.text(from..start))
            section #(id) .passage .here[is_here]
                aria-label=[is_first.then_some("The passage that was found")] {
                span .line #{ "line-" (passage.start_line) } aria-hidden="true" {
                    @if self.document.lines_in == LinesIn::File { (passage.start_line) }
                }
                (self.text(start..passage.end_byte))
            }
            @if is_last { (self.text(passage.end_byte..self.document.text.len())) }
        }
    }

    /// Returns some bytes of the text, without blank lines around them; nothing if all are blank.
    fn text(&self, bytes: Range<usize>) -> Markup {
        let text = self.document.text.get(bytes).unwrap_or_default();
        let text = text.trim_matches(['\r', '\n']);
        html! {
            @if !text.trim().is_empty() {
                div .text { @for (words, _) in noise::pieces(text, &[]) { (words) } }
            }
        }
    }
}

/// Returns the number of headings above the last one of a path, at most 5, and that one.
fn heading(path: &str) -> (usize, &str) {
    match path.rsplit_once(" > ") {
        Some((above, last)) => (above.split(" > ").count().min(5), last),
        None => (0, path),
    }
}

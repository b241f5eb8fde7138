//! Renders the content of an OpenDocument as HTML, element by element.

use std::collections::BTreeMap;

use quick_xml::escape::escape;

use super::styles::Styles;
use super::{LEFT_OUT, REPEAT_MAX};
use crate::TEXT_BYTES_MAX;
use crate::xml::{Element, Part};

/// Headings by their level, from 1.
const HEADINGS: [(&str, &str); 6] = [
    ("<h1>", "</h1>"),
    ("<h2>", "</h2>"),
    ("<h3>", "</h3>"),
    ("<h4>", "</h4>"),
    ("<h5>", "</h5>"),
    ("<h6>", "</h6>"),
];

/// Marks the title of a slide among the end tags; it is never written.
const SLIDE_TITLE: &str = "</title>";

/// An open element.
struct Open {
    /// Written at its end.
    closing: &'static str,
    /// Its start in the HTML.
    start: usize,
    /// Number of texts before it.
    texts: usize,
}

/// An open list.
struct List {
    style: String,
    /// Number of the last item.
    number: usize,
}

#[derive(Default)]
pub(super) struct Renderer {
    html: String,
    styles: Styles,
    open: Vec<Open>,
    /// Number of texts rendered.
    texts: usize,
    /// Number of open elements that are left out.
    left_out: usize,
    /// Start of the cell or row, and how often it is repeated.
    repeats: Vec<(usize, usize)>,
    slides: usize,
    /// Position of the slide's heading.
    slide_heading: std::ops::Range<usize>,
    lists: Vec<List>,
    /// The last numbers of lists by style and level, for lists that continue.
    numbers: BTreeMap<(String, usize), usize>,
    /// An item began, and nothing of it is rendered yet.
    item_begins: bool,
    /// Open notes and comments, and those that follow the paragraph.
    asides: usize,
    waiting: String,
    /// The mark of the note, or the author of the comment.
    label: String,
}

impl Renderer {
    pub(super) fn new(styles: Styles) -> Self {
        Self { styles, ..Self::default() }
    }

    /// Returns the HTML.
    pub(super) fn finish(mut self) -> String {
        self.html.push_str(&self.waiting);
        self.html
    }

    /// Renders a part; returns false once the limit is reached.
    pub(super) fn render(&mut self, part: Part<'_>) -> bool {
        match part {
            Part::Start(element) => self.start(&element),
            Part::End(name) => self.end(name),
            Part::Text(text) if self.left_out == 0 => {
                if !text.trim_ascii().is_empty() {
                    self.begin_item();
                    self.texts += 1;
                }
                self.html.push_str(&escape(text));
            }
            Part::Text(_) => {}
        }
        self.html.len() <= TEXT_BYTES_MAX
    }

    fn start(&mut self, element: &Element<'_>) {
        let name = element.name.as_str();
        // A covered cell is rendered by the one that covers it.
        if self.left_out > 0 || LEFT_OUT.contains(&name) || name == "covered-table-cell" {
            self.styles.note(element);
            self.left_out += 1;
            return;
        }
        if name != "list" {
            self.begin_item();
        }
        let (start, texts) = (self.html.len(), self.texts);
        let closing = match name {
            "list" => self.begin_list(element),
            "list-item" | "list-header" => {
                self.item_begins = true;
                "</li>"
            }
            "a" => {
                self.html.push_str("<a href=\"");
                self.html.push_str(&escape(element.attribute("href").unwrap_or_default()));
                self.html.push_str("\">");
                "</a>"
            }
            "page" => {
                self.slides += 1;
                let name = element.attribute("name").filter(|name| !name.starts_with("page"));
                let name = name.map_or(format!("Slide {}", self.slides), str::to_owned);
                self.heading(2, &name);
                self.slide_heading = start..self.html.len();
                ""
            }
            "note-body" | "annotation" => {
                self.asides += 1;
                ""
            }
            "frame" if element.attribute("class") == Some("title") => SLIDE_TITLE,
            "table-row" | "table-cell" => self.begin_table(element),
            _ => {
                let (opening, closing) = self.tags(element);
                self.html.push_str(opening);
                closing
            }
        };
        self.open.push(Open { closing, start, texts });
    }

    /// Returns the tags of an element that needs nothing else.
    fn tags(&self, element: &Element<'_>) -> (&'static str, &'static str) {
        match element.name.as_str() {
            "h" => {
                let level = element.attribute("outline-level").and_then(|level| level.parse().ok());
                HEADINGS[level.unwrap_or(1).clamp(1, 6) - 1]
            }
            "p" if self.lists.is_empty()
                && self.repeats.is_empty()
                && self.slides == 0
                && element
                    .attribute("style-name")
                    .is_some_and(|name| self.styles.is_title(name)) =>
            {
                HEADINGS[0]
            }
            "p" => ("<p>", "</p>"),
            "table" => ("<table>", "</table>"),
            "notes" => ("<h3>Notes</h3>", ""),
            "note-citation" => (" [", "] "),
            "line-break" => ("<br>", ""),
            "tab" | "s" => (" ", ""),
            _ => ("", ""),
        }
    }

    fn begin_table(&mut self, element: &Element<'_>) -> &'static str {
        let number = |name| {
            let number = element.attribute(name).and_then(|text| text.parse::<usize>().ok());
            number.unwrap_or(1)
        };
        let start = self.html.len();
        if element.name == "table-row" {
            self.repeats.push((start, number("number-rows-repeated")));
            self.html.push_str("<tr>");
            return "</tr>";
        }
        self.repeats.push((start, number("number-columns-repeated")));
        match (number("number-columns-spanned"), number("number-rows-spanned")) {
            (1, 1) => self.html.push_str("<td>"),
            (columns, rows) => {
                self.html.push_str(&format!("<td colspan=\"{columns}\" rowspan=\"{rows}\">"));
            }
        }
        "</td>"
    }

    /// Begins a list. An item that contains only a list is not rendered: programs write it around
    /// nested lists, and these belong to the item before.
    fn begin_list(&mut self, element: &Element<'_>) -> &'static str {
        if std::mem::take(&mut self.item_begins)
            && let Some(item) = self.open.last_mut()
        {
            match self.html.strip_suffix("</li>").map(str::len) {
                Some(length) => self.html.truncate(length),
                None => item.closing = "",
            }
        }
        let level = self.lists.len() + 1;
        let around = self.lists.last().map(|list| list.style.clone());
        let style = element.attribute("style-name").map(str::to_owned).or(around);
        let style = style.unwrap_or_default();
        let is_numbered = self.styles.is_numbered(&style, level);
        let goes_on = element.attribute("continue-numbering") == Some("true")
            || element.attribute("continue-list").is_some();
        let last = self.numbers.get(&(style.clone(), level)).copied().filter(|_| goes_on);
        let number = last.unwrap_or(0);
        self.lists.push(List { style, number });
        if !is_numbered {
            self.html.push_str("<ul>");
            return "</ul>";
        }
        self.html.push_str(&format!("<ol start=\"{}\">", number + 1));
        "</ol>"
    }

    /// Writes the tag of an item before its first content.
    fn begin_item(&mut self) {
        if std::mem::take(&mut self.item_begins) {
            self.html.push_str("<li>");
            if let Some(list) = self.lists.last_mut() {
                list.number += 1;
            }
        }
    }

    fn end(&mut self, name: &str) {
        if self.left_out > 0 {
            self.left_out -= 1;
            return;
        }
        let Some(open) = self.open.pop() else { return };
        let is_empty_item = name.starts_with("list-") && std::mem::take(&mut self.item_begins);
        match open.closing {
            SLIDE_TITLE => self.slide_title(&open),
            _ if is_empty_item => {}
            closing => self.html.push_str(closing),
        }
        match name {
            "table-cell" | "table-row" => {
                if let Some((start, repeat)) = self.repeats.pop() {
                    self.repeat(start, repeat);
                }
            }
            "list" => {
                if let Some(List { style, number, .. }) = self.lists.pop() {
                    self.numbers.insert((style, self.lists.len() + 1), number);
                }
            }
            "notes" if open.texts == self.texts => self.html.truncate(open.start),
            "note-citation" => {
                let mark = self.html[open.start..].trim_matches([' ', '[', ']']);
                self.label = mark.to_owned();
            }
            "creator" if self.asides > 0 => self.label = self.html.split_off(open.start),
            "date" | "date-string" | "sender-initials" | "creator-initials" if self.asides > 0 => {
                self.html.truncate(open.start);
            }
            "note-body" | "annotation" => self.end_aside(name, &open),
            // Notes do not cut the sentence.
            "p" | "h" if self.asides == 0 => {
                self.html.push_str(&std::mem::take(&mut self.waiting));
            }
            _ => {}
        }
    }

    /// Moves a note or a comment behind its paragraph.
    fn end_aside(&mut self, name: &str, open: &Open) {
        self.asides = self.asides.saturating_sub(1);
        let body = self.html.split_off(open.start);
        let label = std::mem::take(&mut self.label);
        if open.texts == self.texts {
            return;
        }
        let (before, after) = match (name, label.trim()) {
            ("annotation", "") => ("[Comment: ".to_owned(), "]"),
            ("annotation", author) => (format!("[Comment by {author}: "), "]"),
            (_, mark) => (format!("[{mark}] "), ""),
        };
        let text = body.trim().trim_start_matches("<p>").trim_end_matches("</p>");
        self.waiting.push_str(&format!("<p>{before}{text}{after}</p>"));
    }

    fn heading(&mut self, level: usize, text: &str) {
        let (opening, closing) = HEADINGS[level - 1];
        self.html.push_str(opening);
        self.html.push_str(&escape(text));
        self.html.push_str(closing);
    }

    /// Makes the text of a slide's title its heading.
    fn slide_title(&mut self, open: &Open) {
        if open.texts == self.texts || self.slide_heading.is_empty() {
            return;
        }
        let words = self.html.split_off(open.start).replace("<p>", "").replace("</p>", " ");
        let (opening, closing) = HEADINGS[1];
        let heading = format!("{opening}{words}{closing}");
        self.html.replace_range(std::mem::take(&mut self.slide_heading), &heading);
    }

    /// Repeats what was rendered since `start`; empty content is not repeated much.
    fn repeat(&mut self, start: usize, count: usize) {
        if count <= 1 {
            return;
        }
        let rendered = self.html[start..].to_owned();
        let is_empty = !rendered.contains("<p>");
        for _ in 1..count.min(if is_empty { 8 } else { REPEAT_MAX }) {
            if self.html.len() > TEXT_BYTES_MAX {
                break;
            }
            self.html.push_str(&rendered);
        }
    }
}

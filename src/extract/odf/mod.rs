//! OpenDocument texts, presentations and spreadsheets: their XML, told as HTML.
//!
//! After OpenDocument 1.3, part 3. What the HTML converter knows of lists, tables and spans need not be
//! known twice.

use std::fmt::Write;

use super::html::{self, Options};
use super::package::Package;
use super::xml::{self, Element, Part};
use super::{ExtractError, Extracted, Extractor, Metadata, title};
use crate::domain::MediaType;

/// Repetitions of a cell or row that are written out; sheets fill up with a million empty ones.
const REPEAT_MAX: usize = 100;

/// ODT, ODP and ODS.
pub(super) struct OpenDocument;

impl Extractor for OpenDocument {
    fn id(&self) -> &'static str {
        "opendocument@1"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, ExtractError> {
        let mut package = Package::open(uri, bytes)?;
        let content = package.read("content.xml")?;
        let mut teller = Teller::default();
        let content = String::from_utf8_lossy(&content);
        xml::read(&content, |part| teller.tell(part)).map_err(|error| {
            let reason = format!("its content.xml cannot be read {error}");
            ExtractError::Permanent { uri: uri.to_owned(), reason }
        })?;
        let page = html::convert_text(uri, &teller.html, &Options::whole())?;
        let mut metadata = Metadata::new();
        let mut stated = None;
        if package.has("meta.xml") {
            let meta = package.read("meta.xml")?;
            (stated, metadata) = read_meta(&String::from_utf8_lossy(&meta));
        }
        Ok(Extracted {
            title: stated
                .or_else(|| page.title.clone())
                .or_else(|| title::clean(title::file_stem(uri)))
                .unwrap_or_else(|| uri.to_owned()),
            media_type: MediaType::Markdown,
            text: page.markdown,
            encoding: "opendocument".to_owned(),
            metadata,
        })
    }
}

/// Returns title and metadata.
fn read_meta(text: &str) -> (Option<String>, Metadata) {
    let mut metadata = Metadata::new();
    let mut stated = None;
    let mut name = String::new();
    let read = xml::read(text, |part| {
        match part {
            Part::Start(element) => name = element.name,
            Part::End(_) => name.clear(),
            Part::Text(text) => {
                let key = match name.as_str() {
                    "title" => {
                        stated = title::clean(&text);
                        return true;
                    }
                    "initial-creator" => "author",
                    "date" => "date",
                    "language" => "language",
                    "subject" => "subject",
                    "description" => "description",
                    _ => return true,
                };
                if let Some(value) = title::clean(&text) {
                    metadata.insert(key.to_owned(), value.into());
                }
            }
        }
        true
    });
    if let Err(error) = read {
        tracing::debug!(%error, "metadata cannot be read");
    }
    (stated, metadata)
}

/// Tells ODF as HTML, element by element.
#[derive(Default)]
struct Teller {
    html: String,
    /// End tags of the elements that are open; empty where nothing was opened.
    open: Vec<String>,
    /// How many open elements are left out with all they hold.
    left_out: usize,
    /// Where the cell or row began, and how often it is to be told.
    repeats: Vec<(usize, usize)>,
    slides: usize,
}

impl Teller {
    fn tell(&mut self, part: Part) -> bool {
        match part {
            Part::Start(element) => self.start(&element),
            Part::End(name) => self.end(&name),
            Part::Text(text) if self.left_out == 0 => push_escaped(&mut self.html, &text),
            Part::Text(_) => {}
        }
        self.html.len() <= super::TEXT_BYTES_MAX
    }

    fn start(&mut self, element: &Element) {
        let is_left_out = matches!(
            element.name.as_str(),
            "annotation"
                | "tracked-changes"
                | "sequence-decls"
                | "forms"
                | "scripts"
                | "styles"
                | "font-face-decls"
                | "automatic-styles"
                | "settings"
                | "shapes"
                | "desc"
        );
        if self.left_out > 0 || is_left_out {
            self.left_out += 1;
            return;
        }
        let number = |name| element.attribute(name).and_then(|text| text.parse::<usize>().ok());
        let (opening, closing) = match element.name.as_str() {
            "h" => {
                let level = number("outline-level").unwrap_or(1).clamp(1, 6);
                (format!("<h{level}>"), format!("</h{level}>"))
            }
            "p" => ("<p>".into(), "</p>".into()),
            "list" => ("<ul>".into(), "</ul>".into()),
            "list-item" | "list-header" => ("<li>".into(), "</li>".into()),
            "table" => {
                let name = element.attribute("name").unwrap_or_default();
                let is_sheet = self.open.iter().any(|tag| tag == "</sheets>");
                let heading = if is_sheet { heading(2, name) } else { String::new() };
                (format!("{heading}<table>"), "</table>".into())
            }
            "spreadsheet" => (String::new(), "</sheets>".into()),
            "table-row" => {
                self.repeats.push((self.html.len(), number("number-rows-repeated").unwrap_or(1)));
                ("<tr>".into(), "</tr>".into())
            }
            "table-cell" | "covered-table-cell" => {
                let repeat = number("number-columns-repeated").unwrap_or(1);
                self.repeats.push((self.html.len(), repeat));
                ("<td>".into(), "</td>".into())
            }
            "a" => {
                let mut tag = String::from("<a href=\"");
                push_escaped(&mut tag, element.attribute("href").unwrap_or_default());
                (tag + "\">", "</a>".into())
            }
            "page" => {
                self.slides += 1;
                let name = element.attribute("name").filter(|name| !name.starts_with("page"));
                let name = name.map_or(format!("Slide {}", self.slides), str::to_owned);
                (heading(2, &name), String::new())
            }
            "notes" => ("<h3>Notes</h3>".into(), String::new()),
            "note-citation" => (" [".into(), "] ".into()),
            "line-break" => ("<br>".into(), String::new()),
            "tab" | "s" => (" ".into(), String::new()),
            _ => (String::new(), String::new()),
        };
        self.html.push_str(&opening);
        self.open.push(closing);
    }

    fn end(&mut self, name: &str) {
        if self.left_out > 0 {
            self.left_out -= 1;
            return;
        }
        let Some(closing) = self.open.pop() else { return };
        if closing != "</sheets>" {
            self.html.push_str(&closing);
        }
        if matches!(name, "table-cell" | "covered-table-cell" | "table-row")
            && let Some((start, repeat)) = self.repeats.pop()
        {
            self.repeat(start, repeat);
        }
    }

    /// Writes what was told since `start` as often as it counts; emptiness is not repeated at length.
    fn repeat(&mut self, start: usize, count: usize) {
        let told = self.html[start..].to_owned();
        let is_empty = !told.contains("<p>");
        for _ in 1..count.min(if is_empty { 8 } else { REPEAT_MAX }) {
            self.html.push_str(&told);
        }
    }
}

fn heading(level: usize, text: &str) -> String {
    let mut tag = format!("<h{level}>");
    push_escaped(&mut tag, text);
    let _ = write!(tag, "</h{level}>");
    tag
}

fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(character),
        }
    }
}

//! E-books: EPUB, chapter by chapter in the order of its spine, and FB2.
//!
//! After EPUB 3.3 (W3C), sections 4.2 "OCF ZIP container" and 5 "Package document".

use std::collections::HashSet;

use serde_json::Value;

use crate::html::{self, Options};
use crate::package::Package;
use crate::writer::escaped;
use crate::xml::{self, Element, Part};
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, escapes,
    title,
};

/// EPUB 2 and 3.
pub(crate) struct Epub;

/// The content of the package document.
#[derive(Default)]
struct Book {
    metadata: Metadata,
    title: Option<String>,
    authors: Vec<String>,
    /// Id, path and properties of each item.
    items: Vec<(String, String, String)>,
    spine: Vec<String>,
}

impl Extractor for Epub {
    fn id(&self) -> &'static str {
        "epub@5"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let failed = |reason: String| DocumentError::permanent(uri, reason);
        let mut package = Package::open(uri, bytes)?;
        let container = package.read("META-INF/container.xml")?;
        let place = root_file(&String::from_utf8_lossy(&container))
            .ok_or_else(|| failed("names no package document".to_owned()))?;
        let book = package.read(&place)?;
        let book = Book::read(&String::from_utf8_lossy(&book))
            .map_err(|error| failed(format!("its package document cannot be read {error}")))?;
        let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut text = book.front();
        let front_bytes = text.len();
        let mut damaged = 0;
        for chapter in book.chapters() {
            let Ok(bytes) = package.read(&resolve(folder, chapter)) else {
                damaged += 1;
                continue;
            };
            let page =
                html::convert(chapter, bytes, &Options { is_xml: true, ..Options::whole() })?;
            if !text.is_empty() && !page.markdown.is_empty() {
                text.push('\n');
            }
            text.push_str(&page.markdown);
            if text.len() > TEXT_BYTES_MAX {
                return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
            }
        }
        if damaged > 0 && text.len() == front_bytes {
            return Err(failed("none of its chapters can be read".to_owned()));
        }
        Ok(Extracted {
            title: book.title.unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding: "epub".to_owned(),
            metadata: book.metadata,
            lines: LineMap::Unknown,
        })
    }
}

fn root_file(container: &str) -> Option<String> {
    let mut place = None;
    let read = xml::read(container, |part| {
        if let Part::Start(element) = part
            && element.name == "rootfile"
        {
            place = element.attribute("full-path").map(str::to_owned);
        }
        place.is_none()
    });
    read.ok().and(place)
}

impl Book {
    fn read(text: &str) -> Result<Self, String> {
        let mut book = Self::default();
        let mut name = String::new();
        xml::read(text, |part| {
            match part {
                Part::Start(element) => {
                    book.start(&element);
                    name = element.name;
                }
                Part::End(_) => name.clear(),
                Part::Text(text) => book.say(&name, text),
            }
            true
        })?;
        if !book.authors.is_empty() {
            let authors = title::clean(&book.authors.join(", ")).unwrap_or_default();
            book.metadata.insert("author".to_owned(), Value::from(authors));
        }
        Ok(book)
    }

    fn start(&mut self, element: &Element<'_>) {
        let attribute = |name| element.attribute(name).unwrap_or_default().to_owned();
        match element.name.as_str() {
            "item" => {
                self.items.push((attribute("id"), attribute("href"), attribute("properties")));
            }
            "itemref" => self.spine.push(attribute("idref")),
            _ => {}
        }
    }

    fn say(&mut self, name: &str, text: &str) {
        let key = match name {
            "title" => {
                self.title = self.title.take().or_else(|| title::clean(text));
                return;
            }
            "creator" => {
                if let Some(author) = title::clean(text) {
                    self.authors.push(author);
                }
                return;
            }
            "language" => "language",
            "date" => "date",
            "publisher" => "publisher",
            "description" => "description",
            _ => return,
        };
        if let Some(value) = title::clean(text) {
            self.metadata.entry(key.to_owned()).or_insert(Value::from(value));
        }
    }

    /// Returns what is on no page but is searched for: the author and the subject.
    fn front(&self) -> String {
        let mut front = String::new();
        if !self.authors.is_empty() {
            front = format!("**Authors:** {}\n", escaped(&self.authors.join(", ")));
        }
        if let Some(Value::String(description)) = self.metadata.get("description") {
            let gap = if front.is_empty() { "" } else { "\n" };
            front.push_str(&format!("{gap}{}\n", escaped(description)));
        }
        front
    }

    /// Returns the paths of the chapters in reading order, without the table of contents.
    fn chapters(&self) -> impl Iterator<Item = &str> {
        // Parts of one file may be chapters of their own.
        let mut known = HashSet::new();
        self.spine.iter().filter_map(move |id| {
            let (_, href, properties) = self.items.iter().find(|(item, _, _)| item == id)?;
            let path = href.split('#').next().unwrap_or_default();
            let is_new = known.insert(path);
            (is_new && !properties.split(' ').any(|word| word == "nav")).then_some(path)
        })
    }
}

/// Returns the name of the part that `href` refers to from `folder`.
fn resolve(folder: &str, href: &str) -> String {
    let path = href.split('#').next().unwrap_or(href);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    escapes::decoded(&parts.join("/"), b'%')
}

/// FictionBook 2.
pub(crate) struct FictionBook;

impl Extractor for FictionBook {
    fn id(&self) -> &'static str {
        "fb2@3"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let text = crate::text::encoding::decode_declared(uri, bytes)?.text;
        let mut renderer = FictionRenderer::default();
        xml::read(&text, |part| {
            renderer.render(part);
            true
        })
        .map_err(|error| {
            let reason = format!("cannot be read as FB2 {error}");
            DocumentError::permanent(uri, reason)
        })?;
        let page = html::convert_text(uri, &renderer.html, &Options::whole())?;
        Ok(Extracted {
            title: title::clean(&renderer.title).unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text: page.markdown,
            encoding: "fb2".to_owned(),
            metadata: renderer.metadata,
            lines: LineMap::Unknown,
        })
    }
}

/// Renders FB2 as HTML: the sections of its bodies, with their titles as headings.
#[derive(Default)]
struct FictionRenderer {
    html: String,
    title: String,
    metadata: Metadata,
    path: Vec<String>,
}

impl FictionRenderer {
    fn is_in(&self, name: &str) -> bool {
        self.path.iter().any(|one| one == name)
    }

    /// Returns the tag for an element of a body.
    fn tag(&self, name: &str) -> Option<String> {
        let sections = self.path.iter().filter(|one| *one == "section").count();
        Some(match name {
            "title" => format!("h{}", (sections + 1).min(6)),
            "subtitle" => "h6".to_owned(),
            "p" | "v" if self.is_in("title") => "span".to_owned(),
            "p" | "v" | "text-author" => "p".to_owned(),
            "cite" | "epigraph" | "poem" => "blockquote".to_owned(),
            "emphasis" => "em".to_owned(),
            "table" | "tr" | "td" | "th" | "strong" | "code" => name.to_owned(),
            _ => return None,
        })
    }

    fn render(&mut self, part: Part<'_>) {
        match part {
            Part::Start(element) => {
                if self.is_in("body")
                    && let Some(tag) = self.tag(&element.name)
                {
                    self.html.push_str(&format!("<{tag}>"));
                }
                self.path.push(element.name);
            }
            Part::End(name) => {
                self.path.pop();
                if self.is_in("body")
                    && let Some(tag) = self.tag(name)
                {
                    self.html.push_str(&format!(" </{tag}>"));
                }
            }
            Part::Text(text) if self.is_in("body") => {
                self.html.push_str(&quick_xml::escape::partial_escape(text));
            }
            Part::Text(text) if self.is_in("title-info") => {
                let key = match self.path.last().map(String::as_str) {
                    Some("book-title") => return self.title.push_str(text),
                    Some("first-name" | "last-name") => "author",
                    Some("lang") => "language",
                    Some("date") => "date",
                    _ => return,
                };
                let before = self.metadata.get(key).and_then(Value::as_str).unwrap_or_default();
                if let Some(value) = title::clean(&format!("{before} {text}")) {
                    self.metadata.insert(key.to_owned(), Value::from(value));
                }
            }
            Part::Text(_) => {}
        }
    }
}

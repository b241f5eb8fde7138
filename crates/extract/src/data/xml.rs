//! XML: feeds (RSS, Atom) and outlines (OPML) become Markdown, data is rendered by path, other XML
//! stays unchanged.

use serde_json::Value;

use super::{read_xml, rendered_or_plain};
use crate::html::{self, Options};
use crate::text::charset::declared;
use crate::text::encoding::{self, Decoded};
use crate::text::plain;
use crate::writer::{Writer, escaped};
use crate::xml::{self, Part};
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// Bytes of a document in which its first element is searched.
const LOOK_BYTES: usize = 4096;

/// XML, RSS, ATOM and OPML files.
pub(crate) struct Xml;

impl Extractor for Xml {
    fn id(&self) -> &'static str {
        "xml@5"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOK_BYTES)]).into_owned();
        let convert = match first_element(&start).as_deref() {
            Some("rss" | "feed" | "RDF") => feed,
            Some("opml") => outline,
            _ if declared(&bytes, None).is_some() => {
                let Decoded { text, encoding } = encoding::decode_declared(uri, bytes)?;
                let extracted = rendered_or_plain(uri, text.into_bytes(), read_xml)?;
                return Ok(Extracted { encoding, ..extracted });
            }
            _ => return rendered_or_plain(uri, bytes, read_xml),
        };
        let Decoded { text, encoding } = encoding::decode_declared(uri, bytes)?;
        let Ok((stated, markdown)) = convert(uri, &text) else {
            return plain::SOURCE.extract(uri, text.into_bytes());
        };
        Ok(Extracted {
            title: stated.unwrap_or_else(|| title::from_name(uri)),
            media_type: MediaType::Markdown,
            text: markdown,
            encoding,
            metadata: Metadata::from([("kind".to_owned(), Value::from("feed"))]),
            lines: LineMap::Unknown,
        })
    }
}

fn first_element(start: &str) -> Option<String> {
    let mut name = None;
    let _ = xml::read(start, |part| {
        if let Part::Start(element) = part {
            name = Some(element.name);
        }
        name.is_none()
    });
    name
}

type Converted = Result<(Option<String>, String), String>;

/// An entry of a feed, or its head.
#[derive(Default)]
struct Entry {
    title: String,
    link: String,
    date: String,
    content: String,
}

fn feed(uri: &str, text: &str) -> Converted {
    let mut entries = vec![Entry::default()];
    let mut path: Vec<String> = Vec::new();
    xml::read(text, |part| {
        match part {
            Part::Start(element) => {
                if matches!(element.name.as_str(), "item" | "entry") {
                    entries.push(Entry::default());
                }
                if let (Some(entry), "link", Some(href)) =
                    (entries.last_mut(), element.name.as_str(), element.attribute("href"))
                    && entry.link.is_empty()
                {
                    entry.link = href.to_owned();
                }
                path.push(element.name);
            }
            Part::End(_) => drop(path.pop()),
            Part::Text(text) => {
                let Some(entry) = entries.last_mut() else { return true };
                // Pictures also have titles and links.
                let is_own = path.iter().rev().nth(1).is_none_or(|outer| outer != "image");
                match path.last().map(String::as_str) {
                    Some("title") if is_own => entry.title.push_str(text),
                    Some("link") if is_own => entry.link.push_str(text.trim()),
                    Some("pubDate" | "updated" | "date") => entry.date = text.to_owned(),
                    Some("description" | "summary" | "encoded" | "content" | "subtitle") => {
                        entry.content.push_str(text);
                    }
                    _ => {}
                }
            }
        }
        true
    })?;
    let mut writer = Writer::new(TEXT_BYTES_MAX);
    for (index, entry) in entries.iter().enumerate() {
        let name = escaped(&entry.title);
        writer.heading(if index == 0 { 1 } else { 2 }, &name);
        let about = [&entry.date, &entry.link].map(|text| text.trim());
        let about: Vec<_> = about.into_iter().filter(|text| !text.is_empty()).collect();
        writer.paragraph(&about.join("  \n"));
        let page = html::convert_text(uri, &entry.content, &Options::whole());
        writer.markdown(&page.map(|page| page.markdown).unwrap_or_default());
    }
    Ok((title::clean(&entries[0].title), writer.finish()))
}

fn outline(_: &str, text: &str) -> Converted {
    let mut writer = Writer::new(TEXT_BYTES_MAX);
    let mut stated = None;
    let mut in_title = false;
    xml::read(text, |part| {
        match part {
            Part::Start(element) if element.name == "outline" => {
                writer.open_list(true);
                writer.open_item("- ");
                let words = element.attribute("text").or(element.attribute("title"));
                let words = escaped(words.unwrap_or_default());
                let link = ["htmlUrl", "xmlUrl", "url"].iter().find_map(|n| element.attribute(n));
                writer.paragraph(&match link {
                    Some(link) => format!("[{words}]({link})"),
                    None => words,
                });
                if let Some(note) = element.attribute("_note") {
                    writer.paragraph(&escaped(note));
                }
            }
            Part::End("outline") => {
                writer.close();
                writer.close();
            }
            Part::Start(element) => in_title = element.name == "title",
            Part::End(_) => in_title = false,
            Part::Text(text) if in_title => {
                stated = title::clean(text);
                writer.heading(1, &escaped(text));
            }
            Part::Text(_) => {}
        }
        true
    })?;
    Ok((stated, writer.finish()))
}

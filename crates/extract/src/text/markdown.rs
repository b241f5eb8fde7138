//! Markdown: the text unchanged, a title from front matter or the first heading, also one of HTML,
//! front matter as metadata.

use kbingest_support::{headings, line_ends};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

use crate::dom;
use crate::text::encoding::{self, Decoded};
use crate::text::front_matter;
use crate::{DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, title};

/// Where a title nearly always is. The parser reads its whole input before its first event, so this
/// saves most of the time.
const NEAR_BYTES: usize = 2 << 10;

/// Bytes of the body in which a title is searched at all.
const FAR_BYTES: usize = 64 << 10;

/// Keys of front matter that hold a title, best first.
const TITLE_KEYS: [&str; 2] = ["title", "name"];

/// CommonMark and its relatives.
pub(crate) struct Markdown;

impl Extractor for Markdown {
    fn id(&self) -> &'static str {
        "markdown@3"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let unix = line_ends::unix(text.strip_prefix('\u{feff}').unwrap_or(&text));
        let (metadata, body) = front_matter::split(uri, &unix);
        let title =
            title_of(&metadata).or_else(|| heading(body)).unwrap_or_else(|| title::from_stem(uri));
        drop(unix);
        Ok(Extracted {
            title,
            media_type: MediaType::Markdown,
            text,
            encoding,
            metadata,
            lines: LineMap::OfFile,
        })
    }
}

fn title_of(metadata: &Metadata) -> Option<String> {
    TITLE_KEYS.iter().find_map(|key| match metadata.get(*key)? {
        Value::String(text) => title::clean(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Returns the text of the first level-1 heading, or else that of the picture in one, or else of
/// the first heading of any level.
fn heading(body: &str) -> Option<String> {
    let near = whole_lines(body, NEAR_BYTES);
    let far = whole_lines(body, FAR_BYTES);
    let titles = Titles::of(near);
    let rest = &far[near.len()..];
    let needs_more = titles.top.is_none() && (titles.has_none() || may_hold_title(rest));
    if needs_more && !rest.is_empty() { Titles::of(far).any() } else { titles.any() }
}

/// Reports whether a line looks like a level-1 heading or its underline; a comment in a shell
/// script does too.
fn may_hold_title(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("# ") || line.starts_with('=') || html_heading(line).is_some()
    })
}

/// Returns the start of `text`, truncated after a line: half an underline would make a heading of
/// another level.
fn whole_lines(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let start = &text[..text.floor_char_boundary(bytes_max)];
    &start[..start.rfind('\n').map_or(0, |at| at + 1)]
}

/// What may be the title of a text.
#[derive(Default)]
struct Titles {
    /// The first heading of level 1.
    top: Option<String>,
    /// The name of the picture in an HTML heading of level 1 that has no text.
    picture: Option<String>,
    /// The first heading of any level before `top`.
    other: Option<String>,
}

impl Titles {
    /// Reads `text` up to the first heading of level 1 that has a text.
    fn of(text: &str) -> Self {
        let options = Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_FOOTNOTES;
        let mut titles = Self::default();
        let mut heading = None::<String>;
        let mut html = None::<String>;
        let mut images = 0;
        for (event, place) in Parser::new_ext(text, options).into_offset_iter() {
            match (event, &mut heading) {
                (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
                (Event::End(TagEnd::Heading(level)), found) => {
                    let mut found = found.take().unwrap_or_default();
                    let braces = headings::braces(&text[place]);
                    if !found.ends_with(braces.trim_start()) {
                        found.push_str(braces);
                    }
                    titles.add(level as usize, &found, "");
                }
                // The logo beside a title is not part of it.
                (Event::Start(Tag::Image { .. }), _) => images += 1,
                (Event::End(TagEnd::Image), _) => images -= 1,
                (Event::Text(part) | Event::Code(part), Some(text)) if images == 0 => {
                    text.push_str(&part);
                }
                (Event::SoftBreak | Event::HardBreak, Some(text)) => text.push(' '),
                (Event::InlineHtml(tag), Some(text)) if headings::is_break(&tag) => text.push(' '),
                (Event::Html(part) | Event::InlineHtml(part), None) => match &mut html {
                    Some(html) => html.push_str(&part),
                    None => html = html_heading(&part).map(|at| part[at..].to_owned()),
                },
                (Event::Text(part) | Event::Code(part), None) if images == 0 => {
                    html.iter_mut().for_each(|html| html.push_str(&part));
                }
                _ => {}
            }
            if let Some(whole) = html.take_if(|html| html.contains("</h") || html.contains("</H")) {
                titles.add_html(&whole);
            }
            if titles.top.is_some() {
                break;
            }
        }
        titles
    }

    fn add(&mut self, level: usize, text: &str, picture: &str) {
        let text = title::clean(text);
        if level > 1 {
            self.other = self.other.take().or(text);
            return;
        }
        if text.is_none() && self.picture.is_none() {
            self.picture = title::clean(picture);
        }
        self.top = self.top.take().or(text);
    }

    /// Adds the first heading of `html`.
    fn add_html(&mut self, html: &str) {
        let tree = dom::parse(html);
        let headings = ["h1", "h2", "h3", "h4", "h5", "h6"];
        for (level, name) in (1..).zip(headings) {
            let Some(heading) = tree.find(name) else { continue };
            let picture = tree.descendants(heading).find_map(|id| tree.attribute(id, "alt"));
            return self.add(level, &tree.line(heading), picture.unwrap_or_default());
        }
    }

    fn has_none(&self) -> bool {
        self.top.is_none() && self.picture.is_none() && self.other.is_none()
    }

    fn any(self) -> Option<String> {
        self.top.or(self.picture).or(self.other)
    }
}

/// Returns the offset of the first start tag of a heading.
fn html_heading(html: &str) -> Option<usize> {
    let bytes = html.as_bytes();
    let is_heading = |at: &usize| {
        let tag = bytes.get(*at + 1..*at + 4).unwrap_or_default();
        matches!(tag, [b'h' | b'H', b'1'..=b'6', b'>' | b' ' | b'\t' | b'\n' | b'\r'])
    };
    html.match_indices('<').map(|(at, _)| at).find(is_heading)
}

//! Markdown: the text unchanged, a title from front matter or the first heading, front matter as
//! metadata.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde_json::Value;

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
        "markdown@1"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let (metadata, body) =
            front_matter::split(uri, text.strip_prefix('\u{feff}').unwrap_or(&text));
        let title =
            title_of(&metadata).or_else(|| heading(body)).unwrap_or_else(|| title::from_stem(uri));
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

/// Returns the text of the first level-1 heading, or else of the first heading of any level.
fn heading(body: &str) -> Option<String> {
    let near = whole_lines(body, NEAR_BYTES);
    let far = whole_lines(body, FAR_BYTES);
    let (title, any_level) = first_heading(near);
    let rest = &far[near.len()..];
    if title.is_some() || rest.is_empty() || any_level.is_some() && !may_hold_title(rest) {
        return title.or(any_level);
    }
    let (title, any_level) = first_heading(far);
    title.or(any_level)
}

/// Reports whether a line looks like a level-1 heading or its underline; a comment in a shell
/// script does too.
fn may_hold_title(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("# ") || line.starts_with('=')
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

/// Returns the first heading of level 1, and the first of any level before it.
fn first_heading(text: &str) -> (Option<String>, Option<String>) {
    let options = Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES;
    let mut any_level = None;
    let mut heading = None::<String>;
    let mut images = 0;
    for event in Parser::new_ext(text, options) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::End(TagEnd::Heading(level)), found) => {
                let title = found.take().and_then(|raw| title::clean(&raw));
                if level == HeadingLevel::H1 && title.is_some() {
                    return (title, any_level);
                }
                any_level = any_level.or(title);
            }
            // The logo beside a title is not part of it.
            (Event::Start(Tag::Image { .. }), _) => images += 1,
            (Event::End(TagEnd::Image), _) => images -= 1,
            (Event::Text(part) | Event::Code(part), Some(title)) if images == 0 => {
                title.push_str(&part);
            }
            (Event::SoftBreak | Event::HardBreak, Some(title)) => title.push(' '),
            _ => {}
        }
    }
    (None, any_level)
}

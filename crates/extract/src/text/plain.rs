//! Text without known markup: prose, and program text, configuration and data.

use std::collections::BTreeMap;

use kbingest_support::line_ends;

use crate::text::encoding::{self, Decoded};
use crate::{DocumentError, Extracted, Extractor, LineMap, MediaType, title};

/// Prose: paragraphs between blank lines. Its first line may be its title.
pub(crate) const PLAIN: Plain =
    Plain { id: "plain@2", media_type: MediaType::Plain, has_title: true };

/// Program text, configuration, data, and markup other than Markdown.
pub(crate) const SOURCE: Plain =
    Plain { id: "source@1", media_type: MediaType::Source, has_title: false };

/// Limit on the characters of a first line that is a title.
const TITLE_CHARS_MAX: usize = 200;

/// Bytes of a line after the title that is a paragraph itself; a shorter one without a blank line
/// before it continues a wrapped paragraph.
const PARAGRAPH_BYTES: usize = 200;

/// Decodes, and uses the first line or the file's name as title.
pub(crate) struct Plain {
    id: &'static str,
    media_type: MediaType,
    has_title: bool,
}

impl Extractor for Plain {
    fn id(&self) -> &'static str {
        self.id
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let is_log = title::extension(uri).as_deref() == Some("log");
        let stated = if self.has_title && !is_log { first_line(&text) } else { None };
        Ok(Extracted {
            title: stated.unwrap_or_else(|| title::from_name(uri)),
            media_type: self.media_type,
            text,
            encoding,
            metadata: BTreeMap::new(),
            lines: LineMap::OfFile,
        })
    }
}

/// Returns the first line if it is the title of what follows: short, no sentence, and alone, with
/// an underline or before a line that is a paragraph.
fn first_line(text: &str) -> Option<String> {
    let start = text[..text.floor_char_boundary(8 << 10)].trim_start_matches('\u{feff}');
    let start = line_ends::unix_throughout(start.trim_start());
    let mut lines = start.lines().map(str::trim);
    let first = lines.next()?;
    let next = lines.next()?;
    let is_underline = next.len() >= 3 && !next.contains(|c: char| !"=-~*#".contains(c));
    let is_alone = next.is_empty() || is_underline || next.len() > PARAGRAPH_BYTES;
    // A list, a table or a setting begins like that, and a sentence or a greeting ends like that.
    let is_other = first.starts_with(['-', '*', '|', '#', '>', '{', '[', '<', '(', ';', '+'])
        || first.ends_with(['.', ',', ';', ':', '。', '，', '：', '{', '\\'])
        || first.contains(['\t', '=', '\u{1b}']);
    let has_text = lines.any(|line| !line.is_empty()) || next.len() > PARAGRAPH_BYTES;
    let is_short = first.chars().take(TITLE_CHARS_MAX + 1).count() <= TITLE_CHARS_MAX;
    let has_word = first.chars().filter(|c| c.is_alphabetic()).count() > 1;
    let is_title = is_short && is_alone && has_text && has_word && !is_other;
    is_title.then(|| title::clean(first)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_alone_is_a_title() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(first_line(text).as_deref(), expected, "{text:?}");
        };
        let paragraph = "Water runs into the tank. ".repeat(9);
        check("Care of pumps\n\nCheck the seals.\n", Some("Care of pumps"));
        check("\u{feff}\r\nCare of pumps\r\n\r\nCheck.\r\n", Some("Care of pumps"));
        check("Care of pumps\r\rCheck.\r", Some("Care of pumps"));
        check("CARE\n====\nCheck.\n", Some("CARE"));
        check(&format!("Care of pumps\n{paragraph}\n"), Some("Care of pumps"));
        check("Check the seals\nof the pump.\n", None);
        check("Check the seals.\n\nThen the pump.\n", None);
        check("Dear Ada,\n\nThank you.\n", None);
        check("Care of pumps\n", None);
        check("Care of pumps\n\n", None);
        check("- a\n\nb\n", None);
        check("2024\n\nb\n", None);
        check(&format!("{}\n\nb\n", "a".repeat(201)), None);
        check("", None);
    }
}

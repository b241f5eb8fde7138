//! Transcripts: WebVTT and SubRip, without their times.
//!
//! After WebVTT (W3C), section 4. Lines of one cue are one paragraph; a speaker is named when
//! another one begins.

use crate::text::encoding::{self, Decoded};
use crate::writer::{Writer, escaped};
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// VTT and SRT.
pub(crate) struct Captions;

impl Extractor for Captions {
    fn id(&self) -> &'static str {
        "captions@1"
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let Decoded { text, encoding } = encoding::decode(uri, bytes)?;
        let mut writer = Writer::new(TEXT_BYTES_MAX);
        let mut speaker = String::new();
        for block in text.replace("\r\n", "\n").split("\n\n") {
            let mut lines = block.lines().skip_while(|line| !line.contains("-->"));
            if lines.next().is_none() {
                continue;
            }
            let said = lines.collect::<Vec<_>>().join(" ");
            if let Some(name) = speaker_of(&said)
                && name != speaker
            {
                speaker = name.to_owned();
                writer.paragraph(&format!("**{}:**", escaped(name)));
            }
            writer.paragraph(&escaped(&without_tags(&said)));
        }
        Ok(Extracted {
            title: title::from_stem(uri),
            media_type: MediaType::Markdown,
            text: writer.finish(),
            encoding,
            metadata: Metadata::new(),
            lines: LineMap::Unknown,
        })
    }
}

/// Returns the name in a voice tag, `<v Name>` or `<v.class Name>`.
fn speaker_of(said: &str) -> Option<&str> {
    let tag = said.trim_start().strip_prefix("<v")?;
    let (tag, _) = tag.split_once('>')?;
    let (_, name) = tag.split_once(' ')?;
    Some(name.trim()).filter(|name| !name.is_empty())
}

fn without_tags(said: &str) -> String {
    let mut text = String::with_capacity(said.len());
    let mut rest = said;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let is_tag = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
        rest = after;
        if !is_tag {
            text.push('<');
        } else if let Some((_, after)) = after.split_once('>') {
            rest = after;
        } else {
            text.push('<');
            break;
        }
    }
    text.push_str(rest);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&amp;", "&")];
    entities.into_iter().fold(text, |text, (entity, character)| text.replace(entity, character))
}

//! Mail: messages and mailboxes, with their attachments extracted by their formats.

use std::collections::BTreeMap;
use std::fmt::Write;

use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use serde_json::Value;

use super::parts::{ATTACHMENTS_MAX, DEPTH_MAX, display_name, separate, write_file, write_head};
use super::text::{without_encoded, without_quotation};
use crate::extractor::ExtractInner;
use crate::html::{self, Options};
use crate::text::encoding;
use crate::writer::escaped;
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// A text with fewer words, and fewer than a fourth of those of the part in HTML, says only that
/// there is one.
const STUB_WORDS_MAX: usize = 40;
const STUB_SHARE: usize = 4;

/// EML, one message.
pub(crate) struct Mail {
    /// Extracts attached files.
    pub(crate) extract_inner: ExtractInner,
}

/// MBOX, one message after the other.
pub(crate) struct Mailbox {
    /// Extracts attached files.
    pub(crate) extract_inner: ExtractInner,
}

impl Extractor for Mail {
    fn id(&self) -> &'static str {
        "mail@5"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let message = parse(&bytes).ok_or_else(|| no_message(uri))?;
        let mut text = String::new();
        let position = Position { level: 1, depth: 0, extract_inner: self.extract_inner };
        write_message(uri, &message, position, &mut text)?;
        Ok(extracted(uri, subject(&message), text, metadata(&message)))
    }
}

impl Extractor for Mailbox {
    fn id(&self) -> &'static str {
        "mailbox@5"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let mut text = String::new();
        for bytes in messages(&bytes) {
            if let Some(message) = parse(bytes) {
                let position = Position { level: 1, depth: 0, extract_inner: self.extract_inner };
                write_message(uri, &message, position, &mut text)?;
            }
        }
        if text.is_empty() {
            return Err(no_message(uri));
        }
        Ok(extracted(uri, title::clean(title::file_name(uri)), text, Metadata::new()))
    }
}

fn no_message(uri: &str) -> DocumentError {
    DocumentError::permanent(uri, "has no message in it")
}

fn extracted(uri: &str, title: Option<String>, text: String, metadata: Metadata) -> Extracted {
    Extracted {
        title: title.unwrap_or_else(|| title::from_stem(uri)),
        media_type: MediaType::Markdown,
        text,
        encoding: "mail".to_owned(),
        metadata,
        lines: LineMap::Unknown,
    }
}

fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse(bytes).filter(|message| !message.headers().is_empty())
}

/// Returns the messages of a mailbox: each begins with a `From ` line (RFC 4155).
fn messages(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    let mut after_blank = true;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if after_blank && line.starts_with(b"From ") {
            starts.push((at, at + line.len()));
        }
        after_blank = line.trim_ascii().is_empty();
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([bytes.len()]);
    starts.iter().zip(ends).map(|((_, start), end)| &bytes[*start..end]).collect()
}

fn subject(message: &Message<'_>) -> Option<String> {
    message.subject().and_then(title::clean)
}

fn metadata(message: &Message<'_>) -> Metadata {
    let mut metadata = Metadata::new();
    let known = [
        ("subject", subject(message)),
        ("author", message.from().map(names)),
        ("to", message.to().map(names)),
        ("date", message.date().map(mail_parser::DateTime::to_rfc3339)),
        ("message_id", message.message_id().map(str::to_owned)),
    ];
    for (key, value) in known {
        if let Some(value) = value.as_deref().and_then(title::clean) {
            metadata.insert(key.to_owned(), Value::from(value));
        }
    }
    let names = attachments(message).filter_map(|(_, part)| part.attachment_name());
    let names: Vec<_> = names.filter_map(title::clean).collect();
    if !names.is_empty() {
        metadata.insert("attachments".to_owned(), Value::from(names));
    }
    metadata
}

/// Returns the people of a header, as in `Ada <ada@example.org>, bob@example.org`.
fn names(address: &Address<'_>) -> String {
    people(address, |name, address| format!("{name} <{address}>"))
}

/// Returns the people of a header as shown in the text, as in `ada@example.org (Ada),
/// bob@example.org`: the older form of RFC 822, in which Markdown has nothing to escape.
fn display_names(address: &Address<'_>) -> String {
    people(address, display_name)
}

fn people(address: &Address<'_>, both: impl Fn(&str, &str) -> String) -> String {
    let people = address.iter().map(|one| match (one.name(), one.address()) {
        (Some(name), Some(address)) if !name.eq_ignore_ascii_case(address) => both(name, address),
        (name, address) => address.or(name).unwrap_or_default().to_owned(),
    });
    people.collect::<Vec<_>>().join(", ")
}

/// Returns the attachments, except those that only serve other parts: signatures and keys.
fn attachments<'a>(message: &'a Message<'_>) -> impl Iterator<Item = (u32, &'a MessagePart<'a>)> {
    const SEALS: [(&str, &str); 5] = [
        ("application", "pgp-signature"),
        ("application", "pgp-encrypted"),
        ("application", "pgp-keys"),
        ("application", "pkcs7-signature"),
        ("application", "x-pkcs7-signature"),
    ];
    let parts = message.attachments.iter().filter_map(|&id| Some((id, message.part(id)?)));
    parts
        .filter(|(_, part)| !SEALS.iter().any(|(kind, form)| part.is_content_type(kind, form)))
        .take(ATTACHMENTS_MAX)
}

/// Returns the names of attached files, each with its description; without pictures shown in the
/// text.
fn attached_files(message: &Message<'_>) -> Option<String> {
    let is_shown = |part: &MessagePart<'_>| {
        let disposition = part.content_disposition();
        part.content_id().is_none() || disposition.is_some_and(|shown| shown.is_attachment())
    };
    let files = attachments(message).filter(|(_, part)| is_shown(part)).filter_map(|(_, part)| {
        let name = part.attachment_name()?;
        let rendered =
            part.content_description().map(|rendered| format!("{name} ({})", rendered.trim()));
        Some(rendered.unwrap_or_else(|| name.to_owned()))
    });
    let files: Vec<_> = files.collect();
    (!files.is_empty()).then(|| files.join(", "))
}

/// Position of a message in the document.
#[derive(Clone, Copy)]
struct Position {
    /// Level of its heading.
    level: usize,
    /// Number of messages around it.
    depth: usize,
    /// Extracts attached files.
    extract_inner: ExtractInner,
}

impl Position {
    fn inside(self) -> Self {
        Self { level: (self.level + 1).min(6), depth: self.depth + 1, ..self }
    }
}

fn write_message(
    uri: &str,
    message: &Message<'_>,
    position: Position,
    text: &mut String,
) -> Result<(), DocumentError> {
    separate(text);
    let marks = "#".repeat(position.level);
    if let Some(subject) = subject(message) {
        let _ = writeln!(text, "{marks} {}", escaped(&subject));
    }
    let date = message.date().map(mail_parser::DateTime::to_rfc3339);
    write_head(
        &[
            ("From", message.from().map(display_names)),
            ("To", message.to().map(display_names)),
            ("Cc", message.cc().map(display_names)),
            ("Date", date),
            ("Message-ID", message.message_id().map(str::to_owned)),
            ("Attachments", attached_files(message)),
        ],
        text,
    );
    // In their order: what is said about a file may come after it.
    let bodies = bodies(message).iter().filter_map(|&id| Some((id, message.part(id)?)));
    let is_text =
        |part: &MessagePart<'_>| matches!(part.body, PartType::Text(_) | PartType::Html(_));
    let mut parts: BTreeMap<_, _> =
        attachments(message).map(|(id, part)| (id, (part, false))).collect();
    parts.extend(bodies.filter(|(_, part)| is_text(part)).map(|(id, part)| (id, (part, true))));
    for (part, is_body) in parts.into_values() {
        if is_body {
            write_body(uri, message, part, text)?;
        } else {
            write_attachment(uri, message, part, position, text)?;
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
        }
    }
    Ok(())
}

/// Returns the parts that are the text of a message: those in plain text, unless they only say that
/// the message is in HTML.
fn bodies<'a>(message: &'a Message<'_>) -> &'a [u32] {
    let words = |ids: &[u32], is_html: bool| -> usize {
        let parts = ids.iter().filter_map(|&id| message.part(id));
        let texts = parts.filter_map(|part| match &part.body {
            PartType::Text(body) if !is_html => Some(body.split_whitespace().count()),
            PartType::Html(body) if is_html => {
                let page = html::convert_text("", body, &Options::whole()).unwrap_or_default();
                Some(page.markdown.split_whitespace().count())
            }
            _ => None,
        });
        texts.sum()
    };
    let plain = words(&message.text_body, false);
    let is_stub = plain < STUB_WORDS_MAX && plain * STUB_SHARE < words(&message.html_body, true);
    if is_stub { &message.html_body } else { &message.text_body }
}

/// Returns the text of a part whose encoding is not declared, or declared wrongly.
fn guessed(uri: &str, message: &Message<'_>, part: &MessagePart<'_>) -> Option<String> {
    let is_plain = matches!(part.encoding, mail_parser::Encoding::None);
    let range = part.offset_body as usize..part.offset_end as usize;
    let raw = message.raw_message.get(range).filter(|_| is_plain)?;
    Some(encoding::decode(uri, raw.to_vec()).ok()?.text)
}

fn write_body(
    uri: &str,
    message: &Message<'_>,
    part: &MessagePart<'_>,
    text: &mut String,
) -> Result<(), DocumentError> {
    let is_broken = |body: &str| body.contains(char::REPLACEMENT_CHARACTER);
    let body = match &part.body {
        PartType::Text(body) | PartType::Html(body) if is_broken(body) => {
            guessed(uri, message, part).unwrap_or_else(|| body.to_string())
        }
        // Content that cannot be decoded exactly is kept, as text.
        PartType::Text(body) | PartType::Html(body) if part.is_encoding_problem => {
            without_quotation(body)
        }
        PartType::Text(body) | PartType::Html(body) => body.to_string(),
        _ => return Ok(()),
    };
    let is_html = part.is_content_type("text", "html") || matches!(part.body, PartType::Html(_));
    let body = if is_html {
        html::convert_text(uri, &body, &Options::whole())?.markdown
    } else {
        without_encoded(&body.replace("\r\n", "\n"))
    };
    let body = body.trim_matches('\n').trim_end();
    if !body.is_empty() {
        separate(text);
        text.push_str(body);
        text.push('\n');
    }
    Ok(())
}

/// Writes the text of an attachment, if it has any.
fn write_attachment(
    uri: &str,
    message: &Message<'_>,
    part: &MessagePart<'_>,
    position: Position,
    text: &mut String,
) -> Result<(), DocumentError> {
    if let PartType::Message(inner) = &part.body {
        // A message truncated before its first part would make its parser panic.
        return if position.depth < DEPTH_MAX && !inner.parts.is_empty() {
            write_message(uri, inner, position.inside(), text)
        } else {
            Ok(())
        };
    }
    let name = part.attachment_name().and_then(title::clean).unwrap_or_default();
    // Parts without a name are usually another form of the body.
    let is_body = name.is_empty() && matches!(part.body, PartType::Text(_) | PartType::Html(_));
    if is_body {
        return write_body(uri, message, part, text);
    }
    if position.depth < DEPTH_MAX {
        write_file(position.extract_inner, &name, part.contents().to_vec(), position.level, text);
    }
    Ok(())
}

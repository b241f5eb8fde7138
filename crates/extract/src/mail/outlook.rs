//! Outlook messages (MSG): subject, people, text and attachments.
//!
//! After [MS-OXMSG]: an OLE file with a stream for each property, named by its number and type. An
//! attachment is a storage of such streams, and so is an attached message.

use std::fmt::Write;
use std::io::{Cursor, Read};

use serde_json::Value;

use super::parts::{ATTACHMENTS_MAX, DEPTH_MAX, display_name, separate, write_file, write_head};
use super::text::without_encoded;
use crate::extractor::ExtractInner;
use crate::html::{self, Options};
use crate::text::code_page::Charset;
use crate::writer::escaped;
use crate::{
    DocumentError, Extracted, Extractor, LineMap, MediaType, Metadata, TEXT_BYTES_MAX, title,
};

/// Limit on the bytes of one property.
const PROPERTY_BYTES_MAX: u64 = 32 << 20;

const SUBJECT: &str = "0037";
const SENDER_NAME: &str = "0C1A";
const SENDER_ADDRESS: &str = "5D01";
const SENDER_EMAIL: &str = "0C1F";
const TO: &str = "0E04";
const CC: &str = "0E03";
const MESSAGE_ID: &str = "1035";
const BODY: &str = "1000";
const HTML: &str = "1013";
const ATTACHED_FILE: &str = "3701";
const ATTACHED_NAME: &str = "3707";
const ATTACHED_SHORT_NAME: &str = "3704";
const CONTENT_ID: &str = "3712";

/// The times of a message, as named in the stream of its properties of fixed size: type, then
/// number.
const SUBMITTED: [u8; 4] = [0x40, 0, 0x39, 0];
const DELIVERED: [u8; 4] = [0x40, 0, 0x06, 0x0E];

/// Bytes of a property in that stream, and before the first of them ([MS-OXMSG], section 2.4); in a
/// message inside another it is 8 less.
const PROPERTY_BYTES: usize = 16;
const PROPERTIES_HEAD: usize = 32;

/// Name of the storage of an attachment, before its number.
const ATTACHMENT: &str = "__attach_version1.0_";

/// MSG files.
pub(crate) struct Outlook {
    /// Extracts attached files.
    pub(crate) extract_inner: ExtractInner,
}

type Ole = cfb::CompoundFile<Cursor<Vec<u8>>>;

impl Extractor for Outlook {
    fn id(&self) -> &'static str {
        "outlook@5"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, DocumentError> {
        let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|error| {
            let reason = format!("cannot be read as an Outlook message: {error}");
            DocumentError::permanent(uri, reason)
        })?;
        let mut text = String::new();
        let message = Message::read(&mut file, "");
        let mut attached = Attached { extract_inner: self.extract_inner, names: Vec::new() };
        message.write(uri, &mut file, "", 0, &mut text, &mut attached)?;
        let mut metadata = Metadata::new();
        let author = message.from.display(|name, address| format!("{name} <{address}>"));
        let known = [
            ("subject", &message.subject),
            ("author", &author),
            ("date", &message.date),
            ("to", &message.to),
            ("message_id", &message.id),
        ];
        for (key, value) in known {
            if let Some(value) = value.as_deref().and_then(title::clean) {
                metadata.insert(key.to_owned(), Value::from(value));
            }
        }
        if !attached.names.is_empty() {
            metadata.insert("attachments".to_owned(), Value::from(attached.names));
        }
        Ok(Extracted {
            title: message.subject.unwrap_or_else(|| title::from_stem(uri)),
            media_type: MediaType::Markdown,
            text,
            encoding: "outlook".to_owned(),
            metadata,
            lines: LineMap::Unknown,
        })
    }
}

/// Files attached to a message, or to one inside it.
struct Attached {
    extract_inner: ExtractInner,
    names: Vec<String>,
}

/// The sender of a message.
struct Sender {
    name: Option<String>,
    address: Option<String>,
}

impl Sender {
    /// Returns name and address in the form of `both`, or the one that exists.
    fn display(&self, both: impl Fn(&str, &str) -> String) -> Option<String> {
        match (&self.name, &self.address) {
            (Some(name), Some(address)) => Some(both(name, address)),
            (name, address) => address.clone().or_else(|| name.clone()),
        }
    }
}

/// The properties of a message that are shown.
struct Message {
    subject: Option<String>,
    from: Sender,
    to: Option<String>,
    cc: Option<String>,
    date: Option<String>,
    id: Option<String>,
    body: Option<String>,
    html: Option<String>,
}

impl Message {
    /// Reads the message in the storage at `place`, which does not end with `/`.
    fn read(file: &mut Ole, place: &str) -> Self {
        let date = date(file, place);
        let mut get = |number: &str| text_of(file, place, number);
        let address = get(SENDER_ADDRESS).or_else(|| get(SENDER_EMAIL)).filter(|a| a.contains('@'));
        let name = get(SENDER_NAME).filter(|name| Some(name) != address.as_ref());
        Self {
            subject: get(SUBJECT).as_deref().and_then(title::clean),
            from: Sender { name, address },
            to: get(TO),
            cc: get(CC),
            date,
            id: get(MESSAGE_ID).map(|id| id.trim().trim_matches(['<', '>']).to_owned()),
            body: get(BODY).filter(|body| !body.trim().is_empty()),
            html: get(HTML),
        }
    }

    /// Writes it and its attachments; adds attached files to `attached`.
    fn write(
        &self,
        uri: &str,
        file: &mut Ole,
        place: &str,
        depth: usize,
        text: &mut String,
        attached: &mut Attached,
    ) -> Result<(), DocumentError> {
        separate(text);
        let marks = "#".repeat((depth + 1).min(6));
        let subject = self.subject.as_deref().unwrap_or("No subject");
        let _ = writeln!(text, "{marks} {}", escaped(subject));
        let storages = attachments(file, place);
        // Pictures shown in the text are referred to by an address there.
        let mut files = Vec::new();
        for storage in &storages {
            if text_of(file, storage, CONTENT_ID).is_none() {
                files.extend(file_name(file, storage));
            }
        }
        write_head(
            &[
                ("From", self.from.display(display_name)),
                ("To", self.to.clone()),
                ("Cc", self.cc.clone()),
                ("Date", self.date.clone().filter(|_| depth > 0)),
                ("Message-ID", self.id.clone()),
                ("Attachments", (!files.is_empty()).then(|| files.join(", "))),
            ],
            text,
        );
        let body = match (&self.body, &self.html) {
            (Some(body), _) => without_encoded(&body.replace("\r\n", "\n")),
            (None, Some(html)) => html::convert_text(uri, html, &Options::whole())?.markdown,
            (None, None) => String::new(),
        };
        if !body.trim().is_empty() {
            separate(text);
            let _ = writeln!(text, "{}", body.trim());
        }
        for storage in storages {
            let inner = format!("{storage}/__substg1.0_{ATTACHED_FILE}000D");
            if file.is_storage(&inner) {
                if depth < DEPTH_MAX {
                    let message = Self::read(file, &inner);
                    message.write(uri, file, &inner, depth + 1, text, attached)?;
                }
            } else {
                write_attached(file, &storage, depth, text, attached);
            }
            if text.len() > TEXT_BYTES_MAX {
                return Err(DocumentError::over_limit(uri, "text", TEXT_BYTES_MAX));
            }
        }
        Ok(())
    }
}

/// Returns the storages of the attachments of the message at `place`.
fn attachments(file: &Ole, place: &str) -> Vec<String> {
    let within = if place.is_empty() { "/" } else { place };
    let Ok(entries) = file.read_storage(within) else { return Vec::new() };
    let names = entries.filter(|entry| entry.is_storage()).map(|entry| entry.name().to_owned());
    let mut names: Vec<_> = names.filter(|name| name.starts_with(ATTACHMENT)).collect();
    names.sort();
    names.truncate(ATTACHMENTS_MAX);
    names.into_iter().map(|name| format!("{place}/{name}")).collect()
}

/// Returns the name of an attached file.
fn file_name(file: &mut Ole, storage: &str) -> Option<String> {
    let name = text_of(file, storage, ATTACHED_NAME);
    let name = name.or_else(|| text_of(file, storage, ATTACHED_SHORT_NAME));
    name.and_then(|name| title::clean(&name))
}

/// Writes an attached file, if it has text.
fn write_attached(
    file: &mut Ole,
    storage: &str,
    depth: usize,
    text: &mut String,
    attached: &mut Attached,
) {
    let name = file_name(file, storage);
    if let Some(name) = name.clone().filter(|_| attached.names.len() < ATTACHMENTS_MAX) {
        attached.names.push(name);
    }
    let content = stream(file, &format!("{storage}/__substg1.0_{ATTACHED_FILE}0102"));
    if let Some(content) = content.filter(|_| depth < DEPTH_MAX) {
        let name = name.as_deref().unwrap_or_default();
        write_file(attached.extract_inner, name, content, depth + 1, text);
    }
}

/// Returns when a message was sent, or else delivered.
fn date(file: &mut Ole, place: &str) -> Option<String> {
    let properties = stream(file, &format!("{place}/__properties_version1.0"))?;
    [SUBMITTED, DELIVERED].iter().find_map(|tag| {
        let head = if place.is_empty() { PROPERTIES_HEAD } else { PROPERTIES_HEAD - 8 };
        let entries = properties.get(head..)?.chunks_exact(PROPERTY_BYTES);
        let ticks = entries
            .filter_map(|entry| entry.strip_prefix(tag))
            .find_map(|rest| rest.get(4..).and_then(|value| value.try_into().ok()))
            .map(u64::from_le_bytes)?;
        // Tenths of a microsecond since 1601.
        let seconds = i64::try_from(ticks / 10_000_000).ok()? - 11_644_473_600;
        Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
    })
}

/// Reads a property as text: in UTF-16, or else in bytes.
fn text_of(file: &mut Ole, place: &str, number: &str) -> Option<String> {
    ["001F", "001E", "0102"].into_iter().find_map(|kind| {
        let bytes = stream(file, &format!("{place}/__substg1.0_{number}{kind}"))?;
        let charset = match kind {
            "001F" => Charset::Standard(encoding_rs::UTF_16LE),
            "001E" => charset(file),
            _ => Charset::Standard(encoding_rs::UTF_8),
        };
        Some(charset.decode(&bytes).trim_end_matches('\0').to_owned())
    })
}

/// Returns the code page of the message ([MS-OXPROPS], sections 2.813 and 2.769).
fn charset(file: &mut Ole) -> Charset {
    const CODE_PAGES: [[u8; 4]; 2] = [[0x03, 0x00, 0xfd, 0x3f], [0x03, 0x00, 0xde, 0x3f]];
    let properties = stream(file, "/__properties_version1.0").unwrap_or_default();
    let entries = properties.get(PROPERTIES_HEAD..).unwrap_or_default();
    let stated = CODE_PAGES.iter().find_map(|tag| {
        let mut entries = entries.chunks_exact(PROPERTY_BYTES);
        let entry = entries.find(|entry| entry.starts_with(tag))?;
        let page = entry.get(8..10)?.try_into().ok()?;
        Charset::of_page(u16::from_le_bytes(page))
    });
    stated.unwrap_or_default()
}

fn stream(file: &mut Ole, path: &str) -> Option<Vec<u8>> {
    let stream = file.open_stream(path).ok()?;
    let mut bytes = Vec::new();
    stream.take(PROPERTY_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

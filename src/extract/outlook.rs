//! Outlook messages (MSG): subject, people and text.
//!
//! After [MS-OXMSG]: an OLE file with a stream for each property, named by its number and type.

use std::fmt::Write;
use std::io::{Cursor, Read};

use serde_json::Value;

use super::html::{self, Options};
use super::{ExtractError, Extracted, Extractor, Metadata, title};
use crate::domain::MediaType;

/// Bytes of one property that are read.
const PROPERTY_BYTES_MAX: u64 = 32 << 20;

const SUBJECT: &str = "0037";
const SENDER_NAME: &str = "0C1A";
const SENDER_ADDRESS: &str = "5D01";
const SENDER_EMAIL: &str = "0C1F";
const TO: &str = "0E04";
const BODY: &str = "1000";
const HTML: &str = "1013";

/// MSG files.
pub(super) struct Outlook;

impl Extractor for Outlook {
    fn id(&self) -> &'static str {
        "outlook@1"
    }

    fn is_risky(&self) -> bool {
        true
    }

    fn extract(&self, uri: &str, bytes: Vec<u8>) -> Result<Extracted, ExtractError> {
        let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(|error| {
            let reason = format!("cannot be read as an Outlook message: {error}");
            ExtractError::Permanent { uri: uri.to_owned(), reason }
        })?;
        let mut get = |number: &str| property(&mut file, number);
        let subject = get(SUBJECT).as_deref().and_then(title::clean);
        let address = get(SENDER_ADDRESS).or_else(|| get(SENDER_EMAIL)).filter(|a| a.contains('@'));
        let from = match (get(SENDER_NAME), address) {
            (Some(name), Some(address)) if name != address => Some(format!("{name} <{address}>")),
            (name, address) => address.or(name),
        };
        let to = get(TO);
        let body = get(BODY).filter(|body| !body.trim().is_empty());
        let body = match (body, get(HTML)) {
            (Some(body), _) => body.replace("\r\n", "\n"),
            (None, Some(html)) => html::convert_text(uri, &html, &Options::whole())?.markdown,
            (None, None) => String::new(),
        };
        let mut text = format!("# {}\n\n", subject.as_deref().unwrap_or("No subject"));
        let mut metadata = Metadata::new();
        for (key, name, value) in [("author", "From", from), ("to", "To", to)] {
            if let Some(value) = value.as_deref().and_then(title::clean) {
                let _ = writeln!(text, "**{name}:** {value}  ");
                metadata.insert(key.to_owned(), Value::from(value));
            }
        }
        let _ = writeln!(text, "\n{}", body.trim());
        Ok(Extracted {
            title: subject
                .or_else(|| title::clean(title::file_stem(uri)))
                .unwrap_or_else(|| uri.to_owned()),
            media_type: MediaType::Markdown,
            text,
            encoding: "outlook".to_owned(),
            metadata,
        })
    }
}

/// Reads a property as text: in UTF-16, else in bytes.
fn property(file: &mut cfb::CompoundFile<Cursor<Vec<u8>>>, number: &str) -> Option<String> {
    for (kind, encoding) in [
        ("001F", encoding_rs::UTF_16LE),
        ("001E", encoding_rs::WINDOWS_1252),
        ("0102", encoding_rs::UTF_8),
    ] {
        let path = format!("/__substg1.0_{number}{kind}");
        let Ok(stream) = file.open_stream(path) else { continue };
        let mut bytes = Vec::new();
        if stream.take(PROPERTY_BYTES_MAX).read_to_end(&mut bytes).is_ok() {
            let (text, _) = encoding.decode_without_bom_handling(&bytes);
            return Some(text.trim_end_matches('\0').to_owned());
        }
    }
    None
}

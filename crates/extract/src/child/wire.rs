//! The messages between parent and child: a head in JSON and a body of bytes.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::{DocumentError, Extracted, FailureKind, LineMap, MediaType, Metadata};

/// Lengths of head and body, little endian.
pub(super) const LENGTHS_BYTES: usize = 4 + 8;

/// Largest head that is read: title and metadata of a document.
const HEAD_BYTES_MAX: usize = 16 << 20;

/// What to extract; the document is the body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Id of the extractor.
    pub(super) extractor: String,
    pub(super) uri: String,
    /// Processor seconds that it may take.
    pub(super) max_seconds: u64,
}

/// The result; the text is the body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Extracted {
        title: String,
        media_type: String,
        encoding: String,
        metadata: Metadata,
        lines: Option<Vec<u8>>,
    },
    Failed {
        kind: FailureKind,
        reason: String,
    },
}

impl Reply {
    /// Splits a result into reply and body.
    pub(super) fn of(result: Result<Extracted, DocumentError>) -> (Self, String) {
        match result {
            Ok(Extracted { title, media_type, text, encoding, metadata, lines }) => {
                let media_type = media_type.as_str().to_owned();
                let lines = lines.to_bytes();
                (Self::Extracted { title, media_type, encoding, metadata, lines }, text)
            }
            // An extractor's error has neither another subject nor a cause.
            Err(DocumentError { kind, reason, .. }) => {
                (Self::Failed { kind, reason }, String::new())
            }
        }
    }

    /// Joins reply and body to a result.
    pub(super) fn into_result(self, uri: &str, body: Vec<u8>) -> Result<Extracted, DocumentError> {
        match self {
            Self::Extracted { title, media_type, encoding, metadata, lines } => {
                let lines = LineMap::from_bytes(lines.as_deref());
                let known = MediaType::ALL.into_iter().find(|one| one.as_str() == media_type);
                match (known, String::from_utf8(body)) {
                    (Some(media_type), Ok(text)) => {
                        Ok(Extracted { title, media_type, text, encoding, metadata, lines })
                    }
                    _ => Err(DocumentError::permanent(uri, BROKEN)),
                }
            }
            Self::Failed { kind, reason } => Err(DocumentError::new(kind, uri, reason)),
        }
    }
}

/// The reason given for a reply that cannot be read.
pub(super) const BROKEN: &str = "its extractor gave an answer that cannot be read";

/// Returns lengths and head of a message.
pub(super) fn head(message: &impl Serialize, body_bytes: usize) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let mut head = Vec::with_capacity(LENGTHS_BYTES + json.len());
    head.extend_from_slice(&(json.len() as u32).to_le_bytes());
    head.extend_from_slice(&(body_bytes as u64).to_le_bytes());
    head.extend_from_slice(&json);
    Ok(head)
}

/// Returns the lengths of head and body, once enough bytes have arrived.
pub(super) fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    let (body, _) = rest.split_first_chunk::<8>()?;
    let body = usize::try_from(u64::from_le_bytes(*body)).unwrap_or(usize::MAX);
    Some((u32::from_le_bytes(*head) as usize, body))
}

/// Reads one message; `None` at the end of the stream.
pub(super) fn read(input: &mut impl Read) -> io::Result<Option<(Request, Vec<u8>)>> {
    let mut start = [0; LENGTHS_BYTES];
    if input.read(&mut start[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut start[1..])?;
    let too_large = || io::Error::other("a message is too large");
    let (head_bytes, body_bytes) = lengths(&start).ok_or_else(too_large)?;
    if head_bytes > HEAD_BYTES_MAX {
        return Err(too_large());
    }
    let mut head = vec![0; head_bytes];
    input.read_exact(&mut head)?;
    let mut body = vec![0; body_bytes];
    input.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&head)?, body)))
}

/// Writes one message.
pub(super) fn write(output: &mut impl Write, reply: &Reply, body: &str) -> io::Result<()> {
    output.write_all(&head(reply, body.len())?)?;
    output.write_all(body.as_bytes())?;
    output.flush()
}

/// Reads a reply's head.
pub(super) fn reply(head: &[u8]) -> Option<Reply> {
    serde_json::from_slice::<Reply>(head).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        let extracted = Extracted {
            title: "T".to_owned(),
            media_type: MediaType::Markdown,
            text: "é\n".to_owned(),
            encoding: "utf-8".to_owned(),
            metadata: Metadata::from([("pages".to_owned(), Value::from(vec![0, 7]))]),
            lines: LineMap::Unknown,
        };
        let mut sent = Vec::new();
        let (reply_sent, body) = Reply::of(Ok(extracted.clone()));
        write(&mut sent, &reply_sent, &body).unwrap();
        let (head_bytes, body_bytes) = lengths(&sent).unwrap();
        let (head, body) = sent[LENGTHS_BYTES..].split_at(head_bytes);
        assert_eq!(body.len(), body_bytes);
        let received = reply(head).unwrap().into_result("a", body.to_vec()).unwrap();
        assert_eq!(received, extracted);
        let garbled = reply(head).unwrap().into_result("a", vec![0xff]).unwrap_err();
        assert_eq!(garbled.to_string(), format!("a: {BROKEN}"));
    }
}

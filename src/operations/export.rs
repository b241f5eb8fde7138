//! `export`: every document or chunk, one after the other, for other programs.

use std::collections::HashMap;
use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Target;
use crate::domain::{ChunkId, MediaType};
use crate::error::Error;
use crate::kb::{Day, Filter, LinesIn, ListPlace, ListedDocument, Passage, Reader, WholeDocument};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportUnit {
    /// A record for each document.
    Documents,
    /// A record for each chunk.
    Chunks {
        /// Whether with its vector.
        vectors: bool,
    },
}

/// A document or a chunk.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ExportRecord {
    /// A document.
    Document(DocumentRecord),
    /// A chunk.
    Chunk(ChunkRecord),
}

/// A document with its text.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentRecord {
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// The day that its metadata or its name state.
    pub date: Option<Day>,
    /// Name of what extracted it, as in `pdf`.
    pub format: String,
    /// What its text is.
    pub media_type: MediaType,
    /// Its metadata.
    pub metadata: Box<RawValue>,
    /// The text.
    pub text: String,
}

/// A chunk with its place.
#[derive(Clone, Debug, Serialize)]
pub struct ChunkRecord {
    /// Its id in the file.
    pub id: ChunkId,
    /// Identifies the chunk across revisions, 32 hex digits.
    pub key: String,
    /// Name of its document's source.
    pub source: String,
    /// URI of the document inside the source.
    pub uri: String,
    /// Title of the document.
    pub title: String,
    /// The day that the document states.
    pub date: Option<Day>,
    /// Headings above it, joined by ` > `.
    pub heading_path: String,
    /// Its position in the document, from 0.
    pub ordinal: usize,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
    /// Whether lines are those of the file, or of the text that was made from it.
    pub lines_in: LinesIn,
    /// First byte in the saved text.
    pub start_byte: usize,
    /// One past its last byte.
    pub end_byte: usize,
    /// Tokens of the embedded text.
    pub token_count: u64,
    /// The chunk.
    pub text: String,
    /// Its vector, of unit length; `None` if it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vec<f32>>,
}

/// Calls `each` with the documents of `target` that `filter` admits, or their chunks, until it
/// breaks; one document is in memory at a time. Takes no lock and writes nothing.
///
/// Each document is as searches see it at that moment: those that a run changes meanwhile are in
/// their old or their new version.
pub fn export(
    target: &Target,
    filter: &Filter,
    unit: ExportUnit,
    each: &mut dyn FnMut(ExportRecord) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let kb = Reader::open(target.kb())?;
    super::list(target, filter, &mut |listed| {
        let ListedDocument { source, uri, .. } = listed;
        let place = ListPlace { source, uri };
        let Some(document) = kb.document(&place)? else { return Ok(ControlFlow::Continue(())) };
        match unit {
            ExportUnit::Documents => each(ExportRecord::Document(record(place, document))),
            ExportUnit::Chunks { vectors } => {
                let mut found = match vectors {
                    true => kb.vectors(&document.passages)?,
                    false => HashMap::new(),
                };
                for (ordinal, passage) in document.passages.iter().enumerate() {
                    let vector = found.remove(&passage.id);
                    let chunk = chunk(&place, &document, (ordinal, passage), vector);
                    if each(ExportRecord::Chunk(chunk))?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
        }
    })
}

fn record(place: ListPlace, document: WholeDocument) -> DocumentRecord {
    DocumentRecord {
        source: place.source,
        uri: place.uri,
        title: document.title,
        date: document.date,
        format: document.format,
        media_type: document.media_type,
        metadata: RawValue::from_string(document.metadata).unwrap_or_default(),
        text: document.text,
    }
}

fn chunk(
    place: &ListPlace,
    document: &WholeDocument,
    (ordinal, passage): (usize, &Passage),
    vector: Option<Vec<f32>>,
) -> ChunkRecord {
    ChunkRecord {
        id: passage.id,
        key: passage.key.clone(),
        source: place.source.clone(),
        uri: place.uri.clone(),
        title: document.title.clone(),
        date: document.date,
        heading_path: passage.heading_path.clone(),
        ordinal,
        start_line: passage.start_line,
        end_line: passage.end_line,
        lines_in: document.lines_in,
        start_byte: passage.start_byte,
        end_byte: passage.end_byte,
        token_count: passage.token_count,
        text: document.text_of(passage).to_owned(),
        vector,
    }
}

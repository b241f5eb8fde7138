//! `extract` and `chunk`: what ingest would make of one file, without a knowledge base.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::chunk::{self, ChunkInput};
use crate::config::Config;
use crate::domain::{Chunk, MediaType};
use crate::embed;
use crate::error::Error;
use crate::extract::{self, Extracted, Metadata};

/// What ingest would save of a file; `extract --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct ExtractReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The file.
    pub path: PathBuf,
    /// What extracted it, with its version.
    pub extractor: String,
    /// The title.
    pub title: String,
    /// What kind of text it is, which decides how it is cut.
    pub media_type: MediaType,
    /// What the bytes were.
    pub encoding: String,
    /// What the document says of itself.
    pub metadata: Metadata,
    /// The text that would be saved.
    pub text: String,
}

/// The chunks that ingest would make of a file; `chunk --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct ChunkReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The file.
    pub path: PathBuf,
    /// Its title, which stands first in every embedded text.
    pub title: String,
    /// How it was cut.
    pub chunker: String,
    /// The chunks in their order.
    pub chunks: Vec<ChunkShown>,
}

/// A chunk as it would be stored.
#[derive(Clone, Debug, Serialize)]
pub struct ChunkShown {
    /// First byte of its span in the extracted text.
    pub start_byte: usize,
    /// One past the last byte.
    pub end_byte: usize,
    /// First line, from 1.
    pub start_line: usize,
    /// Last line.
    pub end_line: usize,
    /// Tokens of the embedded text, by the model's own tokeniser.
    pub token_count: usize,
    /// Headings above it, outermost first, joined by ` > `.
    pub heading_path: String,
    /// All that is embedded and indexed: title and heading path, what is repeated, the span.
    pub embedded_text: String,
}

/// Extracts the file at `path` as ingest would.
pub fn extract(path: &Path, config: Option<&Config>) -> Result<ExtractReport, Error> {
    let _ = config;
    let bytes = read(path)?;
    // A source gives addresses inside itself; the name decides all that an address does.
    let uri = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let extractor = extract::extractor(&uri);
    let Extracted { title, media_type, text, encoding, metadata } =
        extractor.extract(&uri, bytes)?;
    Ok(ExtractReport {
        schema: 1,
        path: path.to_owned(),
        extractor: extractor.id().to_owned(),
        title,
        media_type,
        encoding,
        metadata,
        text,
    })
}

/// Extracts and cuts the file at `path` as ingest would.
pub fn chunk(path: &Path, config: Option<&Config>) -> Result<ChunkReport, Error> {
    let document = extract(path, config)?;
    let chunk_config = config.map(|config| config.chunk.clone()).unwrap_or_default();
    let embed_config = config.map(|config| config.embed.clone()).unwrap_or_default();
    let embedder = embed::open(&embed_config)?;
    let ExtractReport { title, text, media_type, .. } = document;
    let chunker = chunk::chunker(media_type);
    let input = ChunkInput { title: &title, text: &text, media_type };
    let chunks = chunker.chunk(&input, &chunk_config, &|text| embedder.count_tokens(text));
    Ok(ChunkReport {
        schema: 1,
        path: path.to_owned(),
        chunker: chunk_config.fingerprint(chunker),
        chunks: chunks.iter().map(|chunk| ChunkShown::new(&title, &text, chunk)).collect(),
        title,
    })
}

impl ChunkShown {
    fn new(title: &str, text: &str, chunk: &Chunk) -> Self {
        Self {
            start_byte: chunk.span.start,
            end_byte: chunk.span.end,
            start_line: chunk.lines.first,
            end_line: chunk.lines.last,
            token_count: chunk.token_count,
            heading_path: chunk.heading_path.clone(),
            embedded_text: chunk::embedded_text(title, text, chunk),
        }
    }
}

/// Reads a file, or standard input as far as the shell gives it a name; at most what a document may have.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |error: std::io::Error| Error::Usage {
        message: format!("cannot read {}: {error}", path.display()),
        hint: None,
    };
    let mut bytes = Vec::new();
    let limit = extract::TEXT_BYTES_MAX as u64;
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(unreadable(std::io::Error::other(format!("larger than {limit} bytes"))));
    }
    Ok(bytes)
}

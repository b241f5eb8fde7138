//! `extract` and `chunk`: what ingest would make of one file, without a knowledge base.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::analysis::noise;
use crate::chunk::{self, ChunkConfig, ChunkInput};
use crate::config::Config;
use crate::domain::{Chunk, LineMap, MediaType};
use crate::embed::{self, EmbedConfig};
use crate::error::Error;
use crate::extract::{self, Attempt, ExtractConfig, Extracted, Extraction, Metadata};

/// The settings for processing a file.
#[derive(Clone, Debug, Default)]
pub struct DocumentSettings {
    /// Limits on extracting it.
    pub extract: ExtractConfig,
    /// How its text is chunked.
    pub chunk: ChunkConfig,
    /// The tokeniser of the model.
    pub embed: EmbedConfig,
}

impl From<Config> for DocumentSettings {
    fn from(config: Config) -> Self {
        Self { extract: config.extract, chunk: config.chunk, embed: config.embed }
    }
}

/// The text that ingest would save for a file; `extract --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct ExtractReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The file.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub path: PathBuf,
    /// The extractor used, with its version.
    pub extractor: String,
    /// The title.
    pub title: String,
    /// The kind of text, which decides how it is chunked.
    pub media_type: MediaType,
    /// Encoding of the file.
    pub encoding: String,
    /// Metadata of the document.
    pub metadata: Metadata,
    /// The text that would be saved.
    pub text: String,
    #[serde(skip)]
    lines: LineMap,
}

/// The chunks that ingest would make of a file; `chunk --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct ChunkReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The file.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub path: PathBuf,
    /// Its title, with which every embedded text begins.
    pub title: String,
    /// The chunker used, with its settings.
    pub chunker: String,
    /// The chunks in order.
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
    /// The text that is embedded and indexed: title and heading path, repeated text, the span.
    pub embedded_text: String,
}

/// Extracts the file at `path` as ingest would.
pub fn extract(path: &Path, settings: &DocumentSettings) -> Result<ExtractReport, Error> {
    let bytes = read(path)?;
    // A source passes URIs inside itself; only the name matters to extractors.
    let uri = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let Attempt { fingerprint, result } =
        Extraction::open(&settings.extract, None).extract(&uri, bytes);
    let Extracted { title, media_type, text, encoding, metadata, lines } = result?;
    Ok(ExtractReport {
        schema: 1,
        path: path.to_owned(),
        extractor: fingerprint.to_string(),
        title,
        media_type,
        encoding,
        metadata,
        text,
        lines,
    })
}

/// Extracts and chunks the file at `path` as ingest would.
pub fn chunk(path: &Path, settings: &DocumentSettings) -> Result<ChunkReport, Error> {
    let document = extract(path, settings)?;
    let embedder = embed::open(&settings.embed, &embed::Setting::default())?;
    let ExtractReport { title, text, media_type, lines, .. } = document;
    let chunker = chunk::chunker(media_type);
    let noise = &noise::of(&text);
    let input = ChunkInput { title: &title, text: &text, noise, media_type };
    let chunks = chunker.chunk(&input, &settings.chunk, &|text| embedder.count_tokens(text));
    Ok(ChunkReport {
        schema: 1,
        path: path.to_owned(),
        chunker: settings.chunk.fingerprint(chunker, embedder.tokens()).to_string(),
        chunks: chunks.iter().map(|chunk| ChunkShown::new(&input, &lines, chunk)).collect(),
        title: title.clone(),
    })
}

impl ChunkShown {
    fn new(document: &ChunkInput<'_>, lines: &LineMap, chunk: &Chunk) -> Self {
        let ChunkInput { title, text, noise, .. } = *document;
        let in_file = chunk.lines.in_file(lines);
        Self {
            start_byte: chunk.span.start,
            end_byte: chunk.span.end,
            start_line: in_file.first,
            end_line: in_file.last,
            token_count: chunk.token_count,
            heading_path: chunk.heading_path.clone(),
            embedded_text: chunk::embedded_text(title, text, noise, chunk),
        }
    }
}

/// Reads a file, or standard input if the shell gives it a name; up to the limit on documents.
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

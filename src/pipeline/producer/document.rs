//! Steps for one document alone: read, extract, chunk. Nothing here writes.
//!
//! A panic in one of them is caught: only that document fails, not the run.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::comparison::ToRead;
use super::include;
use crate::analysis::noise;
use crate::chunk::{self, ChunkInput};
use crate::domain::{FailureKind, Stage};
use crate::error::{Error, chain};
use crate::extract::{Attempt, Extraction};
use crate::kb::{ChunkedRevision, NewChunk, NewText, ReadResult, Reading, TextRevision};
use crate::pipeline::Context;
use crate::source::{self, Content, Source};
use crate::support::panics::panic_message;

/// Reads and extracts documents in parallel, in their order. A document that was removed since it
/// was listed is skipped: the next listing does not contain it, and deletes what was saved of it.
/// So are those that a stop prevents or interrupts: the next process reads them, so nothing failed.
pub fn read_all(
    context: &Context<'_>,
    source: &dyn Source,
    wanted: Vec<ToRead>,
) -> Result<Vec<Reading>, Error> {
    let read = |one| read_one(context, source, one);
    let readings: Vec<_> = context.pool.get()?.map(wanted, read);
    Ok(readings.into_iter().flatten().collect())
}

fn read_one(context: &Context<'_>, source: &dyn Source, to_read: ToRead) -> Option<Reading> {
    if context.stop.is_requested() {
        return None;
    }
    let ToRead { entry, document, count } = to_read;
    let mut version = None;
    let mut size_bytes = 0;
    let (extract_fp, result) = match source.read(&entry) {
        Ok(mut content) => {
            size_bytes = content.bytes.len() as u64;
            let lines = include::follow(source, &entry.uri, &mut content);
            version.clone_from(&content.version);
            let mut extracted = extract_one(context.extraction, entry.format_name(), content);
            if let (ReadResult::Text(text), Some(lines)) = (&mut extracted.1, lines) {
                text.lines = std::mem::take(&mut text.lines).through(&lines);
            }
            skip_by_metadata(context, source.name(), &mut extracted.1);
            extracted
        }
        Err(error) if error.is_gone => {
            context.progress.pass(1);
            return None;
        }
        Err(error) => {
            let (kind, error) = (error.kind, chain(&error));
            let result = ReadResult::Failed { stage: Stage::Crawl, kind, error };
            (context.extraction.expected(entry.format_name()).to_owned(), result)
        }
    };
    if matches!(result, ReadResult::Failed { .. }) && context.stop.is_requested() {
        return None;
    }
    context.progress.pass(1);
    Some(Reading { document, uri: entry.uri, version, extract_fp, count, size_bytes, result })
}

/// Skips a document whose metadata are those that kb.toml leaves out.
fn skip_by_metadata(context: &Context<'_>, source: &str, result: &mut ReadResult) {
    let conditions = context.skip_rules.get(source).map_or(&[][..], Vec::as_slice);
    let ReadResult::Text(text) = result else { return };
    if let Some(condition) = source::skip_condition(conditions, &text.metadata) {
        let error = format!("its metadata meet skip_if ({condition})");
        *result = ReadResult::Failed { stage: Stage::Extract, kind: FailureKind::Skipped, error };
    }
}

/// Extracts one document; also returns the fingerprint of the extractor.
pub fn extract_one(extraction: &Extraction, uri: &str, content: Content) -> (String, ReadResult) {
    let Content { bytes, metadata, .. } = content;
    let content_hash = content_hash(&bytes, &metadata);
    let Attempt { fingerprint, result } = extraction.extract(uri, bytes);
    let result = match result {
        Ok(extracted) => ReadResult::Text(NewText {
            content_hash,
            title: extracted.title,
            media_type: extracted.media_type,
            encoding: extracted.encoding,
            metadata: serde_json::Value::from_iter(extracted.metadata.into_iter().chain(metadata))
                .to_string(),
            text: extracted.text,
            lines: extracted.lines,
        }),
        Err(error) => {
            let (kind, error) = (error.kind, chain(&error));
            ReadResult::Failed { stage: Stage::Extract, kind, error }
        }
    };
    (fingerprint.to_string(), result)
}

/// Returns the hash that shows whether a document is unchanged; includes its source's metadata.
fn content_hash(bytes: &[u8], metadata: &BTreeMap<String, Value>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    if !metadata.is_empty() {
        let known: Value = metadata.iter().map(|(name, value)| (&**name, value.clone())).collect();
        hasher.update(b"\0").update(known.to_string().as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Splits texts into chunks in parallel, in their order; an error concerns one document only.
pub fn chunk_all(
    context: &Context<'_>,
    revisions: &[TextRevision],
) -> Result<Vec<Result<ChunkedRevision, String>>, Error> {
    let chunk = |revision| guard(|| chunk_one(context, revision));
    Ok(context.pool.get()?.map(revisions, chunk))
}

fn chunk_one(context: &Context<'_>, revision: &TextRevision) -> ChunkedRevision {
    let TextRevision { id, source, uri, title, media_type, text, lines, .. } = revision;
    let chunker = chunk::chunker(*media_type);
    let noise = noise::of(text);
    let input = ChunkInput { title, text, noise: &noise, media_type: *media_type };
    let count = |text: &str| context.embedder.count_tokens(text);
    let chunks = chunker.chunk(&input, context.chunk, &count);
    let keys = chunk::keys(source, uri, text, &chunks);
    let chunks = chunks
        .into_iter()
        .zip(keys)
        .map(|(mut chunk, key)| {
            let embedded = chunk::embedded_text(title, text, &noise, &chunk);
            let input_hash = xxhash_rust::xxh3::xxh3_128(embedded.as_bytes()).to_le_bytes();
            chunk.lines = chunk.lines.in_file(lines);
            NewChunk { chunk, key, input_hash }
        })
        .collect();
    let chunk_fp = context.fingerprints.of_chunks(*media_type).to_owned();
    ChunkedRevision { id: *id, chunks, noise, chunk_fp }
}

/// Runs `work`; turns a panic into its message.
pub fn guard<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic_message(panic.as_ref());
        format!("internal error: {message}")
    })
}

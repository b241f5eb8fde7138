//! The cost of the durable queue: everything that an ingest stores, stored twice.
//!
//! *Queued* is the way of the program: texts are saved, chunks queued, ranges claimed, and vectors
//! and full text committed with the revisions that they complete, batch by batch. *Straight* writes
//! the resulting rows, read into memory before, in one transaction. Everything to be stored is
//! computed before the clock starts.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, mem};

use kbingest::analysis::noise;
use kbingest::analysis::{self, Language};
use kbingest::chunk::{self, ChunkConfig, ChunkInput, body_text, embedded_text};
use kbingest::domain::{
    ChunkId, ChunkRange, LineMap, MediaType, Metrics, ProgressReport, RevisionId, RunSettings,
    Version,
};
use kbingest::embed::{Builtin, Embedder, Role};
use kbingest::kb::{
    ChunkedRevision, Commit, IndexRows, NewChunk, NewText, ReadResult, Reading, Run, SaveResult,
    StoredChunk, StoredVector, Writer,
};
use kbingest::support::events::Silent;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::clock::cpu_seconds;

/// As in the program: bytes of text that are saved together, and ranges that are committed
/// together.
const BATCH_BYTES: usize = 3 * 1024 * 1024;
const RANGES_PER_COMMIT: usize = 48;
/// Every table that an ingest of files fills, in the order of their references; the last three are
/// the full-text index.
const TABLES: [&str; 11] = [
    "run",
    "phase",
    "document",
    "content",
    "revision",
    "chunk",
    "vector_space",
    "vector_block",
    "chunk_fts_data",
    "chunk_fts_idx",
    "chunk_fts_docsize",
];
const SOURCE: &str = "docs";

/// The cost of storing everything.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// CPU seconds batch by batch, through the queue.
    pub queued_seconds: f64,
    /// CPU seconds of the same rows in one transaction.
    pub straight_seconds: f64,
    /// The longest transaction of the first, wall-clock.
    pub longest_commit_seconds: f64,
}

/// Some documents with everything that is stored of them.
#[derive(Default)]
struct Batch {
    readings: Vec<Reading>,
    parts: Vec<Vec<Part>>,
}

/// A chunk; its id is assigned when it is stored.
struct Part {
    new: NewChunk,
    vector: StoredVector,
    /// Title, heading path, text and path, analysed.
    columns: [String; 4],
}

/// Stores the documents `files` below `folder` in both ways.
pub fn measure(folder: &Path, files: &[PathBuf], scratch: &Path) -> Result<Stored, Box<dyn Error>> {
    let batches = prepare(folder, files)?;
    let queued = scratch.join("queued.kb");
    let (queued_seconds, longest_commit_seconds) = store_queued(&queued, batches)?;
    let straight_seconds = store_straight(&queued, &scratch.join("straight.kb"))?;
    Ok(Stored { queued_seconds, straight_seconds, longest_commit_seconds })
}

fn prepare(folder: &Path, files: &[PathBuf]) -> Result<Vec<Batch>, Box<dyn Error>> {
    let embedder = Builtin::new();
    let mut batches = vec![Batch::default()];
    let mut bytes = 0;
    for file in files {
        let text = fs::read_to_string(file)?;
        let uri = file.strip_prefix(folder)?.to_string_lossy().into_owned();
        if bytes >= BATCH_BYTES {
            batches.push(Batch::default());
            bytes = 0;
        }
        bytes += text.len();
        let (reading, parts) = prepare_one(&embedder, uri, text)?;
        if let Some(batch) = batches.last_mut() {
            batch.readings.push(reading);
            batch.parts.push(parts);
        }
    }
    Ok(batches)
}

fn prepare_one(
    embedder: &Builtin,
    uri: String,
    text: String,
) -> Result<(Reading, Vec<Part>), Box<dyn Error>> {
    let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim().to_owned();
    let media_type = MediaType::Markdown;
    let noise = &noise::of(&text);
    let input = ChunkInput { title: &title, text: &text, noise, media_type };
    let count = |text: &str| embedder.count_tokens(text);
    let chunks = chunk::chunker(media_type).chunk(&input, &ChunkConfig::default(), &count);
    let keys = chunk::keys(SOURCE, &uri, &text, &chunks);
    let mut parts = Vec::with_capacity(chunks.len());
    for (chunk, key) in chunks.into_iter().zip(keys) {
        let embedded = embedded_text(&title, &text, noise, &chunk);
        let embeddings = embedder.embed(&[&embedded], Role::Document)?;
        let row = embeddings.rows().next().ok_or("no vector")?;
        let columns = [
            title.clone(),
            chunk.heading_path.clone(),
            body_text(&text, noise, &chunk).into_owned(),
            uri.replace('/', " "),
        ];
        let input_hash = xxhash_rust::xxh3::xxh3_128(embedded.as_bytes()).to_le_bytes();
        let new = NewChunk { chunk, key, input_hash };
        parts.push(Part { new, vector: StoredVector::quantise(row), columns });
    }
    let result = ReadResult::Text(NewText {
        lines: LineMap::OfFile,
        content_hash: *blake3::hash(text.as_bytes()).as_bytes(),
        title,
        media_type,
        encoding: "UTF-8".to_owned(),
        metadata: "{}".to_owned(),
        text,
    });
    let reading = Reading {
        document: None,
        version: Some(Version(format!("{}:1700000000000000000", uri.len()))),
        uri,
        extract_fp: "markdown@1".to_owned(),
        count: true,
        size_bytes: 0,
        result,
    };
    Ok((reading, parts))
}

/// The longest of some transactions, and the total.
#[derive(Default)]
struct Clock {
    cpu_seconds: f64,
    longest_seconds: f64,
}

impl Clock {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (since, before) = (Instant::now(), cpu_seconds());
        let value = work();
        self.cpu_seconds += cpu_seconds() - before;
        self.longest_seconds = self.longest_seconds.max(since.elapsed().as_secs_f64());
        value
    }
}

/// Stores `batches` through the queue.
fn store_queued(path: &Path, batches: Vec<Batch>) -> Result<(f64, f64), Box<dyn Error>> {
    let kb = Writer::create_or_open(path)?;
    let (run, _) = kb.begin_run(&RunSettings::default(), &Silent)?;
    let mut clock = Clock::default();
    for batch in batches {
        let uris: Vec<_> = batch.readings.iter().map(|one| (SOURCE, one.uri.as_str())).collect();
        clock.time(|| run.set_in_flight(&uris, &[], false))?;
        let saved = clock.time(|| {
            run.save(SOURCE, &batch.readings, Metrics::default(), &ProgressReport::default())
        })?;
        store_chunks(&run, &saved, batch.parts, &mut clock)?;
    }
    // The last full-text merge belongs to neither way.
    let longest = clock.longest_seconds;
    clock.time(|| kb.finish(0, &|| false, &Silent))?;
    Ok((clock.cpu_seconds, longest))
}

fn store_chunks(
    run: &Run<'_>,
    saved: &[SaveResult],
    mut parts: Vec<Vec<Part>>,
    clock: &mut Clock,
) -> Result<(), Box<dyn Error>> {
    let mut chunked = Vec::with_capacity(parts.len());
    for (saved, parts) in saved.iter().zip(&parts) {
        let SaveResult::Saved(id) = saved else { return Err("a text was known".into()) };
        let chunks = parts.iter().map(|part| part.new.clone()).collect();
        chunked.push(ChunkedRevision {
            id: *id,
            chunks,
            noise: Vec::new(),
            chunk_fp: "bench".to_owned(),
        });
    }
    let embedder = Builtin::new();
    let embed_fp = &embedder.model().fingerprint;
    let (firsts, ranges) =
        clock.time(|| run.enqueue(&chunked, embed_fp, &ProgressReport::default()))?;
    let (mut chunks, mut texts) = (Vec::new(), Vec::new());
    for ((revision, first), parts) in chunked.iter().zip(firsts).zip(&mut parts) {
        for (part, number) in parts.iter_mut().zip(0..) {
            let id = ChunkId(first.ok_or("no first chunk")?.0 + number);
            let vector = part.vector.clone();
            chunks.push(StoredChunk { id, revision: revision.id, vector });
            let end = first.map_or(0, |first| first.0) + revision.chunks.len() as i64;
            texts.push((end, id, revision.id, mem::take(&mut part.columns)));
        }
    }
    for ranges in ranges.chunks(RANGES_PER_COMMIT) {
        let last = ranges.last().map_or(0, |ChunkRange { last, .. }| last.0);
        let rest = chunks.split_off(chunks.partition_point(|chunk| chunk.id.0 <= last));
        let stored = mem::replace(&mut chunks, rest);
        // Full text is stored with the last vector of its revision, the chunk before `end`.
        let rest = texts.split_off(texts.partition_point(|(end, ..)| *end <= last + 1));
        let complete = mem::replace(&mut texts, rest);
        let mut rows = IndexRows::default();
        for (_, id, revision, columns) in complete {
            push_row(&mut rows, id, revision, columns);
        }
        let rows = vec![rows];
        let (left, chunks, reused) = (&[], &stored, 0);
        let commit = Commit {
            is_held: false,
            ranges,
            left,
            awaited: None,
            chunks,
            rows,
            reused,
            usage: kbingest::domain::Usage::default(),
            progress: ProgressReport::default(),
        };
        clock.time(|| run.claim(ranges))?;
        clock.time(|| run.commit(commit))?;
    }
    Ok(())
}

fn push_row(rows: &mut IndexRows, id: ChunkId, revision: RevisionId, columns: [String; 4]) {
    let language = Language::English;
    let [title, heading, text, path] = columns.map(|text| {
        rows.column(|column| analysis::for_each_token(&text, language, |token| column.add(token)))
    });
    let code = rows.column(|column| column.add(language.code().as_bytes()));
    rows.push(id, revision, [title, heading, text, path, code]);
}

/// Stores the rows of `queued` in one transaction; returns its CPU seconds.
fn store_straight(queued: &Path, path: &Path) -> Result<f64, Box<dyn Error>> {
    let rows = TABLES.map(|table| read(queued, table));
    // Creates the tables.
    drop(Writer::create_or_open(path)?);
    let mut connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = 512;
         PRAGMA wal_autocheckpoint = 4096;",
    )?;
    let mut clock = Clock::default();
    clock.time(|| -> Result<(), Box<dyn Error>> {
        let tx = connection.transaction()?;
        for (table, rows) in TABLES.iter().zip(rows) {
            let rows = rows?;
            let marks = vec!["?"; rows.first().map_or(0, Vec::len)].join(", ");
            let mut insert = tx.prepare(&format!("REPLACE INTO {table} VALUES ({marks})"))?;
            for row in &rows {
                insert.execute(params_from_iter(row))?;
            }
        }
        tx.commit()?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    })?;
    Ok(clock.cpu_seconds)
}

fn read(path: &Path, table: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let connection = Connection::open(path)?;
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect())?;
    rows.collect()
}

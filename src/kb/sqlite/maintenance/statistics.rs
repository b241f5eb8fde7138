//! The statistics of a knowledge base that `status` shows.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Transaction;
use serde::Serialize;

use crate::domain::QueueStats;
use crate::kb::KbError;
use crate::kb::sqlite::convert::{format_of, from_sql};
use crate::kb::sqlite::{Maintenance, Reader, schema};
use crate::support::storage;

/// Statistics of a knowledge base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Version of the file format.
    pub format_version: u64,
    /// Documents that searches see.
    pub documents: u64,
    /// Those of them that have no chunk, as their text is blank.
    pub documents_without_chunks: u64,
    /// Those of them whose front matter is not as its language wants it.
    pub front_matter_errors: u64,
    /// Chunks that searches see.
    pub chunks: u64,
    /// Bytes of text that searches see.
    pub text_bytes: u64,
    /// Documents that failed.
    pub documents_failed: u64,
    /// Documents skipped on purpose: not text, or over a limit.
    pub documents_skipped: u64,
    /// Embedders that made vectors, or are going to.
    pub embed_fingerprints: Vec<String>,
    /// Chunkers and their settings of the live revisions.
    pub chunk_fingerprints: Vec<String>,
    /// Documents that searches see, by extractor; most first.
    pub formats: Vec<FormatCount>,
    /// The state of the queue.
    pub queue: QueueStats,
    /// Size of the file.
    pub file_bytes: u64,
    /// Size of the write-ahead log beside it.
    pub wal_bytes: u64,
}

/// The number of documents of a format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormatCount {
    /// Name of the extractor, as in `pdf`, without its version.
    pub format: String,
    /// Their number.
    pub documents: u64,
}

impl Reader {
    /// Returns the fingerprints of the embedders that made vectors, or are going to.
    pub fn embed_fingerprints(&self) -> Result<Vec<String>, KbError> {
        self.read(|tx| names(tx, EMBED_FINGERPRINTS))
    }
}

impl Maintenance<'_> {
    /// Returns the current statistics.
    pub fn statistics(&self) -> Result<Statistics, KbError> {
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        self.reader.read(|tx| {
            let count = |sql: &str| -> Result<u64, KbError> {
                Ok(from_sql(tx.query_row(sql, [], |row| row.get(0))?))
            };
            let revisions = Revisions::count(tx)?;
            Ok(Statistics {
                format_version: schema::latest_version() as u64,
                documents: revisions.documents,
                documents_without_chunks: revisions.without_chunks,
                front_matter_errors: revisions.front_matter_errors,
                chunks: revisions.chunks,
                text_bytes: revisions.text_bytes,
                documents_failed: count("SELECT COUNT(*) FROM failure WHERE kind <> 'skipped'")?,
                documents_skipped: count("SELECT COUNT(*) FROM failure WHERE kind = 'skipped'")?,
                formats: revisions.formats(),
                embed_fingerprints: revisions.embed_fps.into_iter().collect(),
                chunk_fingerprints: revisions.chunk_fps.into_iter().collect(),
                queue: crate::kb::sqlite::queue::queue_stats(tx)?,
                file_bytes: size(self.reader.path()),
                wal_bytes: size(&storage::beside(self.reader.path(), "-wal")),
            })
        })
    }
}

/// Counts from one pass over the revisions; everything but `embed_fps` is about live ones.
#[derive(Default)]
struct Revisions {
    documents: u64,
    without_chunks: u64,
    front_matter_errors: u64,
    chunks: u64,
    text_bytes: u64,
    embed_fps: BTreeSet<String>,
    chunk_fps: BTreeSet<String>,
    extract_fps: BTreeMap<String, u64>,
}

impl Revisions {
    fn count(tx: &Transaction<'_>) -> Result<Self, KbError> {
        let mut statement = tx.prepare_cached(
            "SELECT state = 'live', embed_fp, chunk_fp, extract_fp, chunk_total, text_bytes,
                    instr(metadata, '\"front_matter_errors\":') > 0
             FROM revision",
        )?;
        let mut counted = Self::default();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text = |column| -> rusqlite::Result<Option<&str>> {
                Ok(row.get_ref(column)?.as_str_or_null()?)
            };
            // Fingerprints are few, and copied only when first seen.
            if let Some(embed_fp) = text(1)? {
                note(&mut counted.embed_fps, embed_fp);
            }
            if !row.get::<_, bool>(0)? {
                continue;
            }
            counted.documents += 1;
            counted.without_chunks += u64::from(row.get::<_, i64>(4)? == 0);
            counted.front_matter_errors += u64::from(row.get::<_, bool>(6)?);
            counted.chunks = counted.chunks.saturating_add(from_sql(row.get(4)?));
            counted.text_bytes = counted.text_bytes.saturating_add(from_sql(row.get(5)?));
            if let Some(chunk_fp) = text(2)? {
                note(&mut counted.chunk_fps, chunk_fp);
            }
            let extract_fp = text(3)?.unwrap_or_default();
            match counted.extract_fps.get_mut(extract_fp) {
                Some(documents) => *documents += 1,
                None => _ = counted.extract_fps.insert(extract_fp.to_owned(), 1),
            }
        }
        Ok(counted)
    }

    /// Returns the documents by the name of what extracted them.
    fn formats(&self) -> Vec<FormatCount> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for (fingerprint, documents) in &self.extract_fps {
            *counts.entry(format_of(fingerprint)).or_default() += documents;
        }
        let mut formats: Vec<_> = counts
            .into_iter()
            .map(|(format, documents)| FormatCount { format, documents })
            .collect();
        formats.sort_by_key(|count| std::cmp::Reverse(count.documents));
        formats
    }
}

fn note(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}

const EMBED_FINGERPRINTS: &str =
    "SELECT DISTINCT embed_fp FROM revision WHERE embed_fp IS NOT NULL ORDER BY 1";

fn names(tx: &Transaction<'_>, sql: &str) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare_cached(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

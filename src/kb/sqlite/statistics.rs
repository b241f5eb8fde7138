//! What `status` tells of a knowledge base.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use serde::Serialize;

use super::convert::from_sql;
use super::{KnowledgeBase, schema};
use crate::domain::QueueStats;
use crate::kb::KbError;
use crate::support::storage;

/// Size and make of a knowledge base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Version of the file format.
    pub format_version: u64,
    /// Documents that searches see.
    pub documents: u64,
    /// Chunks that searches see.
    pub chunks: u64,
    /// Bytes of text that searches see.
    pub text_bytes: u64,
    /// Documents that failed.
    pub documents_failed: u64,
    /// Documents left out on purpose: not text, or over a limit.
    pub documents_skipped: u64,
    /// Embedders that made vectors, or are to make them.
    pub embed_fingerprints: Vec<String>,
    /// Chunkers and their settings of the live revisions.
    pub chunk_fingerprints: Vec<String>,
    /// Documents that searches see, by what extracted them; most first.
    pub formats: Vec<FormatCount>,
    /// Work that waits.
    pub queue: QueueStats,
    /// Size of the file.
    pub file_bytes: u64,
    /// Size of the write-ahead log beside it.
    pub wal_bytes: u64,
}

/// How many documents there are of a format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormatCount {
    /// Name of the extractor, as in `pdf`, its version left out.
    pub format: String,
    /// How many.
    pub documents: u64,
}

impl KnowledgeBase {
    /// Returns the statistics of this moment.
    pub fn statistics(&self) -> Result<Statistics, KbError> {
        let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
        self.read(|tx| {
            let count = |sql: &str| -> Result<u64, KbError> {
                Ok(from_sql(tx.query_row(sql, [], |row| row.get(0))?))
            };
            Ok(Statistics {
                format_version: schema::latest_version() as u64,
                documents: count("SELECT COUNT(*) FROM revision WHERE state = 'live'")?,
                chunks: count(
                    "SELECT ifnull(sum(chunk_total), 0) FROM revision WHERE state = 'live'",
                )?,
                text_bytes: count(
                    "SELECT ifnull(sum(text_bytes), 0) FROM revision WHERE state = 'live'",
                )?,
                documents_failed: count("SELECT COUNT(*) FROM failure WHERE kind <> 'skipped'")?,
                documents_skipped: count("SELECT COUNT(*) FROM failure WHERE kind = 'skipped'")?,
                embed_fingerprints: names(tx, EMBED_FINGERPRINTS)?,
                chunk_fingerprints: names(
                    tx,
                    "SELECT DISTINCT chunk_fp FROM revision WHERE state = 'live' ORDER BY 1",
                )?,
                formats: formats(tx)?,
                queue: super::queue::queue_stats(tx)?,
                file_bytes: size(self.path()),
                wal_bytes: size(&storage::beside(self.path(), "-wal")),
            })
        })
    }

    /// Returns the fingerprints of the embedders that made vectors, or are to make them.
    pub fn embed_fingerprints(&self) -> Result<Vec<String>, KbError> {
        self.read(|tx| names(tx, EMBED_FINGERPRINTS))
    }
}

/// Counts live revisions by the extractor at the end of their fingerprint, `markdown@1` or
/// `markdown@1>pdf@1`.
fn formats(tx: &Transaction<'_>) -> Result<Vec<FormatCount>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT extract_fp, COUNT(*) FROM revision WHERE state = 'live' GROUP BY extract_fp",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut counts = BTreeMap::new();
    for row in rows {
        let (fingerprint, count): (_, i64) = row?;
        let extractor = fingerprint.rsplit('>').next().unwrap_or(&fingerprint);
        let format = extractor.split('@').next().unwrap_or(extractor).to_owned();
        *counts.entry(format).or_default() += from_sql(count);
    }
    let mut formats: Vec<_> =
        counts.into_iter().map(|(format, documents)| FormatCount { format, documents }).collect();
    formats.sort_by_key(|count| std::cmp::Reverse(count.documents));
    Ok(formats)
}

const EMBED_FINGERPRINTS: &str =
    "SELECT DISTINCT embed_fp FROM revision WHERE embed_fp IS NOT NULL ORDER BY 1";

fn names(tx: &Transaction<'_>, sql: &str) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare_cached(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

//! The queue: claims ranges of chunks, and stores their results.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params};

use super::convert::{from_sql, id, size_to_sql};
use super::failures::record_failure;
use super::index::{IndexRows, Segment};
use super::run_row::recount_as_failed;
use super::vectors::StoredVector;
use super::{Reader, Run, index, revisions, usage, vectors};
use crate::domain::{
    ChunkId, ChunkRange, DocumentId, Failure, FailureKind, Metrics, ProgressReport, QueueStats,
    RevisionId, Stage, Usage,
};
use crate::kb::KbError;

/// A waiting range.
#[derive(Clone, Copy, Debug)]
pub struct PendingRange {
    /// Its chunks.
    pub range: ChunkRange,
    /// How often it was claimed before; each time the process died or was killed.
    pub attempts: u32,
    /// Each time nothing else was claimed, so it is the cause.
    pub is_alone: bool,
}

/// A chunk with its vector, to be stored.
#[derive(Clone, Debug)]
pub struct StoredChunk {
    /// The chunk.
    pub id: ChunkId,
    /// Its revision.
    pub revision: RevisionId,
    /// Its vector.
    pub vector: StoredVector,
}

/// A batch of finished work.
#[derive(Debug)]
pub struct Commit<'a> {
    /// Queue rows that it completes.
    pub ranges: &'a [ChunkRange],
    /// Parts of `ranges` without vectors, ascending: they are queued again, as if never claimed.
    pub left: &'a [ChunkRange],
    /// The end of the last range, whose vectors are still awaited: it stays claimed.
    pub awaited: Option<ChunkRange>,
    /// Vectors, ascending by chunk.
    pub chunks: &'a [StoredChunk],
    /// Full-text rows of every revision that the vectors complete and that is not held, ascending
    /// by chunk, in parts.
    pub rows: Vec<IndexRows>,
    /// Whether revisions that the vectors complete wait to be
    /// [published](Run::publish_held) together.
    pub is_held: bool,
    /// How many of the vectors were reused from older revisions.
    pub reused: u64,
    /// What embedding has taken since the last batch.
    pub usage: Usage,
    /// Progress of the run with this batch.
    pub progress: ProgressReport,
}

impl Reader {
    /// Returns the highest chunk id in the queue.
    pub fn last_queued(&self) -> Result<Option<ChunkId>, KbError> {
        self.read(|tx| {
            let last: Option<i64> =
                tx.query_row("SELECT max(last_chunk) FROM queue", [], |row| row.get(0))?;
            Ok(last.map(ChunkId))
        })
    }

    /// Returns up to `limit` pending ranges that start no later than `up_to`, oldest first.
    pub fn pending_ranges(
        &self,
        up_to: Option<ChunkId>,
        limit: usize,
    ) -> Result<Vec<PendingRange>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT first_chunk, last_chunk, attempts, is_alone FROM queue
                 WHERE state = 'pending' AND first_chunk <= ?1 ORDER BY first_chunk LIMIT ?2",
            )?;
            let up_to = up_to.map_or(i64::MAX, |id| id.0);
            let ranges = statement.query_map([up_to, size_to_sql(limit)], |row| {
                Ok(PendingRange {
                    range: ChunkRange { first: ChunkId(id(row, 0)?), last: ChunkId(id(row, 1)?) },
                    attempts: row.get(2)?,
                    is_alone: row.get(3)?,
                })
            })?;
            Ok(ranges.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the state of the queue.
    pub fn queue_stats(&self) -> Result<QueueStats, KbError> {
        self.read(queue_stats)
    }
}

impl Run<'_> {
    /// Claims ranges: raises their attempts before the work that may kill the process.
    pub fn claim(&self, ranges: &[ChunkRange]) -> Result<(), KbError> {
        self.write(|tx| {
            for range in ranges {
                tx.prepare_cached(
                    "UPDATE queue SET state = 'claimed', attempts = attempts + 1
                     WHERE first_chunk = ?1 AND state = 'pending'",
                )?
                .execute([range.first.0])?;
            }
            Ok(())
        })
    }

    /// Returns claimed ranges to the queue, as if never claimed.
    pub fn release(&self, ranges: &[ChunkRange]) -> Result<(), KbError> {
        self.write_counted_by(false, Metrics::default(), None, |tx, _| {
            for range in ranges {
                tx.prepare_cached(
                    "UPDATE queue SET state = 'pending', attempts = attempts - 1
                     WHERE first_chunk = ?1 AND state = 'claimed'",
                )?
                .execute([range.first.0])?;
            }
            Ok(())
        })
    }

    /// Splits a pending range into one per revision, to be claimed alone from now on, so that a
    /// chunk that stops the others is found; returns the parts.
    pub fn split_by_document(&self, range: ChunkRange) -> Result<Vec<ChunkRange>, KbError> {
        self.write(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT min(id), max(id) FROM chunk WHERE id BETWEEN ?1 AND ?2 GROUP BY revision_id",
            )?;
            let parts: Vec<ChunkRange> = statement
                .query_map([range.first.0, range.last.0], |row| {
                    Ok(ChunkRange { first: ChunkId(id(row, 0)?), last: ChunkId(id(row, 1)?) })
                })?
                .collect::<Result<_, _>>()?;
            tx.execute("DELETE FROM queue WHERE first_chunk = ?1", [range.first.0])?;
            for part in &parts {
                tx.execute(
                    "INSERT INTO queue (first_chunk, last_chunk, state, is_alone)
                     VALUES (?1, ?2, 'pending', 1)",
                    params![part.first.0, part.last.0],
                )?;
            }
            Ok(parts)
        })
    }

    /// Marks ranges as dead, so that no run embeds them by itself, and records their documents as
    /// failed.
    pub fn mark_dead(&self, ranges: &[ChunkRange], error: &str) -> Result<Vec<Failure>, KbError> {
        let (stage, kind) = (Stage::Embed, FailureKind::Permanent);
        self.write(|tx| {
            let mut failures = Vec::new();
            for range in ranges {
                tx.execute(
                    "UPDATE queue SET state = 'dead', error = ?2 WHERE first_chunk = ?1",
                    params![range.first.0, error],
                )?;
                let mut statement = tx.prepare_cached(
                    "SELECT DISTINCT document.id, document.source, document.uri FROM chunk
                     JOIN revision ON revision.id = chunk.revision_id
                     JOIN document ON document.id = revision.document_id
                     WHERE chunk.id BETWEEN ?1 AND ?2",
                )?;
                let documents: Vec<(i64, String, String)> = statement
                    .query_map([range.first.0, range.last.0], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })?
                    .collect::<Result<_, _>>()?;
                for (document, source, uri) in documents {
                    let document = DocumentId(document);
                    recount_as_failed(tx, self.key, document)?;
                    record_failure(tx, self.key, document, stage, kind, error)?;
                    failures.push(Failure { source, uri, stage, kind, error: error.to_owned() });
                }
            }
            Ok(failures)
        })
    }

    /// Stores vectors, publishes the revisions that they complete, and removes queue rows, in one
    /// transaction. Chunks whose revision is gone are skipped.
    pub fn commit(&self, commit: Commit<'_>) -> Result<(), KbError> {
        // Before the transaction: others can write meanwhile.
        let segment = Segment::new(commit.rows);
        let delta = Metrics { batches_processed: 1, ..Metrics::default() };
        self.write_counted_by(false, delta, Some(&commit.progress), |tx, delta| {
            usage::add(tx, self.key.id, commit.usage)?;
            let mut finished = Vec::new();
            let mut vectors: BTreeMap<String, Vec<_>> = BTreeMap::new();
            for chunks in commit.chunks.chunk_by(|a, b| a.revision == b.revision) {
                let revision = chunks[0].revision;
                let progress = tx
                    .prepare_cached(
                        "UPDATE revision SET chunk_stored = chunk_stored + ?2
                         WHERE id = ?1 AND state = 'chunked'
                         RETURNING chunk_stored = chunk_total, embed_fp",
                    )?
                    .query_row(params![revision.0, size_to_sql(chunks.len())], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()?;
                let Some((is_finished, embed_fp)) = progress else { continue };
                let chunks = chunks.iter().map(|chunk| (chunk.id, &chunk.vector));
                vectors.entry(embed_fp).or_default().extend(chunks);
                if is_finished && !commit.is_held {
                    finished.push(revision);
                }
            }
            for (embed_fp, vectors) in &vectors {
                vectors::insert(tx, embed_fp, vectors)?;
                delta.chunks_stored += vectors.len() as u64;
            }
            delta.chunks_reused = commit.reused.min(delta.chunks_stored);
            revisions::publish(tx, &finished)?;
            index::insert(tx, &finished, &segment)?;
            let mut left = commit.left;
            for range in commit.ranges {
                let count = left.partition_point(|part| part.first <= range.last);
                let (own, others) = left.split_at(count);
                let awaited = commit
                    .awaited
                    .filter(|awaited| range.first <= awaited.first && awaited.last <= range.last);
                requeue(tx, range, own, awaited)?;
                left = others;
            }
            Ok(())
        })?;
        self.kb.merge_when_full()
    }
}

/// Replaces a claimed range by its parts `left`, and by `awaited`, which stays claimed.
fn requeue(
    tx: &Transaction<'_>,
    range: &ChunkRange,
    left: &[ChunkRange],
    awaited: Option<ChunkRange>,
) -> Result<(), KbError> {
    let mut delete = tx.prepare_cached("DELETE FROM queue WHERE first_chunk = ?1")?;
    if left.is_empty() && awaited.is_none() {
        delete.execute([range.first.0])?;
        return Ok(());
    }
    let before = tx
        .prepare_cached("SELECT attempts - 1, is_alone FROM queue WHERE first_chunk = ?1")?
        .query_row([range.first.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
        .optional()?;
    // Without a row its revisions are gone; without a chunk, the revision of a part is.
    let Some((attempts, is_alone)) = before else { return Ok(()) };
    delete.execute([range.first.0])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO queue (first_chunk, last_chunk, state, attempts, is_alone)
         SELECT ?1, ?2, ?5, ?3, ?4
         WHERE EXISTS (SELECT 1 FROM chunk WHERE id BETWEEN ?1 AND ?2)",
    )?;
    let attempts = attempts.max(0);
    for part in left {
        insert.execute(params![part.first.0, part.last.0, attempts, is_alone, "pending"])?;
    }
    if let Some(part) = awaited {
        insert.execute(params![part.first.0, part.last.0, attempts + 1, is_alone, "claimed"])?;
    }
    Ok(())
}

/// Returns the claims of a dead process to the queue; its attempts stay counted.
pub fn return_claims(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("UPDATE queue SET state = 'pending' WHERE state = 'claimed'", [])?;
    Ok(())
}

/// Counts the chunks in the queue that still exist and have no vector.
pub fn queue_stats(tx: &Transaction<'_>) -> Result<QueueStats, KbError> {
    let mut stats = QueueStats::default();
    let mut statement = tx.prepare_cached(
        "SELECT queue.state, COUNT(*) FROM queue
         JOIN chunk ON chunk.id BETWEEN queue.first_chunk AND queue.last_chunk
         WHERE NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id) GROUP BY queue.state",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let count = from_sql(row.get(1)?);
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "pending" => stats.pending = count,
            "claimed" => stats.claimed = count,
            _ => stats.dead = count,
        }
    }
    // The first condition is that of an index of the few revisions that are not live.
    let unchunked: i64 = tx.query_row(
        "SELECT COUNT(*) FROM revision WHERE state <> 'live' AND state = 'saved'",
        [],
        |row| row.get(0),
    )?;
    stats.unchunked_revisions = from_sql(unchunked);
    Ok(stats)
}

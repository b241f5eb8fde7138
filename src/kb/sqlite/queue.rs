//! The queue: claiming ranges of chunks, reading them back after a stop, storing what came of them.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params};

use super::convert::{from_sql, id, size_from_sql, size_to_sql, small, utf8};
use super::documents::record_failure;
use super::index::{IndexRows, Segment};
use super::vectors::StoredVector;
use super::{Reader, Run, index, revisions, vectors};
use crate::domain::{
    Chunk, ChunkId, ChunkRange, DocumentId, FailureKind, LineRange, Metrics, QueueStats,
    RevisionId, Span, Stage,
};
use crate::kb::KbError;

/// A range that waits.
#[derive(Clone, Copy, Debug)]
pub struct PendingRange {
    /// Its chunks.
    pub range: ChunkRange,
    /// How often it was claimed before; each time the process died or was killed.
    pub attempts: u32,
    /// Each time nothing else was claimed, so that it is to blame.
    pub is_alone: bool,
}

/// Chunks of one revision that want vectors, with the text they are cut from.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The revision.
    pub revision: RevisionId,
    /// Address of the document inside its source.
    pub uri: String,
    /// Title of the document.
    pub title: String,
    /// The whole text.
    pub text: String,
    /// Chunks of the whole revision, wanted or not.
    pub chunk_total: usize,
    /// The wanted ones, in order.
    pub chunks: Vec<QueuedChunk>,
}

/// A chunk that wants a vector.
#[derive(Clone, Debug)]
pub struct QueuedChunk {
    /// Its id.
    pub id: ChunkId,
    /// Where it is in the text.
    pub chunk: Chunk,
    /// Hash of its embedded text.
    pub input_hash: [u8; 16],
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
    /// Queue rows that it settles.
    pub ranges: &'a [ChunkRange],
    /// Vectors, ascending by chunk.
    pub chunks: &'a [StoredChunk],
    /// Full-text rows of every revision that the vectors complete, ascending by chunk, in parts.
    pub rows: Vec<IndexRows>,
    /// How many of the vectors were taken over from older revisions.
    pub reused: u64,
    /// Progress of the run with this batch.
    pub percent: f64,
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

    /// Reads the chunks of `ranges` that have no vector yet, by revision.
    pub fn load(&self, ranges: &[ChunkRange]) -> Result<Vec<Unit>, KbError> {
        self.read(|tx| {
            let mut units: Vec<Unit> = Vec::new();
            for range in ranges {
                load_range(
                    tx,
                    "NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id) AND
                     chunk.id BETWEEN ?1 AND ?2",
                    *range,
                    &mut units,
                )?;
            }
            Ok(units)
        })
    }

    /// Reads a whole revision whose last `wanted` chunks are about to be stored; `None` where more than
    /// these are missing.
    pub fn load_if_complete_with(
        &self,
        revision: RevisionId,
        wanted: usize,
    ) -> Result<Option<Unit>, KbError> {
        self.read(|tx| {
            let ids = tx
                .prepare_cached(
                    "SELECT first_chunk, first_chunk + chunk_total - 1 FROM revision
                     WHERE id = ?1 AND state = 'chunked' AND chunk_stored + ?2 = chunk_total",
                )?
                .query_row(params![revision.0, size_to_sql(wanted)], |row| {
                    Ok(ChunkRange { first: ChunkId(id(row, 0)?), last: ChunkId(id(row, 1)?) })
                })
                .optional()?;
            let Some(ids) = ids else { return Ok(None) };
            let mut units = Vec::new();
            load_range(tx, "chunk.id BETWEEN ?1 AND ?2", ids, &mut units)?;
            Ok(units.pop())
        })
    }

    /// Returns how much waits in the queue.
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

    /// Gives claimed ranges back as if they had not been claimed.
    pub fn release(&self, ranges: &[ChunkRange]) -> Result<(), KbError> {
        self.write(|tx| {
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

    /// Splits a pending range into one per revision, to be claimed alone from here on, so that a chunk which
    /// stops the others is found; returns the parts.
    pub fn isolate(&self, range: ChunkRange) -> Result<Vec<ChunkRange>, KbError> {
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

    /// Sets ranges aside and records their documents as failed.
    pub fn bury(&self, ranges: &[ChunkRange], error: &str) -> Result<(), KbError> {
        self.write(|tx| {
            for range in ranges {
                tx.execute(
                    "UPDATE queue SET state = 'dead', error = ?2 WHERE first_chunk = ?1",
                    params![range.first.0, error],
                )?;
                let mut statement = tx.prepare_cached(
                    "SELECT DISTINCT revision.document_id FROM chunk
                     JOIN revision ON revision.id = chunk.revision_id
                     WHERE chunk.id BETWEEN ?1 AND ?2",
                )?;
                let documents: Vec<i64> = statement
                    .query_map([range.first.0, range.last.0], |row| row.get(0))?
                    .collect::<Result<_, _>>()?;
                for document in documents {
                    let document = DocumentId(document);
                    record_failure(
                        tx,
                        self.key,
                        document,
                        Stage::Embed,
                        FailureKind::Permanent,
                        error,
                    )?;
                }
            }
            Ok(())
        })
    }

    /// Stores vectors, publishes the revisions that they complete, and settles queue rows, all at once.
    /// Chunks whose revision is gone are passed over.
    pub fn commit(&self, commit: Commit<'_>) -> Result<(), KbError> {
        // Before the transaction: others write meanwhile.
        let segment = Segment::new(commit.rows);
        let delta = Metrics { batches_processed: 1, ..Metrics::default() };
        self.write_counted(delta, Some(commit.percent), |tx, delta| {
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
                if is_finished {
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
            for range in commit.ranges {
                tx.prepare_cached("DELETE FROM queue WHERE first_chunk = ?1")?
                    .execute([range.first.0])?;
            }
            Ok(())
        })?;
        self.kb.merge_when_full()
    }
}

/// Gives back what a dead process had claimed; its attempts stay counted.
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

/// Adds the unfinished chunks of `range` that meet `condition` to `units`.
fn load_range(
    tx: &Transaction<'_>,
    condition: &str,
    range: ChunkRange,
    units: &mut Vec<Unit>,
) -> Result<(), KbError> {
    let condition = format!("revision.state = 'chunked' AND {condition}");
    load_where(tx, &condition, &[range.first.0, range.last.0], units)
}

/// Adds the chunks that meet `condition` to `units`, going on with the last unit where its revision goes
/// on.
pub fn load_where(
    tx: &Transaction<'_>,
    condition: &str,
    parameters: &[i64],
    units: &mut Vec<Unit>,
) -> Result<(), KbError> {
    let sql = format!(
        "SELECT chunk.revision_id, chunk.id, start_byte, end_byte, start_line, end_line, prefix_start,
                prefix_end, overlap_start, heading_path, token_count, input_hash
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         WHERE {condition} ORDER BY chunk.id"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let revision = RevisionId(row.get(0)?);
        if units.last().is_none_or(|unit| unit.revision != revision) {
            units.push(load_head(tx, revision)?);
        }
        let size = |column: usize| small(row, column).map(size_from_sql);
        let optional =
            |column: usize| row.get::<_, Option<i64>>(column).map(|value| value.map(size_from_sql));
        let text = units.last().map_or("", |unit| &unit.text);
        let span = span_of(text, size(2)?, size(3)?)?;
        let prefix = optional(6)?.zip(optional(7)?);
        let chunk = Chunk {
            span,
            prefix: prefix.map(|(start, end)| span_of(text, start, end)).transpose()?,
            overlap: optional(8)?.map(|start| span_of(text, start, span.start)).transpose()?,
            lines: LineRange { first: size(4)?, last: size(5)? },
            heading_path: row.get(9)?,
            token_count: size(10)?,
        };
        let id = ChunkId(id(row, 1)?);
        if let Some(unit) = units.last_mut() {
            unit.chunks.push(QueuedChunk { id, chunk, input_hash: row.get(11)? });
        }
    }
    Ok(())
}

/// Returns the span `start .. end` of `text`; an error if it is none.
fn span_of(text: &str, start: usize, end: usize) -> Result<Span, KbError> {
    match text.get(start..end) {
        Some(_) => Ok(Span::new(start, end)),
        None => Err(KbError::Damaged(format!("bytes {start} to {end} are no part of their text"))),
    }
}

fn load_head(tx: &Transaction<'_>, revision: RevisionId) -> Result<Unit, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT document.uri, revision.title, content.text, revision.chunk_total
         FROM revision JOIN content ON content.id = revision.content_id
         JOIN document ON document.id = revision.document_id WHERE revision.id = ?1",
    )?;
    let (uri, title, text, chunk_total) = statement.query_row([revision.0], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, small(row, 3)?))
    })?;
    Ok(Unit {
        revision,
        uri,
        title,
        text: utf8(text)?,
        chunk_total: size_from_sql(chunk_total),
        chunks: Vec::new(),
    })
}

//! From saved text to queued chunks, and back to an earlier stage when a setting changed.

use rusqlite::{Statement, Transaction, params, params_from_iter};

use super::convert::{from_sql, media_type, size_to_sql};
use super::revisions::{self, RevisionRow};
use super::run_row::RunKey;
use super::seal::{self, ChunkRow};
use super::{Reader, Run, take_ids};
use crate::analysis;
use crate::analysis::noise::Noise;
use crate::domain::{
    Chunk, ChunkId, ChunkRange, LineMap, MediaType, Metrics, ProgressReport, RevisionId,
};
use crate::kb::KbError;

/// Limit on the chunk ids of one queue row: a row per chunk made the store 4 to 5 times as
/// expensive.
const CHUNKS_PER_RANGE: i64 = 256;

/// A revision whose text is saved and has to be chunked.
#[derive(Clone, Debug)]
pub struct TextRevision {
    /// The revision.
    pub id: RevisionId,
    /// Name of its source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Title of the document.
    pub title: String,
    /// The words of its metadata; see [`crate::analysis::about`].
    pub about: String,
    /// Decides how it is chunked.
    pub media_type: MediaType,
    /// The whole text.
    pub text: String,
    /// The lines of the file that its lines come from.
    pub lines: LineMap,
}

/// A chunk about to be queued.
#[derive(Clone, Debug)]
pub struct NewChunk {
    /// Its position in the text.
    pub chunk: Chunk,
    /// Its key across revisions; see [`crate::chunk::keys`].
    pub key: [u8; 16],
    /// xxh3-128 of the embedded text.
    pub input_hash: [u8; 16],
}

/// The chunks of one revision, in order.
#[derive(Clone, Debug)]
pub struct ChunkedRevision {
    /// The revision.
    pub id: RevisionId,
    /// Its chunks; none if the text is blank.
    pub chunks: Vec<NewChunk>,
    /// All noise of its text.
    pub noise: Vec<Noise>,
    /// Chunker and settings used.
    pub chunk_fp: String,
}

/// A revision made with other settings than the current ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleRevision {
    /// The revision.
    pub id: RevisionId,
    /// Whether it is the one that searches see.
    pub is_live: bool,
    /// Whether its chunks have other settings; otherwise only its vectors do.
    pub needs_chunking: bool,
}

impl StaleRevision {
    /// Reports whether it is reset to its text.
    pub fn is_to_be_chunked(&self) -> bool {
        !self.is_live || self.needs_chunking
    }
}

/// The first chunk of each revision, and new ranges of the queue.
pub type Enqueued = (Vec<Option<ChunkId>>, Vec<ChunkRange>);

impl Reader {
    /// Returns revisions whose text is saved and not chunked, oldest first: at least one if there
    /// are any, and several only up to `bytes_max` of text.
    pub fn unchunked(&self, bytes_max: usize) -> Result<Vec<TextRevision>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT revision.id, document.source, document.uri, revision.title,
                        revision.media_type, content.text, content.lines, revision.metadata
                 FROM revision JOIN document ON document.id = revision.document_id
                 JOIN content ON content.id = revision.content_id
                 WHERE revision.state <> 'live' AND revision.state = 'saved' ORDER BY revision.id",
            )?;
            let mut rows = statement.query([])?;
            let mut revisions = Vec::new();
            let mut bytes = 0;
            while let Some(row) = rows.next()? {
                let revision = TextRevision {
                    id: RevisionId(row.get(0)?),
                    source: row.get(1)?,
                    uri: row.get(2)?,
                    title: row.get(3)?,
                    about: analysis::about(&row.get::<_, String>(7)?),
                    media_type: media_type(4, &row.get::<_, String>(4)?)?,
                    text: super::convert::utf8(row.get(5)?)?,
                    lines: LineMap::from_bytes(row.get::<_, Option<Vec<u8>>>(6)?.as_deref()),
                };
                bytes += revision.text.len();
                if bytes > bytes_max && !revisions.is_empty() {
                    break;
                }
                revisions.push(revision);
            }
            Ok(revisions)
        })
    }

    /// Returns how many revisions [`Self::unchunked`] would return in the end.
    pub fn unchunked_count(&self) -> Result<u64, KbError> {
        self.read(|tx| {
            let sql = "SELECT COUNT(*) FROM revision WHERE state <> 'live' AND state = 'saved'";
            Ok(from_sql(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
        })
    }

    /// Returns how many revisions [`Self::stale_revisions`] would return without a limit.
    pub fn stale_count(
        &self,
        chunk_fps: &[(MediaType, String)],
        embed_fp: &str,
    ) -> Result<u64, KbError> {
        let (stale, parameters) = stale(chunk_fps, embed_fp);
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&format!("SELECT COUNT(*) {stale}"))?;
            let count = statement.query_row(params_from_iter(&parameters), |row| row.get(0))?;
            Ok(from_sql(count))
        })
    }

    /// Returns up to `limit` chunked or live revisions made with other settings than these.
    ///
    /// `chunk_fps` has the current chunk fingerprint of every media type.
    pub fn stale_revisions(
        &self,
        chunk_fps: &[(MediaType, String)],
        embed_fp: &str,
        limit: usize,
    ) -> Result<Vec<StaleRevision>, KbError> {
        let (stale, parameters) = stale(chunk_fps, embed_fp);
        let sql = format!(
            "SELECT id, state = 'live', chunk_fp <> wanted {stale} ORDER BY id LIMIT {limit}"
        );
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let stale = statement.query_map(params_from_iter(&parameters), |row| {
                Ok(StaleRevision {
                    id: RevisionId(row.get(0)?),
                    is_live: row.get(1)?,
                    needs_chunking: row.get(2)?,
                })
            })?;
            Ok(stale.collect::<Result<_, _>>()?)
        })
    }
}

/// Returns the part of a statement that names the stale revisions, with its parameters.
fn stale<'a>(chunk_fps: &'a [(MediaType, String)], embed_fp: &'a str) -> (String, Vec<&'a str>) {
    // One pass over all revisions, as even a run that finds nothing to do makes it.
    let kinds = "WHEN ? THEN ? ".repeat(chunk_fps.len());
    let sql = format!(
        "FROM
           (SELECT id, document_id, state, chunk_fp, embed_fp, CASE media_type {kinds}END AS wanted
            FROM revision WHERE state <> 'saved') AS this
         WHERE (chunk_fp <> wanted OR embed_fp <> ?)
           AND (state <> 'live' OR NOT EXISTS (SELECT 1 FROM revision
                WHERE document_id = this.document_id AND state <> 'live'))"
    );
    let mut parameters = Vec::new();
    for (kind, chunk_fp) in chunk_fps {
        parameters.extend([kind.as_str(), chunk_fp.as_str()]);
    }
    parameters.push(embed_fp);
    (sql, parameters)
}

impl Run<'_> {
    /// Writes chunks and queues them; returns the id of each revision's first chunk (`None` if it
    /// has none) and the new ranges of the queue. A revision without chunks becomes live here.
    pub fn enqueue(
        &self,
        revisions: &[ChunkedRevision],
        embed_fp: &str,
        progress: &ProgressReport,
    ) -> Result<Enqueued, KbError> {
        self.write_counted(Metrics::default(), Some(progress), |tx, delta| {
            let total: usize = revisions.iter().map(|revision| revision.chunks.len()).sum();
            let first = take_ids(tx, "chunk", total as u64)?;
            let mut next = first;
            let mut firsts = Vec::with_capacity(revisions.len());
            let mut empty = Vec::new();
            let mut insert = tx.prepare_cached(INSERT_CHUNK)?;
            for revision in revisions {
                let first_chunk = (!revision.chunks.is_empty()).then_some(next);
                if first_chunk.is_none() {
                    empty.push(revision.id);
                }
                tx.prepare_cached(
                    "UPDATE revision SET state = 'chunked', first_chunk = ?2, chunk_total = ?3,
                            chunk_fp = ?4, embed_fp = ?5, run_id = ?6, chunks_checksum = ?7
                     WHERE id = ?1",
                )?
                .execute(params![
                    revision.id.0,
                    first_chunk,
                    size_to_sql(revision.chunks.len()),
                    revision.chunk_fp,
                    embed_fp,
                    self.key.id.0,
                    chunks_checksum(revision),
                ])?;
                for (ordinal, chunk) in revision.chunks.iter().enumerate() {
                    insert_chunk(&mut insert, next, revision.id, &chunk_row(ordinal, chunk))?;
                    next += 1;
                }
                firsts.push(first_chunk.map(ChunkId));
            }
            revisions::publish(tx, &empty)?;
            let ranges = queue_range(tx, first, next)?;
            delta.chunks_queued += total as u64;
            Ok((firsts, ranges))
        })
    }

    /// Resets every unfinished revision that was chunked with other settings to its saved text.
    ///
    /// Done before a consumer starts: it would store vectors of the current embedder under the name
    /// of another, or of chunks that the producer is about to replace.
    pub fn reset_stale(
        &self,
        chunk_fps: &[(MediaType, String)],
        embed_fp: &str,
    ) -> Result<(), KbError> {
        let stale = self.read(|tx| {
            let mut stale: Vec<i64> = Vec::new();
            for (kind, chunk_fp) in chunk_fps {
                let mut statement = tx.prepare_cached(
                    "SELECT id FROM revision
                     WHERE state <> 'live' AND state = 'chunked' AND media_type = ?1
                       AND (chunk_fp <> ?2 OR embed_fp <> ?3)",
                )?;
                let ids = statement
                    .query_map([kind.as_str(), chunk_fp, embed_fp], |row| row.get::<_, i64>(0))?;
                stale.extend(ids.collect::<Result<Vec<_>, _>>()?);
            }
            Ok(stale)
        })?;
        if stale.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            for id in stale {
                if let Some(row) = revisions::find(tx, RevisionId(id))? {
                    revisions::reset_to_saved(tx, &row, self.key.id)?;
                }
            }
            Ok(())
        })
    }

    /// Resets revisions to the stage that a changed setting requires; live ones stay live beside a
    /// new revision that shares their text. Returns the ranges queued if only vectors are needed.
    pub fn redo(
        &self,
        stale: &[StaleRevision],
        embed_fp: &str,
    ) -> Result<Vec<ChunkRange>, KbError> {
        self.write_counted(Metrics::default(), None, |tx, delta| {
            let mut ranges = Vec::new();
            for revision in stale {
                let Some(row) = revisions::find(tx, revision.id)? else { continue };
                if !revision.is_live {
                    revisions::reset_to_saved(tx, &row, self.key.id)?;
                    continue;
                }
                delta.documents_restaged += 1;
                let copy = copy_revision(tx, self.key, &row)?;
                if !revision.needs_chunking {
                    let copied = copy_chunks(tx, &row, copy, embed_fp)?;
                    delta.chunks_queued += copied.iter().map(chunk_count).sum::<u64>();
                    ranges.extend(copied);
                }
            }
            Ok(ranges)
        })
    }
}

/// Returns the number of ids in a range.
pub fn chunk_count(range: &ChunkRange) -> u64 {
    super::convert::from_sql(range.last.0 - range.first.0 + 1)
}

/// Queues the chunks `first .. end` in ranges.
fn queue_range(tx: &Transaction<'_>, first: i64, end: i64) -> Result<Vec<ChunkRange>, KbError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO queue (first_chunk, last_chunk, state) VALUES (?1, ?2, 'pending')",
    )?;
    let mut ranges = Vec::new();
    let mut start = first;
    while start < end {
        let last = (start + CHUNKS_PER_RANGE).min(end) - 1;
        insert.execute([start, last])?;
        ranges.push(ChunkRange { first: ChunkId(start), last: ChunkId(last) });
        start = last + 1;
    }
    Ok(ranges)
}

const INSERT_CHUNK: &str = "INSERT INTO chunk
    (id, revision_id, ordinal, start_byte, end_byte, start_line, end_line, prefix_start, prefix_end,
     overlap_start, heading_path, token_count, key, input_hash, row_start, row_end)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

fn insert_chunk(
    insert: &mut Statement<'_>,
    id: i64,
    revision: RevisionId,
    row: &ChunkRow<'_>,
) -> Result<(), KbError> {
    let ChunkRow {
        numbers: [ordinal, start, end, first, last, prefix, prefix_end, overlap, tokens],
        row_head: [row_start, row_end],
        ..
    } = row;
    insert.execute(params![
        id,
        revision.0,
        ordinal,
        start,
        end,
        first,
        last,
        prefix,
        prefix_end,
        overlap,
        row.heading_path,
        tokens,
        row.key,
        row.input_hash,
        row_start,
        row_end,
    ])?;
    Ok(())
}

/// Returns the row of the chunk that is the `ordinal`-th of its revision.
fn chunk_row(ordinal: usize, new: &NewChunk) -> ChunkRow<'_> {
    let NewChunk { chunk, key, input_hash } = new;
    let number = |size| Some(size_to_sql(size));
    ChunkRow {
        numbers: [
            number(ordinal),
            number(chunk.span.start),
            number(chunk.span.end),
            number(chunk.lines.first),
            number(chunk.lines.last),
            chunk.prefix.map(|prefix| size_to_sql(prefix.start)),
            chunk.prefix.map(|prefix| size_to_sql(prefix.end)),
            chunk.overlap.map(|overlap| size_to_sql(overlap.start)),
            number(chunk.token_count),
        ],
        row_head: [
            chunk.row_head.map(|row| size_to_sql(row.start)),
            chunk.row_head.map(|row| size_to_sql(row.end)),
        ],
        heading_path: &chunk.heading_path,
        key,
        input_hash,
    }
}

fn miscounted(row: &RevisionRow) -> KbError {
    KbError::Damaged(format!("revision {} does not have the chunks that it counts", row.id.0))
}

fn chunks_checksum(revision: &ChunkedRevision) -> i64 {
    let mut checksum = seal::Chunks::new(&revision.chunk_fp);
    for (ordinal, chunk) in revision.chunks.iter().enumerate() {
        checksum.add(&chunk_row(ordinal, chunk));
    }
    checksum.finish()
}

/// Adds a revision in state `saved` with the text of `row`.
pub fn copy_revision(
    tx: &Transaction<'_>,
    run: RunKey,
    row: &RevisionRow,
) -> Result<RevisionId, KbError> {
    let id = RevisionId(take_ids(tx, "revision", 1)?);
    tx.prepare_cached(
        "INSERT INTO revision (id, document_id, content_id, run_id, content_hash, title, media_type,
                               encoding, metadata, extract_fp, text_bytes, checksum, state)
         SELECT ?2, document_id, content_id, ?3, content_hash, title, media_type, encoding, metadata,
                extract_fp, text_bytes, checksum, 'saved'
         FROM revision WHERE id = ?1",
    )?
    .execute([row.id.0, id.0, run.id.0])?;
    Ok(id)
}

/// Gives the saved revision `copy` the chunks of `row` under new ids and queues them.
pub fn copy_chunks(
    tx: &Transaction<'_>,
    row: &RevisionRow,
    copy: RevisionId,
    embed_fp: &str,
) -> Result<Vec<ChunkRange>, KbError> {
    let (old_first, total) = match row.chunk_ids() {
        Some((first, last)) => (first, last - first + 1),
        None => (0, 0),
    };
    let first = take_ids(tx, "chunk", super::convert::from_sql(total))?;
    tx.prepare_cached(
        "UPDATE revision SET state = 'chunked', first_chunk = ?2, chunk_total = ?3, embed_fp = ?4,
                chunk_fp = (SELECT chunk_fp FROM revision WHERE id = ?5),
                chunks_checksum = (SELECT chunks_checksum FROM revision WHERE id = ?5)
         WHERE id = ?1",
    )?
    .execute(params![copy.0, (total > 0).then_some(first), total, embed_fp, row.id.0])?;
    tx.prepare_cached(
        "INSERT INTO chunk (id, revision_id, ordinal, start_byte, end_byte, start_line, end_line,
                            prefix_start, prefix_end, overlap_start, heading_path, token_count, key,
                            input_hash, row_start, row_end)
         SELECT id + ?3, ?2, ordinal, start_byte, end_byte, start_line, end_line, prefix_start,
                prefix_end, overlap_start, heading_path, token_count, key, input_hash, row_start,
                row_end
         FROM chunk WHERE revision_id = ?1 ORDER BY id",
    )?
    .execute([row.id.0, copy.0, first - old_first])
    .map(size_to_sql)
    .map_err(KbError::from)
    .and_then(|copied| if copied == total { Ok(()) } else { Err(miscounted(row)) })?;
    if total == 0 {
        revisions::publish(tx, &[copy])?;
    }
    queue_range(tx, first, first + total)
}

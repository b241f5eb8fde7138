//! Mending what `check` finds: derived data is dropped and queued again, live documents stay.
//!
//! A text that is damaged cannot be made again from the file: its document is marked to be read anew, and
//! its old revision stays until the new one is live.

use std::collections::BTreeSet;

use rusqlite::Transaction;
use serde::Serialize;

use super::convert::to_sql;
use super::tally::RunKey;
use super::{KnowledgeBase, revisions, stage, vectors, verify};
use crate::domain::{RevisionId, RunId};
use crate::kb::KbError;

/// What a repair did. Queued work and documents to be read anew are done by the next `ingest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Rows that belonged to nothing.
    pub orphans_removed: u64,
    /// Live documents whose vectors are made again.
    pub documents_requeued: u64,
    /// Documents whose saved text or chunks are made again from their source.
    pub documents_to_read: u64,
    /// Chunks that were entered into the full-text index again.
    pub chunks_indexed: u64,
}

/// Removes rows that belong to nothing; each statement is safe to repeat.
const ORPHANS: &[&str] = &[
    "DELETE FROM chunk WHERE NOT EXISTS (SELECT 1 FROM revision WHERE id = revision_id)",
    "DELETE FROM content WHERE NOT EXISTS (SELECT 1 FROM revision WHERE content_id = content.id)",
    "DELETE FROM queue WHERE NOT EXISTS (SELECT 1 FROM chunk
       WHERE id BETWEEN first_chunk AND last_chunk
         AND NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id))",
    "DELETE FROM failure WHERE NOT EXISTS (SELECT 1 FROM document WHERE id = document_id)",
    "DELETE FROM document
       WHERE NOT EXISTS (SELECT 1 FROM revision WHERE document_id = document.id)
         AND NOT EXISTS (SELECT 1 FROM failure WHERE document_id = document.id)",
];

/// Revisions whose chunks or spans contradict themselves or the text.
const BROKEN_CHUNKS: &str =
    "SELECT revision.id FROM revision LEFT JOIN chunk ON chunk.revision_id = revision.id
     LEFT JOIN content ON content.id = revision.content_id
     GROUP BY revision.id
     HAVING count(chunk.id) <> chunk_total OR content.id IS NULL
        OR (chunk_total > 0 AND (min(chunk.id) <> first_chunk OR max(ordinal) <> chunk_total - 1
            OR max(chunk.end_byte) > length(content.text)))";

/// Revisions whose spans are out of order, overlap, or cut a character in two.
const BROKEN_SPANS: &str = "SELECT DISTINCT revision.id FROM chunk
     JOIN revision ON revision.id = chunk.revision_id
     JOIN content ON content.id = revision.content_id
     LEFT JOIN chunk AS next ON next.id = chunk.id + 1 AND next.revision_id = revision.id
     WHERE chunk.end_byte > next.start_byte OR chunk.ordinal + 1 <> next.ordinal
        OR chunk.start_line > next.start_line
        OR substr(content.text, chunk.start_byte + 1, 1) BETWEEN x'80' AND x'BF'
        OR substr(content.text, chunk.end_byte + 1, 1) BETWEEN x'80' AND x'BF'";

/// Queues pages whose document is gone, or about to be read anew.
const PAGES: &str = "UPDATE frontier SET state = 'queued', reason = NULL, settings = NULL
     WHERE state IN ('fetched', 'unchanged') AND NOT EXISTS (SELECT 1 FROM document
       WHERE document.source = frontier.source AND extract_fp <> ''
         AND replace(document.uri, '/', char(1)) = replace(frontier.url, '/', char(1)))";

/// Raises each counter over the ids that are given out; safe to repeat.
const COUNTERS: &str = "
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM chunk)) WHERE name = 'chunk';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM revision))
       WHERE name = 'revision';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM content))
       WHERE name = 'content';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM document))
       WHERE name = 'document';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM run)) WHERE name = 'run'";

/// Sets right how long the texts are.
const LENGTHS: &str = "UPDATE revision SET text_bytes = length(text) FROM content
     WHERE content.id = content_id AND text_bytes <> length(text)";

/// Sets right what each run has queued, after its chunks were dropped or queued again.
const TALLIES: &str = "UPDATE run SET chunks_queued = chunks_stored + chunks_superseded
       + (SELECT count(*) FROM revision JOIN chunk ON chunk.revision_id = revision.id
          WHERE revision.run_id = run.id AND state = 'chunked'
            AND NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id))";

/// Revisions that do not have the vectors they count, or whose waiting chunks are in no queue.
const BROKEN_VECTORS: &str = "WITH revision_vectors AS (
       SELECT revision.id, state, chunk_stored, chunk.id AS chunk_id,
              EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id) AS is_stored
       FROM revision JOIN chunk ON chunk.revision_id = revision.id)
     SELECT id FROM revision_vectors GROUP BY id
     HAVING sum(is_stored) <> chunk_stored
        OR (state = 'chunked' AND sum(NOT is_stored AND NOT EXISTS (SELECT 1 FROM queue
            WHERE chunk_id BETWEEN queue.first_chunk AND last_chunk)) > 0)";

impl KnowledgeBase {
    /// Removes orphans, queues damaged or missing vectors again, and marks documents whose text is damaged
    /// to be read anew. Nothing that searches see is deleted.
    pub fn repair(&self) -> Result<Repair, KbError> {
        self.write(|tx| {
            let mut repair = Repair::default();
            tx.execute_batch(COUNTERS)?;
            tx.execute_batch(LENGTHS)?;
            let orphans = revisions::without_document(tx)?;
            repair.orphans_removed += orphans.len() as u64;
            revisions::remove(tx, &orphans)?;
            repair.orphans_removed += vectors::remove_orphans(tx)?;
            for sql in ORPHANS {
                repair.orphans_removed += tx.execute(sql, [])? as u64;
            }
            let mut to_read = ids(tx, BROKEN_CHUNKS)?;
            to_read.extend(ids(tx, BROKEN_SPANS)?);
            to_read.extend(verify::texts(tx)?.iter().map(|damaged| damaged.revision));
            for revision in &to_read {
                read_again(tx, *revision)?;
            }
            let mut to_embed = ids(tx, BROKEN_VECTORS)?;
            to_embed.extend(verify::vectors(tx)?.iter().map(|damaged| damaged.revision));
            for revision in to_embed.difference(&to_read) {
                embed_again(tx, *revision)?;
            }
            tx.execute_batch(PAGES)?;
            tx.execute_batch(TALLIES)?;
            repair.documents_to_read = to_read.len() as u64;
            repair.documents_requeued = to_embed.difference(&to_read).count() as u64;
            Ok(repair)
        })
    }
}

fn ids(tx: &Transaction<'_>, sql: &str) -> Result<BTreeSet<RevisionId>, KbError> {
    let mut statement = tx.prepare(sql)?;
    let ids = statement.query_map([], |row| row.get(0).map(RevisionId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Marks the document of `revision` to be read anew; drops the revision where nobody sees it.
fn read_again(tx: &Transaction<'_>, revision: RevisionId) -> Result<(), KbError> {
    // What it counts may reach into the chunks of another, which would go with its own.
    tx.execute(
        "UPDATE revision SET first_chunk = real.first_chunk, chunk_total = real.total,
                chunk_stored = iif(state = 'live', real.total, min(chunk_stored, real.total))
         FROM (SELECT min(id) AS first_chunk, ifnull(max(id) - min(id) + 1, 0) AS total
               FROM chunk WHERE revision_id = ?1) AS real
         WHERE id = ?1 AND state <> 'saved'",
        [revision.0],
    )?;
    let Some(row) = revisions::find(tx, revision)? else { return Ok(()) };
    // No extractor has an empty name: the next run takes the text for one of another extractor.
    tx.execute("UPDATE revision SET extract_fp = '' WHERE id = ?1", [revision.0])?;
    tx.execute(
        "UPDATE document SET version = NULL, extract_fp = '' WHERE id = ?1",
        [row.document.0],
    )?;
    if !row.is_live {
        revisions::remove(tx, &[row])?;
    }
    Ok(())
}

/// Queues the chunks of `revision` again; a live one stays live beside its copy.
fn embed_again(tx: &Transaction<'_>, revision: RevisionId) -> Result<(), KbError> {
    let Some(row) = revisions::find(tx, revision)? else { return Ok(()) };
    let run = RunId(tx.query_row("SELECT ifnull(max(id), 0) FROM run", [], |row| row.get(0))?);
    if !row.is_live {
        return revisions::back_to_saved(tx, &row, run);
    }
    // An unfinished revision is about to replace it anyway.
    let replaced: bool = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM revision WHERE document_id = ?1 AND state <> 'live')",
        [row.document.0],
        |row| row.get(0),
    )?;
    if replaced {
        return Ok(());
    }
    // The owner plays no part: the lock is held and no run is at work.
    let copy = stage::copy_revision(tx, RunKey { id: run, owner: 0 }, &row)?;
    let embed_fp: String =
        tx.query_row("SELECT embed_fp FROM revision WHERE id = ?1", [revision.0], |row| {
            row.get(0)
        })?;
    let ranges = stage::copy_chunks(tx, &row, copy, &embed_fp)?;
    let queued: u64 = ranges.iter().map(stage::chunk_count).sum();
    tx.execute(
        "UPDATE run SET chunks_queued = chunks_queued + ?2 WHERE id = ?1",
        [run.0, to_sql(queued)],
    )?;
    Ok(())
}

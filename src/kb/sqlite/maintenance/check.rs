//! The invariants of a knowledge base, as queries that find violations.

use rusqlite::Transaction;
use serde::Serialize;

use super::{Maintenance, verify};
use crate::domain::{ChunkId, MediaType, RevisionId};
use crate::kb::KbError;
use crate::kb::sqlite::convert::media_type;
use crate::kb::sqlite::index::{self, Expected, IndexRows, MAKE_INSTANCES, unfound_words};
use crate::kb::sqlite::loaded::{LoadedRevision, load_where, load_whole};

/// Findings listed per invariant.
const FINDINGS_MAX: usize = 100;

/// Texts that are recomputed together.
const BATCH_BYTES: usize = 8 << 20;

/// The invariant of the tokens in the index.
const INDEX_CONTENT: &str = "the full-text index holds the tokens of its texts";

/// A violation of an invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant that is violated.
    pub invariant: &'static str,
    /// The document, run or row concerned.
    pub subject: String,
}

/// The result of recomputing everything from the texts of some live revisions.
#[derive(Debug, Default)]
pub struct Recomputed {
    /// Their rows in the full-text index.
    pub rows: Vec<IndexRows>,
    /// Chunks whose embedded text or key differs from the stored one.
    pub differing: Vec<ChunkId>,
}

/// The invariant of the texts and their chunks.
const TEXT_COVERED: &str = "every text is in its chunks, title and headings";

/// A live text with the places of its chunks.
#[derive(Debug)]
pub struct ChunkedText {
    /// The kind of text.
    pub media_type: MediaType,
    /// Chunker and settings that were used.
    pub chunk_fp: String,
    /// The text, and its chunks in order.
    pub revision: LoadedRevision,
}

/// Name of the document behind a revision, in SQL.
const DOCUMENT: &str =
    "(SELECT source || ':' || uri FROM document WHERE id = revision.document_id)";

/// Each invariant with a query for its violations; `{document}` names the document of `revision`.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "a document has a revision or a failure",
        "SELECT source || ':' || uri FROM document
         WHERE NOT EXISTS (SELECT 1 FROM revision WHERE document_id = document.id)
           AND NOT EXISTS (SELECT 1 FROM failure WHERE document_id = document.id)",
    ),
    (
        "a page that the last run has fetched has its document",
        "SELECT source || ':' || url FROM frontier
         WHERE state IN ('fetched', 'unchanged') AND run_id = (SELECT max(id) FROM run)
           AND NOT EXISTS (SELECT 1 FROM document
                           WHERE document.source = frontier.source
                             AND replace(document.uri, '/', char(1)) = replace(url, '/', char(1)))",
    ),
    (
        "a revision has its chunks, numbered without a gap",
        "SELECT {document} FROM revision LEFT JOIN chunk ON chunk.revision_id = revision.id
         GROUP BY revision.id
         HAVING count(chunk.id) <> chunk_total
             OR (chunk_total > 0 AND (min(chunk.id) <> first_chunk
                 OR max(chunk.id) <> first_chunk + chunk_total - 1
                 OR min(ordinal) <> 0 OR max(ordinal) <> chunk_total - 1))",
    ),
    (
        "a revision has as many vectors as it counts",
        "SELECT {document} FROM revision
         WHERE chunk_stored <> (SELECT count(*) FROM chunk WHERE revision_id = revision.id
           AND EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id))",
    ),
    (
        "every vector has its chunk",
        "WITH RECURSIVE slot (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM slot WHERE place < 127),
         stored AS (SELECT vector_space.id AS space, embed_fp,
                           (vector_block.id & ((1 << 40) - 1)) * width + place - 1 AS chunk_id
                    FROM vector_block JOIN vector_space ON vector_space.id = vector_block.id >> 40
                    JOIN slot ON instr(slots, CAST(char(place) AS BLOB)) > 0)
         SELECT 'vector ' || chunk_id FROM stored
         WHERE NOT EXISTS (SELECT 1 FROM chunk JOIN revision ON revision.id = chunk.revision_id
                           WHERE chunk.id = chunk_id AND revision.embed_fp = stored.embed_fp)",
    ),
    (
        "every chunk has its revision",
        "SELECT 'chunk ' || id FROM chunk
         WHERE NOT EXISTS (SELECT 1 FROM revision WHERE id = revision_id)",
    ),
    (
        "every text has its revision",
        "SELECT 'text ' || id FROM content
         WHERE NOT EXISTS (SELECT 1 FROM revision WHERE content_id = content.id)",
    ),
    (
        "a revision tells how long its text is",
        "SELECT {document} FROM revision JOIN content ON content.id = content_id
         WHERE text_bytes <> length(text)",
    ),
    (
        "every live chunk is in the full-text index",
        "SELECT {document} || ' chunk ' || chunk.id FROM chunk
         JOIN revision ON revision.id = chunk.revision_id AND state = 'live'
         WHERE NOT EXISTS (SELECT 1 FROM chunk_fts_docsize WHERE chunk_fts_docsize.id = chunk.id)",
    ),
    (
        "the full-text index holds live chunks only",
        "SELECT 'full-text row ' || id FROM chunk_fts_docsize
         WHERE NOT EXISTS (SELECT 1 FROM chunk JOIN revision ON revision.id = chunk.revision_id
                           WHERE chunk.id = chunk_fts_docsize.id AND state = 'live')",
    ),
    (
        "a block of vectors has an entry for each of its slots",
        "SELECT 'block ' || vector_block.id FROM vector_block
         LEFT JOIN vector_space ON vector_space.id = vector_block.id >> 40
         WHERE vector_space.id IS NULL OR length(slots) = 0
            OR length(entries) <> length(slots) * (dim + 12)",
    ),
    (
        "a chunk that waits for its vector is in the queue",
        "SELECT {document} || ' chunk ' || chunk.id FROM chunk
         JOIN revision ON revision.id = chunk.revision_id AND state = 'chunked'
         WHERE NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id)
           AND NOT EXISTS (SELECT 1 FROM queue WHERE chunk.id BETWEEN first_chunk AND last_chunk)",
    ),
    (
        "a queue row names a chunk without a vector",
        "SELECT 'queue row ' || first_chunk FROM queue
         WHERE NOT EXISTS (SELECT 1 FROM chunk WHERE id BETWEEN first_chunk AND last_chunk
                           AND NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id))",
    ),
    (
        "queue rows do not overlap",
        "SELECT 'queue row ' || first_chunk FROM queue AS this
         WHERE EXISTS (SELECT 1 FROM queue WHERE first_chunk > this.first_chunk
                       AND first_chunk <= this.last_chunk)",
    ),
    (
        "queued = stored + waiting + superseded, in every run",
        "SELECT 'run ' || run.id FROM run WHERE chunks_queued <> chunks_stored + chunks_superseded
           + (SELECT count(*) FROM revision JOIN chunk ON chunk.revision_id = revision.id
              WHERE revision.run_id = run.id AND state = 'chunked'
                AND NOT EXISTS (SELECT 1 FROM vector WHERE chunk_id = chunk.id))",
    ),
    (
        "crawled = new + changed + unchanged + failed + skipped, in every run",
        "SELECT 'run ' || id FROM run WHERE documents_crawled <> documents_new + documents_changed
           + documents_unchanged + documents_failed + documents_skipped",
    ),
    (
        "spans are inside the text, in order, and do not overlap",
        "SELECT {document} || ' chunk ' || chunk.id FROM chunk
         JOIN revision ON revision.id = chunk.revision_id
         JOIN content ON content.id = revision.content_id
         LEFT JOIN chunk AS next ON next.id = chunk.id + 1 AND next.revision_id = revision.id
         WHERE chunk.end_byte > length(content.text) OR chunk.end_byte > next.start_byte
            OR chunk.ordinal + 1 <> next.ordinal OR chunk.start_line > next.start_line AND content.lines IS NULL",
    ),
    (
        "spans begin and end on character boundaries",
        "SELECT {document} || ' chunk ' || chunk.id FROM chunk
         JOIN revision ON revision.id = chunk.revision_id
         JOIN content ON content.id = revision.content_id
         WHERE substr(content.text, chunk.start_byte + 1, 1) BETWEEN x'80' AND x'BF'
            OR substr(content.text, chunk.end_byte + 1, 1) BETWEEN x'80' AND x'BF'",
    ),
    (
        "a document was read by the extractor of its newest text",
        "SELECT source || ':' || uri FROM document
         WHERE version IS NOT NULL AND NOT EXISTS (SELECT 1 FROM failure WHERE document_id = document.id)
           AND extract_fp <> (SELECT extract_fp FROM revision WHERE document_id = document.id
                              ORDER BY id DESC LIMIT 1)",
    ),
    (
        "counters are as large as counters can become",
        "SELECT name FROM counter WHERE last >= 1 << 40",
    ),
    (
        "the counters are there",
        "SELECT 'counters' WHERE (SELECT count(*) FROM counter) < 5",
    ),
    (
        "ids stay below their counters",
        "SELECT 'chunk' WHERE (SELECT max(id) FROM chunk) > (SELECT last FROM counter WHERE name = 'chunk')
         UNION ALL SELECT 'revision' WHERE (SELECT max(id) FROM revision)
                   > (SELECT last FROM counter WHERE name = 'revision')
         UNION ALL SELECT 'document' WHERE (SELECT max(id) FROM document)
                   > (SELECT last FROM counter WHERE name = 'document')
         UNION ALL SELECT 'content' WHERE (SELECT max(id) FROM content)
                   > (SELECT last FROM counter WHERE name = 'content')",
    ),
];

/// Returns the tables with an unreadable row, and the partial indexes with an unreadable entry:
/// `integrity_check` does not find these.
fn unreadable(tx: &Transaction<'_>) -> Result<Vec<String>, KbError> {
    let queries = strings(
        tx,
        "SELECT 'SELECT * FROM ' || name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '% STRICT%'
         UNION ALL
         SELECT 'SELECT 1 FROM ' || tbl_name || ' INDEXED BY ' || name || substr(sql, instr(sql, ' WHERE '))
         FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'",
    )?;
    let mut unreadable = Vec::new();
    for query in queries {
        let read = || {
            let mut statement = tx.prepare(&query)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                (0..columns).try_for_each(|column| row.get_ref(column).map(drop))?;
            }
            Ok(())
        };
        if let Err(error) = read().map_err(|error: rusqlite::Error| KbError::from(error)) {
            let what = error.damage().ok_or(error)?;
            unreadable.push(format!("{query}: {what}"));
        }
    }
    Ok(unreadable)
}

impl Maintenance<'_> {
    /// Returns all violations; empty for a sound knowledge base.
    ///
    /// With `read_data` every stored text and vector is read and compared with its checksum; SQLite
    /// and the invariants alone miss most flipped bits.
    pub fn check(&self, read_data: bool) -> Result<Vec<Finding>, KbError> {
        self.reader.read_all(|tx| {
            let mut findings = Vec::new();
            let mut note = |invariant, subjects: Result<Vec<String>, KbError>| {
                // A damaged page ends one query, not the whole check.
                let subjects =
                    subjects.or_else(|error| error.damage().map(|what| vec![what]).ok_or(error))?;
                let subjects = subjects.into_iter().take(FINDINGS_MAX);
                findings.extend(subjects.map(|subject| Finding { invariant, subject }));
                Ok::<(), KbError>(())
            };
            let pages = strings(tx, "PRAGMA integrity_check(100)");
            let pages = pages.map(|pages| pages.into_iter().filter(|line| line != "ok").collect());
            note("the file is sound", pages)?;
            note("rows refer to rows that exist", strings(tx, "PRAGMA foreign_key_check"))?;
            for (invariant, sql) in INVARIANTS {
                note(invariant, strings(tx, &sql.replace("{document}", DOCUMENT)))?;
            }
            let lost = index::segment_rows(tx).map(|(rows, sizes)| {
                let differs = rows != sizes;
                differs
                    .then(|| format!("{rows} rows in its segments, {sizes} sizes"))
                    .into_iter()
                    .collect()
            });
            note("the full-text index has all its segments", lost)?;
            if read_data {
                note("every row can be read", unreadable(tx))?;
                note("a text matches its checksum", verify::texts(tx))?;
                note("a vector matches its checksum", verify::vectors(tx))?;
                note("a revision matches its checksum", verify::revisions(tx))?;
                note("chunks match their checksums", verify::chunks(tx))?;
                note("a failure matches its checksum", verify::failures(tx))?;
            }
            Ok(findings)
        })
    }

    /// Returns the documents whose text is not all in their chunks: at each, `lost` returned a part
    /// of it, one line of which is named.
    pub fn check_covered(
        &self,
        lost: &dyn Fn(&ChunkedText) -> Option<usize>,
    ) -> Result<Vec<Finding>, KbError> {
        self.reader.read(|tx| {
            let sql = format!(
                "SELECT revision.id, media_type, chunk_fp, {DOCUMENT} FROM revision
                 WHERE state = 'live' ORDER BY id"
            );
            let mut statement = tx.prepare(&sql)?;
            let mut rows = statement.query([])?;
            let mut findings = Vec::new();
            while let Some(row) = rows.next()?.filter(|_| findings.len() < FINDINGS_MAX) {
                let text = ChunkedText {
                    media_type: media_type(1, &row.get::<_, String>(1)?)?,
                    chunk_fp: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
                    revision: load_whole(tx, RevisionId(row.get(0)?))?,
                };
                if let Some(line) = lost(&text) {
                    let subject = format!("{} line {line}", row.get::<_, String>(3)?);
                    findings.push(Finding { invariant: TEXT_COVERED, subject });
                }
            }
            Ok(findings)
        })
    }

    /// Returns the differences from what `recompute` computes from the saved texts: embedded texts,
    /// keys of chunks, and the full-text index with all its positions.
    ///
    /// `recompute` gets a batch of whole live revisions at a time.
    pub fn check_recomputed(
        &self,
        recompute: &dyn Fn(&[LoadedRevision]) -> Recomputed,
    ) -> Result<Vec<Finding>, KbError> {
        self.reader.read(|tx| {
            let mut findings = Vec::new();
            let mut note = |invariant, subject| {
                if findings.len() < FINDINGS_MAX {
                    findings.push(Finding { invariant, subject });
                }
            };
            let compared = compare(tx, recompute, &mut note);
            if let Err(error) = compared {
                note(INDEX_CONTENT, error.damage().ok_or(error)?);
            }
            Ok(findings)
        })
    }
}

fn compare(
    tx: &Transaction<'_>,
    recompute: &dyn Fn(&[LoadedRevision]) -> Recomputed,
    note: &mut dyn FnMut(&'static str, String),
) -> Result<(), KbError> {
    // The list is a temporary table of this connection, which otherwise only reads.
    tx.execute_batch("PRAGMA query_only = OFF")?;
    let made = tx.execute_batch(MAKE_INSTANCES);
    tx.execute_batch("PRAGMA query_only = ON")?;
    made?;
    let mut expected = Expected::default();
    let mut statement = tx.prepare(
        "SELECT id FROM revision WHERE state = 'live' AND chunk_total > 0 ORDER BY first_chunk",
    )?;
    let revisions = statement.query_map([], |row| row.get::<_, i64>(0))?;
    let revisions = revisions.collect::<Result<Vec<_>, _>>()?;
    let mut loaded = Vec::new();
    let mut text_bytes = 0;
    let mut pass = |loaded: &mut Vec<LoadedRevision>| {
        let Recomputed { rows, differing } = recompute(loaded);
        rows.into_iter().for_each(|rows| expected.add(rows));
        for chunk in differing {
            note("a chunk's hash is that of its embedded text", format!("chunk {}", chunk.0));
        }
        loaded.clear();
    };
    for revision in revisions {
        load_where(tx, "revision.id = ?1", &[revision], &mut loaded)?;
        text_bytes += loaded.last().map_or(0, |last: &LoadedRevision| last.text.len());
        if text_bytes >= BATCH_BYTES {
            pass(&mut loaded);
            text_bytes = 0;
        }
    }
    pass(&mut loaded);
    let (differing, are_totals_right) = expected.differing(tx)?;
    for chunk in differing {
        note(INDEX_CONTENT, format!("chunk {chunk}"));
    }
    if !are_totals_right {
        note(INDEX_CONTENT, "totals".to_owned());
    }
    for word in unfound_words(tx)?.into_iter().take(FINDINGS_MAX) {
        note("every word of the full-text index is found", word);
    }
    Ok(())
}

/// Returns the first column of every row, as text.
fn strings(tx: &Transaction<'_>, sql: &str) -> Result<Vec<String>, KbError> {
    let mut statement = tx.prepare(sql)?;
    let subjects = statement.query_map([], |row| row.get(0))?;
    Ok(subjects.collect::<Result<_, _>>()?)
}

//! Documents: saves what was read, records failures, removes what is gone.

use rusqlite::{OptionalExtension, Transaction, params};

use super::convert::{failure_kind, size_to_sql};
use super::failures::record_failure;
use super::run_row::{RunKey, recount_as_failed};
use super::{Run, Writer, failures, ledger, revisions, seal, take_ids};
use crate::domain::{
    DocumentId, FailureKind, LineMap, MediaType, Metrics, ProgressReport, RevisionId, RunId, Stage,
    Version,
};
use crate::kb::KbError;
use crate::support::clock::now_ms;

/// The run of a document of which no text was saved.
const NO_RUN: RunId = RunId(0);

/// The result of reading one document.
#[derive(Debug)]
pub struct Reading {
    /// The document, if the ledger knows it.
    pub document: Option<DocumentId>,
    /// Its URI.
    pub uri: String,
    /// Version of the bytes read; `None` if only their hash shows a change.
    pub version: Option<Version>,
    /// The extractor used.
    pub extract_fp: String,
    /// Whether this run has not counted the document yet.
    pub count: bool,
    /// Bytes read.
    pub size_bytes: u64,
    /// Text or failure.
    pub result: ReadResult,
}

impl Reading {
    /// Reports whether the document was not ingested.
    pub fn has_failed(&self) -> bool {
        matches!(self.result, ReadResult::Failed { .. })
    }
}

/// Text or failure.
#[derive(Debug)]
pub enum ReadResult {
    /// The document's text.
    Text(NewText),
    /// The document was not ingested; an older live revision stays.
    Failed {
        /// Step at which it failed.
        stage: Stage,
        /// What a later run does about it.
        kind: FailureKind,
        /// The error and its causes, one line.
        error: String,
    },
}

/// A document's text as extracted.
#[derive(Debug)]
pub struct NewText {
    /// blake3 of the bytes read.
    pub content_hash: [u8; 32],
    /// Title for people and for the embedded text.
    pub title: String,
    /// Decides how it is chunked.
    pub media_type: MediaType,
    /// Encoding of the bytes read.
    pub encoding: String,
    /// Front matter as a JSON object.
    pub metadata: String,
    /// The text.
    pub text: String,
    /// The lines of the file that its lines come from.
    pub lines: LineMap,
}

/// The result of saving a [`Reading`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveResult {
    /// A new revision was saved and has to be chunked.
    Saved(RevisionId),
    /// The content is unchanged.
    Unchanged,
    /// The failure was recorded.
    Failed,
}

impl Writer {
    /// Forgets that documents failed, so that the next listing reads them again; dead chunks go
    /// back to the queue.
    pub fn forgive_failures(&self) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute_batch(
                "UPDATE document SET version = NULL WHERE id IN
                   (SELECT document_id FROM failure WHERE kind <> 'skipped');
                 UPDATE queue SET state = 'pending', attempts = 0, is_alone = 0, error = NULL
                   WHERE state = 'dead';
                 DELETE FROM failure WHERE stage = 'embed';
                 UPDATE frontier SET state = 'queued', attempts = 0, not_before_ms = 0
                   WHERE state IN ('refused', 'failed');",
            )?;
            Ok(())
        })
    }

    /// Forgets the versions of all documents, and whether pages may be asked for by their last
    /// version, so that the next listing reads everything. What has the same bytes stays unchanged.
    pub fn forget_versions(&self) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute_batch(
                "UPDATE document SET version = NULL WHERE version IS NOT NULL;
                 UPDATE frontier SET settings = NULL WHERE settings IS NOT NULL;
                 DELETE FROM web_file;",
            )?;
            Ok(())
        })
    }

    /// Drops every revision that is not live, with its part of the queue, and every failure that is
    /// not known, and ends a killed run, so that a new run starts without unfinished work.
    pub fn abandon_unfinished(&self) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute(
                "UPDATE run SET status = 'cancelled', message = 'given up for a new run', ended_ms = ?1
                 WHERE status = 'running'",
                [now_ms()],
            )?;
            let unfinished = revisions::unfinished(tx)?;
            revisions::remove(tx, &unfinished)?;
            // The version belonged to the dropped text, or to the failure: the document must be
            // read again.
            tx.execute(
                "UPDATE document SET version = NULL WHERE id IN (SELECT document_id FROM failure)",
                [],
            )?;
            for revision in &unfinished {
                tx.execute(
                    "UPDATE document SET version = NULL WHERE id = ?1",
                    [revision.document.0],
                )?;
            }
            failures::forget_new(tx)?;
            super::frontier::end::forget_visits(tx)?;
            tx.execute(
                "DELETE FROM document
                 WHERE NOT EXISTS (SELECT 1 FROM revision WHERE document_id = document.id)
                   AND NOT EXISTS (SELECT 1 FROM failure WHERE document_id = document.id)",
                [],
            )?;
            Ok(())
        })
    }
}

impl Run<'_> {
    /// Saves a batch of readings of `source`; returns a result for each, in order.
    pub fn save(
        &self,
        source: &str,
        readings: &[Reading],
        delta: Metrics,
        progress: &ProgressReport,
    ) -> Result<Vec<SaveResult>, KbError> {
        self.write_counted(delta, Some(progress), |tx, delta| {
            let mut results = Vec::with_capacity(readings.len());
            for reading in readings {
                results.push(save_one(tx, self.key, source, reading, delta)?);
            }
            Ok(results)
        })
    }

    /// Reports whether this run has saved a text of `document`, and so has counted it.
    pub fn has_saved(&self, document: Option<DocumentId>) -> Result<bool, KbError> {
        let Some(document) = document else { return Ok(false) };
        self.read(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM document WHERE id = ?1 AND run_id = ?2)";
            Ok(tx.prepare_cached(sql)?.query_row([document.0, self.key.id.0], |row| row.get(0))?)
        })
    }

    /// Removes documents with everything made of them; ignores unknown ids.
    pub fn delete_documents(&self, documents: &[DocumentId]) -> Result<(), KbError> {
        self.write_counted(Metrics::default(), None, |tx, delta| {
            delta.documents_deleted += revisions::remove_of_documents(tx, documents)?;
            for document in documents {
                tx.prepare_cached("DELETE FROM failure WHERE document_id = ?1")?
                    .execute([document.0])?;
                tx.prepare_cached("DELETE FROM lost_document WHERE document_id = ?1")?
                    .execute([document.0])?;
                tx.prepare_cached("DELETE FROM document WHERE id = ?1")?.execute([document.0])?;
            }
            Ok(())
        })
    }

    /// Gives up a revision that is not live yet and records why.
    pub fn fail_revision(
        &self,
        revision: RevisionId,
        stage: Stage,
        error: &str,
    ) -> Result<(), KbError> {
        self.write(|tx| {
            if let Some(row) = revisions::find(tx, revision)? {
                let document = row.document;
                recount_as_failed(tx, self.key, document)?;
                revisions::remove(tx, &[row])?;
                record_failure(tx, self.key, document, stage, FailureKind::Permanent, error)?;
            }
            Ok(())
        })
    }
}

/// Saves one reading, as part of a batch.
pub fn save_one(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    reading: &Reading,
    delta: &mut Metrics,
) -> Result<SaveResult, KbError> {
    match reading.document {
        Some(document) => save_known(tx, run, (source, document), reading, delta),
        None => save_new(tx, run, source, reading, delta),
    }
}

fn save_known(
    tx: &Transaction<'_>,
    run: RunKey,
    (source, document): (&str, DocumentId),
    reading: &Reading,
    delta: &mut Metrics,
) -> Result<SaveResult, KbError> {
    let counted = u64::from(reading.count);
    delta.bytes_read += reading.size_bytes;
    match &reading.result {
        ReadResult::Failed { stage, kind, error } => {
            if reading.count {
                delta.count_without_text(Some(*kind));
            }
            // If the bytes could not be read, the ledger keeps the version of the last ones if
            // there is a text of them; without a text it is useless.
            if *stage != Stage::Crawl {
                note_reading(tx, document, reading)?;
            } else {
                forget_failed_reading(tx, document, &reading.extract_fp)?;
            }
            record_failure(tx, run, document, *stage, *kind, error)?;
            Ok(SaveResult::Failed)
        }
        ReadResult::Text(text) => {
            let newest = newest_revision(tx, document)?;
            let known = newest.as_ref().is_some_and(|(hash, extract_fp, _)| {
                *hash == text.content_hash && *extract_fp == reading.extract_fp
            });
            note_reading(tx, document, reading)?;
            if known {
                let failure = clear_crawl_failure(tx, run, document)?;
                if reading.count {
                    delta.count_without_text(failure);
                }
                return Ok(SaveResult::Unchanged);
            }
            note_text(tx, run, document)?;
            delta.documents_crawled += counted;
            if newest.is_some_and(|(_, _, has_live)| has_live) {
                delta.documents_changed += counted;
            } else {
                delta.documents_new += counted;
            }
            tx.prepare_cached("DELETE FROM failure WHERE document_id = ?1")?
                .execute([document.0])?;
            revisions::remove_unfinished(tx, document)?;
            let address = (source, reading);
            Ok(SaveResult::Saved(insert_revision(tx, run, document, address, text)?))
        }
    }
}

/// Saves the first reading of a document, for which there are no old rows to check, unless its
/// source lists a URI twice, as a file and as an entry that could not be listed.
fn save_new(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    reading: &Reading,
    delta: &mut Metrics,
) -> Result<SaveResult, KbError> {
    let document = DocumentId(take_ids(tx, "document", 1)?);
    let version = match &reading.result {
        ReadResult::Failed { stage: Stage::Crawl, .. } => None,
        _ => reading.version.as_ref().map(|version| version.0.as_str()),
    };
    let saved_by = match &reading.result {
        ReadResult::Text(_) => run.id,
        ReadResult::Failed { .. } => NO_RUN,
    };
    let inserted = tx
        .prepare_cached(
            "INSERT INTO document (id, source, uri, version, extract_fp, run_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            document.0,
            source,
            reading.uri,
            version,
            reading.extract_fp,
            saved_by.0
        ])?;
    if inserted == 0 {
        let known = ledger::find_document(tx, source, &reading.uri)?;
        let known =
            known.ok_or_else(|| KbError::Damaged("a document is there and is not".into()))?;
        return save_known(tx, run, (source, known), reading, delta);
    }
    delta.bytes_read += reading.size_bytes;
    match &reading.result {
        ReadResult::Failed { stage, kind, error } => {
            if reading.count {
                delta.count_without_text(Some(*kind));
            }
            record_failure(tx, run, document, *stage, *kind, error)?;
            Ok(SaveResult::Failed)
        }
        ReadResult::Text(text) => {
            delta.documents_crawled += u64::from(reading.count);
            delta.documents_new += u64::from(reading.count);
            let address = (source, reading);
            Ok(SaveResult::Saved(insert_revision(tx, run, document, address, text)?))
        }
    }
}

fn note_reading(
    tx: &Transaction<'_>,
    document: DocumentId,
    reading: &Reading,
) -> Result<(), KbError> {
    let version = reading.version.as_ref().map(|version| version.0.as_str());
    tx.prepare_cached("UPDATE document SET version = ?2, extract_fp = ?3 WHERE id = ?1")?
        .execute(params![document.0, version, reading.extract_fp])?;
    Ok(())
}

/// Records that `run` saves a text of `document`, and so counts it.
fn note_text(tx: &Transaction<'_>, run: RunKey, document: DocumentId) -> Result<(), KbError> {
    tx.prepare_cached("UPDATE document SET run_id = ?2 WHERE id = ?1")?
        .execute([document.0, run.id.0])?;
    Ok(())
}

fn forget_failed_reading(
    tx: &Transaction<'_>,
    document: DocumentId,
    extract_fp: &str,
) -> Result<(), KbError> {
    tx.prepare_cached(
        "UPDATE document SET version = NULL, extract_fp = ?2
         WHERE id = ?1 AND (version IS NOT NULL OR extract_fp <> ?2)
           AND (NOT EXISTS (SELECT 1 FROM revision WHERE document_id = ?1)
                OR EXISTS (SELECT 1 FROM failure WHERE document_id = ?1 AND stage = 'extract'))",
    )?
    .execute(params![document.0, extract_fp])?;
    Ok(())
}

/// The content is known and readable again: only a failure to chunk or embed it remains, even one
/// that was replaced by the failure to read. Returns the kind of what remains.
fn clear_crawl_failure(
    tx: &Transaction<'_>,
    run: RunKey,
    document: DocumentId,
) -> Result<Option<FailureKind>, KbError> {
    let cleared = tx
        .prepare_cached(
            "DELETE FROM failure WHERE document_id = ?1 AND stage IN ('crawl', 'extract')",
        )?
        .execute([document.0])?;
    if cleared == 0 {
        return failure_of(tx, document);
    }
    let dead: Option<String> = tx
        .prepare_cached(
            "SELECT queue.error FROM revision JOIN queue
               ON queue.first_chunk < revision.first_chunk + revision.chunk_total
              AND queue.last_chunk >= revision.first_chunk
             WHERE revision.document_id = ?1 AND revision.state = 'chunked'
               AND queue.state = 'dead' LIMIT 1",
        )?
        .query_row([document.0], |row| row.get(0))
        .optional()?;
    let kind = FailureKind::Permanent;
    if let Some(error) = &dead {
        record_failure(tx, run, document, Stage::Embed, kind, error)?;
    }
    Ok(dead.map(|_| kind))
}

/// Returns the kind of the failure of `document`, if there is one.
pub fn failure_of(
    tx: &Transaction<'_>,
    document: DocumentId,
) -> Result<Option<FailureKind>, KbError> {
    Ok(tx
        .prepare_cached("SELECT kind FROM failure WHERE document_id = ?1")?
        .query_row([document.0], |row| failure_kind(0, &row.get::<_, String>(0)?))
        .optional()?)
}

/// Returns content hash and extractor of the newest revision of `document`, and whether it has a
/// live one.
fn newest_revision(
    tx: &Transaction<'_>,
    document: DocumentId,
) -> Result<Option<([u8; 32], String, bool)>, KbError> {
    Ok(tx
        .prepare_cached(
            "SELECT newest.content_hash, newest.extract_fp,
                    EXISTS (SELECT 1 FROM revision WHERE document_id = ?1 AND state = 'live')
             FROM revision AS newest WHERE newest.document_id = ?1
             ORDER BY newest.id DESC LIMIT 1",
        )?
        .query_row([document.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?)
}

fn insert_revision(
    tx: &Transaction<'_>,
    run: RunKey,
    document: DocumentId,
    (source, reading): (&str, &Reading),
    text: &NewText,
) -> Result<RevisionId, KbError> {
    let extract_fp = &reading.extract_fp;
    let content = take_ids(tx, "content", 1)?;
    let lines = text.lines.to_bytes();
    let checksum = seal::of_text(text.text.as_bytes(), lines.as_deref());
    tx.prepare_cached("INSERT INTO content (id, text, lines, checksum) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![content, text.text.as_bytes(), lines, checksum])?;
    let id = RevisionId(take_ids(tx, "revision", 1)?);
    let checksum = seal::of_fields(&[
        source.as_bytes(),
        reading.uri.as_bytes(),
        &text.content_hash,
        text.title.as_bytes(),
        text.media_type.as_str().as_bytes(),
        text.encoding.as_bytes(),
        text.metadata.as_bytes(),
        extract_fp.as_bytes(),
    ]);
    tx.prepare_cached(
        "INSERT INTO revision (id, document_id, content_id, run_id, content_hash, title, media_type,
                               encoding, metadata, extract_fp, text_bytes, checksum, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'saved')",
    )?
    .execute(params![
        id.0,
        document.0,
        content,
        run.id.0,
        text.content_hash,
        text.title,
        text.media_type.as_str(),
        text.encoding,
        text.metadata,
        extract_fp,
        size_to_sql(text.text.len()),
        checksum,
    ])?;
    Ok(id)
}

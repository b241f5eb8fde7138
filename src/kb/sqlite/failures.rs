//! Failures: why documents are not ingested in their current version, which of these reasons an
//! earlier run has reported, and texts of documents that are now skipped.

use rusqlite::{Transaction, params};

use super::convert::{failure_kind, stage};
use super::run_row::RunKey;
use super::{Reader, Run, revisions, seal};
use crate::domain::{DocumentId, Failure, FailureKind, Metrics, Stage};
use crate::kb::KbError;
use crate::support::bounded::{ERROR_BYTES_MAX, bounded};

/// Limit on the characters of a URI, and of an error, in the report of a failure.
const FAILURE_CHARS_MAX: u32 = 8192;

/// A failure with what earlier runs reported of it.
#[derive(Clone, Debug)]
pub struct ReportedFailure {
    /// The failure.
    pub failure: Failure,
    /// The last completed run reported the same. Never true of a skipped document.
    pub is_known: bool,
}

/// A document that is skipped now and has a text from an earlier version.
#[derive(Clone, Debug)]
pub struct SkippedText {
    /// The document.
    pub document: DocumentId,
    /// Its URI.
    pub uri: String,
    /// Why it is skipped.
    pub error: String,
}

impl Reader {
    /// Returns the documents that are not indexed in their current version, by source and URI. URIs
    /// and errors are truncated to the limits of today: files of earlier versions may exceed them.
    pub fn failures(&self) -> Result<Vec<Failure>, KbError> {
        Ok(self.reported_failures()?.into_iter().map(|one| one.failure).collect())
    }

    /// Returns what [`Self::failures`] does, and of each whether it is known.
    pub fn reported_failures(&self) -> Result<Vec<ReportedFailure>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.source, substr(document.uri, 1, ?1), failure.stage, failure.kind,
                        substr(failure.error, 1, ?1),
                        ifnull(failure.checksum, 0) IS known_failure.checksum
                 FROM failure CROSS JOIN document ON document.id = failure.document_id
                 LEFT JOIN known_failure ON known_failure.document_id = failure.document_id
                 ORDER BY document.source, replace(substr(document.uri, 1, ?1), '/', char(1))",
            )?;
            let failures = statement.query_map([FAILURE_CHARS_MAX], |row| {
                let failure = Failure {
                    source: row.get(0)?,
                    uri: row.get(1)?,
                    stage: stage(2, &row.get::<_, String>(2)?)?,
                    kind: failure_kind(3, &row.get::<_, String>(3)?)?,
                    error: row.get(4)?,
                };
                Ok(ReportedFailure { failure, is_known: row.get(5)? })
            })?;
            Ok(failures.collect::<Result<_, _>>()?)
        })
    }
}

impl Run<'_> {
    /// Returns the documents of `source` that an earlier run, too, found to be skipped, and whose
    /// text is still there.
    pub fn skipped_texts(&self, source: &str) -> Result<Vec<SkippedText>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.id, document.uri, failure.error
                 FROM failure INDEXED BY failure_skipped_since
                 CROSS JOIN document ON document.id = failure.document_id
                 WHERE failure.skipped_since < ?1 AND document.source = ?2
                 ORDER BY document.id",
            )?;
            let texts = statement.query_map(params![self.key.id.0, source], |row| {
                Ok(SkippedText {
                    document: DocumentId(row.get(0)?),
                    uri: row.get(1)?,
                    error: row.get(2)?,
                })
            })?;
            Ok(texts.collect::<Result<_, _>>()?)
        })
    }

    /// Removes the texts of documents that are skipped, with everything made of them; the documents
    /// and the reasons stay.
    pub fn remove_skipped_texts(&self, documents: &[DocumentId]) -> Result<(), KbError> {
        self.write_counted(Metrics::default(), None, |tx, delta| {
            delta.documents_deleted += revisions::remove_of_documents(tx, documents)?;
            for document in documents {
                tx.prepare_cached(
                    "UPDATE failure SET skipped_since = NULL WHERE document_id = ?1",
                )?
                .execute([document.0])?;
            }
            Ok(())
        })
    }
}

/// Records why a document was not ingested; leaves an equal failure untouched, so that a second run
/// over the same state writes nothing. Truncates long errors.
pub fn record_failure(
    tx: &Transaction<'_>,
    run: RunKey,
    document: DocumentId,
    stage: Stage,
    kind: FailureKind,
    error: &str,
) -> Result<(), KbError> {
    // With space for the mark of a truncated error.
    let error = bounded(error, ERROR_BYTES_MAX + 64);
    tx.prepare_cached(
        "INSERT INTO failure (document_id, run_id, stage, kind, error, checksum, skipped_since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, CASE
           WHEN ?4 = 'skipped' AND EXISTS (SELECT 1 FROM revision WHERE document_id = ?1) THEN ?2
         END)
         ON CONFLICT (document_id) DO UPDATE
         SET run_id = excluded.run_id, stage = excluded.stage, kind = excluded.kind,
             error = excluded.error, checksum = excluded.checksum,
             skipped_since = iif(excluded.skipped_since IS NULL, NULL,
                                 ifnull(skipped_since, excluded.skipped_since))
         WHERE (stage, kind, error) <> (excluded.stage, excluded.kind, excluded.error)",
    )?
    .execute(params![
        document.0,
        run.id.0,
        stage.as_str(),
        kind.as_str(),
        &*error,
        seal::of_fields(&[stage.as_str(), kind.as_str(), &*error].map(str::as_bytes)),
    ])?;
    Ok(())
}

/// Deletes the failures that no completed run has reported.
pub fn forget_new(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute(
        "DELETE FROM failure WHERE NOT EXISTS (
           SELECT 1 FROM known_failure WHERE known_failure.document_id = failure.document_id
             AND known_failure.checksum = ifnull(failure.checksum, 0))",
        [],
    )?;
    Ok(())
}

/// Makes the failures that there are the known ones; writes nothing if they are.
pub fn remember(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute(
        "DELETE FROM known_failure WHERE NOT EXISTS (
           SELECT 1 FROM failure WHERE failure.document_id = known_failure.document_id
             AND kind <> 'skipped' AND ifnull(failure.checksum, 0) = known_failure.checksum)",
        [],
    )?;
    tx.execute(
        "INSERT INTO known_failure (document_id, checksum)
         SELECT document_id, ifnull(checksum, 0) FROM failure
         WHERE kind <> 'skipped' AND NOT EXISTS (
           SELECT 1 FROM known_failure WHERE known_failure.document_id = failure.document_id)",
        [],
    )?;
    Ok(())
}

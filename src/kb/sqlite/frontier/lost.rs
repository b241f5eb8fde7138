//! Documents that a crawl did not find, and since when.

use rusqlite::params;

use super::page::{self, Answer, Lost, PageState};
use crate::domain::DocumentId;
use crate::kb::KbError;
use crate::kb::sqlite::Run;

/// A document that has no page in this run, or one that leads to no text.
#[derive(Clone, Debug)]
pub struct LostDocument {
    /// The document.
    pub id: DocumentId,
    /// Its URI, which is the URL of its page.
    pub uri: String,
    /// State of its page; `None` if this run has not seen it.
    pub state: Option<PageState>,
    /// What the request for its page led to.
    pub answer: Option<Answer>,
    /// Why its page is in that state, or the URL that it leads to.
    pub reason: Option<String>,
    /// Whether it has a text.
    pub has_text: bool,
    /// Since when runs in a row have found it lost.
    pub lost: Option<Lost>,
}

impl Run<'_> {
    /// Returns the documents of `source` that have no page in this run, or one that leads to no
    /// text.
    pub fn documents_without_page(&self, source: &str) -> Result<Vec<LostDocument>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT document.id, document.uri, page.state, page.answer, page.reason,
                        EXISTS (SELECT 1 FROM revision WHERE document_id = document.id) AS has_text,
                        lost.run_id AS lost_run, lost.since_ms
                 FROM document
                 LEFT JOIN frontier AS page ON page.source = document.source
                   AND page.url = document.uri AND page.run_id = ?2
                 LEFT JOIN lost_document AS lost ON lost.document_id = document.id
                 WHERE document.source = ?1
                   AND (page.state IS NULL OR page.state NOT IN ('fetched', 'unchanged'))
                 ORDER BY document.id",
            )?;
            let documents = statement.query_map(params![source, self.key.id.0], |row| {
                Ok(LostDocument {
                    id: DocumentId(row.get("id")?),
                    uri: row.get("uri")?,
                    state: page::state(row, "state")?,
                    answer: page::answer(row, "answer")?,
                    reason: row.get("reason")?,
                    has_text: row.get("has_text")?,
                    lost: page::lost(row, "lost_run", "since_ms")?,
                })
            })?;
            Ok(documents.collect::<Result<_, _>>()?)
        })
    }

    /// Makes `documents` those of `source` that are lost; the time of those that were lost before
    /// stays. `now_ms` is when the others were found to be.
    pub fn set_lost(
        &self,
        source: &str,
        documents: &[DocumentId],
        now_ms: i64,
    ) -> Result<(), KbError> {
        let ids: Vec<i64> = documents.iter().map(|document| document.0).collect();
        let ids = serde_json::Value::from(ids).to_string();
        self.write(|tx| {
            tx.execute(
                "DELETE FROM lost_document WHERE source = ?2
                   AND document_id NOT IN (SELECT value FROM json_each(?1))",
                params![ids, source],
            )?;
            tx.execute(
                "INSERT INTO lost_document (document_id, source, run_id, since_ms)
                 SELECT value, ?2, ?3, ?4 FROM json_each(?1) WHERE TRUE ON CONFLICT DO NOTHING",
                params![ids, source, self.key.id.0, now_ms],
            )?;
            Ok(())
        })
    }

    /// Forgets that documents of `source` were lost whose page this run has found.
    pub fn forget_lost(&self, source: &str) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute(
                "DELETE FROM lost_document WHERE document_id IN (
                   SELECT lost.document_id FROM lost_document AS lost
                   CROSS JOIN document ON document.id = lost.document_id
                   CROSS JOIN frontier AS page
                     ON page.source = document.source AND page.url = document.uri
                   WHERE lost.source = ?1 AND page.run_id = ?2
                     AND page.state IN ('fetched', 'unchanged'))",
                params![source, self.key.id.0],
            )?;
            Ok(())
        })
    }
}

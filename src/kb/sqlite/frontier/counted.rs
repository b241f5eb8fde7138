//! Counts what a run has visited before it is resumed.

use rusqlite::{Transaction, params};

use crate::domain::{Metrics, RunId};
use crate::kb::KbError;
use crate::kb::sqlite::convert::{failure_kind, to_sql};

/// Counts the pages that run `id` has visited and saved no text of: unlike listed documents, they
/// are not compared again when it is resumed.
pub fn count_visited(tx: &Transaction<'_>, id: RunId) -> Result<(), KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT failure.kind FROM frontier AS page
         JOIN document ON document.source = page.source
           AND replace(document.uri, '/', char(1)) = replace(page.url, '/', char(1))
         LEFT JOIN failure ON failure.document_id = document.id
         LEFT JOIN lost_document AS lost ON lost.document_id = document.id
         WHERE page.run_id = ?1 AND document.run_id <> ?1
           AND CASE page.state
             WHEN 'queued' THEN FALSE
             -- The end of the crawl counts those whose document is lost by a redirect.
             WHEN 'redirected' THEN FALSE
             WHEN 'gone' THEN failure.kind IS NOT NULL AND ifnull(lost.run_id, ?1) = ?1
             WHEN 'fetched' THEN TRUE
             WHEN 'unchanged' THEN TRUE
             ELSE failure.kind IS NOT NULL END",
    )?;
    let mut rows = statement.query([id.0])?;
    let mut counts = Metrics::default();
    while let Some(row) = rows.next()? {
        let kind: Option<String> = row.get(0)?;
        let kind = kind.map(|kind| failure_kind(0, &kind)).transpose()?;
        counts.count_without_text(kind);
    }
    tx.execute(
        "UPDATE run SET documents_unchanged = documents_unchanged + ?2,
                documents_failed = documents_failed + ?3, documents_skipped = documents_skipped + ?4
         WHERE id = ?1",
        params![
            id.0,
            to_sql(counts.documents_unchanged),
            to_sql(counts.documents_failed),
            to_sql(counts.documents_skipped),
        ],
    )?;
    Ok(())
}

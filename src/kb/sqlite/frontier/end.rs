//! The end of a crawl: documents without a page, and rows that are no longer needed.

use rusqlite::{Transaction, params};

use crate::domain::{DocumentId, Metrics, RunId};
use crate::kb::KbError;
use crate::kb::sqlite::Run;
use crate::kb::sqlite::convert::{failure_kind, to_sql};

/// Counts the pages that run `id` has visited and saved no text of: unlike listed documents, they
/// are not compared again when it is resumed.
pub fn count_visited(tx: &Transaction<'_>, id: RunId) -> Result<(), KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT failure.kind FROM frontier AS page
         JOIN document ON document.source = page.source
           AND replace(document.uri, '/', char(1)) = replace(page.url, '/', char(1))
         LEFT JOIN failure ON failure.document_id = document.id
         WHERE page.run_id = ?1 AND document.run_id <> ?1
           AND CASE page.state
             WHEN 'queued' THEN FALSE
             WHEN 'gone' THEN failure.kind IS NOT NULL AND page.missing_runs < 2
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

impl Run<'_> {
    /// Returns the documents of `source` whose page a complete crawl did not find: no page links to
    /// it any more, or it was redirected or excluded; or it is gone, for the second run in a row or
    /// without a link to it on any existing page.
    pub fn gone_pages(&self, source: &str) -> Result<Vec<DocumentId>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "WITH linked (id) AS MATERIALIZED (
                   SELECT link.value FROM frontier AS page, json_each(page.links) AS link
                   WHERE page.source = ?1 AND page.run_id = ?2
                     AND (page.state IN ('fetched', 'unchanged') OR page.twin IS NOT NULL))
                 SELECT document.id FROM document LEFT JOIN frontier AS page
                   ON page.source = document.source AND page.url = document.uri AND page.run_id = ?2
                 WHERE document.source = ?1
                   AND CASE page.state
                     WHEN 'gone' THEN page.missing_runs >= 2
                       OR page.referrer IS NOT NULL AND page.id NOT IN (SELECT id FROM linked)
                     WHEN 'redirected' THEN TRUE
                     WHEN 'excluded' THEN EXISTS (SELECT 1 FROM revision WHERE document_id = document.id)
                     ELSE page.state IS NULL END
                 ORDER BY document.id",
            )?;
            let ids = statement.query_map(params![source, self.key.id.0], |row| row.get(0))?;
            Ok(ids.map(|id| id.map(DocumentId)).collect::<Result<_, _>>()?)
        })
    }

    /// Drops the rows of `source` that a complete crawl did not see.
    pub fn drop_unseen(&self, source: &str) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute(
                "DELETE FROM frontier WHERE source = ?1 AND run_id <> ?2",
                params![source, self.key.id.0],
            )?;
            Ok(())
        })
    }

    /// Drops the oldest rows of `source` from earlier runs that have no document, down to
    /// `rows_max` rows in all: a site whose URLs change with each run must not grow without limit.
    pub fn drop_oldest(&self, source: &str, rows_max: u64) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute(
                "DELETE FROM frontier WHERE id IN (
                   SELECT id FROM frontier AS page
                   WHERE source = ?1 AND run_id <> ?2
                     AND NOT EXISTS (SELECT 1 FROM document
                                     WHERE document.source = ?1 AND document.uri = page.url)
                   ORDER BY run_id, id
                   LIMIT max(0, (SELECT COUNT(*) FROM frontier WHERE source = ?1) - ?3))",
                params![source, self.key.id.0, i64::try_from(rows_max).unwrap_or(i64::MAX)],
            )?;
            Ok(())
        })
    }

    /// Drops the frontiers of sources that are not among `crawled`.
    pub fn keep_frontiers(&self, crawled: &[&str]) -> Result<(), KbError> {
        let names = self.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT DISTINCT source FROM frontier")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<Vec<String>, _>>()?)
        })?;
        for name in names.iter().filter(|name| !crawled.contains(&name.as_str())) {
            self.write(|tx| {
                tx.execute("DELETE FROM frontier WHERE source = ?1", [name])?;
                tx.execute("DELETE FROM web_file WHERE source = ?1", [name])?;
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Forgets what an abandoned run has visited: its texts may be gone.
pub fn forget_visits(tx: &Transaction<'_>) -> Result<(), KbError> {
    tx.execute("UPDATE frontier SET state = 'queued', reason = NULL, settings = NULL", [])?;
    tx.execute("DELETE FROM web_file", [])?;
    Ok(())
}

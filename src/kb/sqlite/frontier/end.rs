//! The end of a crawl: rows that are no longer needed.

use rusqlite::{Transaction, params};

use crate::kb::KbError;
use crate::kb::sqlite::Run;

impl Run<'_> {
    /// Drops the rows of `source` that a complete crawl did not see and that have no document.
    pub fn drop_unseen(&self, source: &str) -> Result<(), KbError> {
        self.write(|tx| {
            tx.execute(
                "DELETE FROM frontier WHERE source = ?1 AND run_id <> ?2
                   AND NOT EXISTS (SELECT 1 FROM document
                                   WHERE document.source = ?1
                                     AND replace(document.uri, '/', char(1)) = replace(url, '/', char(1)))",
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
                                     WHERE document.source = ?1
                                       AND replace(document.uri, '/', char(1)) = replace(page.url, '/', char(1)))
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
                tx.execute("DELETE FROM lost_document WHERE source = ?1", [name])?;
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

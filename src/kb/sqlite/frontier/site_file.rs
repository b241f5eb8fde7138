//! Files of web sites other than pages, cached so that they need not be requested again:
//! robots.txt.

use rusqlite::params;

use crate::domain::SiteFile;
use crate::kb::KbError;
use crate::kb::sqlite::{Reader, Run};

impl Reader {
    /// Returns the files of `source` fetched with `settings`, however old.
    pub fn kept_files(&self, source: &str, settings: &str) -> Result<Vec<SiteFile>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT url, fetched_ms, body FROM web_file WHERE source = ?1 AND settings = ?2",
            )?;
            let files = statement.query_map([source, settings], |row| {
                Ok(SiteFile { url: row.get(0)?, fetched_ms: row.get(1)?, body: row.get(2)? })
            })?;
            Ok(files.collect::<Result<_, _>>()?)
        })
    }
}

impl Run<'_> {
    /// Stores `files`, and drops those fetched with other settings.
    pub fn keep_files(
        &self,
        source: &str,
        settings: &str,
        files: &[SiteFile],
    ) -> Result<(), KbError> {
        self.write(|tx| {
            tx.prepare_cached("DELETE FROM web_file WHERE source = ?1 AND settings <> ?2")?
                .execute([source, settings])?;
            for file in files {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO web_file (source, url, settings, fetched_ms, body)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    source,
                    file.url,
                    settings,
                    file.fetched_ms,
                    file.body
                ])?;
            }
            Ok(())
        })
    }
}

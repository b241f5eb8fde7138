//! Copies of whole knowledge bases, made by SQLite's backup interface.

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{OptionalExtension, params};

use crate::kb::KbError;
use crate::kb::sqlite::{Maintenance, Reader, Writer, tidy};
use crate::support::events::Silent;

/// All pages in one step: a copy is of one moment.
const ALL_PAGES: i32 = -1;

impl Maintenance<'_> {
    /// Replaces the content of `target` by that of this knowledge base, in one transaction of
    /// `target`: its readers see the old content or the new, and a process that dies meanwhile
    /// leaves the old.
    pub fn copy_to(&self, target: &Writer) -> Result<(), KbError> {
        let reader = self.reader.connection();
        let mut writer = target.connection();
        target.reader().check_files()?;
        let copied =
            Backup::new(&reader.connection, &mut writer).and_then(|backup| backup.step(ALL_PAGES));
        let copied = match copied {
            Ok(StepResult::Done) => tidy(&writer, 0, &|| false, &Silent),
            Ok(_) => Err(KbError::Busy),
            Err(error) => Err(error.into()),
        };
        copied.map_err(|error| target.classify(error, &writer))?;
        target.reader().check_files()
    }

    /// Reports whether this knowledge base began as a copy of the current content of `other`.
    pub fn continues_from(&self, other: &Reader) -> Result<bool, KbError> {
        let last = other.read(|tx| {
            let last = tx.query_row("SELECT id, owner FROM run ORDER BY id DESC", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
            Ok(last.optional()?)
        })?;
        let Some((id, owner)) = last else { return Ok(true) };
        self.reader.read(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM run WHERE id = ?1 AND owner = ?2)";
            Ok(tx.query_row(sql, params![id, owner], |row| row.get(0))?)
        })
    }
}

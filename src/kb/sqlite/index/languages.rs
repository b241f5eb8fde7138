//! The languages of the full-text index, which queries are analysed in.

use std::sync::Arc;

use rusqlite::{Transaction, params};

use super::{matching, row_count};
use crate::analysis::{IndexLanguages, Language};
use crate::domain::ChunkId;
use crate::kb::KbError;

/// A language is common if at least one text in this many is in it.
const COMMON_SHARE: u64 = 20;

/// The languages that a connection found last, and the state of the file they belong to: counting
/// them takes dozens of queries, and they only change when another connection commits.
#[derive(Debug, Default)]
pub struct LanguageCache(Option<(i64, Arc<IndexLanguages>)>);

impl LanguageCache {
    /// Returns the languages of the index that `tx` reads. The cache belongs to its connection:
    /// SQLite counts the commits of others for each connection ("PRAGMA data_version").
    pub fn get(&mut self, tx: &Transaction<'_>) -> Result<Arc<IndexLanguages>, KbError> {
        let mut statement = tx.prepare_cached("PRAGMA data_version")?;
        let version: i64 = statement.query_row([], |row| row.get(0))?;
        match &self.0 {
            Some((known, languages)) if *known == version => Ok(Arc::clone(languages)),
            _ => {
                let languages = Arc::new(count(tx)?);
                self.0 = Some((version, Arc::clone(&languages)));
                Ok(languages)
            }
        }
    }
}

fn count(tx: &Transaction<'_>) -> Result<IndexLanguages, KbError> {
    let share = (row_count(tx)? / COMMON_SHARE).max(1);
    let mut languages = IndexLanguages::default();
    for language in Language::ALL {
        let count = matching(tx, &format!("language : \"{}\"", language.code()), share)?;
        if count > 0 {
            languages.all.push(*language);
        }
        if count >= share {
            languages.common.push(*language);
        }
    }
    Ok(languages)
}

/// Returns which of `languages` the text of a chunk is indexed in; `None` if it is in none.
pub fn language_of(
    tx: &Transaction<'_>,
    chunk: ChunkId,
    languages: &[Language],
) -> Result<Option<Language>, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT 1 FROM chunk_fts WHERE chunk_fts MATCH ?1 AND rowid = ?2")?;
    for language in languages {
        let expression = format!("language : \"{}\"", language.code());
        if statement.exists(params![expression, chunk.0])? {
            return Ok(Some(*language));
        }
    }
    Ok(None)
}

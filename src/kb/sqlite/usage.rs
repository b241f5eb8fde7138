//! What embedding has taken, by run and day: a budget holds for all processes of a run.

use rusqlite::{Transaction, params};

use super::convert::{from_sql, to_sql};
use super::{Reader, Run};
use crate::domain::{RunId, Usage};
use crate::kb::KbError;
use crate::support::clock::now_ms;

const MS_PER_DAY: i64 = 86_400_000;

impl Reader {
    /// Returns what run `id`, if there is one, has taken, and what all runs have taken today (UTC).
    pub fn usage(&self, id: Option<RunId>) -> Result<(Usage, Usage), KbError> {
        self.read(|tx| {
            let sum = |condition: &str, value: i64| -> Result<Usage, KbError> {
                let sql = format!(
                    "SELECT ifnull(sum(tokens), 0), ifnull(sum(ms), 0) FROM usage WHERE {condition} = ?1"
                );
                let row = |row: &rusqlite::Row<'_>| {
                    Ok(Usage { tokens: from_sql(row.get(0)?), ms: from_sql(row.get(1)?) })
                };
                Ok(tx.query_row(&sql, [value], row)?)
            };
            Ok((sum("run_id", id.map_or(0, |id| id.0))?, sum("day", now_ms() / MS_PER_DAY)?))
        })
    }
}

impl Run<'_> {
    /// Adds what embedding has taken since the last batch.
    pub fn add_usage(&self, usage: Usage) -> Result<(), KbError> {
        self.write(|tx| add(tx, self.key.id, usage))
    }
}

/// Adds to what run `id` has taken today.
pub fn add(tx: &Transaction<'_>, id: RunId, usage: Usage) -> Result<(), KbError> {
    if usage == Usage::default() {
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT INTO usage (run_id, day, tokens, ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run_id, day) DO UPDATE
         SET tokens = tokens + excluded.tokens, ms = ms + excluded.ms",
    )?
    .execute(params![id.0, now_ms() / MS_PER_DAY, to_sql(usage.tokens), to_sql(usage.ms)])?;
    Ok(())
}

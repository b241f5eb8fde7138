//! The full-text index: entering tokens, and making the whole of it anew.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction, params};

use super::KnowledgeBase;
use super::convert::from_sql;
use super::queue::{Unit, load_where};
use super::tally::{RunKey, tally};
use crate::analysis::Language;
use crate::domain::{ChunkId, Metrics, RevisionId};
use crate::kb::KbError;

/// Texts analysed at once when the index is made anew, in chunks.
const CHUNKS_PER_BATCH: usize = 4096;

/// What the full-text index gets of one chunk: tokens, apart by spaces.
#[derive(Clone, Debug)]
pub struct IndexedText {
    /// The chunk.
    pub id: ChunkId,
    /// Its revision.
    pub revision: RevisionId,
    /// Of the title of the document.
    pub title: String,
    /// Of the heading path.
    pub heading: String,
    /// Of prefix, overlap and span.
    pub body: String,
    /// Of the address.
    pub path: String,
    /// Code of the language that the document was analysed in.
    pub language: &'static str,
}

impl KnowledgeBase {
    /// Returns the fingerprint of the analyser that made the index; empty before the first run.
    pub fn analysis_fingerprint(&self) -> Result<String, KbError> {
        self.read(|tx| {
            let found = tx.query_row("SELECT fingerprint FROM analysis", [], |row| row.get(0));
            Ok(found.optional()?.unwrap_or_default())
        })
    }

    /// Makes the whole index anew with what `analyse` makes of every live revision; returns how many chunks
    /// it holds. One transaction: a search sees the old index or the new one, and a kill leaves the old one.
    ///
    /// `analyse` is asked for some thousand chunks at a time; `None` from it ends the work and changes nothing.
    pub fn rebuild_index(
        &self,
        run: Option<RunKey>,
        fingerprint: &str,
        analyse: &dyn Fn(&[Unit]) -> Option<Vec<IndexedText>>,
    ) -> Result<Option<u64>, KbError> {
        let ended = || KbError::from(rusqlite::Error::QueryReturnedNoRows);
        let mut is_stopped = false;
        let rebuilt = self.write(|tx| {
            tx.execute("INSERT INTO chunk_fts (chunk_fts) VALUES ('delete-all')", [])?;
            let mut count = 0;
            let mut units: Vec<Unit> = Vec::new();
            let mut waiting = 0;
            let revisions = live_revisions(tx)?;
            for (index, revision) in revisions.iter().enumerate() {
                load_where(tx, "revision.id = ?1", &[revision.0], &mut units)?;
                waiting += units.last().map_or(0, |unit| unit.chunks.len());
                if waiting < CHUNKS_PER_BATCH && index + 1 < revisions.len() {
                    continue;
                }
                let Some(texts) = analyse(&units) else {
                    is_stopped = true;
                    return Err(ended());
                };
                let ids: Vec<_> = units.iter().map(|unit| unit.revision).collect();
                insert(tx, &ids, &texts)?;
                count += texts.len() as u64;
                units.clear();
                waiting = 0;
            }
            tx.execute(
                "INSERT INTO analysis (id, fingerprint) VALUES (1, ?1)
                 ON CONFLICT (id) DO UPDATE SET fingerprint = ?1",
                [fingerprint],
            )?;
            if let Some(run) = run {
                tally(tx, run, &Metrics::default(), None)?;
            }
            Ok(count)
        });
        if is_stopped { Ok(None) } else { rebuilt.map(Some) }
    }

    /// Returns the languages that texts of the index were analysed in, and those of at least a twentieth of it.
    pub fn index_languages(&self) -> Result<(Vec<Language>, Vec<Language>), KbError> {
        self.read(|tx| {
            let share = (row_count(tx)? / 20).max(1);
            let (mut all, mut common) = (Vec::new(), Vec::new());
            for language in Language::ALL {
                let count = matching(tx, &format!("language : \"{}\"", language.code()), share)?;
                if count > 0 {
                    all.push(*language);
                }
                if count >= share {
                    common.push(*language);
                }
            }
            Ok((all, common))
        })
    }
}

/// Adds the full-text rows of `finished` revisions; rows of others are passed over.
pub fn insert(
    tx: &Transaction<'_>,
    finished: &[RevisionId],
    texts: &[IndexedText],
) -> Result<(), KbError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO chunk_fts (rowid, title, heading, text, path, language)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let finished: HashSet<_> = finished.iter().collect();
    let revisions = texts.chunk_by(|a, b| a.revision == b.revision);
    for text in revisions.filter(|texts| finished.contains(&texts[0].revision)).flatten() {
        let IndexedText { id, title, heading, body, path, language, .. } = text;
        insert.execute(params![id.0, title, heading, body, path, language])?;
    }
    Ok(())
}

/// Returns how many rows the index holds, without counting them.
///
/// FTS5 keeps its averages in the row with id 1 of its data table, the number of rows first, as a variable
/// length integer (fts5_index.c, "Averages Record").
pub fn row_count(tx: &Transaction<'_>) -> Result<u64, KbError> {
    let mut statement = tx.prepare_cached("SELECT block FROM chunk_fts_data WHERE id = 1")?;
    let block: Option<Vec<u8>> = statement.query_row([], |row| row.get(0)).optional()?;
    let mut count: u64 = 0;
    for byte in block.iter().flatten().take(9) {
        count = (count << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(count)
}

/// Returns how many rows match `expression`, counted up to `most`.
pub fn matching(tx: &Transaction<'_>, expression: &str, most: u64) -> Result<u64, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM chunk_fts WHERE chunk_fts MATCH ?1 LIMIT ?2)",
    )?;
    let most = super::convert::to_sql(most);
    Ok(from_sql(statement.query_row(params![expression, most], |row| row.get(0))?))
}

/// Returns every live revision that has chunks, in the order of these.
fn live_revisions(tx: &Transaction<'_>) -> Result<Vec<RevisionId>, KbError> {
    let mut statement = tx.prepare(
        "SELECT id FROM revision WHERE state = 'live' AND chunk_total > 0 ORDER BY first_chunk",
    )?;
    let ids = statement.query_map([], |row| row.get(0).map(RevisionId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

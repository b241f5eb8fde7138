//! The run row that every write transaction of a run brings up to date.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::convert::{from_sql, phase_status, run_status, to_sql};
use crate::domain::{Metrics, Phase, Phases, RunId, RunState};
use crate::kb::KbError;
use crate::support::clock::now_ms;

/// A run and the proof that it is this process which works on it.
#[derive(Clone, Copy, Debug)]
pub struct RunKey {
    /// The run.
    pub id: RunId,
    /// Number that this process wrote into the run row.
    pub owner: i64,
}

/// The columns of `run` that [`run_from_row`] reads, in order.
pub const COLUMNS: &str = "id, status, progress_percent, started_ms, heartbeat_ms, ended_ms, pid, host, \
     message, error, cancel_requested, config_hash, documents_crawled, documents_new, \
     documents_changed, documents_unchanged, documents_deleted, documents_restaged, \
     deletions_withheld, sources_unreachable, bytes_read, \
     chunks_queued, chunks_stored, chunks_reused, chunks_superseded, batches_processed, \
     pages_left_out";

/// Adds `delta` to the run, raises its percentage, notes a sign of life, and returns it as it now is.
///
/// Part of every write transaction of a run. Fails where the run is no longer ours.
pub fn tally(
    tx: &Transaction<'_>,
    run: RunKey,
    delta: &Metrics,
    percent: Option<f64>,
) -> Result<RunState, KbError> {
    let sql = format!(
        "UPDATE run SET heartbeat_ms = ?3, progress_percent = max(progress_percent, ?4),
           documents_crawled = documents_crawled + ?5, documents_new = documents_new + ?6,
           documents_changed = documents_changed + ?7, documents_unchanged = documents_unchanged + ?8,
           documents_deleted = documents_deleted + ?9, documents_restaged = documents_restaged + ?10,
           deletions_withheld = deletions_withheld + ?11,
           sources_unreachable = sources_unreachable + ?12,
           bytes_read = bytes_read + ?13, chunks_queued = chunks_queued + ?14,
           chunks_stored = chunks_stored + ?15, chunks_reused = chunks_reused + ?16,
           chunks_superseded = chunks_superseded + ?17, batches_processed = batches_processed + ?18,
           pages_left_out = pages_left_out + ?19
         WHERE id = ?1 AND owner = ?2 AND status = 'running' RETURNING {COLUMNS}"
    );
    let state = tx
        .prepare_cached(&sql)?
        .query_row(
            params![
                run.id.0,
                run.owner,
                now_ms(),
                percent.unwrap_or(0.0).clamp(0.0, 100.0),
                to_sql(delta.documents_crawled),
                to_sql(delta.documents_new),
                to_sql(delta.documents_changed),
                to_sql(delta.documents_unchanged),
                to_sql(delta.documents_deleted),
                to_sql(delta.documents_restaged),
                to_sql(delta.deletions_withheld),
                to_sql(delta.sources_unreachable),
                to_sql(delta.bytes_read),
                to_sql(delta.chunks_queued),
                to_sql(delta.chunks_stored),
                to_sql(delta.chunks_reused),
                to_sql(delta.chunks_superseded),
                to_sql(delta.batches_processed),
                to_sql(delta.pages_left_out),
            ],
            run_from_row,
        )
        .optional()?
        .ok_or(KbError::LostRun(run.id))?;
    with_phases(tx, state)
}

/// Notes that `chunks` which run `id` had queued will not be stored: their document has changed.
pub fn count_superseded(tx: &Transaction<'_>, id: RunId, chunks: u64) -> Result<(), KbError> {
    tx.prepare_cached("UPDATE run SET chunks_superseded = chunks_superseded + ?2 WHERE id = ?1")?
        .execute(params![id.0, to_sql(chunks)])?;
    Ok(())
}

/// Returns the run `id` as it stands.
pub fn read_run(tx: &Transaction<'_>, id: RunId) -> Result<RunState, KbError> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1");
    let run = tx.prepare_cached(&sql)?.query_row([id.0], run_from_row)?;
    with_phases(tx, run)
}

/// Returns `run` with the status of its phases.
pub fn with_phases(connection: &Connection, mut run: RunState) -> Result<RunState, KbError> {
    let mut statement =
        connection.prepare_cached("SELECT name, status FROM phase WHERE run_id = ?1")?;
    let mut rows = statement.query([run.id.0])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        if let Some(phase) = Phase::ALL.into_iter().find(|phase| phase.as_str() == name) {
            run.phases.set(phase, phase_status(1, &row.get::<_, String>(1)?)?);
        }
    }
    Ok(run)
}

/// Reads a row of [`COLUMNS`]; its phases are read apart.
pub fn run_from_row(row: &Row<'_>) -> rusqlite::Result<RunState> {
    let count = |column: usize| row.get(column).map(from_sql);
    Ok(RunState {
        id: RunId(row.get(0)?),
        status: run_status(1, &row.get::<_, String>(1)?)?,
        phases: Phases::default(),
        progress_percent: row.get(2)?,
        started_ms: row.get(3)?,
        heartbeat_ms: row.get(4)?,
        ended_ms: row.get(5)?,
        pid: row.get(6)?,
        host: row.get(7)?,
        message: row.get(8)?,
        error: row.get(9)?,
        cancel_requested: row.get(10)?,
        config_hash: row.get(11)?,
        metrics: Metrics {
            documents_crawled: count(12)?,
            documents_new: count(13)?,
            documents_changed: count(14)?,
            documents_unchanged: count(15)?,
            documents_deleted: count(16)?,
            documents_restaged: count(17)?,
            deletions_withheld: count(18)?,
            sources_unreachable: count(19)?,
            bytes_read: count(20)?,
            chunks_queued: count(21)?,
            chunks_stored: count(22)?,
            chunks_reused: count(23)?,
            chunks_superseded: count(24)?,
            batches_processed: count(25)?,
            pages_left_out: count(26)?,
        },
    })
}

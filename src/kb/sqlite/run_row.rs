//! The run row, which every write transaction of a run updates.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::convert::{from_sql, phase_status, run_status, to_sql};
use crate::domain::{
    DocumentId, Metrics, Phase, Phases, ProgressReport, RunId, RunSettings, RunState,
};
use crate::kb::KbError;
use crate::support::clock::now_ms;

/// A run and the proof that this process owns it.
#[derive(Clone, Copy, Debug)]
pub struct RunKey {
    /// The run.
    pub id: RunId,
    /// Number that this process wrote into the run row.
    pub owner: i64,
}

/// The columns of `run` that [`run_from_row`] reads.
pub const COLUMNS: &str = "id, status, progress_percent, started_ms, heartbeat_ms, ended_ms, pid, host, \
     message, error, cancel_requested, config_hash, stages_hash, config_path, documents_crawled, \
     documents_new, documents_changed, documents_unchanged, documents_failed, documents_skipped, \
     documents_deleted, documents_restaged, \
     deletions_withheld, sources_unreachable, bytes_read, \
     chunks_queued, chunks_stored, chunks_reused, chunks_superseded, batches_processed, \
     pages_left_out, documents_listed, documents_per_second, chunks_per_second, seconds_left, worked_ms";

/// Adds `delta` to the metrics, raises the percentage, writes the rest of `progress` and the
/// heartbeat, and returns the updated run.
///
/// Part of every write transaction of a run. Fails if the run is no longer ours.
pub fn update_run(
    tx: &Transaction<'_>,
    run: RunKey,
    delta: &Metrics,
    progress: Option<&ProgressReport>,
) -> Result<RunState, KbError> {
    let sql = format!(
        "UPDATE run SET heartbeat_ms = :now, worked_ms = worked_ms + max(0, :now - heartbeat_ms),
           progress_percent = max(progress_percent, ifnull(:percent, 0)),
           documents_listed = iif(:percent IS NULL, documents_listed, :documents_listed),
           documents_per_second = ifnull(:documents_per_second, documents_per_second),
           chunks_per_second = ifnull(:chunks_per_second, chunks_per_second),
           seconds_left = iif(:percent IS NULL, seconds_left, :seconds_left),
           documents_crawled = documents_crawled + :documents_crawled,
           documents_new = documents_new + :documents_new,
           documents_changed = documents_changed + :documents_changed,
           documents_unchanged = documents_unchanged + :documents_unchanged,
           documents_failed = documents_failed + :documents_failed,
           documents_skipped = documents_skipped + :documents_skipped,
           documents_deleted = documents_deleted + :documents_deleted,
           documents_restaged = documents_restaged + :documents_restaged,
           deletions_withheld = deletions_withheld + :deletions_withheld,
           sources_unreachable = sources_unreachable + :sources_unreachable,
           bytes_read = bytes_read + :bytes_read,
           chunks_queued = chunks_queued + :chunks_queued,
           chunks_stored = chunks_stored + :chunks_stored,
           chunks_reused = chunks_reused + :chunks_reused,
           chunks_superseded = chunks_superseded + :chunks_superseded,
           batches_processed = batches_processed + :batches_processed,
           pages_left_out = pages_left_out + :pages_left_out
         WHERE id = :id AND owner = :owner AND status = 'running' RETURNING {COLUMNS}"
    );
    let state = tx
        .prepare_cached(&sql)?
        .query_row(
            named_params! {
                ":id": run.id.0,
                ":owner": run.owner,
                ":now": now_ms(),
                ":percent": progress.map(|progress| progress.percent.clamp(0.0, 100.0)),
                ":documents_listed":
                    progress.and_then(|progress| progress.documents_listed).map(to_sql),
                ":documents_per_second": progress.map(|progress| progress.documents_per_second),
                ":chunks_per_second": progress.map(|progress| progress.chunks_per_second),
                ":seconds_left": progress.and_then(|progress| progress.seconds_left),
                ":documents_crawled": to_sql(delta.documents_crawled),
                ":documents_new": to_sql(delta.documents_new),
                ":documents_changed": to_sql(delta.documents_changed),
                ":documents_unchanged": to_sql(delta.documents_unchanged),
                ":documents_failed": to_sql(delta.documents_failed),
                ":documents_skipped": to_sql(delta.documents_skipped),
                ":documents_deleted": to_sql(delta.documents_deleted),
                ":documents_restaged": to_sql(delta.documents_restaged),
                ":deletions_withheld": to_sql(delta.deletions_withheld),
                ":sources_unreachable": to_sql(delta.sources_unreachable),
                ":bytes_read": to_sql(delta.bytes_read),
                ":chunks_queued": to_sql(delta.chunks_queued),
                ":chunks_stored": to_sql(delta.chunks_stored),
                ":chunks_reused": to_sql(delta.chunks_reused),
                ":chunks_superseded": to_sql(delta.chunks_superseded),
                ":batches_processed": to_sql(delta.batches_processed),
                ":pages_left_out": to_sql(delta.pages_left_out),
            },
            run_from_row,
        )
        .optional()?
        .ok_or(KbError::LostRun(run.id))?;
    with_phases(tx, state)
}

/// Counts `chunks` queued by run `id` as superseded: their document has changed.
pub fn count_superseded(tx: &Transaction<'_>, id: RunId, chunks: u64) -> Result<(), KbError> {
    tx.prepare_cached("UPDATE run SET chunks_superseded = chunks_superseded + ?2 WHERE id = ?1")?
        .execute(params![id.0, to_sql(chunks)])?;
    Ok(())
}

/// Counts a document whose text cannot be chunked or embedded as failed, if `run` has counted it as
/// new or changed and no failure is recorded yet.
pub fn recount_as_failed(
    tx: &Transaction<'_>,
    run: RunKey,
    document: DocumentId,
) -> Result<(), KbError> {
    // A live revision of this run was published before the text that fails.
    let was_live: Option<bool> = tx
        .prepare_cached(
            "SELECT live.run_id FROM document
             LEFT JOIN revision AS live ON live.document_id = document.id AND live.state = 'live'
             WHERE document.id = ?1 AND document.run_id = ?2 AND live.run_id IS NOT ?2
               AND NOT EXISTS (SELECT 1 FROM failure WHERE document_id = ?1)",
        )?
        .query_row([document.0, run.id.0], |row| Ok(row.get::<_, Option<i64>>(0)?.is_some()))
        .optional()?;
    let Some(was_live) = was_live else { return Ok(()) };
    tx.prepare_cached(
        "UPDATE run SET documents_failed = documents_failed + 1,
                documents_changed = documents_changed - ?2,
                documents_new = documents_new - NOT ?2
         WHERE id = ?1",
    )?
    .execute(params![run.id.0, was_live])?;
    Ok(())
}

/// Returns the current state of run `id`.
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

/// Reads a row of [`COLUMNS`]; its phases are read separately.
pub fn run_from_row(row: &Row<'_>) -> rusqlite::Result<RunState> {
    let count = |column: &str| row.get(column).map(from_sql);
    Ok(RunState {
        id: RunId(row.get("id")?),
        status: run_status(1, &row.get::<_, String>("status")?)?,
        phases: Phases::default(),
        progress_percent: row.get("progress_percent")?,
        documents_listed: row.get::<_, Option<i64>>("documents_listed")?.map(from_sql),
        documents_per_second: row.get("documents_per_second")?,
        chunks_per_second: row.get("chunks_per_second")?,
        seconds_left: row.get("seconds_left")?,
        worked_ms: row.get("worked_ms")?,
        started_ms: row.get("started_ms")?,
        heartbeat_ms: row.get("heartbeat_ms")?,
        ended_ms: row.get("ended_ms")?,
        pid: row.get("pid")?,
        host: row.get("host")?,
        message: row.get("message")?,
        error: row.get("error")?,
        cancel_requested: row.get("cancel_requested")?,
        settings: RunSettings {
            config: row.get("config_hash")?,
            stages: row.get("stages_hash")?,
            config_path: row.get("config_path")?,
        },
        metrics: Metrics {
            documents_crawled: count("documents_crawled")?,
            documents_new: count("documents_new")?,
            documents_changed: count("documents_changed")?,
            documents_unchanged: count("documents_unchanged")?,
            documents_failed: count("documents_failed")?,
            documents_skipped: count("documents_skipped")?,
            documents_deleted: count("documents_deleted")?,
            documents_restaged: count("documents_restaged")?,
            deletions_withheld: count("deletions_withheld")?,
            sources_unreachable: count("sources_unreachable")?,
            bytes_read: count("bytes_read")?,
            chunks_queued: count("chunks_queued")?,
            chunks_stored: count("chunks_stored")?,
            chunks_reused: count("chunks_reused")?,
            chunks_superseded: count("chunks_superseded")?,
            batches_processed: count("batches_processed")?,
            pages_left_out: count("pages_left_out")?,
        },
    })
}

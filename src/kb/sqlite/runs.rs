//! Runs and their phases: who works, how far it has come, how it ended.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::KnowledgeBase;
use super::convert::{from_sql, phase_status, run_status, to_sql};
use crate::domain::{Metrics, Phase, PhaseStatus, Phases, RunId, RunState, RunStatus};
use crate::kb::KbError;
use crate::support::clock::now_ms;
use crate::support::lock::host_name;

/// Runs whose record is kept; older ones are dropped when a new run begins.
const RUNS_KEPT: i64 = 1000;

/// A run and the proof that it is this process which works on it.
#[derive(Clone, Copy, Debug)]
pub struct RunKey {
    /// The run.
    pub id: RunId,
    /// Number that this process wrote into the run row.
    pub owner: i64,
}

const COLUMNS: &str = "id, status, progress_percent, started_ms, heartbeat_ms, ended_ms, pid, host, \
     message, error, cancel_requested, config_hash, documents_crawled, documents_new, \
     documents_changed, documents_unchanged, documents_deleted, documents_restaged, \
     deletions_withheld, sources_unreachable, bytes_read, \
     chunks_queued, chunks_stored, chunks_reused, chunks_superseded, batches_processed";

impl KnowledgeBase {
    /// Returns the last run, or `None` before the first.
    pub fn last_run(&self) -> Result<Option<RunState>, KbError> {
        self.read(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM run ORDER BY id DESC LIMIT 1");
            let run = tx.prepare_cached(&sql)?.query_row([], run_from_row).optional()?;
            run.map(|run| with_phases(tx, run)).transpose()
        })
    }

    /// Begins a new run.
    pub fn begin_run(&self, config_hash: &str) -> Result<(RunKey, RunState), KbError> {
        self.write(|tx| {
            let id = RunId(super::take_ids(tx, "run", 1)?);
            let key = RunKey { id, owner: new_owner() };
            let now = now_ms();
            tx.execute(
                "INSERT INTO run (id, owner, status, config_hash, started_ms, heartbeat_ms, pid, host)
                 VALUES (?1, ?2, 'running', ?3, ?4, ?4, ?5, ?6)",
                params![id.0, key.owner, config_hash, now, std::process::id(), host_name()],
            )?;
            for phase in Phase::ALL {
                write_phase(tx, id, phase, PhaseStatus::Pending)?;
            }
            tx.execute("DELETE FROM run WHERE id <= ?1", [id.0 - RUNS_KEPT])?;
            adopt_waiting(tx, id)?;
            let state = tally(tx, key, &Metrics::default(), None)?;
            Ok((key, state))
        })
    }

    /// Takes over an unfinished run with `phases` as they are to be gone on with; what a dead process
    /// had claimed goes back to the queue.
    ///
    /// Where the crawl is not complete its listing starts again, and counts unchanged documents anew;
    /// documents that this run has read are not counted twice.
    pub fn continue_run(
        &self,
        id: RunId,
        config_hash: &str,
        phases: &Phases,
    ) -> Result<(RunKey, RunState), KbError> {
        self.write(|tx| {
            let key = RunKey { id, owner: new_owner() };
            tx.execute(
                "UPDATE run SET owner = ?2, status = 'running', config_hash = ?3, ended_ms = NULL,
                        pid = ?4, host = ?5, error = NULL, message = '', cancel_requested = 0
                 WHERE id = ?1",
                params![id.0, key.owner, config_hash, std::process::id(), host_name()],
            )?;
            if phases.crawling != PhaseStatus::Completed {
                tx.execute(
                    "UPDATE run SET documents_crawled = documents_crawled - documents_unchanged,
                            documents_unchanged = 0, deletions_withheld = 0, sources_unreachable = 0
                     WHERE id = ?1",
                    [id.0],
                )?;
            }
            super::queue::return_claims(tx)?;
            super::intake::suspect_in_flight(tx)?;
            adopt_waiting(tx, id)?;
            for phase in Phase::ALL {
                write_phase(tx, id, phase, phases.get(phase))?;
            }
            let state = tally(tx, key, &Metrics::default(), None)?;
            Ok((key, state))
        })
    }

    /// Moves a phase of the run on.
    pub fn set_phase(
        &self,
        run: RunKey,
        phase: Phase,
        status: PhaseStatus,
    ) -> Result<RunState, KbError> {
        self.write(|tx| {
            write_phase(tx, run.id, phase, status)?;
            tally(tx, run, &Metrics::default(), None)
        })
    }

    /// Saves progress: adds `delta` to the run's metrics and raises its percentage to `percent`.
    pub fn save_progress(
        &self,
        run: RunKey,
        delta: &Metrics,
        percent: Option<f64>,
    ) -> Result<RunState, KbError> {
        self.write(|tx| tally(tx, run, delta, percent))
    }

    /// Ends the run with `status`; `message` says how it went, `error` what ended it.
    pub fn end_run(
        &self,
        run: RunKey,
        status: RunStatus,
        message: &str,
        error: Option<&str>,
    ) -> Result<RunState, KbError> {
        self.write(|tx| {
            let percent = status.is_complete().then_some(100.0);
            tally(tx, run, &Metrics::default(), percent)?;
            // Only a process that dies leaves its intake behind.
            super::intake::clear(tx)?;
            tx.execute(
                "UPDATE run SET status = ?2, message = ?3, error = ?4, ended_ms = ?5 WHERE id = ?1",
                params![run.id.0, status.as_str(), message, error, now_ms()],
            )?;
            read_run(tx, run.id)
        })
    }

    /// Asks the running run to stop; returns whether there is one.
    pub fn request_cancel(&self) -> Result<bool, KbError> {
        self.write(|tx| {
            let changed =
                tx.execute("UPDATE run SET cancel_requested = 1 WHERE status = 'running'", [])?;
            Ok(changed > 0)
        })
    }

    /// Tells whether somebody asked the run to stop.
    pub fn cancel_requested(&self, run: RunKey) -> Result<bool, KbError> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT cancel_requested FROM run WHERE id = ?1 AND owner = ?2")?;
            statement
                .query_row([run.id.0, run.owner], |row| row.get(0))
                .optional()?
                .ok_or(KbError::LostRun(run.id))
        })
    }
}

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
           chunks_superseded = chunks_superseded + ?17, batches_processed = batches_processed + ?18
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

/// Makes chunks that wait from earlier runs, as after a repair, those of run `id`: what a run stores it
/// has queued.
fn adopt_waiting(tx: &Transaction<'_>, id: RunId) -> Result<(), KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT id, run_id, chunk_total - chunk_stored FROM revision
         WHERE state = 'chunked' AND run_id <> ?1 AND EXISTS (
           SELECT 1 FROM queue WHERE queue.state = 'pending' AND last_chunk >= revision.first_chunk
             AND first_chunk < revision.first_chunk + revision.chunk_total)",
    )?;
    let waiting: Vec<(i64, i64, i64)> = statement
        .query_map([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (revision, run, chunks) in waiting {
        count_superseded(tx, RunId(run), from_sql(chunks))?;
        tx.execute("UPDATE revision SET run_id = ?2 WHERE id = ?1", [revision, id.0])?;
        tx.execute(
            "UPDATE run SET chunks_queued = chunks_queued + ?2 WHERE id = ?1",
            [id.0, chunks],
        )?;
    }
    Ok(())
}

fn read_run(tx: &Transaction<'_>, id: RunId) -> Result<RunState, KbError> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1");
    let run = tx.prepare_cached(&sql)?.query_row([id.0], run_from_row)?;
    with_phases(tx, run)
}

fn write_phase(
    tx: &Transaction<'_>,
    run: RunId,
    phase: Phase,
    status: PhaseStatus,
) -> Result<(), KbError> {
    tx.prepare_cached(
        "INSERT INTO phase (run_id, name, status, changed_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (run_id, name) DO UPDATE
         SET status = excluded.status, changed_ms = excluded.changed_ms",
    )?
    .execute(params![run.0, phase.as_str(), status.as_str(), now_ms()])?;
    Ok(())
}

fn with_phases(connection: &Connection, mut run: RunState) -> Result<RunState, KbError> {
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

fn run_from_row(row: &Row<'_>) -> rusqlite::Result<RunState> {
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
        },
    })
}

/// Returns a number that no other process writes: from the pid, the time and the host.
fn new_owner() -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&std::process::id().to_le_bytes());
    hasher.update(&now_ms().to_le_bytes());
    hasher.update(host_name().as_bytes());
    // The address of a stack variable differs between processes and calls in the same millisecond.
    let unique = std::time::Instant::now();
    hasher.update(format!("{unique:?}").as_bytes());
    let bytes: [u8; 8] = hasher.finalize().as_bytes()[..8].try_into().expect("eight bytes");
    i64::from_le_bytes(bytes)
}

//! Runs and their phases: owner, progress, and outcome.

use std::path::Path;
use std::time::Duration;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, named_params,
    params,
};

use super::connect::connect;
use super::convert::from_sql;
use super::run_row::{
    COLUMNS, RunKey, count_superseded, read_run, run_from_row, update_run, with_phases,
};
use super::{Reader, Run, Writer, errno, schema};
use crate::domain::{
    Metrics, Phase, PhaseStatus, Phases, ProgressReport, RunId, RunSettings, RunState, RunStatus,
};
use crate::kb::KbError;
use crate::support::clock::now_ms;
use crate::support::events::EventSink;
use crate::support::lock::host_name;

/// Runs that are kept; older ones are dropped when a new run starts.
const RUNS_KEPT: i64 = 1000;
/// How long a request to stop waits for a transaction of the run.
const REQUEST_WAIT: Duration = Duration::from_millis(300);

impl Reader {
    /// Returns the last run, or `None` before the first.
    pub fn last_run(&self) -> Result<Option<RunState>, KbError> {
        self.read(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM run ORDER BY id DESC LIMIT 1");
            let run = tx.prepare_cached(&sql)?.query_row([], run_from_row).optional()?;
            run.map(|run| with_phases(tx, run)).transpose()
        })
    }

    /// Returns the last `limit` runs, newest first.
    pub fn runs(&self, limit: u32) -> Result<Vec<RunState>, KbError> {
        self.read(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM run ORDER BY id DESC LIMIT ?1");
            let mut statement = tx.prepare_cached(&sql)?;
            let runs = statement.query_map([limit], run_from_row)?;
            runs.map(|run| with_phases(tx, run?)).collect()
        })
    }

    /// Returns run `id`; `None` if there is none, or none any more.
    pub fn run(&self, id: RunId) -> Result<Option<RunState>, KbError> {
        self.read(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1");
            let run = tx.prepare_cached(&sql)?.query_row([id.0], run_from_row).optional()?;
            run.map(|run| with_phases(tx, run)).transpose()
        })
    }

    /// Returns the first run after the last one that completed and withheld no deletion: nobody has
    /// accepted yet what runs from there on found.
    pub fn first_unsettled_run(&self) -> Result<RunId, KbError> {
        self.read(|tx| {
            let sql = "SELECT ifnull(min(id), 0) FROM run WHERE id > (
                         SELECT ifnull(max(id), 0) FROM run
                         WHERE status IN ('completed', 'completed_with_failures')
                           AND deletions_withheld = 0)";
            Ok(RunId(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
        })
    }

    /// Returns the kb.toml of the last run that had one, relative to the folder of the knowledge
    /// base.
    pub fn last_config_path(&self) -> Result<Option<String>, KbError> {
        self.read(|tx| {
            let sql =
                "SELECT config_path FROM run WHERE config_path <> '' ORDER BY id DESC LIMIT 1";
            Ok(tx.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
        })
    }
}

impl Writer {
    /// Starts a new run.
    pub fn begin_run<'a>(
        &'a self,
        settings: &RunSettings,
        events: &'a dyn EventSink,
    ) -> Result<(Run<'a>, RunState), KbError> {
        let (key, state) = self.write(|tx| {
            let id = RunId(super::take_ids(tx, "run", 1)?);
            let key = RunKey { id, owner: new_owner() };
            let now = now_ms();
            tx.execute(
                "INSERT INTO run (id, owner, status, config_hash, stages_hash, config_path, started_ms,
                                  heartbeat_ms, pid, host)
                 VALUES (:id, :owner, 'running', :config, :stages, :config_path, :now, :now, :pid, :host)",
                named_params! {
                    ":id": id.0,
                    ":owner": key.owner,
                    ":config": settings.config,
                    ":stages": settings.stages,
                    ":config_path": settings.config_path,
                    ":now": now,
                    ":pid": std::process::id(),
                    ":host": host_name(),
                },
            )?;
            for phase in Phase::ALL {
                write_phase(tx, id, phase, PhaseStatus::Pending)?;
            }
            tx.execute("DELETE FROM run WHERE id <= ?1", [id.0 - RUNS_KEPT])?;
            adopt_waiting(tx, id)?;
            let state = update_run(tx, key, &Metrics::default(), None)?;
            Ok((key, state))
        })?;
        Ok((Run { kb: self, key, events }, state))
    }

    /// Takes ownership of an unfinished run and sets its `phases` for resuming it; ranges claimed
    /// by a dead process go back to the queue.
    ///
    /// If the crawl is not complete, its listing starts again, and documents of which this run has
    /// saved no text are counted from 0.
    pub fn continue_run<'a>(
        &'a self,
        id: RunId,
        settings: &RunSettings,
        phases: &Phases,
        events: &'a dyn EventSink,
    ) -> Result<(Run<'a>, RunState), KbError> {
        let (key, state) = self.write(|tx| {
            let key = RunKey { id, owner: new_owner() };
            tx.execute(
                "UPDATE run SET owner = :owner, status = 'running', config_hash = :config,
                        stages_hash = :stages, config_path = :config_path, ended_ms = NULL,
                        pid = :pid, host = :host, error = NULL, message = '',
                        cancel_requested = 0, heartbeat_ms = :now, documents_per_second = 0, chunks_per_second = 0, seconds_left = NULL
                 WHERE id = :id",
                named_params! {
                    ":id": id.0,
                    ":owner": key.owner,
                    ":config": settings.config,
                    ":stages": settings.stages,
                    ":config_path": settings.config_path,
                    ":now": now_ms(),
                    ":pid": std::process::id(),
                    ":host": host_name(),
                },
            )?;
            if phases.crawling != PhaseStatus::Completed {
                recount(tx, id)?;
            }
            super::queue::return_claims(tx)?;
            super::in_flight::suspect_in_flight(tx)?;
            adopt_waiting(tx, id)?;
            for phase in Phase::ALL {
                write_phase(tx, id, phase, phases.get(phase))?;
            }
            let state = update_run(tx, key, &Metrics::default(), None)?;
            Ok((key, state))
        })?;
        Ok((Run { kb: self, key, events }, state))
    }
}

/// Asks the running run on the knowledge base at `path` to stop, or the `holder` of its lock, if
/// that is finishing the file of the last run; returns whether there is one.
///
/// Fails with [`KbError::Busy`] if the run writes for longer than `REQUEST_WAIT`.
///
/// The file keeps its format, so that a program that knows only an older one is not disturbed: the
/// column has been there from the first.
pub fn request_cancel(path: &Path, holder: &str) -> Result<bool, KbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags)?;
    let request = |connection: &mut Connection| -> Result<bool, KbError> {
        schema::check(connection, path)?;
        connection.busy_timeout(REQUEST_WAIT)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = tx.execute(
            "UPDATE run SET cancel_requested = 1
                 WHERE status = 'running' OR id = (SELECT max(id) FROM run)
                   AND instr(?1, 'pid ' || pid || ' on ' || host || ' ') = 1",
            [holder],
        )?;
        tx.commit()?;
        Ok(changed > 0)
    };
    let requested = request(&mut connection);
    requested.map_err(|error| error.classify(path, errno::last(&connection)))
}

impl Run<'_> {
    /// Advances phases of the run.
    pub fn set_phases(&self, phases: &[Phase], status: PhaseStatus) -> Result<(), KbError> {
        self.write(|tx| {
            for phase in phases {
                write_phase(tx, self.key.id, *phase, status)?;
            }
            Ok(())
        })
    }

    /// Saves progress: adds `delta` to the run's metrics and raises its percentage.
    pub fn save_progress(
        &self,
        delta: &Metrics,
        progress: Option<&ProgressReport>,
    ) -> Result<(), KbError> {
        self.write_counted(*delta, progress, |_, _| Ok(()))
    }

    /// Ends the run with `status`, and its last phase if it is complete; `message` is the outcome,
    /// `error` the error that ended it.
    pub fn end(
        &self,
        status: RunStatus,
        message: &str,
        error: Option<&str>,
    ) -> Result<RunState, KbError> {
        let run = self.key;
        self.kb.write_by(false, |tx| {
            update_run(tx, run, &Metrics::default(), None)?;
            // Only a process that crashes leaves documents in flight.
            super::in_flight::clear(tx)?;
            if status.is_complete() {
                write_phase(tx, run.id, Phase::Embedding, PhaseStatus::Completed)?;
                super::failures::remember(tx)?;
            }
            tx.execute(
                "UPDATE run SET status = ?2, message = ?3, error = ?4, ended_ms = ?5, seconds_left = NULL,
                        progress_percent = iif(?6, 100, progress_percent)
                 WHERE id = ?1",
                params![
                    run.id.0,
                    status.as_str(),
                    message,
                    error,
                    now_ms(),
                    status.is_complete(),
                ],
            )?;
            read_run(tx, run.id)
        })
    }

    /// Reports whether the run was asked to stop.
    pub fn cancel_requested(&self) -> Result<bool, KbError> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT cancel_requested FROM run WHERE id = ?1 AND owner = ?2")?;
            statement
                .query_row([self.key.id.0, self.key.owner], |row| row.get(0))
                .optional()?
                .ok_or(KbError::LostRun(self.key.id))
        })
    }
}

/// Counts the documents of run `id` from the start, as its sources are listed again: those of which
/// it has saved a text are not counted a second time, nor are the pages that it has visited.
fn recount(tx: &Transaction<'_>, id: RunId) -> Result<(), KbError> {
    tx.execute(
        "UPDATE run SET documents_failed = (
             SELECT COUNT(*) FROM failure JOIN document ON document.id = failure.document_id
             WHERE document.run_id = run.id AND stage IN ('chunk', 'embed')
               AND NOT EXISTS (SELECT 1 FROM revision WHERE document_id = document.id
                               AND state = 'live' AND revision.run_id = run.id)),
           documents_skipped = 0, documents_unchanged = 0, deletions_withheld = 0,
           sources_unreachable = 0, pages_left_out = 0
         WHERE id = ?1",
        [id.0],
    )?;
    super::frontier::counted::count_visited(tx, id)?;
    tx.execute(
        "UPDATE run SET documents_crawled = documents_new + documents_changed + documents_unchanged
                + documents_failed + documents_skipped WHERE id = ?1",
        [id.0],
    )?;
    Ok(())
}

/// Assigns chunks left waiting by earlier runs, as after a repair, to run `id`: a run only stores
/// chunks that it has queued.
fn adopt_waiting(tx: &Transaction<'_>, id: RunId) -> Result<(), KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT id, run_id, chunk_total - chunk_stored FROM revision
         WHERE state <> 'live' AND state = 'chunked' AND run_id <> ?1 AND EXISTS (
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

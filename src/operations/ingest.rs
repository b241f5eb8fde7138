//! `ingest` and `resume`: a run from its lock to its report.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;

use super::publish::Publication;
use super::{Session, Target};
use crate::analysis::{Analyser, SearchConfig};
use crate::chunk::ChunkConfig;
use crate::config::Config;
use crate::domain::{Failure, FailureKind, Metrics, PhaseStatus, QueueStats, RunState, RunStatus};
use crate::embed::{self, Embedder};
use crate::error::{Error, ExitCode, chain};
use crate::extract::{ExtractConfig, Extraction};
use crate::kb::{self, Reader, Run, Writer};
use crate::pipeline::phases::{PhaseSeconds, PhaseTracker};
use crate::pipeline::plan::{Plan, plan_resume};
use crate::pipeline::repair::rebuild_index;
use crate::pipeline::{Context, Progress, producer};
use crate::source::{self, AnySource, Setting};
use crate::support::cache::Cache;
use crate::support::checkpoint::{Checkpoint, StopSignal};
use crate::support::events::Event;
use crate::support::lock::Lock;
use crate::support::storage;
use crate::workers;

/// At the end of a run so many full-text pages are merged: enough that a first run leaves one segment, which halves
/// the time of a search by words, while a small edit never pays for a large merge. Each document deleted counts as a
/// page.
const CHUNKS_PER_MERGED_PAGE: u64 = 4;

/// How to ingest.
#[derive(Clone, Copy, Debug, Default)]
pub struct IngestOptions {
    /// Drop what an interrupted run left half done, and begin anew.
    pub restart: bool,
    /// Deletions go through, however many.
    pub allow_deletes: bool,
    /// Try again what failed for good, though neither it nor the settings changed.
    pub retry_failed: bool,
    /// The knowledge base may lie on a network file system.
    pub allow_network_fs: bool,
    /// Threads of the pool; 0 means one for each processor.
    pub threads: usize,
}

/// How a run went; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// Version of this object's form.
    pub schema: u32,
    /// The knowledge base.
    pub knowledge_base: PathBuf,
    /// The run as it now stands on disk; `None` where there was nothing to resume.
    pub run: Option<RunState>,
    /// What the process should exit with, a signal left aside.
    pub exit_code: u8,
    /// Wall-clock seconds of this process.
    pub seconds: f64,
    /// Wall-clock seconds that each phase was open; phases overlap.
    pub phase_seconds: PhaseSeconds,
    /// Documents that are not taken in as they now are, those of earlier runs included.
    pub failures: Vec<Failure>,
    /// The error that ended the run.
    pub error: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// What became of `--publish-if-eval`; `None` without it.
    pub publication: Option<Publication>,
}

/// Brings the knowledge base in line with its sources; goes on with an interrupted run.
pub fn ingest(
    config: &Config,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    ingest_into(&config.kb, config, options, session)
}

/// Brings the knowledge base at `path`, which need not be the one that `config` names, in line with its sources.
pub(super) fn ingest_into(
    path: &Path,
    config: &Config,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    config.insist_on_trust()?;
    if !options.allow_network_fs {
        kb::check_file_system(path)?;
    }
    let _lock = Lock::take(path)?;
    let kb = Writer::create_or_open(path)?;
    insist_on_own_sources(config, kb.reader())?;
    if options.restart {
        kb.abandon_unfinished()?;
    }
    if options.retry_failed {
        kb.forgive_failures()?;
    }
    let cache = cache_of(config);
    let sources = open_sources(config, &cache, session)?;
    let embedder = embed::open(&config.embed)?;
    let analyser = Analyser::new(&config.search);
    let job = Job {
        kb: &kb,
        extract: &config.extract,
        chunk: &config.chunk,
        analyser: &analyser,
        embedder: embedder.as_ref(),
        sources: &sources,
        cache: &cache,
    };
    let settings = job.settings(&config.hash);
    let last = kb.reader().last_run()?;
    let (run, state, plan) = match last {
        Some(mut run) if !run.status.is_complete() && !options.restart => {
            // Its listing may be old, even where it is complete, and the end of this run says that all is as it is now.
            run.phases.crawling = PhaseStatus::Pending;
            job.continue_run(&run, &settings, session)?
        }
        last => {
            let restage = !last.is_some_and(|run| is_settled(&run, &settings));
            let (run, state) = kb.begin_run(&settings, session.events)?;
            (run, state, Plan { restage, ..Plan::WHOLE })
        }
    };
    job.carry_out(&run, state, plan, options, session)
}

/// Fails if kb.toml, which was not allowed, names a knowledge base elsewhere that holds none of its sources: a run would
/// delete what somebody else took in.
fn insist_on_own_sources(config: &Config, kb: &Reader) -> Result<(), Error> {
    let held = kb.source_names()?;
    let own: Vec<_> =
        config.source.tables(None).into_iter().map(|(_, name, _)| name.get_ref()).collect();
    let is_known = |name: &String| own.contains(&name);
    if config.is_trusted || held.is_empty() || held.iter().any(is_known) || !config.kb_is_outside()
    {
        return Ok(());
    }
    let (path, kb) = (config.path.display(), config.kb.display());
    Err(Error::Usage {
        message: format!("{kb}, outside of the folder of {path}, holds other sources: {held:?}"),
        hint: Some(
            "name another knowledge base, or give --trust to have their documents deleted"
                .to_owned(),
        ),
    })
}

/// Goes on with an interrupted, cancelled or failed run; never starts a new one.
pub fn resume(target: &Target, threads: usize, session: &Session<'_>) -> Result<RunReport, Error> {
    if let Target::Config(config) = target {
        config.insist_on_trust()?;
    }
    let _lock = Lock::take_existing(target.kb())?;
    let kb = Writer::open(target.kb())?;
    let Some(run) = kb.reader().last_run()?.filter(|run| !run.status.is_complete()) else {
        return Ok(nothing_to_resume(target.kb()));
    };
    let options = IngestOptions { threads, ..IngestOptions::default() };
    match target {
        Target::Config(config) => {
            let cache = &cache_of(config);
            let sources = &open_sources(config, cache, session)?;
            let embedder = embed::open(&config.embed)?;
            let embedder = embedder.as_ref();
            let analyser = Analyser::new(&config.search);
            let (extract, chunk, analyser) = (&config.extract, &config.chunk, &analyser);
            let job = Job { kb: &kb, extract, chunk, analyser, embedder, sources, cache };
            // Other settings would mean another crawl: they wait for the next `ingest`.
            let settings = job.settings(config_hash(&run.config_hash));
            let (run, state, plan) = job.continue_run(&run, &settings, session)?;
            job.carry_out(&run, state, plan, &options, session)
        }
        Target::File(path) => {
            let plan = plan_resume(&run.phases, &kb.reader().queue_stats()?);
            let embedder =
                embedder_of(kb.reader())?.filter(|_| !plan.chunk).ok_or_else(|| Error::Usage {
                    message: format!("{} alone is not enough to resume this run", path.display()),
                    hint: Some(
                        "name its kb.toml: the sources or settings are still needed".to_owned(),
                    ),
                })?;
            let (extract, chunk) = (ExtractConfig::default(), ChunkConfig::default());
            let analyser = Analyser::for_fingerprint(&kb.reader().analysis_fingerprint()?)
                .unwrap_or_else(|| Analyser::new(&SearchConfig::default()));
            let (extract, chunk, analyser) = (&extract, &chunk, &analyser);
            let embedder = embedder.as_ref();
            let cache = &Arc::new(Cache::new(path, None));
            let job = Job { kb: &kb, extract, chunk, analyser, embedder, sources: &[], cache };
            let (run, state) =
                kb.continue_run(run.id, &run.config_hash, &plan.phases(), session.events)?;
            job.carry_out(&run, state, plan, &options, session)
        }
    }
}

/// What a run is done with.
struct Job<'a> {
    kb: &'a Writer,
    extract: &'a ExtractConfig,
    chunk: &'a ChunkConfig,
    analyser: &'a Analyser,
    embedder: &'a dyn Embedder,
    sources: &'a [AnySource],
    cache: &'a Arc<Cache>,
}

impl<'a> Job<'a> {
    /// Returns what a run remembers of its settings: the hash of its kb.toml, and one of what makes chunks and vectors,
    /// which depends on the program, too.
    fn settings(&self, config_hash: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for (_, chunk_fp) in producer::chunk_fingerprints(self.chunk, self.embedder) {
            hasher.update(chunk_fp.as_bytes()).update(b"\0");
        }
        hasher.update(self.embedder.model().fingerprint.as_bytes());
        format!("{config_hash}-{}", &hasher.finalize().to_hex()[..16])
    }

    /// Takes over `run`, with what is left to do.
    fn continue_run(
        &self,
        run: &RunState,
        settings: &str,
        session: &Session<'a>,
    ) -> Result<(Run<'a>, RunState, Plan), Error> {
        let reader = self.kb.reader();
        let mut plan = plan_resume(&run.phases, &reader.queue_stats()?);
        let chunk_fps = producer::chunk_fingerprints(self.chunk, self.embedder);
        let embed_fp = &self.embedder.model().fingerprint;
        if !reader.stale_revisions(&chunk_fps, embed_fp, 1)?.is_empty() {
            plan = Plan { restage: true, chunk: true, embed: true, ..plan };
        }
        let (run, state) =
            self.kb.continue_run(run.id, settings, &plan.phases(), session.events)?;
        Ok((run, state, plan))
    }

    /// Runs the workers and settles the run, however they end.
    fn carry_out(
        &self,
        run: &Run<'_>,
        state: RunState,
        plan: Plan,
        options: &IngestOptions,
        session: &Session<'_>,
    ) -> Result<RunReport, Error> {
        let started = Instant::now();
        tracing::info!(run = state.id.0, ?plan, "run begins");
        session.events.emit(&Event::Started { run: &state, continued: plan.continued });
        if plan.chunk {
            let embed_fp = &self.embedder.model().fingerprint;
            let chunk_fps = producer::chunk_fingerprints(self.chunk, self.embedder);
            run.take_back_stale(&chunk_fps, embed_fp)?;
        }
        let extract =
            ExtractConfig { workspace: Some(Arc::clone(self.cache)), ..self.extract.clone() };
        let extraction = Extraction::open(&extract, Some(session.stop.clone()));
        let pool = workers::pool(options.threads);
        let context = Context {
            kb: self.kb.reader(),
            run,
            sources: self.sources,
            extraction: &extraction,
            chunk: self.chunk,
            analyser: self.analyser,
            embedder: self.embedder,
            pool: &pool,
            allow_deletes: options.allow_deletes,
            stop: &session.stop,
            hook: session.hook,
            events: session.events,
            progress: Progress::default(),
            polled: Mutex::new(None),
        };
        let QueueStats { pending, .. } = self.kb.reader().queue_stats()?;
        context.progress.queue_chunks(state.metrics.chunks_stored + pending);
        context.progress.store_chunks(state.metrics.chunks_stored);
        let tracker = PhaseTracker::new(state.phases);
        let result = context
            .reached(Checkpoint::BeforeStart)
            .and_then(|()| self.renew_index(&context))
            .and_then(|()| workers::run(&context, plan, &tracker));
        self.settle(run, &state, result, tracker.seconds(), started, &session.stop)
    }

    /// Makes the full-text index anew where another analyser made it.
    fn renew_index(&self, context: &Context<'_>) -> Result<(), Error> {
        let Context { kb, run, analyser, pool, stop, .. } = *context;
        if kb.analysis_fingerprint()? != analyser.fingerprint() {
            let rebuild = |name: &str, analyse: kb::Analyse<'_>| run.rebuild_index(name, analyse);
            rebuild_index(rebuild, analyser, pool.get()?, stop)?;
        }
        Ok(())
    }

    /// Writes how the run ended, leaves the file clean, and reports.
    fn settle(
        &self,
        run: &Run<'_>,
        before: &RunState,
        result: Result<(), Error>,
        phase_seconds: PhaseSeconds,
        started: Instant,
        stop: &StopSignal,
    ) -> Result<RunReport, Error> {
        let reader = self.kb.reader();
        let found = reader.failures().and_then(|found| Ok((found, reader.last_run()?)));
        let (failures, outcome) = match (found, &result) {
            (Ok((failures, run)), _) => {
                let has_failures = failures.iter().any(|one| one.kind != FailureKind::Skipped);
                let outcome = Outcome::of(&result, run.as_ref().unwrap_or(before), has_failures);
                (failures, outcome)
            }
            // The first error is the one to tell.
            (Err(_), Err(error)) if !matches!(error, Error::Stopped) => {
                (Vec::new(), Outcome::failed(error))
            }
            // Nobody knows then what the run came to.
            (Err(error), _) => (Vec::new(), Outcome::failed(&error.into())),
        };
        let error = outcome.error.as_deref();
        let ended = run.end(outcome.status, &outcome.message, error);
        let run = match ended {
            Ok(run) => run,
            // The first error is the one to tell: this one follows from it.
            Err(_) if outcome.error.is_some() => {
                RunState { message: outcome.message, ..before.clone() }
            }
            Err(error) => return Err(error.into()),
        };
        if outcome.error.is_none() {
            // Of the whole run: a process of it that was stopped merged nothing.
            let Metrics { chunks_stored, documents_deleted, .. } = run.metrics;
            let merge_pages_max = chunks_stored / CHUNKS_PER_MERGED_PAGE + documents_deleted;
            self.kb.finish(merge_pages_max, &|| stop.is_requested())?;
        }
        Ok(RunReport {
            schema: 1,
            knowledge_base: reader.path().to_owned(),
            run: Some(run),
            exit_code: outcome.exit_code.number(),
            seconds: started.elapsed().as_secs_f64(),
            phase_seconds,
            failures,
            error: outcome.error,
            hint: outcome.hint,
            publication: None,
        })
    }
}

/// Returns the part of [`Job::settings`] that is of kb.toml.
fn config_hash(settings: &str) -> &str {
    settings.split('-').next().unwrap_or(settings)
}

/// Tells whether `last`, the run before this one, has left nothing that was made with other settings than these: it
/// looked for that or came after a run that had, and nothing failed. Looking is a twentieth of a run that finds nothing
/// changed.
fn is_settled(last: &RunState, settings: &str) -> bool {
    last.status == RunStatus::Completed && last.config_hash == settings
}

/// What the end of a run means.
struct Outcome {
    status: RunStatus,
    exit_code: ExitCode,
    message: String,
    error: Option<String>,
    hint: Option<String>,
}

impl Outcome {
    fn of(result: &Result<(), Error>, run: &RunState, has_failures: bool) -> Self {
        match result {
            Ok(()) => Self::completed(run, has_failures),
            Err(Error::Stopped) => Self {
                status: RunStatus::Cancelled,
                exit_code: ExitCode::Cancelled,
                message: "stopped at a checkpoint".to_owned(),
                error: None,
                hint: None,
            },
            Err(error) => Self::failed(error),
        }
    }

    fn completed(run: &RunState, has_failures: bool) -> Self {
        let metrics = &run.metrics;
        let codes = [
            (has_failures, ExitCode::DocumentsFailed),
            (metrics.pages_left_out > 0, ExitCode::Limit),
            (metrics.sources_unreachable > 0, ExitCode::SourceUnreachable),
            (metrics.deletions_withheld > 0, ExitCode::DeletionsWithheld),
        ];
        let exit_code = codes
            .into_iter()
            .filter_map(|(holds, code)| holds.then_some(code))
            .max()
            .unwrap_or(ExitCode::Success);
        let (status, message) = match exit_code {
            ExitCode::Success => (RunStatus::Completed, "the knowledge base equals its sources"),
            ExitCode::DocumentsFailed => {
                (RunStatus::CompletedWithFailures, "finished, some documents failed")
            }
            ExitCode::Limit => {
                (RunStatus::CompletedWithFailures, "finished, a limit left something out")
            }
            ExitCode::SourceUnreachable => {
                (RunStatus::CompletedWithFailures, "finished, a source is unreachable")
            }
            _ => (RunStatus::CompletedWithFailures, "finished, deletions were withheld"),
        };
        Self { status, exit_code, message: message.to_owned(), error: None, hint: None }
    }

    fn failed(error: &Error) -> Self {
        Self {
            status: RunStatus::Failed,
            exit_code: error.exit_code(),
            message: "stopped by an error".to_owned(),
            error: Some(chain(error)),
            hint: error.hint(),
        }
    }
}

fn nothing_to_resume(kb: &Path) -> RunReport {
    RunReport {
        schema: 1,
        knowledge_base: kb.to_owned(),
        run: None,
        exit_code: ExitCode::Success.number(),
        seconds: 0.0,
        phase_seconds: PhaseSeconds::default(),
        failures: Vec::new(),
        error: None,
        hint: None,
        publication: None,
    }
}

/// Returns the path of the file beside `kb` that a run is tried out on before it is published.
pub fn candidate_path(kb: &Path) -> PathBuf {
    storage::beside(kb, ".next")
}

fn open_sources(
    config: &Config,
    cache: &Arc<Cache>,
    session: &Session<'_>,
) -> Result<Vec<AnySource>, Error> {
    let kb = &config.kb;
    let candidate = candidate_path(kb);
    // Those of earlier versions, too, which kept beside the knowledge base what is now in the cache.
    let folders = [".lock", ".cache", ".git", ".tmp", ".spool", ".archives"];
    let copies = ["", ".damaged", ".repaired"].map(|ending| storage::beside(kb, ending));
    let files = copies.iter().chain([&candidate]).flat_map(|kb| storage::database_files(kb));
    let own = [kb, &candidate].into_iter();
    let own = own.flat_map(|kb| folders.map(|ending| storage::beside(kb, ending))).chain(files);
    let own: Vec<_> = own.chain(cache.places()).collect();
    let setting = Setting {
        base: &config.base,
        leave_out: &own,
        cache,
        program: config.extract.program.as_deref(),
        stop: Arc::clone(&session.stop),
    };
    Ok(source::open(&config.source, &setting)?)
}

/// Returns the cache of the knowledge base that `config` names, also for a run on another one.
fn cache_of(config: &Config) -> Arc<Cache> {
    Arc::new(Cache::new(&config.kb, config.cache.as_deref()))
}

/// Returns the embedder that made the vectors of `kb`, where all are of one that this program has.
fn embedder_of(kb: &Reader) -> Result<Option<Box<dyn Embedder>>, Error> {
    match kb.embed_fingerprints()?.as_slice() {
        [fingerprint] => Ok(embed::for_fingerprint(fingerprint)?),
        _ => Ok(None),
    }
}

//! `ingest` and `resume`: a run from its lock to its report.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::report::RunReport;
use super::{Session, Target, files};
use crate::analysis::{AUTO, Analyser};
use crate::chunk::ChunkConfig;
use crate::config::{Config, allowed_folder};
use crate::domain::{Failure, QueueStats, RunState};
use crate::embed::{self, Budget, Budgeted, Embedder, Setting as EmbedSetting};
use crate::error::Error;
use crate::extract::{ExtractConfig, Extraction};
use crate::kb::{self, Reader, Run, Writer};
use crate::pipeline::outcome::{self, Ended, FailOn, FailureRules};
use crate::pipeline::owner::{config_path, refuse_other_config, refuse_to_empty};
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::plan::{self, Plan, StageFingerprints};
use crate::pipeline::producer::reconcile::{AllowDeletes, DeletionRules};
use crate::pipeline::{Context, Progress};
use crate::source::{self, AnySource, Setting, SourceConfig};
use crate::support::cache::Cache;
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;
use crate::support::lock::Lock;
use crate::support::sharing::Sharing;
use crate::support::storage;
use crate::workers;

/// How to ingest.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// Discard an interrupted run and start over.
    pub restart: bool,
    /// Deletions that are made, however many.
    pub allow_deletes: AllowDeletes,
    /// Try again what failed for good, though neither it nor the settings changed.
    pub retry_failed: bool,
    /// Read every document again, and compare its bytes.
    pub reread: bool,
    /// The knowledge base may lie on a network file system.
    pub allow_network_fs: bool,
    /// The knowledge base may belong to another kb.toml, and belongs to this one from now on.
    pub adopt: bool,
    /// Which failures of documents end it with exit code 3.
    pub fail_on: FailOn,
    /// Threads of the pool; 0 means one for each processor.
    pub threads: usize,
}

/// How to continue a run.
#[derive(Clone, Debug, Default)]
pub struct ResumeOptions {
    /// The knowledge base may belong to another kb.toml, and belongs to this one from now on.
    pub adopt: bool,
    /// Which failures of documents end it with exit code 3.
    pub fail_on: FailOn,
    /// Threads of the pool; 0 means one for each processor.
    pub threads: usize,
}

/// Brings the knowledge base up to date with its sources; continues an interrupted run.
pub fn ingest(
    config: &Config,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    ingest_into(&config.kb, config, options, session)
}

/// Brings the knowledge base at `path`, which need not be the one that `config` names, up to date
/// with its sources.
pub(super) fn ingest_into(
    path: &Path,
    config: &Config,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    config.check()?;
    config.require_trust()?;
    if !options.allow_network_fs {
        kb::check_file_system(path)?;
    }
    let _lock = Lock::take_as(path, config.mode)?;
    let sharing = Sharing { mode: config.mode, model: None };
    let kb = Writer::create_or_open_as(path, &sharing, Some(&session.stop))?;
    refuse_to_empty(kb.reader(), config)?;
    if !options.adopt {
        refuse_other_config(kb.reader(), config)?;
    }
    require_sources(kb.reader(), config, &options.allow_deletes)?;
    if options.restart {
        kb.abandon_unfinished()?;
    }
    if options.retry_failed {
        kb.forgive_failures()?;
    }
    if options.reread {
        kb.forget_versions()?;
        Cache::new(&config.kb, config.cache.as_deref()).forget_listings();
    }
    let job = Job::new(config, &kb, session)?;
    let settings = job.fingerprints.settings(&config.hash, config_path(config));
    let plan = plan::plan_ingest(kb.reader(), &job.fingerprints, &settings, options.restart)?;
    let (run, state) = match plan.unfinished {
        Some(id) => kb.continue_run(id, &settings, &plan.phases(), session.events)?,
        None => kb.begin_run(&settings, session.events)?,
    };
    job.carry_out(&run, state, plan, options, session)
}

/// Continues an interrupted, cancelled or failed run; never starts a new one.
pub fn resume(
    target: &Target,
    options: &ResumeOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    if let Target::Config(config) = target {
        config.check()?;
        config.require_trust()?;
    }
    let _lock = Lock::take_existing(target.kb())?;
    let kb = Writer::open_stoppable(target.kb(), Some(&session.stop))?;
    let Some(run) = kb.reader().last_run()?.filter(|run| !run.status.is_complete()) else {
        return Ok(RunReport::nothing_to_resume(target.kb()));
    };
    let ResumeOptions { adopt, fail_on, threads } = *options;
    let options = IngestOptions { adopt, fail_on, threads, ..IngestOptions::default() };
    match target {
        Target::Config(config) => resume_with(config, &kb, &run, &options, session),
        Target::File(path) => resume_without_config(path, &kb, &run, &options, session),
    }
}

/// Continues `run` with the settings of `config`, which decide about what is still to be done.
fn resume_with(
    config: &Config,
    kb: &Writer,
    run: &RunState,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    if !options.adopt {
        refuse_other_config(kb.reader(), config)?;
    }
    let job = Job::new(config, kb, session)?;
    // Other sources or limits would mean another crawl: they wait for the next `ingest`.
    let settings = job.fingerprints.settings(&run.settings.config, config_path(config));
    let plan = plan::plan_rest(kb.reader(), run, &job.fingerprints)?;
    let (run, state) = kb.continue_run(run.id, &settings, &plan.phases(), session.events)?;
    job.carry_out(&run, state, plan, options, session)
}

/// Embeds what `run` has queued, with the embedder that made the other vectors of the knowledge
/// base at `path`.
fn resume_without_config(
    path: &Path,
    kb: &Writer,
    run: &RunState,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<RunReport, Error> {
    let plan = plan::plan_resume(run.id, &run.phases, &kb.reader().queue_stats()?);
    let embedder =
        embedder_of(kb.reader(), session)?.filter(|_| !plan.chunk).ok_or_else(|| Error::Usage {
            message: format!("{} alone is not enough to resume this run", path.display()),
            hint: Some("name its kb.toml: the sources or settings are still needed".to_owned()),
        })?;
    let chunk = ChunkConfig::default();
    let job = Job {
        kb,
        extract: ExtractConfig::default(),
        fingerprints: StageFingerprints::new(&chunk, embedder.as_ref()),
        chunk,
        analyser: Analyser::for_fingerprint(&kb.reader().analysis_fingerprint()?)
            .unwrap_or_else(|| Analyser::new(AUTO)),
        embedder,
        budget: None,
        sources: Vec::new(),
        source: SourceConfig::default(),
        cache: Arc::new(Cache::new(path, None)),
    };
    let (run, state) = kb.continue_run(run.id, &run.settings, &plan.phases(), session.events)?;
    job.carry_out(&run, state, plan, options, session)
}

/// What a run is done with.
struct Job<'a> {
    kb: &'a Writer,
    extract: ExtractConfig,
    chunk: ChunkConfig,
    fingerprints: StageFingerprints,
    analyser: Analyser,
    embedder: Box<dyn Embedder + 'a>,
    budget: Option<Arc<Budget>>,
    sources: Vec<AnySource>,
    /// The settings of the sources.
    source: SourceConfig,
    cache: Arc<Cache>,
}

impl<'a> Job<'a> {
    /// Opens what the settings of `config` and the caller's `session` name.
    fn new(config: &Config, kb: &'a Writer, session: &Session<'a>) -> Result<Self, Error> {
        // Of the knowledge base that `config` names, also for a run on another one.
        let cache = Arc::new(Cache::new(&config.kb, config.cache.as_deref()));
        let sources = open_sources(config, &cache, session)?;
        let budget = budget(config, kb.reader())?;
        let embedder: Box<dyn Embedder + 'a> = match (session.embedder, &budget) {
            (Some(embedder), Some(budget)) => Box::new(Budgeted::new(embedder, Arc::clone(budget))),
            (Some(embedder), None) => Box::new(embedder),
            (None, _) => {
                let setting = config.embed_setting(&session.stop, true);
                embed::open(&config.embed, &EmbedSetting { budget: budget.clone(), ..setting })?
            }
        };
        if let Some(probe) = kb.reader().probe(&embedder.model().fingerprint)? {
            embedder.expect_probe(probe);
        }
        Ok(Self {
            kb,
            extract: config.extract.clone(),
            chunk: config.chunk.clone(),
            fingerprints: StageFingerprints::new(&config.chunk, embedder.as_ref()),
            analyser: Analyser::new(&config.search.language),
            embedder,
            budget,
            sources,
            source: config.source.clone(),
            cache,
        })
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
        let continued = plan.unfinished.is_some();
        session.events.emit(&Event::Started { run: &state, continued });
        let StageFingerprints { chunk, embed, .. } = &self.fingerprints;
        let reset = if plan.chunk { run.reset_stale(chunk, embed) } else { Ok(()) };
        let extract =
            ExtractConfig { workspace: Some(Arc::clone(&self.cache)), ..self.extract.clone() };
        let extraction = Extraction::open(&extract, Some(session.stop.clone()));
        let pool = workers::pool(options.threads);
        let context = Context {
            kb: self.kb.reader(),
            run,
            sources: &self.sources,
            extraction: &extraction,
            chunk: &self.chunk,
            fingerprints: &self.fingerprints,
            analyser: &self.analyser,
            embedder: self.embedder.as_ref(),
            budget: self.budget.as_deref(),
            pool: &pool,
            fetch_threads: workers::fetch,
            deletions: DeletionRules {
                allowed: options.allow_deletes.clone(),
                limits: self.source.max_deletes().collect(),
            },
            skip_rules: self.source.skip_rules(),
            stop: &session.stop,
            hook: session.hook,
            events: session.events,
            progress: Progress::new(plan.crawl || plan.chunk),
            polled: Mutex::new(None),
        };
        let QueueStats { pending, .. } = self.kb.reader().queue_stats()?;
        context.progress.queue_chunks(state.metrics.chunks_stored + pending);
        context.progress.store_chunks(state.metrics.chunks_stored, 0);
        let tracker = PhaseTracker::new(state.phases);
        let worked = reset
            .map_err(Error::from)
            .and_then(|()| context.reached(Checkpoint::BeforeStart))
            .and_then(|()| workers::run(&context, plan, &tracker));
        if let Some(budget) = &self.budget {
            // If this fails, so does what follows.
            let _ = run.add_usage(budget.unsaved());
        }
        let rules =
            FailureRules { fail_on: options.fail_on, is_named: &|failure| self.names(failure) };
        let Ended { run, failures, counts, result } = outcome::settle(run, &state, worked, &rules)?;
        if outcome::failed(&result).is_none() {
            let merge_pages_max = outcome::merge_pages_max(&run.metrics);
            workers::finish(&context, self.kb, merge_pages_max)?;
        }
        let exit_code = result.as_ref().map_or_else(Error::exit_code, |ended| ended.exit_code());
        Ok(RunReport {
            schema: 1,
            knowledge_base: self.kb.reader().path().to_owned(),
            run: Some(run),
            ended: result,
            exit_code: exit_code.number(),
            seconds: started.elapsed().as_secs_f64(),
            phase_seconds: tracker.seconds(),
            failures,
            new_failures: counts.new,
            known_failures: counts.known,
            publication: None,
        })
    }

    /// Reports whether kb.toml names the document of `failure` one by one.
    fn names(&self, failure: &Failure) -> bool {
        let Failure { source, uri, .. } = failure;
        let of_site = |site: &AnySource| site.name() == source && site.names_page(uri);
        self.source.includes_by_name(source, uri) || self.sources.iter().any(of_site)
    }
}

/// Returns what is left of the budget that `config` sets; `None` if it sets none.
fn budget(config: &Config, kb: &Reader) -> Result<Option<Arc<Budget>>, Error> {
    if !config.budget.is_limited() {
        return Ok(None);
    }
    let unfinished = kb.last_run()?.filter(|run| !run.status.is_complete());
    let (run, day) = kb.usage(unfinished.as_ref().map(|run| run.id))?;
    Ok(Some(Arc::new(Budget::new(config.budget, run, day))))
}

/// Fails if deletions are allowed for a source that neither kb.toml nor the knowledge base has.
fn require_sources(kb: &Reader, config: &Config, allowed: &AllowDeletes) -> Result<(), Error> {
    let AllowDeletes::Of(names) = allowed else { return Ok(()) };
    let mut known = kb.source_names()?;
    known.extend(config.source.tables(None).iter().map(|(_, name, _)| name.get_ref().clone()));
    known.sort_unstable();
    known.dedup();
    match names.iter().find(|name| !known.contains(name)) {
        Some(name) => Err(Error::UnknownSource { name: name.clone(), known }),
        None => Ok(()),
    }
}

fn open_sources(
    config: &Config,
    cache: &Arc<Cache>,
    session: &Session<'_>,
) -> Result<Vec<AnySource>, Error> {
    let mut own = files::all(&config.kb);
    own.extend(cache.places());
    own.extend(allowed_folder());
    own.extend(config.vector_cache().iter().flat_map(|path| storage::database_files(path)));
    let setting = Setting {
        base: &config.base,
        leave_out: &own,
        cache,
        program: config.extract.program.as_deref(),
        stop: Arc::clone(&session.stop),
    };
    Ok(source::open(&config.source, &setting)?)
}

/// Returns the embedder that made the vectors of `kb`, if all are of one that is at hand.
fn embedder_of<'a>(
    kb: &Reader,
    session: &Session<'a>,
) -> Result<Option<Box<dyn Embedder + 'a>>, Error> {
    let fingerprints = kb.embed_fingerprints()?;
    let [fingerprint] = fingerprints.as_slice() else { return Ok(None) };
    match session.embedder {
        Some(embedder) if embedder.model().fingerprint == *fingerprint => {
            Ok(Some(Box::new(embedder)))
        }
        _ => Ok(embed::for_fingerprint(fingerprint)?.map(|embedder| embedder as _)),
    }
}

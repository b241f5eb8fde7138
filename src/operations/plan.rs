//! `plan`: what an ingest would do.
//!
//! It is done, on a copy of the knowledge base in a folder of its own and with an embedder that
//! only counts, so that the answer is that of a run. Sources are asked as by a run.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Session;
use super::ingest::{IngestOptions, ingest_into};
use crate::config::Config;
use crate::domain::RunStatus;
use crate::embed::{self, Counting};
use crate::error::{Error, chain};
use crate::kb::vector_cache::VectorCache;
use crate::kb::{KbError, LiveDocument, Reader, Writer};
use crate::pipeline::outcome;
use crate::support::own_folder::OwnFolder;

/// What an ingest would do; `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// Version of this object's schema.
    pub schema: u32,
    /// The knowledge base.
    #[serde(serialize_with = "crate::support::names::lossy")]
    pub knowledge_base: PathBuf,
    /// Whether it exists.
    pub exists: bool,
    /// The sources with documents, by name.
    pub sources: Vec<SourcePlan>,
    /// Documents that would fail, those included that failed before.
    pub documents_failed: u64,
    /// Documents that would be skipped, those included that were before.
    pub documents_skipped: u64,
    /// Documents that are gone, and would be kept, as they are suspiciously many.
    pub deletions_withheld: u64,
    /// Chunks that would be stored.
    pub chunks: u64,
    /// Of these, chunks that need a new vector.
    pub chunks_to_embed: u64,
    /// Tokens of the texts that would be embedded.
    pub tokens: u64,
    /// Texts whose vectors are in the cache of paid vectors.
    pub texts_cached: u64,
    /// What they cost by `budget.price_per_million_tokens`; `null` without a price.
    pub cost: Option<f64>,
    /// Seconds to embed them, at the speed of the last run that embedded; `null` if there is none.
    pub seconds: Option<f64>,
    /// What would end the run with an error.
    pub error: Option<String>,
    /// The exit code that the run would have.
    pub exit_code: u8,
}

/// What would become of the documents of a source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourcePlan {
    /// Its name.
    pub name: String,
    /// Documents for the first time.
    pub new: u64,
    /// Documents with another content.
    pub changed: u64,
    /// Documents whose text is the same, and that settings or a newer program make again.
    pub made_again: u64,
    /// Documents that are gone.
    pub deleted: u64,
    /// Documents that stay.
    pub unchanged: u64,
    /// The documents that change: what would become of each, and its URI, by URI.
    pub documents: Vec<(Change, String)>,
}

/// What would become of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    New,
    /// Its content is another.
    Changed,
    /// It is made again from the same content.
    MadeAgain,
    /// It is gone.
    Deleted,
}

impl PlanReport {
    /// Reports whether an ingest would change anything.
    pub fn has_changes(&self) -> bool {
        self.chunks > 0 || self.sources.iter().any(|source| !source.documents.is_empty())
    }
}

/// Returns what `ingest` would do with the same options. Writes nothing but a copy of the knowledge
/// base in the folder for temporary files, which is removed, and the cache of the sources.
pub fn plan(
    config: &Config,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<PlanReport, Error> {
    config.check()?;
    config.require_trust()?;
    let live = match Reader::open(&config.kb) {
        Ok(live) => Some(live),
        Err(KbError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let folder = scratch().map_err(|error| KbError::Io {
        action: "create a folder in",
        path: std::env::temp_dir(),
        source: error.into(),
    })?;
    let path = folder.path().join("plan.kb");
    let result = on_copy(&path, live.as_ref(), config, options, session);
    // What is left is in the folder for temporary files.
    let _ = folder.remove_all();
    result
}

fn on_copy(
    path: &Path,
    live: Option<&Reader>,
    config: &Config,
    options: &IngestOptions,
    session: &Session<'_>,
) -> Result<PlanReport, Error> {
    if let Some(live) = live {
        live.maintenance().copy_to(&Writer::create_or_open(path)?)?;
    }
    let setting = config.embed_setting(&session.stop, false);
    let cache = setting.cache.as_ref();
    let cache = cache.and_then(|file| VectorCache::open(&file.path, config.embed.cache_max.0).ok());
    let embedder = embed::open(&config.embed, &embed::Setting { cache: None, ..setting })?;
    let counting = Counting::new(embedder, cache);
    let unlimited = Config { budget: embed::BudgetConfig::default(), ..config.clone() };
    let session = Session { embedder: Some(&counting), stop: session.stop.clone(), ..*session };
    let run = ingest_into(path, &unlimited, options, &session)?;
    let counts = counting.counts();
    let metrics = run.run.as_ref().map(|run| run.metrics).unwrap_or_default();
    // A run that was interrupted is continued: what it has stored is not stored again.
    let unfinished = live.map(Reader::last_run).transpose()?.flatten();
    let unfinished = unfinished.filter(|old| run.run.as_ref().is_some_and(|run| run.id == old.id));
    let stored_before = unfinished.map_or(0, |run| run.metrics.chunks_stored);
    let price = config.budget.price_per_million_tokens;
    Ok(PlanReport {
        schema: 1,
        knowledge_base: config.kb.clone(),
        exists: live.is_some(),
        sources: differences(live, &Reader::open(path)?)?,
        documents_failed: metrics.documents_failed,
        documents_skipped: metrics.documents_skipped,
        deletions_withheld: metrics.deletions_withheld,
        chunks: metrics.chunks_stored.saturating_sub(stored_before),
        chunks_to_embed: counts.texts,
        tokens: counts.tokens,
        texts_cached: counts.cached,
        cost: (price > 0.0).then(|| counts.tokens as f64 * price / 1e6),
        seconds: live.map(speed).transpose()?.flatten().map(|speed| counts.texts as f64 / speed),
        error: outcome::failed(&run.ended).map(|error| chain(error)),
        exit_code: run.exit_code,
    })
}

/// Creates a folder that only this process uses.
fn scratch() -> std::io::Result<OwnFolder> {
    let mut number = std::process::id();
    loop {
        let path = std::env::temp_dir().join(format!("kbingest-plan-{number}"));
        match OwnFolder::create_new(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                number = number.wrapping_add(1 << 22);
            }
            created => return created,
        }
    }
}

/// Returns how many chunks a second the last run embedded; `None` if it did not embed any.
fn speed(live: &Reader) -> Result<Option<f64>, Error> {
    let Some(run) = live.last_run()?.filter(|run| run.status != RunStatus::Running) else {
        return Ok(None);
    };
    let embedded = run.metrics.chunks_stored.saturating_sub(run.metrics.chunks_reused);
    Ok((embedded > 0 && run.worked_ms > 0).then(|| embedded as f64 * 1e3 / run.worked_ms as f64))
}

/// Compares the documents of `live` with those of the copy after the run.
pub(super) fn differences(live: Option<&Reader>, after: &Reader) -> Result<Vec<SourcePlan>, Error> {
    let mut before = HashMap::new();
    if let Some(live) = live {
        live.each_live_document(&mut |document| {
            let LiveDocument { source, uri, content, made_by } = document;
            before.insert((source, uri), (content, made_by));
        })?;
    }
    let mut sources: BTreeMap<String, SourcePlan> = BTreeMap::new();
    after.each_live_document(&mut |document| {
        let LiveDocument { source, uri, content, made_by } = document;
        let address = (source, uri);
        let change = match before.remove(&address) {
            None => Some(Change::New),
            Some((old, _)) if old != content => Some(Change::Changed),
            Some((_, old)) if old != made_by => Some(Change::MadeAgain),
            Some(_) => None,
        };
        let (source, uri) = address;
        sources.entry(source).or_default().count(change, uri);
    })?;
    for (source, uri) in before.into_keys() {
        sources.entry(source).or_default().count(Some(Change::Deleted), uri);
    }
    Ok(sources
        .into_iter()
        .map(|(name, mut source)| {
            source.documents.sort_by(|a, b| a.1.cmp(&b.1));
            SourcePlan { name, ..source }
        })
        .collect())
}

impl SourcePlan {
    fn count(&mut self, change: Option<Change>, uri: String) {
        let count = match change {
            None => &mut self.unchanged,
            Some(Change::New) => &mut self.new,
            Some(Change::Changed) => &mut self.changed,
            Some(Change::MadeAgain) => &mut self.made_again,
            Some(Change::Deleted) => &mut self.deleted,
        };
        *count += 1;
        self.documents.extend(change.map(|change| (change, uri)));
    }
}

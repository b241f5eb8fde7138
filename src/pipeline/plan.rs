//! What a run has to do: everything, or what an earlier process left.

use crate::chunk::{self, ChunkConfig};
use crate::domain::{
    MediaType, PhaseStatus, Phases, QueueStats, RunId, RunSettings, RunState, RunStatus,
};
use crate::embed::Embedder;
use crate::kb::{KbError, Reader};

/// The work of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// List the sources and read what changed.
    pub crawl: bool,
    /// Find and redo what was made with settings other than the current ones.
    pub redo: bool,
    /// Split saved texts into chunks.
    pub chunk: bool,
    /// Embed what is queued.
    pub embed: bool,
    /// The run that an earlier process began; `None` for a new one.
    pub unfinished: Option<RunId>,
}

impl Plan {
    /// Everything: the plan of a new run.
    pub const WHOLE: Self =
        Self { crawl: true, redo: true, chunk: true, embed: true, unfinished: None };

    /// Returns the phases for a continued run: completed ones stay completed.
    pub fn phases(self) -> Phases {
        let status =
            |to_do: bool| if to_do { PhaseStatus::Pending } else { PhaseStatus::Completed };
        Phases {
            crawling: status(self.crawl),
            cleaning: status(self.chunk),
            embedding: status(self.embed),
        }
    }
}

/// Fingerprints of the current chunkers and embedder; a revision with others is chunked or embedded
/// again.
#[derive(Clone, Debug)]
pub struct StageFingerprints {
    /// Fingerprint of the chunker of every media type, with its settings.
    pub chunk: Vec<(MediaType, String)>,
    /// Fingerprint of the embedder.
    pub embed: String,
}

impl StageFingerprints {
    /// Returns the fingerprints of these settings and this program.
    pub fn new(config: &ChunkConfig, embedder: &dyn Embedder) -> Self {
        let model = embedder.model();
        let of = |media_type| {
            config.fingerprint(chunk::chunker(media_type), embedder.tokens()).to_string()
        };
        Self {
            chunk: MediaType::ALL.map(|media_type| (media_type, of(media_type))).to_vec(),
            embed: model.fingerprint.clone(),
        }
    }

    /// Returns the fingerprint of the chunks of a text.
    pub fn of_chunks(&self, media_type: MediaType) -> &str {
        let found = self.chunk.iter().find(|(known, _)| *known == media_type);
        found.map(|(_, fingerprint)| fingerprint).expect("there is one for every media type")
    }

    /// Returns what a run with these settings records of them; `config` is the hash of its kb.toml,
    /// and `config_path` its path relative to the folder of the knowledge base.
    pub fn settings(&self, config: &str, config_path: String) -> RunSettings {
        let mut hasher = blake3::Hasher::new();
        for (_, chunk_fp) in &self.chunk {
            hasher.update(chunk_fp.as_bytes()).update(b"\0");
        }
        hasher.update(self.embed.as_bytes());
        let stages = hasher.finalize().to_hex()[..16].to_owned();
        RunSettings { config: config.to_owned(), stages, config_path }
    }
}

/// Plans an `ingest`: continues an unfinished run, unless it `starts_over`, else starts a new one.
/// It always lists the sources.
pub fn plan_ingest(
    kb: &Reader,
    fingerprints: &StageFingerprints,
    settings: &RunSettings,
    starts_over: bool,
) -> Result<Plan, KbError> {
    match kb.last_run()? {
        Some(mut run) if !run.status.is_complete() && !starts_over => {
            // Its listing may be stale even if complete, and a completed run promises the present
            // state.
            run.phases.crawling = PhaseStatus::Pending;
            plan_rest(kb, &run, fingerprints)
        }
        last => {
            let redo = !last.is_some_and(|run| is_settled(&run, settings));
            Ok(Plan { redo, ..Plan::WHOLE })
        }
    }
}

/// Plans the rest of the unfinished `run`, including what a change of settings requires.
pub fn plan_rest(
    kb: &Reader,
    run: &RunState,
    fingerprints: &StageFingerprints,
) -> Result<Plan, KbError> {
    let plan = plan_resume(run.id, &run.phases, &kb.queue_stats()?);
    let stale = kb.stale_revisions(&fingerprints.chunk, &fingerprints.embed, 1)?;
    Ok(match stale.is_empty() {
        true => plan,
        false => Plan { redo: true, chunk: true, embed: true, ..plan },
    })
}

/// Decides what an interrupted run still has to do.
///
/// A completed phase is skipped; a crawl that is complete with chunks still queued goes straight to
/// embedding. The queue overrules the phases: a phase that calls itself completed while work waits
/// is resumed.
pub fn plan_resume(run: RunId, phases: &Phases, queue: &QueueStats) -> Plan {
    let open = |status: PhaseStatus| status != PhaseStatus::Completed;
    let crawl = open(phases.crawling);
    let chunk = crawl || open(phases.cleaning) || queue.unchunked_revisions > 0;
    let embed = chunk || open(phases.embedding) || queue.has_work();
    Plan { crawl, redo: chunk, chunk, embed, unfinished: Some(run) }
}

/// Returns whether `last`, the run before this one, left nothing that was made with settings other
/// than these: it checked that, or followed a run that did, and nothing failed. The check is a
/// twentieth of a run that finds nothing changed.
fn is_settled(last: &RunState, settings: &RunSettings) -> bool {
    let RunSettings { config, stages, .. } = &last.settings;
    last.status == RunStatus::Completed && (config, stages) == (&settings.config, &settings.stages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PhaseStatus::{Completed, InProgress, Pending};

    fn check(
        [crawling, cleaning, embedding]: [PhaseStatus; 3],
        pending: u64,
        unchunked_revisions: u64,
        [crawl, chunk, embed]: [bool; 3],
    ) {
        let phases = Phases { crawling, cleaning, embedding };
        let queue = QueueStats { pending, unchunked_revisions, ..QueueStats::default() };
        assert_eq!(
            plan_resume(RunId(7), &phases, &queue),
            Plan { crawl, redo: chunk, chunk, embed, unfinished: Some(RunId(7)) },
            "{phases:?} {queue:?}"
        );
    }

    #[test]
    fn completed_phases_are_skipped() {
        check([Pending, Pending, Pending], 0, 0, [true, true, true]);
        check([InProgress, InProgress, InProgress], 9, 2, [true, true, true]);
        check([Completed, InProgress, InProgress], 9, 0, [false, true, true]);
        check([Completed, Completed, InProgress], 9, 0, [false, false, true]);
        check([Completed, Completed, Completed], 0, 0, [false, false, false]);
    }

    #[test]
    fn the_queue_overrules_the_flags() {
        check([Completed, Completed, Completed], 1, 0, [false, false, true]);
        check([Completed, Completed, Completed], 0, 1, [false, true, true]);
    }
}

//! Crawl -> Save -> Chunk -> Enqueue, batch by batch.

use super::intake::chunk_all;
use super::listed::gather;
use super::merge::Merge;
use super::phases::PhaseTracker;
use super::plan::{Plan, StageFingerprints};
use super::reconcile::{Gone, reconcile};
use super::suspicion::Suspicion;
use super::{Context, Handoff, Work};
use crate::domain::{ChunkId, Failure, FailureKind, Metrics, Phase, Stage};
use crate::error::Error;
use crate::kb::{ChunkedRevision, Outcome, QueuedChunk, Reading, SaveResult, TextRevision, Unit};
use crate::source::AnySource;
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;
use crate::support::secrets;

/// Bytes of a batch: the batch that reaches them is full. Every batch waits for the disk five times, so that smaller
/// ones cost time, and larger ones memory.
pub(super) const BATCH_BYTES: u64 = 3 * 1024 * 1024;
/// Revisions taken back to an earlier stage in one transaction.
const RESTAGE_REVISIONS: usize = 256;

/// Runs the producer's part of `plan`; queued work goes to `handoff`.
pub fn run(
    context: &Context<'_>,
    plan: Plan,
    tracker: &PhaseTracker,
    handoff: &Handoff,
) -> Result<(), Error> {
    let suspicion = Suspicion::load(context.kb)?;
    let producer = Producer { context, tracker, handoff, suspicion };
    if plan.crawl {
        producer.expect(plan.unfinished.is_some())?;
    }
    if plan.restage {
        producer.restage()?;
    }
    if plan.chunk {
        producer.chunk_saved()?;
    }
    if plan.crawl {
        tracker.begin(context, Phase::Crawling)?;
        for source in context.sources {
            match source {
                AnySource::Listed(source) => producer.crawl(source.as_ref())?,
                AnySource::Crawled(site) => producer.crawl_site(site)?,
            }
        }
        producer.forget_removed_sources()?;
        context.progress.finish_producing();
    }
    // Without a crawl to do, that is complete already.
    tracker.complete(context, &[Phase::Crawling, Phase::Cleaning])
}

/// The producer at work; `crawl.rs` has what is special to web sites.
pub(super) struct Producer<'a> {
    pub(super) context: &'a Context<'a>,
    tracker: &'a PhaseTracker,
    handoff: &'a Handoff,
    pub(super) suspicion: Suspicion,
}

impl Producer<'_> {
    /// Sets the number that progress is measured against: the ledger's, or a count of the listing where
    /// the ledger is empty or half filled.
    fn expect(&self, continued: bool) -> Result<(), Error> {
        for source in self.context.sources {
            let known = self.context.kb.document_count(source.name())?;
            let expected = match source {
                AnySource::Listed(source) if known == 0 || continued => {
                    source.list().map_or(known, |listing| listing.count() as u64)
                }
                AnySource::Listed(_) => known,
                // Nobody knows how many there will be; never nothing, which would be all done.
                AnySource::Crawled(_) => known.max(1),
            };
            self.context.progress.expect_documents(expected);
        }
        Ok(())
    }

    /// Takes revisions made with other settings back to the stage that the change asks for.
    fn restage(&self) -> Result<(), Error> {
        let Context { kb, run, fingerprints, .. } = *self.context;
        let StageFingerprints { chunk, embed } = fingerprints;
        loop {
            self.context.reached(Checkpoint::BeforeBatch)?;
            let stale = kb.stale_revisions(chunk, embed, RESTAGE_REVISIONS)?;
            if stale.is_empty() {
                return Ok(());
            }
            self.tracker.begin(self.context, Phase::Cleaning)?;
            let ranges = run.restage(&stale, embed)?;
            if !ranges.is_empty() {
                self.hand_over(Some(Work { ranges, units: None }))?;
            }
        }
    }

    /// Chunks texts that an earlier process or [`Self::restage`] left saved.
    fn chunk_saved(&self) -> Result<(), Error> {
        let batch_bytes = usize::try_from(BATCH_BYTES).unwrap_or(usize::MAX);
        loop {
            self.context.reached(Checkpoint::BeforeBatch)?;
            let revisions = self.context.kb.unchunked(batch_bytes)?;
            if revisions.is_empty() {
                return Ok(());
            }
            let (apart, together): (Vec<_>, Vec<_>) = revisions
                .into_iter()
                .partition(|revision| self.suspicion.holds(&revision.source, &revision.uri));
            for revision in apart {
                match self.suspicion.verdict(&revision.source, &revision.uri) {
                    Some(error) => self.give_up(&revision, &error)?,
                    None => self.chunk_noted(vec![revision], true)?,
                }
            }
            if !together.is_empty() {
                self.chunk_noted(together, false)?;
            }
        }
    }

    /// Notes what is about to be chunked, and chunks it.
    fn chunk_noted(&self, revisions: Vec<TextRevision>, alone: bool) -> Result<(), Error> {
        let documents: Vec<_> =
            revisions.iter().map(|one| (one.source.as_str(), one.uri.as_str())).collect();
        self.context.run.begin_intake(&documents, &[], alone)?;
        self.hand_over(self.chunk_and_enqueue(revisions)?)
    }

    /// Chunk -> Enqueue for saved texts; returns what there is to hand over.
    pub(super) fn chunk_and_enqueue(
        &self,
        revisions: Vec<TextRevision>,
    ) -> Result<Option<Work>, Error> {
        if revisions.is_empty() {
            return Ok(None);
        }
        let context = self.context;
        self.tracker.begin(context, Phase::Cleaning)?;
        let results = chunk_all(context, &revisions)?;
        let mut chunked = Vec::with_capacity(revisions.len());
        let mut kept = Vec::with_capacity(revisions.len());
        for (revision, result) in revisions.into_iter().zip(results) {
            match result {
                Ok(chunks) => {
                    chunked.push(chunks);
                    kept.push(revision);
                }
                Err(error) => self.give_up(&revision, &error)?,
            }
        }
        context.reached(Checkpoint::AfterChunk)?;
        let percent = context.progress.percent();
        let (firsts, ranges) =
            context.run.enqueue(&chunked, &context.fingerprints.embed, percent)?;
        context.progress.queue_chunks(chunked.iter().map(|one| one.chunks.len() as u64).sum());
        context.reached(Checkpoint::AfterEnqueue)?;
        let is_something_queued = !ranges.is_empty();
        Ok(is_something_queued.then(|| Work { ranges, units: Some(units(kept, chunked, &firsts)) }))
    }

    pub(super) fn hand_over(&self, work: Option<Work>) -> Result<(), Error> {
        let Some(work) = work else { return Ok(()) };
        // The consumer is gone only after an error of its own, which is the one that is told.
        self.handoff.send(work).map_err(|_| Error::Stopped)
    }

    fn give_up(&self, revision: &TextRevision, error: &str) -> Result<(), Error> {
        let Context { run, events, .. } = *self.context;
        let failure = Failure {
            source: revision.source.clone(),
            uri: revision.uri.clone(),
            stage: Stage::Chunk,
            kind: FailureKind::Permanent,
            error: error.to_owned(),
        };
        events.emit(&Event::Failed { failure: &failure });
        run.fail_revision(revision.id, Stage::Chunk, error)?;
        Ok(())
    }

    /// An outage deletes nothing and stops no other source.
    pub(super) fn skip_unreachable(&self, error: &str) -> Result<(), Error> {
        let Context { run, events, .. } = *self.context;
        let message = format!("{error}; its documents stay as they are");
        events.emit(&Event::Warning { message: &message });
        let delta = Metrics { sources_unreachable: 1, ..Metrics::default() };
        run.save_progress(&delta, None)?;
        Ok(())
    }

    /// Lets go of the documents of sources that kb.toml no longer names.
    fn forget_removed_sources(&self) -> Result<(), Error> {
        let context = self.context;
        let sites = context.sources.iter().filter(|source| matches!(source, AnySource::Crawled(_)));
        let sites: Vec<_> = sites.map(AnySource::name).collect();
        context.run.keep_frontiers(&sites)?;
        for name in context.kb.source_names()? {
            if context.sources.iter().any(|source| source.name() == name) {
                continue;
            }
            let mut merge = Merge::of_removed(context, &name);
            let mut gone = Gone::default();
            while !gather(&mut merge, &mut gone)?.is_last {
                context.reached(Checkpoint::BeforeBatch)?;
            }
            reconcile(context, &name, gone)?;
        }
        Ok(())
    }

    pub(super) fn report(&self, source: &str, readings: &[Reading], results: &[SaveResult]) {
        for (reading, result) in readings.iter().zip(results) {
            tracing::debug!(source, uri = secrets::hidden(&reading.uri), ?result, "read");
            if let Outcome::Failed { stage, kind, error } = &reading.outcome {
                let failure = Failure {
                    source: source.to_owned(),
                    uri: reading.uri.clone(),
                    stage: *stage,
                    kind: *kind,
                    error: error.clone(),
                };
                self.context.events.emit(&Event::Failed { failure: &failure });
            }
        }
    }
}

/// Returns the readings that were saved as new revisions.
pub(super) fn saved_revisions(
    source: &str,
    readings: Vec<Reading>,
    results: &[SaveResult],
) -> Vec<TextRevision> {
    let saved = readings.into_iter().zip(results).filter_map(|(reading, result)| {
        match (reading.outcome, result) {
            (Outcome::Text(text), SaveResult::Saved(id)) => Some(TextRevision {
                id: *id,
                source: source.to_owned(),
                uri: reading.uri,
                title: text.title,
                media_type: text.media_type,
                text: text.text,
            }),
            _ => None,
        }
    });
    saved.collect()
}

/// Pairs texts with their chunks and the ids that these were given.
fn units(
    revisions: Vec<TextRevision>,
    chunked: Vec<ChunkedRevision>,
    firsts: &[Option<ChunkId>],
) -> Vec<Unit> {
    let parts = revisions.into_iter().zip(chunked).zip(firsts);
    let units = parts.filter_map(|((revision, chunked), first)| {
        let first = first.as_ref()?;
        Some(Unit {
            revision: revision.id,
            uri: revision.uri,
            title: revision.title,
            text: revision.text,
            chunk_total: chunked.chunks.len(),
            chunks: (first.0..)
                .zip(chunked.chunks)
                .map(|(id, new)| QueuedChunk {
                    id: ChunkId(id),
                    chunk: new.chunk,
                    input_hash: new.input_hash,
                })
                .collect(),
        })
    });
    units.collect()
}

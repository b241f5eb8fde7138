//! Crawl -> Save -> Chunk -> Enqueue, batch by batch.

use std::time::{Duration, Instant};

use super::intake::{chunk_all, read_all};
use super::merge::{Merge, Sighting, ToRead};
use super::phases::PhaseTracker;
use super::plan::Plan;
use super::reconcile::{Gone, reconcile};
use super::suspicion::Suspicion;
use super::{Context, Handoff, Work};
use crate::chunk;
use crate::domain::{ChunkId, Failure, FailureKind, MediaType, Metrics, Phase, Stage};
use crate::embed::Embedder;
use crate::error::{Error, chain};
use crate::kb::{ChunkedRevision, Outcome, Reading, SaveResult, TextRevision, Unit};
use crate::source::{AnySource, ListError, Source, SourceError};
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;

/// Documents of a batch at most.
const BATCH_DOCUMENTS: usize = 512;
/// Bytes of a batch: the batch that reaches them is full. Every batch waits for the disk six times, so that smaller
/// ones cost time, and larger ones memory.
const BATCH_BYTES: u64 = 6 * 1024 * 1024;
/// Addresses looked at before the next checkpoint, unchanged ones included. What is changed among them is stored
/// together.
const BATCH_SIGHTINGS: usize = 16_384;
/// Revisions taken back to an earlier stage in one transaction.
const RESTAGE_REVISIONS: usize = 256;
/// How often progress is saved while nothing else is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

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
        producer.expect(plan.continued)?;
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

/// Returns today's chunk fingerprint of every media type.
pub fn chunk_fingerprints(
    config: &chunk::ChunkConfig,
    embedder: &dyn Embedder,
) -> Vec<(MediaType, String)> {
    let tokens = embedder.model().tokens;
    MediaType::ALL
        .into_iter()
        .map(|media_type| (media_type, config.fingerprint(chunk::chunker(media_type), tokens)))
        .collect()
}

/// The producer at work; `crawl.rs` has what is special to web sites.
pub(super) struct Producer<'a> {
    pub(super) context: &'a Context<'a>,
    tracker: &'a PhaseTracker,
    handoff: &'a Handoff,
    pub(super) suspicion: Suspicion,
}

/// What one look through a part of a listing found.
#[derive(Default)]
struct Batch {
    to_read: Vec<ToRead>,
    unlisted: Vec<ListError>,
    seen: u64,
    unchanged: u64,
    is_last: bool,
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
        let Context { kb, run, embedder, .. } = *self.context;
        let embed_fp = &embedder.model().fingerprint;
        let chunk_fps = chunk_fingerprints(self.context.chunk, embedder);
        loop {
            self.context.reached(Checkpoint::BeforeBatch)?;
            let stale = kb.stale_revisions(&chunk_fps, embed_fp, RESTAGE_REVISIONS)?;
            if stale.is_empty() {
                return Ok(());
            }
            self.tracker.begin(self.context, Phase::Cleaning)?;
            let (ranges, state) = kb.restage(run, &stale, embed_fp)?;
            self.context.saved(&state);
            if !ranges.is_empty() {
                self.hand_over(Work { ranges, units: None })?;
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
        self.context.saved(&self.context.kb.begin_intake(self.context.run, &documents, alone)?);
        self.chunk_and_enqueue(revisions)
    }

    /// Takes in one source: reads what changed, then lets go of what is gone.
    fn crawl(&self, source: &dyn Source) -> Result<(), Error> {
        let context = self.context;
        let listing = match source.list() {
            Ok(listing) => listing,
            Err(SourceError::Stopped) => return Err(Error::Stopped),
            Err(error @ SourceError::Full { .. }) => return Err(error.into()),
            Err(error) => return self.skip_unreachable(&chain(&error)),
        };
        let mut merge = Merge::new(context, source, listing);
        let mut gone = Gone::default();
        let mut unsaved = Metrics::default();
        let mut saved_at = Instant::now();
        loop {
            context.reached(Checkpoint::BeforeBatch)?;
            let batch = gather(&mut merge, &mut gone)?;
            unsaved.documents_crawled += batch.seen;
            unsaved.documents_unchanged += batch.unchanged;
            context.progress.see_documents(batch.seen);
            let nothing_to_save = batch.to_read.is_empty() && batch.unlisted.is_empty();
            if !nothing_to_save {
                let delta = std::mem::take(&mut unsaved);
                self.take_in(source, batch.to_read, &batch.unlisted, &mut gone, delta)?;
                saved_at = Instant::now();
            } else if batch.is_last || saved_at.elapsed() >= PROGRESS_INTERVAL {
                let delta = std::mem::take(&mut unsaved);
                let percent = Some(context.progress.percent());
                context.saved(&context.kb.save_progress(context.run, &delta, percent)?);
                saved_at = Instant::now();
            }
            if batch.is_last {
                break;
            }
        }
        reconcile(context, source.name(), gone)
    }

    /// Takes in one batch; documents that processes died at are taken one by one.
    fn take_in(
        &self,
        source: &dyn Source,
        to_read: Vec<ToRead>,
        unlisted: &[ListError],
        gone: &mut Gone,
        delta: Metrics,
    ) -> Result<(), Error> {
        let context = self.context;
        let name = source.name();
        if let Some(first) = to_read.first() {
            context.events.emit(&Event::Reading { source: name, uri: &first.entry.uri });
        }
        let (apart, together): (Vec<_>, Vec<_>) =
            to_read.into_iter().partition(|one| self.suspicion.holds(name, &one.entry.uri));
        for one in apart {
            let readings = match self.suspicion.verdict(name, &one.entry.uri) {
                Some(error) => vec![set_aside(context, source, one, error)],
                None => self.read_noted(source, vec![one], true)?,
            };
            self.save_and_chunk(name, readings, Metrics::default())?;
        }
        let mut readings = Vec::new();
        if !together.is_empty() {
            readings = self.read_noted(source, together, false)?;
        }
        for error in unlisted {
            readings.push(unlisted_reading(context, name, error)?);
        }
        self.save_and_chunk(name, readings, delta)?;
        for error in unlisted {
            gone.incomplete |= error.blocks_deletions;
            gone.unlisted.extend(context.kb.find_document(name, &unlisted_uri(error))?);
        }
        Ok(())
    }

    /// Notes what is about to be read, and reads it.
    fn read_noted(
        &self,
        source: &dyn Source,
        to_read: Vec<ToRead>,
        alone: bool,
    ) -> Result<Vec<Reading>, Error> {
        let context = self.context;
        let documents: Vec<_> =
            to_read.iter().map(|one| (source.name(), one.entry.uri.as_str())).collect();
        context.saved(&context.kb.begin_intake(context.run, &documents, alone)?);
        read_all(context, source, to_read)
    }

    /// Save -> Chunk -> Enqueue.
    fn save_and_chunk(
        &self,
        source: &str,
        readings: Vec<Reading>,
        delta: Metrics,
    ) -> Result<(), Error> {
        let context = self.context;
        let percent = context.progress.percent();
        let (results, state) = context.kb.save(context.run, source, &readings, delta, percent)?;
        context.saved(&state);
        self.report(source, &readings, &results);
        let revisions = saved_revisions(source, readings, &results);
        context.reached(Checkpoint::AfterSave)?;
        if revisions.is_empty() { Ok(()) } else { self.chunk_and_enqueue(revisions) }
    }

    /// Chunk -> Enqueue for saved texts.
    pub(super) fn chunk_and_enqueue(&self, revisions: Vec<TextRevision>) -> Result<(), Error> {
        let context = self.context;
        self.tracker.begin(context, Phase::Cleaning)?;
        let mut chunked = Vec::with_capacity(revisions.len());
        let mut kept = Vec::with_capacity(revisions.len());
        let results = chunk_all(context, &revisions)?;
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
        let embed_fp = &context.embedder.model().fingerprint;
        let percent = context.progress.percent();
        let (firsts, ranges, state) =
            context.kb.enqueue(context.run, &chunked, embed_fp, percent)?;
        context.progress.queue_chunks(chunked.iter().map(|one| one.chunks.len() as u64).sum());
        context.saved(&state);
        context.reached(Checkpoint::AfterEnqueue)?;
        if ranges.is_empty() {
            return Ok(());
        }
        let units = units(kept, chunked, &firsts);
        self.hand_over(Work { ranges, units: Some(units) })
    }

    fn hand_over(&self, work: Work) -> Result<(), Error> {
        // The consumer is gone only after an error of its own, which is the one that is told.
        self.handoff.send(work).map_err(|_| Error::Stopped)
    }

    fn give_up(&self, revision: &TextRevision, error: &str) -> Result<(), Error> {
        let Context { kb, run, events, .. } = *self.context;
        let failure = Failure {
            source: revision.source.clone(),
            uri: revision.uri.clone(),
            stage: Stage::Chunk,
            kind: FailureKind::Permanent,
            error: error.to_owned(),
        };
        events.emit(&Event::Failed { failure: &failure });
        self.context.saved(&kb.fail_revision(run, revision.id, Stage::Chunk, error)?);
        Ok(())
    }

    /// An outage deletes nothing and stops no other source.
    pub(super) fn skip_unreachable(&self, error: &str) -> Result<(), Error> {
        let Context { kb, run, events, .. } = *self.context;
        let message = format!("{error}; its documents stay as they are");
        events.emit(&Event::Warning { message: &message });
        let delta = Metrics { sources_unreachable: 1, ..Metrics::default() };
        self.context.saved(&kb.save_progress(run, &delta, None)?);
        Ok(())
    }

    /// Lets go of the documents of sources that kb.toml no longer names.
    fn forget_removed_sources(&self) -> Result<(), Error> {
        let context = self.context;
        let sites = context.sources.iter().filter(|source| matches!(source, AnySource::Crawled(_)));
        let sites: Vec<_> = sites.map(AnySource::name).collect();
        context.kb.keep_frontiers(context.run, &sites)?;
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
            tracing::debug!(source, uri = reading.uri, ?result, "read");
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

/// Takes the next batch from `merge`.
fn gather(merge: &mut Merge<'_>, gone: &mut Gone) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    for _ in 0..BATCH_SIGHTINGS {
        match merge.next()? {
            None => {
                batch.is_last = true;
                break;
            }
            Some(Sighting::Unchanged { count }) => {
                batch.seen += u64::from(count);
                batch.unchanged += u64::from(count);
            }
            Some(Sighting::Changed(to_read)) => {
                batch.seen += u64::from(to_read.count);
                bytes += to_read.entry.size_bytes;
                batch.to_read.push(to_read);
            }
            Some(Sighting::Gone(document)) => gone.documents.push(document),
            Some(Sighting::Unlisted(error)) => batch.unlisted.push(error),
        }
        if batch.to_read.len() == BATCH_DOCUMENTS || bytes >= BATCH_BYTES {
            break;
        }
    }
    Ok(batch)
}

/// An entry that cannot be listed is a document that cannot be read; the root itself goes by `.`.
fn unlisted_uri(error: &ListError) -> String {
    if error.uri.is_empty() { ".".to_owned() } else { error.uri.clone() }
}

fn unlisted_reading(
    context: &Context<'_>,
    source: &str,
    error: &ListError,
) -> Result<Reading, Error> {
    let uri = unlisted_uri(error);
    Ok(Reading {
        document: context.kb.find_document(source, &uri)?,
        version: None,
        extract_fp: context.extraction.expected(&uri).to_owned(),
        count: false,
        size_bytes: 0,
        outcome: Outcome::Failed {
            stage: Stage::Crawl,
            kind: FailureKind::Transient,
            error: chain(error),
        },
        uri,
    })
}

/// A document that is not read again as it is.
fn set_aside(context: &Context<'_>, source: &dyn Source, one: ToRead, error: String) -> Reading {
    Reading {
        document: one.document,
        version: one.entry.version,
        extract_fp: context.extraction.expected(&source.extracted_as(&one.entry.uri)).to_owned(),
        count: one.count,
        size_bytes: 0,
        outcome: Outcome::Failed { stage: Stage::Extract, kind: FailureKind::Permanent, error },
        uri: one.entry.uri,
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
                .map(|(id, new)| (ChunkId(id), new.chunk, new.input_hash))
                .collect(),
        })
    });
    units.collect()
}

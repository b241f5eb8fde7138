//! Crawl -> Save -> Chunk -> Enqueue for a source that lists its documents.
//!
//! A batch is chunked while the next one is read, and handed over when the one after it is noted: the commits of the
//! consumer take most of the time, nothing else is written meanwhile, and the pool has something to do then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::intake::read_all;
use super::merge::{Merge, Sighting, ToRead};
use super::producer::{BATCH_BYTES, Producer, saved_revisions};
use super::reconcile::{Gone, reconcile};
use super::{Context, Work};
use crate::domain::{FailureKind, Metrics, Stage};
use crate::error::{Error, chain};
use crate::kb::{Outcome, Reading, TextRevision};
use crate::source::{ListError, Source, SourceError, uri};
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;

/// Documents of a batch at most.
const BATCH_DOCUMENTS: usize = 512;
/// Addresses looked at before the next checkpoint, unchanged ones included. What is changed among them is stored
/// together.
const BATCH_SIGHTINGS: usize = 16_384;
/// How often progress is saved while nothing else is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What one look through a part of a listing found.
#[derive(Default)]
pub(super) struct Batch {
    to_read: Vec<ToRead>,
    unlisted: Vec<ListError>,
    /// What a limit of kb.toml leaves out.
    left_out: Option<ListError>,
    seen: u64,
    unchanged: u64,
    pub(super) is_last: bool,
}

/// What a batch leaves to be done beside the next one.
#[derive(Default)]
struct Begun {
    /// Queued, and not handed over.
    queued: Option<Work>,
    /// Saved, and not chunked.
    saved: Vec<TextRevision>,
}

impl Producer<'_> {
    /// Takes in one source: reads what changed, then lets go of what is gone.
    pub(super) fn crawl(&self, source: &dyn Source) -> Result<(), Error> {
        let context = self.context;
        let listing = match source.list() {
            Ok(listing) => listing,
            Err(SourceError::Stopped) => return Err(Error::Stopped),
            Err(error) if error.ends_run() => return Err(error.into()),
            Err(error) => return self.skip_unreachable(&chain(&error)),
        };
        let mut merge = Merge::new(context, source, listing);
        let mut gone = Gone::default();
        let mut begun = Begun::default();
        let mut unsaved = Metrics::default();
        let mut saved_at = Instant::now();
        loop {
            context.reached(Checkpoint::BeforeBatch)?;
            let batch = gather(&mut merge, &mut gone)?;
            unsaved.documents_crawled += batch.seen;
            unsaved.documents_unchanged += batch.unchanged;
            context.progress.see_documents(batch.seen);
            let is_last = batch.is_last;
            if let Some(limit) = &batch.left_out {
                gone.incomplete = true;
                unsaved.pages_left_out += 1;
                let (name, limit) = (source.name(), &limit.source);
                let message = format!(
                    "source \"{name}\": {limit}: the rest is left out, and nothing is deleted"
                );
                context.events.emit(&Event::Warning { message: &message });
            }
            if !batch.to_read.is_empty() || !batch.unlisted.is_empty() {
                let delta = std::mem::take(&mut unsaved);
                begun = self.take_in(source, batch, begun, &mut gone, delta)?;
                saved_at = Instant::now();
            } else {
                self.end(std::mem::take(&mut begun))?;
                if is_last || saved_at.elapsed() >= PROGRESS_INTERVAL {
                    let delta = std::mem::take(&mut unsaved);
                    let percent = Some(context.progress.percent());
                    context.run.save_progress(&delta, percent)?;
                    saved_at = Instant::now();
                }
            }
            if is_last {
                break;
            }
        }
        self.end(begun)?;
        reconcile(context, source.name(), gone)
    }

    /// Does what is left of a batch, with none beside it.
    fn end(&self, begun: Begun) -> Result<(), Error> {
        self.hand_over(begun.queued)?;
        self.hand_over(self.chunk_and_enqueue(begun.saved)?)
    }

    /// Reads and saves a batch, and does what is left of the one before it.
    fn take_in(
        &self,
        source: &dyn Source,
        batch: Batch,
        mut before: Begun,
        gone: &mut Gone,
        delta: Metrics,
    ) -> Result<Begun, Error> {
        let context = self.context;
        let name = source.name();
        let Batch { to_read, unlisted, .. } = batch;
        if let Some(first) = to_read.first() {
            context.events.emit(&Event::Reading { source: name, uri: &first.entry.uri });
        }
        let (apart, together): (Vec<_>, Vec<_>) =
            to_read.into_iter().partition(|one| self.suspicion.holds(name, &one.entry.uri));
        if !apart.is_empty() {
            self.end(std::mem::take(&mut before))?;
            self.take_in_alone(source, apart)?;
        }
        let (mut readings, queued) = self.read_beside(source, together, before)?;
        for error in &unlisted {
            readings.push(unlisted_reading(context, name, error)?);
        }
        let saved = self.save(name, readings, delta)?;
        for error in &unlisted {
            gone.incomplete |= error.blocks_deletions;
            gone.unlisted.extend(context.kb.find_document(name, &unlisted_uri(error))?);
        }
        Ok(Begun { queued, saved })
    }

    /// Takes in documents that processes died at, one by one.
    fn take_in_alone(&self, source: &dyn Source, suspects: Vec<ToRead>) -> Result<(), Error> {
        let context = self.context;
        let name = source.name();
        for one in suspects {
            let readings = match self.suspicion.verdict(name, &one.entry.uri) {
                Some(error) => vec![set_aside(context, source, one, error)],
                None => {
                    self.note(name, std::slice::from_ref(&one), &[], true)?;
                    read_all(context, source, vec![one])?
                }
            };
            let saved = self.save(name, readings, Metrics::default())?;
            self.hand_over(self.chunk_and_enqueue(saved)?)?;
        }
        Ok(())
    }

    /// Notes and reads documents, and does beside that what is left of the batch before; returns what was read, and what
    /// there is to hand over.
    fn read_beside(
        &self,
        source: &dyn Source,
        to_read: Vec<ToRead>,
        before: Begun,
    ) -> Result<(Vec<Reading>, Option<Work>), Error> {
        if to_read.is_empty() {
            self.end(before)?;
            return Ok((Vec::new(), None));
        }
        let context = self.context;
        self.note(source.name(), &to_read, &before.saved, false)?;
        self.hand_over(before.queued)?;
        let is_read = AtomicBool::new(false);
        let read = || {
            let readings = read_all(context, source, to_read);
            is_read.store(true, Ordering::Relaxed);
            readings
        };
        let chunk = || self.chunk_beside(before.saved, &is_read);
        let (readings, queued) = context.pool.get()?.beside(read, chunk);
        Ok((readings?, queued?))
    }

    /// Chunk -> Enqueue beside the reading of the next batch. Returns what to hand over when the one after it is noted;
    /// where documents are slow to read, that is done here.
    fn chunk_beside(
        &self,
        saved: Vec<TextRevision>,
        is_read: &AtomicBool,
    ) -> Result<Option<Work>, Error> {
        let queued = self.chunk_and_enqueue(saved)?;
        if is_read.load(Ordering::Relaxed) {
            return Ok(queued);
        }
        self.hand_over(queued)?;
        Ok(None)
    }

    /// Notes what is about to be read, and what is about to be chunked beside it.
    fn note(
        &self,
        source: &str,
        to_read: &[ToRead],
        saved: &[TextRevision],
        alone: bool,
    ) -> Result<(), Error> {
        let begun: Vec<_> = to_read.iter().map(|one| (source, one.entry.uri.as_str())).collect();
        let going_on: Vec<_> =
            saved.iter().map(|one| (one.source.as_str(), one.uri.as_str())).collect();
        self.context.run.begin_intake(&begun, &going_on, alone)?;
        Ok(())
    }

    /// Saves what was read; returns what is new.
    fn save(
        &self,
        source: &str,
        readings: Vec<Reading>,
        delta: Metrics,
    ) -> Result<Vec<TextRevision>, Error> {
        let context = self.context;
        let percent = context.progress.percent();
        let results = context.run.save(source, &readings, delta, percent)?;
        self.report(source, &readings, &results);
        let revisions = saved_revisions(source, readings, &results);
        context.reached(Checkpoint::AfterSave)?;
        Ok(revisions)
    }
}

/// Takes the next batch from `merge`.
pub(super) fn gather(merge: &mut Merge<'_>, gone: &mut Gone) -> Result<Batch, Error> {
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
            Some(Sighting::Unlisted(error)) if error.is_limit => batch.left_out = Some(error),
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
    if error.uri.is_empty() { ".".to_owned() } else { uri::shortened(&error.uri).into_owned() }
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

//! Crawl -> Save -> Chunk -> Enqueue for a source that lists its documents.
//!
//! A batch is chunked while the next one is read, and handed over when the one after it is
//! recorded: the consumer's commits take most of the time, nothing else is written meanwhile, and
//! the pool stays busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::BATCH_BYTES;
use super::comparison::{Compared, Comparison, ToRead};
use super::document::read_all;
use super::reconcile::{Gone, reconcile};
use super::steps::{Steps, saved_revisions};
use crate::domain::{FailureKind, Metrics, Stage};
use crate::error::{Error, chain};
use crate::kb::{ReadResult, Reading, TextRevision};
use crate::pipeline::{Context, Work};
use crate::source::{ListError, Listing, Source, SourceError, uri};
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;

/// Limit on the documents of a batch.
const BATCH_DOCUMENTS: usize = 512;
/// URIs compared before the next checkpoint, unchanged ones included. The changed ones among them
/// are stored together.
const BATCH_COMPARED: usize = 16_384;
/// How often progress is saved while nothing else is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// The result of comparing a part of a listing.
#[derive(Default)]
struct Batch {
    to_read: Vec<ToRead>,
    unlisted: Vec<ListError>,
    /// What a limit of kb.toml leaves out.
    left_out: Option<ListError>,
    /// Documents that need not be read.
    passed: u64,
    /// Of these, documents that an earlier process of this run has read.
    passed_before: u64,
    is_last: bool,
}

/// What is known of the length of a listing.
#[derive(Default)]
struct Extent {
    /// Documents listed so far.
    passed: u64,
    /// Of these, documents that are read, and their bytes.
    documents_read: usize,
    bytes_read: u64,
    /// The listing is made to its end.
    is_listed: bool,
}

/// Work left from a batch, done while the next one is read.
#[derive(Default)]
struct Begun {
    /// Queued, not handed over yet.
    queued: Option<Work>,
    /// Saved, not chunked yet.
    saved: Vec<TextRevision>,
}

/// Ingests one source: reads what changed, then deletes what is gone.
/// `ahead` is its listing if it is made; `list_others` lists the sources after it.
pub(super) fn crawl(
    steps: &Steps<'_>,
    source: &dyn Source,
    ahead: Option<Result<Listing<'_>, SourceError>>,
    list_others: &mut dyn FnMut(),
) -> Result<(), Error> {
    Crawl { steps, context: steps.context, source }.run(ahead, list_others)
}

/// The crawl of one source.
struct Crawl<'a> {
    steps: &'a Steps<'a>,
    context: &'a Context<'a>,
    source: &'a dyn Source,
}

impl Crawl<'_> {
    fn run(
        &self,
        ahead: Option<Result<Listing<'_>, SourceError>>,
        list_others: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        let Self { context, source, .. } = *self;
        let mut extent = Extent { is_listed: ahead.is_some(), ..Extent::default() };
        let listing = match ahead.unwrap_or_else(|| source.list()) {
            Ok(listing) => listing,
            Err(SourceError::Stopped) => return Err(Error::Stopped),
            Err(error) if error.ends_run() => return Err(error.into()),
            Err(error) => {
                context.progress.list(source.name(), 0);
                return self.steps.skip_unreachable(&chain(&error));
            }
        };
        let mut comparison = Comparison::new(context, source.name(), listing)?;
        let mut gone = Gone::default();
        let mut begun = Begun::default();
        let mut unsaved = Metrics::default();
        let mut saved_at = Instant::now();
        loop {
            context.reached(Checkpoint::BeforeBatch)?;
            let batch = gather(&mut comparison, &mut gone, &mut unsaved)?;
            let is_last = batch.is_last;
            self.count(&batch, &mut extent, &mut comparison, list_others)?;
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
                begun = self.read_batch(batch, begun, &mut gone, delta)?;
                saved_at = Instant::now();
            } else {
                self.end(std::mem::take(&mut begun))?;
                if is_last || saved_at.elapsed() >= PROGRESS_INTERVAL {
                    let delta = std::mem::take(&mut unsaved);
                    context.run.save_progress(&delta, Some(&context.progress.report()))?;
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

    /// Counts a batch towards the progress of the run. When there is as much to read as fits a
    /// batch, what is left of the listings is made ahead: it costs little beside that, and the end
    /// of the run is known from then on.
    fn count(
        &self,
        batch: &Batch,
        extent: &mut Extent,
        comparison: &mut Comparison<'_>,
        list_others: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        let Self { context, source, .. } = *self;
        let (name, progress) = (source.name(), &context.progress);
        extent.passed += batch.passed + batch.to_read.len() as u64;
        extent.documents_read += batch.to_read.len();
        extent.bytes_read += batch.to_read.iter().map(|one| one.entry.size_bytes).sum::<u64>();
        let is_much = extent.documents_read >= BATCH_DOCUMENTS || extent.bytes_read >= BATCH_BYTES;
        if batch.is_last {
            progress.list(name, extent.passed);
        } else if !extent.is_listed && is_much {
            extent.is_listed = true;
            let rest = comparison.list_ahead(context, name)?;
            progress.list(name, extent.passed + rest);
        } else if !extent.is_listed {
            progress.expect(name, extent.passed);
        }
        if extent.is_listed && is_much {
            list_others();
        }
        progress.pass_unread(batch.passed, batch.passed_before);
        Ok(())
    }

    /// Finishes the work left from a batch when no other follows.
    fn end(&self, begun: Begun) -> Result<(), Error> {
        self.steps.hand_over(begun.queued)?;
        self.steps.hand_over(self.steps.chunk_and_enqueue(begun.saved)?)
    }

    /// Reads and saves a batch, and finishes the work left from the previous one.
    fn read_batch(
        &self,
        batch: Batch,
        mut before: Begun,
        gone: &mut Gone,
        delta: Metrics,
    ) -> Result<Begun, Error> {
        let Self { context, source, .. } = *self;
        let name = source.name();
        let Batch { to_read, unlisted, .. } = batch;
        if let Some(first) = to_read.first() {
            context.events.emit(&Event::Reading { source: name, uri: &first.entry.uri });
        }
        let (apart, together): (Vec<_>, Vec<_>) =
            to_read.into_iter().partition(|one| self.steps.suspicion.holds(name, &one.entry.uri));
        if !apart.is_empty() {
            self.end(std::mem::take(&mut before))?;
            self.read_alone(apart)?;
        }
        let (mut readings, queued) = self.read_beside(together, before)?;
        for error in &unlisted {
            readings.push(unlisted_reading(context, name, error)?);
        }
        let saved = self.save(readings, delta)?;
        for error in &unlisted {
            gone.incomplete |= error.blocks_deletions;
            gone.unlisted.extend(context.kb.find_document(name, &unlisted_uri(error))?);
        }
        Ok(Begun { queued, saved })
    }

    /// Reads documents that were in flight when a process crashed, one by one.
    fn read_alone(&self, suspects: Vec<ToRead>) -> Result<(), Error> {
        let Self { context, source, .. } = *self;
        let name = source.name();
        for one in suspects {
            let readings = match self.steps.suspicion.verdict(name, &one.entry.uri) {
                Some(error) => {
                    context.progress.pass(1);
                    vec![quarantined(context, one, error)]
                }
                None => {
                    self.record(std::slice::from_ref(&one), &[], true)?;
                    read_all(context, source, vec![one])?
                }
            };
            let saved = self.save(readings, Metrics::default())?;
            self.steps.hand_over(self.steps.chunk_and_enqueue(saved)?)?;
        }
        Ok(())
    }

    /// Records and reads documents while it finishes the work left from the previous batch; returns
    /// the readings, and the work to hand over.
    fn read_beside(
        &self,
        to_read: Vec<ToRead>,
        before: Begun,
    ) -> Result<(Vec<Reading>, Option<Work>), Error> {
        if to_read.is_empty() {
            self.end(before)?;
            return Ok((Vec::new(), None));
        }
        let Self { context, source, .. } = *self;
        self.record(&to_read, &before.saved, false)?;
        self.steps.hand_over(before.queued)?;
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

    /// Chunk -> Enqueue while the next batch is read. Returns the work to hand over when the batch
    /// after it is recorded; if documents are slow to read, it is handed over here.
    fn chunk_beside(
        &self,
        saved: Vec<TextRevision>,
        is_read: &AtomicBool,
    ) -> Result<Option<Work>, Error> {
        let queued = self.steps.chunk_and_enqueue(saved)?;
        if is_read.load(Ordering::Relaxed) {
            return Ok(queued);
        }
        self.steps.hand_over(queued)?;
        Ok(None)
    }

    /// Records the documents about to be read, and those chunked at the same time.
    fn record(&self, to_read: &[ToRead], saved: &[TextRevision], alone: bool) -> Result<(), Error> {
        let source = self.source.name();
        let begun: Vec<_> = to_read.iter().map(|one| (source, one.entry.uri.as_str())).collect();
        let in_progress: Vec<_> =
            saved.iter().map(|one| (one.source.as_str(), one.uri.as_str())).collect();
        self.context.run.set_in_flight(&begun, &in_progress, alone)?;
        Ok(())
    }

    /// Saves readings; returns the new revisions.
    fn save(&self, readings: Vec<Reading>, delta: Metrics) -> Result<Vec<TextRevision>, Error> {
        let (context, source) = (self.context, self.source.name());
        let progress = context.progress.report();
        let results = context.run.save(source, &readings, delta, &progress)?;
        self.steps.report(source, &readings, &results);
        let revisions = saved_revisions(source, readings, &results);
        context.reached(Checkpoint::AfterSave)?;
        Ok(revisions)
    }
}

/// Collects the next batch of `comparison`; counts what need not be read.
fn gather(
    comparison: &mut Comparison<'_>,
    gone: &mut Gone,
    counts: &mut Metrics,
) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let mut bytes = 0;
    for _ in 0..BATCH_COMPARED {
        match comparison.next()? {
            None => {
                batch.is_last = true;
                break;
            }
            Some(Compared::Unchanged { count, failure }) => {
                batch.passed += 1;
                batch.passed_before += u64::from(!count);
                if count {
                    counts.count_without_text(failure);
                }
            }
            Some(Compared::Changed(to_read)) => {
                bytes += to_read.entry.size_bytes;
                batch.to_read.push(to_read);
            }
            Some(Compared::Gone(document)) => gone.documents.push(document),
            Some(Compared::Unlisted(error)) if error.is_limit => batch.left_out = Some(error),
            Some(Compared::Unlisted(error)) => batch.unlisted.push(error),
        }
        if batch.to_read.len() == BATCH_DOCUMENTS || bytes >= BATCH_BYTES {
            break;
        }
    }
    gone.settled = Some(comparison.settled);
    Ok(batch)
}

/// An entry that cannot be listed is reported as a document that cannot be read; the root as `.`.
fn unlisted_uri(error: &ListError) -> String {
    if error.uri.is_empty() { ".".to_owned() } else { uri::shortened(&error.uri).into_owned() }
}

fn unlisted_reading(
    context: &Context<'_>,
    source: &str,
    error: &ListError,
) -> Result<Reading, Error> {
    let uri = unlisted_uri(error);
    let document = context.kb.find_document(source, &uri)?;
    Ok(Reading {
        version: None,
        extract_fp: context.extraction.expected(&uri).to_owned(),
        count: !context.run.has_saved(document)?,
        document,
        size_bytes: 0,
        result: ReadResult::Failed {
            stage: Stage::Crawl,
            kind: FailureKind::Transient,
            error: chain(error),
        },
        uri,
    })
}

/// Returns the failure of a document that is skipped because it crashed the process.
fn quarantined(context: &Context<'_>, one: ToRead, error: String) -> Reading {
    Reading {
        document: one.document,
        extract_fp: context.extraction.expected(one.entry.format_name()).to_owned(),
        version: one.entry.version,
        count: one.count,
        size_bytes: 0,
        result: ReadResult::Failed { stage: Stage::Extract, kind: FailureKind::Permanent, error },
        uri: one.entry.uri,
    }
}

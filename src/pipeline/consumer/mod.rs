//! Claim -> Embed -> Commit, batch by batch: a batch is embedded on the pool while the one before
//! it is committed.

mod calls;
pub mod handover;

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use self::calls::CallResults;
use self::handover::in_order;
use super::phases::PhaseTracker;
use super::{Context, Work, full_text};
use crate::domain::{ChunkId, ChunkRange, Phase};
use crate::embed::EmbedError;
use crate::error::Error;
use crate::kb::{
    Commit, IndexRows, LoadedRevision, PendingRange, QueuedChunk, ReusableVectors, StoredChunk,
};
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;
use crate::support::retry;

/// Limit on the queue rows of one commit: 12,288 chunks. What the producer hands over at once
/// usually fits, as every commit adds a full-text segment to be merged, however small.
const RANGES_PER_BATCH: usize = 48;

/// Processes the queue up to `waiting`, its end before the producer started, then what arrives
/// through `work`, then the rest. A `None` of `work` means that nothing has arrived yet: finished
/// vectors are committed meanwhile.
pub fn run(
    context: &Context<'_>,
    tracker: &PhaseTracker,
    waiting: Option<ChunkId>,
    work: impl IntoIterator<Item = Option<Work>>,
) -> Result<(), Error> {
    let consumer = Consumer { context, tracker, has_saved_probe: false.into() };
    let embedded = RefCell::new(None);
    in_order(
        waiting,
        work,
        |up_to| {
            consumer.store(embedded.take())?;
            consumer.work_off(up_to)
        },
        |work| match work {
            Some(work) => consumer.take(work, &mut embedded.borrow_mut()),
            None => consumer.store(embedded.take()),
        },
    )
}

struct Consumer<'a> {
    context: &'a Context<'a>,
    tracker: &'a PhaseTracker,
    has_saved_probe: AtomicBool,
}

/// A claimed batch that is embedded as far as possible, and not committed yet.
struct Embedded {
    ranges: Vec<ChunkRange>,
    vectors: Vectors,
    rows: Vec<IndexRows>,
}

/// Vectors of the chunks of a batch.
struct Vectors {
    chunks: Vec<StoredChunk>,
    reused: u64,
    /// Chunks without a vector, ascending.
    missing: Vec<ChunkId>,
    /// The missing chunks that cannot be embedded.
    bad: Vec<(ChunkId, EmbedError)>,
    /// Why the others are missing.
    error: Option<Error>,
}

/// The chunks of one revision that belong to one batch.
#[derive(Clone, Copy)]
struct Part<'a> {
    revision: &'a LoadedRevision,
    chunks: &'a [QueuedChunk],
}

impl Consumer<'_> {
    /// Processes what the producer handed over, up to the last batch, which is left in `embedded`.
    fn take(
        &self,
        Work { ranges, revisions }: Work,
        embedded: &mut Option<Embedded>,
    ) -> Result<(), Error> {
        if let Some(revisions) = &revisions {
            for ranges in ranges.chunks(RANGES_PER_BATCH) {
                *embedded = self.embed_beside(ranges, revisions, embedded.take())?;
            }
            return Ok(());
        }
        // Committed first, as the file is read next.
        self.store(embedded.take())?;
        for ranges in ranges.chunks(RANGES_PER_BATCH) {
            self.process(ranges, &self.context.kb.load(ranges)?)?;
        }
        Ok(())
    }

    /// Processes pending rows of the queue from the file, oldest first.
    fn work_off(&self, up_to: Option<ChunkId>) -> Result<(), Error> {
        let Context { kb, run, .. } = *self.context;
        loop {
            self.context.reached(Checkpoint::BeforeClaim)?;
            let pending = kb.pending_ranges(up_to, RANGES_PER_BATCH)?;
            if pending.is_empty() {
                return Ok(());
            }
            if !pending.iter().any(needs_isolation) {
                let ranges: Vec<_> = pending.iter().map(|pending| pending.range).collect();
                self.process(&ranges, &kb.load(&ranges)?)?;
                continue;
            }
            for pending in pending {
                let ranges = [pending.range];
                if !pending.is_alone && needs_isolation(&pending) {
                    run.split_by_document(pending.range)?;
                } else if pending.is_alone && pending.attempts >= retry::DEATHS_MAX {
                    let error =
                        format!("embedding it ended the process {} times", pending.attempts);
                    self.mark_dead(&ranges, &error)?;
                } else {
                    self.process(&ranges, &kb.load(&ranges)?)?;
                }
            }
        }
    }

    /// Claim -> Embed -> Commit for the chunks of `revisions` in `ranges`.
    fn process(&self, ranges: &[ChunkRange], revisions: &[LoadedRevision]) -> Result<(), Error> {
        self.claim(ranges)?;
        let embedded = self.embed(ranges, &parts(ranges, revisions));
        self.store(Some(self.settle(ranges, embedded)?))
    }

    /// Claim -> Embed for the chunks of `revisions`, all in memory, in `ranges`, while `before` is
    /// committed.
    fn embed_beside(
        &self,
        ranges: &[ChunkRange],
        revisions: &[LoadedRevision],
        before: Option<Embedded>,
    ) -> Result<Option<Embedded>, Error> {
        if let Err(error) = self.claim(ranges) {
            return self.store(before).and(Err(error));
        }
        let parts = parts(ranges, revisions);
        let threads = self.context.pool.get()?;
        let (embedded, stored) =
            threads.beside(|| self.embed(ranges, &parts), || self.store(before));
        let is_stopped = matches!(stored, Err(Error::Stopped));
        let embedded = if is_stopped { embedded } else { stored.and(embedded) };
        let mut embedded = self.settle(ranges, embedded)?;
        if is_stopped {
            embedded.vectors.error.get_or_insert(Error::Stopped);
        }
        if embedded.vectors.error.is_some() {
            self.store(Some(embedded)).map(|()| None)
        } else {
            Ok(Some(embedded))
        }
    }

    fn claim(&self, ranges: &[ChunkRange]) -> Result<(), Error> {
        self.tracker.begin(self.context, Phase::Embedding)?;
        self.context.reached(Checkpoint::BeforeClaim)?;
        Ok(self.context.run.claim(ranges)?)
    }

    /// Returns claimed ranges to the queue if nothing could be embedded.
    fn settle(
        &self,
        ranges: &[ChunkRange],
        embedded: Result<Embedded, Error>,
    ) -> Result<Embedded, Error> {
        if embedded.is_err() {
            // If even this fails, the next process returns the claims.
            let _ = self.context.run.release(ranges);
        }
        embedded
    }

    fn embed(&self, ranges: &[ChunkRange], parts: &[Part<'_>]) -> Result<Embedded, Error> {
        let revisions: Vec<_> = parts.iter().map(|part| part.revision.id).collect();
        let reusable = self.context.kb.reusable_vectors(&revisions)?;
        let threads = self.context.pool.get()?;
        let (vectors, rows) =
            threads.join(|| self.vectors(parts, reusable), || self.full_text_rows(parts));
        Ok(Embedded { ranges: ranges.to_vec(), vectors: vectors?, rows: rows? })
    }

    /// Commits a batch, unless a stop is requested at this checkpoint. Vectors are kept if it was
    /// requested before, or if the embedder failed after it had made them.
    fn store(&self, embedded: Option<Embedded>) -> Result<(), Error> {
        let Some(mut embedded) = embedded else { return Ok(()) };
        let context = self.context;
        let ranges = embedded.ranges.clone();
        let stored = match embedded.vectors.error.take() {
            Some(error) => self.commit(embedded).and(Err(error)),
            None => match context.is_stopping() {
                Ok(true) => self.commit(embedded).and(Err(Error::Stopped)),
                Ok(false) => {
                    context.reached(Checkpoint::BeforeCommit).and_then(|()| self.commit(embedded))
                }
                Err(error) => Err(error),
            },
        };
        if stored.is_err() {
            let _ = context.run.release(&ranges);
        }
        stored
    }

    /// Commits the existing vectors, queues the other chunks again, and marks those that cannot be
    /// embedded as dead.
    fn commit(&self, embedded: Embedded) -> Result<(), Error> {
        let Embedded { ranges, vectors, rows } = embedded;
        let Vectors { chunks, reused, missing, bad, .. } = vectors;
        if chunks.is_empty() && bad.is_empty() && !missing.is_empty() {
            return Ok(self.context.run.release(&ranges)?);
        }
        let context = self.context;
        self.save_probe()?;
        let embedded = (chunks.len() as u64).saturating_sub(reused);
        context.progress.store_chunks((chunks.len() + bad.len()) as u64, embedded);
        let progress = context.progress.report();
        let left = left(&ranges, &missing, &bad);
        let commit =
            Commit { ranges: &ranges, left: &left, chunks: &chunks, rows, reused, progress };
        {
            let _processor = context.pool.get()?.take_processor();
            context.run.commit(commit)?;
        }
        for (id, error) in bad {
            self.mark_dead(&[ChunkRange { first: id, last: id }], &error.to_string())?;
        }
        Ok(())
    }

    /// Stores what identifies the model behind a server, once, before its first vectors.
    fn save_probe(&self) -> Result<(), Error> {
        let Context { embedder, run, .. } = *self.context;
        if !self.has_saved_probe.load(Ordering::Relaxed)
            && let Some(vector) = embedder.probe()
        {
            run.save_probe(&embedder.model().fingerprint, &vector)?;
            self.has_saved_probe.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Gives up chunks that cannot be embedded, and reports their documents.
    fn mark_dead(&self, ranges: &[ChunkRange], error: &str) -> Result<(), Error> {
        for failure in self.context.run.mark_dead(ranges, error)? {
            self.context.events.emit(&Event::Failed { failure: &failure });
        }
        Ok(())
    }

    /// Returns vectors for the chunks of `parts`, from `reusable` or the embedder.
    fn vectors(&self, parts: &[Part<'_>], reusable: ReusableVectors) -> Result<Vectors, Error> {
        let all: Vec<_> = parts
            .iter()
            .flat_map(|part| part.chunks.iter().map(move |chunk| (part.revision, chunk)))
            .collect();
        let wanted: Vec<_> = all
            .iter()
            .filter(|(_, queued)| !reusable.contains_key(&queued.input_hash))
            .copied()
            .collect();
        let CallResults { vectors, bad, error } = calls::embed(self.context, &wanted)?;
        let bad = bad.into_iter().map(|(index, error)| (wanted[index].1.id, error)).collect();
        let mut fresh = vectors.into_iter();
        let mut chunks = Vec::with_capacity(all.len());
        let mut missing = Vec::new();
        for (revision, queued) in &all {
            let reused = reusable.get(&queued.input_hash).cloned();
            match reused.or_else(|| fresh.next().flatten()) {
                Some(vector) => {
                    chunks.push(StoredChunk { id: queued.id, revision: revision.id, vector });
                }
                None => missing.push(queued.id),
            }
        }
        let reused = (all.len() - wanted.len()) as u64;
        Ok(Vectors { chunks, reused, missing, bad, error })
    }

    /// Returns the full-text rows of every revision that `parts` complete.
    fn full_text_rows(&self, parts: &[Part<'_>]) -> Result<Vec<IndexRows>, Error> {
        let mut whole = Vec::new();
        let mut loaded = Vec::new();
        for part in parts {
            let Part { revision, chunks } = part;
            if revision.chunks.len() == revision.chunk_total {
                // Its earlier chunks were committed already, or will be before these.
                if chunks.last().map(|last| last.id) == revision.chunks.last().map(|last| last.id) {
                    whole.push(*revision);
                }
            } else {
                let (revision, wanted) = (part.revision.id, part.chunks.len());
                loaded.extend(self.context.kb.load_if_complete_with(revision, wanted)?);
            }
        }
        whole.extend(&loaded);
        Ok(full_text::rows(&whole, self.context.analyser, self.context.pool.get()?))
    }
}

/// Reports whether `pending` has to be claimed alone.
fn needs_isolation(pending: &PendingRange) -> bool {
    pending.is_alone || pending.attempts >= retry::DEATHS_BEFORE_ISOLATION
}

/// Returns the part of each revision in `ranges`, which are consecutive and ascending.
fn parts<'a>(ranges: &[ChunkRange], revisions: &'a [LoadedRevision]) -> Vec<Part<'a>> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Vec::new() };
    let part = |revision: &'a LoadedRevision| {
        let start = revision.chunks.partition_point(|queued| queued.id < first.first);
        let end = revision.chunks.partition_point(|queued| queued.id <= last.last);
        (start < end).then(|| Part { revision, chunks: &revision.chunks[start..end] })
    };
    revisions.iter().filter_map(part).collect()
}

/// Returns the parts of `ranges` that consist of `missing` chunks; each `bad` one is a part of its
/// own. All are ascending.
fn left(
    ranges: &[ChunkRange],
    missing: &[ChunkId],
    bad: &[(ChunkId, EmbedError)],
) -> Vec<ChunkRange> {
    let is_bad = |id: ChunkId| bad.binary_search_by_key(&id, |(bad, _)| *bad).is_ok();
    let is_joined = |a: &ChunkId, b: &ChunkId| {
        let begins_range = ranges.binary_search_by_key(b, |range| range.first).is_ok();
        a.0 + 1 == b.0 && !begins_range && !is_bad(*a) && !is_bad(*b)
    };
    let part = |ids: &[ChunkId]| ChunkRange { first: ids[0], last: ids[ids.len() - 1] };
    missing.chunk_by(is_joined).map(part).collect()
}

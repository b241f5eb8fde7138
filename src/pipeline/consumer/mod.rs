//! Claim -> Embed -> Commit, batch by batch: a batch is embedded on the pool while the one before
//! it is committed.

pub mod handover;

use std::cell::RefCell;

use self::handover::in_order;
use super::phases::PhaseTracker;
use super::{Context, Work, full_text};
use crate::chunk;
use crate::domain::{ChunkId, ChunkRange, Phase};
use crate::embed::EmbedError;
use crate::error::Error;
use crate::kb::{
    Commit, IndexRows, PendingRange, QueuedChunk, ReusableVectors, StoredChunk, StoredVector, Unit,
};
use crate::support::checkpoint::Checkpoint;
use crate::support::retry;

/// Queue rows of one commit at most: 12,288 chunks. What the producer hands over at once fits in
/// most often, as every commit leaves a segment of full text to be merged, however small.
const RANGES_PER_BATCH: usize = 48;
/// Texts of one call of the embedder.
const TEXTS_PER_CALL: usize = 64;

/// Works off the queue up to `waiting`, its end before the producer started, then what comes over
/// `work`, then what is left. A `None` of `work` says that nothing is there yet: what is done is
/// committed meanwhile.
pub fn run(
    context: &Context<'_>,
    tracker: &PhaseTracker,
    waiting: Option<ChunkId>,
    work: impl IntoIterator<Item = Option<Work>>,
) -> Result<(), Error> {
    let consumer = Consumer { context, tracker };
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
}

/// A claimed batch that is embedded and not committed yet.
struct Embedded {
    ranges: Vec<ChunkRange>,
    chunks: Vec<StoredChunk>,
    rows: Vec<IndexRows>,
    reused: u64,
}

/// The chunks of one revision that belong to one batch.
#[derive(Clone, Copy)]
struct Part<'a> {
    unit: &'a Unit,
    chunks: &'a [QueuedChunk],
}

impl Consumer<'_> {
    /// Processes what the producer handed over, up to the last batch, which is left in `embedded`.
    fn take(
        &self,
        Work { ranges, units }: Work,
        embedded: &mut Option<Embedded>,
    ) -> Result<(), Error> {
        if let Some(units) = &units {
            for ranges in ranges.chunks(RANGES_PER_BATCH) {
                *embedded = self.embed_beside(ranges, units, embedded.take())?;
            }
            return Ok(());
        }
        // What is read from the file has to be there.
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
                    run.isolate(pending.range)?;
                } else if pending.is_alone && pending.attempts >= retry::DEATHS_MAX {
                    let error =
                        format!("embedding it ended the process {} times", pending.attempts);
                    run.bury(&ranges, &error)?;
                } else {
                    self.process(&ranges, &kb.load(&ranges)?)?;
                }
            }
        }
    }

    /// Claim -> Embed -> Commit for the chunks of `units` that lie in `ranges`.
    fn process(&self, ranges: &[ChunkRange], units: &[Unit]) -> Result<(), Error> {
        self.claim(ranges)?;
        let embedded = self.embed(ranges, &parts(ranges, units));
        self.store(self.settle(ranges, embedded)?)
    }

    /// Claim -> Embed for the chunks of `units`, all in memory, that lie in `ranges`, while
    /// `before` is committed.
    fn embed_beside(
        &self,
        ranges: &[ChunkRange],
        units: &[Unit],
        before: Option<Embedded>,
    ) -> Result<Option<Embedded>, Error> {
        if let Err(error) = self.claim(ranges) {
            // Asked to stop: what is embedded is kept.
            if let Some(before) = before {
                self.commit(before)?;
            }
            return Err(error);
        }
        let parts = parts(ranges, units);
        let threads = self.context.pool.get()?;
        let (mut embedded, stored) =
            threads.beside(|| self.embed(ranges, &parts), || self.store(before));
        if stored.is_err() {
            embedded = Err(Error::Stopped);
        }
        let settled = self.settle(ranges, embedded);
        stored.and(settled)
    }

    fn claim(&self, ranges: &[ChunkRange]) -> Result<(), Error> {
        self.tracker.begin(self.context, Phase::Embedding)?;
        self.context.reached(Checkpoint::BeforeClaim)?;
        Ok(self.context.run.claim(ranges)?)
    }

    /// Gives claimed ranges back where they could not be embedded, and goes on where a text is to
    /// blame.
    fn settle(
        &self,
        ranges: &[ChunkRange],
        embedded: Result<Embedded, Error>,
    ) -> Result<Option<Embedded>, Error> {
        let run = self.context.run;
        match embedded {
            Ok(embedded) => Ok(Some(embedded)),
            Err(Error::Embed(error @ EmbedError::BadInput { .. })) => {
                run.release(ranges)?;
                self.process_apart(ranges, &error)?;
                Ok(None)
            }
            Err(error) => {
                // Where even this fails, the next process gives the claims back.
                let _ = run.release(ranges);
                Err(error)
            }
        }
    }

    fn embed(&self, ranges: &[ChunkRange], parts: &[Part<'_>]) -> Result<Embedded, Error> {
        let revisions: Vec<_> = parts.iter().map(|part| part.unit.revision).collect();
        let reusable = self.context.kb.reusable_vectors(&revisions)?;
        let threads = self.context.pool.get()?;
        let (vectors, rows) =
            threads.join(|| self.vectors(parts, reusable), || self.full_text_rows(parts));
        let ((chunks, reused), rows) = (vectors?, rows?);
        Ok(Embedded { ranges: ranges.to_vec(), chunks, rows, reused })
    }

    /// Commits what is embedded, unless it is time to stop.
    fn store(&self, embedded: Option<Embedded>) -> Result<(), Error> {
        let Some(embedded) = embedded else { return Ok(()) };
        let ranges = embedded.ranges.clone();
        let stored =
            self.context.reached(Checkpoint::BeforeCommit).and_then(|()| self.commit(embedded));
        if stored.is_err() {
            let _ = self.context.run.release(&ranges);
        }
        stored
    }

    fn commit(&self, embedded: Embedded) -> Result<(), Error> {
        let Embedded { ranges, chunks, rows, reused } = embedded;
        let context = self.context;
        context.progress.store_chunks(chunks.len() as u64);
        let percent = context.progress.percent();
        let commit = Commit { ranges: &ranges, chunks: &chunks, rows, reused, percent };
        let _processor = context.pool.get()?.take_processor();
        Ok(context.run.commit(commit)?)
    }

    /// One text is the reason why a batch failed: goes on document by document, and sets that one
    /// aside.
    fn process_apart(&self, ranges: &[ChunkRange], error: &EmbedError) -> Result<(), Error> {
        let Context { kb, run, .. } = *self.context;
        let mut apart = Vec::new();
        for range in ranges {
            apart.extend(run.isolate(*range)?);
        }
        if apart == ranges && apart.len() == 1 {
            run.bury(ranges, &error.to_string())?;
            return Ok(());
        }
        for range in apart {
            let ranges = [range];
            self.process(&ranges, &kb.load(&ranges)?)?;
        }
        Ok(())
    }

    /// Returns a vector for every chunk of `parts`, and how many came from `reusable`.
    fn vectors(
        &self,
        parts: &[Part<'_>],
        reusable: ReusableVectors,
    ) -> Result<(Vec<StoredChunk>, u64), Error> {
        let all: Vec<_> = parts
            .iter()
            .flat_map(|part| part.chunks.iter().map(move |chunk| (part.unit, chunk)))
            .collect();
        let wanted: Vec<_> = all
            .iter()
            .filter(|(_, queued)| !reusable.contains_key(&queued.input_hash))
            .copied()
            .collect();
        let batches: Vec<_> = wanted.chunks(TEXTS_PER_CALL).collect();
        let embed = |batch: &&[_]| self.embed_batch(batch);
        let embedded: Result<Vec<_>, Error> = self.context.pool.get()?.map(&batches, embed);
        let mut fresh = embedded?.into_iter().flatten();
        let mut chunks = Vec::with_capacity(all.len());
        for (unit, queued) in &all {
            let vector = match reusable.get(&queued.input_hash) {
                Some(vector) => vector.clone(),
                None => fresh.next().ok_or_else(|| Error::Internal {
                    place: "consumer",
                    message: "the embedder returned too few rows".to_owned(),
                })?,
            };
            chunks.push(StoredChunk { id: queued.id, revision: unit.revision, vector });
        }
        Ok((chunks, (all.len() - wanted.len()) as u64))
    }

    /// Embeds up to [`TEXTS_PER_CALL`] texts; waits and tries again where the embedder is
    /// unavailable.
    fn embed_batch(&self, batch: &[(&Unit, &QueuedChunk)]) -> Result<Vec<StoredVector>, Error> {
        let texts: Vec<String> = batch
            .iter()
            .map(|(unit, queued)| chunk::embedded_text(&unit.title, &unit.text, &queued.chunk))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut attempts = 1;
        loop {
            match self.context.embedder.embed(&texts) {
                Ok(embeddings) => {
                    return Ok(embeddings.rows().map(StoredVector::quantise).collect());
                }
                Err(EmbedError::Unavailable { .. }) if attempts < retry::ATTEMPTS_MAX => {
                    if self.context.stop.wait_for(retry::backoff(attempts)) {
                        return Err(Error::Stopped);
                    }
                    attempts += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the full-text rows of every revision that `parts` complete.
    fn full_text_rows(&self, parts: &[Part<'_>]) -> Result<Vec<IndexRows>, Error> {
        let mut whole = Vec::new();
        let mut loaded = Vec::new();
        for part in parts {
            let Part { unit, chunks } = part;
            if unit.chunks.len() == unit.chunk_total {
                // Its chunks before these were committed, or will be before these.
                if chunks.last().map(|last| last.id) == unit.chunks.last().map(|last| last.id) {
                    whole.push(*unit);
                }
            } else {
                let (revision, wanted) = (part.unit.revision, part.chunks.len());
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

/// Returns the part of each unit that lies in `ranges`, which are neighbours in ascending order.
fn parts<'a>(ranges: &[ChunkRange], units: &'a [Unit]) -> Vec<Part<'a>> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Vec::new() };
    let part = |unit: &'a Unit| {
        let start = unit.chunks.partition_point(|queued| queued.id < first.first);
        let end = unit.chunks.partition_point(|queued| queued.id <= last.last);
        (start < end).then(|| Part { unit, chunks: &unit.chunks[start..end] })
    };
    units.iter().filter_map(part).collect()
}

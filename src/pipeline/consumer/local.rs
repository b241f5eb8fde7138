//! Claim -> Embed -> Commit with an embedder in this process, batch by batch: a batch is embedded
//! on the pool while the one before it is committed.

use super::batch::{Consumer, Embedded, Part, Vectors, parts};
use super::calls::{self, CallResults};
use super::limits::RANGES_PER_BATCH;
use crate::domain::{ChunkId, ChunkRange};
use crate::error::Error;
use crate::kb::{LoadedRevision, PendingRange, ReusableVectors, StoredChunk};
use crate::pipeline::{Context, Work};
use crate::support::checkpoint::Checkpoint;
use crate::support::retry;

impl Consumer<'_> {
    /// Processes what the producer handed over, up to the last batch, which is left in `embedded`.
    pub(super) fn take(
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
    pub(super) fn work_off(&self, up_to: Option<ChunkId>) -> Result<(), Error> {
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
        let ranges = ranges.to_vec();
        Ok(Embedded { ranges, awaited: None, vectors: vectors?, rows: rows? })
    }

    /// Commits a batch, unless a stop is requested at this checkpoint. Vectors are kept if it was
    /// requested before, or if the embedder failed after it had made them.
    pub(super) fn store(&self, embedded: Option<Embedded>) -> Result<(), Error> {
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
}

/// Reports whether `pending` has to be claimed alone.
fn needs_isolation(pending: &PendingRange) -> bool {
    pending.is_alone || pending.attempts >= retry::DEATHS_BEFORE_ISOLATION
}

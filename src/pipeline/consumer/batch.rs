//! What every way of embedding shares: a batch of chunks is claimed, and committed with vectors.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::{ChunkId, ChunkRange, Phase};
use crate::embed::{Budget, EmbedError};
use crate::error::Error;
use crate::kb::{Commit, IndexRows, LoadedRevision, QueuedChunk, StoredChunk};
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::{Context, full_text};
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;

/// The consumer's access to the run.
pub(super) struct Consumer<'a> {
    pub(super) context: &'a Context<'a>,
    tracker: &'a PhaseTracker,
    has_saved_probe: AtomicBool,
    /// Whether finished revisions wait for the others, as searches use vectors of another model.
    is_held: bool,
}

impl<'a> Consumer<'a> {
    pub(super) fn new(context: &'a Context<'a>, tracker: &'a PhaseTracker) -> Result<Self, Error> {
        let is_held = context.kb.holds(&context.fingerprints.embed)?;
        Ok(Self { context, tracker, has_saved_probe: false.into(), is_held })
    }
}

/// A claimed batch that is embedded as far as possible, and not committed yet.
pub(super) struct Embedded {
    pub(super) ranges: Vec<ChunkRange>,
    /// The end of the last range, whose vectors are still awaited: it stays claimed.
    pub(super) awaited: Option<ChunkRange>,
    pub(super) vectors: Vectors,
    pub(super) rows: Vec<IndexRows>,
}

/// Vectors of the chunks of a batch.
pub(super) struct Vectors {
    pub(super) chunks: Vec<StoredChunk>,
    pub(super) reused: u64,
    /// Chunks without a vector, ascending.
    pub(super) missing: Vec<ChunkId>,
    /// The missing chunks that cannot be embedded.
    pub(super) bad: Vec<(ChunkId, EmbedError)>,
    /// Why the others are missing.
    pub(super) error: Option<Error>,
}

/// The chunks of one revision that belong to one batch.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) revision: &'a LoadedRevision,
    pub(super) chunks: &'a [QueuedChunk],
}

impl Consumer<'_> {
    pub(super) fn claim(&self, ranges: &[ChunkRange]) -> Result<(), Error> {
        self.tracker.begin(self.context, Phase::Embedding)?;
        self.context.reached(Checkpoint::BeforeClaim)?;
        Ok(self.context.run.claim(ranges)?)
    }

    /// Commits the existing vectors, queues the other chunks again, and marks those that cannot be
    /// embedded as dead.
    pub(super) fn commit(&self, embedded: Embedded) -> Result<(), Error> {
        let Embedded { ranges, awaited, vectors, rows } = embedded;
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
        let (ranges, left, chunks) = (&ranges, &left, &chunks);
        let usage = context.budget.map(Budget::unsaved).unwrap_or_default();
        let is_held = self.is_held;
        let commit =
            Commit { ranges, left, awaited, chunks, rows, is_held, reused, usage, progress };
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
    pub(super) fn mark_dead(&self, ranges: &[ChunkRange], error: &str) -> Result<(), Error> {
        for failure in self.context.run.mark_dead(ranges, error)? {
            self.context.events.emit(&Event::Failed { failure: &failure });
        }
        Ok(())
    }

    /// Returns the full-text rows of every revision that `parts` complete.
    pub(super) fn full_text_rows(&self, parts: &[Part<'_>]) -> Result<Vec<IndexRows>, Error> {
        if self.is_held {
            return Ok(Vec::new());
        }
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

/// Returns the part of each revision in `ranges`, which are consecutive and ascending.
pub(super) fn parts<'a>(ranges: &[ChunkRange], revisions: &'a [LoadedRevision]) -> Vec<Part<'a>> {
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Vec::new() };
    parts_between(first.first, last.last, revisions)
}

/// Returns the part of each revision in `first ..= last`.
pub(super) fn parts_between<'a>(
    first: ChunkId,
    last: ChunkId,
    revisions: &'a [LoadedRevision],
) -> Vec<Part<'a>> {
    let part = |revision: &'a LoadedRevision| {
        let start = revision.chunks.partition_point(|queued| queued.id < first);
        let end = revision.chunks.partition_point(|queued| queued.id <= last);
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

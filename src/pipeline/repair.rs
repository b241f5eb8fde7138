//! Recomputes everything that the saved texts determine: to compare it with what is stored, and to
//! replace it.

use super::{Context, Threads, full_text};
use crate::analysis::Analyser;
use crate::chunk;
use crate::domain::{Chunk, ChunkId};
use crate::error::Error;
use crate::kb::{
    Analyse, ChunkedText, Finding, KbError, LoadedRevision, Maintenance, QueuedChunk, Recomputed,
};
use crate::support::checkpoint::{Checkpoint, StopSignal};

/// Rebuilds the full-text index from the texts of live documents, by a `rebuild` of the knowledge
/// base or of a run; returns how many chunks it has, or [`Error::Stopped`] with the old index
/// unchanged.
pub fn rebuild_index(
    rebuild: impl FnOnce(&str, Analyse<'_>) -> Result<Option<u64>, KbError>,
    analyser: &Analyser,
    threads: &Threads,
    stop: &StopSignal,
) -> Result<u64, Error> {
    let analyse = |revisions: &[LoadedRevision]| {
        let revisions: Vec<&LoadedRevision> = revisions.iter().collect();
        (!stop.is_requested()).then(|| full_text::rows(&revisions, analyser, threads))
    };
    rebuild(&analyser.fingerprint().to_string(), &analyse)?.ok_or(Error::Stopped)
}

/// Rebuilds the full-text index if another analyser made it.
pub fn renew_index(context: &Context<'_>) -> Result<(), Error> {
    let Context { kb, run, analyser, pool, stop, .. } = *context;
    if kb.analysis_fingerprint()? != analyser.fingerprint().to_string() {
        let rebuild = |name: &str, analyse: Analyse<'_>| run.rebuild_index(name, analyse);
        rebuild_index(rebuild, analyser, pool.get()?, stop)?;
    }
    Ok(())
}

/// Publishes the revisions that were held until the vectors of a new model are complete.
pub fn publish_held(context: &Context<'_>) -> Result<(), Error> {
    let Context { kb, run, analyser, pool, stop, .. } = *context;
    if kb.has_held()? {
        context.reached(Checkpoint::BeforeCommit)?;
        let publish = |name: &str, analyse: Analyse<'_>| run.publish_held(name, analyse);
        rebuild_index(publish, analyser, pool.get()?, stop)?;
    }
    Ok(())
}

/// Compares the hashes of embedded texts and the full-text index with those recomputed from the
/// saved texts; returns the differences.
pub fn check_recomputed(
    kb: Maintenance<'_>,
    analyser: &Analyser,
    threads: &Threads,
) -> Result<Vec<Finding>, Error> {
    let recompute = |revisions: &[LoadedRevision]| {
        let (mut sound, mut differing): (Vec<&LoadedRevision>, Vec<ChunkId>) =
            (Vec::new(), Vec::new());
        for revision in revisions {
            let wrong = revision.chunks.iter().filter(|chunk| !has_hash(revision, chunk));
            let before = differing.len();
            differing.extend(wrong.map(|chunk| chunk.id));
            // Spans outside of the text cannot be analysed.
            if differing.len() == before
                || revision.chunks.iter().all(|queued| fits(revision, &queued.chunk))
            {
                sound.push(revision);
            }
        }
        Recomputed { rows: full_text::rows(&sound, analyser, threads), differing }
    };
    Ok(kb.check_recomputed(&recompute)?)
}

/// Returns the documents with text that is in no chunk, although the current chunkers made them.
pub fn check_covered(kb: Maintenance<'_>) -> Result<Vec<Finding>, Error> {
    let lost = |text: &ChunkedText| {
        let current = chunk::chunker(text.media_type).id();
        let is_current = text.chunk_fp.split(':').next() == Some(current);
        let chunks: Vec<Chunk> = text.revision.chunks.iter().map(|it| it.chunk.clone()).collect();
        let saved = &text.revision.text;
        let uncovered = is_current.then(|| chunk::uncovered(saved, text.media_type, &chunks))?;
        let first = uncovered.first()?;
        Some(saved.as_bytes()[..first.start].iter().filter(|&&byte| byte == b'\n').count() + 1)
    };
    Ok(kb.check_covered(&lost)?)
}

fn has_hash(revision: &LoadedRevision, queued: &QueuedChunk) -> bool {
    let QueuedChunk { chunk, input_hash, .. } = queued;
    fits(revision, chunk) && {
        let embedded =
            chunk::embedded_text(&revision.title, &revision.text, revision.noise(), chunk);
        xxhash_rust::xxh3::xxh3_128(embedded.as_bytes()).to_le_bytes() == *input_hash
    }
}

/// Returns whether every span of a chunk is within the text.
fn fits(revision: &LoadedRevision, chunk: &Chunk) -> bool {
    [Some(chunk.span), chunk.prefix, chunk.row_head, chunk.overlap]
        .into_iter()
        .flatten()
        .all(|span| revision.text.get(span.start..span.end).is_some())
}

//! Work left by earlier processes and other settings: saved texts without chunks, and revisions
//! that the current settings would make differently.

use super::BATCH_BYTES;
use super::steps::Steps;
use crate::domain::Phase;
use crate::error::Error;
use crate::kb::{TextRevision, chunk_count};
use crate::pipeline::plan::StageFingerprints;
use crate::pipeline::{Context, Work};
use crate::support::checkpoint::Checkpoint;

/// Revisions reset to an earlier stage in one transaction.
const REDO_REVISIONS: usize = 256;

/// Resets revisions made with other settings to the stage that the change requires.
/// If there are many, `list_sources` lists all documents.
pub(super) fn redo(steps: &Steps<'_>, list_sources: &mut dyn FnMut()) -> Result<(), Error> {
    let Context { kb, run, fingerprints, .. } = *steps.context;
    let StageFingerprints { chunk, embed } = fingerprints;
    let progress = &steps.context.progress;
    let mut is_counted = false;
    loop {
        steps.context.reached(Checkpoint::BeforeBatch)?;
        let stale = kb.stale_revisions(chunk, embed, REDO_REVISIONS)?;
        if stale.is_empty() {
            return Ok(());
        }
        if !is_counted {
            let is_all = stale.len() < REDO_REVISIONS;
            let count = if is_all { stale.len() as u64 } else { kb.stale_count(chunk, embed)? };
            progress.leave(count);
            if !is_all {
                list_sources();
            }
            is_counted = true;
        }
        steps.tracker.begin(steps.context, Phase::Cleaning)?;
        let ranges = run.redo(&stale, embed)?;
        progress.queue_chunks(ranges.iter().map(chunk_count).sum());
        // The others are chunked next.
        let finished = stale.iter().filter(|one| !one.is_to_be_chunked()).count();
        progress.pass_leftovers(finished as u64);
        if !ranges.is_empty() {
            steps.hand_over(Some(Work { ranges, revisions: None }))?;
        }
    }
}

/// Chunks texts that an earlier process or [`redo`] left saved.
pub(super) fn chunk_saved(steps: &Steps<'_>) -> Result<(), Error> {
    let batch_bytes = usize::try_from(BATCH_BYTES).unwrap_or(usize::MAX);
    loop {
        steps.context.reached(Checkpoint::BeforeBatch)?;
        let revisions = steps.context.kb.unchunked(batch_bytes)?;
        if revisions.is_empty() {
            return Ok(());
        }
        let (apart, together): (Vec<_>, Vec<_>) = revisions
            .into_iter()
            .partition(|revision| steps.suspicion.holds(&revision.source, &revision.uri));
        for revision in apart {
            match steps.suspicion.verdict(&revision.source, &revision.uri) {
                Some(error) => {
                    steps.give_up(&revision, &error)?;
                    steps.context.progress.pass_leftovers(1);
                }
                None => chunk_recorded(steps, vec![revision], true)?,
            }
        }
        if !together.is_empty() {
            chunk_recorded(steps, together, false)?;
        }
    }
}

/// Records the documents about to be chunked, and chunks them.
fn chunk_recorded(
    steps: &Steps<'_>,
    revisions: Vec<TextRevision>,
    alone: bool,
) -> Result<(), Error> {
    let documents: Vec<_> =
        revisions.iter().map(|one| (one.source.as_str(), one.uri.as_str())).collect();
    steps.context.run.set_in_flight(&documents, &[], alone)?;
    let count = revisions.len() as u64;
    let work = steps.chunk_and_enqueue(revisions)?;
    steps.context.progress.pass_leftovers(count);
    steps.hand_over(work)
}

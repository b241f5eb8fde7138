//! Work left by earlier processes and other settings: saved texts without chunks, and revisions
//! that the current settings would make differently.

use super::BATCH_BYTES;
use super::steps::Steps;
use crate::domain::Phase;
use crate::error::Error;
use crate::kb::TextRevision;
use crate::pipeline::plan::StageFingerprints;
use crate::pipeline::{Context, Work};
use crate::support::checkpoint::Checkpoint;

/// Revisions reset to an earlier stage in one transaction.
const REDO_REVISIONS: usize = 256;

/// Resets revisions made with other settings to the stage that the change requires.
pub(super) fn redo(steps: &Steps<'_>) -> Result<(), Error> {
    let Context { kb, run, fingerprints, .. } = *steps.context;
    let StageFingerprints { chunk, embed } = fingerprints;
    loop {
        steps.context.reached(Checkpoint::BeforeBatch)?;
        let stale = kb.stale_revisions(chunk, embed, REDO_REVISIONS)?;
        if stale.is_empty() {
            return Ok(());
        }
        steps.tracker.begin(steps.context, Phase::Cleaning)?;
        let ranges = run.redo(&stale, embed)?;
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
                Some(error) => steps.give_up(&revision, &error)?,
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
    steps.hand_over(steps.chunk_and_enqueue(revisions)?)
}

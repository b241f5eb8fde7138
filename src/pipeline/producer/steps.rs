//! The steps that all kinds of source share: Save -> Chunk -> Enqueue, and handing over the queued
//! work.

use std::sync::OnceLock;

use super::document::chunk_all;
use super::quarantine::Suspicion;
use crate::analysis;
use crate::domain::{ChunkId, Failure, FailureKind, Metrics, Phase, Stage};
use crate::error::Error;
use crate::kb::{
    ChunkedRevision, LoadedRevision, QueuedChunk, ReadResult, Reading, SaveResult, TextRevision,
};
use crate::pipeline::phases::PhaseTracker;
use crate::pipeline::{Context, Handoff, Work};
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;
use crate::support::secrets;

/// What the steps of the producer share.
pub(in crate::pipeline) struct Steps<'a> {
    pub(in crate::pipeline) context: &'a Context<'a>,
    pub(super) tracker: &'a PhaseTracker,
    pub(super) handoff: &'a Handoff,
    pub(in crate::pipeline) suspicion: Suspicion,
}

impl Steps<'_> {
    /// Chunk -> Enqueue for saved texts; returns the work to hand over.
    pub(in crate::pipeline) fn chunk_and_enqueue(
        &self,
        revisions: Vec<TextRevision>,
    ) -> Result<Option<Work>, Error> {
        if revisions.is_empty() {
            return Ok(None);
        }
        let context = self.context;
        self.tracker.begin(context, Phase::Cleaning)?;
        let results = chunk_all(context, &revisions)?;
        let mut chunked = Vec::with_capacity(revisions.len());
        let mut kept = Vec::with_capacity(revisions.len());
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
        let progress = context.progress.report();
        let (firsts, ranges) =
            context.run.enqueue(&chunked, &context.fingerprints.embed, &progress)?;
        context.progress.queue_chunks(chunked.iter().map(|one| one.chunks.len() as u64).sum());
        context.reached(Checkpoint::AfterEnqueue)?;
        let is_something_queued = !ranges.is_empty();
        Ok(is_something_queued
            .then(|| Work { ranges, revisions: Some(loaded(kept, chunked, &firsts)) }))
    }

    pub(in crate::pipeline) fn hand_over(&self, work: Option<Work>) -> Result<(), Error> {
        let Some(work) = work else { return Ok(()) };
        // The consumer is only gone after an error of its own, which is the one reported.
        self.handoff.send(work).map_err(|_| Error::Stopped)
    }

    pub(super) fn give_up(&self, revision: &TextRevision, error: &str) -> Result<(), Error> {
        let Context { run, events, .. } = *self.context;
        let failure = Failure {
            source: revision.source.clone(),
            uri: revision.uri.clone(),
            stage: Stage::Chunk,
            kind: FailureKind::Permanent,
            error: error.to_owned(),
        };
        events.emit(&Event::Failed { failure: &failure });
        run.fail_revision(revision.id, Stage::Chunk, error)?;
        Ok(())
    }

    /// An outage deletes nothing and does not affect other sources.
    pub(in crate::pipeline) fn skip_unreachable(&self, error: &str) -> Result<(), Error> {
        let Context { run, events, .. } = *self.context;
        let message = format!("{error}; its documents stay as they are");
        events.emit(&Event::Warning { message: &message });
        let delta = Metrics { sources_unreachable: 1, ..Metrics::default() };
        run.save_progress(&delta, None)?;
        Ok(())
    }

    pub(in crate::pipeline) fn report(
        &self,
        source: &str,
        readings: &[Reading],
        results: &[SaveResult],
    ) {
        for (reading, result) in readings.iter().zip(results) {
            tracing::debug!(source, uri = secrets::hidden(&reading.uri), ?result, "read");
            if let ReadResult::Failed { stage, kind, error } = &reading.result {
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

/// Returns the readings that were saved as new revisions.
pub(in crate::pipeline) fn saved_revisions(
    source: &str,
    readings: Vec<Reading>,
    results: &[SaveResult],
) -> Vec<TextRevision> {
    let saved = readings.into_iter().zip(results).filter_map(|(reading, result)| {
        match (reading.result, result) {
            (ReadResult::Text(text), SaveResult::Saved(id)) => Some(TextRevision {
                id: *id,
                source: source.to_owned(),
                uri: reading.uri,
                title: text.title,
                about: analysis::about(&text.metadata),
                media_type: text.media_type,
                text: text.text,
                lines: text.lines,
            }),
            _ => None,
        }
    });
    saved.collect()
}

/// Combines texts with their chunks and the ids assigned to these.
fn loaded(
    revisions: Vec<TextRevision>,
    chunked: Vec<ChunkedRevision>,
    firsts: &[Option<ChunkId>],
) -> Vec<LoadedRevision> {
    let parts = revisions.into_iter().zip(chunked).zip(firsts);
    let revisions = parts.filter_map(|((revision, chunked), first)| {
        let first = first.as_ref()?;
        Some(LoadedRevision {
            id: revision.id,
            uri: revision.uri,
            title: revision.title,
            about: revision.about,
            text: revision.text,
            noise: OnceLock::from(chunked.noise),
            chunk_total: chunked.chunks.len(),
            chunks: (first.0..)
                .zip(chunked.chunks)
                .map(|(id, new)| QueuedChunk {
                    id: ChunkId(id),
                    chunk: new.chunk,
                    input_hash: new.input_hash,
                })
                .collect(),
        })
    });
    revisions.collect()
}

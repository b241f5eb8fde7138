//! Crawl -> Save -> Chunk -> Enqueue, batch by batch.
//!
//! A document of a folder, a repository, an archive or a file of records passes `comparison` (is it
//! new or changed?), `document` (read, extract, chunk: nothing is written), `steps` (save, enqueue)
//! and is handed to the consumer.

pub(super) mod ahead;
mod comparison;
pub(super) mod document;
mod include;
mod leftovers;
mod listed;
mod quarantine;
pub mod reconcile;
pub(super) mod steps;

use self::ahead::Listings;
use self::quarantine::Suspicion;
use self::reconcile::forget_source;
use self::steps::Steps;
use super::phases::PhaseTracker;
use super::plan::Plan;
use super::{Context, Handoff, web};
use crate::domain::Phase;
use crate::error::{Error, chain};
use crate::source::AnySource;

/// A batch is full when it has this many bytes. Every batch waits for the disk five times, so
/// smaller ones cost time, larger ones memory.
const BATCH_BYTES: u64 = 3 * 1024 * 1024;

/// Runs the producer's part of `plan`; queued work goes to `handoff`.
pub fn run(
    context: &Context<'_>,
    plan: Plan,
    tracker: &PhaseTracker,
    handoff: &Handoff,
) -> Result<(), Error> {
    let steps = Steps { context, tracker, handoff, suspicion: Suspicion::load(context.kb)? };
    if plan.chunk {
        context.progress.leave(context.kb.unchunked_count()?);
    }
    let mut listings = plan.crawl.then(|| Listings::expect(context, plan)).transpose()?;
    if plan.redo {
        leftovers::redo(&steps, &mut || {
            listings.iter_mut().for_each(|listings| listings.make_from(0));
        })?;
    }
    if plan.chunk {
        leftovers::chunk_saved(&steps)?;
    }
    if let Some(mut listings) = listings {
        tracker.begin(context, Phase::Crawling)?;
        for (index, source) in context.sources.iter().enumerate() {
            match source {
                AnySource::Listed(source) => {
                    let ahead = listings.take(index);
                    let list_others = &mut || listings.make_from(index + 1);
                    listed::crawl(&steps, source.as_ref(), ahead, list_others)?;
                }
                AnySource::Crawled(site) => web::crawl(&steps, site)?,
                AnySource::Unavailable { error, .. } => steps.skip_unreachable(&chain(error))?,
            }
        }
        forget_removed_sources(context)?;
    }
    context.progress.finish_producing();
    // Without a crawl these phases are complete already.
    tracker.complete(context, &[Phase::Crawling, Phase::Cleaning])
}

/// Deletes the documents of sources that kb.toml no longer names, if that is allowed.
fn forget_removed_sources(context: &Context<'_>) -> Result<(), Error> {
    let sites = context.sources.iter().filter(|source| source.is_site());
    let sites: Vec<_> = sites.map(AnySource::name).collect();
    context.run.keep_frontiers(&sites)?;
    for name in context.kb.source_names()? {
        if context.sources.iter().any(|source| source.name() == name) {
            continue;
        }
        forget_source(context, &name)?;
    }
    Ok(())
}

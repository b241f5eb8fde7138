//! Lists ahead: how many documents a run will compare, known before the first is read.

use crate::error::Error;
use crate::pipeline::Context;
use crate::pipeline::plan::Plan;
use crate::source::{AnySource, Listing, SortedSpool, Source, SourceError};

/// A listing made ahead; `None` if the ledger gives a good enough estimate of its length.
type Ahead<'a> = Option<Result<Listing<'a>, SourceError>>;

/// Sets the total that progress is measured against: the number of documents in the ledger for each
/// source, or the length of its listing if the ledger is empty or half filled. Such a listing is
/// made once, here, and returned.
pub(super) fn expect<'a>(context: &Context<'a>, plan: Plan) -> Result<Vec<Ahead<'a>>, Error> {
    let mut listings = Vec::with_capacity(context.sources.len());
    for source in context.sources {
        let known = context.kb.document_count(source.name())?;
        let (expected, ahead) = match source {
            AnySource::Listed(source) if known == 0 || plan.unfinished.is_some() => {
                let listed = list(context, source.as_ref());
                (listed.as_ref().map_or(known, |(count, _)| *count), Some(listed))
            }
            AnySource::Listed(_) | AnySource::Unavailable { .. } => (known, None),
            // The number is unknown; it is never 0, which would mean complete.
            AnySource::Crawled(_) => (known.max(1), None),
        };
        context.progress.expect_documents(expected);
        listings.push(ahead.map(|listed| listed.map(|(_, listing)| listing)));
    }
    Ok(listings)
}

/// Lists `source` completely; returns its number of documents, and its listing.
fn list(
    context: &Context<'_>,
    source: &dyn Source,
) -> Result<(u64, Listing<'static>), SourceError> {
    let mut spool = SortedSpool::default();
    let mut errors = Vec::new();
    for item in source.list()? {
        if context.stop.is_requested() {
            return Err(SourceError::Stopped);
        }
        match item {
            Ok(entry) => spool.push(entry),
            Err(error) => errors.push(error),
        }
    }
    let count = spool.count();
    // An entry that cannot be listed has no position in the order.
    let listing = errors.into_iter().map(Err).chain(spool.sorted());
    Ok((count, Box::new(listing)))
}

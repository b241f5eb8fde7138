//! Lists ahead: how many documents a run will compare, known before they are read.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::pipeline::Context;
use crate::pipeline::plan::Plan;
use crate::source::{AnySource, ListError, Listing, SortedSpool, SourceError};
use crate::support::events::Event;

/// Pages that a site is expected to have while fewer are known: its first pages say little.
pub(in crate::pipeline) const PAGES_MIN: u64 = 500;
/// How often the progress of a listing is reported.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// Entries between two readings of the clock.
const REPORT_ENTRIES: u64 = 1024;

/// The listings of the sources, as far as they are made ahead.
pub(super) struct Listings<'a> {
    context: &'a Context<'a>,
    made: Vec<Option<Result<Listing<'a>, SourceError>>>,
}

impl<'a> Listings<'a> {
    /// Sets what progress is measured against. A source of which the ledger knows nothing, or only
    /// a part, is listed here; of others it has the number of documents at the last run, which is
    /// enough until there is something to read.
    pub(super) fn expect(context: &'a Context<'a>, plan: Plan) -> Result<Self, Error> {
        let mut are_unknown = Vec::with_capacity(context.sources.len());
        for source in context.sources {
            let (name, known) = (source.name(), context.kb.document_count(source.name())?);
            are_unknown.push(known == 0 || plan.unfinished.is_some());
            match source {
                AnySource::Listed(_) => context.progress.expect(name, known),
                AnySource::Crawled(_) => context.progress.expect(name, known.max(PAGES_MIN)),
                AnySource::Unavailable { .. } => context.progress.list(name, 0),
            }
        }
        let made = context.sources.iter().map(|_| None).collect();
        let mut listings = Self { context, made };
        for (index, is_unknown) in are_unknown.into_iter().enumerate() {
            if is_unknown {
                listings.make(index);
            }
        }
        Ok(listings)
    }

    /// Lists the sources from number `first` on: there is something to read, so that the time it
    /// takes does not matter, and the time left does.
    pub(super) fn make_from(&mut self, first: usize) {
        (first..self.made.len()).for_each(|index| self.make(index));
    }

    fn make(&mut self, index: usize) {
        let AnySource::Listed(source) = &self.context.sources[index] else { return };
        if self.made[index].is_some() {
            return;
        }
        let (name, progress) = (source.name(), &self.context.progress);
        let listed = source.list().and_then(|listing| list(self.context, name, listing));
        self.made[index] = Some(match listed {
            Ok((count, listing)) => {
                progress.list(name, count);
                Ok(listing)
            }
            Err(error) => Err(error),
        });
    }

    /// Returns the listing of a source if it is made.
    pub(super) fn take(&mut self, index: usize) -> Option<Result<Listing<'a>, SourceError>> {
        self.made[index].take()
    }
}

/// Reads `listing` to its end; returns its number of documents, and all of it.
pub(super) fn list<'b>(
    context: &Context<'_>,
    name: &str,
    listing: impl Iterator<Item = Result<crate::domain::Entry, ListError>>,
) -> Result<(u64, Listing<'b>), SourceError> {
    let mut spool = SortedSpool::default();
    let mut errors = Vec::new();
    let mut reported = Instant::now();
    for item in listing {
        if context.stop.is_requested() {
            return Err(SourceError::Stopped);
        }
        match item {
            Ok(entry) => spool.push(entry),
            Err(error) => errors.push(error),
        }
        if spool.count().is_multiple_of(REPORT_ENTRIES) && reported.elapsed() >= REPORT_INTERVAL {
            context.events.emit(&Event::Listing { source: name, found: spool.count() });
            reported = Instant::now();
        }
    }
    let count = spool.count();
    // An entry that cannot be listed has no position in the order.
    let listing = errors.into_iter().map(Err).chain(spool.sorted());
    Ok((count, Box::new(listing)))
}

//! The progress of a run as one number, and how fast it goes.

mod pace;
#[cfg(test)]
mod replay;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ProgressReport;

use pace::Pace;

/// Share of the producer in percent; the rest is the consumer's.
const PRODUCER_SHARE: f64 = 70.0;

/// Limit on the producer's progress while it is not finished.
const PRODUCED_MAX: f64 = 0.99;

/// A part whose documents are not all listed counts as this many times the documents it is known to
/// have: it never is more than half done, however many come at its end.
const UNLISTED_FACTOR: u64 = 2;

/// Limit on the producer's progress while a source is not listed: others may have passed, and it
/// may have grown by any number.
const PRODUCED_UNLISTED_MAX: f64 = 0.5;

/// The name of the revisions that earlier processes and other settings left.
pub const LEFTOVERS: &str = "";

/// Counts documents and chunks towards the run's percentage.
///
/// The percentage is that of the documents that were passed among all that are listed. Until every
/// source is listed it is only a lower bound, which nobody is shown. A revision that was left to do
/// counts as its document, which is passed then. The knowledge base also keeps the percentage from
/// falling.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    parts: Mutex<BTreeMap<String, Extent>>,
    documents_passed: AtomicU64,
    /// Of these, leftovers whose documents are not listed yet.
    leftovers_passed: AtomicU64,
    chunks_queued: AtomicU64,
    /// Embedded and not stored yet.
    chunks_embedded: AtomicU64,
    chunks_stored: AtomicU64,
    is_producing: AtomicBool,
    pace: Mutex<Pace>,
    /// Milliseconds from `started` to the last report to be saved.
    saved_ms: AtomicU64,
}

/// The documents of a part.
#[derive(Clone, Copy, Debug)]
enum Extent {
    /// At least so many; there may be more.
    AtLeast(u64),
    /// All.
    Listed(u64),
}

impl Progress {
    /// Counts a run that has documents to list or to chunk if it `is_producing`, else only chunks
    /// to embed.
    pub fn new(is_producing: bool) -> Self {
        Self {
            started: Instant::now(),
            parts: Mutex::default(),
            documents_passed: AtomicU64::new(0),
            leftovers_passed: AtomicU64::new(0),
            chunks_queued: AtomicU64::new(0),
            chunks_embedded: AtomicU64::new(0),
            chunks_stored: AtomicU64::new(0),
            is_producing: AtomicBool::new(is_producing),
            pace: Mutex::default(),
            saved_ms: AtomicU64::new(0),
        }
    }

    /// Records that the part `name` has `count` documents or more.
    pub fn expect(&self, name: &str, count: u64) {
        let mut parts = self.parts();
        let extent = parts.entry(name.to_owned()).or_insert(Extent::AtLeast(count));
        if let Extent::AtLeast(known) = extent {
            *known = count.max(*known);
        }
    }

    /// Records that the part `name` has `count` documents.
    pub fn list(&self, name: &str, count: u64) {
        self.parts().insert(name.to_owned(), Extent::Listed(count));
    }

    /// Adds documents that the producer has finished.
    pub fn pass(&self, count: u64) {
        self.documents_passed.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds documents that an earlier process of the run has finished: they say nothing about its
    /// speed.
    pub fn skip(&self, count: u64) {
        let mut pace = self.pace();
        let before = self.percent(1.0);
        self.pass(count);
        pace.skip(count, self.percent(1.0) - before);
    }

    /// Adds finished revisions of [`LEFTOVERS`]. Their documents are still to be listed, but do not
    /// count again if they need not be read.
    pub fn pass_leftovers(&self, count: u64) {
        self.pass(count);
        self.leftovers_passed.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds listed documents that need not be read; `before` of them an earlier process of the run
    /// has finished.
    pub fn pass_unread(&self, count: u64, before: u64) {
        let take = |wanted: u64| {
            let of = &self.leftovers_passed;
            let left = of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(wanted))
            });
            wanted - left.unwrap_or(0).min(wanted)
        };
        self.skip(take(before));
        self.pass(take(count - before));
    }

    /// Adds revisions to the part [`LEFTOVERS`].
    pub fn leave(&self, count: u64) {
        let mut parts = self.parts();
        let extent = parts.entry(LEFTOVERS.to_owned()).or_insert(Extent::Listed(0));
        *extent = Extent::Listed(extent.counted() + count);
    }

    /// Records that the producer is finished.
    pub fn finish_producing(&self) {
        self.is_producing.store(false, Ordering::Relaxed);
    }

    /// Adds chunks that the consumer will embed.
    pub fn queue_chunks(&self, count: u64) {
        self.chunks_queued.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds chunks that are embedded and not stored yet: a batch of them may take minutes.
    pub fn embed_chunks(&self, count: u64) {
        self.chunks_embedded.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds chunks that the consumer has finished, of which `embedded` were added before.
    pub fn store_chunks(&self, count: u64, embedded: u64) {
        self.chunks_embedded.fetch_sub(embedded, Ordering::Relaxed);
        self.chunks_stored.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the progress now, to be saved.
    pub fn report(&self) -> ProgressReport {
        let now = self.started.elapsed();
        self.saved_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.report_at(now)
    }

    /// Returns the progress now.
    pub fn look(&self) -> ProgressReport {
        self.report_at(self.started.elapsed())
    }

    /// Returns how long ago progress was last saved.
    pub fn unsaved_for(&self) -> Duration {
        let saved = Duration::from_millis(self.saved_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(saved)
    }

    /// Returns the progress `now`, counted from the start of this process.
    fn report_at(&self, now: Duration) -> ProgressReport {
        let (percent, documents_passed) = (self.percent(1.0), self.passed());
        let documents_listed = self.listed();
        let chunks = self.chunks_done();
        let mut pace = self.pace();
        pace.note(now, percent, documents_passed, chunks);
        let (documents_per_second, chunks_per_second) = pace.per_second(now);
        let is_known = documents_listed.is_some() || !self.is_producing.load(Ordering::Relaxed);
        ProgressReport {
            percent: self.percent(PRODUCED_MAX),
            documents_passed,
            documents_listed,
            documents_per_second,
            chunks_per_second,
            seconds_left: pace.seconds_left(now, percent).filter(|_| is_known),
        }
    }

    /// Returns the percentage, 0 to 100: up to 70 for the producer, 30 for the consumer.
    /// `produced_max` limits the producer's while it is not finished.
    fn percent(&self, produced_max: f64) -> f64 {
        let produced = if self.is_producing.load(Ordering::Relaxed) {
            let total = self.total();
            let is_listed = self.listed().is_some() || self.parts().is_empty();
            let limit = if is_listed { 1.0 } else { PRODUCED_UNLISTED_MAX };
            if total == 0 { 0.0 } else { share(self.passed(), total).min(produced_max).min(limit) }
        } else {
            1.0
        };
        let done = self.chunks_done();
        let queued = self.chunks_queued.load(Ordering::Relaxed);
        let embedded = if queued == 0 { 1.0 } else { share(done, queued) };
        // Only as large a share of all chunks is queued as documents were passed.
        PRODUCER_SHARE * produced + (100.0 - PRODUCER_SHARE) * produced * embedded
    }

    /// Returns the documents that a percentage is computed of: those of the sources, or what was
    /// left if there is nothing else to do.
    fn total(&self) -> u64 {
        let parts = self.parts();
        let counted = |is_source: bool| {
            let parts = parts.iter().filter(move |(name, _)| (*name != LEFTOVERS) == is_source);
            parts.map(|(_, extent)| extent.counted()).sum()
        };
        match counted(true) {
            0 => counted(false),
            total => total,
        }
    }

    /// Returns the number of documents of the sources if all are listed.
    fn listed(&self) -> Option<u64> {
        let parts = self.parts();
        let listed = |extent: &Extent| match *extent {
            Extent::Listed(count) => Some(count),
            Extent::AtLeast(_) => None,
        };
        if parts.values().any(|extent| listed(extent).is_none()) {
            return None;
        }
        let sources = parts.iter().filter(|(name, _)| *name != LEFTOVERS);
        let counts: Vec<_> = sources.filter_map(|(_, extent)| listed(extent)).collect();
        if counts.is_empty() { None } else { Some(counts.iter().sum()) }
    }

    fn chunks_done(&self) -> u64 {
        self.chunks_stored.load(Ordering::Relaxed) + self.chunks_embedded.load(Ordering::Relaxed)
    }

    fn passed(&self) -> u64 {
        self.documents_passed.load(Ordering::Relaxed)
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<String, Extent>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Extent {
    /// Returns the documents that a percentage is computed of.
    fn counted(self) -> u64 {
        match self {
            Self::AtLeast(count) => count.saturating_mul(UNLISTED_FACTOR),
            Self::Listed(count) => count,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs few digits")]
fn share(done: u64, of: u64) -> f64 {
    (done as f64 / of as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_counts_for_seventy() {
        let progress = Progress::new(true);
        assert_eq!(progress.percent(PRODUCED_MAX), 0.0);
        progress.list("docs", 10);
        progress.queue_chunks(8);
        assert_eq!(progress.percent(PRODUCED_MAX), 0.0);
        progress.pass(5);
        assert_eq!(progress.percent(PRODUCED_MAX), 35.0);
        progress.store_chunks(8, 0);
        assert_eq!(progress.percent(PRODUCED_MAX), 50.0);
        progress.pass(9);
        assert!(progress.percent(PRODUCED_MAX) < 100.0);
        progress.finish_producing();
        assert_eq!(progress.percent(PRODUCED_MAX), 100.0);
    }

    #[test]
    fn what_is_not_listed_is_never_more_than_half_done() {
        let progress = Progress::new(true);
        progress.expect("docs", 100);
        progress.expect("notes", 100);
        progress.pass(100);
        assert_eq!(progress.percent(PRODUCED_MAX), 25.0);
        assert_eq!(progress.look().documents_listed, None);
        progress.list("docs", 100);
        assert_eq!(progress.look().documents_listed, None);
        progress.list("notes", 300);
        assert_eq!(
            (progress.percent(PRODUCED_MAX), progress.look().documents_listed),
            (25.0, Some(400))
        );
    }

    #[test]
    fn chunks_that_wait_are_the_last_thirty() {
        let progress = Progress::new(false);
        progress.queue_chunks(100);
        progress.embed_chunks(30);
        progress.store_chunks(20, 0);
        assert_eq!(progress.percent(PRODUCED_MAX), 85.0);
        progress.store_chunks(30, 30);
        assert_eq!(progress.percent(PRODUCED_MAX), 85.0);
    }
}

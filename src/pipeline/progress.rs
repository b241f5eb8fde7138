//! The progress of a run as one number.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Share of the producer in percent; the rest is the consumer's.
const PRODUCER_SHARE: f64 = 70.0;

/// Limit on the producer's progress while it is not finished.
const PRODUCED_MAX: f64 = 0.99;

/// Counts documents and chunks towards the run's percentage.
///
/// The number of documents is known before the first is read (from the ledger or by counting), so
/// the percentage does not decrease as more are found; the knowledge base also keeps it from
/// falling.
#[derive(Debug, Default)]
pub struct Progress {
    documents_expected: AtomicU64,
    documents_seen: AtomicU64,
    chunks_queued: AtomicU64,
    chunks_stored: AtomicU64,
    is_producing: AtomicBool,
}

impl Progress {
    /// Adds documents that the producer will process; until [`Self::finish_producing`] there may be
    /// more.
    pub fn expect_documents(&self, count: u64) {
        self.is_producing.store(true, Ordering::Relaxed);
        self.documents_expected.fetch_add(count, Ordering::Relaxed);
    }

    /// Raises the number of documents to `count` if more were found than expected.
    pub fn expect_at_least(&self, count: u64) {
        self.documents_expected.fetch_max(count, Ordering::Relaxed);
    }

    /// Returns the number of documents that the producer has finished.
    pub fn documents_seen(&self) -> u64 {
        self.documents_seen.load(Ordering::Relaxed)
    }

    /// Adds documents that the producer has finished.
    pub fn see_documents(&self, count: u64) {
        self.documents_seen.fetch_add(count, Ordering::Relaxed);
    }

    /// Records that the producer is finished.
    pub fn finish_producing(&self) {
        self.is_producing.store(false, Ordering::Relaxed);
    }

    /// Adds chunks that the consumer will embed.
    pub fn queue_chunks(&self, count: u64) {
        self.chunks_queued.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds chunks that the consumer has finished.
    pub fn store_chunks(&self, count: u64) {
        self.chunks_stored.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the percentage, 0 to 100: up to 70 for the producer, 30 for the consumer.
    pub fn percent(&self) -> f64 {
        let share = |done: &AtomicU64, of: &AtomicU64| -> f64 {
            let (done, of) = (done.load(Ordering::Relaxed), of.load(Ordering::Relaxed));
            #[expect(clippy::cast_precision_loss, reason = "a percentage needs few digits")]
            if of == 0 { 1.0 } else { (done as f64 / of as f64).min(1.0) }
        };
        let produced = if self.is_producing.load(Ordering::Relaxed) {
            share(&self.documents_seen, &self.documents_expected).min(PRODUCED_MAX)
        } else {
            1.0
        };
        // Only as large a share of all chunks is queued as documents were seen.
        let consumed = share(&self.chunks_stored, &self.chunks_queued) * produced;
        PRODUCER_SHARE * produced + (100.0 - PRODUCER_SHARE) * consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_counts_for_seventy() {
        let progress = Progress::default();
        progress.expect_documents(10);
        progress.queue_chunks(8);
        assert_eq!(progress.percent(), 0.0);
        progress.see_documents(5);
        assert_eq!(progress.percent(), 35.0);
        progress.store_chunks(8);
        assert_eq!(progress.percent(), 50.0);
        progress.see_documents(9);
        assert!(progress.percent() < 100.0);
        progress.finish_producing();
        assert_eq!(progress.percent(), 100.0);
    }
}

//! Limits of the batches of the consumer.

/// Limit on the queue rows of one commit: 12,288 chunks. What the producer hands over at once
/// usually fits, as every commit adds a full-text segment to be merged, however small.
pub(super) const RANGES_PER_BATCH: usize = 48;

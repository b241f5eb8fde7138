//! The queue of chunks that wait to be embedded.

use serde::Serialize;

use super::ChunkId;

/// Neighbouring chunk ids, both ends included; the unit of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// Lowest id; identifies the queue row.
    pub first: ChunkId,
    /// Highest id.
    pub last: ChunkId,
}

/// Chunks in the queue by state. Chunks whose revision was superseded do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// Waiting for a consumer.
    pub pending: u64,
    /// Being embedded.
    pub claimed: u64,
    /// Given up; retried when the document or the settings change.
    pub dead: u64,
    /// Revisions whose text is saved but not yet chunked.
    pub unchunked_revisions: u64,
}

impl QueueStats {
    /// Reports whether there is work left for a consumer.
    pub fn has_work(&self) -> bool {
        self.pending + self.claimed > 0
    }
}

//! The best of many scored chunks.

use std::collections::BinaryHeap;

use crate::domain::ChunkId;

/// Hits of each side that are fused, unless more are wanted.
pub const FUSED_MAX: usize = 100;

/// Limit on the hits of each side, however many are wanted.
pub const WANTED_MAX: usize = 10_000;

/// A score with its chunk, ordered so that the worst is the greatest: a heap's top is the one to
/// drop.
#[derive(PartialEq)]
pub struct Scored {
    /// Whether it has every word of the query, which is better than any score.
    pub is_complete: bool,
    /// The greater the better.
    pub score: f64,
    /// The chunk; of equal ones, the first is better.
    pub id: ChunkId,
}

impl Eq for Scored {}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_score = || other.score.total_cmp(&self.score).then(self.id.cmp(&other.id));
        other.is_complete.cmp(&self.is_complete).then_with(by_score)
    }
}

/// Keeps the best scores seen; of equal ones, the first.
pub struct Best {
    scores: BinaryHeap<Scored>,
    max: usize,
}

impl Best {
    /// Keeps [`FUSED_MAX`] scores, or as many as are `wanted`.
    pub fn of(wanted: usize) -> Self {
        Self { scores: BinaryHeap::new(), max: wanted.clamp(FUSED_MAX, WANTED_MAX) }
    }

    /// Reports whether there are as many as are fused.
    pub fn is_full(&self) -> bool {
        self.scores.len() >= self.max
    }

    /// Keeps a chunk if its score is one of the best.
    pub fn offer(&mut self, one: Scored) {
        if self.scores.len() < self.max {
            self.scores.push(one);
        } else if let Some(mut worst) = self.scores.peek_mut()
            && one < *worst
        {
            *worst = one;
        }
    }

    /// Returns the scores kept, in no order.
    pub fn into_scores(self) -> Vec<Scored> {
        self.scores.into_vec()
    }
}

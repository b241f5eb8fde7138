//! The chunks that a search found, ranked, and the best of them as texts for a reranker.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction};

use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::fusion::{FoundChunk, Fusion};

/// The chunks that a search found, best first.
pub struct Ranking {
    /// The chunks.
    pub chunks: Vec<FoundChunk>,
    /// How their scores came about.
    pub fusion: Fusion,
}

/// One of the best chunks of a search, as a reranker reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The chunk.
    pub id: ChunkId,
    /// Title of its document.
    pub title: String,
    /// Headings above it, joined by ` > `.
    pub heading_path: String,
    /// Its text, after the head of the table that it is a part of.
    pub text: String,
}

/// What reorders the best chunks of a search.
pub struct Reorder<'a> {
    /// Limit on the chunks that it reads.
    pub count: usize,
    /// How long it may take.
    pub patience: Duration,
    /// Returns the scores of chunks; those without one stay behind.
    pub scores: &'a mut dyn FnMut(&[Candidate]) -> HashMap<ChunkId, f32>,
}

impl Ranking {
    /// Has `reorder` read the best chunks, and puts them in its order.
    pub fn reorder(&mut self, tx: &Transaction<'_>, reorder: Reorder<'_>) -> Result<(), KbError> {
        let best = self.chunks.iter().take(reorder.count);
        let candidates = best.filter_map(|chunk| candidate(tx, chunk.id).transpose());
        let scores = (reorder.scores)(&candidates.collect::<Result<Vec<_>, _>>()?);
        self.put_first(&scores);
        Ok(())
    }

    /// Puts the chunks with a score first, by that score; equal ones stay in their order.
    fn put_first(&mut self, scores: &HashMap<ChunkId, f32>) {
        for chunk in &mut self.chunks {
            chunk.rerank_score = scores.get(&chunk.id).copied();
        }
        let order = |chunk: &FoundChunk| chunk.rerank_score.unwrap_or(f32::NEG_INFINITY);
        self.chunks.sort_by(|a, b| order(b).total_cmp(&order(a)));
    }
}

fn candidate(tx: &Transaction<'_>, id: ChunkId) -> Result<Option<Candidate>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT revision.title, chunk.heading_path,
                substr(content.text, prefix_start + 1, prefix_end - prefix_start),
                substr(content.text, row_start + 1, row_end - row_start),
                substr(content.text, start_byte + 1, end_byte - start_byte)
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         JOIN content ON content.id = revision.content_id
         WHERE chunk.id = ?1",
    )?;
    let found = statement.query_row([id.0], |row| {
        let bytes = |column| row.get::<_, Option<Vec<u8>>>(column);
        let mut text = String::new();
        for (part, end) in [(bytes(2)?, "\n"), (bytes(3)?, " "), (bytes(4)?, "")] {
            if part.is_some() {
                text.push_str(&super::hits::readable(part));
                text.push_str(end);
            }
        }
        Ok(Candidate { id, title: super::hits::title(row, 0)?, heading_path: row.get(1)?, text })
    });
    Ok(found.optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_with_a_score_come_first_and_equal_ones_keep_their_order() {
        let mut chunks: Vec<_> = (1..=5).map(|id| FoundChunk::new(ChunkId(id))).collect();
        let fusion = Fusion::rank(&mut chunks, 0.0, 0.0);
        let mut ranking = Ranking { chunks, fusion };
        let scores = [(1, -2.0), (2, 0.5), (3, -2.0), (4, -9.0)];
        ranking.put_first(&scores.into_iter().map(|(id, score)| (ChunkId(id), score)).collect());
        let order: Vec<_> = ranking.chunks.iter().map(|chunk| chunk.id.0).collect();
        assert_eq!(order, [2, 1, 3, 4, 5]);
    }
}

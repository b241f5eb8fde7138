//! Score fusion of full-text and vector search.
//!
//! `bm25 / max(bm25) + weight * cosine` over the union of both candidate lists. Rank fusion with
//! equal weights was measured to fall below BM25 alone when the embedder is small, because it
//! throws away how far apart the scores are.

use crate::domain::ChunkId;

/// A chunk that one of the two searches found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The chunk.
    pub id: ChunkId,
    /// BM25 score, larger is better; `None` if no word of the query occurs.
    pub bm25: Option<f64>,
    /// Cosine to the query; `None` if vectors are not compared.
    pub cosine: Option<f32>,
    /// What hits are ranked by.
    pub score: f64,
}

impl Candidate {
    /// Returns a chunk without a score.
    pub fn new(id: ChunkId) -> Self {
        Self { id, bm25: None, cosine: None, score: 0.0 }
    }
}

/// How the two scores of a candidate become one.
#[derive(Clone, Copy, Debug)]
pub struct Fusion {
    best_bm25: f64,
    /// What a cosine is multiplied by.
    pub vector_weight: f64,
}

impl Fusion {
    /// Scores `candidates` in place and ranks them, best first; equal scores by id.
    pub fn rank(candidates: &mut [Candidate], vector_weight: f64) -> Self {
        let best_bm25 =
            candidates.iter().filter_map(|candidate| candidate.bm25).fold(0.0, f64::max);
        // Without any text score the weight would only scale the cosine.
        let vector_weight = if best_bm25 > 0.0 { vector_weight } else { 1.0 };
        let fusion = Self { best_bm25, vector_weight };
        for candidate in candidates.iter_mut() {
            candidate.score = fusion.text_part(candidate) + fusion.vector_part(candidate);
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        fusion
    }

    /// Returns what words add to the score of a candidate.
    pub fn text_part(&self, candidate: &Candidate) -> f64 {
        match candidate.bm25 {
            Some(bm25) if self.best_bm25 > 0.0 => bm25 / self.best_bm25,
            _ => 0.0,
        }
    }

    /// Returns what its vector adds.
    pub fn vector_part(&self, candidate: &Candidate) -> f64 {
        self.vector_weight * candidate.cosine.map_or(0.0, f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[(i64, Option<f64>, Option<f32>)], weight: f64, expected: &[(i64, f64)]) {
        let mut candidates: Vec<_> = input
            .iter()
            .map(|&(id, bm25, cosine)| Candidate { bm25, cosine, ..Candidate::new(ChunkId(id)) })
            .collect();
        Fusion::rank(&mut candidates, weight);
        let ranked: Vec<_> = candidates.iter().map(|c| (c.id.0, c.score)).collect();
        assert_eq!(ranked, expected);
    }

    #[test]
    fn scores_are_normalised_and_added() {
        check(
            &[(1, Some(4.0), Some(0.5)), (2, Some(8.0), Some(0.25)), (3, None, Some(1.0))],
            0.5,
            &[(2, 1.125), (1, 0.75), (3, 0.5)],
        );
    }

    #[test]
    fn one_sided_searches_keep_their_own_scores() {
        check(&[(1, Some(2.0), None), (2, Some(4.0), None)], 0.5, &[(2, 1.0), (1, 0.5)]);
        check(&[(1, None, Some(0.5)), (2, None, Some(0.75))], 0.5, &[(2, 0.75), (1, 0.5)]);
        check(&[], 0.5, &[]);
    }
}

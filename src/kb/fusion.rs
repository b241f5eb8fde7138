//! Score fusion of full-text and vector search.
//!
//! `words / max(words, potential) + weight * cosine` over the chunks that either search found.
//! The words are BM25 of the chunk and the part of its document; the potential is what the words of
//! the query weigh together. Rank fusion with
//! equal weights was measured to be worse than BM25 alone if the embedder is small, because it
//! ignores how far apart the scores are.

use crate::domain::ChunkId;

/// A chunk that one of the two searches found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundChunk {
    /// The chunk.
    pub id: ChunkId,
    /// BM25 score, larger is better; `None` if no word of the query occurs.
    pub bm25: Option<f64>,
    /// Score of its words: BM25 and the part of its document.
    pub words: Option<f64>,
    /// Whether it has every word of the query.
    pub is_complete: bool,
    /// Cosine to the query; `None` if vectors are not compared.
    pub cosine: Option<f32>,
    /// What hits are ranked by.
    pub score: f64,
    /// Score of a reranker, which comes before all others; `None` if it was not asked.
    pub rerank_score: Option<f32>,
}

impl FoundChunk {
    /// Returns a chunk without a score.
    pub fn new(id: ChunkId) -> Self {
        Self {
            id,
            bm25: None,
            words: None,
            is_complete: false,
            cosine: None,
            score: 0.0,
            rerank_score: None,
        }
    }
}

/// How the two scores of a chunk become one.
#[derive(Clone, Copy, Debug)]
pub struct Fusion {
    /// What BM25 scores are divided by.
    whole: f64,
    /// The best score of a chunk that lacks a word.
    best_partial: f64,
    /// What a cosine is multiplied by.
    pub vector_weight: f64,
}

impl Fusion {
    /// Scores `chunks` in place and ranks them, best first; equal scores by id. `potential` is what
    /// a chunk with every word of the query scores, about: if the best has only a common one of
    /// them, words say less than vectors.
    pub fn rank(chunks: &mut [FoundChunk], vector_weight: f64, potential: f64) -> Self {
        let best = |chunks: &[FoundChunk], counts: fn(&&FoundChunk) -> bool| {
            chunks.iter().filter(counts).filter_map(|chunk| chunk.words).fold(0.0, f64::max)
        };
        let best_words = best(chunks, |_| true);
        let best_partial = best(chunks, |chunk| !chunk.is_complete);
        // Without any text score the weight would only scale the cosine.
        let vector_weight = if best_words > 0.0 { vector_weight } else { 1.0 };
        let has_vectors = chunks.iter().any(|chunk| chunk.cosine.is_some());
        let whole = if has_vectors { best_words.max(potential) } else { best_words };
        let fusion = Self { whole, best_partial, vector_weight };
        for chunk in chunks.iter_mut() {
            chunk.score = fusion.text_part(chunk) + fusion.vector_part(chunk);
        }
        chunks.sort_by(|a, b| {
            let by_words = b.is_complete.cmp(&a.is_complete);
            let in_words = b.words.unwrap_or_default().total_cmp(&a.words.unwrap_or_default());
            b.score.total_cmp(&a.score).then(by_words).then(in_words).then(a.id.cmp(&b.id))
        });
        fusion
    }

    /// Returns what words add to the score of a chunk. A chunk with every word of the query is as
    /// good as the best of the others at least.
    pub fn text_part(&self, chunk: &FoundChunk) -> f64 {
        match chunk.words {
            Some(words) if self.whole > 0.0 => {
                let least = if chunk.is_complete { self.best_partial } else { 0.0 };
                words.max(least) / self.whole
            }
            _ => 0.0,
        }
    }

    /// Returns what its vector adds.
    pub fn vector_part(&self, chunk: &FoundChunk) -> f64 {
        self.vector_weight * chunk.cosine.map_or(0.0, f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[(i64, Option<f64>, Option<f32>)], weight: f64, expected: &[(i64, f64)]) {
        let mut chunks: Vec<_> = input
            .iter()
            .map(|&(id, bm25, cosine)| FoundChunk {
                bm25,
                words: bm25,
                cosine,
                ..FoundChunk::new(ChunkId(id))
            })
            .collect();
        Fusion::rank(&mut chunks, weight, 0.0);
        let ranked: Vec<_> = chunks.iter().map(|c| (c.id.0, c.score)).collect();
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

    #[test]
    fn words_that_no_chunk_has_weigh_against_the_others() {
        let mut chunks = [(1, Some(1.0), 0.25), (2, None, 0.75)].map(|(id, bm25, cosine)| {
            FoundChunk { words: bm25, cosine: Some(cosine), ..FoundChunk::new(ChunkId(id)) }
        });
        Fusion::rank(&mut chunks, 0.5, 8.0);
        assert_eq!(chunks.map(|chunk| (chunk.id.0, chunk.score)), [(2, 0.375), (1, 0.25)]);
    }

    #[test]
    fn every_word_is_worth_as_much_as_the_best_without() {
        let mut chunks =
            [(1, 8.0, false), (2, 4.0, true), (3, 2.0, true)].map(|(id, bm25, all)| FoundChunk {
                words: Some(bm25),
                is_complete: all,
                ..FoundChunk::new(ChunkId(id))
            });
        Fusion::rank(&mut chunks, 0.5, 0.0);
        assert_eq!(chunks.map(|chunk| chunk.id.0), [2, 3, 1]);
    }
}

//! Ranks the best text matches again by what BM25 of a chunk does not see: the rest of its
//! document.

use std::ops::RangeInclusive;

use rusqlite::{OptionalExtension, Transaction};

use super::best::{FUSED_MAX, Scored};
use crate::analysis::Word;
use crate::kb::KbError;
use crate::kb::sqlite::convert::id;

/// Weight of the document, relative to the best text score. Measured in docs/retrieval.md.
const DOCUMENT_WEIGHT: f64 = 0.2;
/// Saturation of BM25: the second chunk with a word adds less than the first.
const K1: f64 = 1.2;
/// How much the length of a document counts in BM25.
const B: f64 = 0.75;

/// Limit on the chunks of a word that are listed.
pub const IDS_MAX: u64 = 4096;

/// A word of a query that is looked up.
pub struct KnownWord {
    /// The word.
    pub word: Word,
    /// Its inverse document frequency.
    pub weight: f64,
    /// Number of chunks that have it, about if it is large.
    pub count: u64,
    /// These chunks, in order; none if they are more than [`IDS_MAX`]: then it says little about a
    /// document.
    pub ids: Vec<i64>,
}

/// A text match with its score by BM25 alone.
pub struct Ranked {
    /// BM25.
    pub bm25: f64,
    /// The match, with BM25 and the part of its document as its score.
    pub scored: Scored,
}

/// Adds the part of their document to the scores of the best of `found`, which have some of
/// `words`.
pub fn rerank(
    tx: &Transaction<'_>,
    mut found: Vec<Scored>,
    words: &[KnownWord],
) -> Result<Vec<Ranked>, KbError> {
    found.sort_unstable();
    let best = found.iter().take(FUSED_MAX).map(|one| one.score).fold(0.0, f64::max);
    let mut documents = Vec::with_capacity(FUSED_MAX);
    for one in found.iter().take(FUSED_MAX) {
        documents.push(chunks_of_document(tx, one.id.0)?);
    }
    let parts = parts(&documents, words);
    let parts = parts.into_iter().chain(std::iter::repeat(0.0));
    let add = |(mut scored, part): (Scored, f64)| {
        let bm25 = scored.score;
        scored.score += DOCUMENT_WEIGHT * best * part;
        Ranked { bm25, scored }
    };
    Ok(found.into_iter().zip(parts).map(add).collect())
}

/// Returns the chunks of the document that has the chunk `id`.
fn chunks_of_document(tx: &Transaction<'_>, chunk: i64) -> Result<RangeInclusive<i64>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT first_chunk, first_chunk + chunk_total - 1
         FROM chunk JOIN revision ON revision.id = chunk.revision_id WHERE chunk.id = ?1",
    )?;
    let chunks = statement.query_row([chunk], |row| Ok(id(row, 0)?..=id(row, 1)?)).optional()?;
    // The index names a chunk that does not exist only if the file is damaged.
    Ok(chunks.unwrap_or(chunk..=chunk))
}

/// Returns the BM25 of each document, a chunk counting as one occurrence of each of its words,
/// relative to the best.
#[expect(clippy::cast_precision_loss, reason = "a document has fewer chunks")]
fn parts(documents: &[RangeInclusive<i64>], words: &[KnownWord]) -> Vec<f64> {
    let length = |chunks: &RangeInclusive<i64>| (chunks.end() - chunks.start() + 1).max(1) as f64;
    let mean = documents.iter().map(length).sum::<f64>() / documents.len().max(1) as f64;
    let bm25 = |chunks: &RangeInclusive<i64>| {
        let k = K1 * (1.0 - B + B * length(chunks) / mean);
        let of_word = |word: &KnownWord| {
            let before = word.ids.partition_point(|id| id < chunks.start());
            let within = word.ids[before..].partition_point(|id| id <= chunks.end()) as f64;
            word.weight * within * (K1 + 1.0) / (within + k)
        };
        words.iter().map(of_word).sum()
    };
    let scores: Vec<f64> = documents.iter().map(bm25).collect();
    let most = scores.iter().copied().fold(0.0, f64::max);
    scores.into_iter().map(|score| if most > 0.0 { score / most } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_with_more_chunks_of_rare_words_is_better() {
        let word = |weight, ids: &[i64]| KnownWord {
            word: Word::default(),
            weight,
            count: ids.len() as u64,
            ids: ids.to_vec(),
        };
        let words = [word(4.0, &[1, 2, 5]), word(1.0, &[2, 7, 8]), word(2.0, &[])];
        let parts = parts(&[1..=3, 4..=6, 7..=9, 10..=12], &words);
        let of = |within: f64| within * 2.2 / (within + 1.2);
        let most = 4.0 * of(2.0) + of(1.0);
        let expected = [most, 4.0 * of(1.0), of(2.0), 0.0].map(|score| score / most);
        for (part, expected) in parts.into_iter().zip(expected) {
            assert!((part - expected).abs() < 1e-9, "{part} {expected}");
        }
        let longer = super::parts(&[1..=3, 4..=20], &[word(1.0, &[1, 4])]);
        assert!(longer[0] > longer[1]);
    }
}

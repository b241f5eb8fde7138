//! Hybrid search: BM25 over the full-text index, exact cosine over the vectors, fused.

mod best;
mod correction;
mod expressions;
mod filter;
mod hits;
mod joints;
mod locations;
mod match_expression;
mod options;
mod query;
mod ranking;
mod reading;
mod rerank;
mod similar;
mod terms;
mod texts;

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction};

use self::best::{Best, Scored};
use self::ranking::Ranking;
use self::terms::Terms;
use crate::analysis::{self, ParsedQuery};
use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::fusion::{FoundChunk, Fusion};
use crate::kb::sqlite::Reader;
use crate::kb::sqlite::convert::{from_sql, id, utf8};
use crate::kb::sqlite::vectors::{self, Space};

pub use expressions::Expressions;
pub use filter::{Day, DocumentView, Filter, FilterError, UriGlob, day_of};
pub use hits::{Duplicate, Explanation, Hit, LinesIn};
pub use query::{
    Correction, Interpretation, Query, QueryVector, Scoring, SearchMode, Show, WordWeights,
};
pub use ranking::{Candidate, Reorder};
pub use reading::UnderstoodQuery;
pub use similar::Likeness;

impl Reader {
    /// Returns the best hits of `query`, whose text was read as `reading`, by `scoring`, which the
    /// caller chooses by the mode of the query.
    ///
    /// In one transaction, also while `reorder` waits for its model: a document that a run replaces
    /// meanwhile is found in its old version.
    pub fn search(
        &self,
        query: &Query,
        reading: &UnderstoodQuery,
        scoring: &Scoring,
        reorder: Option<Reorder<'_>>,
    ) -> Result<Vec<Hit>, KbError> {
        let patience = reorder.as_ref().map_or(Duration::ZERO, |reorder| reorder.patience);
        let mut hits = self.read_patiently(patience, |tx| {
            let least = reorder.as_ref().map_or(0, |reorder| reorder.count);
            let wanted = query.show.limit.max(least);
            let search = Search { query, scoring, parsed: &reading.parsed, wanted };
            let mut ranking = search.rank(tx)?;
            if let Some(reorder) = reorder {
                ranking.reorder(tx, reorder)?;
            }
            hits::read(tx, &ranking.chunks, &ranking.fusion, &query.show, &reading.languages.all)
        })?;
        // The connection is free for others meanwhile.
        hits.iter_mut().for_each(|hit| mark(hit, &query.show, reading));
        Ok(hits)
    }

    /// Returns the whole text that `hit` is a part of, if that is Markdown; `None` also if a run
    /// has removed it since the search.
    pub fn markdown_of(&self, hit: &Hit) -> Result<Option<String>, KbError> {
        let Some(content) = hit.markdown else { return Ok(None) };
        self.read(|tx| {
            let sql = "SELECT text FROM content WHERE id = ?1";
            let text = tx.prepare_cached(sql)?.query_row([content], |row| row.get(0)).optional()?;
            text.map(utf8).transpose()
        })
    }

    /// Returns the spans of all live chunks of the documents at `uri`, whichever their source.
    pub fn chunk_spans(&self, uri: &str) -> Result<Vec<(u64, u64)>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT start_byte, end_byte FROM document
                 JOIN revision ON revision.document_id = document.id AND state = 'live'
                 JOIN chunk ON chunk.revision_id = revision.id
                 WHERE uri = ?1 ORDER BY chunk.id",
            )?;
            let spans = statement
                .query_map([uri], |row| Ok((from_sql(row.get(0)?), from_sql(row.get(1)?))))?;
            Ok(spans.collect::<Result<_, _>>()?)
        })
    }
}

/// A query, analysed for the index that it is looked up in.
struct Search<'a> {
    query: &'a Query,
    scoring: &'a Scoring,
    parsed: &'a ParsedQuery,
    /// Limit on the hits of each side, if it is more than are fused anyway.
    wanted: usize,
}

impl Search<'_> {
    fn rank(&self, tx: &Transaction<'_>) -> Result<Ranking, KbError> {
        let Scoring { words, vector } = self.scoring;
        let terms = Terms::of(tx, self.parsed, words.is_some())?;
        let mut found = HashMap::new();
        let wanted = self.wanted;
        let space = match vector {
            Some(vector) => Space::of(tx, &vector.embed_fp)?,
            None => None,
        };
        // Only live documents have full-text rows, but vectors are stored before their documents
        // are live.
        let eligible = match self.is_filtered() || vector.is_some() {
            true => Some(eligible_chunks(tx, self)?),
            false => None,
        };
        if let (Some(vector), Some(eligible)) = (vector, &eligible) {
            let restriction = terms.restriction(tx)?;
            let admits = |id: i64| restriction.as_ref().is_none_or(|one| one.admits(id));
            for (id, cosine) in nearest(tx, space.as_ref(), vector, eligible, &admits, wanted)? {
                found.insert(id, FoundChunk { cosine: Some(cosine), ..FoundChunk::new(id) });
            }
        }
        if let Some(weights) = words {
            let eligible = eligible.as_deref().filter(|_| self.is_filtered());
            terms.add_matches(tx, *weights, eligible, wanted, &mut found)?;
        }
        let mut chunks: Vec<_> = found.into_values().collect();
        if let (Some(vector), Some(space)) = (vector, &space) {
            for chunk in chunks.iter_mut().filter(|c| c.cosine.is_none()) {
                chunk.cosine = cosine_of(tx, space, chunk.id, vector)?;
            }
        }
        let weight = vector.as_ref().map_or(0.0, |vector| vector.weight);
        let fusion = Fusion::rank(&mut chunks, weight, terms.potential);
        Ok(Ranking { chunks, fusion })
    }

    fn is_filtered(&self) -> bool {
        let ParsedQuery { sources, excluded_sources, .. } = self.parsed;
        !self.query.filter.is_empty() || !sources.is_empty() || !excluded_sources.is_empty()
    }

    /// Reports whether the filter and the sources named in the text admit a document.
    fn admits(&self, document: DocumentView<'_>) -> bool {
        filter::is_named(self.parsed, document.source) && self.query.filter.admits(document)
    }
}

/// Marks the words of a hit that the query asks for, and adds them to its explanation, if asked
/// for.
fn mark(hit: &mut Hit, show: &Show, reading: &UnderstoodQuery) {
    let find = |text: &str| {
        analysis::matches(text, &reading.languages.all, |token| reading.parsed.asks_for(token))
    };
    if show.marks {
        hit.matches = find(&hit.text).iter().map(|mark| [mark.start, mark.end]).collect();
    }
    let Some(explanation) = &mut hit.explanation else { return };
    for text in [&hit.title, &hit.heading_path, &hit.text] {
        for mark in find(text) {
            let word = &text[mark];
            if !explanation.words.iter().any(|known| known == word) {
                explanation.words.push(word.to_owned());
            }
        }
    }
}

/// Returns the chunks of the live documents that the search admits, as sorted ranges of ids, both
/// ends included.
fn eligible_chunks(tx: &Transaction<'_>, search: &Search<'_>) -> Result<Vec<(i64, i64)>, KbError> {
    let is_filtered = search.is_filtered();
    let mut statement = tx.prepare_cached(if is_filtered {
        "SELECT first_chunk, first_chunk + chunk_total - 1, source, uri, metadata
         FROM revision JOIN document ON document.id = revision.document_id
         WHERE state = 'live' AND first_chunk IS NOT NULL ORDER BY first_chunk"
    } else {
        "SELECT first_chunk, first_chunk + chunk_total - 1 FROM revision
         WHERE state = 'live' AND first_chunk IS NOT NULL ORDER BY first_chunk"
    })?;
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if is_filtered {
            let text = |column| row.get_ref(column).map(|value| value.as_str().unwrap_or_default());
            let document = DocumentView { source: text(2)?, uri: text(3)?, metadata: text(4)? };
            if !search.admits(document) {
                continue;
            }
        }
        let (first, last) = (id(row, 0)?, id(row, 1)?);
        match ranges.last_mut() {
            Some(previous) if previous.1 + 1 == first => previous.1 = last,
            _ => ranges.push((first, last)),
        }
    }
    Ok(ranges)
}

/// Reports whether sorted `ranges`, both ends included, contain `id`.
fn contains(ranges: &[(i64, i64)], id: i64) -> bool {
    let at = ranges.partition_point(|range| range.1 < id);
    ranges.get(at).is_some_and(|range| range.0 <= id)
}

/// Returns the eligible chunks nearest to the query by exact comparison.
fn nearest(
    tx: &Transaction<'_>,
    space: Option<&Space>,
    query: &QueryVector,
    eligible: &[(i64, i64)],
    admits: &dyn Fn(i64) -> bool,
    wanted: usize,
) -> Result<Vec<(ChunkId, f32)>, KbError> {
    let mut best = Best::of(wanted);
    if let Some(space) = space {
        vectors::cosines(tx, space, &query.vector, eligible, |id, cosine| {
            if admits(id) {
                let id = ChunkId(id);
                best.offer(Scored { is_complete: false, score: f64::from(cosine), id });
            }
        })?;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it was f32 before")]
    let nearest = best.into_scores().into_iter().map(|one| (one.id, one.score as f32)).collect();
    Ok(nearest)
}

fn cosine_of(
    tx: &Transaction<'_>,
    space: &Space,
    id: ChunkId,
    query: &QueryVector,
) -> Result<Option<f32>, KbError> {
    let mut cosine = None;
    space.read(tx, (id.0, id.0), |_, entry| {
        cosine = Some(vectors::cosine(&query.vector, entry.scale(), entry.embedding()));
    })?;
    Ok(cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_their_ends() {
        let ranges = [(2, 3), (7, 7)];
        let inside: Vec<_> = (0..9).filter(|id| contains(&ranges, *id)).collect();
        assert_eq!(inside, [2, 3, 7]);
    }
}

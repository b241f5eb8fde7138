//! Hybrid search: BM25 over the full-text index, exact cosine over the vectors, fused.

mod filter;
mod hits;
mod match_expression;
mod places;

use std::collections::{BinaryHeap, HashMap, HashSet};

use rusqlite::{Transaction, params};
use serde::Serialize;

use crate::analysis::{self, Language, ParsedQuery, Word};
use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::fusion::{Candidate, fuse};
use crate::kb::sqlite::convert::{from_sql, id};
use crate::kb::sqlite::vectors::{self, Space, StoredVector};
use crate::kb::sqlite::{Reader, index};

pub use filter::{Filter, parse_date};
pub use hits::{Explanation, Hit, Place};

/// Hits of each side that are fused.
const CANDIDATES: usize = 100;
/// A word in more than one of so many chunks says little; it is dropped where others remain.
const COMMON_SHARE: u64 = 5;
/// Words that are looked up however common they are.
const WORDS_MIN: usize = 2;
/// Rows that the words of a query match in all, beyond which the commonest of them are dropped.
const MATCHES_MAX: u64 = 32_768;

/// Which side a search uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchMode {
    /// Both, fused.
    Hybrid,
    /// BM25 only.
    Text,
    /// Cosine only.
    Vector,
}

impl SearchMode {
    /// Every mode, the best first.
    pub const ALL: [Self; 3] = [Self::Hybrid, Self::Text, Self::Vector];

    /// Returns its name in commands and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Text => "text",
            Self::Vector => "vector",
        }
    }
}

/// A query vector and the space it is of.
#[derive(Clone, Debug)]
pub struct SearchSide {
    /// The quantised query.
    pub vector: StoredVector,
    /// Only revisions of this embedder are compared.
    pub embed_fp: String,
    /// Weight of the cosine against the normalised BM25 score.
    pub weight: f64,
}

/// A search.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// What is asked.
    pub query: ParsedQuery,
    /// Languages of the index.
    pub languages: Vec<Language>,
    /// Words are looked up.
    pub uses_text: bool,
    /// What a word in the title counts, one in the text being 1.
    pub title_weight: f64,
    /// The same of one in the heading path.
    pub heading_weight: f64,
    /// The query as a vector, where vectors are compared.
    pub vector: Option<SearchSide>,
    /// Hits wanted.
    pub limit: usize,
    /// Which documents are looked at.
    pub filter: Filter,
    /// Neighbouring chunks wanted on each side of a hit.
    pub context: usize,
    /// Neighbours become one hit, and a repeated text is told once.
    pub folds: bool,
    /// The words that match are marked in each hit.
    pub marks: bool,
    /// Scores are explained.
    pub explains: bool,
}

impl Reader {
    /// Returns the best hits of `query`, best first.
    pub fn search(&self, query: &SearchQuery) -> Result<Vec<Hit>, KbError> {
        let mut hits = self.read(|tx| {
            let terms = Terms::of(tx, query)?;
            let mut found = HashMap::new();
            let space = match &query.vector {
                Some(side) => Space::of(tx, &side.embed_fp)?,
                None => None,
            };
            // Words are only entered of live documents; vectors lie there before they are live.
            let eligible = match query.is_filtered() || query.vector.is_some() {
                true => Some(eligible_chunks(tx, query)?),
                false => None,
            };
            if let (Some(side), Some(eligible)) = (&query.vector, &eligible) {
                let restriction = terms.restriction(tx)?;
                let admits = |id: i64| restriction.as_ref().is_none_or(|one| one.admits(id));
                for (id, cosine) in nearest(tx, space.as_ref(), side, eligible, &admits)? {
                    found.insert(id, Candidate { cosine: Some(cosine), ..Candidate::new(id) });
                }
            }
            if query.uses_text {
                let eligible = eligible.as_deref().filter(|_| query.is_filtered());
                terms.add_matches(tx, query, eligible, &mut found)?;
            }
            let mut candidates: Vec<_> = found.into_values().collect();
            if let (Some(side), Some(space)) = (&query.vector, &space) {
                for candidate in candidates.iter_mut().filter(|c| c.cosine.is_none()) {
                    candidate.cosine = cosine_of(tx, space, candidate.id, side)?;
                }
            }
            fuse(&mut candidates, query.vector.as_ref().map_or(0.0, |side| side.weight));
            hits::read(tx, &candidates, query.limit, query.folds, query.context)
        })?;
        hits.iter_mut().for_each(|hit| query.mark(hit));
        Ok(hits)
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

impl SearchQuery {
    fn is_filtered(&self) -> bool {
        let ParsedQuery { sources, excluded_sources, .. } = &self.query;
        !self.filter.is_empty() || !sources.is_empty() || !excluded_sources.is_empty()
    }

    /// Marks the words of a hit that the query asks for, and completes or drops what explains its score.
    fn mark(&self, hit: &mut Hit) {
        let find = |text: &str| {
            analysis::matches(text, &self.languages, |token| self.query.asks_for(token))
        };
        if self.marks {
            hit.matches = find(&hit.text).iter().map(|mark| [mark.start, mark.end]).collect();
        }
        match &mut hit.explanation {
            Some(explanation) if self.explains => {
                for text in [&hit.title, &hit.heading_path, &hit.text] {
                    for mark in find(text) {
                        let word = &text[mark];
                        if !explanation.words.iter().any(|known| known == word) {
                            explanation.words.push(word.to_owned());
                        }
                    }
                }
            }
            _ => hit.explanation = None,
        }
    }
}

/// A query in FTS5's words.
struct Terms {
    /// Every word must match.
    all: Option<String>,
    /// Any word may match; `None` where that is the same.
    any: Option<String>,
    required: Option<String>,
    excluded: Option<String>,
}

impl Terms {
    fn of(tx: &Transaction<'_>, query: &SearchQuery) -> Result<Self, KbError> {
        let words = if query.uses_text { telling(tx, &query.query.words)? } else { Vec::new() };
        let all = match_expression::words(&words, true);
        let any = match_expression::words(&words, false).filter(|any| Some(any) != all.as_ref());
        let required = match_expression::required(&query.query);
        let excluded = match_expression::excluded(&query.query);
        // Words are only wished for beside a text that is insisted on.
        let names_text = query.query.names_text();
        let any = match (&all, &any, &required) {
            (Some(all), any, Some(required)) if names_text => {
                Some(format!("({}) OR ({required})", any.as_ref().unwrap_or(all)))
            }
            _ => any,
        };
        Ok(Self { all, any, required, excluded })
    }

    fn restricted(&self, wanted: Option<&str>) -> Option<String> {
        match_expression::restricted(wanted, self.required.as_deref(), self.excluded.as_deref())
    }

    /// Returns which chunks have what the query insists on, where it insists on anything.
    fn restriction(&self, tx: &Transaction<'_>) -> Result<Option<Restriction>, KbError> {
        Ok(match (&self.required, &self.excluded) {
            (None, None) => None,
            (None, Some(excluded)) => Some(Restriction::NoneOf(matching_ids(tx, excluded)?)),
            (Some(_), _) => {
                let expression = self.restricted(None).unwrap_or_default();
                Some(Restriction::OneOf(matching_ids(tx, &expression)?))
            }
        })
    }

    /// Adds the best text matches to `found`, and the text score of what is found already. Where too few
    /// have every word, those that have any are asked for.
    fn add_matches(
        &self,
        tx: &Transaction<'_>,
        query: &SearchQuery,
        eligible: Option<&[(i64, i64)]>,
        found: &mut HashMap<ChunkId, Candidate>,
    ) -> Result<(), KbError> {
        let mut best = Best::default();
        if let Some(expression) = self.restricted(self.all.as_deref()) {
            best = text_matches(tx, query, &expression, eligible, found)?;
        }
        if best.0.len() < CANDIDATES && self.any.is_some() {
            let expression = self.restricted(self.any.as_deref()).unwrap_or_default();
            best = text_matches(tx, query, &expression, eligible, found)?;
        }
        for Scored(bm25, id) in best.0 {
            found.entry(id).or_insert(Candidate::new(id)).bm25 = Some(bm25);
        }
        Ok(())
    }
}

/// Returns the words that are worth looking up: without those that every fifth chunk has, and without the
/// commonest where all together would take long; some always remain.
fn telling(tx: &Transaction<'_>, words: &[Word]) -> Result<Vec<Word>, KbError> {
    if words.len() <= WORDS_MIN {
        return Ok(words.to_vec());
    }
    let most = (index::row_count(tx)? / COMMON_SHARE).min(MATCHES_MAX);
    let mut counted = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let expression = match_expression::words(std::slice::from_ref(word), true);
        let count = match expression {
            Some(expression) => index::matching(tx, &expression, most + 1)?,
            None => 0,
        };
        counted.push((count, place));
    }
    counted.sort_unstable();
    let (mut kept, mut total) = (Vec::new(), 0);
    for (count, place) in counted {
        total += count;
        if kept.len() < WORDS_MIN || count <= most && total <= MATCHES_MAX {
            kept.push(place);
        }
    }
    kept.sort_unstable();
    Ok(kept.into_iter().map(|place| words[place].clone()).collect())
}

/// Chunks that have, or have not, what the query insists on.
enum Restriction {
    OneOf(HashSet<i64>),
    NoneOf(HashSet<i64>),
}

impl Restriction {
    fn admits(&self, id: i64) -> bool {
        match self {
            Self::OneOf(ids) => ids.contains(&id),
            Self::NoneOf(ids) => !ids.contains(&id),
        }
    }
}

fn matching_ids(tx: &Transaction<'_>, expression: &str) -> Result<HashSet<i64>, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT rowid FROM chunk_fts WHERE chunk_fts MATCH ?1")?;
    let ids = statement.query_map([expression], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Returns the chunks of the live documents that `query` admits, as sorted ranges of ids, both ends included.
fn eligible_chunks(tx: &Transaction<'_>, query: &SearchQuery) -> Result<Vec<(i64, i64)>, KbError> {
    let is_filtered = query.is_filtered();
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
            let document =
                filter::Candidate { source: text(2)?, uri: text(3)?, metadata: text(4)? };
            if !filter::is_named(&query.query, document.source) || !query.filter.admits(document) {
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

fn contains(ranges: &[(i64, i64)], id: i64) -> bool {
    let at = ranges.partition_point(|range| range.1 < id);
    ranges.get(at).is_some_and(|range| range.0 <= id)
}

/// A score with its chunk, ordered so that the worst is the greatest: a heap's top is what to drop.
#[derive(PartialEq)]
struct Scored(f64, ChunkId);

impl Eq for Scored {}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0).then(self.1.cmp(&other.1))
    }
}

/// Keeps the best scores seen.
#[derive(Default)]
struct Best(BinaryHeap<Scored>);

impl Best {
    fn offer(&mut self, id: ChunkId, score: f64) {
        if self.0.len() < CANDIDATES {
            self.0.push(Scored(score, id));
        } else if let Some(mut worst) = self.0.peek_mut()
            && score > worst.0
        {
            *worst = Scored(score, id);
        }
    }
}

/// Returns the eligible chunks nearest to the query by exact comparison.
fn nearest(
    tx: &Transaction<'_>,
    space: Option<&Space>,
    side: &SearchSide,
    eligible: &[(i64, i64)],
    admits: &dyn Fn(i64) -> bool,
) -> Result<Vec<(ChunkId, f32)>, KbError> {
    let mut best = Best::default();
    if let Some(space) = space {
        vectors::cosines(tx, space, &side.vector, eligible, |id, cosine| {
            if admits(id) {
                best.offer(ChunkId(id), f64::from(cosine));
            }
        })?;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it was f32 before")]
    let nearest = best.0.into_iter().map(|Scored(score, id)| (id, score as f32)).collect();
    Ok(nearest)
}

/// Returns the best matches of `expression`, and notes the text score of what is found already.
fn text_matches(
    tx: &Transaction<'_>,
    query: &SearchQuery,
    expression: &str,
    eligible: Option<&[(i64, i64)]>,
    found: &mut HashMap<ChunkId, Candidate>,
) -> Result<Best, KbError> {
    let mut best = Best::default();
    // The columns: title, heading, text, path, language.
    let mut statement = tx.prepare_cached(
        "SELECT rowid, bm25(chunk_fts, ?2, ?3, 1.0, 1.0, 0.0) FROM chunk_fts WHERE chunk_fts MATCH ?1",
    )?;
    let mut rows =
        statement.query(params![expression, query.title_weight, query.heading_weight])?;
    while let Some(row) = rows.next()? {
        let id = ChunkId(row.get(0)?);
        if eligible.is_some_and(|ranges| !contains(ranges, id.0)) {
            continue;
        }
        // FTS5 gives the better match the lower, negative score.
        let bm25 = Some(-row.get::<_, f64>(1)?).filter(|score| score.is_finite()).unwrap_or(0.0);
        if let Some(candidate) = found.get_mut(&id) {
            candidate.bm25 = Some(bm25);
        }
        best.offer(id, bm25);
    }
    Ok(best)
}

fn cosine_of(
    tx: &Transaction<'_>,
    space: &Space,
    id: ChunkId,
    side: &SearchSide,
) -> Result<Option<f32>, KbError> {
    let mut cosine = None;
    space.read(tx, (id.0, id.0), |_, entry| {
        cosine = Some(vectors::cosine(&side.vector, entry.scale(), entry.embedding()));
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

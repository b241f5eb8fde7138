//! The words of a query and what it requires, looked up in the full-text index.

use std::collections::{HashMap, HashSet};

use rusqlite::{Transaction, params};

use super::best::{Best, Scored};
use super::match_expression::Parts;
use super::query::WordWeights;
use super::rerank::{IDS_MAX, KnownWord, Ranked, rerank};
use super::{contains, match_expression};
use crate::analysis::{ParsedQuery, Word};
use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::fusion::FoundChunk;
use crate::kb::sqlite::convert::to_sql;
use crate::kb::sqlite::index;

/// Rows up to which no word is dropped for being common.
const SMALL_ROWS: u64 = 4096;
/// A word in more than one of this many chunks says nothing; it is dropped if others remain.
const COMMON_SHARE: u64 = 2;
/// Number of words in the index that are looked up however common they are.
const WORDS_MIN: usize = 2;
/// Limit on the rows that the words of a query match together; beyond it, the most common words are
/// dropped.
const MATCHES_MAX: u64 = 32_768;

/// A query as expressions of FTS5.
pub struct Terms {
    /// What a passage that has every word once scores, about: the words' weights together.
    pub potential: f64,
    /// The words that are looked up, in the order of the query.
    words: Vec<KnownWord>,
    /// Every word must match, those too that are dropped otherwise; `None` if there is one word.
    complete: Option<String>,
    /// Every word that is looked up must match.
    all: Option<String>,
    /// Any word may match; `None` if that is the same.
    any: Option<String>,
    required: Option<String>,
    excluded: Option<String>,
}

impl Terms {
    /// Returns the expressions of `query`; its words only if `uses_words`.
    pub fn of(
        tx: &Transaction<'_>,
        query: &ParsedQuery,
        uses_words: bool,
    ) -> Result<Self, KbError> {
        let Lookup { words: known, potential } =
            if uses_words { Lookup::of(tx, &query.words)? } else { Lookup::default() };
        let words: Vec<_> = known.iter().map(|known| known.word.clone()).collect();
        let complete = if uses_words { complete(tx, &query.words)? } else { None };
        let all = match_expression::words(&words, true);
        let any = match_expression::words(&words, false).filter(|any| Some(any) != all.as_ref());
        let required = match_expression::required(query);
        let excluded = match_expression::excluded(query);
        // Words are optional beside a text that is required.
        let names_text = query.names_text();
        let any = match (&all, &any, &required) {
            (Some(all), any, Some(required)) if names_text => {
                Some(format!("({}) OR ({required})", any.as_ref().unwrap_or(all)))
            }
            _ => any,
        };
        Ok(Self { potential, words: known, complete, all, any, required, excluded })
    }

    /// Returns what matches chunks with any word, if that is not the same, and with every word.
    pub fn expressions(&self) -> (Option<String>, Option<String>) {
        let any = self.any.as_ref().and_then(|any| self.restricted(Some(any)));
        (any, self.restricted(self.all.as_deref()))
    }

    fn restricted(&self, wanted: Option<&str>) -> Option<String> {
        match_expression::restricted(wanted, self.required.as_deref(), self.excluded.as_deref())
    }

    /// Returns which chunks have everything that the query requires and nothing that it excludes;
    /// `None` if it does not restrict them.
    pub fn restriction(&self, tx: &Transaction<'_>) -> Result<Option<Restriction>, KbError> {
        Ok(match (&self.required, &self.excluded) {
            (None, None) => None,
            (None, Some(excluded)) => Some(Restriction::NoneOf(matching_ids(tx, excluded)?)),
            (Some(_), _) => {
                let expression = self.restricted(None).unwrap_or_default();
                Some(Restriction::OneOf(matching_ids(tx, &expression)?))
            }
        })
    }

    /// Adds the best text matches to `found`, and the text score of what was found already. If too
    /// few have every word, chunks with any word are looked up. Of equal scores, and among those
    /// that are kept, chunks with every word come first.
    pub fn add_matches(
        &self,
        tx: &Transaction<'_>,
        weights: WordWeights,
        eligible: Option<&[(i64, i64)]>,
        wanted: usize,
        found: &mut HashMap<ChunkId, FoundChunk>,
    ) -> Result<(), KbError> {
        let complete = match &self.complete {
            Some(complete) => first_ids(tx, complete, MATCHES_MAX)?.into_iter().collect(),
            None => HashSet::new(),
        };
        let matches = Matches { weights, eligible, complete: &complete, wanted };
        let mut best = Best::of(wanted);
        if let Some(expression) = self.restricted(self.all.as_deref()) {
            best = matches.read(tx, &expression, found)?;
        }
        if !best.is_full() && self.any.is_some() {
            let expression = self.restricted(self.any.as_deref()).unwrap_or_default();
            best = matches.read(tx, &expression, found)?;
        }
        for Ranked { bm25, scored } in rerank(tx, best.into_scores(), &self.words)? {
            let chunk = found.entry(scored.id).or_insert(FoundChunk::new(scored.id));
            (chunk.bm25, chunk.words) = (Some(bm25), Some(scored.score));
        }
        for chunk in found.values_mut() {
            chunk.is_complete = chunk.bm25.is_some() && complete.contains(&chunk.id.0);
        }
        Ok(())
    }
}

/// Returns an expression for chunks with every word, or `None` if that is the same as any. A name
/// is as it is written if some chunk has it like that: its parts in prose are something else.
fn complete(tx: &Transaction<'_>, words: &[Word]) -> Result<Option<String>, KbError> {
    let mut wanted = Vec::with_capacity(words.len());
    for word in words {
        let is_name = !word.is_prefix && !word.is_joined && !word.wholes.is_empty();
        let literal = || match_expression::all_words([(word, Parts::Literal)].into_iter());
        let is_written = match literal().filter(|_| is_name) {
            Some(literal) => index::matching(tx, &literal, 1)? > 0,
            None => false,
        };
        wanted.push((word, if is_written { Parts::Literal } else { Parts::All }));
    }
    let has_several = words.len() > 1 || wanted.iter().any(|(_, parts)| *parts == Parts::Literal);
    Ok(match_expression::all_words(wanted.into_iter()).filter(|_| has_several))
}

/// The words of a query that are looked up.
#[derive(Default)]
struct Lookup {
    words: Vec<KnownWord>,
    /// Their weights together, and those of words that the index does not have.
    potential: f64,
}

impl Lookup {
    /// Chooses the words worth looking up: without those that most chunks have, and without the
    /// most common ones if together they would take long; some always remain.
    fn of(tx: &Transaction<'_>, words: &[Word]) -> Result<Self, KbError> {
        let rows = index::row_count(tx)?;
        let most = (rows / COMMON_SHARE).min(MATCHES_MAX);
        let mut known = Vec::new();
        for word in words {
            let expression = match_expression::words(std::slice::from_ref(word), true);
            let mut ids = match &expression {
                Some(expression) => first_ids(tx, expression, IDS_MAX.min(most) + 1)?,
                None => Vec::new(),
            };
            let mut count = ids.len() as u64;
            if count > IDS_MAX {
                count = index::matching(tx, &expression.unwrap_or_default(), most + 1)?;
                ids.clear();
            }
            let weight = weight(count, rows);
            known.push(KnownWord { word: word.clone(), weight, count, ids });
        }
        let mut by_count: Vec<_> = (0..known.len()).collect();
        by_count.sort_by_key(|place| known[*place].count);
        let keeps_all = rows <= SMALL_ROWS || words.len() <= WORDS_MIN;
        let (mut kept, mut total, mut present, mut potential) = (HashSet::new(), 0, 0, 0.0);
        for place in by_count {
            let count = known[place].count;
            total += count;
            let is_selective = count <= most && total <= MATCHES_MAX;
            if keeps_all || present < WORDS_MIN || is_selective {
                kept.insert(place);
                present += usize::from(count > 0);
                potential += known[place].weight;
            }
        }
        let places = 0..known.len();
        let words = places.zip(known).filter(|(place, _)| kept.contains(place));
        let words = words.map(|(_, known)| known).collect();
        Ok(Self { words, potential })
    }
}

/// Returns the weight of a word that `count` of `rows` chunks have: its inverse document frequency,
/// as FTS5's `bm25` computes it.
#[expect(clippy::cast_precision_loss, reason = "a file has fewer chunks")]
fn weight(count: u64, rows: u64) -> f64 {
    let (count, rows) = (count as f64, rows.max(count) as f64);
    ((rows - count + 0.5) / (count + 0.5)).ln().max(0.0)
}

/// Which chunks a query admits.
pub enum Restriction {
    /// Only these.
    OneOf(HashSet<i64>),
    /// All but these.
    NoneOf(HashSet<i64>),
}

impl Restriction {
    /// Reports whether the chunk `id` may be found.
    pub fn admits(&self, id: i64) -> bool {
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

/// Returns the first rows that match `expression`, at most `most`.
fn first_ids(tx: &Transaction<'_>, expression: &str, most: u64) -> Result<Vec<i64>, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT rowid FROM chunk_fts WHERE chunk_fts MATCH ?1 LIMIT ?2")?;
    let ids = statement.query_map(params![expression, to_sql(most)], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// How matches are scored and which ones count.
struct Matches<'a> {
    weights: WordWeights,
    /// Ranges of chunks, both ends included; `None` admits all.
    eligible: Option<&'a [(i64, i64)]>,
    /// Chunks with every word.
    complete: &'a HashSet<i64>,
    wanted: usize,
}

impl Matches<'_> {
    /// Returns the best matches of `expression`, and sets the text score of what was found already.
    fn read(
        &self,
        tx: &Transaction<'_>,
        expression: &str,
        found: &mut HashMap<ChunkId, FoundChunk>,
    ) -> Result<Best, KbError> {
        let mut best = Best::of(self.wanted);
        // The columns: title, heading, text, path, language.
        let mut statement = tx.prepare_cached(
            "SELECT rowid, bm25(chunk_fts, ?2, ?3, 1.0, 1.0, 0.0) FROM chunk_fts WHERE chunk_fts MATCH ?1",
        )?;
        let WordWeights { title, heading } = self.weights;
        let mut rows = statement.query(params![expression, title, heading])?;
        while let Some(row) = rows.next()? {
            let id = ChunkId(row.get(0)?);
            if self.eligible.is_some_and(|ranges| !contains(ranges, id.0)) {
                continue;
            }
            // FTS5 gives the better match the lower, negative score.
            let bm25 = -row.get::<_, f64>(1)?;
            let bm25 = if bm25.is_finite() { bm25 } else { 0.0 };
            if let Some(chunk) = found.get_mut(&id) {
                (chunk.bm25, chunk.words) = (Some(bm25), Some(bm25));
            }
            best.offer(Scored { is_complete: self.complete.contains(&id.0), score: bm25, id });
        }
        Ok(best)
    }
}

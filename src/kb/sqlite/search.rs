//! Hybrid search: BM25 over the full-text index, exact cosine over the vectors, fused.

use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;

use super::KnowledgeBase;
use super::convert::size_to_sql;
use super::vectors::{StoredVector, dot};
use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::fusion::{Candidate, fuse};

/// Hits of each side that are fused.
const CANDIDATES: usize = 100;
/// Distinct words of a query that are looked up.
const WORDS_MAX: usize = 64;

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
    pub weight: f32,
}

/// A search.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// Words; anything but letters and digits separates them.
    pub text: Option<String>,
    /// The query as a vector.
    pub vector: Option<SearchSide>,
    /// Hits wanted.
    pub limit: usize,
    /// Only documents of this source.
    pub source: Option<String>,
    /// Neighbouring chunks wanted on each side of a hit.
    pub context: usize,
}

/// A passage that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Name of the source.
    pub source: String,
    /// Address inside the source.
    pub uri: String,
    /// Title of the document.
    pub title: String,
    /// Headings above the passage, joined by ` > `.
    pub heading_path: String,
    /// First line, from 1.
    pub start_line: u64,
    /// Last line, included.
    pub end_line: u64,
    /// First byte of the passage in the document's text.
    pub start_byte: u64,
    /// One past its last byte.
    pub end_byte: u64,
    /// What hits are ranked by.
    pub score: f64,
    /// BM25 score, larger is better.
    pub bm25: Option<f64>,
    /// Cosine to the query.
    pub cosine: Option<f32>,
    /// Names the chunk across revisions, 32 hex digits.
    pub key: String,
    /// The passage.
    pub text: String,
    /// Text of the chunks before it, where asked for.
    pub before: String,
    /// Text of the chunks after it, where asked for.
    pub after: String,
}

impl KnowledgeBase {
    /// Returns the best hits of `query`, best first.
    pub fn search(&self, query: &SearchQuery) -> Result<Vec<Hit>, KbError> {
        self.read(|tx| {
            let mut found = HashMap::new();
            if let Some(side) = &query.vector {
                let eligible =
                    live_chunks(tx, query.source.as_deref(), Some(side.embed_fp.as_str()))?;
                for (id, cosine) in nearest(tx, &side.vector, &eligible)? {
                    found
                        .insert(id, Candidate { id, bm25: None, cosine: Some(cosine), score: 0.0 });
                }
            }
            if let Some(expression) = query.text.as_deref().and_then(match_expression) {
                let eligible = match &query.source {
                    Some(source) => Some(live_chunks(tx, Some(source), None)?),
                    None => None,
                };
                add_text_matches(tx, &expression, eligible.as_deref(), &mut found)?;
            }
            let mut candidates: Vec<_> = found.into_values().collect();
            if let Some(side) = &query.vector {
                for candidate in candidates.iter_mut().filter(|c| c.cosine.is_none()) {
                    candidate.cosine = cosine_of(tx, candidate.id, side)?;
                }
            }
            fuse(&mut candidates, query.vector.as_ref().map_or(0.0, |side| side.weight));
            candidates.truncate(query.limit);
            let hits = candidates.iter().map(|one| read_hit(tx, one, query.context));
            hits.filter_map(Result::transpose).collect()
        })
    }
}

impl KnowledgeBase {
    /// Returns the spans of all live chunks of the documents at `uri`, whichever their source.
    pub fn chunk_spans(&self, uri: &str) -> Result<Vec<(u64, u64)>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT start_byte, end_byte FROM document
                 JOIN revision ON revision.document_id = document.id AND state = 'live'
                 JOIN chunk ON chunk.revision_id = revision.id
                 WHERE uri = ?1 ORDER BY chunk.id",
            )?;
            let spans = statement.query_map([uri], |row| {
                Ok((super::convert::from_sql(row.get(0)?), super::convert::from_sql(row.get(1)?)))
            })?;
            Ok(spans.collect::<Result<_, _>>()?)
        })
    }
}

/// Returns the byte ranges of each passage that the words of `query` match, stemming included.
///
/// FTS5 itself decides, in a table of its own in memory, so that what is marked is what was matched.
pub fn matched_words(query: &str, passages: &[&str]) -> Result<Vec<Vec<Range<usize>>>, KbError> {
    const OPEN: char = '\u{1}';
    const CLOSE: char = '\u{2}';
    let Some(expression) = match_expression(query) else {
        return Ok(vec![Vec::new(); passages.len()]);
    };
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(
        "CREATE VIRTUAL TABLE passage USING fts5 (text, tokenize = 'porter unicode61')",
    )?;
    let mut ranges = Vec::with_capacity(passages.len());
    for (rowid, passage) in (1_i64..).zip(passages) {
        // Of the same length in bytes, so that offsets hold; a NUL would end the text.
        let clean = passage.replace([OPEN, CLOSE, '\0'], " ");
        connection
            .execute("INSERT INTO passage (rowid, text) VALUES (?1, ?2)", params![rowid, clean])?;
        let marked: Option<String> = connection
            .query_row(
                "SELECT highlight(passage, 0, char(1), char(2)) FROM passage
                 WHERE passage MATCH ?1 AND rowid = ?2",
                params![expression, rowid],
                |row| row.get(0),
            )
            .optional()?;
        let mut found = Vec::new();
        let (mut offset, mut start) = (0, 0);
        for character in marked.unwrap_or_default().chars() {
            match character {
                OPEN => start = offset,
                CLOSE => found.push(start..offset),
                other => offset += other.len_utf8(),
            }
        }
        ranges.push(found);
    }
    Ok(ranges)
}

/// Returns an FTS5 expression that matches any word of `query`, or `None` where it has none.
///
/// Every word is quoted: no query is a syntax error, and none can reach FTS5's operators.
fn match_expression(query: &str) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    for word in query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if !words.contains(&word) {
            words.push(word);
        }
        if words.len() == WORDS_MAX {
            break;
        }
    }
    let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    (!quoted.is_empty()).then(|| quoted.join(" OR "))
}

/// Returns the chunk ids of live revisions as sorted ranges, both ends included.
fn live_chunks(
    tx: &Transaction<'_>,
    source: Option<&str>,
    embed_fp: Option<&str>,
) -> Result<Vec<(i64, i64)>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT first_chunk, first_chunk + chunk_total - 1
         FROM revision JOIN document ON document.id = revision.document_id
         WHERE state = 'live' AND chunk_total > 0
           AND (?1 IS NULL OR document.source = ?1) AND (?2 IS NULL OR embed_fp = ?2)
         ORDER BY first_chunk",
    )?;
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    let mut rows = statement.query([source, embed_fp])?;
    while let Some(row) = rows.next()? {
        let (first, last) = (row.get(0)?, row.get(1)?);
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

/// Returns the eligible chunks nearest to `query` by exact comparison.
fn nearest(
    tx: &Transaction<'_>,
    query: &StoredVector,
    eligible: &[(i64, i64)],
) -> Result<Vec<(ChunkId, f32)>, KbError> {
    let mut best = Best::default();
    let mut statement = tx.prepare_cached(
        "SELECT chunk_id, scale, embedding FROM vector WHERE chunk_id BETWEEN ?1 AND ?2",
    )?;
    for range in eligible {
        let mut rows = statement.query([range.0, range.1])?;
        while let Some(row) = rows.next()? {
            let embedding = row.get_ref(2)?.as_blob().unwrap_or_default();
            let cosine = dot(query, row.get(1)?, embedding);
            best.offer(ChunkId(row.get(0)?), f64::from(cosine));
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "it was f32 before")]
    let nearest = best.0.into_iter().map(|Scored(score, id)| (id, score as f32)).collect();
    Ok(nearest)
}

/// Adds the best text matches to `found`, and the text score of what is found already, in one pass.
fn add_text_matches(
    tx: &Transaction<'_>,
    expression: &str,
    eligible: Option<&[(i64, i64)]>,
    found: &mut HashMap<ChunkId, Candidate>,
) -> Result<(), KbError> {
    let mut best = Best::default();
    let mut statement =
        tx.prepare_cached("SELECT rowid, bm25(chunk_fts) FROM chunk_fts WHERE chunk_fts MATCH ?1")?;
    let mut rows = statement.query([expression])?;
    while let Some(row) = rows.next()? {
        let id = ChunkId(row.get(0)?);
        if eligible.is_some_and(|ranges| !contains(ranges, id.0)) {
            continue;
        }
        // FTS5 gives the better match the lower, negative score.
        let bm25 = -row.get::<_, f64>(1)?;
        if let Some(candidate) = found.get_mut(&id) {
            candidate.bm25 = Some(bm25);
        }
        best.offer(id, bm25);
    }
    for Scored(bm25, id) in best.0 {
        found.entry(id).or_insert(Candidate { id, bm25: Some(bm25), cosine: None, score: 0.0 });
    }
    Ok(())
}

fn cosine_of(tx: &Transaction<'_>, id: ChunkId, side: &SearchSide) -> Result<Option<f32>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT vector.scale, vector.embedding FROM vector
         JOIN chunk ON chunk.id = vector.chunk_id
         JOIN revision ON revision.id = chunk.revision_id AND revision.embed_fp = ?2
         WHERE vector.chunk_id = ?1",
    )?;
    let cosine = statement.query_row(params![id.0, side.embed_fp], |row| {
        Ok(dot(&side.vector, row.get(0)?, row.get_ref(1)?.as_blob()?))
    });
    Ok(cosine.optional()?)
}

/// Reads what is shown of `candidate`; `None` where the index names a chunk that is not there, which only
/// damage brings about.
fn read_hit(
    tx: &Transaction<'_>,
    candidate: &Candidate,
    context: usize,
) -> Result<Option<Hit>, KbError> {
    let mut statement = tx.prepare_cached(
        "SELECT document.source, document.uri, revision.title, chunk.heading_path,
                chunk.start_line, chunk.end_line, chunk.start_byte, chunk.end_byte,
                lower(hex(chunk.key)),
                substr(content.text, chunk.start_byte + 1, chunk.end_byte - chunk.start_byte),
                revision.content_id, chunk.revision_id, chunk.ordinal
         FROM chunk JOIN revision ON revision.id = chunk.revision_id
         JOIN document ON document.id = revision.document_id
         JOIN content ON content.id = revision.content_id
         WHERE chunk.id = ?1",
    )?;
    let found = statement.query_row([candidate.id.0], |row| {
        let number = |column: usize| row.get(column).map(super::convert::from_sql);
        let hit = Hit {
            source: row.get(0)?,
            uri: row.get(1)?,
            title: row.get(2)?,
            heading_path: row.get(3)?,
            start_line: number(4)?,
            end_line: number(5)?,
            start_byte: number(6)?,
            end_byte: number(7)?,
            score: candidate.score,
            bm25: candidate.bm25,
            cosine: candidate.cosine,
            key: row.get(8)?,
            text: String::new(),
            before: String::new(),
            after: String::new(),
        };
        let place: [i64; 3] = [row.get(10)?, row.get(11)?, row.get(12)?];
        Ok((hit, row.get(9)?, place))
    });
    let Some((mut hit, text, place)) = found.optional()? else { return Ok(None) };
    hit.text = readable(text);
    if context > 0 {
        (hit.before, hit.after) = read_neighbours(tx, &hit, place, context)?;
    }
    Ok(Some(hit))
}

/// Returns the text of up to `context` chunks before and after the hit at `[content, revision, ordinal]`.
fn read_neighbours(
    tx: &Transaction<'_>,
    hit: &Hit,
    [content, revision, ordinal]: [i64; 3],
    context: usize,
) -> Result<(String, String), KbError> {
    let context = size_to_sql(context);
    let (start, end): (i64, i64) = tx
        .prepare_cached(
            "SELECT min(start_byte), max(end_byte) FROM chunk
             WHERE revision_id = ?1 AND ordinal BETWEEN ?2 AND ?3",
        )?
        .query_row(
            [revision, ordinal.saturating_sub(context), ordinal.saturating_add(context)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    let slice = |start: i64, end: i64| -> rusqlite::Result<String> {
        let mut statement =
            tx.prepare_cached("SELECT substr(text, ?2 + 1, ?3 - ?2) FROM content WHERE id = ?1")?;
        statement.query_row([content, start, end], |row| row.get(0).map(readable))
    };
    let before = slice(start, super::convert::to_sql(hit.start_byte))?;
    let after = slice(super::convert::to_sql(hit.end_byte), end)?;
    Ok((before, after))
}

/// Returns a passage also where bytes of it were damaged: one document must not stop every search that meets
/// it. `check --read-data` finds the damage.
fn readable(text: Option<Vec<u8>>) -> String {
    // `substr` gives NULL where the span lies outside of the text.
    String::from_utf8(text.unwrap_or_default())
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_words_and_nothing_else() {
        let check = |query: &str, expected: Option<&str>| {
            assert_eq!(match_expression(query).as_deref(), expected, "{query}");
        };
        check("Rust  borrow", Some("\"rust\" OR \"borrow\""));
        check("a\" OR title:x NEAR(*)", Some("\"a\" OR \"or\" OR \"title\" OR \"x\" OR \"near\""));
        check("the the", Some("\"the\""));
        check("?!", None);
        check("", None);
    }

    #[test]
    fn marks_what_the_index_matches() {
        let marked = matched_words("connect", &["Connections are connected.", "nothing"])
            .expect("in memory");
        assert_eq!(marked, [vec![0..11, 16..25], vec![]]);
    }

    #[test]
    fn ranges_contain_their_ends() {
        let ranges = [(2, 3), (7, 7)];
        let inside: Vec<_> = (0..9).filter(|id| contains(&ranges, *id)).collect();
        assert_eq!(inside, [2, 3, 7]);
    }
}

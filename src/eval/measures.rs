//! Measures of one ranking, given one query's answers.
//!
//! Over documents (the first passage of each counts): nDCG@10 with linear gain, MRR@10, recall and
//! success. Over spans: recall, precision and IoU of the first [`CUT`] passages and
//! precision-omega, as Chroma's chunking evaluation defines them; whether all (`full`) or any
//! (`hit`) of the answer is in the first passages; and a binary nDCG in which a passage counts if
//! it overlaps an answer that no passage before it overlapped.

use std::collections::{HashMap, HashSet};

use serde::{Serialize, Serializer};

use super::queries::Query;
use super::spans::{ByteSpan, length, shared, union};

/// Passages over which precision and IoU are measured.
pub const CUT: usize = 5;

/// A passage of a ranking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passage {
    /// URI of its document.
    pub uri: String,
    /// First byte.
    pub start: u64,
    /// One past its last byte.
    pub end: u64,
}

impl Passage {
    fn span(&self) -> ByteSpan {
        ByteSpan { start: self.start, end: self.end }
    }
}

/// Named values in a fixed order, each 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(pub Vec<(&'static str, f64)>);

impl Scores {
    /// Returns the value of a measure.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Returns all measures of `ranking`; `chunks` has the spans of every chunk of each document.
pub fn scores(
    query: &Query,
    ranking: &[Passage],
    chunks: &HashMap<String, Vec<ByteSpan>>,
) -> Scores {
    let mut scores = Scores::default();
    documents(query, ranking, &mut scores);
    let answers = Answers::of(query);
    if !answers.spans.is_empty() {
        answers.ranked(ranking, &mut scores);
        scores.0.push(("ndcg_span@10", answers.ndcg(ranking)));
        scores.0.push(("precision_omega", answers.precision_omega(chunks)));
    }
    scores
}

/// Returns the rank, from 1, of the first document that answers the query.
pub fn first_relevant_rank(query: &Query, ranking: &[Passage]) -> Option<usize> {
    let is_relevant = |uri: &&str| query.relevant.iter().any(|relevant| relevant.uri == *uri);
    first_of_each(ranking).iter().position(is_relevant).map(|index| index + 1)
}

/// Returns the documents of a ranking, each once, in its order.
fn first_of_each(ranking: &[Passage]) -> Vec<&str> {
    let mut seen = HashSet::new();
    ranking.iter().map(|passage| passage.uri.as_str()).filter(|uri| seen.insert(*uri)).collect()
}

fn discount(index: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
    let rank = (index + 2) as f64;
    1.0 / rank.log2()
}

fn documents(query: &Query, ranking: &[Passage], scores: &mut Scores) {
    let mut grades: HashMap<&str, f64> = HashMap::new();
    for relevant in &query.relevant {
        let grade = grades.entry(&relevant.uri).or_insert(0.0);
        *grade = grade.max(relevant.grade);
    }
    let documents = first_of_each(ranking);
    let gain = |(index, uri): (usize, &&str)| grades.get(uri).unwrap_or(&0.0) * discount(index);
    let gained: f64 = documents.iter().take(10).enumerate().map(gain).sum();
    let mut best: Vec<f64> = grades.values().copied().collect();
    best.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = best.iter().take(10).enumerate().map(|(i, grade)| grade * discount(i)).sum();
    scores.0.push(("ndcg@10", gained / ideal));
    let first = documents.iter().position(|uri| grades.contains_key(uri));
    let reciprocal = first.filter(|index| *index < 10).map_or(0.0, |index| ratio(1, index + 1));
    scores.0.push(("mrr@10", reciprocal));
    for (name, k) in [("recall@5", 5), ("recall@10", 10), ("recall@20", 20), ("recall@100", 100)] {
        let found = documents.iter().take(k).filter(|uri| grades.contains_key(*uri)).count();
        scores.0.push((name, ratio(found, grades.len())));
    }
    for (name, k) in [("success@1", 1), ("success@5", 5)] {
        scores.0.push((name, truth(first.is_some_and(|index| index < k))));
    }
}

/// The spans that answer a query, by document.
struct Answers<'a> {
    spans: HashMap<&'a str, Vec<ByteSpan>>,
    /// Bytes of their unions.
    needed: u64,
}

impl<'a> Answers<'a> {
    fn of(query: &'a Query) -> Self {
        let mut spans: HashMap<&str, Vec<ByteSpan>> = HashMap::new();
        for relevant in &query.relevant {
            if let Some(span) = relevant.span {
                spans.entry(&relevant.uri).or_default().push(span);
            }
        }
        let needed = spans.values().map(|spans| length(&union(spans))).sum();
        Self { spans, needed }
    }

    /// Returns how many bytes of the answers `retrieved` covers.
    fn covered(&self, retrieved: &HashMap<&str, Vec<ByteSpan>>) -> u64 {
        let of_document = |(uri, spans): (&&str, &Vec<ByteSpan>)| {
            let retrieved = retrieved.get(uri).map_or(&[][..], Vec::as_slice);
            shared(&union(spans), &union(retrieved))
        };
        self.spans.iter().map(of_document).sum()
    }

    fn ranked(&self, ranking: &[Passage], scores: &mut Scores) {
        const NAMES: [(usize, [&str; 3]); 3] = [
            (5, ["span_recall@5", "full@5", "hit@5"]),
            (10, ["span_recall@10", "full@10", "hit@10"]),
            (20, ["span_recall@20", "full@20", "hit@20"]),
        ];
        for (k, [recall, full, hit]) in NAMES {
            let (mut retrieved, mut total) = (HashMap::<&str, Vec<_>>::new(), 0);
            for passage in ranking.iter().take(k) {
                retrieved.entry(&passage.uri).or_default().push(passage.span());
                total += passage.end - passage.start;
            }
            let covered = self.covered(&retrieved);
            scores.0.push((recall, share(covered, self.needed)));
            scores.0.push((full, truth(covered >= self.needed)));
            scores.0.push((hit, truth(covered > 0)));
            if k == CUT {
                scores.0.push(("precision@5", share(covered, total)));
                let iou =
                    if total == 0 { 0.0 } else { share(covered, total + self.needed - covered) };
                scores.0.push(("iou@5", iou));
            }
        }
    }

    fn ndcg(&self, ranking: &[Passage]) -> f64 {
        let mut left: HashSet<(&str, ByteSpan)> = HashSet::new();
        for (uri, spans) in &self.spans {
            left.extend(spans.iter().map(|span| (*uri, *span)));
        }
        let ideal: f64 = (0..left.len().min(10)).map(discount).sum();
        let mut gained = 0.0;
        for (index, passage) in ranking.iter().take(10).enumerate() {
            let before = left.len();
            left.retain(|(uri, span)| *uri != passage.uri || !span.overlaps(passage.span()));
            if left.len() < before {
                gained += discount(index);
            }
        }
        gained / ideal
    }

    /// Returns the precision of perfect retrieval: of all chunks that overlap an answer, and no
    /// others.
    fn precision_omega(&self, chunks: &HashMap<String, Vec<ByteSpan>>) -> f64 {
        let (mut covered, mut total) = (0, 0);
        for (uri, spans) in &self.spans {
            let chunks = chunks.get(*uri).map_or(&[][..], Vec::as_slice);
            let overlaps = |chunk: &&ByteSpan| spans.iter().any(|span| span.overlaps(**chunk));
            let retrieved = union(&chunks.iter().filter(overlaps).copied().collect::<Vec<_>>());
            covered += shared(&union(spans), &retrieved);
            total += length(&retrieved);
        }
        if total == 0 { 0.0 } else { share(covered, total + self.needed - covered) }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    share(part as u64, whole as u64)
}

/// Returns `part / whole`, or 0 if both are 0.
fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts and sizes far below 2^52")]
    let (part, whole) = (part as f64, whole as f64);
    if whole == 0.0 { 0.0 } else { part / whole }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

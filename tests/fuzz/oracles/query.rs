//! Queries: none is an error, whatever is written, and what is marked lies inside the passage.

use kbingest::kb::{SearchMode, matched_words};
use kbingest::operations::{SearchOptions, Target, search};

use super::knowledge_base::sample;

/// Asks a small knowledge base for `data`.
pub fn query_is_answered(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    for mode in [SearchMode::Text, SearchMode::Hybrid] {
        let options =
            SearchOptions { query: query.to_owned(), limit: 10, mode, source: None, context: 0 };
        let report = search(&Target::File(sample()), &options)
            .unwrap_or_else(|error| panic!("{query:?}: {error}"));
        assert!(report.hits.len() <= 10);
        assert!(report.hits.is_sorted_by(|a, b| a.score >= b.score), "{query:?}");
    }
    let passages = [query, "A river, a lantern, a copper window."];
    let marked =
        matched_words(query, &passages).unwrap_or_else(|error| panic!("{query:?}: {error}"));
    for (passage, ranges) in passages.iter().zip(marked) {
        assert!(ranges.iter().all(|range| passage.get(range.clone()).is_some()), "{query:?}");
    }
}

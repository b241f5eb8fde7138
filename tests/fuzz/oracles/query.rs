//! Queries: no text is an error; tokens are what the index contains, and marked words are inside
//! the passage.

use kbingest::analysis::{self, Language, TOKEN_MARKS};
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{Target, search};

use super::knowledge_base::sample;

/// Asks a small knowledge base for `data`.
pub fn query_is_answered(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    for mode in [SearchMode::Text, SearchMode::Hybrid] {
        let options =
            Query { show: Show { limit: 10, mode, ..Show::default() }, ..Query::new(query) };
        let report = search(&Target::File(sample()), &options)
            .unwrap_or_else(|error| panic!("{query:?}: {error}"));
        assert!(report.hits.len() <= 10);
        assert!(report.hits.is_sorted_by(|a, b| a.score >= b.score), "{query:?}");
    }
    for language in Language::ALL {
        let tokens = analysis::tokens(query, *language);
        let is_plain = |c: char| {
            !c.is_ascii() || c.is_ascii_digit() || c.is_ascii_lowercase() || TOKEN_MARKS.contains(c)
        };
        assert!(
            tokens.split(' ').all(|token| token.chars().all(is_plain)),
            "{query:?}: {tokens:?}"
        );
        let marked = analysis::matches(query, &[*language], |_| true);
        assert!(marked.iter().all(|range| query.get(range.clone()).is_some()), "{query:?}");
        assert!(marked.is_sorted_by(|a, b| a.end <= b.start), "{query:?}");
    }
}

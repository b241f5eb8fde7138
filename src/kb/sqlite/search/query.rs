//! A search: a text, which documents are searched, and what is returned.

use serde::Serialize;

use super::filter::Filter;
use crate::kb::sqlite::vectors::StoredVector;

/// A search.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The question or words; `"phrases"`, `prefix*`, `-not`, `NOT this` and `field:value` are
    /// understood.
    pub text: String,
    /// Which documents are searched.
    pub filter: Filter,
    /// Whether the text holds as it is: misspelt words are not corrected, and nothing is relaxed.
    pub is_exact: bool,
    /// What is returned.
    pub show: Show,
}

impl Query {
    /// Returns a search of all documents for `text`, with the defaults of [`Show`].
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// What a search returns.
#[derive(Clone, Debug)]
pub struct Show {
    /// Maximum number of hits.
    pub limit: usize,
    /// What hits are ranked by.
    pub mode: SearchMode,
    /// Neighbouring chunks returned on each side of a hit.
    pub context: usize,
    /// Whether neighbouring chunks become one hit, and a repeated text is returned once.
    pub folds: bool,
    /// Whether the words that match are marked in each hit.
    pub marks: bool,
    /// Whether scores are explained.
    pub explains: bool,
    /// Whether language, page, anchor and URL of each hit are determined.
    pub locates: bool,
    /// Whether the reranker of kb.toml, if there is one, reorders the best hits.
    pub reranks: bool,
}

impl Default for Show {
    /// Five hits of a hybrid search, folded, marked, located and reranked, without context and
    /// explanations.
    fn default() -> Self {
        Self {
            limit: 5,
            mode: SearchMode::Hybrid,
            context: 0,
            folds: true,
            marks: true,
            explains: false,
            locates: true,
            reranks: true,
        }
    }
}

/// How the text of a search was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interpretation {
    /// Phrases and fields that every hit has, as typed.
    pub required: Vec<String>,
    /// Words, phrases and fields that no hit has, as typed without their sign.
    pub excluded: Vec<String>,
    /// Words that no text has, with those that were searched for instead.
    pub corrected: Vec<Correction>,
    /// Phrases, exclusions and filters that would have left nothing, so that their words were
    /// searched for.
    pub relaxed: Vec<String>,
}

/// A misspelt word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Correction {
    /// The word as typed.
    pub from: String,
    /// What was searched for instead, as a text writes it.
    pub to: String,
}

impl Interpretation {
    /// Reports whether hits are required to have or not to have anything.
    pub fn restricts(&self) -> bool {
        !self.required.is_empty() || !self.excluded.is_empty()
    }
}

/// What hits are ranked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchMode {
    /// Words and vectors.
    #[default]
    Hybrid,
    /// Words only: BM25.
    Text,
    /// Vectors only: cosine.
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

/// How passages are scored: by words, by vectors, or by both.
#[derive(Clone, Debug)]
pub struct Scoring {
    /// Weights of words; `None` if words are not looked up.
    pub words: Option<WordWeights>,
    /// The query as a vector; `None` if vectors are not compared.
    pub vector: Option<QueryVector>,
}

/// BM25 weights of words, relative to a word in the text.
#[derive(Clone, Copy, Debug)]
pub struct WordWeights {
    /// Of a word in the title.
    pub title: f64,
    /// Of a word in the heading path.
    pub heading: f64,
}

/// A query as a vector.
#[derive(Clone, Debug)]
pub struct QueryVector {
    /// The quantised vector.
    pub vector: StoredVector,
    /// Fingerprint of its embedder; only vectors of the same one are compared.
    pub embed_fp: String,
    /// Weight of the cosine against the normalised BM25 score.
    pub weight: f64,
}

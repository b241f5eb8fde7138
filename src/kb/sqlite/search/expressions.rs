//! Queries as expressions of FTS5 for programs that look them up themselves.

use std::collections::BTreeSet;

use serde::Serialize;

use super::UnderstoodQuery;
use super::terms::Terms;
use crate::analysis::ParsedQuery;
use crate::kb::KbError;
use crate::kb::sqlite::{Reader, index};

/// What a query looks up in `chunk_fts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expressions {
    /// Matches chunks with any of its words, and all that it requires; `None` if there is nothing
    /// to look up.
    pub expression: Option<String>,
    /// Matches chunks with every word.
    pub expression_all: Option<String>,
    /// The tokens that are looked up.
    pub tokens: Vec<String>,
    /// Sources that the query names, any of them; empty: all. They are no part of the index.
    pub sources: Vec<String>,
    /// Sources that it excludes.
    pub excluded_sources: Vec<String>,
}

impl Reader {
    /// Returns what a query looks up.
    pub fn expressions(&self, reading: &UnderstoodQuery) -> Result<Expressions, KbError> {
        let query = &reading.parsed;
        let (any, all) = self.read(|tx| Ok(Terms::of(tx, query, true)?.expressions()))?;
        Ok(Expressions {
            expression: any.or_else(|| all.clone()),
            expression_all: all,
            tokens: tokens(query),
            sources: query.sources.clone(),
            excluded_sources: query.excluded_sources.clone(),
        })
    }

    /// Reports whether a chunk matches.
    pub fn matches(&self, expressions: &Expressions) -> Result<bool, KbError> {
        match &expressions.expression {
            None => Ok(false),
            Some(expression) => self.read(|tx| Ok(index::matching(tx, expression, 1)? > 0)),
        }
    }
}

/// Returns the tokens of words and of what is required, each once.
fn tokens(query: &ParsedQuery) -> Vec<String> {
    let of_words = query.words.iter().flat_map(|word| {
        let foreign = word.foreign.iter().flat_map(|(_, forms)| forms);
        word.parts.iter().chain(&word.divided).flatten().chain(&word.wholes).chain(foreign)
    });
    let of_clauses = query.required.iter().flat_map(|clause| &clause.forms);
    let tokens: BTreeSet<_> = of_words.chain(of_clauses.flat_map(|form| &form.tokens)).collect();
    tokens.into_iter().cloned().collect()
}

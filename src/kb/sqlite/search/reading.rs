//! UnderstoodQuery the text of a search: its syntax depends on what the knowledge base has.

use std::sync::Arc;

use rusqlite::Transaction;

use super::correction::{CorrectedWord, correct};
use super::query::{Correction, Interpretation, Query};
use super::{joints, match_expression, options};
use crate::analysis::{self, IndexLanguages, ItemField, ParsedQuery, Strictness, Syntax};
use crate::kb::KbError;
use crate::kb::sqlite::{Reader, index};

/// The text of a search, analysed for one knowledge base.
#[derive(Clone, Debug)]
pub struct UnderstoodQuery {
    pub(super) parsed: ParsedQuery,
    pub(super) languages: Arc<IndexLanguages>,
    /// What the text requires and excludes if all of its syntax holds.
    required: Vec<String>,
    excluded: Vec<String>,
    corrected: Vec<CorrectedWord>,
}

impl Reader {
    /// Analyses the text of a search. Words that the index does not have are corrected, unless
    /// they are words of a language, as `is_word` reports. Filters by language, source and path
    /// hold only if there is such a document; otherwise they are words.
    pub fn understand(
        &self,
        query: &Query,
        strictness: Strictness,
        is_word: &dyn Fn(&str) -> bool,
    ) -> Result<UnderstoodQuery, KbError> {
        let text = query.text.as_str();
        self.read_with_languages(|tx, cache| {
            let languages = cache.get(tx)?;
            let known = known_filters(tx, text, &languages)?;
            let admits = |field: ItemField, value: &str| known.contains(&(field, value));
            let options = options::documented(tx, text, &languages)?;
            let is_option = |word: &str| options.contains(word);
            let parse = |strictness| {
                let syntax = Syntax { strictness, admits: &admits, is_option: &is_option };
                ParsedQuery::parse(text, &languages, &syntax)
            };
            let mut parsed = parse(strictness);
            joints::join(tx, &mut parsed)?;
            let corrected = match query.is_exact {
                true => Vec::new(),
                false => correct(tx, &mut parsed, &languages, is_word)?,
            };
            let strict = parse(Strictness::Full);
            let (required, excluded) = (strict.required_as_typed(), strict.excluded_as_typed());
            Ok(UnderstoodQuery { parsed, languages, required, excluded, corrected })
        })
    }
}

impl UnderstoodQuery {
    /// Reports whether the text says what it excludes, and nothing else.
    pub fn only_excludes(&self) -> bool {
        self.parsed.only_excludes()
    }

    /// Reports whether the text has signs only.
    pub fn is_without_words(&self) -> bool {
        self.parsed.is_without_words()
    }

    /// Returns what the text means, for an embedder; empty if it means nothing.
    pub fn meaning(&self) -> &str {
        if self.is_without_words() { "" } else { &self.parsed.meaning }
    }

    /// Returns how the text was understood.
    pub fn interpretation(&self) -> Interpretation {
        let (required, excluded) =
            (self.parsed.required_as_typed(), self.parsed.excluded_as_typed());
        let of_required = self.required.iter().filter(|one| !required.contains(one)).cloned();
        let of_excluded = self.excluded.iter().filter(|one| !excluded.contains(one));
        let relaxed = of_required.chain(of_excluded.map(|one| format!("-{one}"))).collect();
        let correction = |word: &CorrectedWord| Correction {
            from: word.typed.clone(),
            to: word.written.clone(),
        };
        let corrected = self.corrected.iter().map(correction).collect();
        Interpretation { required, excluded, corrected, relaxed }
    }
}

/// Returns the filters by path and source in `text` that some document matches.
fn known_filters<'t>(
    tx: &Transaction<'_>,
    text: &'t str,
    languages: &IndexLanguages,
) -> Result<Vec<(ItemField, &'t str)>, KbError> {
    let mut known = Vec::new();
    for (field, value) in analysis::filters(text) {
        let is_known = match field {
            ItemField::Source => has_source(tx, value)?,
            _ => has_path(tx, value, languages)?,
        };
        if is_known {
            known.push((field, value));
        }
    }
    Ok(known)
}

fn has_source(tx: &Transaction<'_>, name: &str) -> Result<bool, KbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM document WHERE source = ?1)";
    Ok(tx.prepare_cached(sql)?.query_row([name], |row| row.get(0))?)
}

fn has_path(tx: &Transaction<'_>, path: &str, languages: &IndexLanguages) -> Result<bool, KbError> {
    let filter = format!("path:\"{path}\"");
    let parsed = ParsedQuery::parse(&filter, languages, &Syntax::default());
    Ok(match match_expression::required(&parsed) {
        Some(expression) => index::matching(tx, &expression, 1)? > 0,
        None => false,
    })
}

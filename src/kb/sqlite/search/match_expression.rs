//! Queries as expressions of FTS5.
//!
//! Every token is quoted and contains no quote: no query is a syntax error, and none can use FTS5's
//! operators.

use std::collections::HashSet;

use crate::analysis::{Clause, Field, Language, ParsedQuery, Sequence, Word};

/// Columns that a query is searched in; URIs and languages only if asked for.
const TEXT_COLUMNS: &str = "{title heading text}";

/// Limit on the digits of a part of a name that is not looked up alone.
const COUNTER_DIGITS_MAX: usize = 2;

/// What of a name a chunk must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// The name as a whole, or any of its parts.
    Any,
    /// The name as a whole, or all of its parts.
    All,
    /// The name as it is written.
    Literal,
}

/// Returns an expression that matches chunks with all of `words`, or with any of them.
pub fn words(words: &[Word], all: bool) -> Option<String> {
    if all {
        return all_words(words.iter().map(|word| (word, Parts::All)));
    }
    let words = without_repeated_parts(words);
    joined_words(words.iter().map(|word| (word, Parts::Any)), " OR ")
}

/// Returns `words` without parts of names that are also words or parts of other names: each counts
/// once.
fn without_repeated_parts(words: &[Word]) -> Vec<Word> {
    let is_name = |word: &&Word| !word.wholes.is_empty();
    let plain = words.iter().filter(|word| !is_name(word));
    let mut known: HashSet<String> =
        plain.flat_map(|word| &word.parts).flatten().cloned().collect();
    let mut words = words.to_vec();
    for word in words.iter_mut().filter(|word| !word.wholes.is_empty()) {
        word.parts.retain(|forms| !forms.iter().all(|form| known.contains(form)));
        known.extend(word.parts.iter().flatten().cloned());
    }
    words
}

/// Returns an expression that matches chunks with all of `words`, each with what of it is required.
pub fn all_words<'a>(words: impl Iterator<Item = (&'a Word, Parts)>) -> Option<String> {
    joined_words(words, " AND ")
}

fn joined_words<'a>(
    words: impl Iterator<Item = (&'a Word, Parts)>,
    operator: &str,
) -> Option<String> {
    let words = words.filter_map(|(one, parts)| Some((word(one, parts)?, foreign(one))));
    let words: Vec<_> = words.collect();
    // A filter of columns holds for all that it contains.
    let expressions: Vec<_> = if words.iter().all(|(_, foreign)| foreign.is_empty()) {
        let words: Vec<_> = words.into_iter().map(|(word, _)| word).collect();
        let all = words.join(operator);
        return (!all.is_empty()).then(|| format!("{TEXT_COLUMNS} : ({all})"));
    } else {
        words
            .into_iter()
            .map(|(word, foreign)| format!("(({TEXT_COLUMNS} : ({word})){foreign})"))
            .collect()
    };
    Some(expressions.join(operator))
}

/// Returns what is added to the expression of a word for texts of other languages.
fn foreign(word: &Word) -> String {
    let suffix = if word.is_prefix { " *" } else { "" };
    let in_language = |(language, forms): &(Language, Vec<String>)| {
        let quoted: Vec<_> = forms.iter().map(|form| format!("{}{suffix}", quote(form))).collect();
        let code = quote(language.code());
        format!(" OR (({TEXT_COLUMNS} : ({})) AND ({{language}} : {code}))", quoted.join(" OR "))
    };
    word.foreign.iter().map(in_language).collect()
}

/// Returns an expression for what is required besides words, or `None` if nothing is.
pub fn required(query: &ParsedQuery) -> Option<String> {
    joined(&query.required, " AND ")
}

/// Returns an expression for what is excluded.
pub fn excluded(query: &ParsedQuery) -> Option<String> {
    joined(&query.excluded, " OR ")
}

/// Returns an expression for `wanted` with `required` and without `excluded`.
pub fn restricted(
    wanted: Option<&str>,
    required: Option<&str>,
    excluded: Option<&str>,
) -> Option<String> {
    let both = match (wanted, required) {
        (Some(wanted), Some(required)) => format!("({wanted}) AND ({required})"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => return None,
    };
    Some(match excluded {
        Some(excluded) => format!("({both}) NOT ({excluded})"),
        None => both,
    })
}

fn word(word: &Word, wanted: Parts) -> Option<String> {
    let all = wanted == Parts::All;
    let suffix = if word.is_prefix { " *" } else { "" };
    let any = |forms: &[String]| {
        let quoted: Vec<_> = forms.iter().map(|form| format!("{}{suffix}", quote(form))).collect();
        quoted.join(" OR ")
    };
    // A digit of a name says nothing alone: `python3` does not mean every 3.
    let is_counter = |forms: &&Vec<String>| {
        forms
            .iter()
            .all(|it| it.len() <= COUNTER_DIGITS_MAX && it.bytes().all(|b| b.is_ascii_digit()))
    };
    let has_name = !word.parts.iter().all(|forms| is_counter(&forms));
    let parts = word.parts.iter().filter(|forms| all || !has_name || !is_counter(forms));
    let parts: Vec<_> = parts.map(|forms| format!("({})", any(forms))).collect();
    let parts = parts.join(if all { " AND " } else { " OR " });
    let in_parts = || word.parts.iter().filter_map(|forms| forms.first().map(String::as_str));
    let in_parts = (wanted == Parts::Literal).then(|| in_parts().collect::<Vec<_>>().join(" "));
    let divided = word.divided.iter().map(|tokens| tokens.join(" ")).chain(in_parts);
    let divided = divided.filter(|tokens| !tokens.is_empty()).map(|tokens| quote(&tokens));
    let wholes = word.wholes.iter().map(|form| format!("{}{suffix}", quote(form)));
    let wholes: Vec<_> = wholes.chain(divided).collect();
    let wholes = wholes.join(" OR ");
    match (wholes.is_empty(), parts.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("({parts})")),
        (false, true) => Some(format!("({wholes})")),
        (false, false) if wanted == Parts::Literal => Some(format!("({wholes})")),
        (false, false) => Some(format!("({wholes} OR ({parts}))")),
    }
}

fn joined(clauses: &[Clause], operator: &str) -> Option<String> {
    let clauses: Vec<_> = clauses.iter().map(clause).collect();
    (!clauses.is_empty()).then(|| clauses.join(operator))
}

fn clause(clause: &Clause) -> String {
    let columns = match clause.field {
        None => TEXT_COLUMNS,
        Some(Field::Title) => "{title}",
        Some(Field::Heading) => "{heading}",
        Some(Field::Path) => "{path}",
        Some(Field::Language) => "{language}",
    };
    let forms: Vec<_> = clause.forms.iter().map(sequence).collect();
    format!("({columns} : ({}))", forms.join(" OR "))
}

fn sequence(sequence: &Sequence) -> String {
    let phrase = quote(&sequence.tokens.join(" "));
    if sequence.is_prefix { format!("{phrase} *") } else { phrase }
}

fn quote(text: &str) -> String {
    // Tokens contain no quotes; doubled nevertheless, so that this file alone shows it is safe.
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{IndexLanguages, Syntax};

    #[test]
    fn queries_become_expressions() {
        let check = |query: &str, expected: &str| {
            let both = vec![Language::English, Language::German];
            let languages = IndexLanguages { all: both.clone(), common: both };
            let query = ParsedQuery::parse(query, &languages, &Syntax::default());
            let wanted = words(&query.words, true);
            let (required, excluded) = (required(&query), excluded(&query));
            let found = restricted(wanted.as_deref(), required.as_deref(), excluded.as_deref());
            assert_eq!(found.unwrap_or_default(), expected);
        };
        check(
            "undo organization",
            "{title heading text} : (((\"undo\" OR \"undo_\")) AND \
             ((\"organiz\" OR \"organization\" OR \"organization_\")))",
        );
        check(
            "the getUser con*",
            "{title heading text} : ((\"getus\" OR ((\"get\") AND (\"user\"))) AND ((\"con\" *)))",
        );
        check("", "");
        check(
            "title:lag -\"slip roll\"",
            "(({title} : (\"lag\"))) NOT (({title heading text} : (\"slip roll\")))",
        );
    }
}

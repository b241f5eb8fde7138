//! Queries as expressions of FTS5.
//!
//! Every token is quoted and contains no quote: no query is a syntax error, and none can use FTS5's
//! operators.

use crate::analysis::{Clause, Field, ParsedQuery, Sequence, Word};

/// Columns that a query is searched in; URIs and languages only if asked for.
const TEXT_COLUMNS: &str = "{title heading text}";

/// Limit on the digits of a part of a name that is not looked up alone.
const COUNTER_DIGITS_MAX: usize = 2;

/// Returns an expression that matches chunks with all of `words`, or with any of them.
pub fn words(words: &[Word], all: bool) -> Option<String> {
    let expressions: Vec<_> = words.iter().filter_map(|one| word(one, all)).collect();
    let operator = if all { " AND " } else { " OR " };
    (!expressions.is_empty()).then(|| format!("{TEXT_COLUMNS} : ({})", expressions.join(operator)))
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

fn word(word: &Word, all: bool) -> Option<String> {
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
    match (word.wholes.is_empty(), parts.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("({parts})")),
        (false, true) => Some(format!("({})", any(&word.wholes))),
        (false, false) => Some(format!("({} OR ({parts}))", any(&word.wholes))),
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
    use crate::analysis::{IndexLanguages, Language, Syntax};

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

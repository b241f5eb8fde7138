//! Options of commands that the documents name: a query that has one is a command line.

use std::collections::HashSet;

use rusqlite::Transaction;

use super::{match_expression, texts};
use crate::analysis::{self, IndexLanguages, Word};
use crate::kb::KbError;

/// Limit on the words with a dash that are looked up.
const WORDS_MAX: usize = 8;

/// Returns the words of `query` with a dash that documents name as options, or all of them if
/// documents have command lines of the program that it begins with.
pub fn documented<'q>(
    tx: &Transaction<'_>,
    query: &'q str,
    languages: &IndexLanguages,
) -> Result<HashSet<&'q str>, KbError> {
    let (words, program) = analysis::possible_options(query);
    let mut options = HashSet::new();
    if words.is_empty() {
        return Ok(options);
    }
    let word =
        |text: &str| Word { parts: vec![analysis::forms(text, &languages.all)], ..Word::default() };
    let finds = |words: &[Word], is_it: &dyn Fn(&str) -> bool| match words
        .iter()
        .all(|word| !word.parts[0].is_empty())
        .then(|| match_expression::words(words, true))
        .flatten()
    {
        Some(expression) => texts::any_match(tx, &expression, is_it),
        None => Ok(false),
    };
    if let Some(program) = program
        && finds(&[word(program)], &|text| analysis::has_command_line(text, program))?
    {
        return Ok(words.into_iter().collect());
    }
    for typed in words.into_iter().take(WORDS_MAX) {
        let is_it = |text: &str| analysis::has_option(text, typed);
        let beside = program.map(|program| [word(program), word(typed)]);
        if beside.is_some_and(|both| finds(&both, &is_it).unwrap_or_default())
            || finds(&[word(typed)], &is_it)?
        {
            options.insert(typed);
        }
    }
    Ok(options)
}

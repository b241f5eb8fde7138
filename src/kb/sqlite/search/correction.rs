//! Words that the index does not have, replaced by those that they may be misspellings of.

use rusqlite::Transaction;

use super::{joints, match_expression, texts};
use crate::analysis::{self, IndexLanguages, Misspelling, ParsedQuery, Word};
use crate::kb::KbError;
use crate::kb::sqlite::index;

/// Limit on the misspelt words of a query.
const WORDS_MAX: usize = 8;
/// Limit on the leaves of the index that are read for them, 4 KiB each: the terms of some million
/// words.
const LEAVES_MAX: u64 = 16_384;
/// Candidates for a word whose chunks are counted.
const CANDIDATES_MAX: usize = 32;
/// Chunks of a candidate that are counted.
const COUNT_MAX: u64 = 1024;
/// Distance of a word that is not looked for further.
const NEAR: usize = 2;
/// Words that a misspelt one may mean.
const MEANINGS_MAX: usize = 3;

/// A misspelt word with the tokens that are looked up instead.
#[derive(Clone, Debug)]
pub struct CorrectedWord {
    /// The word as typed.
    pub typed: String,
    /// The most likely one as a text writes it.
    pub written: String,
}

/// A part of a word that no chunk has.
struct Unknown {
    /// Which of the words, and which of its parts.
    place: (usize, usize),
    typed: String,
    misspelling: Misspelling,
    candidates: Vec<(usize, String)>,
}

/// Replaces the words of `query` that no chunk has by those that they are near to, and returns
/// them. A word that exists, in a text or among those that `is_word`, is never replaced: if it is
/// in a text of another language than the query, its form there is looked up, too.
pub fn correct(
    tx: &Transaction<'_>,
    query: &mut ParsedQuery,
    languages: &IndexLanguages,
    is_word: &dyn Fn(&str) -> bool,
) -> Result<Vec<CorrectedWord>, KbError> {
    let mut unknown = unknown_words(tx, query, languages)?;
    unknown.retain(|word| !is_word(&word.typed.to_lowercase()));
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    index::for_each_term(tx, LEAVES_MAX, |term| {
        for word in &mut unknown {
            if let Some(distance) = word.misspelling.distance(term) {
                word.candidates.push((distance, term.to_owned()));
            }
        }
    })?;
    let mut corrected = Vec::new();
    for word in unknown {
        let meanings = most_likely(tx, word.candidates, &word.misspelling, languages)?;
        if let Some((_, written)) = meanings.first() {
            let (place, part) = word.place;
            query.replace_meant(&word.typed, written);
            corrected.push(CorrectedWord { typed: word.typed, written: written.clone() });
            query.words[place].parts[part] = meanings.into_iter().map(|(token, _)| token).collect();
        }
    }
    Ok(corrected)
}

fn unknown_words(
    tx: &Transaction<'_>,
    query: &mut ParsedQuery,
    languages: &IndexLanguages,
) -> Result<Vec<Unknown>, KbError> {
    let mut unknown = Vec::new();
    let is_known = |parts: Vec<Vec<String>>| {
        let word = Word { parts, ..Word::default() };
        match match_expression::words(&[word], true) {
            Some(expression) => Ok(index::matching(tx, &expression, 1)? > 0),
            None => Ok::<_, KbError>(true),
        }
    };
    for (place, word) in query.words.iter_mut().enumerate() {
        if word.is_prefix || !word.wholes.is_empty() && is_known(vec![word.wholes.clone()])? {
            continue;
        }
        for (part, forms) in word.parts.iter_mut().enumerate() {
            let typed = forms.iter().find_map(|form| query.typed.get(form));
            let Some(typed) = typed else { continue };
            if unknown.len() == WORDS_MAX || is_known(vec![forms.clone()])? {
                continue;
            }
            let elsewhere = analysis::forms(typed, &languages.all);
            if !elsewhere.is_empty() && is_known(vec![elsewhere.clone()])? {
                *forms = elsewhere;
                continue;
            }
            if let Some(tokens) = joints::divide(tx, typed, &query.languages)? {
                word.divided.push(tokens);
                continue;
            }
            if let Some(misspelling) = Misspelling::of(typed, &query.languages) {
                unknown.push(Unknown {
                    place: (place, part),
                    typed: typed.clone(),
                    misspelling,
                    candidates: Vec::new(),
                });
            }
        }
    }
    Ok(unknown)
}

/// Returns the nearest of `candidates` that chunks have, those of most chunks first, each as a text
/// writes it. A stem may be of other words, too: what the text has must be near to what is typed.
fn most_likely(
    tx: &Transaction<'_>,
    mut candidates: Vec<(usize, String)>,
    misspelling: &Misspelling,
    languages: &IndexLanguages,
) -> Result<Vec<(String, String)>, KbError> {
    candidates.sort_unstable();
    candidates.dedup();
    candidates.truncate(CANDIDATES_MAX);
    let mut counted = Vec::new();
    let mut least = usize::MAX;
    for (_, token) in candidates {
        let word = Word { parts: vec![vec![token.clone()]], ..Word::default() };
        let expression = match_expression::words(&[word], true).unwrap_or_default();
        let nearest = nearest(tx, &expression, &token, misspelling, languages)?;
        // Others are not counted: of these, only the nearest are kept.
        if let Some((distance, written)) = nearest.filter(|(distance, _)| *distance <= least) {
            least = distance;
            let count = index::matching(tx, &expression, COUNT_MAX)?;
            counted.push((distance, std::cmp::Reverse(count), token, written));
        }
    }
    counted.sort_unstable();
    let near = counted.into_iter().take_while(|(distance, ..)| *distance == least);
    Ok(near.take(MEANINGS_MAX).map(|(.., token, written)| (token, written)).collect())
}

/// Returns the word with the `token`, of the texts that match `expression`, that is nearest to what
/// is typed; with its distance.
fn nearest(
    tx: &Transaction<'_>,
    expression: &str,
    token: &str,
    misspelling: &Misspelling,
    languages: &IndexLanguages,
) -> Result<Option<(usize, String)>, KbError> {
    let mut best: Option<(usize, String)> = None;
    texts::any_match(tx, expression, |text| {
        for found in analysis::matches(text, &languages.all, |one| one == token) {
            let written = &text[found];
            let distance = misspelling.distance_of_word(written);
            if let Some(distance) = distance
                && best.as_ref().is_none_or(|(least, _)| distance < *least)
            {
                best = Some((distance, written.to_owned()));
            }
        }
        best.as_ref().is_some_and(|(distance, _)| *distance <= NEAR)
    })?;
    Ok(best)
}

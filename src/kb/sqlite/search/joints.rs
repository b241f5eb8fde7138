//! Names that are written in one word or in two: `nextjs` and `next js`, `TCP/IP` and `tcpip`.
//!
//! The index knows how its texts write them: two words are also looked up as one if it has that,
//! and a word that it does not have as two if it has these one after the other.

use rusqlite::Transaction;

use super::match_expression;
use crate::analysis::{self, Language, ParsedQuery, Word};
use crate::kb::KbError;
use crate::kb::sqlite::index;

/// Limit on the pairs of a query that are looked up.
const PAIRS_MAX: usize = 8;
/// Letters and digits of a name in two words.
const LETTERS_MAX: usize = 24;
/// Letters and digits of the shortest name that is divided, and of its shortest part.
const DIVIDED_MIN: usize = 4;
const PART_MIN: usize = 2;
/// Chunks that have the parts of a divided word, which are counted.
const COUNT_MAX: u64 = 64;

/// Makes one name of neighbouring words of `query` that the index has as one.
pub fn join(tx: &Transaction<'_>, query: &mut ParsedQuery) -> Result<(), KbError> {
    let meaning = query.meaning.clone();
    let is_gap = |c: char| c.is_whitespace() || c == '/';
    let typed: Vec<&str> = meaning.split(is_gap).filter(|word| !word.is_empty()).collect();
    for pair in typed.windows(2).take(PAIRS_MAX) {
        let [one, other] = [pair[0], pair[1]];
        let joined = [one, other].concat();
        let is_plain = joined.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_plain || joined.len() > LETTERS_MAX {
            continue;
        }
        let place = |text: &str| {
            let forms = analysis::forms(text, &query.languages);
            query.words.iter().position(|word| match word.parts.as_slice() {
                [own] => word.wholes.is_empty() && own.iter().any(|form| forms.contains(form)),
                _ => false,
            })
        };
        let (Some(at), Some(next)) = (place(one), place(other)) else { continue };
        let wholes = single_tokens(&joined, &query.languages);
        let name = Word { parts: vec![wholes.clone()], ..Word::default() };
        let expression = match_expression::words(&[name], true).filter(|_| !wholes.is_empty());
        let Some(expression) = expression else { continue };
        if at == next || index::matching(tx, &expression, 1)? == 0 {
            continue;
        }
        let parts = [at, next].map(|place| query.words[place].parts[0].clone());
        query.words[at] =
            Word { wholes, parts: parts.to_vec(), is_joined: true, ..Word::default() };
        query.words.remove(next);
    }
    Ok(())
}

/// Returns the tokens that the one word `text` has in `languages`.
fn single_tokens(text: &str, languages: &[Language]) -> Vec<String> {
    let sequences = analysis::sequences(text, false, languages).into_iter();
    let mut tokens = sequences.filter(|sequence| sequence.tokens.len() == 1).collect::<Vec<_>>();
    tokens.iter_mut().filter_map(|sequence| sequence.tokens.pop()).collect()
}

/// Returns the tokens of the two words that `typed`, which the index does not have, is most often
/// written as.
pub fn divide(
    tx: &Transaction<'_>,
    typed: &str,
    languages: &[Language],
) -> Result<Option<Vec<String>>, KbError> {
    let is_plain = typed.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_plain || !(DIVIDED_MIN..=LETTERS_MAX).contains(&typed.len()) {
        return Ok(None);
    }
    let mut best = None;
    for at in PART_MIN..=typed.len() - PART_MIN {
        let (one, other) = typed.split_at(at);
        let sequences = analysis::sequences(&format!("{one} {other}"), false, languages);
        let Some(sequence) = sequences.into_iter().find(|it| it.tokens.len() == 2) else {
            continue;
        };
        let word = Word { divided: vec![sequence.tokens.clone()], ..Word::default() };
        let Some(expression) = match_expression::words(&[word], true) else { continue };
        let count = index::matching(tx, &expression, COUNT_MAX)?;
        if count > 0 && best.as_ref().is_none_or(|(most, _)| count > *most) {
            best = Some((count, sequence.tokens));
        }
    }
    Ok(best.map(|(_, tokens)| tokens))
}

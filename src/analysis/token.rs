//! From a word or a name to its token.

use std::sync::OnceLock;

use snowball_stemmers_rs::Stemmer;

use super::TOKEN_MARKS;
use super::fold::{fold, lower};
use super::language::Language;

/// Limit on a token, in bytes: longer words are data.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Returns the token of a word: lower case, stemmed if it has only letters, folded, truncated if it
/// is long.
pub fn of_word(word: &str, language: Language) -> String {
    let lower = lower(word);
    let is_plain = lower.len() <= TOKEN_BYTES_MAX && lower.chars().all(char::is_alphabetic);
    let stemmer = if is_plain { stemmer(language, &lower) } else { None };
    let mut token = match stemmer {
        Some(stemmer) => fold(&stemmer.stem(&lower)).into_owned(),
        None => fold(&lower).into_owned(),
    };
    keep_token_characters(&mut token);
    token.truncate(token.floor_char_boundary(TOKEN_BYTES_MAX));
    token
}

/// Returns the token of a whole name: lower case and folded, not stemmed.
pub fn of_name(name: &str) -> String {
    let lower = lower(name);
    let mut token = fold(&lower).into_owned();
    keep_token_characters(&mut token);
    token
}

fn stemmer(language: Language, word: &str) -> Option<&'static Stemmer> {
    static STEMMERS: OnceLock<Vec<Option<Stemmer>>> = OnceLock::new();
    let stemmers = STEMMERS.get_or_init(|| {
        Language::ALL.iter().map(|language| language.algorithm().map(Stemmer::create)).collect()
    });
    // Texts of every language contain English words; in other scripts they can be recognised.
    let is_foreign = !language.is_latin() && word.is_ascii();
    let language = if is_foreign { Language::English } else { language };
    stemmers[language as usize].as_ref()
}

/// Removes characters at which an index would split a token: compatibility forms may contain blanks
/// and brackets.
fn keep_token_characters(token: &mut String) {
    let is_kept = |c: char| {
        if c.is_ascii() {
            c.is_ascii_alphanumeric() || TOKEN_MARKS.contains(c)
        } else {
            !matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}')
        }
    };
    if !token.chars().all(is_kept) {
        token.retain(is_kept);
    }
}

//! From a word or a name to its token.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use snowball_stemmers_rs::Stemmer;
use unicode_normalization::char::canonical_combining_class;

use super::TOKEN_MARKS;
use super::fold::{fold, lower};
use super::language::Language;
use super::{members, parts};

/// Limit on a token, in bytes: longer words are data.
pub const TOKEN_BYTES_MAX: usize = 64;

/// Returns the token of a word: lower case, stemmed if it has only letters, folded, truncated if it
/// is long.
pub fn of_word(word: &str, language: Language) -> String {
    let lower = lower(word);
    if language == Language::English {
        // The stems of English do not depend on accents.
        return finished(&stemmed(&fold(&lower), language));
    }
    finished(&fold(&stemmed(&lower, language)))
}

/// Returns the token for what is typed without accents, given its own `token`. It is another one
/// than that of a text without accents: a word that is typed with them has one token in each text.
pub fn unaccented(token: &str) -> String {
    format!("{token}_")
}

/// Endings that are often typed without their accents, which a stemmer needs to recognise them.
const ENDINGS: &[(Language, &[(&str, &str)])] = &[
    (Language::Spanish, &[("cion", "ción"), ("sion", "sión"), ("xion", "xión"), ("ia", "ía")]),
    (Language::French, &[("ite", "ité"), ("ites", "ités"), ("ee", "ée"), ("ees", "ées")]),
    (Language::Italian, &[("ita", "ità")]),
    (
        Language::Portuguese,
        &[
            ("cao", "ção"),
            ("coes", "ções"),
            ("sao", "são"),
            ("soes", "sões"),
            ("ancia", "ância"),
            ("encia", "ência"),
            ("avel", "ável"),
            ("ivel", "ível"),
        ],
    ),
];

/// Returns the token of a word whose ending was typed without its accents, if it has one of those.
pub fn of_accented(word: &str, language: Language) -> Option<String> {
    let (_, endings) = ENDINGS.iter().find(|(it, _)| *it == language && word.is_ascii())?;
    let lower = word.to_ascii_lowercase();
    endings.iter().find_map(|(typed, accented)| {
        let stem = lower.strip_suffix(typed).filter(|stem| stem.len() > 1)?;
        Some(of_word(&format!("{stem}{accented}"), language))
    })
}

/// Reports whether `word` may have lost its accents, if it is one of `language`.
pub fn may_lack_accents(word: &str, language: Language) -> bool {
    language.algorithm().is_some()
        && language != Language::English
        && word.is_ascii() == language.is_latin()
        && word.chars().all(char::is_alphabetic)
        && (word.is_ascii() || {
            let lower = lower(word);
            fold(&lower) == lower
        })
}

/// Reports whether a word has other tokens.
pub fn has_others(word: &str, language: Language) -> bool {
    let may_have = !word.is_ascii()
        || word.bytes().any(|byte| byte.is_ascii_digit())
        || members::may_be_compound(word, language);
    may_have && !others(word, language).is_empty()
}

/// Returns what else a word is found by, with the bytes of the word that each is of: its stem as if
/// typed without accents, its form with tones, its letters and its digits, the members of a
/// compound.
pub fn others(word: &str, language: Language) -> Vec<(Range<usize>, String)> {
    let lower = lower(word);
    let mut parts = members::of(&lower, language);
    // Else the bytes of the parts are not those in the word.
    if lower.len() != word.len() {
        parts.clear();
    }
    if word.is_ascii() {
        parts.extend(parts::divided(word, 0..word.len()));
    }
    let of_part = |part: Range<usize>| (part.clone(), of_word(&lower[part], language));
    let mut others: Vec<(Range<usize>, String)> = parts.into_iter().map(of_part).collect();
    if word.is_ascii() {
        return others;
    }
    let own = of_word(word, language);
    let mut add = |token: String| {
        if token != own && !token.is_empty() {
            others.push((0..word.len(), token));
        }
    };
    let folded = finished(&stemmed(&fold(&lower), language));
    if folded != own {
        add(unaccented(&folded));
    }
    if language == Language::Vietnamese {
        add(finished(&lower));
    }
    others
}

fn stemmed(lower: &str, language: Language) -> Cow<'_, str> {
    let is_letter = |c: char| c.is_alphabetic() || canonical_combining_class(c) != 0;
    let is_plain = lower.len() <= TOKEN_BYTES_MAX && lower.chars().all(is_letter);
    match if is_plain { stemmer(language, lower) } else { None } {
        Some(stemmer) => stemmer.stem(lower),
        None => Cow::Borrowed(lower),
    }
}

fn finished(token: &str) -> String {
    let mut token = token.to_owned();
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

//! Words and their tokens, remembered: a text repeats its words, and a stemmer takes longer than a look-up.

use std::cell::RefCell;
use std::sync::OnceLock;

use snowball_stemmers_rs::Stemmer;
use xxhash_rust::xxh3::xxh3_64;

use super::fold::{fold, lower};
use super::language::Language;
use super::units::keep_token_characters;

/// Longest token in bytes: a longer word is data.
pub const TOKEN_BYTES_MAX: usize = 64;
/// Words of at most this many bytes are remembered, with tokens of as many.
const WORD_BYTES_MAX: usize = 28;
/// A power of two. Hits 98 % of the words of English Markdown.
const ENTRIES: usize = 1 << 14;

thread_local! {
    static ENTRY: RefCell<Vec<Entry>> = RefCell::new(vec![Entry::FREE; ENTRIES]);
}

/// A word as it stands in the text, ASCII in lower case, and its token.
#[derive(Clone, Copy)]
struct Entry {
    word: [u8; WORD_BYTES_MAX],
    token: [u8; WORD_BYTES_MAX],
    /// 0 where the entry is free.
    word_len: u8,
    token_len: u8,
    language: u8,
}

impl Entry {
    const FREE: Self = Self {
        word: [0; WORD_BYTES_MAX],
        token: [0; WORD_BYTES_MAX],
        word_len: 0,
        token_len: 0,
        language: 0,
    };
}

/// Calls `visit` with the token of `word`, which is letters, digits and marks; empty where nothing is left of it.
pub fn with_token(word: &str, language: Language, visit: &mut dyn FnMut(&str)) {
    let mut lowered = [0; WORD_BYTES_MAX];
    let Some(buffer) = lowered.get_mut(..word.len()) else {
        return visit(&token(word, language));
    };
    buffer.copy_from_slice(word.as_bytes());
    buffer.make_ascii_lowercase();
    let hash = xxh3_64(buffer) as usize ^ (language as usize * 0x9E37);
    ENTRY.with_borrow_mut(|entries| {
        let entry = &mut entries[hash & (ENTRIES - 1)];
        let is_known = usize::from(entry.word_len) == word.len()
            && entry.language == language as u8
            && entry.word[..word.len()] == *buffer;
        if !is_known {
            let token = token(word, language);
            if token.len() > WORD_BYTES_MAX {
                return visit(&token);
            }
            entry.word[..word.len()].copy_from_slice(buffer);
            entry.token[..token.len()].copy_from_slice(token.as_bytes());
            entry.word_len = word.len() as u8;
            entry.token_len = token.len() as u8;
            entry.language = language as u8;
        }
        let token = &entry.token[..usize::from(entry.token_len)];
        visit(std::str::from_utf8(token).unwrap_or_default());
    });
}

/// Returns the token of a word: lower case, stemmed where it is letters only, folded, cut where it is long.
fn token(word: &str, language: Language) -> String {
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

fn stemmer(language: Language, word: &str) -> Option<&'static Stemmer> {
    static STEMMERS: OnceLock<Vec<Option<Stemmer>>> = OnceLock::new();
    let stemmers = STEMMERS.get_or_init(|| {
        Language::ALL.iter().map(|language| language.algorithm().map(Stemmer::create)).collect()
    });
    // English words stand in texts of every language; where the script differs, they are told apart.
    let is_foreign = !language.is_latin() && word.is_ascii();
    let language = if is_foreign { Language::English } else { language };
    stemmers[language as usize].as_ref()
}

//! Words and their tokens, remembered: a text repeats its words, and a stemmer takes longer than a look-up.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::OnceLock;

use snowball_stemmers_rs::Stemmer;

use super::fold::{fold, lower};
use super::language::Language;
use super::units::keep_token_characters;

/// Longest token in bytes: a longer word is data.
pub const TOKEN_BYTES_MAX: usize = 64;
/// Words of at most this many bytes are remembered.
const WORD_BYTES_MAX: usize = 32;
/// A word of so many bytes has a token that is not longer, but for a few that are not remembered.
const CACHED_TOKEN_BYTES_MAX: usize = 30;
/// A power of two. Hits 98 % of the words of English Markdown.
const ENTRIES: usize = 1 << 14;

thread_local! {
    static CACHE: RefCell<TokenCache> = RefCell::new(TokenCache::new());
}

/// The tokens of words that one thread has met.
pub struct TokenCache {
    entries: Vec<Entry>,
    /// Holds a token that is not remembered.
    scratch: String,
}

/// A word as it stands in the text, ASCII in lower case, and its token; fills a line of the processor's cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Entry {
    /// Its bytes, 0 after the last; all 0 where the entry is free.
    word: [u64; WORD_BYTES_MAX / 8],
    token: [u8; CACHED_TOKEN_BYTES_MAX],
    token_len: u8,
    language: u8,
}

/// Calls `work` with the cache of this thread; `work` must not ask for it again.
pub fn with_cache<T>(work: impl FnOnce(&mut TokenCache) -> T) -> T {
    CACHE.with_borrow_mut(work)
}

impl TokenCache {
    fn new() -> Self {
        let free =
            Entry { word: [0; 4], token: [0; CACHED_TOKEN_BYTES_MAX], token_len: 0, language: 0 };
        Self { entries: vec![free; ENTRIES], scratch: String::new() }
    }

    /// Returns the token, in UTF-8, of the word that is `range` of `text`: letters, digits and marks; empty where
    /// nothing is left of it.
    pub fn token(&mut self, text: &str, range: Range<usize>, language: Language) -> &[u8] {
        let word = &text[range.clone()];
        let Some(packed) = pack(text.as_bytes(), range) else {
            self.scratch = token(word, language);
            return self.scratch.as_bytes();
        };
        let entry = &mut self.entries[slot(&packed, language)];
        if entry.word != packed || entry.language != language as u8 {
            let token = token(word, language);
            let Some(kept) = entry.token.get_mut(..token.len()) else {
                self.scratch = token;
                return self.scratch.as_bytes();
            };
            kept.copy_from_slice(token.as_bytes());
            entry.token_len = token.len() as u8;
            entry.word = packed;
            entry.language = language as u8;
        }
        &entry.token[..usize::from(entry.token_len)]
    }
}

/// Returns the bytes `range` of a text as numbers, ASCII in lower case; `None` where they are too many, or none.
fn pack(text: &[u8], range: Range<usize>) -> Option<[u64; WORD_BYTES_MAX / 8]> {
    let length = range.len();
    if length == 0 || length > WORD_BYTES_MAX {
        return None;
    }
    let mut bytes = [0; WORD_BYTES_MAX];
    match text.get(range.start..range.start + WORD_BYTES_MAX) {
        // Of a fixed length, which is far cheaper; what follows the word is masked below.
        Some(more) => bytes.copy_from_slice(more),
        None => bytes[..length].copy_from_slice(&text[range]),
    }
    bytes.make_ascii_lowercase();
    let (parts, _) = bytes.as_chunks::<8>();
    Some(std::array::from_fn(|at| {
        let kept = length.saturating_sub(8 * at);
        let mask = if kept < 8 { (1 << (8 * kept)) - 1 } else { u64::MAX };
        u64::from_le_bytes(parts[at]) & mask
    }))
}

/// Odd numbers that have nothing to do with each other.
const FACTORS: [u64; WORD_BYTES_MAX / 8] =
    [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9];

/// Returns the entry where a word belongs.
fn slot(word: &[u64; WORD_BYTES_MAX / 8], language: Language) -> usize {
    // Each part is multiplied by itself, so that none of these waits for another.
    let mut hash = (language as u64).wrapping_mul(FACTORS[0]);
    for (part, factor) in word.iter().zip(FACTORS) {
        hash ^= (part ^ (part >> 32)).wrapping_mul(factor);
    }
    (hash >> (64 - ENTRIES.ilog2())) as usize
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

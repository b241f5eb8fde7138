//! A cache of words and their tokens: texts repeat their words, and a stemmer is slower than a
//! look-up.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::known_names::KnownNames;
use super::language::Language;
use super::token;
use crate::support::ascii::{LANES, Lanes};
use crate::support::recent::Recent;

/// A power of two; 2 MiB per thread. A quarter would fit a processor's level 2 cache and suffice
/// for English Markdown, but analysis takes half as long again if texts have many different words:
/// stemming costs more than a memory access.
const ENTRIES: usize = 1 << 16;
/// A power of two.
const LONG_ENTRIES: usize = 1 << 13;
/// Limit on the words whose other tokens are cached.
const OTHERS_MAX: usize = 1 << 13;
/// The bit of a token's length that says that its word has other tokens.
const HAS_OTHERS: u8 = 0x80;

thread_local! {
    static CACHE: RefCell<TokenCache> = RefCell::new(TokenCache::new());
}

/// The tokens of words that one thread has seen.
pub struct TokenCache {
    /// Words of at most 16 bytes.
    short: Table<2, 14>,
    /// Words of 17 to 32 bytes.
    long: Table<4, 30>,
    /// Other tokens of words that have some, by the word and its language.
    others: HashMap<String, Others, RandomState>,
    /// Names.
    pub names: KnownNames,
    /// Holds a token that is not cached.
    scratch: String,
}

/// Further tokens of a word, with their bytes in it.
pub type Others = Rc<[(Range<usize>, String)]>;

/// Caches words of at most `8 * PARTS` bytes whose tokens have at most `TOKEN` bytes: a few are
/// longer than their word.
struct Table<const PARTS: usize, const TOKEN: usize> {
    entries: Recent<Entry<PARTS, TOKEN>>,
}

/// A word of the text, its ASCII in lower case, and its token. Takes half a cache line or a whole
/// one.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Entry<const PARTS: usize, const TOKEN: usize> {
    /// Its bytes, 0 after the last; all 0 if the entry is free.
    word: [u64; PARTS],
    token: [u8; TOKEN],
    /// With [`HAS_OTHERS`].
    token_len: u8,
    language: u8,
}

/// Calls `work` with the cache of this thread; `work` must not call this again.
pub fn with_cache<T>(work: impl FnOnce(&mut TokenCache) -> T) -> T {
    CACHE.with_borrow_mut(work)
}

impl TokenCache {
    fn new() -> Self {
        let (short, long) = (Table::new(ENTRIES), Table::new(LONG_ENTRIES));
        let (others, names) = (HashMap::default(), KnownNames::new());
        Self { short, long, others, names, scratch: String::new() }
    }

    /// Returns the token, in UTF-8, of the word at `range` of `text`: letters, digits and marks;
    /// empty if nothing is left of it. And whether the word has other tokens.
    pub fn token(&mut self, text: &str, range: Range<usize>, language: Language) -> (&[u8], bool) {
        let Self { short, long, scratch, .. } = self;
        let make = || {
            let word = &text[range.clone()];
            (token::of_word(word, language), token::has_others(word, language))
        };
        match range.len() {
            1..=16 => short.token(pack(text, &range), language, make, scratch),
            17..=32 => long.token(pack(text, &range), language, make, scratch),
            _ => {
                let (token, has_others) = make();
                *scratch = token;
                (scratch.as_bytes(), has_others)
            }
        }
    }

    /// Returns the other tokens of `word`.
    pub fn others(&mut self, word: &str, language: Language) -> Others {
        self.scratch.clear();
        self.scratch.push_str(word);
        self.scratch.push(char::from(language as u8));
        if let Some(others) = self.others.get(&self.scratch) {
            return Rc::clone(others);
        }
        if self.others.len() == OTHERS_MAX {
            self.others.clear();
        }
        let others: Others = token::others(word, language).into();
        self.others.insert(self.scratch.clone(), Rc::clone(&others));
        others
    }
}

impl<const PARTS: usize, const TOKEN: usize> Table<PARTS, TOKEN> {
    fn new(entries: usize) -> Self {
        let free = Entry { word: [0; PARTS], token: [0; TOKEN], token_len: 0, language: 0 };
        Self { entries: Recent::new(entries, free) }
    }

    /// Returns the token of `word`; calls `make` if the word is not cached.
    fn token<'a>(
        &'a mut self,
        word: [u64; PARTS],
        language: Language,
        make: impl FnOnce() -> (String, bool),
        scratch: &'a mut String,
    ) -> (&'a [u8], bool) {
        let is_wanted =
            |entry: &Entry<PARTS, TOKEN>| entry.word == word && entry.language == language as u8;
        let entry = match self.entries.find(hash(&word, language), is_wanted) {
            Ok(entry) => entry,
            Err(entry) => {
                let (token, has_others) = make();
                *scratch = token;
                let Some(kept) = entry.token.get_mut(..scratch.len()) else {
                    return (scratch.as_bytes(), has_others);
                };
                kept.copy_from_slice(scratch.as_bytes());
                entry.token_len = scratch.len() as u8 | if has_others { HAS_OTHERS } else { 0 };
                entry.word = word;
                entry.language = language as u8;
                entry
            }
        };
        let length = usize::from(entry.token_len & !HAS_OTHERS);
        (&entry.token[..length], entry.token_len & HAS_OTHERS != 0)
    }
}

/// Returns the bytes at `range` of a text, at most `8 * PARTS`, as numbers, ASCII in lower case.
fn pack<const PARTS: usize>(text: &str, range: &Range<usize>) -> [u64; PARTS] {
    std::array::from_fn(|part| {
        let length = range.len().saturating_sub(LANES * part).min(LANES);
        Lanes::at(text.as_bytes(), range.start + LANES * part).lower(length)
    })
}

/// Unrelated odd numbers.
const FACTORS: [u64; 4] =
    [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93, 0xC2B2_AE3D_27D4_EB4F, 0x1656_67B1_9E37_79F9];

/// Returns the hash of a word, well mixed in its high bits.
fn hash(word: &[u64], language: Language) -> u64 {
    // The parts are multiplied independently, so that no multiplication waits for another.
    let mut hash = (language as u64).wrapping_mul(FACTORS[0]);
    for (part, factor) in word.iter().zip(FACTORS) {
        hash ^= (part ^ (part >> 32)).wrapping_mul(factor);
    }
    hash
}

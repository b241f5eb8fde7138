//! WordPiece, the tokenizer of uncased BERT: text to rows of the vocabulary.
//!
//! The ids are those of the reference implementation without special tokens, so that "[CLS]" in a
//! text is three words (`tests/it/wordpiece.rs` compares). Steps: drop control characters,
//! decompose (NFD) and drop non-spacing marks, lower-case, cut at white space and around
//! punctuation and CJK ideographs; then the longest piece of the vocabulary from the left, again
//! and again (Wu et al. 2016, "Google's Neural Machine Translation System"). Pieces inside a word
//! are spelled `##piece`.
//!
//! ASCII words take a short way: lower-cased while they are read, packed into a `u128`, looked up
//! in a cache. 180 MB/s of English Markdown on one core, 40 MB/s of Russian or Chinese.

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfd_quick};

use super::characters::{Class, class};
use super::vocabulary::Vocabulary;
use crate::support::ascii::{LANES, Lanes};
use crate::support::recent::Recent;

/// Longer words are one unknown token, as in the reference.
const WORD_CHARS_MAX: usize = 100;
/// Bytes of a word that count as a token if the vocabulary does not have its pieces; English text
/// has 4.5 bytes a token, with its blanks.
const BYTES_PER_TOKEN: usize = 4;
/// Words of at most this many bytes are cached.
const PACKED_BYTES_MAX: usize = size_of::<u128>();
/// A power of two; 2 MiB for a thread. 2^14 entries, which fit a level 2 cache, miss 1.5 % of the
/// words of English Markdown, and a miss costs so much that a quarter of these misses is cheaper.
const CACHE_ENTRIES: usize = 1 << 16;
/// Ids that fit an entry of the cache.
const CACHED_IDS_MAX: usize = 7;

/// A vocabulary and the splitting of text into its pieces.
pub struct WordPiece {
    vocabulary: Vocabulary,
    unknown: u16,
    /// The id of each ASCII punctuation mark.
    marks: [u16; 128],
}

/// Words that one thread has seen, with their ids; belongs to one `WordPiece`.
pub struct WordCache {
    words: Recent<CachedWord>,
    /// Reused by the words that are not cached.
    scratch: Scratch,
}

#[derive(Clone, Copy)]
struct CachedWord {
    /// The bytes of the word, little endian, 0 after the last; 0 when the entry is free.
    word: u128,
    ids_len: u16,
    ids: [u16; CACHED_IDS_MAX],
}

#[derive(Default)]
struct Scratch {
    /// The normalised word being collected.
    word: String,
    word_chars: usize,
    ids: Vec<u16>,
}

impl WordCache {
    /// Returns an empty cache.
    pub fn new() -> Self {
        // Not all zero, so that the memory is written here: a page that is read first has to be
        // copied when it is written, which interrupts the other cores and took a twelfth of a run
        // after an edit of 1 %.
        let free = CachedWord { word: 0, ids_len: 0, ids: [u16::MAX; CACHED_IDS_MAX] };
        Self { words: Recent::new(CACHE_ENTRIES, free), scratch: Scratch::default() }
    }
}

impl Default for WordCache {
    fn default() -> Self {
        Self::new()
    }
}

impl WordPiece {
    /// Returns the tokenizer of a vocabulary: one token a line, its line number its id, `[UNK]`
    /// among them.
    ///
    /// At most 65,534 lines, none twice.
    pub fn new(vocabulary: &'static str) -> Self {
        let vocabulary = Vocabulary::new(vocabulary);
        let unknown = vocabulary.find(b"[UNK]", false).unwrap_or(0);
        let marks =
            std::array::from_fn(|byte| vocabulary.find(&[byte as u8], false).unwrap_or(unknown));
        Self { vocabulary, unknown, marks }
    }

    /// Returns the number of tokens of the vocabulary.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary holds at least [UNK]")]
    pub fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// Returns the size of `text` in tokens, so that texts of all scripts have about the same text
    /// in the same size: their number, but of words that the vocabulary has only as letters or not
    /// at all, a quarter of the bytes.
    ///
    /// Additive over white space: text cut there counts as the sum of its parts.
    pub fn count(&self, cache: &mut WordCache, text: &str) -> usize {
        let mut count = 0;
        self.for_each_span(cache, text, |span, ids| {
            count += match span {
                None => ids.len(),
                Some(span) => self.size(span, ids),
            }
        });
        count
    }

    /// Returns the size of a span with these ids: a long word, or any text beyond ASCII.
    fn size(&self, span: &str, ids: &[u16]) -> usize {
        let is_known = |ids: &[u16]| !ids.contains(&self.unknown);
        if span.chars().all(is_latin) && is_known(ids) {
            return ids.len();
        }
        let words = span.split(|c| class(c) == Class::White).filter(|word| !word.is_empty());
        words.map(|word| self.size_of_word(word)).sum()
    }

    fn size_of_word(&self, word: &str) -> usize {
        if word.chars().all(is_latin) {
            let mut scratch = Scratch::default();
            self.normalise(&mut scratch, word);
            if !scratch.ids.contains(&self.unknown) {
                return scratch.ids.len();
            }
        }
        let (mut alone, mut bytes) = (0, 0);
        let mut size = 0;
        for character in word.chars() {
            match class(character) {
                Class::Alone => {
                    size += usize::div_ceil(bytes, BYTES_PER_TOKEN);
                    (alone, bytes) = (alone + 1, 0);
                }
                Class::Word | Class::Mark => bytes += character.len_utf8(),
                Class::White | Class::Removed => {}
            }
        }
        size + alone + bytes.div_ceil(BYTES_PER_TOKEN)
    }

    /// Returns the ids of `text` in order.
    pub fn ids(&self, cache: &mut WordCache, text: &str) -> Vec<u32> {
        let mut all = Vec::new();
        self.for_each_word(cache, text, |ids| all.extend(ids.iter().map(|&id| u32::from(id))));
        all
    }

    /// Calls `visit` with the ids of one or a few words at a time, in order.
    pub fn for_each_word(&self, cache: &mut WordCache, text: &str, mut visit: impl FnMut(&[u16])) {
        self.for_each_span(cache, text, |_, ids| visit(ids));
    }

    /// Does the same, with the text of the words unless it is a short one in ASCII.
    #[inline]
    fn for_each_span(
        &self,
        cache: &mut WordCache,
        text: &str,
        mut visit: impl FnMut(Option<&str>, &[u16]),
    ) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&first) = bytes.get(at) {
            match BYTES[usize::from(first)] {
                Byte::White => at += 1,
                Byte::Mark => {
                    visit(None, &self.marks[usize::from(first)..=usize::from(first)]);
                    at += 1;
                }
                Byte::Word | Byte::Other => {
                    let (word, length) = pack_ascii_word(&bytes[at..]);
                    match bytes.get(at + length).map(|&byte| BYTES[usize::from(byte)]) {
                        None | Some(Byte::White | Byte::Mark) if length <= PACKED_BYTES_MAX => {
                            visit(None, self.ids_of_packed(cache, word, &text[at..at + length]));
                            at += length;
                        }
                        _ => {
                            let span = span_of(&text[at..]);
                            visit(Some(span), self.ids_of_span(cache, span));
                            at += span.len();
                        }
                    }
                }
            }
        }
    }

    /// Returns the ids of a word that is packed in `word`, `span` in the text.
    fn ids_of_packed<'c>(&self, cache: &'c mut WordCache, word: u128, span: &str) -> &'c [u16] {
        let WordCache { words, scratch } = cache;
        match words.find(hash(word), |entry| entry.word == word) {
            Ok(CachedWord { ids, ids_len, .. }) => &ids[..usize::from(*ids_len)],
            Err(entry) => self.meet(entry, scratch, word, span),
        }
    }

    /// Computes the ids of a word that is not in the cache, and caches them.
    #[cold]
    fn meet<'c>(
        &self,
        entry: &mut CachedWord,
        scratch: &'c mut Scratch,
        word: u128,
        span: &str,
    ) -> &'c [u16] {
        if span.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            // Nothing to normalise: it is packed in lower case.
            scratch.ids.clear();
            let bytes = word.to_le_bytes();
            scratch.word.extend(bytes[..span.len()].iter().map(|&byte| char::from(byte)));
            scratch.word_chars = span.len();
            self.end_word(scratch);
        } else {
            self.normalise(scratch, span);
        }
        if let Some(ids) = entry.ids.get_mut(..scratch.ids.len()) {
            ids.copy_from_slice(&scratch.ids);
            entry.ids_len = scratch.ids.len() as u16;
            entry.word = word;
        }
        &scratch.ids
    }

    /// Returns the ids of a span without ASCII white space and punctuation: a long word, or any
    /// text beyond ASCII.
    fn ids_of_span<'c>(&self, cache: &'c mut WordCache, span: &str) -> &'c [u16] {
        if span.len() <= PACKED_BYTES_MAX {
            // No clash with the fast path: this span contains a byte that is not a letter or digit,
            // and a final U+0000, which packs to nothing, is dropped anyway.
            return self.ids_of_packed(cache, pack(span.as_bytes()), span);
        }
        self.normalise(&mut cache.scratch, span);
        &cache.scratch.ids
    }

    /// Fills `scratch.ids` with the ids of a span.
    fn normalise(&self, scratch: &mut Scratch, span: &str) {
        scratch.ids.clear();
        let kept = span.chars().filter(|&character| class(character) != Class::Removed);
        // Most spans are decomposed already; checking first doubles the speed of Russian.
        if is_nfd_quick(kept.clone()) == IsNormalized::Yes {
            kept.for_each(|character| self.take(scratch, character));
        } else {
            kept.nfd().for_each(|character| self.take(scratch, character));
        }
        self.end_word(scratch);
    }

    fn take(&self, scratch: &mut Scratch, character: char) {
        match class(character) {
            Class::White => self.end_word(scratch),
            Class::Alone => {
                self.end_word(scratch);
                scratch.push(character);
                self.end_word(scratch);
            }
            Class::Word => scratch.push(character),
            Class::Mark | Class::Removed => {}
        }
    }

    /// Splits the collected word into pieces.
    fn end_word(&self, scratch: &mut Scratch) {
        let word = scratch.word.as_bytes();
        let ids_before = scratch.ids.len();
        let mut start = 0;
        while start < word.len() {
            let piece = match scratch.word_chars {
                ..=WORD_CHARS_MAX => self.vocabulary.longest(&word[start..], start > 0),
                _ => None,
            };
            let Some((id, length)) = piece else {
                scratch.ids.truncate(ids_before);
                scratch.ids.push(self.unknown);
                break;
            };
            scratch.ids.push(id);
            start += length;
        }
        scratch.word.clear();
        scratch.word_chars = 0;
    }
}

impl Scratch {
    /// Adds a character to the word, lower-cased; beyond the limit it is only counted.
    fn push(&mut self, character: char) {
        for lower in character.to_lowercase() {
            self.word_chars += 1;
            if self.word_chars <= WORD_CHARS_MAX + 1 {
                self.word.push(lower);
            }
        }
    }
}

/// Reports whether the vocabulary has pieces of words with `character`, and not only the letter.
fn is_latin(character: char) -> bool {
    character < '\u{250}' || matches!(character, '\u{1e00}'..='\u{1eff}' | '\u{300}'..='\u{36f}')
}

/// The meaning of a byte for the fast path.
#[derive(Clone, Copy)]
enum Byte {
    /// A letter or digit.
    Word,
    White,
    /// Punctuation, a word of its own.
    Mark,
    /// A control character, or beyond ASCII.
    Other,
}

static BYTES: [Byte; 256] = {
    let mut table = [Byte::Other; 256];
    let mut byte = 0;
    while byte < 128 {
        let value = byte as u8;
        table[byte] = match value {
            b' ' | b'\t' | b'\n' | b'\r' => Byte::White,
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Byte::Word,
            _ if value.is_ascii_punctuation() => Byte::Mark,
            _ => Byte::Other,
        };
        byte += 1;
    }
    table
};

/// Returns the letters and digits at the start, lower-cased and packed, and their number; 17 stands
/// for any number beyond 16.
fn pack_ascii_word(bytes: &[u8]) -> (u128, usize) {
    let low = Lanes::at(bytes, 0);
    let length = low.word_len();
    let word = u128::from(low.lower(length));
    if length < LANES {
        return (word, length);
    }
    let high = Lanes::at(bytes, LANES);
    let more = high.word_len();
    let is_longer = more == LANES && Lanes::at(bytes, 2 * LANES).word_len() > 0;
    (word | u128::from(high.lower(more)) << 64, LANES + more + usize::from(is_longer))
}

/// Returns the text before the first ASCII white space or punctuation.
fn span_of(text: &str) -> &str {
    let ends = |&byte: &u8| matches!(BYTES[usize::from(byte)], Byte::White | Byte::Mark);
    &text[..text.as_bytes().iter().position(ends).unwrap_or(text.len())]
}

/// Returns at most 16 bytes as a number, little endian.
fn pack(bytes: &[u8]) -> u128 {
    let mut packed = [0; PACKED_BYTES_MAX];
    packed[..bytes.len()].copy_from_slice(bytes);
    u128::from_le_bytes(packed)
}

/// Returns the hash of a packed word, well mixed in its high bits.
fn hash(word: u128) -> u64 {
    let folded = (word as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((word >> 64) as u64);
    folded.wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

#[cfg(test)]
mod tests {
    use super::{Scratch, WordCache, WordPiece};

    #[test]
    fn words_that_share_an_entry_of_the_cache_keep_their_own_ids() {
        let words = WordPiece::new(crate::embed::VOCABULARY);
        let mut cache = WordCache::new();
        let mut scratch = Scratch::default();
        for number in 0..150_000 {
            for word in [format!("internal{}", number % 70_000), format!("{}internals", number / 9)]
            {
                words.normalise(&mut scratch, &word);
                let expected: Vec<u32> = scratch.ids.iter().map(|&id| u32::from(id)).collect();
                assert_eq!(words.ids(&mut cache, &word), expected, "{word}");
            }
        }
    }
}

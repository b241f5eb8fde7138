//! An embedder whose chunks are measured by a tokenizer.json.
//!
//! Words are counted one by one, so that the count is additive over white space; for tokenizers
//! that split there first, as WordPiece and those of SentencePiece, it is that of the whole text.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tokenizers::Tokenizer;

use super::{EmbedError, Embedder, Embeddings, Limits, Model, Role};
use crate::support::files;

/// Longer words are counted in parts, and are not remembered.
const PART_BYTES: usize = 4096;
/// Longer words are not remembered.
const KNOWN_BYTES_MAX: usize = 64;
/// A token counts for at most so many bytes: what a tokenizer does not know is one token, however
/// long it is.
const BYTES_PER_TOKEN_MAX: usize = 16;
/// Limit on the words that each shard remembers.
const KNOWN_MAX: usize = 16_384;
/// Threads that count different words seldom wait for each other.
const SHARDS: usize = 64;
/// Limit on a tokenizer.json, in bytes.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// An embedder with the tokens of a tokenizer.json.
pub struct Measured<E> {
    embedder: E,
    tokenizer: Tokenizer,
    /// Identifies the tokenizer by its content.
    tokens: String,
    known: Vec<Mutex<HashMap<Box<str>, usize>>>,
    hasher: RandomState,
}

impl<E: Embedder> Measured<E> {
    /// Returns `embedder` with the tokenizer at `path`.
    pub fn open(embedder: E, path: &Path) -> Result<Self, EmbedError> {
        let refused = |reason: String| EmbedError::Refused {
            model: embedder.model().name.clone(),
            reason: format!("{}: {reason}", path.display()),
        };
        let bytes = read(path).map_err(|error| refused(error.to_string()))?;
        let mut tokenizer =
            Tokenizer::from_bytes(&bytes).map_err(|error| refused(error.to_string()))?;
        // Whole texts are measured, whatever the model sees of them.
        let unlimited = tokenizer.with_padding(None).with_truncation(None);
        unlimited.map_err(|error| refused(error.to_string()))?;
        let tokens = format!("tokenizer-{}", &blake3::hash(&bytes).to_hex()[..12]);
        let known = (0..SHARDS).map(|_| Mutex::default()).collect();
        Ok(Self { embedder, tokenizer, tokens, known, hasher: RandomState::new() })
    }

    fn count_word(&self, word: &str) -> usize {
        if word.len() > KNOWN_BYTES_MAX {
            return self.count_parts(word);
        }
        let shard = self.hasher.hash_one(word) as usize % SHARDS;
        let known = || self.known[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = known().get(word) {
            return *count;
        }
        let count = self.count_parts(word);
        let mut known = known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(word.into(), count);
        count
    }

    fn count_parts(&self, word: &str) -> usize {
        let (mut count, mut rest) = (0, word);
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.floor_char_boundary(PART_BYTES));
            // A text that cannot be encoded is reported when it is embedded.
            let tokens = self.tokenizer.encode_fast(part, false).map_or(0, |it| it.len());
            count += tokens.max(part.len().div_ceil(BYTES_PER_TOKEN_MAX));
            rest = after;
        }
        count
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    files::open_input(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl<E: Embedder> Embedder for Measured<E> {
    fn model(&self) -> &Model {
        self.embedder.model()
    }

    fn tokens(&self) -> &str {
        &self.tokens
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().map(|word| self.count_word(word)).sum()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        self.embedder.embed(texts, role)
    }

    fn limits(&self) -> Limits {
        self.embedder.limits()
    }

    fn knows_every_text(&self) -> bool {
        self.embedder.knows_every_text()
    }

    fn probe(&self) -> Option<Vec<f32>> {
        self.embedder.probe()
    }

    fn expect_probe(&self, vector: Vec<f32>) {
        self.embedder.expect_probe(vector);
    }
}

//! An embedder that counts what another one would be sent, and sends nothing.

use std::sync::{Mutex, PoisonError};

use super::{EmbedError, Embedder, Embeddings, Limits, Model, Role};
use crate::kb::vector_cache::{VectorCache, key};

/// Counts texts and tokens in place of an embedder.
pub struct Counting<E> {
    embedder: E,
    /// Its vectors are not made again.
    cache: Option<VectorCache>,
    counts: Mutex<Counts>,
}

/// What an embedder would be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Texts without a vector.
    pub texts: u64,
    /// Their tokens, as the embedder counts them.
    pub tokens: u64,
    /// Texts whose vector is in the cache.
    pub cached: u64,
}

impl<E: Embedder> Counting<E> {
    /// Returns one that counts what `embedder` would be sent, but for what is in `cache`.
    pub fn new(embedder: E, cache: Option<VectorCache>) -> Self {
        Self { embedder, cache, counts: Mutex::default() }
    }

    /// Returns what was counted so far.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns which of `texts` are in the cache; none if it fails, which only counts too much.
    fn known(&self, texts: &[&str]) -> Vec<bool> {
        let fingerprint = &self.model().fingerprint;
        let keys: Vec<_> = texts.iter().map(|text| key(fingerprint, "document", text)).collect();
        let found = self.cache.as_ref().and_then(|cache| cache.get(&keys).ok());
        found.map_or_else(
            || vec![false; texts.len()],
            |all| all.iter().map(Option::is_some).collect(),
        )
    }
}

impl<E: Embedder> Embedder for Counting<E> {
    fn model(&self) -> &Model {
        self.embedder.model()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.embedder.count_tokens(text)
    }

    fn tokens(&self) -> &str {
        self.embedder.tokens()
    }

    fn embed(&self, texts: &[&str], _: Role) -> Result<Embeddings, EmbedError> {
        let known = self.known(texts);
        let mut counts = Counts::default();
        for (text, is_known) in texts.iter().zip(known) {
            if is_known {
                counts.cached += 1;
            } else {
                counts.texts += 1;
                counts.tokens += self.count_tokens(text) as u64;
            }
        }
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.texts += counts.texts;
        all.tokens += counts.tokens;
        all.cached += counts.cached;
        let dim = self.model().dim;
        let mut row = vec![0.0; dim];
        row[0] = 1.0;
        Ok(Embeddings::new(dim, row.repeat(texts.len())))
    }

    fn limits(&self) -> Limits {
        Limits { is_remote: false, ..self.embedder.limits() }
    }
}

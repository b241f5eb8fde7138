//! An embedder that costs, and never embeds the same text twice: its vectors are kept in a file as
//! each call returns.
//!
//! The file is a help: if it fails, a warning says so, and the embedder is called.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{EmbedError, Embedder, Embeddings, Limits, Model, Role};
use crate::kb::KbError;
use crate::kb::vector_cache::{Key, VectorCache, key};

/// An embedder with its cache.
pub struct Cached<E> {
    embedder: E,
    cache: VectorCache,
    has_saved_probe: AtomicBool,
    has_warned: AtomicBool,
}

impl<E: Embedder> Cached<E> {
    /// Returns `embedder` with `cache`, whose vectors it must still make.
    pub fn new(embedder: E, cache: VectorCache) -> Self {
        let new = |embedder| Self {
            embedder,
            cache,
            has_saved_probe: false.into(),
            has_warned: false.into(),
        };
        let cached = new(embedder);
        if let Some(Some(probe)) = cached.tolerate(cached.cache.probe(cached.fingerprint())) {
            cached.embedder.expect_probe(probe);
        }
        cached
    }

    fn fingerprint(&self) -> &str {
        &self.embedder.model().fingerprint
    }

    /// Returns a result of the cache; warns once if it fails.
    fn tolerate<T>(&self, result: Result<T, KbError>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let path = self.cache.path().display();
            tracing::warn!(%path, %error, "the cache of vectors fails; texts are embedded without it");
        }
        None
    }

    /// Keeps vectors that were made.
    fn keep(&self, keys: &[Key], embeddings: &Embeddings) {
        if !self.has_saved_probe.load(Ordering::Relaxed)
            && let Some(probe) = self.embedder.probe()
        {
            self.tolerate(self.cache.save_probe(self.fingerprint(), &probe));
            self.has_saved_probe.store(true, Ordering::Relaxed);
        }
        let vectors: Vec<_> = keys.iter().copied().zip(embeddings.rows()).collect();
        self.tolerate(self.cache.put(self.fingerprint(), &vectors));
    }
}

impl<E: Embedder> Embedder for Cached<E> {
    fn model(&self) -> &Model {
        self.embedder.model()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.embedder.count_tokens(text)
    }

    fn tokens(&self) -> &str {
        self.embedder.tokens()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        let dim = self.model().dim;
        let role_name = match role {
            Role::Document => "document",
            Role::Query => "query",
        };
        let keys: Vec<_> =
            texts.iter().map(|text| key(self.fingerprint(), role_name, text)).collect();
        let found = self.tolerate(self.cache.get(&keys)).unwrap_or_default();
        let mut known: HashMap<Key, Vec<f32>> = keys
            .iter()
            .zip(found)
            .filter_map(|(key, vector)| Some((*key, vector.filter(|it| it.len() == dim)?)))
            .collect();
        let mut wanted: Vec<(Key, &str)> = Vec::new();
        for (key, text) in keys.iter().zip(texts) {
            if !known.contains_key(key) && !wanted.iter().any(|(other, _)| other == key) {
                wanted.push((*key, text));
            }
        }
        let mut tokens = Some(0);
        if !wanted.is_empty() {
            let (missing, texts): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
            let made = self.embedder.embed(&texts, role)?;
            if made.rows().len() != missing.len() || made.rows().any(|row| row.len() != dim) {
                // Checked by the caller, and refused.
                return Ok(made);
            }
            self.keep(&missing, &made);
            tokens = made.tokens();
            known.extend(missing.into_iter().zip(made.rows().map(<[f32]>::to_vec)));
        }
        let rows: Vec<f32> = keys.iter().flat_map(|key| known[key].iter().copied()).collect();
        Ok(Embeddings::new(dim, rows).with_tokens(tokens))
    }

    fn limits(&self) -> Limits {
        self.embedder.limits()
    }

    fn knows_every_text(&self) -> bool {
        self.embedder.knows_every_text()
    }

    fn probe(&self) -> Option<Vec<f32>> {
        let stored = || self.tolerate(self.cache.probe(self.fingerprint())).flatten();
        self.embedder.probe().or_else(stored)
    }

    fn expect_probe(&self, vector: Vec<f32>) {
        self.embedder.expect_probe(vector);
    }
}

//! A reranker that never scores the same pair twice: scores are kept in memory, and in the file
//! that keeps vectors, as each call returns.
//!
//! The file is a help: if it fails, the pairs are scored without it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{RerankError, Reranker};
use crate::kb::KbError;
use crate::kb::vector_cache::{self, Key, VectorCache};

/// Limit on the scores in memory: some 3 MB.
const SCORES_MAX: usize = 100_000;

/// A reranker with its caches.
pub struct Cached {
    reranker: Box<dyn Reranker>,
    file: Option<VectorCache>,
    memory: Mutex<HashMap<Key, f32>>,
}

impl Cached {
    /// Returns `reranker` with the scores in `file`, if there is one.
    pub fn new(reranker: Box<dyn Reranker>, file: Option<VectorCache>) -> Self {
        Self { reranker, file, memory: Mutex::default() }
    }

    /// Returns the score of each of `texts` for `query`, in their order; fails when it is not done
    /// by `until`. What was scored before a failure is kept.
    pub fn scores(
        &self,
        query: &str,
        texts: &[&str],
        until: Instant,
    ) -> Result<Vec<f32>, RerankError> {
        let keys: Vec<_> = texts.iter().map(|text| self.key(query, text)).collect();
        let mut known = self.known(&keys);
        let mut missing: Vec<(Key, &str)> = Vec::new();
        for (key, text) in keys.iter().zip(texts) {
            if !known.contains_key(key) && !missing.iter().any(|(other, _)| other == key) {
                missing.push((*key, text));
            }
        }
        for pairs in missing.chunks(self.reranker.texts_max().max(1)) {
            let texts: Vec<&str> = pairs.iter().map(|(_, text)| *text).collect();
            let scores = self.reranker.scores(query, &texts, until)?;
            let scored: Vec<_> = pairs.iter().map(|(key, _)| *key).zip(scores).collect();
            if scored.len() != pairs.len() || scored.iter().any(|(_, score)| !score.is_finite()) {
                return Err(RerankError::Refused {
                    model: self.reranker.name().to_owned(),
                    reason: "it has no finite score for each text".to_owned(),
                });
            }
            self.keep(&scored);
            known.extend(scored);
        }
        Ok(keys.iter().map(|key| known[key]).collect())
    }

    fn key(&self, query: &str, text: &str) -> Key {
        // With the length, no other query and text have the same key.
        let role = format!("rerank {}", query.len());
        vector_cache::key(self.reranker.fingerprint(), &role, &[query, text].concat())
    }

    /// Returns the scores that are known, by the keys of their pairs.
    fn known(&self, keys: &[Key]) -> HashMap<Key, f32> {
        let mut known: HashMap<Key, f32> = {
            let memory = self.memory();
            keys.iter().filter_map(|key| Some((*key, *memory.get(key)?))).collect()
        };
        let rest: Vec<Key> = keys.iter().filter(|key| !known.contains_key(*key)).copied().collect();
        if let Some(file) = self.file.as_ref().filter(|_| !rest.is_empty()) {
            let found = tolerate(file, file.get(&rest)).unwrap_or_default();
            let found = rest.iter().zip(found).filter_map(|(key, score)| match score?[..] {
                [score] if score.is_finite() => Some((*key, score)),
                _ => None,
            });
            known.extend(found);
        }
        known
    }

    fn keep(&self, scored: &[(Key, f32)]) {
        let mut memory = self.memory();
        if memory.len() + scored.len() > SCORES_MAX {
            memory.clear();
        }
        memory.extend(scored.iter().copied());
        drop(memory);
        if let Some(file) = &self.file {
            let scores: Vec<_> =
                scored.iter().map(|(key, score)| (*key, std::slice::from_ref(score))).collect();
            tolerate(file, file.put(self.reranker.fingerprint(), &scores));
        }
    }

    fn memory(&self) -> MutexGuard<'_, HashMap<Key, f32>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a result of the file. That it fails harms nobody but who pays: it may be that of others,
/// who may write it.
fn tolerate<T>(file: &VectorCache, result: Result<T, KbError>) -> Option<T> {
    let path = file.path().display();
    result.inspect_err(|error| tracing::debug!(%path, %error, "the cache of scores fails")).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::support::sharing::Sharing;

    /// Scores a text by its length, three at once, until it has scored `at_most`.
    struct ByLength {
        scored: AtomicUsize,
        at_most: usize,
    }

    impl Reranker for ByLength {
        fn name(&self) -> &str {
            "length"
        }

        fn fingerprint(&self) -> &str {
            "length@1"
        }

        fn texts_max(&self) -> usize {
            3
        }

        fn scores(&self, _: &str, texts: &[&str], _: Instant) -> Result<Vec<f32>, RerankError> {
            if self.scored.fetch_add(texts.len(), Ordering::Relaxed) + texts.len() > self.at_most {
                let (model, reason) = ("length".to_owned(), "tired".to_owned());
                return Err(RerankError::Unavailable { model, reason });
            }
            Ok(texts.iter().map(|text| text.len() as f32).collect())
        }
    }

    fn open(path: &std::path::Path, at_most: usize) -> Cached {
        let file = VectorCache::create_or_open(path, u64::MAX, &Sharing::default());
        let reranker = Box::new(ByLength { scored: AtomicUsize::new(0), at_most });
        Cached::new(reranker, Some(file.expect("it opens")))
    }

    #[test]
    fn no_pair_is_scored_twice() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        let until = Instant::now() + Duration::from_secs(60);
        let texts = ["a", "bb", "a", "ccc", "dddd", "bb"];
        let expected = vec![1.0, 2.0, 1.0, 3.0, 4.0, 2.0];
        // What was scored before a failure is not scored again.
        assert!(open(&path, 3).scores("q", &texts, until).is_err());
        let next = open(&path, 1);
        assert_eq!(next.scores("q", &texts, until), Ok(expected.clone()));
        assert_eq!(next.scores("q", &texts, until), Ok(expected.clone()));
        assert_eq!(open(&path, 0).scores("q", &texts, until), Ok(expected));
        // The end of a query is no beginning of a text.
        assert!(open(&path, 0).scores("qa", &[""], until).is_err());
        assert!(open(&path, 0).scores("p", &["a"], until).is_err());
    }
}

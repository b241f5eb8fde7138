//! Calls the embedder: within its limits, again if it is unavailable, in halves if it cannot embed
//! a text.
//!
//! The vectors of a call are kept even if others fail: they may have cost time and money.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::chunk;
use crate::embed::{self, EmbedError, Embedder, Limits, Role};
use crate::error::Error;
use crate::kb::{LoadedRevision, QueuedChunk, StoredVector};
use crate::pipeline::{Context, Progress};
use crate::support::checkpoint::StopSignal;
use crate::support::panics::panic_message;
use crate::support::retry;

/// A chunk to be embedded, with its revision.
pub type Wanted<'a> = (&'a LoadedRevision, &'a QueuedChunk);

/// The results of the calls for some texts.
pub struct CallResults {
    /// One for each text, in their order; `None` if it was not sent or failed.
    pub vectors: Vec<Option<StoredVector>>,
    /// Texts that cannot be embedded, by their index, ascending.
    pub bad: Vec<(usize, EmbedError)>,
    /// Why not all texts were sent.
    pub error: Option<Error>,
}

/// Embeds the texts of `wanted` on the pool.
pub fn embed(context: &Context<'_>, wanted: &[Wanted<'_>]) -> Result<CallResults, Error> {
    let limits = context.embedder.limits();
    let calls = Calls::new(context);
    let batches = batches(wanted, limits);
    let threads = context.pool.get()?;
    let results = threads.map_at_most(limits.in_flight, &batches, |batch| calls.embed_batch(batch));
    let mut all =
        CallResults { vectors: Vec::with_capacity(wanted.len()), bad: Vec::new(), error: None };
    for result in results {
        let before = all.vectors.len();
        all.bad.extend(result.bad.into_iter().map(|(index, error)| (before + index, error)));
        all.vectors.extend(result.vectors);
        // A call that only stopped because another one failed has nothing to report.
        if matches!(all.error, None | Some(Error::Stopped)) {
            all.error = result.error.or(all.error);
        }
    }
    Ok(all)
}

/// Splits `wanted` into the texts of one call each.
fn batches<'a, 'b>(mut wanted: &'a [Wanted<'b>], limits: Limits) -> Vec<&'a [Wanted<'b>]> {
    let mut batches = Vec::new();
    while !wanted.is_empty() {
        let mut tokens = 0_usize;
        let fits = |(_, queued): &&Wanted<'_>| {
            tokens = tokens.saturating_add(queued.chunk.token_count);
            tokens <= limits.tokens
        };
        let count = wanted.iter().take(limits.texts).take_while(fits).count().max(1);
        let (batch, rest) = wanted.split_at(count);
        batches.push(batch);
        wanted = rest;
    }
    batches
}

/// Makes calls, of which one that fails for good ends the others.
pub(super) struct Calls<'a> {
    embedder: &'a dyn Embedder,
    stop: &'a StopSignal,
    progress: &'a Progress,
    /// A call failed permanently: no other call is made.
    has_failed: AtomicBool,
    /// How long calls are retried while none succeeds; `None`: a few times each.
    patience: Option<Duration>,
    /// Since when no call has succeeded.
    failing_since: Mutex<Option<Instant>>,
}

impl<'a> Calls<'a> {
    pub(super) fn new(context: &'a Context<'_>) -> Self {
        Self {
            embedder: context.embedder,
            stop: context.stop,
            progress: &context.progress,
            has_failed: false.into(),
            patience: context.embedder.limits().patience,
            failing_since: Mutex::default(),
        }
    }

    /// Has waits before a retry fail, and calls that are not made yet.
    pub(super) fn fail_others(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.stop.wake();
    }

    fn embed_batch(&self, batch: &[Wanted<'_>]) -> CallResults {
        let texts: Vec<String> = batch
            .iter()
            .map(|(revision, queued)| {
                chunk::embedded_text(
                    &revision.title,
                    &revision.text,
                    revision.noise(),
                    &queued.chunk,
                )
            })
            .collect();
        self.embed_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Embeds texts that are within the limits of one call.
    pub(super) fn embed_texts(&self, texts: &[&str]) -> CallResults {
        let mut results =
            CallResults { vectors: vec![None; texts.len()], bad: Vec::new(), error: None };
        if let Err(error) = self.embed_by_halves(texts, 0, false, &mut results) {
            self.fail_others();
            results.error = Some(error);
        }
        results
    }

    /// Embeds `texts`, of which the first has the index `first` in `results`, in one call, or in
    /// halves if it fails because of a text. Returns whether there is such a text.
    ///
    /// With `is_bad`, one of them is known to fail: only a half of them, or a single text, is worth
    /// a call. One bad text of n costs 2 log2 n more calls at most, and a text is only given up if
    /// it was sent alone.
    fn embed_by_halves(
        &self,
        texts: &[&str],
        first: usize,
        is_bad: bool,
        results: &mut CallResults,
    ) -> Result<bool, Error> {
        if !is_bad || texts.len() == 1 {
            match self.call(texts) {
                Ok(vectors) => {
                    self.progress.embed_chunks(vectors.len() as u64);
                    for (place, vector) in results.vectors[first..].iter_mut().zip(vectors) {
                        *place = Some(vector);
                    }
                    return Ok(false);
                }
                Err(Error::Embed(error @ EmbedError::BadInput { .. })) => {
                    if texts.len() == 1 {
                        results.bad.push((first, error));
                        return Ok(true);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let (left, right) = texts.split_at(texts.len() / 2);
        let left_is_bad = self.embed_by_halves(left, first, false, results)?;
        let right_is_bad =
            self.embed_by_halves(right, first + left.len(), !left_is_bad, results)?;
        Ok(left_is_bad || right_is_bad)
    }

    /// Calls the embedder; waits and retries while it is unavailable.
    fn call(&self, texts: &[&str]) -> Result<Vec<StoredVector>, Error> {
        let mut attempts = 1;
        loop {
            self.check_running()?;
            match self.call_once(texts) {
                Err(Error::Embed(EmbedError::Unavailable { model, reason, retry_after })) => {
                    self.check_running()?;
                    let Some(delay) = self.delay(attempts, retry_after) else {
                        let error = EmbedError::Unavailable { model, reason, retry_after };
                        return Err(error.into());
                    };
                    tracing::debug!(%reason, ?delay, "embedder unavailable");
                    self.wait(delay)?;
                    attempts += 1;
                }
                result => {
                    if result.is_ok() {
                        *self.failing_since() = None;
                    }
                    return result;
                }
            }
        }
    }

    /// Returns the wait after the `attempts`-th failed attempt; `None` if it was the last.
    fn delay(&self, attempts: u32, asked_for: Option<Duration>) -> Option<Duration> {
        let Some(patience) = self.patience else {
            let delay = retry::delay(attempts, asked_for);
            return (attempts < retry::ATTEMPTS_MAX).then_some(delay);
        };
        let since = *self.failing_since().get_or_insert_with(Instant::now);
        let left = patience.saturating_sub(since.elapsed());
        match asked_for {
            Some(delay) => (delay <= left).then_some(delay),
            // The last attempt is made at the end.
            None => (!left.is_zero()).then(|| retry::jittered(attempts).min(left)),
        }
    }

    fn failing_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.failing_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call_once(&self, texts: &[&str]) -> Result<Vec<StoredVector>, Error> {
        let vectors = || embed::unit_vectors(self.embedder, texts, Role::Document);
        // Here, not when the pool's threads are joined: the vectors of other calls would be lost.
        let embeddings = catch_unwind(AssertUnwindSafe(vectors)).map_err(|panic| {
            Error::Internal { place: "embedder", message: panic_message(&*panic) }
        })??;
        Ok(embeddings.rows().map(StoredVector::quantise).collect())
    }

    /// Waits; fails at once if a stop is requested or another call fails.
    fn wait(&self, delay: Duration) -> Result<(), Error> {
        self.stop.wait_at_most(delay, || self.has_failed.load(Ordering::Relaxed).then_some(()));
        self.check_running()
    }

    /// Fails if a stop was requested or another call has failed.
    fn check_running(&self) -> Result<(), Error> {
        if self.stop.is_requested() || self.has_failed.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

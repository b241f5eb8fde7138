//! Calls of the embedder: within its limits, again if it is unavailable, by halves if it cannot
//! embed a text.
//!
//! What a call returned is kept, whatever becomes of the others: it may have cost time and money.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::chunk;
use crate::embed::{self, EmbedError, Embedder, Limits, Role};
use crate::error::Error;
use crate::kb::{QueuedChunk, StoredVector, Unit};
use crate::pipeline::Context;
use crate::support::checkpoint::StopSignal;
use crate::support::panics::panic_message;
use crate::support::retry;

/// How often a waiting call looks whether another one has failed; a stop ends the wait at once.
const WAIT_STEP: Duration = Duration::from_millis(50);

/// A chunk to be embedded, with its revision.
pub type Wanted<'a> = (&'a Unit, &'a QueuedChunk);

/// What the calls for some texts came to.
pub struct Answers {
    /// One for each text, in their order; `None` if it was not sent or came to nothing.
    pub vectors: Vec<Option<StoredVector>>,
    /// Texts that cannot be embedded, by their index, ascending.
    pub bad: Vec<(usize, EmbedError)>,
    /// Why not all texts were sent.
    pub error: Option<Error>,
}

/// Embeds the texts of `wanted` on the pool.
pub fn embed(context: &Context<'_>, wanted: &[Wanted<'_>]) -> Result<Answers, Error> {
    let limits = context.embedder.limits();
    let calls = Calls { embedder: context.embedder, stop: context.stop, has_failed: false.into() };
    let batches = batches(wanted, limits);
    let threads = context.pool.get()?;
    let answers = threads.map_at_most(limits.in_flight, &batches, |batch| calls.embed_batch(batch));
    let mut all =
        Answers { vectors: Vec::with_capacity(wanted.len()), bad: Vec::new(), error: None };
    for answer in answers {
        let before = all.vectors.len();
        all.bad.extend(answer.bad.into_iter().map(|(index, error)| (before + index, error)));
        all.vectors.extend(answer.vectors);
        // A call that only stopped as another one failed has nothing to say.
        if matches!(all.error, None | Some(Error::Stopped)) {
            all.error = answer.error.or(all.error);
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

struct Calls<'a> {
    embedder: &'a dyn Embedder,
    stop: &'a StopSignal,
    /// A call failed in a way that will not pass: no other one is made.
    has_failed: AtomicBool,
}

impl Calls<'_> {
    fn embed_batch(&self, batch: &[Wanted<'_>]) -> Answers {
        let texts: Vec<String> = batch
            .iter()
            .map(|(unit, queued)| chunk::embedded_text(&unit.title, &unit.text, &queued.chunk))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut answers =
            Answers { vectors: vec![None; texts.len()], bad: Vec::new(), error: None };
        if let Err(error) = self.embed_by_halves(&texts, 0, false, &mut answers) {
            self.has_failed.store(true, Ordering::Relaxed);
            answers.error = Some(error);
        }
        answers
    }

    /// Embeds `texts`, of which the first has the index `first` in `answers`, in one call, or in
    /// halves if it fails because of a text. Returns whether there is such a text.
    ///
    /// If `is_bad`, it is known that there is one: only a half of them, or the text alone, is worth
    /// a call. One bad text of n costs 2 log2 n more calls at most, and never is a text given up
    /// that was not sent alone.
    fn embed_by_halves(
        &self,
        texts: &[&str],
        first: usize,
        is_bad: bool,
        answers: &mut Answers,
    ) -> Result<bool, Error> {
        if !is_bad || texts.len() == 1 {
            match self.call(texts) {
                Ok(vectors) => {
                    for (place, vector) in answers.vectors[first..].iter_mut().zip(vectors) {
                        *place = Some(vector);
                    }
                    return Ok(false);
                }
                Err(Error::Embed(error @ EmbedError::BadInput { .. })) => {
                    if texts.len() == 1 {
                        answers.bad.push((first, error));
                        return Ok(true);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let (left, right) = texts.split_at(texts.len() / 2);
        let left_is_bad = self.embed_by_halves(left, first, false, answers)?;
        let right_is_bad =
            self.embed_by_halves(right, first + left.len(), !left_is_bad, answers)?;
        Ok(left_is_bad || right_is_bad)
    }

    /// Calls the embedder; waits and calls it again while it is unavailable.
    fn call(&self, texts: &[&str]) -> Result<Vec<StoredVector>, Error> {
        let mut attempts = 1;
        loop {
            self.insist_on_going_on()?;
            match self.call_once(texts) {
                Err(Error::Embed(EmbedError::Unavailable { retry_after, .. }))
                    if attempts < retry::ATTEMPTS_MAX =>
                {
                    self.wait(retry::delay(attempts, retry_after))?;
                    attempts += 1;
                }
                result => return result,
            }
        }
    }

    fn call_once(&self, texts: &[&str]) -> Result<Vec<StoredVector>, Error> {
        let vectors = || embed::unit_vectors(self.embedder, texts, Role::Document);
        // Here, and not where the pool's threads are joined: the vectors of other calls would be
        // lost.
        let answer = catch_unwind(AssertUnwindSafe(vectors)).map_err(|panic| {
            Error::Internal { place: "embedder", message: panic_message(&*panic) }
        })??;
        Ok(answer.rows().map(StoredVector::quantise).collect())
    }

    fn wait(&self, delay: Duration) -> Result<(), Error> {
        let since = Instant::now();
        loop {
            self.insist_on_going_on()?;
            let left = delay.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            self.stop.wait_for(left.min(WAIT_STEP));
        }
    }

    /// Fails if a stop was asked for or another call has failed.
    fn insist_on_going_on(&self) -> Result<(), Error> {
        if self.stop.is_requested() || self.has_failed.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

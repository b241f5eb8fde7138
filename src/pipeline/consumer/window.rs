//! The consumer's work with an embedder on another machine: calls are in flight across batches, and
//! what is answered is committed in order, at least every few seconds.
//!
//! A barrier after each batch would leave most of the calls unused while its last one is awaited.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Consumer, Embedded, Vectors, parts_between};
use super::calls::CallResults;
use super::limits::RANGES_PER_BATCH;
use super::remote::{Answered, Call, RemoteCalls, StartThreads};
use crate::chunk;
use crate::domain::{ChunkId, ChunkRange};
use crate::embed::{EmbedError, Limits};
use crate::error::Error;
use crate::kb::{LoadedRevision, StoredChunk, StoredVector};
use crate::pipeline::Work;
use crate::support::checkpoint::Checkpoint;

/// Calls that are answered or wait, for each that may be in flight: those behind a slow one.
const CALLS_PER_LANE: usize = 4;
/// How long answers wait to be committed, if those before them have come.
const COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// How often it checks for a stop and for what has to be committed.
const TICK: Duration = Duration::from_millis(50);

/// Claimed batches whose calls are made.
pub(super) struct Window<'a> {
    consumer: &'a Consumer<'a>,
    calls: &'a RemoteCalls<'a>,
    start: StartThreads<'a>,
    limits: Limits,
    batches: VecDeque<Batch>,
    /// Batches that have left the window.
    gone: usize,
    /// The chunks of each call that is not answered: the number of their batch, and their places.
    pending: HashMap<u64, (usize, Vec<usize>)>,
    next_call: u64,
    has_started: bool,
    committed: Instant,
    error: Option<Error>,
}

/// A claimed batch.
struct Batch {
    /// Those that are not committed yet.
    ranges: Vec<ChunkRange>,
    revisions: Arc<Vec<LoadedRevision>>,
    chunks: Vec<Wanted>,
    /// Chunks before this are committed.
    committed: usize,
    /// Chunks before this are sent, or need not be.
    sent: usize,
}

/// A chunk and its vector.
struct Wanted {
    id: ChunkId,
    /// Its place in the revisions of the batch.
    place: (usize, usize),
    vector: Vector,
}

enum Vector {
    Awaited,
    Reused(StoredVector),
    Made(StoredVector),
    Bad(EmbedError),
}

impl Batch {
    /// Returns the chunks that are answered and not committed, up to the first that is awaited.
    fn answered(&self) -> Range<usize> {
        let awaited = |wanted: &Wanted| matches!(wanted.vector, Vector::Awaited);
        let rest = &self.chunks[self.committed..];
        let count = rest.iter().position(awaited).unwrap_or(rest.len());
        self.committed..self.committed + count
    }

    fn is_answered(&self) -> bool {
        self.answered().end == self.chunks.len()
    }
}

impl<'a> Window<'a> {
    pub(super) fn new(
        consumer: &'a Consumer<'a>,
        calls: &'a RemoteCalls<'a>,
        start: StartThreads<'a>,
    ) -> Self {
        Self {
            consumer,
            calls,
            start,
            limits: consumer.context.embedder.limits(),
            batches: VecDeque::new(),
            gone: 0,
            pending: HashMap::new(),
            next_call: 0,
            has_started: false,
            committed: Instant::now(),
            error: None,
        }
    }

    /// Sends what the producer handed over.
    pub(super) fn take(&mut self, Work { ranges, revisions }: Work) -> Result<(), Error> {
        let given = revisions.map(Arc::new);
        for ranges in ranges.chunks(RANGES_PER_BATCH) {
            self.consumer.claim(ranges)?;
            self.add(ranges, given.clone())?;
        }
        Ok(())
    }

    /// Sends pending rows of the queue from the file, oldest first, and with `up_to` `None` waits
    /// for the answers to everything.
    pub(super) fn work_off(&mut self, up_to: Option<ChunkId>) -> Result<(), Error> {
        let context = self.consumer.context;
        loop {
            context.reached(Checkpoint::BeforeClaim)?;
            let pending = context.kb.pending_ranges(up_to, RANGES_PER_BATCH)?;
            if pending.is_empty() {
                break;
            }
            // No text can end this process: it is embedded elsewhere.
            let ranges: Vec<_> = pending.iter().map(|pending| pending.range).collect();
            self.consumer.claim(&ranges)?;
            self.add(&ranges, None)?;
        }
        while up_to.is_none() && !self.batches.is_empty() {
            self.step(TICK)?;
        }
        Ok(())
    }

    /// Commits what is due.
    pub(super) fn tick(&mut self) -> Result<(), Error> {
        self.step(Duration::ZERO)
    }

    /// Commits what has been answered, and returns the rest to the queue, once the calls in flight
    /// are answered.
    pub(super) fn close(mut self, result: Result<(), Error>) -> Result<(), Error> {
        let unsent = self.calls.clear();
        self.calls.give_up();
        let in_flight = self.pending.len() - unsent;
        let mut answered = 0;
        while answered < in_flight {
            let results = self.calls.answered(TICK);
            answered += results.len();
            results.into_iter().for_each(|answer| self.accept(answer));
            // Also lets the requests of a run that another process cancels end.
            let _ = self.consumer.context.is_stopping();
        }
        let Err(mut error) = result else { return Ok(()) };
        if let Some(own) = self.error.take()
            && matches!(error, Error::Stopped)
        {
            error = own;
        }
        while let Some(batch) = self.batches.pop_front() {
            let committed = match &error {
                // Nothing can be written any more.
                Error::Kb(_) => Err(Error::Stopped),
                _ => self.commit_rest(&batch),
            };
            if committed.is_err() {
                let _ = self.consumer.context.run.release(&batch.ranges);
            }
        }
        Err(error)
    }

    /// Adds a claimed batch, and waits until all of its calls are sent.
    fn add(
        &mut self,
        ranges: &[ChunkRange],
        given: Option<Arc<Vec<LoadedRevision>>>,
    ) -> Result<(), Error> {
        match self.batch(ranges, given) {
            Ok(batch) => self.batches.push_back(batch),
            Err(error) => {
                let _ = self.consumer.context.run.release(ranges);
                return Err(error);
            }
        }
        loop {
            self.send();
            if self.batches.iter().all(|batch| batch.sent == batch.chunks.len()) {
                return self.tick();
            }
            self.step(TICK)?;
        }
    }

    fn batch(
        &mut self,
        ranges: &[ChunkRange],
        given: Option<Arc<Vec<LoadedRevision>>>,
    ) -> Result<Batch, Error> {
        let context = self.consumer.context;
        let revisions = match given {
            Some(given) => given,
            None => Arc::new(context.kb.load(ranges)?),
        };
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
            return Ok(Batch {
                ranges: Vec::new(),
                revisions,
                chunks: Vec::new(),
                committed: 0,
                sent: 0,
            });
        };
        let is_inside = |id: ChunkId| first.first <= id && id <= last.last;
        let concerned =
            revisions.iter().filter(|revision| revision.chunks.iter().any(|it| is_inside(it.id)));
        let reusable =
            context.kb.reusable_vectors(&concerned.map(|it| it.id).collect::<Vec<_>>())?;
        let mut chunks = Vec::new();
        for (at, revision) in revisions.iter().enumerate() {
            for (place, queued) in
                revision.chunks.iter().enumerate().filter(|(_, it)| is_inside(it.id))
            {
                let vector = reusable.get(&queued.input_hash).cloned();
                let vector = vector.map_or(Vector::Awaited, Vector::Reused);
                chunks.push(Wanted { id: queued.id, place: (at, place), vector });
            }
        }
        Ok(Batch { ranges: ranges.to_vec(), revisions, chunks, committed: 0, sent: 0 })
    }

    /// Sends calls while there is room for them.
    fn send(&mut self) {
        let lanes = self.limits.in_flight.max(1);
        for index in 0..self.batches.len() {
            while self.pending.len() < 2 * lanes && self.held() < CALLS_PER_LANE * lanes {
                let Some((places, texts)) = self.batches[index].next_call(self.limits) else {
                    break;
                };
                let number = self.next_call;
                self.next_call += 1;
                self.pending.insert(number, (self.gone + index, places));
                self.calls.push(Call { number, texts });
            }
        }
    }

    /// Returns how many calls lie between the first that is not committed and the last.
    fn held(&self) -> usize {
        let oldest = self.pending.keys().min().copied().unwrap_or(self.next_call);
        usize::try_from(self.next_call - oldest).unwrap_or(usize::MAX)
    }

    /// Waits for answers for `at_most`, commits what is due, and sends further calls.
    fn step(&mut self, at_most: Duration) -> Result<(), Error> {
        if !self.has_started && !self.pending.is_empty() {
            self.has_started = true;
            (self.start)(self.limits.in_flight.max(1))?;
        }
        let at_most = if self.pending.is_empty() { Duration::ZERO } else { at_most };
        for answer in self.calls.answered(at_most) {
            self.accept(answer);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.consumer.context.is_stopping()? {
            return Err(Error::Stopped);
        }
        while self.batches.front().is_some_and(Batch::is_answered) {
            self.commit_front()?;
        }
        if self.committed.elapsed() >= COMMIT_INTERVAL
            && self.batches.front().is_some_and(|batch| !batch.answered().is_empty())
        {
            self.commit_front()?;
        }
        self.send();
        Ok(())
    }

    /// Stores the results of a call beside its chunks.
    fn accept(&mut self, Answered { number, results }: Answered) {
        let Some((batch, places)) = self.pending.remove(&number) else { return };
        let Some(batch) = batch.checked_sub(self.gone).and_then(|at| self.batches.get_mut(at))
        else {
            return;
        };
        let CallResults { vectors, bad, error } = results;
        for (place, vector) in places.iter().zip(vectors) {
            if let Some(vector) = vector {
                batch.chunks[*place].vector = Vector::Made(vector);
            }
        }
        for (index, error) in bad {
            batch.chunks[places[index]].vector = Vector::Bad(error);
        }
        // A call that only stopped because another one failed has nothing to report.
        if matches!(self.error, None | Some(Error::Stopped)) {
            self.error = error.or(self.error.take());
        }
    }

    /// Commits what is answered of the oldest batch, up to the first chunk that is awaited.
    fn commit_front(&mut self) -> Result<(), Error> {
        let context = self.consumer.context;
        // A stop at this checkpoint keeps what was answered, too.
        let stopped = context.reached(Checkpoint::BeforeCommit);
        let Some(batch) = self.batches.front_mut() else { return stopped };
        let answered = batch.answered();
        let rest = batch.chunks.get(answered.end).map(|next| next.id);
        let end = rest.map_or(i64::MAX, |next| next.0 - 1);
        let (done, open): (Vec<_>, Vec<_>) =
            batch.ranges.iter().copied().partition(|range| range.first.0 <= end);
        let awaited = rest.and_then(|next| {
            let last = done.last().filter(|range| range.last >= next)?.last;
            Some(ChunkRange { first: next, last })
        });
        let embedded = self.consumer.embedded(batch, done, answered.clone(), awaited)?;
        self.consumer.commit(embedded)?;
        batch.ranges = awaited.into_iter().chain(open).collect();
        batch.committed = answered.end;
        self.committed = Instant::now();
        if batch.committed == batch.chunks.len() {
            self.batches.pop_front();
            self.gone += 1;
        }
        stopped
    }

    /// Commits what there is of `batch`, and returns the rest of it to the queue.
    fn commit_rest(&self, batch: &Batch) -> Result<(), Error> {
        let all = batch.committed..batch.chunks.len();
        let embedded = self.consumer.embedded(batch, batch.ranges.clone(), all, None)?;
        self.consumer.commit(embedded)
    }
}

impl Batch {
    /// Returns the places and the texts of the next call; `None` if everything is sent.
    fn next_call(&mut self, limits: Limits) -> Option<(Vec<usize>, Vec<String>)> {
        let (mut places, mut texts) = (Vec::new(), Vec::new());
        let mut tokens = 0_usize;
        while let Some(wanted) = self.chunks.get(self.sent) {
            if matches!(wanted.vector, Vector::Awaited) {
                let revision = &self.revisions[wanted.place.0];
                let chunk = &revision.chunks[wanted.place.1].chunk;
                tokens = tokens.saturating_add(chunk.token_count);
                if !texts.is_empty() && (texts.len() >= limits.texts || tokens > limits.tokens) {
                    break;
                }
                places.push(self.sent);
                texts.push(chunk::embedded_text(
                    &revision.title,
                    &revision.text,
                    revision.noise(),
                    chunk,
                ));
            }
            self.sent += 1;
        }
        (!texts.is_empty()).then_some((places, texts))
    }
}

impl Consumer<'_> {
    /// Returns the chunks at `places` of `batch`, which are in `ranges`, to be committed.
    fn embedded(
        &self,
        batch: &Batch,
        ranges: Vec<ChunkRange>,
        places: Range<usize>,
        awaited: Option<ChunkRange>,
    ) -> Result<Embedded, Error> {
        let concerned = &batch.chunks[places];
        let mut vectors = Vectors {
            chunks: Vec::new(),
            reused: 0,
            missing: Vec::new(),
            bad: Vec::new(),
            error: None,
        };
        for wanted in concerned {
            let revision = batch.revisions[wanted.place.0].id;
            let mut store = |vector: &StoredVector| {
                vectors.chunks.push(StoredChunk {
                    id: wanted.id,
                    revision,
                    vector: vector.clone(),
                });
            };
            match &wanted.vector {
                Vector::Made(vector) => store(vector),
                Vector::Reused(vector) => {
                    store(vector);
                    vectors.reused += 1;
                }
                Vector::Bad(error) => {
                    vectors.missing.push(wanted.id);
                    vectors.bad.push((wanted.id, error.clone()));
                }
                Vector::Awaited => vectors.missing.push(wanted.id),
            }
        }
        let parts = match (concerned.first(), concerned.last()) {
            (Some(first), Some(last)) => parts_between(first.id, last.id, &batch.revisions),
            _ => Vec::new(),
        };
        Ok(Embedded { rows: self.full_text_rows(&parts)?, ranges, awaited, vectors })
    }
}

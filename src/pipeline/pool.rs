//! The thread pool for a run's steps, started when first needed: starting it takes a thirtieth of a
//! run that finds nothing changed.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::Error;
use crate::support::process_limit;

type Start = Box<dyn FnOnce() -> Result<Threads, String> + Send>;

/// How long a thread rests before it checks again whether a processor is free.
const REST: Duration = Duration::from_millis(2);

/// A pool that starts when it is first needed.
pub struct Pool(LazyLock<Result<Threads, String>, Start>);

impl Pool {
    /// Returns a pool that `start` starts when needed; it may fail with a reason.
    pub fn new(start: impl FnOnce() -> io::Result<ThreadPool> + Send + 'static) -> Self {
        Self(LazyLock::new(Box::new(|| match start() {
            Ok(pool) => Ok(Threads { pool, steps: 0.into(), taken: 0.into() }),
            Err(error) => Err(process_limit::explain(&error)),
        })))
    }

    /// Returns the pool's threads; fails if they could not be started.
    pub fn get(&self) -> Result<&Threads, Error> {
        let refused = |reason: &String| Error::Threads { what: "the pool", reason: reason.clone() };
        self.0.as_ref().map_err(refused)
    }
}

/// The threads of a pool, one for each processor.
///
/// A commit, on a thread of its own, takes about as long as everything else that is done for its
/// batch. While it lasts, one of these threads rests: more active threads than processors would
/// evict each other's caches and slow everything down, most of all the commit, which the others
/// wait for in the end.
pub struct Threads {
    pool: ThreadPool,
    /// Steps under way.
    steps: AtomicUsize,
    /// Processors that threads outside of the pool use.
    taken: AtomicUsize,
}

impl Threads {
    /// Returns the results of `step` for `items`, in their order. A step must not use the pool
    /// itself.
    pub fn map<T: Send, R: Send, C: FromParallelIterator<R> + Send>(
        &self,
        items: impl IntoParallelIterator<Item = T>,
        step: impl Fn(T) -> R + Send + Sync,
    ) -> C {
        let items = items.into_par_iter().map(|item| {
            let _under_way = self.begin_step();
            step(item)
        });
        self.pool.install(|| items.collect())
    }

    /// Returns the results of `step` for `items`, in their order, with at most `at_once` of them
    /// running at the same time. A step must not use the pool itself.
    ///
    /// No thread waits for its turn: inside a step that waits for the pool, it would wait forever.
    pub fn map_at_most<T: Sync, R: Send>(
        &self,
        at_once: usize,
        items: &[T],
        step: impl Fn(&T) -> R + Send + Sync,
    ) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let lane = |_| {
            let mut results = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return results };
                let _under_way = self.begin_step();
                results.push((index, step(item)));
            }
        };
        let lanes = at_once.clamp(1, self.count()).min(items.len());
        let lanes = (0..lanes).into_par_iter().with_max_len(1).map(lane);
        let mut results = self.pool.install(|| lanes.flatten_iter().collect::<Vec<_>>());
        results.sort_unstable_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Does `work` on the pool and `own` on this thread.
    pub fn beside<A: Send, B>(
        &self,
        work: impl FnOnce() -> A + Send,
        own: impl FnOnce() -> B,
    ) -> (A, B) {
        let mut worked = None;
        let done = self.pool.in_place_scope(|scope| {
            scope.spawn(|_| worked = Some(work()));
            own()
        });
        (worked.expect("the scope ends when its work is done"), done)
    }

    /// Returns the number of threads.
    pub fn count(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Does both on the pool, in parallel if two threads are idle.
    pub fn join<A: Send, B: Send>(
        &self,
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        self.pool.join(one, other)
    }

    /// Reserves a processor for this thread, which is not one of the pool's, if there are at least
    /// two.
    pub fn take_processor(&self) -> InUse<'_> {
        self.taken.fetch_add(1, Ordering::Relaxed);
        InUse(&self.taken)
    }

    /// Waits for a processor; one step may always run.
    fn begin_step(&self) -> InUse<'_> {
        let processors = self.pool.current_num_threads();
        let begin = |steps: usize| {
            let taken = self.taken.load(Ordering::Relaxed);
            (steps == 0 || steps + taken < processors).then_some(steps + 1)
        };
        while self.steps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin).is_err() {
            thread::sleep(REST);
        }
        InUse(&self.steps)
    }
}

/// A processor that is in use until this is dropped.
pub struct InUse<'a>(&'a AtomicUsize);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn pool(threads: usize) -> Pool {
        Pool::new(move || {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
            builder.build().map_err(io::Error::other)
        })
    }

    #[test]
    fn a_thread_rests_while_its_processor_is_taken() {
        let pool = pool(2);
        let threads = pool.get().expect("two threads are available");
        let under_way = || {
            let step = |_| {
                thread::sleep(Duration::from_micros(200));
                threads.steps.load(Ordering::Relaxed)
            };
            threads.map::<_, _, Vec<_>>(0..50, step).into_iter().max()
        };
        let taken = threads.take_processor();
        assert_eq!(under_way(), Some(1));
        drop(taken);
        // Neither ends before the other has begun.
        let both = Barrier::new(2);
        threads.map::<_, _, Vec<_>>(0..2, |_| both.wait().is_leader());
    }

    #[test]
    fn no_more_steps_are_under_way_than_are_allowed() {
        let pool = pool(4);
        let threads = pool.get().expect("four threads start");
        let items: Vec<usize> = (0..200).collect();
        for (at_once, most) in [(0, 1), (1, 1), (2, 2), (usize::MAX, 4)] {
            let under_way = AtomicUsize::new(0);
            let step = |&item: &usize| {
                let count = under_way.fetch_add(1, Ordering::Relaxed) + 1;
                thread::yield_now();
                under_way.fetch_sub(1, Ordering::Relaxed);
                assert!(count <= most, "{count} of {most}");
                item
            };
            assert_eq!(threads.map_at_most(at_once, &items, step), items);
        }
        assert_eq!(threads.map_at_most(2, &[], |item: &usize| *item), Vec::<usize>::new());
    }

    #[test]
    fn the_only_thread_never_rests() {
        let pool = pool(1);
        let threads = pool.get().expect("a thread is available");
        let _taken = threads.take_processor();
        assert_eq!(threads.map::<_, _, Vec<_>>(0..3, |item| 2 * item), [0, 2, 4]);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            threads.map::<_, _, Vec<()>>(0..1, |_| panic!("a step that fails"));
        }));
        assert!(panicked.is_err());
        assert_eq!(threads.steps.load(Ordering::Relaxed), 0);
    }
}

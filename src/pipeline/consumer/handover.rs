//! The order of queued work for the consumer, so that each range is processed exactly once.
//!
//! A queued range is in the file, and usually also arrives from the producer's thread with its
//! texts. `tests/it/handover.rs` tests every interleaving of the two threads.

/// Processes first what was queued up to `waiting`, then each of `arriving`, then the rest of the
/// queue.
///
/// `waiting` is the end of the queue *before* the producer started: what it queues also arrives,
/// and would be processed twice. `arriving` ends when the producer is finished; only then is the
/// queue read for the last time, or the end of it would be left.
pub fn in_order<Position, Work, Error>(
    waiting: Option<Position>,
    arriving: impl IntoIterator<Item = Work>,
    mut work_off: impl FnMut(Option<Position>) -> Result<(), Error>,
    mut process: impl FnMut(Work) -> Result<(), Error>,
) -> Result<(), Error> {
    if waiting.is_some() {
        work_off(waiting)?;
    }
    for work in arriving {
        process(work)?;
    }
    work_off(None)
}

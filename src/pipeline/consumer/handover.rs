//! The order in which queued work comes to the consumer, so that each range is done exactly once.
//!
//! A queued range is in the file, and most often comes from the producer's thread as well, with its
//! texts. `tests/it/handover.rs` tries every interleaving of the two threads.

/// Does first what was queued up to `waiting`, then each of `arriving`, then whatever the queue
/// still holds.
///
/// `waiting` is the end of the queue *before* the producer started: what it queues arrives, too,
/// and would be done twice. `arriving` ends when the producer is done; only then may the queue be
/// read for the last time, or what it queued at the end would be left there.
pub fn in_order<Place, Work, Error>(
    waiting: Option<Place>,
    arriving: impl IntoIterator<Item = Work>,
    mut work_off: impl FnMut(Option<Place>) -> Result<(), Error>,
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

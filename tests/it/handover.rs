//! Every interleaving of producer and consumer, tried by loom: each queued range is processed
//! exactly once, and an error of one side ends the other.
//!
//! The order of the consumer's work is the program's own ([`in_order`]); the queue, the channel of
//! bounded length and the stop signal are models of those in `kb`, `std::sync::mpsc` and
//! `support::checkpoint`.

use std::collections::VecDeque;

use kbingest::pipeline::consumer::handover::in_order;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Batches that the producer queues.
const BATCHES: usize = 2;
/// Limit on the batches in the channel.
const CHANNEL: usize = 1;

/// The state shared by both threads.
struct Shared {
    /// How often each range was processed; 0 while it waits.
    queue: Mutex<Vec<Row>>,
    channel: Mutex<Channel>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    is_done: bool,
    attempts: usize,
}

#[derive(Default)]
struct Channel {
    batches: VecDeque<usize>,
    has_sender: bool,
    has_receiver: bool,
}

struct Stopped;

/// The step at which one side fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    Nobody,
    /// After its first batch is queued, before it is sent: as at a checkpoint.
    Producer,
    /// At the first batch.
    Consumer,
}

impl Shared {
    fn new(waiting: usize) -> Self {
        let channel = Channel { has_sender: true, has_receiver: true, ..Channel::default() };
        Self {
            queue: Mutex::new(vec![Row::default(); waiting]),
            channel: Mutex::new(channel),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        }
    }

    fn reached(&self) -> Result<(), Stopped> {
        if self.stop.load(Ordering::Acquire) { Err(Stopped) } else { Ok(()) }
    }

    fn enqueue(&self) -> usize {
        let mut queue = self.queue.lock().unwrap();
        queue.push(Row::default());
        queue.len() - 1
    }

    /// Waits while the channel is full; fails when the receiver is gone.
    fn send(&self, batch: usize) -> Result<(), Stopped> {
        let mut channel = self.channel.lock().unwrap();
        while channel.has_receiver && channel.batches.len() == CHANNEL {
            channel = self.changed.wait(channel).unwrap();
        }
        if !channel.has_receiver {
            return Err(Stopped);
        }
        channel.batches.push_back(batch);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for a batch; `None` when the producer is gone and none is left.
    fn receive(&self) -> Option<usize> {
        let mut channel = self.channel.lock().unwrap();
        while channel.has_sender && channel.batches.is_empty() {
            channel = self.changed.wait(channel).unwrap();
        }
        let batch = channel.batches.pop_front();
        self.changed.notify_all();
        batch
    }

    fn hang_up(&self, end: impl FnOnce(&mut Channel)) {
        end(&mut self.channel.lock().unwrap());
        self.changed.notify_all();
    }

    fn process(&self, row: usize) {
        let mut queue = self.queue.lock().unwrap();
        queue[row].attempts += 1;
        queue[row].is_done = true;
    }

    /// Processes waiting rows, up to the row `up_to` or to the end.
    fn work_off(&self, up_to: Option<usize>) -> Result<(), Stopped> {
        loop {
            self.reached()?;
            let next = {
                let queue = self.queue.lock().unwrap();
                let end = up_to.map_or(queue.len(), |last| last + 1);
                queue[..end].iter().position(|row| !row.is_done)
            };
            let Some(row) = next else { return Ok(()) };
            self.process(row);
        }
    }
}

/// Crawls nothing, queues and hands over, like `workers::producer` and `pipeline::producer`.
fn produce(shared: &Shared, failing: Failing) -> Result<(), Stopped> {
    let result = (0..BATCHES).try_for_each(|_| {
        shared.reached()?;
        let batch = shared.enqueue();
        if failing == Failing::Producer {
            return Err(Stopped);
        }
        shared.send(batch)
    });
    if result.is_err() {
        shared.stop.store(true, Ordering::Release);
    }
    shared.hang_up(|channel| channel.has_sender = false);
    result
}

fn consume(shared: &Shared, waiting: Option<usize>, failing: Failing) -> Result<(), Stopped> {
    let arriving = std::iter::from_fn(|| shared.receive());
    let result = in_order(
        waiting,
        arriving,
        |up_to| shared.work_off(up_to),
        |batch| {
            shared.reached()?;
            if failing == Failing::Consumer {
                return Err(Stopped);
            }
            shared.process(batch);
            Ok(())
        },
    );
    if result.is_err() {
        shared.stop.store(true, Ordering::Release);
    }
    shared.hang_up(|channel| channel.has_receiver = false);
    result
}

/// Runs both sides in every order; `check` sees how they ended and the state of each row.
fn check(waiting: usize, failing: Failing, check: fn([bool; 2], &[Row])) {
    loom::model(move || {
        let shared = Arc::new(Shared::new(waiting));
        let last = waiting.checked_sub(1);
        let producer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || produce(&shared, failing).is_ok())
        };
        let consumed = consume(&shared, last, failing).is_ok();
        let produced = producer.join().unwrap();
        check([produced, consumed], &shared.queue.lock().unwrap());
    });
}

#[test]
fn what_is_queued_is_done_exactly_once() {
    for waiting in [0, 1] {
        check(waiting, Failing::Nobody, |ended, rows| {
            assert_eq!(ended, [true, true]);
            assert!(rows.iter().all(|row| *row == Row { is_done: true, attempts: 1 }), "{rows:?}");
        });
    }
}

/// Loom itself checks that no thread waits forever.
#[test]
fn an_error_of_one_side_ends_the_other() {
    check(0, Failing::Consumer, |[_, consumed], rows| {
        assert!(!consumed);
        assert!(rows.iter().all(|row| !row.is_done), "{rows:?}");
    });
    check(1, Failing::Producer, |[produced, _], rows| {
        assert!(!produced && rows.len() == 2, "{rows:?}");
        assert!(rows.iter().all(|row| row.attempts <= 1), "{rows:?}");
    });
}

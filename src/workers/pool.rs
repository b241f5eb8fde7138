//! Starts the threads of the pool: as many as are wanted, or as many as the system gives.

use std::error::Error as _;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle, available_parallelism};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::persistently;
use crate::support::process_limit;

/// Threads that a run starts after those of the pool: the producer's, and the one for `cancel`.
const OTHERS: usize = 2;

/// Starts a pool of `wanted` threads (0 means one per processor), or of half as many and so on,
/// down to one, if the system refuses more. Leaves room for the threads that follow.
pub fn start(wanted: usize) -> io::Result<ThreadPool> {
    let wanted = match wanted {
        0 => available_parallelism().map_or(1, usize::from),
        wanted => wanted,
    };
    let mut count = wanted;
    loop {
        let built = match count {
            // Rayon does not wait for the threads of the attempt before, which still count.
            1 => persistently(|| leaving_room(1)),
            count => leaving_room(count),
        };
        match built {
            Err(error) if count > 1 && process_limit::is_refusal(&error) => count /= 2,
            Ok(pool) => {
                if count < wanted {
                    tracing::warn!(wanted, started = count, "the system refuses more threads");
                }
                return Ok(pool);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Starts a pool of `count` threads; fails if [`OTHERS`] more cannot be started.
fn leaving_room(count: usize) -> io::Result<ThreadPool> {
    let room = (0..OTHERS).map(|_| Place::take()).collect::<io::Result<Vec<_>>>()?;
    let pool = build(count);
    drop(room);
    pool
}

fn build(count: usize) -> io::Result<ThreadPool> {
    let name = |index| format!("kbingest-{index}");
    let built = ThreadPoolBuilder::new().num_threads(count).thread_name(name).build();
    built.map_err(|error| {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause.and_then(io::Error::raw_os_error) {
            Some(number) => io::Error::from_raw_os_error(number),
            None => io::Error::other(error.to_string()),
        }
    })
}

/// A thread that does nothing and ends when this is dropped.
struct Place(Option<(Sender<()>, JoinHandle<()>)>);

impl Place {
    fn take() -> io::Result<Self> {
        let (end, wait) = channel();
        let thread = Builder::new().spawn(move || {
            let _ = wait.recv();
        })?;
        Ok(Self(Some((end, thread))))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

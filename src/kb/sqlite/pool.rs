//! A few connections that read one file, lent to the threads that ask.
//!
//! The first one is opened with its reader. Others follow when a thread finds all of them lent, up
//! to a limit; then threads wait. A connection goes back to the pool when its borrower is done,
//! also by a panic.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::guard::Watch;
use super::index::LanguageCache;
use super::unchanged::Unchanged;
use crate::kb::KbError;

/// A connection that only reads.
pub struct ReadConnection {
    /// The connection, with caches of its own.
    pub connection: Connection,
    /// Ends what reads for too long.
    pub watch: Watch,
    /// The languages of the index, as far as they are known.
    pub languages: LanguageCache,
    /// The state of the file that it assumes not to change; `None` if SQLite notices changes.
    pub assumed: Option<Unchanged>,
}

impl ReadConnection {
    /// Watches over `connection`, which is set up.
    pub fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        let watch = Watch::over(&mut connection)?;
        Ok(Self { connection, watch, languages: LanguageCache::default(), assumed: None })
    }
}

/// The connections of one reader.
pub struct Pool {
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    idle: Vec<ReadConnection>,
    /// Idle and lent ones.
    open: usize,
    open_max: usize,
}

impl Pool {
    /// Makes a pool of `first`, to which others are added until there are `open_max`.
    pub fn new(first: ReadConnection, open_max: usize) -> Self {
        let state = State { idle: vec![first], open: 1, open_max };
        Self { state: Mutex::new(state), returned: Condvar::new() }
    }

    /// Lends a connection: the one returned last, whose caches are warm; or what `open` opens; or
    /// the next one that is returned.
    ///
    /// If `open` fails, for lack of file descriptors or because the file was replaced, the pool
    /// does not grow: the first connection always exists, and reads the file that it has open.
    pub fn borrow(&self, open: impl FnOnce() -> Result<ReadConnection, KbError>) -> Borrowed<'_> {
        let mut state = self.lock();
        if state.idle.is_empty() && state.open < state.open_max {
            state.open += 1;
            drop(state);
            let opened = open();
            if let Ok(connection) = opened {
                return self.lend(connection);
            }
            state = self.lock();
            state.open -= 1;
            state.open_max = state.open;
        }
        loop {
            if let Some(connection) = state.idle.pop() {
                return self.lend(connection);
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lend(&self, connection: ReadConnection) -> Borrowed<'_> {
        Borrowed { pool: self, lent: Some(connection) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection until it is returned to its pool.
pub struct Borrowed<'a> {
    pool: &'a Pool,
    /// `None` only while it is dropped.
    lent: Option<ReadConnection>,
}

impl Deref for Borrowed<'_> {
    type Target = ReadConnection;

    fn deref(&self) -> &ReadConnection {
        self.lent.as_ref().expect("it is taken by drop alone")
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut ReadConnection {
        self.lent.as_mut().expect("it is taken by drop alone")
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        // A panic in a transaction rolled it back on the way out: the connection is sound.
        if let Some(connection) = self.lent.take() {
            self.pool.lock().idle.push(connection);
            self.pool.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn connection() -> Result<ReadConnection, KbError> {
        Ok(ReadConnection::new(Connection::open_in_memory()?)?)
    }

    /// Borrows from `threads` threads again and again; returns how many connections were opened
    /// after the first.
    fn opened(open_max: usize, threads: usize, is_possible: bool) -> usize {
        let pool = Pool::new(connection().unwrap(), open_max);
        let (opened, lent) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let open = || {
            opened.fetch_add(1, Ordering::SeqCst);
            if is_possible { connection() } else { Err(KbError::Busy) }
        };
        let barrier = Barrier::new(threads);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..200 {
                        let one = pool.borrow(open);
                        assert!(lent.fetch_add(1, Ordering::SeqCst) < open_max);
                        one.connection.query_row("SELECT 1", [], |_| Ok(())).unwrap();
                        lent.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let state = pool.lock();
        assert_eq!(state.idle.len(), state.open);
        opened.into_inner()
    }

    #[test]
    fn connections_are_opened_as_needed_up_to_the_limit() {
        assert_eq!(opened(4, 1, true), 0);
        assert!(opened(3, 8, true) <= 2);
        assert_eq!(opened(1, 8, true), 0);
    }

    #[test]
    fn all_borrowed_at_once_are_different_connections() {
        let pool = Pool::new(connection().unwrap(), 3);
        let all = [(); 3].map(|()| pool.borrow(connection));
        assert_eq!(pool.lock().open, 3);
        drop(all);
        assert_eq!(pool.lock().idle.len(), 3);
    }

    #[test]
    fn a_pool_that_cannot_grow_serves_everybody_with_what_it_has() {
        assert!(opened(4, 8, false) <= 3);
    }

    #[test]
    fn a_panic_returns_the_connection() {
        let pool = Pool::new(connection().unwrap(), 1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _borrowed = pool.borrow(connection);
            panic!("while it is borrowed");
        }));
        assert!(panicked.is_err());
        pool.borrow(connection).connection.query_row("SELECT 1", [], |_| Ok(())).unwrap();
    }
}

//! The threads that send requests to web sites: a few for each batch of pages.

use std::io;
use std::thread::{self, Builder};

use super::persistently;
use crate::support::panics::panic_message;

/// Runs `work` on `count` threads, or on as many as the system gives, and joins them; fails if it
/// gives none, or if one panics.
pub fn fetch(count: usize, work: &(dyn Fn() + Sync)) -> io::Result<()> {
    thread::scope(|scope| {
        let start = || Builder::new().name("kbingest-fetch".to_owned()).spawn_scoped(scope, work);
        let mut threads = Vec::with_capacity(count);
        if count > 0 {
            threads.push(persistently(start)?);
        }
        // Fewer threads take longer.
        threads.extend((1..count).map_while(|_| start().ok()));
        for thread in threads {
            let ended = thread.join();
            ended.map_err(|panic| io::Error::other(panic_message(&*panic)))?;
        }
        Ok(())
    })
}

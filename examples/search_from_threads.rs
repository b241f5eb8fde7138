//! Searches one knowledge base from one thread, then from several at the same time, and prints how
//! many searches each way finishes in a second:
//!
//! ```sh
//! cargo run --release --example search_from_threads -- handbook.kb "who may restart a host?" 2
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kbingest::{Error as SearchError, Query, SearchMode, Searcher, Show, Target};

/// How long each number of threads searches.
const ROUND: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a knowledge base or its kb.toml")?;
    let text = arguments.next().unwrap_or_else(|| "how do I undo a release?".to_owned());
    let threads = arguments.next().map_or(Ok(2), |count| count.parse())?;
    let target = Target::open(Path::new(&path))?;
    // One searcher is opened once and serves every thread, for as long as the program runs.
    let searcher = kbingest::open_searcher(&target, SearchMode::Hybrid)?;
    for warning in searcher.warnings() {
        eprintln!("{warning}");
    }
    for mode in SearchMode::ALL {
        let query = Query { show: Show { mode, ..Show::default() }, ..Query::new(&text) };
        // The first searches open connections and fill caches.
        searches_per_second(&searcher, &query, threads)?;
        let alone = searches_per_second(&searcher, &query, 1)?;
        let together = searches_per_second(&searcher, &query, threads)?;
        let mode = mode.as_str();
        println!("{mode:7} 1 thread {alone:8.0}/s, {threads} threads {together:8.0}/s");
    }
    Ok(())
}

/// Searches from `threads` threads for the length of a round.
fn searches_per_second(
    searcher: &Searcher,
    query: &Query,
    threads: usize,
) -> Result<f64, SearchError> {
    let finished = AtomicUsize::new(0);
    let since = Instant::now();
    let search = || {
        while since.elapsed() < ROUND {
            searcher.search(query)?;
            finished.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), SearchError>(())
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        started.into_iter().try_for_each(|thread| thread.join().expect("a search does not panic"))
    })?;
    Ok(finished.into_inner() as f64 / since.elapsed().as_secs_f64())
}

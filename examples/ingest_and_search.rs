//! Builds a knowledge base and asks it a question, through the library alone:
//!
//! ```sh
//! cargo run --release --example ingest_and_search -- examples/handbook/kb.toml "who may restart a host?"
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kbingest::config::Config;
use kbingest::kb::{Hit, Query, SearchMode, Show};
use kbingest::operations::{self, IngestOptions, Session, Target};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::Silent;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "examples/handbook/kb.toml".to_owned());
    let query = arguments.next().unwrap_or_else(|| "how do I undo a release?".to_owned());
    let config = Config::load(Path::new(&path))?;
    for hit in ingest_and_search(config, &query)? {
        let place = format!("{}:{}-{}", hit.uri, hit.start_line, hit.end_line);
        println!("{:.3}  {place}  {}", hit.score, hit.heading_path);
    }
    Ok(())
}

/// Brings the knowledge base of `config` up to date and returns the best three passages for `query`.
pub fn ingest_and_search(config: Config, query: &str) -> Result<Vec<Hit>, Box<dyn Error>> {
    // `stop.request()` from another thread ends the run at its next checkpoint; an `EventSink` of your
    // own is told how it goes.
    let stop = Arc::new(StopSignal::default());
    let session = Session { stop, events: &Silent, hook: None };
    let report = operations::ingest(&config, &IngestOptions::default(), &session)?;
    report.ended?;
    // A document that cannot be read does not stop the run: its last good version stays searchable.
    for failure in &report.failures {
        eprintln!("{}: {}", failure.uri, failure.error);
    }
    let options = Query {
        show: Show { limit: 3, mode: SearchMode::Hybrid, ..Show::default() },
        ..Query::new(query)
    };
    Ok(operations::search(&Target::Config(Box::new(config)), &options)?.hits)
}

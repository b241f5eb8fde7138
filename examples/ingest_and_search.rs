//! Builds a knowledge base and asks it a question, through the library alone:
//!
//! ```sh
//! cargo run --release --example ingest_and_search -- \
//!     examples/handbook/kb.toml "who may restart a host?"
//! ```

use std::error::Error;
use std::path::Path;

use kbingest::{Config, Hit, IngestOptions, Query, Session, Show, Target};

fn main() -> Result<(), Box<dyn Error>> {
    // Before anything else: PDF, Office and mail files are then read in a child process, which is
    // this program started again.
    kbingest::serve_if_asked();

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

/// Brings the knowledge base of `config` up to date and returns the best three passages for `text`.
pub fn ingest_and_search(config: Config, text: &str) -> Result<Vec<Hit>, Box<dyn Error>> {
    let report = kbingest::ingest(&config, &IngestOptions::default(), &Session::default())?;
    // A document that cannot be read does not stop the run: its last good version stays searchable.
    for failure in &report.failures {
        eprintln!("{}: {}", failure.uri, failure.error);
    }
    report.ended?;
    let query = Query { show: Show { limit: 3, ..Show::default() }, ..Query::new(text) };
    Ok(kbingest::search(&Target::from(config), &query)?.hits)
}

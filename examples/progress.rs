//! Follows a run through an event sink of its own, and stops it at its next checkpoint on Ctrl-C:
//!
//! ```sh
//! cargo run --release --example progress -- examples/handbook/kb.toml
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use kbingest::{Config, Event, EventSink, IngestOptions, Session, StopSignal};

fn main() -> Result<(), Box<dyn Error>> {
    // Before anything else: PDF, Office and mail files are then read in a child process, which is
    // this program started again.
    kbingest::serve_if_asked();

    let path = std::env::args().nth(1).unwrap_or_else(|| "examples/handbook/kb.toml".to_owned());
    let config = Config::load(Path::new(&path))?;
    let stop = Arc::new(StopSignal::default());
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.request())?;
    let session = Session { stop, events: &Printer, ..Session::default() };
    let report = kbingest::ingest(&config, &IngestOptions::default(), &session)?;
    match &report.ended {
        Ok(completed) => println!("{completed:?} after {:.1} s", report.seconds),
        // Nothing is lost: the next run continues.
        Err(error) => println!("ended early: {}", kbingest::chain(error)),
    }
    std::process::exit(report.exit_code.into());
}

/// Prints what happens. Several threads call it.
struct Printer;

impl EventSink for Printer {
    fn emit(&self, event: &Event<'_>) {
        match event {
            Event::Saved { run } => println!(
                "{:3.0} %: {} documents, {} chunks embedded",
                run.progress_percent, run.metrics.documents_crawled, run.metrics.chunks_stored
            ),
            Event::Failed { failure } => println!("{}: {}", failure.uri, failure.error),
            Event::Warning { message } => println!("warning: {message}"),
            _ => {}
        }
    }
}

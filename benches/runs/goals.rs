//! The lines of the table: what is measured, and what it should come to.

use std::error::Error;
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use kbingest::config::Config;
use kbingest::kb::SearchMode;
use kbingest::operations::{self, SearchOptions, Target};

use crate::clock::{children_cpu_seconds, cpu_seconds};
use crate::floors::{self, Floor};
use crate::{Usage, corpus, run};

/// Runs of which the cheapest counts: others disturb, nobody helps.
const REPEATS: usize = 5;
/// One document in so many is edited.
const EDITED: usize = 100;
/// Starts of the program that are measured together, as one is too short for the clock.
const STARTS: usize = 20;
/// Bytes of the model inside the program.
const MODEL_BYTES: u64 = 4_400_000;

const QUERIES: [&str; 8] = [
    "how does the first world system work",
    "state of the city after the war",
    "music band record of the year",
    "which family had a house by the river",
    "government service in the south",
    "long game season and team",
    "small group of people",
    "national school program",
];

/// One line.
struct Line {
    what: String,
    value: f64,
    /// The value should be at most this, or at least where it is negative.
    goal: f64,
    unit: &'static str,
}

/// The floors and the table.
pub struct Measured {
    corpus_bytes: u64,
    documents: usize,
    floors: Vec<Floor>,
    full: Usage,
    lines: Vec<Line>,
}

/// Measures every line on the documents in `docs`.
pub fn measure(docs: &Path, toml: &Path, scratch: &Path) -> Result<Measured, Box<dyn Error>> {
    let files = floors::walk(docs);
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let corpus_bytes: u64 = files.iter().map(|file| size(file)).sum();
    let megabytes = corpus_bytes as f64 / 1e6;
    let floors = floors::measure(docs, scratch)?;
    let floor: f64 = floors.iter().map(|(_, seconds)| seconds).sum();
    let mut lines = Vec::new();
    let mut line = |what: &str, value: f64, goal: f64, unit| {
        lines.push(Line { what: what.to_owned(), value, goal, unit });
    };

    let full = run(toml)?;
    line("full ingest, CPU / sum of the floors", full.cpu_seconds / floor, 1.5, "");
    line("full ingest, MB per CPU second", megabytes / full.cpu_seconds, -20.0, "MB");
    line("full ingest, wall / (CPU / 2)", full.wall_seconds / (full.cpu_seconds / 2.0), 1.35, "");
    if let Some(written) = full.written_bytes {
        line("bytes written / bytes of the corpus", written as f64 / corpus_bytes as f64, 4.0, "");
    }
    if let Some(rss) = full.rss_bytes {
        line("peak memory, full ingest", rss as f64 / 1e6, 128.0, "MB");
    }

    let unchanged = cheapest(|| Ok(run(toml)?.cpu_seconds))?;
    let walk = cheapest(|| {
        let before = cpu_seconds();
        std::hint::black_box(floors::walk(docs));
        Ok(cpu_seconds() - before)
    })?;
    line("nothing changed, CPU / `ignore`'s walk with metadata", unchanged / walk, 1.5, "");
    let kb = scratch.join("kb.kb");
    let before = size(&kb);
    let changed = corpus::edit(&files, EDITED)?;
    let edited = run(toml)?.cpu_seconds;
    line("1 % edited, CPU / nothing changed", edited / unchanged, 2.0, "");
    let growth = size(&kb).saturating_sub(before) as f64;
    line("1 % edited, growth of the file / changed bytes", growth / changed as f64, 2.0, "");

    let target = Target::Config(Box::new(Config::load(toml)?));
    line("hybrid query, median, warm process", median_ms(&target, SearchMode::Hybrid)?, 30.0, "ms");
    line("text query, median, warm process", median_ms(&target, SearchMode::Text)?, 10.0, "ms");
    let program = Path::new(env!("CARGO_BIN_EXE_kbingest"));
    let toml = toml.to_string_lossy();
    let wall = |arguments: &[&str]| {
        let since = Instant::now();
        start(program, arguments).map(|()| since.elapsed().as_secs_f64() * 1e3)
    };
    let search = ["search", &toml, QUERIES[0]];
    line("hybrid query, whole process", cheapest(|| wall(&search))?, 80.0, "ms");
    for (what, arguments) in [("--help", &["--help"][..]), ("status", &["status", &toml])] {
        if let Some(before) = children_cpu_seconds() {
            (0..STARTS).try_for_each(|_| start(program, arguments))?;
            let used = children_cpu_seconds().unwrap_or(before) - before;
            line(&format!("kbingest {what}, CPU"), used * 1e3 / STARTS as f64, 10.0, "ms");
        }
    }
    let without_model = size(program).saturating_sub(MODEL_BYTES) as f64 / 1e6;
    line("program without the model", without_model, 15.0, "MB");
    Ok(Measured { corpus_bytes, documents: files.len(), floors, full, lines })
}

fn cheapest(mut work: impl FnMut() -> Result<f64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    (0..REPEATS).try_fold(f64::INFINITY, |least, _| Ok(work()?.min(least)))
}

fn start(program: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{arguments:?}: {status}").into()) }
}

fn median_ms(target: &Target, mode: SearchMode) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::new();
    for query in QUERIES.iter().cycle().take(QUERIES.len() * REPEATS) {
        let options = SearchOptions {
            query: (*query).to_owned(),
            limit: 10,
            mode,
            ..SearchOptions::default()
        };
        let since = Instant::now();
        operations::search(target, &options)?;
        times.push(since.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

impl Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.corpus_bytes as f64 / 1e6;
        writeln!(f, "{} documents, {megabytes:.1} MB\n", self.documents)?;
        writeln!(f, "| floor | CPU s |\n| --- | ---: |")?;
        for (name, seconds) in &self.floors {
            writeln!(f, "| {name} | {seconds:.2} |")?;
        }
        let sum: f64 = self.floors.iter().map(|(_, seconds)| seconds).sum();
        writeln!(f, "| sum | {sum:.2} |\n| full ingest | {:.2} |\n", self.full.cpu_seconds)?;
        writeln!(f, "| what | goal | value | |\n| --- | ---: | ---: | --- |")?;
        for Line { what, value, goal, unit } in &self.lines {
            let (sign, is_reached) =
                if *goal < 0.0 { ('≥', *value >= -goal) } else { ('≤', value <= goal) };
            let verdict = if is_reached { "reached" } else { "missed" };
            let goal = goal.abs();
            writeln!(f, "| {what} | {sign} {goal} {unit} | {value:.2} {unit} | {verdict} |")?;
        }
        Ok(())
    }
}

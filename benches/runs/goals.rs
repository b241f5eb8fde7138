//! The lines of the table: what is measured, and its goal.

use std::error::Error;
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use kbingest::config::Config;
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use rusqlite::Connection;

use crate::clock::children_cpu_seconds;
use crate::floors::{self, Floor};
use crate::store::{self, Stored};
use crate::{TOML, Usage, corpus, run, walk};

/// Runs after an edit that are added up, and whole processes of which the fastest counts: others
/// only make them slower.
const REPEATS: usize = 5;
/// First runs, each measured beside the floors: on a shared machine the next minute is different.
const FIRST_RUNS: usize = 3;
/// Runs of a few hundredths of a second that are added up, alternating with what they are compared
/// with.
const TURNS: usize = 20;
/// One document in this many is edited.
const EDITED: usize = 100;
/// Starts of the program that are measured together, as one is too short for the clock.
const STARTS: usize = 20;
/// The files of the model inside the program.
const MODEL_FILES: [&str; 2] = ["model.bin", "vocab.txt"];

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
    goal: Goal,
    unit: &'static str,
}

/// The goal of a value.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

use Goal::{AtLeast, AtMost};

/// The floors and the table.
pub struct Measured {
    corpus_bytes: u64,
    documents: usize,
    floors: Vec<Floor>,
    full: Usage,
    lines: Vec<Line>,
}

/// Measures every line on the documents in `docs`, and on `large_mb` of Markdown if requested.
pub fn measure(
    docs: &Path,
    scratch: &Path,
    large_mb: Option<u64>,
) -> Result<Measured, Box<dyn Error>> {
    let files = floors::walk(docs);
    let corpus_bytes: u64 = files.iter().map(|file| size(file)).sum();
    let toml = scratch.join(TOML);
    let (floors, full) = first_runs(docs, scratch)?;
    let floor: f64 = floors.iter().map(|(_, seconds)| seconds).sum();
    let mut lines = Vec::new();
    first_run(&mut lines, &full, corpus_bytes, floor);
    storing(&mut lines, &store::measure(docs, &files, scratch)?);
    if let Some(large_mb) = large_mb {
        growing(&mut lines, &full, corpus_bytes, &scratch.join("large"), large_mb)?;
    }
    later_runs(&mut lines, docs, scratch)?;
    let target = Target::Config(Box::new(Config::load(&toml)?));
    searches(&mut lines, &target)?;
    processes(&mut lines, &toml)?;
    Ok(Measured { corpus_bytes, documents: files.len(), floors, full, lines })
}

fn line(lines: &mut Vec<Line>, what: &str, value: f64, goal: Goal, unit: &'static str) {
    lines.push(Line { what: what.to_owned(), value, goal, unit });
}

/// Returns the means of floors and of first runs, measured in turn.
fn first_runs(docs: &Path, scratch: &Path) -> Result<(Vec<Floor>, Usage), Box<dyn Error>> {
    let mut floors: Vec<Floor> = Vec::new();
    let mut mean = Usage::default();
    let share = 1.0 / FIRST_RUNS as f64;
    for _ in 0..FIRST_RUNS {
        let of_floors = scratch.join("floors");
        fs::create_dir(&of_floors)?;
        let measured = floors::measure(docs, &of_floors)?;
        fs::remove_dir_all(&of_floors)?;
        if floors.is_empty() {
            floors = measured.iter().map(|(name, _)| (*name, 0.0)).collect();
        }
        for ((_, mean), (_, seconds)) in floors.iter_mut().zip(measured) {
            *mean += seconds * share;
        }
        // Not there yet, the first time.
        let _ = fs::remove_file(scratch.join("kb.kb"));
        let run = run(&scratch.join(TOML))?;
        mean.cpu_seconds += run.cpu_seconds * share;
        mean.wall_seconds += run.wall_seconds * share;
        mean.written_bytes = run.written_bytes;
        mean.rss_bytes = mean.rss_bytes.max(run.rss_bytes);
    }
    Ok((floors, mean))
}

fn first_run(lines: &mut Vec<Line>, full: &Usage, corpus_bytes: u64, floor: f64) {
    let Usage { cpu_seconds, wall_seconds, rss_bytes, written_bytes } = *full;
    let megabytes = corpus_bytes as f64 / 1e6;
    line(lines, "full ingest, CPU / sum of the floors", cpu_seconds / floor, AtMost(1.5), "");
    let per_second = megabytes / cpu_seconds;
    line(lines, "full ingest, MB per CPU second", per_second, AtLeast(20.0), "MB");
    let share = wall_seconds / (cpu_seconds / 2.0);
    line(lines, "full ingest, wall / (CPU / 2)", share, AtMost(1.35), "");
    if let Some(written) = written_bytes {
        let share = written as f64 / corpus_bytes as f64;
        line(lines, "bytes written / bytes of the corpus", share, AtMost(4.0), "");
    }
    if let Some(rss) = rss_bytes {
        line(lines, "peak memory, full ingest", rss as f64 / 1e6, AtMost(128.0), "MB");
    }
}

fn storing(lines: &mut Vec<Line>, stored: &Stored) {
    let share = stored.queued_seconds / stored.straight_seconds;
    line(lines, "stored through the queue / in one transaction, CPU", share, AtMost(1.1), "");
    let longest = stored.longest_commit_seconds * 1e3;
    line(lines, "longest commit", longest, AtMost(1000.0), "ms");
}

/// The cost of a first run with ten times as much, or with the requested amount.
fn growing(
    lines: &mut Vec<Line>,
    full: &Usage,
    corpus_bytes: u64,
    scratch: &Path,
    large_mb: u64,
) -> Result<(), Box<dyn Error>> {
    corpus::make(&scratch.join("docs"), large_mb * 1_000_000)?;
    let large = run(&crate::configure(scratch)?)?;
    let growth = large_mb as f64 * 1e6 / corpus_bytes as f64;
    let cost = large.cpu_seconds / growth / full.cpu_seconds;
    line(lines, &format!("CPU per MB, {large_mb} MB / this corpus"), cost, AtMost(1.15), "");
    if let Some((large, small)) = large.rss_bytes.zip(full.rss_bytes) {
        line(
            lines,
            &format!("peak memory, {large_mb} MB"),
            large as f64 / 1e6,
            AtMost(128.0),
            "MB",
        );
        let share = large as f64 / small as f64;
        line(lines, &format!("peak memory, {large_mb} MB / this corpus"), share, AtMost(1.1), "");
    }
    fs::remove_dir_all(scratch)?;
    Ok(())
}

fn later_runs(lines: &mut Vec<Line>, docs: &Path, scratch: &Path) -> Result<(), Box<dyn Error>> {
    let (toml, kb) = (scratch.join(TOML), scratch.join("kb.kb"));
    // Both in nanoseconds, each in a process of its own. A run includes the start of its process,
    // as for every user; the walk is a floor, and does not.
    let (mut unchanged, mut walked) = (0.0, 0.0);
    for _ in 0..TURNS {
        unchanged += run(&toml)?.cpu_seconds;
        walked += walk(docs)?;
    }
    let share = unchanged / walked;
    line(lines, "nothing changed, CPU / `ignore`'s walk with metadata", share, AtMost(1.5), "");
    let files = floors::walk(docs);
    let (size_before, used_before) = (size(&kb), used_bytes(&kb)?);
    let (mut edited, mut changed) = (0.0, 0);
    // Other documents each time, so that every run finds as many changed.
    for first in 0..REPEATS {
        changed += corpus::edit(&files[first..], EDITED)?;
        edited += run(&toml)?.cpu_seconds;
    }
    let share = (edited / REPEATS as f64) / (unchanged / TURNS as f64);
    line(lines, "1 % edited, CPU / nothing changed", share, AtMost(2.0), "");
    let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / changed as f64;
    let growth = share(size(&kb), size_before);
    line(lines, "1 % edited, growth of the file / changed bytes", growth, AtMost(2.0), "");
    // A file has free pages after a merge, which hide for a while what an edit needs.
    let growth = share(used_bytes(&kb)?, used_before);
    line(lines, "1 % edited, growth of its used pages / changed bytes", growth, AtMost(2.0), "");
    Ok(())
}

fn searches(lines: &mut Vec<Line>, target: &Target) -> Result<(), Box<dyn Error>> {
    for (mode, name, goal_ms) in
        [(SearchMode::Hybrid, "hybrid", 30.0), (SearchMode::Text, "text", 10.0)]
    {
        let searcher = operations::open_searcher(target, mode)?;
        let held = median_ms(mode, |options| searcher.search(options).map(drop))?;
        line(lines, &format!("{name} query, median, all held open"), held, AtMost(goal_ms), "ms");
        let repeated = median_ms(mode, |options| operations::search(target, options).map(drop))?;
        let what = format!("{name} query, median, opened for each");
        line(lines, &what, repeated, AtMost(80.0), "ms");
    }
    // Every vector is compared: the time is proportional to the number of chunks.
    let chunks: i64 =
        Connection::open(target.kb())?
            .query_row("SELECT COUNT(*) FROM chunk", [], |row| row.get(0))?;
    let searcher = operations::open_searcher(target, SearchMode::Vector)?;
    let held = median_ms(SearchMode::Vector, |options| searcher.search(options).map(drop))?;
    let share = held * 1e5 / chunks as f64;
    line(lines, "vector query, all held open, per 100,000 chunks", share, AtMost(5.0), "ms");
    Ok(())
}

fn processes(lines: &mut Vec<Line>, toml: &Path) -> Result<(), Box<dyn Error>> {
    let program = Path::new(env!("CARGO_BIN_EXE_kbingest"));
    let toml = toml.to_string_lossy();
    let search = ["search", &toml, QUERIES[0]];
    let whole = cheapest(|| {
        let since = Instant::now();
        start(program, &search).map(|()| since.elapsed().as_secs_f64() * 1e3)
    })?;
    line(lines, "hybrid query, whole process", whole, AtMost(80.0), "ms");
    for (what, arguments) in [("--help", &["--help"][..]), ("status", &["status", &toml])] {
        if let Some(before) = children_cpu_seconds() {
            (0..STARTS).try_for_each(|_| start(program, arguments))?;
            let used = children_cpu_seconds().unwrap_or(before) - before;
            let each = used * 1e3 / STARTS as f64;
            line(lines, &format!("kbingest {what}, CPU"), each, AtMost(10.0), "ms");
        }
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/static-en-256");
    let model_bytes: u64 = MODEL_FILES.iter().map(|file| size(&model.join(file))).sum();
    let without_model = size(program).saturating_sub(model_bytes) as f64 / 1e6;
    line(lines, "program without the model", without_model, AtMost(15.0), "MB");
    Ok(())
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Returns the bytes of the pages of a knowledge base that are in use.
fn used_bytes(kb: &Path) -> rusqlite::Result<u64> {
    let connection = Connection::open(kb)?;
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        connection.pragma_query_value(None, pragma, |row| row.get(0))
    };
    let bytes = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
    Ok(bytes.unsigned_abs())
}

fn cheapest(mut work: impl FnMut() -> Result<f64, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    (0..REPEATS).try_fold(f64::INFINITY, |least, _| Ok(work()?.min(least)))
}

fn start(program: &Path, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{arguments:?}: {status}").into()) }
}

fn median_ms(
    mode: SearchMode,
    mut search: impl FnMut(&Query) -> Result<(), kbingest::error::Error>,
) -> Result<f64, Box<dyn Error>> {
    let mut times = Vec::new();
    for query in QUERIES.iter().cycle().take(QUERIES.len() * REPEATS) {
        let options =
            Query { show: Show { limit: 10, mode, ..Show::default() }, ..Query::new(*query) };
        let since = Instant::now();
        search(&options)?;
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
            let (sign, goal, is_reached) = match goal {
                AtMost(goal) => ('≤', goal, value <= goal),
                AtLeast(goal) => ('≥', goal, value >= goal),
            };
            let verdict = if is_reached { "reached" } else { "missed" };
            writeln!(f, "| {what} | {sign} {goal} {unit} | {value:.2} {unit} | {verdict} |")?;
        }
        Ok(())
    }
}

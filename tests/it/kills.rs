//! The real binary, killed at random instants, once to three times in a row, while a reader
//! watches.
//!
//! `KBINGEST_KILLS` sets the number of kills, `KBINGEST_QUERIES` the number of reads during
//! undisturbed runs; `KBINGEST_SEED` repeats a history as far as the scheduler does,
//! `KBINGEST_BINARY` names another program to run, such as a release build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use rusqlite::OpenFlags;

use crate::crash::{kill_after, run};
use crate::support::{
    Draw, Place, SETTINGS, assert_no_claims, assert_same, assert_sound, dump, from_environment,
    markdown, remove_kb, rows,
};

/// Kills in an ordinary test run.
const KILLS: u64 = 20;
/// Reads during undisturbed runs.
const QUERIES: u64 = 300;
/// Kills of one run before it may finish.
const KILLS_IN_A_ROW_MAX: usize = 3;
const DOCUMENTS: usize = 60;
/// Sections of the long document: more chunks than one queue row.
const LONG_SECTIONS: usize = 300;
/// A reader that waits this long for another process fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Documents that all contain their version, and a second kb.toml for undisturbed runs.
struct Round {
    place: Place,
    version: usize,
    /// Documents that later edits do not touch: a reader must always find each of them.
    present: BTreeSet<String>,
}

impl Round {
    fn new() -> Self {
        let place = Place::new();
        let fresh = SETTINGS.replace("kb.kb", "fresh.kb");
        std::fs::write(place.path("fresh.toml"), fresh).unwrap();
        let mut round = Self { place, version: 0, present: BTreeSet::new() };
        for number in 0..DOCUMENTS {
            round.write(number);
        }
        round
    }

    fn write(&mut self, number: usize) {
        let sections = if number == 0 { LONG_SECTIONS } else { 1 + number % 7 };
        let word = format!("version{}", self.version);
        let text = markdown((self.version * DOCUMENTS + number) as u64, sections, &word);
        self.place.write(&name(number), text);
        self.present.insert(name(number));
    }

    /// The next version: some documents are rewritten, some removed, some restored.
    fn edit(&mut self, draw: &mut Draw) {
        self.version += 1;
        for number in 0..DOCUMENTS {
            match draw.below(8) {
                0..3 => self.write(number),
                3 if self.present.len() > DOCUMENTS / 2 && self.present.remove(&name(number)) => {
                    self.place.remove(&name(number));
                }
                _ => {}
            }
        }
    }

    /// Returns the result of an undisturbed run, and how long it takes.
    fn undisturbed(&self) -> (String, Duration) {
        let kb = self.place.path("fresh.kb");
        remove_kb(&kb);
        let since = Instant::now();
        assert_eq!(run(&["ingest"], &self.place.path("fresh.toml")), Some(0));
        (dump(&kb), since.elapsed())
    }
}

fn name(number: usize) -> String {
    format!("{}/{number}.md", number % 5)
}

/// Reads the knowledge base until `is_over`; returns how often one existed.
fn read_until(is_over: &AtomicBool, kb: &Path, always: &BTreeSet<String>) -> u64 {
    let mut looks = 0;
    while !is_over.load(Ordering::Acquire) {
        // Unless a document must exist, there may not even be a file yet.
        match look(kb) {
            Ok(seen) => {
                let lost: Vec<_> = always.iter().filter(|uri| !seen.contains_key(*uri)).collect();
                assert!(lost.is_empty(), "live before the run, there, and not seen: {lost:?}");
                assert_search_sees_no_mix(kb);
                looks += 1;
            }
            Err(error) => assert!(always.is_empty(), "{error}"),
        }
    }
    looks
}

/// Returns every live document with its version; fails if one has several versions.
fn look(kb: &Path) -> rusqlite::Result<BTreeMap<String, String>> {
    let connection = rusqlite::Connection::open_with_flags(kb, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    let mut statement = connection.prepare("SELECT uri, text FROM chunks ORDER BY uri, ordinal")?;
    let mut rows = statement.query([])?;
    let mut seen = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (uri, text): (String, String) = (row.get(0)?, row.get(1)?);
        let version = version_of(&text);
        let first = seen.entry(uri).or_insert_with_key(|_| version.clone());
        assert_eq!(*first, version, "a mix of versions");
    }
    Ok(seen)
}

fn version_of(text: &str) -> String {
    let start = text.find("version").expect("every section says its version");
    text[start..].split_whitespace().next().unwrap_or_default().to_owned()
}

fn assert_search_sees_no_mix(kb: &Path) {
    let options = Query {
        show: Show { limit: 1000, mode: SearchMode::Hybrid, ..Show::default() },
        ..Query::new("river lantern copper")
    };
    let report = operations::search(&Target::File(kb.to_owned()), &options).unwrap();
    let mut seen = BTreeMap::new();
    for hit in report.hits {
        let version = version_of(&hit.text);
        assert_eq!(*seen.entry(hit.uri).or_insert(version.clone()), version, "a mix of versions");
    }
}

/// Kills one run up to [`KILLS_IN_A_ROW_MAX`] times, lets it finish, and returns the number of
/// kills that hit.
fn kill_and_recover(round: &Round, draw: &mut Draw, duration: Duration, expected: &str) -> u64 {
    let mut hits = 0;
    for number in 0..=draw.below(KILLS_IN_A_ROW_MAX) {
        let delay = duration.mul_f64(draw.below(1000) as f64 / 1000.0);
        let command = if number > 0 && draw.below(2) == 0 { "resume" } else { "ingest" };
        // A kill before the file is a knowledge base leaves nothing to resume.
        let is_resumable = round.place.kb().exists()
            && rows_or_none(&round.place.kb(), "SELECT id FROM run").is_some();
        let command = if is_resumable { command } else { "ingest" };
        hits += u64::from(kill_after(delay, &[command], &round.place));
    }
    assert_eq!(run(&["ingest"], &round.place.toml()), Some(0));
    assert_sound(&round.place.kb());
    assert_no_claims(&round.place.kb());
    assert_eq!(rows(&round.place.kb(), "SELECT * FROM queue"), Vec::<String>::new());
    assert_same(&round.place.dump(), expected, "a run that was left alone");
    hits
}

fn rows_or_none(kb: &Path, sql: &str) -> Option<usize> {
    let connection = crate::support::read_only(kb);
    let mut statement = connection.prepare(sql).ok()?;
    Some(statement.query([]).ok()?.mapped(|_| Ok(())).count())
}

/// Stops the reader, even if the test fails meanwhile.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Does `work` while a reader watches; returns how often it saw the knowledge base.
fn with_reader(kb: &Path, always: &BTreeSet<String>, work: impl FnOnce()) -> u64 {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&is_over, kb, always));
        let over = Over(&is_over);
        work();
        drop(over);
        reader.join().unwrap()
    })
}

fn draw() -> Draw {
    let seed = from_environment("KBINGEST_SEED").unwrap_or_else(|| {
        SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| u64::from(since.subsec_nanos()))
    });
    eprintln!("KBINGEST_SEED={seed}");
    Draw::new(seed)
}

#[test]
fn kills_at_random_lose_nothing() {
    let kills = from_environment("KBINGEST_KILLS").unwrap_or(KILLS);
    let mut draw = draw();
    let mut round = Round::new();
    let (mut hits, mut looks) = (0, 0);
    while hits < kills {
        let is_fresh = draw.below(3) == 0;
        let before = round.present.clone();
        round.edit(&mut draw);
        let (expected, mut duration) = round.undisturbed();
        let mut always = BTreeSet::new();
        if is_fresh {
            remove_kb(&round.place.kb());
        } else if round.place.kb().exists() {
            always = before.intersection(&round.present).cloned().collect();
            duration /= 2;
        }
        let kb = round.place.kb();
        looks += with_reader(&kb, &always, || {
            hits += kill_and_recover(&round, &mut draw, duration, &expected);
        });
    }
    assert!(looks > 0, "the reader never saw a knowledge base");
    eprintln!("{hits} kills, {} rounds, {looks} looks of the reader", round.version);
}

#[test]
fn queries_beside_runs_see_whole_documents() {
    let queries = from_environment("KBINGEST_QUERIES").unwrap_or(QUERIES);
    let mut draw = draw();
    let mut round = Round::new();
    assert_eq!(run(&["ingest"], &round.place.toml()), Some(0));
    let mut looks = 0;
    while looks < queries {
        let before = round.present.clone();
        round.edit(&mut draw);
        let always = before.intersection(&round.present).cloned().collect();
        let toml = round.place.toml();
        looks += with_reader(&round.place.kb(), &always, || {
            assert_eq!(run(&["ingest"], &toml), Some(0));
        });
    }
    eprintln!("{looks} looks beside {} runs", round.version);
    assert_same(&round.place.dump(), &round.undisturbed().0, "a fresh ingest");
}

//! What the tests of whole runs share: a folder of documents with its kb.toml, runs with a hook,
//! dumps.
//!
//! Everything is in a temporary folder. Every write gets an mtime of its own, long past, so that a
//! file's version is trusted at once and a rewrite is noticed without waiting for the clock.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use kbingest::config::Config;
use kbingest::domain::{RunState, RunStatus};
use kbingest::error::Error;
use kbingest::kb::Reader;
use kbingest::operations::{self, IngestOptions, ResumeOptions, RunReport, Session, Target};
use kbingest::support::checkpoint::{Checkpoint, CheckpointHook, StopSignal};
use kbingest::support::events::Silent;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::wait::wait_until;

// Named, as this file is part of two test binaries in different places.
#[path = "watchdog.rs"]
mod watchdog;

/// One source, small chunks, the embedder for tests.
pub const SETTINGS: &str = "
[kb]
path = 'kb.kb'
[[source.directory]]
name = 'docs'
path = 'docs'
[chunk]
max_tokens = 32
[embed.hash]
dim = 64
";

/// Bytes that look like UTF-16 and are not.
pub const BROKEN: &[u8] =
    b"\xff\xfe\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8";

/// A folder with `kb.toml`, `docs/` and any number of knowledge bases.
pub struct Place {
    root: TempDir,
    writes: Cell<u64>,
}

impl Place {
    /// Makes the folder with [`SETTINGS`] and no document.
    pub fn new() -> Self {
        Self::below(TempDir::new().unwrap())
    }

    /// The same in memory if the machine has such a folder: five times as many runs in the same
    /// time, for tests that are not about what reaches the disk.
    pub fn in_memory() -> Self {
        Self::below(TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap())
    }

    fn below(root: TempDir) -> Self {
        watchdog::watch();
        let place = Self { root, writes: Cell::new(0) };
        fs::create_dir(place.docs()).unwrap();
        place.configure(SETTINGS);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn docs(&self) -> PathBuf {
        self.path("docs")
    }

    pub fn toml(&self) -> PathBuf {
        self.path("kb.toml")
    }

    /// Returns the knowledge base that [`SETTINGS`] name.
    pub fn kb(&self) -> PathBuf {
        self.path("kb.kb")
    }

    pub fn configure(&self, settings: &str) {
        fs::write(self.toml(), settings).unwrap();
    }

    /// Replaces `old` by `new` in kb.toml.
    pub fn reconfigure(&self, old: &str, new: &str) {
        let settings = fs::read_to_string(self.toml()).unwrap();
        assert!(settings.contains(old), "kb.toml has no {old:?}");
        self.configure(&settings.replace(old, new));
    }

    pub fn config(&self) -> Config {
        let loaded = Config::load(&self.toml()).unwrap();
        Config { is_trusted: true, cache: Some(self.cache()), ..loaded }
    }

    /// Returns the folder used as the user's cache.
    pub fn cache(&self) -> PathBuf {
        self.path(".cache")
    }

    /// Returns the folder of the cache that belongs to the knowledge base at `kb`.
    pub fn cache_of(&self, kb: &Path) -> PathBuf {
        let kb = kbingest::support::storage::resolved(kb);
        self.cache().join(&blake3::hash(kb.as_os_str().as_encoded_bytes()).to_hex()[..32])
    }

    /// Returns the settings with another knowledge base.
    pub fn config_into(&self, kb: &str) -> Config {
        Config { kb: self.path(kb), ..self.config() }
    }

    /// Writes a document of the source `docs`.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.put(&self.docs().join(name), text.as_ref());
    }

    /// Writes a file with an mtime that no other write had.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self.writes.set(self.writes.get() + 1);
        set_mtime(path, past(self.writes.get()));
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.docs().join(name)).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.docs().join(from), self.docs().join(to)).unwrap();
    }

    /// Ingests with the current settings; fails if the run does not end with `exit_code`.
    pub fn ingest_to(&self, exit_code: u8) -> RunState {
        let report = ingest(&self.config(), None);
        assert_eq!(report.exit_code, exit_code, "{report:#?}");
        assert_sound(&self.kb());
        report.run.unwrap()
    }

    /// Ingests with the current settings, to a full success.
    pub fn ingest(&self) -> RunState {
        self.ingest_to(0)
    }

    pub fn dump(&self) -> String {
        dump(&self.kb())
    }

    /// Fails if `kb.kb` differs from a fresh ingest of the same sources.
    pub fn assert_equals_fresh_ingest(&self) {
        let config = self.config_into("fresh.kb");
        remove_kb(&config.kb);
        ingest(&config, None);
        assert_same(&self.dump(), &dump(&config.kb), "a fresh ingest");
    }
}

/// Returns the program under test: the one that `KBINGEST_BINARY` names, or the one built with
/// these tests.
pub fn program() -> Command {
    match std::env::var_os("KBINGEST_BINARY") {
        Some(path) => Command::new(path),
        None => Command::new(env!("CARGO_BIN_EXE_kbingest")),
    }
}

/// Returns the number in an environment variable; fails if it is not a number.
pub fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value:?} is no number")))
}

/// Numbers that look random and are the same for one seed.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number of `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % end
    }
}

/// Returns a folder of the large corpora, which are not part of the repository. Tests that call
/// this are ignored unless requested.
pub fn corpora(folder: &str) -> PathBuf {
    let corpora = std::env::var_os("KBINGEST_CORPORA").expect("KBINGEST_CORPORA names a folder");
    Path::new(&corpora).join(folder)
}

/// Returns a moment long ago, with a fraction of a second, different for every `number`.
pub fn past(number: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000 + number, 123_456_789)
}

pub fn set_mtime(path: &Path, mtime: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(mtime).unwrap();
}

pub fn remove_kb(kb: &Path) {
    for ending in ["", "-wal", "-shm", ".lock"] {
        let mut path = kb.as_os_str().to_owned();
        path.push(ending);
        let _ = fs::remove_file(path);
    }
}

pub fn ingest(config: &Config, hook: Option<&CheckpointHook>) -> RunReport {
    try_ingest(config, IngestOptions::default(), hook).unwrap()
}

pub fn try_ingest(
    config: &Config,
    options: IngestOptions,
    hook: Option<&CheckpointHook>,
) -> Result<RunReport, Error> {
    let stop = Arc::new(StopSignal::default());
    let options = IngestOptions { threads: 2, ..options };
    operations::ingest(config, &options, &Session { stop, events: &Silent, hook, embedder: None })
}

pub fn resume(config: &Config, hook: Option<&CheckpointHook>) -> RunReport {
    resume_target(&Target::Config(Box::new(config.clone())), hook)
}

/// Returns how tests continue a run.
pub fn two_threads() -> ResumeOptions {
    ResumeOptions { threads: 2, ..ResumeOptions::default() }
}

pub fn resume_target(target: &Target, hook: Option<&CheckpointHook>) -> RunReport {
    let stop = Arc::new(StopSignal::default());
    operations::resume(
        target,
        &two_threads(),
        &Session { stop, events: &Silent, hook, embedder: None },
    )
    .unwrap()
}

/// Returns a hook that requests a stop at the `visit`-th (from 1) visit of `at`, or of any
/// checkpoint.
pub fn stop_at(at: Option<Checkpoint>, visit: u64) -> impl Fn(Checkpoint, &StopSignal) {
    let visits = AtomicU64::new(0);
    move |checkpoint, stop| {
        if at.is_none_or(|at| at == checkpoint)
            && visits.fetch_add(1, Ordering::SeqCst) + 1 == visit
        {
            stop.request();
        }
    }
}

/// Counts the visits of each checkpoint, and lets one thread wait for another's.
#[derive(Default)]
pub struct Visits {
    counts: Mutex<HashMap<Checkpoint, u64>>,
    changed: Condvar,
}

impl Visits {
    /// Records a visit and returns their number, including this one.
    pub fn note(&self, checkpoint: Checkpoint) -> u64 {
        let mut counts = self.counts.lock().unwrap();
        let count = counts.entry(checkpoint).or_default();
        *count += 1;
        self.changed.notify_all();
        *count
    }

    /// Waits for the `count`-th visit, or for `at_most`.
    pub fn wait_for(&self, checkpoint: Checkpoint, count: u64, at_most: Duration) {
        let counts = self.counts.lock().unwrap();
        let is_early = |counts: &mut HashMap<_, _>| counts.get(&checkpoint).copied() < Some(count);
        drop(self.changed.wait_timeout_while(counts, at_most, is_early).unwrap());
    }
}

/// A document whose command does not end before the gate is open, so a run cannot end either.
pub struct Gate {
    reached: PathBuf,
    open: PathBuf,
}

/// Adds a source with such a document to the settings of `place`, after all others: their documents
/// are saved when the gate is reached.
pub fn gated(place: &Place) -> Gate {
    let gate = Gate { reached: place.path("reached"), open: place.path("open") };
    let (reached, open) = (gate.reached.display(), gate.open.display());
    let script = format!(
        "#!/bin/sh\n: > '{reached}'\nwhile [ ! -e '{open}' ]; do sleep 0.01; done\ncat \"$1\"\n"
    );
    let path = place.path("gate.sh");
    place.put(&path, script.as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let settings = fs::read_to_string(place.toml()).unwrap();
    place.configure(&format!(
        "{settings}[[source.directory]]\nname = 'gate'\npath = 'gate'\n\
         [[extract.command]]\nmatch = '*.gated'\nrun = ['./gate.sh', '{{path}}']\n"
    ));
    place.put(&place.path("gate/a.gated"), b"# Behind the gate\n\nAt last.\n");
    gate
}

impl Gate {
    pub fn wait_until_reached(&self) {
        wait_until("the gate is reached", || self.reached.exists());
    }

    pub fn open(&self) {
        File::create(&self.open).unwrap();
    }
}

/// Returns the content of the knowledge base as text.
pub fn dump(kb: &Path) -> String {
    Reader::open(kb).unwrap().maintenance().dump().unwrap()
}

/// Fails with the first lines that differ if two dumps do.
pub fn assert_same(actual: &str, expected: &str, what: &str) {
    if actual == expected {
        return;
    }
    let (mut left, mut right) = (actual.lines(), expected.lines());
    for line in 1.. {
        let pair = (left.next(), right.next());
        assert!(pair.0 == pair.1, "differs from {what} in line {line}:\n{pair:#?}");
        assert!(pair.0.is_some(), "differs from {what} in line ends only");
    }
}

/// Fails if an invariant of the knowledge base is violated.
pub fn assert_sound(kb: &Path) {
    let report = operations::check(
        &Target::File(kb.to_owned()),
        operations::CheckOptions { read_data: true, repair: false },
    )
    .unwrap();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
}

pub fn read_only(kb: &Path) -> Connection {
    Connection::open_with_flags(kb, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// Returns the rows of a query, with cells separated by `|`.
pub fn rows(kb: &Path, sql: &str) -> Vec<String> {
    let connection = read_only(kb);
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let cells: Vec<_> = (0..columns)
            .map(|column| match row.get_unwrap::<_, Value>(column) {
                Value::Null => "-".to_owned(),
                Value::Integer(value) => value.to_string(),
                Value::Real(value) => value.to_string(),
                Value::Text(text) => text,
                Value::Blob(bytes) => blake3::hash(&bytes).to_hex().to_string(),
            })
            .collect();
        Ok(cells.join("|"))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Fails if a claim is held or counted: a stop at a checkpoint returns every claim.
pub fn assert_no_claims(kb: &Path) {
    let claims = rows(kb, "SELECT * FROM queue WHERE state <> 'pending' OR attempts <> 0");
    assert_eq!(claims, Vec::<String>::new());
}

pub fn assert_cancelled(report: &RunReport, context: &str) {
    let run = report.run.as_ref().unwrap();
    assert_eq!(
        (report.exit_code, run.status),
        (130, RunStatus::Cancelled),
        "{context}: {report:#?}"
    );
    assert_sound(&report.knowledge_base);
    assert_no_claims(&report.knowledge_base);
}

/// Returns Markdown of `sections` sections with words generated from `seed`; every section contains
/// `word`.
pub fn markdown(seed: u64, sections: usize, word: &str) -> String {
    const WORDS: [&str; 16] = [
        "river", "lantern", "copper", "window", "harvest", "signal", "orbit", "garden", "marble",
        "thunder", "velvet", "compass", "meadow", "anchor", "winter", "ladder",
    ];
    let mut state = seed.wrapping_mul(2) + 1;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 40).unwrap()
    };
    let mut text = format!("# Document {seed}\n");
    for section in 1..=sections {
        text += &format!("\n## Section {section}\n\n{word}");
        for _ in 0..8 + next() % 14 {
            text += " ";
            text += WORDS[next() % WORDS.len()];
        }
        text += &format!(" {}.\n", next() % 1000);
    }
    text
}

/// Makes programs started from now on end at SIGHUP, even if these tests run under `nohup`: a
/// signal that is handled here has its default action in them.
pub fn let_hangups_through() {
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, heard).unwrap();
}

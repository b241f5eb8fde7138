//! Random histories: files are edited, runs are stopped, killed, cancelled, aborted and resumed,
//! settings change. After each step every invariant holds; at the end the content equals that of a
//! fresh ingest.
//!
//! Steps are plain data, so that a failing history shrinks to a short one and can be pasted below
//! as a test. `PROPTEST_CASES` sets the number of histories; no file of regressions is kept.
//!
//! A kill is simulated in this process: the file and its write-ahead log are copied at a
//! checkpoint, and the copies replace them when the run has ended. Half-finished writes are left to
//! `crash`.

mod steps;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use kbingest::domain::{PhaseStatus, RunStatus};
use kbingest::error::Error;
use kbingest::kb::Reader;
use kbingest::operations::{
    self, AllowDeletes, CheckOptions, IngestOptions, RunReport, Session, Target,
};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};
use kbingest::support::events::Silent;
use proptest::prelude::*;
use steps::{FILES, Fault, Run, Size, Spoil, Start, Step, step};

use crate::support::{
    Place, Visits, assert_same, assert_sound, dump, ingest, markdown, remove_kb, rows, set_mtime,
    try_ingest, two_threads,
};
use crate::wait::wait_until;

/// Histories in an ordinary test run.
const CASES: u32 = 100;
const STEPS_MAX: usize = 24;
/// Files over this size are skipped; the largest document is smaller.
const FILE_BYTES_MAX: usize = 80_000;
/// Limit on the time that one thread waits for the other: the checkpoint may never be reached.
const LAG_MAX: Duration = Duration::from_millis(20);
/// Number of deaths after which a document may be quarantined.
const DEATHS_BEFORE_SET_ASIDE: u32 = 3;

/// Enough small files that deleting them is withheld.
const MANY: u64 = 12;

/// A place with its history so far.
struct History {
    place: Place,
    max_tokens: usize,
    overlap_tokens: usize,
    dim: usize,
    exclude: bool,
    /// Content of files by size and mtime: other content with the same values is not noticed.
    stamps: HashMap<(u64, SystemTime), blake3::Hash>,
    deaths: u32,
    /// Content of the spoilt files before they were spoilt.
    whole: HashMap<usize, Vec<u8>>,
}

impl History {
    fn new() -> Self {
        let mut history = Self {
            place: Place::in_memory(),
            max_tokens: 32,
            overlap_tokens: 0,
            dim: 16,
            exclude: false,
            stamps: HashMap::new(),
            deaths: 0,
            whole: HashMap::new(),
        };
        history.configure();
        for (file, size) in [(0, Size::Medium), (1, Size::Small), (5, Size::Small)] {
            history.apply(&Step::Write(file, 0, size, false));
        }
        history
    }

    fn configure(&self) {
        let Self { max_tokens, overlap_tokens, dim, .. } = self;
        let exclude = if self.exclude { "'sub/deep/**', 'z.md'" } else { "" };
        self.place.configure(&format!(
            "[kb]\npath = 'kb.kb'\n[[source.directory]]\nname = 'docs'\npath = 'docs'\n\
             max_file_size = {FILE_BYTES_MAX}\nexclude = [{exclude}]\n\
             [chunk]\nmax_tokens = {max_tokens}\noverlap_tokens = {overlap_tokens}\n\
             [embed.hash]\ndim = {dim}\n",
        ));
    }

    fn path(&self, file: usize) -> PathBuf {
        self.place.docs().join(FILES[file])
    }

    /// Writes a file, with its previous mtime if `keeps_mtime` and the change would still be
    /// noticed.
    fn write(&mut self, name: &str, bytes: &[u8], keeps_mtime: bool) {
        let path = self.place.docs().join(name);
        let before = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        self.place.put(&path, bytes);
        let hash = blake3::hash(bytes);
        let size = bytes.len() as u64;
        let kept = before.filter(|_| keeps_mtime).filter(|mtime| {
            self.stamps.get(&(size, *mtime)).is_none_or(|content| *content == hash)
        });
        if let Some(mtime) = kept {
            set_mtime(&path, mtime);
        }
        let mtime = fs::metadata(&path).unwrap().modified().unwrap();
        self.stamps.insert((size, mtime), hash);
    }

    /// Changes a file, if it exists.
    fn change(&mut self, file: usize, keeps_mtime: bool, change: impl Fn(&[u8]) -> Vec<u8>) {
        if let Ok(bytes) = fs::read(self.path(file)) {
            self.write(FILES[file], &change(&bytes), keeps_mtime);
        }
    }

    fn swap(&mut self, file: usize, other: usize, keeps_mtime: bool) {
        if file == other || !self.path(file).exists() || !self.path(other).exists() {
            return;
        }
        if keeps_mtime {
            let between = self.place.path("between");
            fs::rename(self.path(file), &between).unwrap();
            fs::rename(self.path(other), self.path(file)).unwrap();
            fs::rename(&between, self.path(other)).unwrap();
        } else {
            let [a, b] = [file, other].map(|file| fs::read(self.path(file)).unwrap());
            self.write(FILES[file], &b, false);
            self.write(FILES[other], &a, false);
        }
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Run(ref run) => self.run(run),
            Step::Write(file, seed, size, keeps_mtime) => {
                self.write(FILES[file], text(seed, size).as_bytes(), keeps_mtime);
            }
            Step::Append(file, seed) => self.change(file, true, |bytes| {
                [bytes, format!("\n## More\n\n{}\n", text(seed, Size::Small)).as_bytes()].concat()
            }),
            Step::Edit(file, seed) => self.change(file, false, |bytes| {
                let words = ["ember", "fjord", "gable", "heron", "islet", "jetty"];
                let text = String::from_utf8_lossy(bytes);
                text.replacen("river", words[seed as usize], 1).into_bytes()
            }),
            Step::Touch(file) => self.change(file, false, <[u8]>::to_vec),
            Step::Delete(file) => drop(fs::remove_file(self.path(file))),
            Step::Rename(from, to) => {
                if self.path(from).exists() {
                    fs::create_dir_all(self.path(to).parent().unwrap()).unwrap();
                    fs::rename(self.path(from), self.path(to)).unwrap();
                }
            }
            Step::Swap(file, other, keeps_mtime) => self.swap(file, other, keeps_mtime),
            Step::Spoil(file, how) => {
                if let Ok(bytes) = fs::read(self.path(file)) {
                    self.whole.entry(file).or_insert(bytes);
                }
                self.write(FILES[file], &spoilt(how), false);
            }
            Step::Heal => {
                for (file, bytes) in std::mem::take(&mut self.whole) {
                    self.write(FILES[file], &bytes, false);
                }
            }
            Step::WriteMany(seed) => {
                for number in 0..MANY {
                    let name = format!("many/{number}.md");
                    self.write(&name, text(seed + number, Size::Small).as_bytes(), false);
                }
            }
            Step::DeleteMany => drop(fs::remove_dir_all(self.place.docs().join("many"))),
            Step::SetChunks(max, overlap) => {
                (self.max_tokens, self.overlap_tokens) = (max, overlap)
            }
            Step::SetModel(dim) => self.dim = dim,
            Step::SetExclude(exclude) => self.exclude = exclude,
            Step::Repair => self.repair(),
        }
        self.configure();
    }

    /// A repair of a sound knowledge base changes nothing.
    fn repair(&self) {
        let kb = self.place.kb();
        if !kb.exists() {
            return;
        }
        let before = tables(&kb);
        let options = CheckOptions { read_data: true, repair: true };
        let report = operations::check(&Target::File(kb.clone()), options).unwrap();
        assert!(report.findings.is_empty() && report.repair.is_none(), "{report:#?}");
        assert_eq!(tables(&kb), before);
    }

    fn run(&mut self, run: &Run) {
        let looks_at_all = self.would_crawl(run.start);
        let live = self.live_here();
        let killed = Killed::new(&self.place);
        let fired = Arc::new(AtomicBool::new(false));
        let hook = hook(run.clone(), self.place.kb(), killed.clone(), Arc::clone(&fired));
        let stop = Arc::new(StopSignal::default());
        let session = Session { stop, events: &Silent, hook: Some(&hook), embedder: None };
        let ended = catch_unwind(AssertUnwindSafe(|| self.start(run, &session)));
        let has_fired = fired.load(Ordering::SeqCst);
        let fault = run.fault.filter(|_| has_fired).map(|(fault, ..)| fault);
        if matches!(fault, Some(Fault::Kill | Fault::Panic)) {
            self.deaths += 1;
        }
        match (ended, fault) {
            (Ok(report), fault) => {
                assert_ending(report.as_ref(), fault);
                let is_killed = matches!(fault, Some(Fault::Kill));
                if let Some(report) = report.filter(|_| looks_at_all && !is_killed) {
                    self.compare_where_whole(&report);
                }
            }
            // Before the workers start nothing catches it: the process would die.
            (Err(_), Some(Fault::Panic)) => {}
            (Err(panic), _) => std::panic::resume_unwind(panic),
        }
        killed.restore(&self.place.kb());
        let left = self.live_here();
        let lost: Vec<_> = live.difference(&left).collect();
        assert!(lost.is_empty(), "live before the run, there, and gone: {lost:?}");
    }

    /// Returns the live documents whose files exist and are wanted: no run may remove one.
    fn live_here(&self) -> BTreeSet<String> {
        let kb = self.place.kb();
        if !kb.exists() {
            return BTreeSet::new();
        }
        let is_excluded = |uri: &str| uri == "z.md" || uri.starts_with("sub/deep/");
        let mut live = rows(
            &kb,
            "SELECT uri FROM document
             WHERE EXISTS (SELECT 1 FROM revision WHERE document_id = document.id AND state = 'live')",
        );
        live.retain(|uri| self.place.docs().join(uri).exists());
        live.retain(|uri| !self.exclude || !is_excluded(uri));
        // The text of a document that is skipped goes after two runs.
        let is_skipped =
            |bytes: &Vec<u8>| bytes.len() > FILE_BYTES_MAX || bytes.starts_with(b"\x7fELF");
        live.retain(|uri| !fs::read(self.place.docs().join(uri)).is_ok_and(|it| is_skipped(&it)));
        live.into_iter().collect()
    }

    /// Reports whether a run that starts now lists the source, so that its result is the present
    /// state.
    fn would_crawl(&self, start: Start) -> bool {
        let kb = self.place.kb();
        let last = kb.exists().then(|| Reader::open(&kb).unwrap().last_run());
        let Some(last) = last.and_then(|last| last.unwrap()) else { return true };
        let is_open = last.phases.crawling != PhaseStatus::Completed;
        match start {
            Start::Restart | Start::Ingest => true,
            Start::Resume | Start::ResumeFile => is_open,
        }
    }

    /// Compares with a fresh ingest if the run was complete, and withheld and quarantined nothing.
    fn compare_where_whole(&self, report: &RunReport) {
        let is_whole = report.run.as_ref().is_some_and(|run| run.status.is_complete());
        if is_whole && report.exit_code != 21 && self.deaths < DEATHS_BEFORE_SET_ASIDE {
            self.compare(report);
        }
    }

    /// Returns `None` if nothing can be resumed, or not in this way.
    fn start(&self, run: &Run, session: &Session<'_>) -> Option<RunReport> {
        let target = match run.start {
            Start::Ingest | Start::Restart => {
                let options = IngestOptions {
                    restart: matches!(run.start, Start::Restart),
                    allow_deletes: match run.allow_deletes {
                        true => AllowDeletes::All,
                        false => AllowDeletes::None,
                    },
                    retry_failed: run.retry_failed,
                    threads: 2,
                    ..IngestOptions::default()
                };
                return Some(operations::ingest(&self.place.config(), &options, session).unwrap());
            }
            Start::Resume => Target::Config(Box::new(self.place.config())),
            Start::ResumeFile => Target::File(self.place.kb()),
        };
        match operations::resume(&target, &two_threads(), session) {
            Ok(report) => Some(report),
            Err(Error::Kb(kbingest::kb::KbError::Missing(_))) if !self.place.kb().exists() => None,
            Err(Error::Usage { .. }) if matches!(run.start, Start::ResumeFile) => None,
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Ingests until nothing is left to do, and compares with a fresh ingest; then repairs the
    /// files that cannot be ingested, and compares again.
    fn finish(&mut self) {
        let options = IngestOptions {
            allow_deletes: AllowDeletes::All,
            retry_failed: self.deaths >= DEATHS_BEFORE_SET_ASIDE,
            ..IngestOptions::default()
        };
        let failed = self.compare(&try_ingest(&self.place.config(), options, None).unwrap());
        for uri in &failed {
            self.write(uri, text(1, Size::Small).as_bytes(), false);
        }
        if !failed.is_empty() {
            assert_eq!(self.compare(&ingest(&self.place.config(), None)), Vec::<String>::new());
        }
        let kb = self.place.kb();
        let before = tables(&kb);
        let again = ingest(&self.place.config(), None);
        let metrics = &again.run.as_ref().unwrap().metrics;
        let written = (metrics.documents_new, metrics.documents_changed, metrics.chunks_queued);
        assert_eq!((written, again.exit_code), ((0, 0, 0), 0), "{again:#?}");
        assert_eq!(tables(&kb), before, "nothing had changed");
    }

    /// Compares the result of a run with a fresh ingest, and returns the documents that neither can
    /// ingest.
    fn compare(&self, report: &RunReport) -> Vec<String> {
        assert_sound(&self.place.kb());
        let fresh = self.place.config_into("fresh.kb");
        let expected = ingest(&fresh, None);
        assert_eq!(report.exit_code, expected.exit_code, "{report:#?}\n{expected:#?}");
        let failed: Vec<_> = expected.failures.into_iter().map(|one| one.uri).collect();
        assert_same(
            &without_revisions(&self.place.dump(), &failed),
            &without_revisions(&dump(&fresh.kb), &failed),
            "a fresh ingest",
        );
        remove_kb(&fresh.kb);
        failed
    }
}

/// Returns a hook that injects the fault of a run at its visit, and reports so in `fired`.
fn hook(
    Run { fault, lag, .. }: Run,
    kb: PathBuf,
    killed: Killed,
    fired: Arc<AtomicBool>,
) -> impl Fn(Checkpoint, &StopSignal) + Send + Sync + 'static {
    let visits = AtomicU64::new(0);
    let seen = Visits::default();
    move |checkpoint, stop| {
        seen.note(checkpoint);
        if let Some((_, wanted)) = lag.filter(|(held, _)| *held == checkpoint) {
            seen.wait_for(wanted, 1, LAG_MAX);
        }
        let Some((fault, at, visit)) = fault else { return };
        let is_counted = at.is_none_or(|at| at == checkpoint);
        if !is_counted || visits.fetch_add(1, Ordering::SeqCst) + 1 != visit {
            return;
        }
        fired.store(true, Ordering::SeqCst);
        match fault {
            Fault::Stop => stop.request(),
            Fault::Panic => panic!("planted at {checkpoint:?}"),
            Fault::Cancel => {
                kbingest::kb::request_cancel(&kb, "").unwrap();
                // Before the start nothing checks for it; the next checkpoint does.
                if checkpoint != Checkpoint::BeforeStart {
                    wait_until("the request is seen", || stop.is_requested());
                }
            }
            Fault::Kill => {
                killed.keep();
                stop.request();
            }
        }
    }
}

/// Copies of the knowledge base after a kill.
#[derive(Clone)]
struct Killed {
    pairs: [(PathBuf, PathBuf); 2],
}

impl Killed {
    fn new(place: &Place) -> Self {
        // The file first: what is added to the log meanwhile is not a checkpoint.
        Self {
            pairs: ["", "-wal"].map(|end| {
                (place.path(&format!("kb.kb{end}")), place.path(&format!("killed.kb{end}")))
            }),
        }
    }

    fn keep(&self) {
        for (path, copy) in &self.pairs {
            fs::copy(path, copy).unwrap();
        }
    }

    /// Puts the copies, if there are any, in the place of the knowledge base.
    fn restore(&self, kb: &Path) {
        if !self.pairs[0].1.exists() {
            return;
        }
        remove_kb(kb);
        for (path, copy) in &self.pairs {
            fs::rename(copy, path).unwrap();
        }
    }
}

fn text(seed: u64, size: Size) -> String {
    match size {
        Size::Empty => String::new(),
        Size::Blank => "\n \n".to_owned(),
        Size::Small => markdown(seed, 1 + seed as usize % 3, "common"),
        Size::Medium => markdown(seed, 20 + seed as usize, "common"),
        Size::Large => markdown(seed, 330 + seed as usize, "common"),
    }
}

fn spoilt(how: Spoil) -> Vec<u8> {
    match how {
        Spoil::Binary => b"\x7fELF\0\0\0".to_vec(),
        Spoil::TooLarge => vec![b'x'; FILE_BYTES_MAX + 1],
        Spoil::Broken => [b"\xff\xfe".as_slice(), &b"\x00\xd8a\0".repeat(20)].concat(),
    }
}

/// A run ends as its fault demands, or normally if the fault came too late.
fn assert_ending(report: Option<&RunReport>, fault: Option<Fault>) {
    let Some(report) = report else { return };
    let Some(run) = &report.run else { return };
    let is_complete = matches!(report.exit_code, 0 | 3 | 21) && run.status.is_complete();
    let is_stopped = report.exit_code == 130 && run.status == RunStatus::Cancelled;
    let is_failed = report.exit_code == 1 && run.status == RunStatus::Failed;
    let is_expected = match fault {
        None => is_complete,
        Some(Fault::Stop | Fault::Kill | Fault::Cancel) => is_complete || is_stopped,
        Some(Fault::Panic) => is_failed,
    };
    assert!(is_expected, "{fault:?}: {report:#?}");
}

/// Returns the dump without the revisions of `failed` documents: a failed one keeps its old
/// revision, which a fresh ingest does not have.
fn without_revisions(dump: &str, failed: &[String]) -> String {
    let mut is_failed = false;
    let mut kept = String::new();
    for line in dump.lines() {
        if line.starts_with("document") {
            is_failed = failed.iter().any(|uri| line.contains(&format!(" {uri:?} ")));
        }
        if !is_failed || !line.starts_with(' ') {
            kept += line;
            kept.push('\n');
        }
    }
    kept
}

/// Returns every row of every table except those that record runs.
fn tables(kb: &Path) -> Vec<String> {
    let mut all = rows(kb, "SELECT * FROM counter WHERE name <> 'run'");
    for table in
        ["document", "content", "revision", "chunk", "vector", "queue", "failure", "intake"]
    {
        all.push(table.to_owned());
        all.extend(rows(kb, &format!("SELECT * FROM {table} ORDER BY 1, 2")));
    }
    all
}

fn check(steps: &[Step]) {
    let mut history = History::new();
    for step in steps {
        history.apply(step);
        if history.place.kb().exists() {
            assert_sound(&history.place.kb());
        }
    }
    history.finish();
}

#[test]
fn every_history_ends_where_a_fresh_ingest_does() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = ProptestConfig {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        // In milliseconds: a failure is reported in time, if not always by its shortest history.
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let histories = (any::<bool>(), prop::collection::vec(step(), 1..=STEPS_MAX));
    let result = runner.run(&histories, |(starts_small, steps)| {
        check(&if starts_small { [&one_document()[..], &steps].concat() } else { steps });
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Many people begin with one document, and add the others when they have seen a search.
fn one_document() -> [Step; 5] {
    let run = Run {
        start: Start::Ingest,
        allow_deletes: false,
        retry_failed: false,
        fault: None,
        lag: None,
    };
    [
        Step::Delete(0),
        Step::Delete(5),
        Step::Run(run),
        Step::Write(0, 0, Size::Large, false),
        Step::WriteMany(1),
    ]
}

/// Settings and files that change while work waits in the queue: chance finds this in one of a few
/// hundred histories.
#[test]
fn what_waits_gives_way_to_what_changed() {
    let run = |fault| {
        let start = Start::Ingest;
        Step::Run(Run { start, allow_deletes: false, retry_failed: false, fault, lag: None })
    };
    let changes = [
        Step::SetChunks(48, 8),
        Step::SetModel(32),
        Step::Write(0, 3, Size::Large, false),
        Step::Delete(0),
        Step::Spoil(0, Spoil::Broken),
        Step::SetExclude(true),
    ];
    for at in [Checkpoint::AfterSave, Checkpoint::AfterEnqueue, Checkpoint::BeforeCommit] {
        for fault in [Fault::Stop, Fault::Kill, Fault::Panic] {
            for change in &changes {
                check(&[
                    Step::Write(8, 1, Size::Large, false),
                    run(Some((fault, Some(at), 1))),
                    change.clone(),
                    run(None),
                ]);
            }
        }
    }
}

/// Found by chance in some four thousand histories: a text waited in the queue while its file could
/// no longer be ingested, and another model then removed that failure with those of embedding.
#[test]
fn a_failure_outlives_a_change_of_settings() {
    let run = |fault, lag| {
        let start = Start::Ingest;
        Step::Run(Run { start, allow_deletes: false, retry_failed: false, fault, lag })
    };
    for how in [Spoil::Binary, Spoil::TooLarge, Spoil::Broken] {
        check(&[
            run(Some((Fault::Stop, Some(Checkpoint::AfterEnqueue), 1)), None),
            Step::Spoil(1, how),
            run(
                Some((Fault::Stop, Some(Checkpoint::AfterSave), 1)),
                Some((Checkpoint::BeforeClaim, Checkpoint::AfterEnqueue)),
            ),
            Step::SetModel(32),
            run(None, None),
        ]);
    }
}

/// Found by chance: the ledger still had the failure of a broken file that could no longer be read
/// at all.
#[test]
fn a_file_that_is_refused_unread_is_not_told_by_how_it_ended_before() {
    let run = || {
        let start = Start::Ingest;
        Step::Run(Run { start, allow_deletes: false, retry_failed: false, fault: None, lag: None })
    };
    check(&[Step::Spoil(5, Spoil::Broken), run(), Step::Spoil(5, Spoil::TooLarge), run()]);
    check(&[Step::Spoil(5, Spoil::TooLarge), run(), Step::Spoil(5, Spoil::Broken), run()]);
    // Still skipped with other bytes.
    check(&[run(), Step::Spoil(1, Spoil::Binary), Step::Append(1, 0), run(), run()]);
    // The same for a file whose text was ingested before it broke.
    for how in [Spoil::Binary, Spoil::Broken] {
        check(&[run(), Step::Spoil(0, how), run(), Step::Spoil(0, Spoil::TooLarge), run()]);
    }
}

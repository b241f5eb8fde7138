//! Calls in flight across batches: the content does not depend on how many there are, nor on stops,
//! and what is answered is committed while others are awaited.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use kbingest::embed::{EmbedError, Embedder, Embeddings, Hash, Limits, Model, Role};
use kbingest::operations::{self, IngestOptions, RunReport, Session, Target};
use kbingest::support::checkpoint::{Checkpoint, CheckpointHook, StopSignal};
use kbingest::support::events::Silent;

use crate::support::{
    Place, assert_cancelled, assert_same, assert_sound, dump, markdown, remove_kb, rows, stop_at,
    two_threads,
};

/// The embedder for tests, behind so many lanes of which each takes its time.
struct Remote {
    hash: Hash,
    limits: Limits,
    per_text: Duration,
    lanes: Mutex<usize>,
    freed: Condvar,
    sent: Mutex<Vec<String>>,
    calls: AtomicUsize,
}

impl Remote {
    fn new(in_flight: usize, texts: usize) -> Self {
        Self {
            hash: Hash::new(64),
            limits: Limits { texts, in_flight, is_remote: true, ..Limits::default() },
            per_text: Duration::ZERO,
            lanes: Mutex::new(in_flight),
            freed: Condvar::new(),
            sent: Mutex::default(),
            calls: AtomicUsize::new(0),
        }
    }

    fn ingest(&self, place: &Place, hook: Option<&CheckpointHook>) -> RunReport {
        let options = IngestOptions { threads: 2, ..IngestOptions::default() };
        operations::ingest(&place.config(), &options, &self.session(hook)).unwrap()
    }

    fn resume(&self, place: &Place) -> RunReport {
        operations::resume(&Target::from(place.config()), &two_threads(), &self.session(None))
            .unwrap()
    }

    fn session<'a>(&'a self, hook: Option<&'a CheckpointHook>) -> Session<'a> {
        let stop = Arc::new(StopSignal::default());
        Session { stop, events: &Silent, hook, embedder: Some(self) }
    }

    fn sent(&self) -> Vec<String> {
        let mut sent = self.sent.lock().unwrap().clone();
        sent.sort();
        sent
    }
}

impl Embedder for Remote {
    fn model(&self) -> &Model {
        self.hash.model()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.hash.count_tokens(text)
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        let mut lanes = self.lanes.lock().unwrap();
        while *lanes == 0 {
            lanes = self.freed.wait(lanes).unwrap();
        }
        *lanes -= 1;
        drop(lanes);
        std::thread::sleep(self.per_text * texts.len() as u32);
        *self.lanes.lock().unwrap() += 1;
        self.freed.notify_one();
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.sent.lock().unwrap().extend(texts.iter().map(|&text| text.to_owned()));
        self.hash.embed(texts, role)
    }
}

/// Documents of many sizes: one alone, many in a range, one over several ranges.
fn place() -> Place {
    let place = Place::in_memory();
    for number in 0..30 {
        place.write(
            &format!("{number}.md"),
            markdown(number, 1 + number as usize % 7, &format!("word{number}")),
        );
    }
    place.write("long.md", markdown(99, 700, "long"));
    place
}

#[test]
fn the_content_does_not_depend_on_the_calls_in_flight() {
    let place = place();
    place.ingest();
    let expected = place.dump();
    let chunks = rows(&place.kb(), "SELECT chunk_id FROM vector").len();
    for (in_flight, texts) in [(1, 32), (2, 1), (4, 7), (8, 64), (32, 3), (64, 1000)] {
        remove_kb(&place.kb());
        let remote =
            Remote { per_text: Duration::from_micros(50), ..Remote::new(in_flight, texts) };
        let report = remote.ingest(&place, None);
        assert_eq!(report.exit_code, 0, "{report:#?}");
        assert_sound(&place.kb());
        assert_same(&place.dump(), &expected, "an embedder in this process");
        assert_eq!(remote.sent().len(), chunks);
    }
}

/// A later run reuses vectors, replaces documents and embeds the others.
#[test]
fn later_runs_reuse_vectors() {
    let place = place();
    let remote = Remote::new(4, 8);
    remote.ingest(&place, None);
    place.write("long.md", markdown(99, 710, "long"));
    place.write("7.md", markdown(1000, 5, "seven"));
    place.remove("8.md");
    let before = remote.sent().len();
    let report = remote.ingest(&place, None);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_sound(&place.kb());
    assert!(remote.sent().len() < before + 40, "{}", remote.sent().len() - before);
    place.assert_equals_fresh_ingest();
}

/// A stop at every visit of every checkpoint of the consumer: nothing is sent twice.
#[test]
fn a_stop_at_any_checkpoint_keeps_what_was_answered() {
    let place = place();
    place.ingest();
    let expected = place.dump();
    for at in [Checkpoint::BeforeClaim, Checkpoint::BeforeCommit] {
        for visit in 1.. {
            remove_kb(&place.kb());
            let remote = Remote::new(4, 8);
            let hook = stop_at(Some(at), visit);
            let report = remote.ingest(&place, Some(&hook));
            if report.exit_code == 0 {
                assert!(visit > 1);
                break;
            }
            assert_cancelled(&report, &format!("{at:?} {visit}"));
            let stored = rows(&place.kb(), "SELECT chunk_id FROM vector").len();
            assert_eq!(stored, remote.sent().len(), "{at:?} {visit}");
            assert_eq!(remote.resume(&place).exit_code, 0);
            assert_sound(&place.kb());
            assert_same(&place.dump(), &expected, "an embedder in this process");
            let total = rows(&place.kb(), "SELECT chunk_id FROM vector").len();
            assert_eq!(remote.sent().len(), total, "{at:?} {visit}");
        }
    }
}

/// The last calls are answered only once the first answers are in the file.
#[test]
fn what_is_answered_is_committed_while_others_are_awaited() {
    struct Patient {
        remote: Remote,
        kb: std::path::PathBuf,
        saw_commit: Mutex<Option<bool>>,
    }
    impl Embedder for Patient {
        fn model(&self) -> &Model {
            self.remote.model()
        }
        fn count_tokens(&self, text: &str) -> usize {
            self.remote.count_tokens(text)
        }
        fn limits(&self) -> Limits {
            self.remote.limits()
        }
        fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
            if self.remote.calls.load(Ordering::Relaxed) >= 10 {
                let mut saw = self.saw_commit.lock().unwrap();
                let since = Instant::now();
                while saw.is_none() {
                    let stored = !rows(&self.kb, "SELECT chunk_id FROM vector LIMIT 1").is_empty();
                    if stored || since.elapsed() > Duration::from_secs(30) {
                        *saw = Some(stored);
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            self.remote.embed(texts, role)
        }
    }
    let place = Place::in_memory();
    place.write("long.md", markdown(99, 300, "long"));
    let patient =
        Patient { remote: Remote::new(2, 4), kb: place.kb(), saw_commit: Mutex::default() };
    let session = Session { embedder: Some(&patient), ..Session::default() };
    let report = operations::ingest(&place.config(), &IngestOptions::default(), &session).unwrap();
    assert_eq!(report.exit_code, 0);
    assert_eq!(*patient.saw_commit.lock().unwrap(), Some(true));
    assert_sound(&place.kb());
    place.assert_equals_fresh_ingest();
}

/// Prints how much of the ideal speed is reached; takes a minute.
#[test]
#[ignore = "measures time"]
fn lanes_are_busy() {
    for (lanes, least) in [(2, 0.95), (4, 0.95), (8, 0.95), (32, 0.90)] {
        let place = Place::in_memory();
        for number in 0..lanes as u64 * 50 {
            place.write(&format!("{number}.md"), markdown(number, 10, "lane"));
        }
        let remote = Remote { per_text: Duration::from_millis(20), ..Remote::new(lanes, 16) };
        let since = Instant::now();
        assert_eq!(remote.ingest(&place, None).exit_code, 0);
        let seconds = since.elapsed().as_secs_f64();
        let ideal = remote.sent().len() as f64 / (50.0 * lanes as f64);
        println!(
            "{lanes} lanes: {} chunks in {seconds:.2} s, {:.3} of the ideal",
            remote.sent().len(),
            ideal / seconds
        );
        assert!(ideal / seconds >= least, "{lanes} lanes: {:.3}", ideal / seconds);
        assert!(!dump(&place.kb()).is_empty());
    }
}

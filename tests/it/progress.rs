//! What a run reports about itself: counts that add up, and a percentage that is true.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kbingest::domain::{Metrics, RunState};
use kbingest::kb::{Reader, Writer};
use kbingest::operations::{self, Cancellation, IngestOptions, RunReport, Session, Target};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};
use kbingest::support::events::{Event, EventSink, FinishStep, Silent};
use serde_json::Value;

use crate::crash::send;
use crate::support::{
    BROKEN, Place, SETTINGS, assert_cancelled, assert_sound, ingest, markdown, program, resume,
    rows, stop_at,
};
use crate::wait::{output_of, wait_until};
use crate::web::server::Server;

/// Returns new, changed, unchanged, failed and skipped documents; fails if they do not add up.
fn counts(run: &RunState) -> [u64; 5] {
    let Metrics {
        documents_crawled,
        documents_new,
        documents_changed,
        documents_unchanged,
        documents_failed,
        documents_skipped,
        ..
    } = run.metrics;
    let counts = [
        documents_new,
        documents_changed,
        documents_unchanged,
        documents_failed,
        documents_skipped,
    ];
    assert_eq!(documents_crawled, counts.iter().sum::<u64>(), "{counts:?}");
    counts
}

fn counts_of(report: RunReport) -> [u64; 5] {
    counts(&report.run.unwrap())
}

/// Ten documents, of which two fail and three are skipped.
fn mixed() -> Place {
    let place = Place::in_memory();
    for number in 0..5 {
        place.write(&format!("{number}.md"), markdown(number, 3, "common"));
    }
    for number in 0..2 {
        place.write(&format!("broken{number}.md"), BROKEN);
    }
    for number in 0..3 {
        place.write(&format!("skipped{number}.md"), "\0");
    }
    place
}

#[test]
fn counts_add_up_in_every_kind_of_run() {
    let place = mixed();
    assert_eq!(counts(&place.ingest_to(3)), [5, 0, 0, 2, 3]);
    assert_eq!(counts(&place.ingest_to(3)), [0, 0, 5, 2, 3]);
    // One of each kind becomes another.
    place.write("0.md", markdown(9, 3, "edited"));
    place.write("1.md", BROKEN);
    place.write("2.md", "\0");
    place.write("broken0.md", "# Repaired\n\nat last\n");
    place.write("skipped0.md", "# Text\n\nat last\n");
    place.write("new.md", "# New\n\none\n");
    place.remove("3.md");
    assert_eq!(counts(&place.ingest_to(3)), [3, 1, 1, 2, 3]);
    assert_eq!(counts(&place.ingest_to(3)), [0, 0, 5, 2, 3]);
    // What a setting changes is compared, too.
    place.reconfigure("max_tokens = 32", "max_tokens = 48");
    assert_eq!(counts(&place.ingest_to(3)), [0, 0, 5, 2, 3]);
}

#[test]
fn a_resumed_run_counts_as_one_that_was_not_stopped() {
    let place = mixed();
    let hash_only = |place: &Place| {
        // Without a version only the bytes show that it is unchanged.
        let kb = rusqlite::Connection::open(place.kb()).unwrap();
        kb.execute("UPDATE document SET version = NULL WHERE uri = '4.md'", []).unwrap();
    };
    let edit = |place: &Place| {
        place.write("0.md", markdown(9, 3, "edited"));
        place.write("1.md", BROKEN);
        place.write("new.md", "# New\n\none\n");
        place.write("skipped9.md", "\0");
    };
    let config = place.config();
    for checkpoint in [Checkpoint::BeforeBatch, Checkpoint::AfterSave, Checkpoint::BeforeCommit] {
        crate::support::remove_kb(&config.kb);
        let report = ingest(&config, Some(&stop_at(Some(checkpoint), 1)));
        assert_cancelled(&report, "the first run");
        assert_eq!(counts_of(resume(&config, None)), [5, 0, 0, 2, 3], "{checkpoint:?}");
    }
    hash_only(&place);
    edit(&place);
    let report = ingest(&config, Some(&stop_at(Some(Checkpoint::AfterSave), 1)));
    assert_cancelled(&report, "the second run");
    counts_of(report);
    assert_eq!(counts_of(resume(&config, None)), [1, 1, 3, 3, 4]);
}

/// A place with six documents whose command begins and does not end before a file is there.
fn slow() -> Place {
    let place = Place::in_memory();
    let (began, fast) = (place.path("began"), place.path("fast"));
    let script = format!(
        "#!/bin/sh\n: > '{}'\nwhile [ ! -e '{}' ]; do sleep 0.01; done\ncat \"$1\"\n",
        began.display(),
        fast.display()
    );
    place.put(&place.path("slow.sh"), script.as_bytes());
    fs::set_permissions(place.path("slow.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    place.configure(&format!(
        "{SETTINGS}[[extract.command]]\nmatch = '*.slow'\nrun = ['./slow.sh', '{{path}}']\n"
    ));
    for number in 0..6 {
        place.write(&format!("{number}.slow"), format!("document {number}"));
    }
    place
}

#[test]
fn a_document_that_a_stop_interrupts_has_not_failed() {
    let place = slow();
    let toml = place.toml();
    let started = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).arg("--trust").arg(&toml).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", place.cache());
        command
    };
    let child = started(&["ingest"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("a document is being extracted", || place.path("began").exists());
    send("INT", &child);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("failed"), "{stderr}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("stopped at "));
    assert_eq!(rows(&place.kb(), "SELECT * FROM failure"), [""; 0]);
    fs::write(place.path("fast"), "").unwrap();
    let output = output_of(&mut started(&["resume", "--json"]), "resume");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let metrics = &report["run"]["metrics"];
    let counts =
        ["crawled", "new", "failed"].map(|what| metrics[format!("documents_{what}")].as_u64());
    assert_eq!((output.status.code(), counts), (Some(0), [Some(6), Some(6), Some(0)]));
}

/// States of a run, in order.
type Noted = Arc<Mutex<Vec<RunState>>>;

/// Returns a hook that notes the saved state of the run at each visit of `at`.
fn noting(place: &Place, at: Checkpoint) -> (impl Fn(Checkpoint, &StopSignal) + use<>, Noted) {
    let (kb, noted) = (place.kb(), Noted::default());
    let notes = Arc::clone(&noted);
    let hook = move |checkpoint, _: &StopSignal| {
        if checkpoint == at {
            let run = Reader::open(&kb).unwrap().last_run().unwrap();
            notes.lock().unwrap().extend(run);
        }
    };
    (hook, noted)
}

/// Checks that percentages rise, and none is above that of `of` documents that have passed.
fn assert_true(noted: &[RunState], of: u64) {
    let mut highest = 0.0;
    for run in noted {
        let percent = run.progress_percent;
        assert!(percent >= highest, "{percent} after {highest}");
        highest = percent;
        // A batch is read before it is saved.
        let passed = run.metrics.documents_crawled + 512;
        assert!(
            percent <= 100.0 * passed as f64 / of as f64 + 1.0,
            "{percent} at {passed} of {of}"
        );
    }
}

fn with_documents(numbers: std::ops::Range<u64>) -> Place {
    let place = Place::in_memory();
    for number in numbers {
        place.write(&format!("{number:04}.md"), markdown(number, 1, "common"));
    }
    place
}

#[test]
fn a_knowledge_base_that_grows_knows_by_how_much() {
    let place = with_documents(0..39);
    place.ingest();
    for number in 39..3000 {
        place.write(&format!("{number:04}.md"), markdown(number, 1, "common"));
    }
    let (hook, noted) = noting(&place, Checkpoint::AfterSave);
    let report = ingest(&place.config(), Some(&hook));
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let noted = noted.lock().unwrap();
    assert!(noted.len() >= 5);
    assert!(noted.iter().all(|run| run.documents_listed == Some(3000)));
    assert_true(&noted, 3000);
    assert!(noted.last().unwrap().progress_percent > 60.0);
}

#[test]
fn a_resumed_run_tells_the_true_percentage() {
    let place = with_documents(0..3000);
    let config = place.config();
    let report = ingest(&config, Some(&stop_at(Some(Checkpoint::AfterEnqueue), 2)));
    assert_cancelled(&report, "the second batch");
    let before = report.run.unwrap();
    assert!((15.0..60.0).contains(&before.percent().unwrap()), "{before:?}");
    // The pause is not time at work.
    let connection = rusqlite::Connection::open(&config.kb).unwrap();
    let hour = "UPDATE run SET started_ms = started_ms - 3600000, ended_ms = ended_ms - 3600000,
                               heartbeat_ms = heartbeat_ms - 3600000";
    connection.execute_batch(hour).unwrap();
    drop(connection);
    let (hook, noted) = noting(&place, Checkpoint::BeforeBatch);
    let report = resume(&config, Some(&hook));
    let mut noted = noted.lock().unwrap();
    noted.insert(0, before);
    assert_true(&noted, 3000);
    let run = report.run.unwrap();
    assert_eq!((run.percent(), run.documents_listed), (Some(100.0), Some(3000)));
    assert!((1..600_000).contains(&run.worked_ms), "{run:?}");
    let status = program().arg("status").arg(&config.kb).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains(" s at work, ") && !status.contains(" h "), "{status}");
}

/// Most of the work is done before the sources are compared.
#[test]
fn other_settings_have_a_percentage_from_the_start() {
    for (old, new) in [("max_tokens = 32", "max_tokens = 48"), ("dim = 64", "dim = 32")] {
        let place = with_documents(0..2000);
        place.ingest();
        place.reconfigure(old, new);
        let (hook, noted) = noting(&place, Checkpoint::BeforeCommit);
        let report = ingest(&place.config(), Some(&hook));
        assert_eq!(report.exit_code, 0, "{report:#?}");
        let noted = noted.lock().unwrap();
        let percents: Vec<_> = noted.iter().map(|run| run.progress_percent).collect();
        assert!(percents.is_sorted(), "{percents:?}");
        let half = percents[percents.len() / 2];
        assert!((20.0..90.0).contains(&half), "{new}: {percents:?}");
    }
}

/// Without a listing there is no percentage to show, only a lower bound.
#[test]
fn nobody_is_shown_a_percentage_of_an_unknown_total() {
    let place = Place::in_memory();
    let server = Server::start();
    let links: Vec<_> = (1..200).map(|number| format!("{number}.html")).collect();
    let links: Vec<_> = links.iter().map(String::as_str).collect();
    server.page("/docs/", "Start.", &links);
    for number in 1..200 {
        server.page(&format!("/docs/{number}.html"), &format!("Page {number}."), &[]);
    }
    let start = server.url("/docs/");
    place.configure(&format!(
        "[kb]\npath = 'kb.kb'\n[[source.web]]\nname = 'site'\nstart_urls = ['{start}']\n\
         private_hosts = ['127.0.0.1']\nrequests_per_second = 1000\n[embed.hash]\ndim = 64\n"
    ));
    let config = place.config();
    let report = ingest(&config, Some(&stop_at(Some(Checkpoint::AfterSave), 2)));
    assert_cancelled(&report, "the second batch");
    let run = report.run.unwrap();
    assert_eq!((run.percent(), run.documents_listed), (None, None));
    assert!(run.progress_percent < 50.0);
    let status = program().arg("status").arg(&config.kb).output().unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("run 1: stopped after ") && !status.contains('%'), "{status}");
    let run = resume(&config, None).run.unwrap();
    assert_eq!((run.percent(), run.metrics.documents_crawled), (Some(100.0), 200));
}

/// Requests a stop at the first step of merging, as `how` does it, and waits until it is heard.
struct StopsMerging<'a> {
    stop: Arc<StopSignal>,
    how: &'a (dyn Fn(&StopSignal) + Sync),
    steps: Mutex<Vec<FinishStep>>,
}

impl EventSink for StopsMerging<'_> {
    fn emit(&self, event: &Event<'_>) {
        let Event::Finishing { step } = event else { return };
        let mut steps = self.steps.lock().unwrap();
        if steps.is_empty() {
            (self.how)(&self.stop);
            wait_until("the stop is heard", || self.stop.is_requested());
        }
        steps.push(*step);
    }
}

/// A batch of documents of which each takes long is not saved before its end, but its progress is.
#[test]
fn documents_that_take_long_show_progress() {
    let place = slow();
    for number in 0..6 {
        place.write(&format!("{number}.md"), "at once");
    }
    let mut command = program();
    command.args(["ingest", "--trust"]).arg(place.toml()).env("XDG_CACHE_HOME", place.cache());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("some documents are passed", || {
        place.path("began").exists()
            && rows(&place.kb(), "SELECT 1 FROM run WHERE progress_percent BETWEEN 1 AND 60")
                == ["1"]
    });
    fs::write(place.path("fast"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Returns the number of segments that a run leaves whose merge is stopped, as `how` does it.
fn segments_after_stop(place: &Place, how: &(dyn Fn(&StopSignal) + Sync)) -> Vec<String> {
    for number in 0..4200 {
        place.write(&format!("{number}.md"), format!("common word{number}"));
    }
    let stop = Arc::new(StopSignal::default());
    let events = StopsMerging { stop: Arc::clone(&stop), how, steps: Mutex::default() };
    let session = Session { stop, events: &events, hook: None, embedder: None };
    let options = IngestOptions { threads: 2, ..IngestOptions::default() };
    let report = operations::ingest(&place.config(), &options, &session).unwrap();
    // The run was complete before.
    let run = report.run.unwrap();
    assert_eq!((report.exit_code, run.percent()), (0, Some(100.0)));
    let steps = events.steps.into_inner().unwrap();
    assert!(matches!(steps[0], FinishStep::Merging { pages_left: 1.. }), "{steps:?}");
    assert_sound(&place.kb());
    rows(&place.kb(), "SELECT COUNT(DISTINCT segid) > 1 FROM chunk_fts_idx")
}

#[test]
fn a_signal_ends_the_merge_and_the_run_is_complete() {
    let place = Place::in_memory();
    assert_eq!(segments_after_stop(&place, &StopSignal::request), ["1"]);
}

#[test]
fn cancel_ends_the_merge_and_the_run_is_complete() {
    let place = Place::in_memory();
    let kb = place.kb();
    let cancel = |_: &StopSignal| {
        let target = Target::File(kb.clone());
        let status = program().arg("status").arg(&kb).output().unwrap();
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(status.contains("run 1: completed, its file is being finished"), "{status}");
        let cancelled = operations::cancel(&target, Duration::ZERO).unwrap();
        assert!(matches!(cancelled, Cancellation::TimedOut), "{cancelled:?}");
    };
    assert_eq!(segments_after_stop(&place, &cancel), ["1"]);
}

/// Also within a statement, which may take long.
#[test]
fn what_is_interrupted_while_it_finishes_is_sound() {
    let place = Place::in_memory();
    for number in 0..4200 {
        place.write(&format!("{number}.md"), format!("common word{number}"));
    }
    let config = place.config();
    assert_cancelled(&ingest(&config, Some(&stop_at(Some(Checkpoint::BeforeCommit), 5))), "four");
    let kb = Writer::open(&config.kb).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                kb.interrupt();
            }
        });
        for _ in 0..100 {
            kb.finish(1000, &|| false, &Silent).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    drop(kb);
    assert_sound(&config.kb);
    assert_eq!(resume(&config, None).exit_code, 0);
    place.assert_equals_fresh_ingest();
}

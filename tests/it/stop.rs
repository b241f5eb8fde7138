//! A run that is stopped at any checkpoint, at any visit, and resumed ends like one that was not.
//!
//! Whole dumps are compared, including the queue; in between the knowledge base is sound and no
//! claim is left.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kbingest::config::Config;
use kbingest::domain::{PhaseStatus, RunStatus};
use kbingest::error::chain;
use kbingest::operations::{AllowDeletes, IngestOptions, RunReport, Target};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};

use crate::support::{
    Place, Visits, assert_cancelled, assert_no_claims, assert_same, assert_sound, dump, ingest,
    markdown, resume, resume_target, rows, stop_at, try_ingest,
};
use crate::wait::wait_until;

const TWO_SOURCES: &str = "
[[source.directory]]
name = 'docs'
path = 'docs'
[[source.directory]]
name = 'notes'
path = 'notes'
[chunk]
max_tokens = 32
[embed.hash]
dim = 64
";

/// A run to be stopped: its settings, and the initial knowledge base.
struct Scenario {
    place: Place,
    has_base: bool,
    /// The result of the uninterrupted run.
    expected: String,
    metrics: String,
}

impl Scenario {
    /// A first ingest of two sources, of three batches.
    fn first() -> Self {
        let place = Place::new();
        place.configure(TWO_SOURCES);
        fill(&place);
        Self::of(place, false)
    }

    /// An ingest after `change`, on top of a first one.
    fn after(change: impl Fn(&Place)) -> Self {
        let place = Place::new();
        place.configure(TWO_SOURCES);
        fill(&place);
        ingest(&place.config_into("base.kb"), None);
        change(&place);
        Self::of(place, true)
    }

    fn of(place: Place, has_base: bool) -> Self {
        let mut scenario =
            Self { place, has_base, expected: String::new(), metrics: String::new() };
        let config = scenario.start("whole.kb");
        let report = ingest(&config, None);
        assert_eq!(report.exit_code, 0, "{report:#?}");
        scenario.expected = dump(&config.kb);
        scenario.metrics = document_metrics(&report);
        let fresh = scenario.place.config_into("fresh.kb");
        ingest(&fresh, None);
        assert_same(&scenario.expected, &dump(&fresh.kb), "a fresh ingest");
        scenario
    }

    /// Returns settings for a run into `kb`, in its state before the run.
    fn start(&self, kb: &str) -> Config {
        let config = self.place.config_into(kb);
        crate::support::remove_kb(&config.kb);
        if self.has_base {
            fs::copy(self.place.path("base.kb"), &config.kb).unwrap();
        }
        config
    }

    fn assert_complete(&self, report: &RunReport, context: &str) {
        assert_eq!(report.exit_code, 0, "{context}: {report:#?}");
        let kb = &report.knowledge_base;
        assert_sound(kb);
        assert_same(&dump(kb), &self.expected, &format!("the uninterrupted run ({context})"));
        assert_eq!(rows(kb, "SELECT * FROM queue"), Vec::<String>::new());
        let run = report.run.as_ref().unwrap();
        assert_eq!(run.progress_percent, 100.0, "{context}");
        assert_eq!(document_metrics(report), self.metrics, "{context}");
    }

    /// Stops at the first, second, … visit of `checkpoint` until there is none, and resumes each
    /// time.
    /// time.
    fn stop_at_every_visit(&self, checkpoint: Checkpoint) {
        for visit in 1.. {
            let config = self.start("stopped.kb");
            let context = format!("{checkpoint:?}, visit {visit}");
            let report = ingest(&config, Some(&stop_at(Some(checkpoint), visit)));
            if report.exit_code == 0 {
                self.assert_complete(&report, &context);
                assert!(visit > 1, "{checkpoint:?} is never reached");
                return;
            }
            assert_cancelled(&report, &context);
            // Both continue the run, and neither starts a new one.
            let report = if visit % 2 == 0 { ingest(&config, None) } else { resume(&config, None) };
            self.assert_complete(&report, &context);
            assert_eq!(
                rows(&config.kb, "SELECT max(id) FROM run"),
                rows(&self.place.path("whole.kb"), "SELECT max(id) FROM run")
            );
        }
    }

    /// Stops one run again and again, each time one checkpoint later.
    fn stop_again_and_again(&self) {
        let config = self.start("again.kb");
        let mut percent = 0.0;
        for visit in 1..200 {
            let context = format!("checkpoint {visit}");
            let report = ingest(&config, Some(&stop_at(None, visit)));
            let run = report.run.as_ref().unwrap();
            assert!(run.progress_percent >= percent, "{context}: progress fell");
            percent = run.progress_percent;
            if report.exit_code == 0 {
                return self.assert_complete(&report, &context);
            }
            assert_cancelled(&report, &context);
        }
        panic!("never done");
    }

    fn stop_at_all(&self, checkpoints: &[Checkpoint]) {
        for checkpoint in checkpoints {
            self.stop_at_every_visit(*checkpoint);
        }
        self.stop_again_and_again();
    }
}

/// As many as fit one batch.
const DOCUMENTS: u64 = 512;

/// 514 documents in `docs`, which is two batches, and three in `notes`; one is longer than one
/// queue row.
fn fill(place: &Place) {
    for number in 0..DOCUMENTS {
        place.write(&format!("{:02}/{number:03}.md", number % 7), markdown(number, 1, "common"));
    }
    place.write("blank.md", "\n\n");
    place.write("long.md", markdown(1000, 300, "common"));
    for number in 0..3 {
        let path = place.path(&format!("notes/{number}.txt"));
        place.put(&path, markdown(2000 + number, 3, "note").as_bytes());
    }
}

/// Changes, adds, renames and removes documents.
fn edit(place: &Place) {
    for number in (0..DOCUMENTS).step_by(5) {
        let name = format!("{:02}/{number:03}.md", number % 7);
        place.write(&name, markdown(number, 2, "edited"));
    }
    place.write("long.md", markdown(1000, 301, "common"));
    place.write("blank.md", "no longer blank");
    place.write("new.md", markdown(3000, 4, "new"));
    place.rename("01/001.md", "01/renamed.md");
    place.remove("02/002.md");
    fs::remove_file(place.path("notes/1.txt")).unwrap();
}

fn document_metrics(report: &RunReport) -> String {
    let metrics = &report.run.as_ref().unwrap().metrics;
    format!(
        "crawled {} new {} changed {} unchanged {} deleted {} restaged {}",
        metrics.documents_crawled,
        metrics.documents_new,
        metrics.documents_changed,
        metrics.documents_unchanged,
        metrics.documents_deleted,
        metrics.documents_restaged
    )
}

#[test]
fn a_first_ingest_can_be_stopped_everywhere() {
    Scenario::first().stop_at_all(&Checkpoint::ALL);
}

#[test]
fn a_later_ingest_can_be_stopped_everywhere() {
    Scenario::after(edit).stop_at_all(&Checkpoint::ALL);
}

#[test]
fn a_change_of_chunk_settings_can_be_stopped_everywhere() {
    let change = |place: &Place| place.reconfigure("max_tokens = 32", "max_tokens = 48");
    // Nothing is saved again.
    let reached: Vec<_> =
        Checkpoint::ALL.into_iter().filter(|at| *at != Checkpoint::AfterSave).collect();
    Scenario::after(change).stop_at_all(&reached);
}

#[test]
fn a_change_of_model_can_be_stopped_everywhere() {
    // Nothing is saved or chunked again.
    Scenario::after(|place| place.reconfigure("dim = 64", "dim = 32")).stop_at_all(&[
        Checkpoint::BeforeStart,
        Checkpoint::BeforeBatch,
        Checkpoint::BeforeClaim,
        Checkpoint::BeforeCommit,
    ]);
}

/// One batch: the producer is always finished with it, so the crawl is complete at the stop.
fn stop_with_a_complete_crawl() -> (Place, Config, String) {
    let place = Place::new();
    for number in 0..20 {
        place.write(&format!("{number}.md"), markdown(number, 4, "common"));
    }
    ingest(&place.config_into("whole.kb"), None);
    let expected = dump(&place.path("whole.kb"));
    let config = place.config();
    let report = ingest(&config, Some(&stop_at(Some(Checkpoint::BeforeCommit), 1)));
    assert_cancelled(&report, "one batch");
    let run = report.run.unwrap();
    assert_eq!(run.phases.crawling, PhaseStatus::Completed);
    assert_eq!(run.phases.cleaning, PhaseStatus::Completed);
    assert_eq!(run.phases.embedding, PhaseStatus::InProgress);
    (place, config, expected)
}

fn assert_embeds_only(report: &RunReport, expected: &str) {
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let run = report.run.as_ref().unwrap();
    assert_eq!(run.metrics.documents_deleted + run.metrics.deletions_withheld, 0);
    assert_same(&dump(&report.knowledge_base), expected, "the uninterrupted run");
}

#[test]
fn resume_with_a_complete_crawl_goes_straight_to_embedding() {
    let (place, config, expected) = stop_with_a_complete_crawl();
    // A crawl would now delete everything.
    fs::remove_dir_all(place.docs()).unwrap();
    assert_embeds_only(&resume(&config, None), &expected);
}

#[test]
fn resume_with_a_complete_crawl_needs_no_config() {
    let (place, config, expected) = stop_with_a_complete_crawl();
    fs::remove_dir_all(place.docs()).unwrap();
    fs::remove_file(place.toml()).unwrap();
    assert_embeds_only(&resume_target(&Target::open(&config.kb).unwrap(), None), &expected);
}

/// `ingest` promises the present state, including later changes.
#[test]
fn ingest_with_a_complete_crawl_looks_once_more() {
    let (place, config, _) = stop_with_a_complete_crawl();
    place.write("0.md", "edited");
    place.write("new.md", "new");
    place.remove("1.md");
    // A removed document only counts as deleted if it was published before, so the consumer is
    // given time for that.
    let kb = config.kb.clone();
    let hook = move |checkpoint: Checkpoint, _: &StopSignal| {
        if checkpoint == Checkpoint::BeforeBatch {
            wait_until("what was queued is embedded", || {
                rows(&kb, "SELECT 1 FROM queue").is_empty()
            });
        }
    };
    let report = ingest(&config, Some(&hook));
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let metrics = report.run.unwrap().metrics;
    assert_eq!((metrics.documents_new, metrics.documents_deleted), (21, 1));
    place.assert_equals_fresh_ingest();
}

/// Merges do not delay a stop, and the next process makes up for them.
#[test]
fn full_text_is_merged_by_the_run_that_completes() {
    let place = Place::new();
    for number in 0..4200 {
        place.write(&format!("{number}.md"), format!("common word{number}"));
    }
    let config = place.config();
    let segments = || rows(&config.kb, "SELECT COUNT(DISTINCT segid) FROM chunk_fts_idx");
    let report = ingest(&config, Some(&stop_at(Some(Checkpoint::BeforeCommit), 5)));
    assert_cancelled(&report, "the fifth commit");
    assert_eq!(segments(), ["4"]);
    assert_eq!(resume(&config, None).exit_code, 0);
    assert_eq!(segments(), ["1"]);
}

#[test]
fn with_nothing_to_resume_resume_does_nothing() {
    let place = Place::new();
    place.write("a.md", "one");
    let before = place.ingest();
    place.write("b.md", "two");
    let report = resume(&place.config(), None);
    assert_eq!((report.run, report.exit_code), (None, 0));
    assert_eq!(rows(&place.kb(), "SELECT max(id) FROM run"), [before.id.to_string()]);
    assert_eq!(rows(&place.kb(), "SELECT uri FROM document"), ["a.md"]);
}

#[test]
fn restart_drops_what_was_half_done() {
    let place = Place::new();
    for number in 0..20 {
        place.write(&format!("{number}.md"), markdown(number, 4, "common"));
    }
    place.ingest();
    // These have an older version, and a new one that is half done.
    for number in 0..10 {
        place.write(&format!("{number}.md"), markdown(number, 5, "edited"));
    }
    let config = place.config();
    for at in [Checkpoint::AfterSave, Checkpoint::AfterEnqueue, Checkpoint::BeforeCommit] {
        assert_cancelled(&ingest(&config, Some(&stop_at(Some(at), 1))), "restart");
        let options = IngestOptions { restart: true, ..IngestOptions::default() };
        let before = rows(&place.kb(), "SELECT max(id) FROM run");
        let stopped = try_ingest(&config, options, Some(&stop_at(Some(at), 1))).unwrap();
        assert_cancelled(&stopped, "restart, stopped");
        assert_ne!(rows(&place.kb(), "SELECT max(id) FROM run"), before);
    }
    let options = IngestOptions { restart: true, ..IngestOptions::default() };
    let report = try_ingest(&config, options, None).unwrap();
    assert_eq!(report.exit_code, 0);
    assert_eq!(report.run.unwrap().metrics.documents_changed, 10);
    assert_sound(&place.kb());
    place.assert_equals_fresh_ingest();
}

fn panic_at(at: Checkpoint, visit: usize) -> impl Fn(Checkpoint, &StopSignal) {
    let visits = AtomicUsize::new(0);
    move |checkpoint, _| {
        if checkpoint == at && visits.fetch_add(1, Ordering::SeqCst) + 1 == visit {
            panic!("planted at {checkpoint:?}");
        }
    }
}

fn status_of(kb: &Path) -> Vec<String> {
    rows(kb, "SELECT status, error FROM run ORDER BY id DESC LIMIT 1")
}

#[test]
fn a_panic_fails_the_run_and_loses_nothing() {
    let scenario = Scenario::after(edit);
    for (at, thread) in [
        (Checkpoint::BeforeBatch, "producer"),
        (Checkpoint::AfterSave, "producer"),
        (Checkpoint::AfterChunk, "producer"),
        (Checkpoint::AfterEnqueue, "producer"),
        (Checkpoint::BeforeClaim, "consumer"),
        (Checkpoint::BeforeCommit, "consumer"),
    ] {
        let config = scenario.start("failed.kb");
        let report = ingest(&config, Some(&panic_at(at, 1)));
        let error = format!("internal error in {thread}: planted at {at:?}");
        assert_eq!(report.exit_code, 1, "{report:#?}");
        assert_eq!(report.error().map(|error| chain(error)).as_ref(), Some(&error));
        assert_eq!(report.run.unwrap().status, RunStatus::Failed);
        assert_eq!(status_of(&config.kb), [format!("failed|{error}")]);
        assert_sound(&config.kb);
        let report = resume(&config, None);
        scenario.assert_complete(&report, &error);
        assert_no_claims(&config.kb);
    }
}

/// Ten documents are live, and new texts of five wait in the queue; the next run has other
/// settings.
fn stop_then_reconfigure(old: &str, new: &str) -> Place {
    let place = Place::new();
    for number in 0..10 {
        place.write(&format!("{number}.md"), markdown(number, 4, "common"));
    }
    place.ingest();
    for number in 0..5 {
        place.write(&format!("{number}.md"), markdown(number, 5, "common"));
    }
    let report = ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 1)));
    assert_cancelled(&report, "before the change");
    place.reconfigure(old, new);
    place
}

/// The consumer has a batch of the old queue while the producer chunks the same texts again.
#[test]
fn settings_may_change_while_chunks_are_queued() {
    for (old, new) in [("max_tokens = 32", "max_tokens = 48"), ("dim = 64", "dim = 32")] {
        let place = stop_then_reconfigure(old, new);
        let visits = Arc::new(Visits::default());
        let hook = move |checkpoint, _: &StopSignal| {
            if visits.note(checkpoint) == 1 && checkpoint == Checkpoint::BeforeCommit {
                visits.wait_for(Checkpoint::AfterEnqueue, 1, Duration::from_secs(5));
            }
        };
        let report = ingest(&place.config(), Some(&hook));
        assert_eq!(report.exit_code, 0, "{report:#?}");
        assert_sound(&place.kb());
        place.assert_equals_fresh_ingest();
    }
}

/// A resume applies its own settings to live documents, and keeps the kb.toml of its run for the
/// next one to compare with.
#[test]
fn settings_that_come_back_after_a_resume_with_others_are_seen() {
    for (old, new) in [("max_tokens = 32", "max_tokens = 48"), ("dim = 64", "dim = 32")] {
        let place = stop_then_reconfigure(old, new);
        assert_eq!(resume(&place.config(), None).exit_code, 0);
        place.reconfigure(new, old);
        place.ingest();
        place.assert_equals_fresh_ingest();
    }
}

/// The consumer has time to commit what was queued with the old settings.
#[test]
fn two_models_never_mix() {
    let place = stop_then_reconfigure("dim = 64", "dim = 32");
    let visits = Arc::new(Visits::default());
    let hook = move |checkpoint, stop: &StopSignal| {
        if visits.note(checkpoint) == 1 && checkpoint == Checkpoint::BeforeBatch {
            visits.wait_for(Checkpoint::BeforeClaim, 3, Duration::from_millis(300));
            stop.request();
        }
    };
    assert_cancelled(&ingest(&place.config(), Some(&hook)), "two models");
    assert_eq!(resume(&place.config(), None).exit_code, 0);
    place.ingest();
    place.assert_equals_fresh_ingest();
}

/// Ends runs by a panic in the consumer, as a kill would, until a document is blamed.
fn set_one_aside() -> Place {
    let place = Place::new();
    for number in 0..3 {
        place.write(&format!("{number}.md"), markdown(number, 3, "common"));
    }
    let failures = |place: &Place| rows(&place.kb(), "SELECT count(*) FROM failure") != ["0"];
    for _ in 0..10 {
        let report = ingest(&place.config(), Some(&panic_at(Checkpoint::BeforeCommit, 1)));
        assert_eq!(report.exit_code, 1, "{report:#?}");
        assert_sound(&place.kb());
        if failures(&place) {
            return place;
        }
    }
    panic!("no document is ever quarantined");
}

#[test]
fn a_document_that_ends_the_process_each_time_is_set_aside() {
    let place = set_one_aside();
    let failed = "SELECT uri, stage, kind FROM failure JOIN document ON document.id = document_id";
    for _ in 0..2 {
        place.ingest_to(3);
        assert_eq!(rows(&place.kb(), failed), ["0.md|embed|permanent"]);
        let live = rows(&place.kb(), "SELECT DISTINCT uri FROM chunks ORDER BY uri");
        assert_eq!(live, ["1.md", "2.md"]);
    }
    // It is retried when it changes.
    place.write("0.md", markdown(5, 3, "changed"));
    place.ingest();
    place.assert_equals_fresh_ingest();
}

#[test]
fn a_document_set_aside_is_tried_again_with_other_settings_or_when_asked() {
    let retry = IngestOptions { retry_failed: true, ..IngestOptions::default() };
    for (settings, options) in [
        (Some(("max_tokens = 32", "max_tokens = 48")), IngestOptions::default()),
        (Some(("dim = 64", "dim = 32")), IngestOptions::default()),
        (Some(("dim = 64", "dim = 32")), retry.clone()),
        (None, retry),
    ] {
        let place = set_one_aside();
        place.ingest_to(3);
        if let Some((old, new)) = settings {
            place.reconfigure(old, new);
        }
        let visits = Visits::default();
        let hook = move |checkpoint, _: &StopSignal| {
            if visits.note(checkpoint) == 1 && checkpoint == Checkpoint::BeforeCommit {
                visits.wait_for(Checkpoint::AfterEnqueue, 1, Duration::from_millis(200));
            }
        };
        let report = try_ingest(&place.config(), options, Some(&hook)).unwrap();
        assert_eq!(report.exit_code, 0, "{settings:?} {report:#?}");
        assert_sound(&place.kb());
        place.assert_equals_fresh_ingest();
    }
}

/// Chunks sized in the tokens of one model are not reused for another.
#[test]
fn a_model_of_other_tokens_has_its_own_chunks() {
    let place = Place::new();
    for number in 0..6 {
        place.write(&format!("{number}.md"), markdown(number, 30, "notwithstanding"));
    }
    place.ingest();
    for (old, new) in [
        ("[embed.hash]\ndim = 64", "[embed.builtin]"),
        ("[embed.builtin]", "[embed.hash]\ndim = 16"),
    ] {
        place.reconfigure(old, new);
        assert_eq!(place.ingest().metrics.bytes_read, 0);
        place.assert_equals_fresh_ingest();
    }
}

/// The crawl of the stopped run is complete, and the new request needs another.
#[test]
fn deletions_can_be_allowed_when_a_stopped_run_has_withheld_them() {
    let place = Place::new();
    for number in 0..20 {
        place.write(&format!("{number:02}.md"), markdown(number, 2, "common"));
    }
    place.ingest();
    for number in 0..11 {
        place.remove(&format!("{number:02}.md"));
    }
    place.write("new.md", "new");
    let report = ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 1)));
    assert_cancelled(&report, "withheld");
    assert_eq!(report.run.unwrap().metrics.deletions_withheld, 11);
    let options = IngestOptions { allow_deletes: AllowDeletes::All, ..IngestOptions::default() };
    let report = try_ingest(&place.config(), options, None).unwrap();
    assert_eq!(report.exit_code, 0, "{report:#?}");
    place.assert_equals_fresh_ingest();
}

//! Several processes with one knowledge base: which are locked out, what readers see, how a run is
//! cancelled.
//!
//! A run of this process is held at a checkpoint while other processes are started, so that no
//! result depends on speed.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use kbingest::config::Config;
use kbingest::domain::RunStatus;
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, RunReport, Target};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};
use serde_json::Value;

use crate::support::{
    Place, assert_cancelled, assert_same, assert_sound, dump, gated, ingest, markdown, resume, rows,
};
use crate::wait::{PATIENCE, end_of, wait_until};

/// Holds a run at a checkpoint until it is dropped.
#[derive(Default)]
struct Hold {
    state: Arc<(Mutex<HoldState>, Condvar)>,
}

#[derive(Default)]
struct HoldState {
    is_reached: bool,
    release: Option<Release>,
}

/// When a held run continues.
#[derive(Clone, Copy, PartialEq)]
enum Release {
    AtOnce,
    /// Once it has seen the request to stop.
    WhenStopping,
}

impl Hold {
    /// Returns a hook that waits at the first visit of `at`.
    fn hook(&self, at: Checkpoint) -> impl Fn(Checkpoint, &StopSignal) + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move |checkpoint, stop| {
            let (state, changed) = &*state;
            let mut held = state.lock().unwrap();
            if checkpoint == at && !held.is_reached {
                held.is_reached = true;
                changed.notify_all();
                let is_held = |held: &mut HoldState| held.release.is_none();
                let (held, _) = changed.wait_timeout_while(held, PATIENCE, is_held).unwrap();
                let release = held.release;
                drop(held);
                if release == Some(Release::WhenStopping) {
                    wait_until("the request to stop is seen", || stop.is_requested());
                }
            }
        }
    }

    fn release(&self, release: Release) {
        let (state, changed) = &*self.state;
        if let Ok(mut held) = state.lock() {
            held.release.get_or_insert(release);
            changed.notify_all();
        }
    }

    fn wait_until_reached(&self) {
        let (state, changed) = &*self.state;
        let is_early = |held: &mut HoldState| !held.is_reached;
        let (held, _) =
            changed.wait_timeout_while(state.lock().unwrap(), PATIENCE, is_early).unwrap();
        assert!(held.is_reached, "the checkpoint is never reached");
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release(Release::AtOnce);
    }
}

fn kbingest(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs `work` while an ingest is held at its first visit of `at`; returns the result of the
/// ingest.
fn while_held(config: &Config, at: Checkpoint, work: impl FnOnce(&Hold)) -> RunReport {
    let hold = Hold::default();
    let hook = hold.hook(at);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| ingest(config, Some(&hook)));
        hold.wait_until_reached();
        work(&hold);
        drop(hold);
        run.join().unwrap()
    })
}

/// A knowledge base of one state, and the documents of the next.
fn two_states() -> Place {
    let place = Place::new();
    for number in 0..30 {
        place.write(&format!("{number}.md"), markdown(number, 3, "first"));
    }
    place.ingest();
    place.write("broken.md", b"\0\0\0");
    for number in 0..15 {
        place.write(&format!("{number}.md"), markdown(number, 4, "second"));
    }
    place
}

#[test]
fn a_second_run_is_kept_out() {
    let place = two_states();
    let toml = place.toml();
    let toml = toml.to_str().unwrap();
    for at in [Checkpoint::BeforeStart, Checkpoint::AfterSave, Checkpoint::BeforeCommit] {
        let config = place.config_into(&format!("{at:?}.kb"));
        std::fs::copy(place.kb(), &config.kb).unwrap();
        place.reconfigure("path = 'kb.kb'", &format!("path = '{at:?}.kb'"));
        let report = while_held(&config, at, |_| {
            for arguments in
                [&["ingest", toml][..], &["ingest", "--restart", toml], &["resume", toml]]
            {
                let output = kbingest(arguments);
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.code(), Some(11), "{arguments:?}: {error}");
                let pid = format!("pid {}", std::process::id());
                assert!(error.contains(&pid) && error.contains("hint: "), "{error}");
            }
        });
        assert_eq!(report.exit_code, 0);
        place.reconfigure(&format!("path = '{at:?}.kb'"), "path = 'kb.kb'");
    }
}

#[test]
fn status_search_and_check_work_beside_a_run() {
    let place = two_states();
    let (toml, kb) = (place.toml(), place.kb());
    for at in [Checkpoint::AfterSave, Checkpoint::AfterEnqueue, Checkpoint::BeforeCommit] {
        let report = while_held(&place.config(), at, |_| {
            for target in [toml.to_str().unwrap(), kb.to_str().unwrap()] {
                let status = json(&kbingest(&["status", "--json", target]));
                assert_eq!(status["run"]["status"], "running");
                assert_eq!(status["is_interrupted"], false);
                let holder = status["lock_holder"].as_str().unwrap();
                assert!(holder.contains(&std::process::id().to_string()), "{holder}");

                let output = kbingest(&["status", "--failures", target]);
                let failures = String::from_utf8(output.stdout).unwrap();
                assert!(output.status.success() && failures.contains("broken.md"), "{failures}");

                let found = json(&kbingest(&[
                    "search",
                    "--json",
                    "--no-fold",
                    "-k",
                    "50",
                    target,
                    "first",
                ]));
                assert_eq!(found["hits"].as_array().unwrap().len(), 50);
                assert!(kbingest(&["check", target]).status.success());
            }
        });
        assert_eq!(report.exit_code, 0);
        // The next round's changes.
        for number in 0..15 {
            place.write(&format!("{number}.md"), markdown(number, 4, &format!("{at:?}")));
        }
    }
}

const MIXED: &str = "mixed.md";

/// Fails if the document is not entirely of one version; returns the version.
fn version_seen(kb: &Path, versions: &[Vec<String>; 2]) -> usize {
    let texts = rows(kb, "SELECT text FROM chunks WHERE uri = 'mixed.md' ORDER BY ordinal");
    let version = versions.iter().position(|version| *version == texts);
    version.unwrap_or_else(|| panic!("neither version, or a mix: {} chunks", texts.len()))
}

fn assert_hits_of_one_version(target: &Target) {
    for mode in [SearchMode::Text, SearchMode::Hybrid] {
        let options = Query {
            show: Show { limit: 100, mode, folds: false, ..Show::default() },
            ..Query::new("oldword newword")
        };
        let hits = operations::search(target, &options).unwrap().hits;
        let hits: Vec<_> = hits.iter().filter(|hit| hit.uri == MIXED).collect();
        let count = |word| hits.iter().filter(|hit| hit.text.contains(word)).count();
        let (old, new) = (count("oldword"), count("newword"));
        assert!(
            !hits.is_empty() && (old == 0) != (new == 0),
            "{mode:?}: {old} old, {new} new hits of {}",
            hits.len()
        );
        assert!(old.max(new) > hits.len() / 2, "{old} old, {new} new hits of {}", hits.len());
    }
}

/// The document has more chunks than one commit.
#[test]
fn readers_see_a_document_in_its_old_or_its_new_version() {
    let place = Place::new();
    place.write(MIXED, markdown(1, 12_400, "oldword"));
    place.write("other.md", markdown(2, 20, "oldword"));
    place.ingest();
    let sql = "SELECT text FROM chunks WHERE uri = 'mixed.md' ORDER BY ordinal";
    let old = rows(&place.kb(), sql);
    assert!(old.len() > 12_288, "{} chunks", old.len());
    place.write(MIXED, markdown(3, 12_500, "newword"));
    let fresh = place.config_into("fresh.kb");
    ingest(&fresh, None);
    let versions = Arc::new([old, rows(&fresh.kb, sql)]);

    let config = place.config();
    let target = Target::Config(Box::new(config.clone()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let (kb, target) = (place.kb(), target.clone());
        let (seen, versions) = (Arc::clone(&seen), Arc::clone(&versions));
        move |_, _: &StopSignal| {
            seen.lock().unwrap().push(version_seen(&kb, &versions));
            assert_hits_of_one_version(&target);
        }
    };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| ingest(&config, Some(&hook)));
        while !run.is_finished() {
            version_seen(&config.kb, &versions);
            assert_hits_of_one_version(&target);
        }
        let report = run.join().unwrap();
        assert_eq!(report.exit_code, 0, "{report:#?}");
        assert!(report.run.unwrap().metrics.batches_processed >= 2);
    });
    let seen = seen.lock().unwrap();
    assert!(seen.is_sorted(), "the old version came back: {seen:?}");
    assert_eq!((seen[0], version_seen(&config.kb, &versions)), (0, 1));
    assert_same(&place.dump(), &dump(&fresh.kb), "a fresh ingest");
}

#[test]
fn cancel_from_another_process_stops_the_run_at_a_checkpoint() {
    for at in [Checkpoint::AfterSave, Checkpoint::BeforeClaim, Checkpoint::BeforeCommit] {
        let place = two_states();
        let toml = place.toml();
        let toml = toml.to_str().unwrap();
        let mut waiting = None;
        let report = while_held(&place.config(), at, |hold| {
            let output = kbingest(&["cancel", "--timeout", "0", toml]);
            assert_eq!(output.status.code(), Some(11), "{output:?}");
            let mut cancel = command(&["cancel", toml]);
            waiting = Some(cancel.stdout(Stdio::piped()).spawn().unwrap());
            hold.release(Release::WhenStopping);
        });
        assert_cancelled(&report, "cancel");
        // The second may have arrived after the run ended.
        let output = waiting.unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(resume(&place.config(), None).exit_code, 0);
        place.ingest();
        assert_sound(&place.kb());
    }
}

#[test]
fn cancel_ends_the_other_process_with_130_and_says_how_to_resume() {
    let place = Place::new();
    let gate = gated(&place);
    for number in 0..30 {
        place.write(&format!("{number}.md"), markdown(number, 4, "common"));
    }
    let toml = place.toml();
    let toml = toml.to_str().unwrap();
    let mut child = command(&["ingest", "--trust", toml]);
    child.env("XDG_CACHE_HOME", place.cache()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().unwrap();
    gate.wait_until_reached();
    assert_eq!(rows(&place.kb(), "SELECT count(*) FROM revision"), ["30"]);
    let output = kbingest(&["cancel", toml]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("stopped at") && text.contains("`kbingest resume "), "{text}");
    assert_eq!(end_of(&mut child, "a cancelled run").code(), Some(130));

    gate.open();
    assert_sound(&place.kb());
    let report = resume(&place.config(), None);
    let run = report.run.unwrap();
    assert_eq!((report.exit_code, run.status), (0, RunStatus::Completed));
    assert!(!run.cancel_requested);
    place.assert_equals_fresh_ingest();
}

#[test]
fn cancel_without_a_run_says_so() {
    let place = Place::new();
    place.write("a.md", "alpha");
    place.ingest();
    let output = kbingest(&["cancel", place.toml().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing is running\n");
    // The request did not remain for the next run.
    place.write("b.md", "beta");
    place.ingest();
}

//! The real binary, killed at twenty points of a run, or ended by signals: nothing is lost.
//!
//! Each point is a share of the time that a whole run takes. A run starts from the same state, is
//! killed there, usually killed again when it continues, and ends; its result is compared with that
//! of an undisturbed run.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kbingest::operations::{self, Target};
use kbingest::support::lock::Lock;
use rusqlite::Connection;

use crate::support::{
    Place, assert_no_claims, assert_same, assert_sound, dump, let_hangups_through, markdown,
    program, read_only, remove_kb, rows,
};
use crate::wait::{PATIENCE, wait_for, wait_until};

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(1);

fn kbingest(arguments: &[&str], target: &Path) -> Command {
    let mut command = program();
    command.args(arguments).arg(target).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // As in `Place::cache`.
    command.env("XDG_CACHE_HOME", target.with_file_name(".cache"));
    command
}

pub fn start(arguments: &[&str], target: &Path) -> Child {
    kbingest(arguments, target).spawn().unwrap()
}

pub fn run(arguments: &[&str], target: &Path) -> Option<i32> {
    kbingest(arguments, target).status().unwrap().code()
}

pub fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
}

/// A corpus that keeps a debug build busy for a second or so: a first state, and an edited one.
pub fn corpus() -> Place {
    let place = Place::new();
    for number in 0..900 {
        place.write(&format!("{}/{number:03}.md", number % 9), markdown(number, 4, "common"));
    }
    place.write("long.md", markdown(1000, 600, "common"));
    place
}

fn edit(place: &Place) {
    for number in (0..900).step_by(2) {
        let name = format!("{}/{number:03}.md", number % 9);
        place.write(&name, markdown(number, 5, "edited"));
    }
    for number in (1..900).step_by(40) {
        place.remove(&format!("{}/{number:03}.md", number % 9));
    }
    place.write("long.md", markdown(1000, 601, "common"));
}

/// Runs to the end; returns how long that took and the resulting content.
fn whole_run(place: &Place) -> (Duration, String) {
    let since = Instant::now();
    assert_eq!(run(&["ingest"], &place.toml()), Some(0));
    (since.elapsed(), place.dump())
}

/// A kill before the file is a knowledge base leaves no file, or an empty one.
fn assert_sound_or_absent(kb: &Path) {
    match operations::check(
        &Target::File(kb.to_owned()),
        operations::CheckOptions { read_data: true, repair: false },
    ) {
        Ok(report) => assert!(report.findings.is_empty(), "{:#?}", report.findings),
        Err(error) => {
            let is_empty = !kb.exists() || read_only(kb).prepare("SELECT * FROM run").is_err();
            assert!(is_empty, "{error}");
        }
    }
}

/// Returns whether the process was still running.
pub fn kill_after(delay: Duration, arguments: &[&str], place: &Place) -> bool {
    let since = Instant::now();
    let mut child = start(arguments, &place.toml());
    while since.elapsed() < delay && child.try_wait().unwrap().is_none() {
        std::thread::sleep(LOOK_AGAIN_AFTER);
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    let was_at_work = status.signal().is_some();
    assert!(was_at_work || status.success(), "{arguments:?}: {status}");
    assert_sound_or_absent(&place.kb());
    was_at_work
}

/// Kills one process at each of `points` spread over a whole run, and usually a second one that
/// continues it.
fn kill_at_points(place: &Place, points: u32, reset: impl Fn()) {
    reset();
    let (mut duration, expected) = whole_run(place);
    for point in 0..points {
        let share = (f64::from(point) + 0.5) / f64::from(points);
        reset();
        // Other tests may have slowed the measured run: if it ends early, its time is a better
        // measure.
        while !kill_after(duration.mul_f64(share), &["ingest"], place) {
            duration = duration.mul_f64(0.9);
            reset();
        }
        let command = if point % 2 == 0 { "resume" } else { "ingest" };
        kill_after(duration.mul_f64((1.0 - share) * 0.5), &[command], place);
        // The first kill may have happened before there was a run to resume.
        run(&["resume"], &place.toml());
        assert_eq!(run(&["ingest"], &place.toml()), Some(0), "point {point}");
        assert_sound(&place.kb());
        assert_no_claims(&place.kb());
        let what = format!("the run that was left alone (point {point}, {duration:?})");
        assert_same(&place.dump(), &expected, &what);
        assert_eq!(rows(&place.kb(), "SELECT * FROM queue"), Vec::<String>::new());
    }
}

#[test]
fn a_first_ingest_survives_ten_kills() {
    let place = corpus();
    kill_at_points(&place, 10, || remove_kb(&place.kb()));
}

#[test]
fn a_later_ingest_survives_ten_kills() {
    let place = corpus();
    whole_run(&place);
    let base = place.path("base.kb");
    fs::copy(place.kb(), &base).unwrap();
    edit(&place);
    kill_at_points(&place, 10, || {
        remove_kb(&place.kb());
        fs::copy(&base, place.kb()).unwrap();
    });
}

/// Keeps every process from writing to the knowledge base until it is dropped.
pub struct WriteBlock(Connection);

impl WriteBlock {
    pub fn new(kb: &Path) -> Self {
        let connection = Connection::open(kb).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}

impl Drop for WriteBlock {
    fn drop(&mut self) {
        self.0.execute_batch("ROLLBACK").unwrap();
    }
}

fn wait_for_work(kb: &Path) {
    wait_until("chunks are stored", || {
        read_only(kb)
            .query_row("SELECT count(*) FROM run WHERE chunks_queued > 0", [], |row| row.get(0))
            .is_ok_and(|count: i64| count > 0)
    });
}

/// Starts an ingest into an empty knowledge base and stops it in the middle of its work.
pub fn blocked_in_the_middle(place: &Place) -> (Child, WriteBlock) {
    let docs = place.docs();
    fs::rename(&docs, place.path("away")).unwrap();
    fs::create_dir(&docs).unwrap();
    assert_eq!(run(&["ingest"], &place.toml()), Some(0));
    fs::remove_dir(&docs).unwrap();
    fs::rename(place.path("away"), &docs).unwrap();
    let child = start(&["ingest"], &place.toml());
    wait_for_work(&place.kb());
    (child, WriteBlock::new(&place.kb()))
}

fn assert_resumes(place: &Place) {
    assert_sound(&place.kb());
    assert_eq!(run(&["resume"], &place.toml()), Some(0));
    assert_sound(&place.kb());
    place.assert_equals_fresh_ingest();
}

fn last_status(kb: &Path) -> Vec<String> {
    rows(kb, "SELECT status FROM run ORDER BY id DESC LIMIT 1")
}

fn ended_by(status: ExitStatus) -> (Option<i32>, Option<i32>) {
    (status.signal(), status.code())
}

#[test]
fn a_signal_stops_the_run_at_a_checkpoint_and_ends_the_process() {
    let_hangups_through();
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let place = corpus();
        let (mut child, block) = blocked_in_the_middle(&place);
        send(signal, &child);
        drop(block);
        assert_eq!(ended_by(child.wait().unwrap()), (Some(number), None), "{signal}");
        assert_eq!(last_status(&place.kb()), ["cancelled"]);
        assert_no_claims(&place.kb());
        assert_resumes(&place);
    }
}

#[test]
fn a_signal_before_the_run_begins_is_heard() {
    let place = Place::new();
    place.ingest();
    place.write("a.md", "alpha");
    let block = WriteBlock::new(&place.kb());
    let mut child = start(&["ingest"], &place.toml());
    wait_until("the lock is held", || Lock::holder(&place.kb()).unwrap().is_some());
    send("TERM", &child);
    drop(block);
    assert_eq!(ended_by(child.wait().unwrap()), (Some(15), None));
    assert_resumes(&place);
}

#[test]
fn a_signal_at_any_moment_of_the_start_ends_the_process_by_itself() {
    let_hangups_through();
    let place = Place::new();
    place.ingest();
    for round in 0..90 {
        let (name, number) = [("HUP", 1), ("INT", 2), ("TERM", 15)][round % 3];
        let mut child = start(&["ingest"], &place.toml());
        std::thread::sleep(Duration::from_micros(100 * round as u64));
        send(name, &child);
        let ended = ended_by(child.wait().unwrap());
        // It may have ended before.
        assert!([(Some(number), None), (None, Some(0))].contains(&ended), "{round}: {ended:?}");
    }
}

#[test]
fn nohup_keeps_a_run_from_ending_with_its_terminal() {
    let place = Place::new();
    place.write("a.md", "alpha");
    place.ingest();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    command.arg(program().get_program()).arg("ingest").arg(place.toml());
    let block = WriteBlock::new(&place.kb());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the lock is held", || Lock::holder(&place.kb()).unwrap().is_some());
    send("HUP", &child);
    drop(block);
    assert_eq!(ended_by(child.wait().unwrap()), (None, Some(0)));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let place = corpus();
    let (mut child, block) = blocked_in_the_middle(&place);
    // Signals closer together than a tenth of a second count as one. The process cannot reach a
    // checkpoint: nobody can write.
    let status = wait_for("the end of the process", || {
        send("TERM", &child);
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(143));
    drop(block);
    assert_eq!(last_status(&place.kb()), ["running"]);
    assert_resumes(&place);
    assert_same(&place.dump(), &dump(&place.path("fresh.kb")), "a fresh ingest");
}

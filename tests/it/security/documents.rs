//! A: documents written by strangers.

mod listings;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Place, SETTINGS};
use crate::wait::wait_for;

fn kbingest(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.args(arguments).env("KBINGEST_TEST_FAULTS", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Returns the busy processes that extract for `parent`: waiting ones use no processor time.
fn workers_of(parent: u32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|&byte| byte == 0).collect();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let time = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(11));
        if words.get(1) == Some(&&b"extract-worker"[..])
            && words.get(3) == Some(&parent.to_string().as_bytes())
            && time.and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0) > 10
        {
            found.push(pid);
        }
    }
    found
}

/// A child killed by one of these signals says nothing about its document, which is retried.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "plants faults, which only debug builds allow")]
fn a_child_ended_from_outside_is_tried_again() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL] {
        let place = Place::in_memory();
        place.configure(&format!("{SETTINGS}[extract]\nmax_seconds = 120\n"));
        place.write("a.fault", "loop");
        let toml = place.toml();
        let run = kbingest(&["ingest", "--threads", "1", toml.to_str().unwrap()]).spawn().unwrap();
        let worker = wait_for("a child at work", || workers_of(run.id()).first().copied());
        kill_process(Pid::from_raw(worker).unwrap(), signal).unwrap();
        let output = run.wait_with_output().unwrap();
        let expected = format!("ended by signal {}", signal.as_raw());
        assert!(said(&output).contains(&expected), "{}", said(&output));
        let kb = crate::support::read_only(&place.kb());
        let kind: String = kb.query_row("SELECT kind FROM failure", [], |row| row.get(0)).unwrap();
        assert_eq!(kind, "transient");
    }
}

fn extract(name: &str, bytes: &str, settings: &str) -> Output {
    let place = Place::in_memory();
    place.configure(&format!("{SETTINGS}[extract]\n{settings}\n"));
    place.write(name, bytes);
    let (toml, file) = (place.toml(), place.docs().join(name));
    let file = Path::new(&file).to_str().unwrap().to_owned();
    kbingest(&["extract", &file, "--config", toml.to_str().unwrap()]).output().unwrap()
}

/// Formats that are read in this process while they are small also have the limits of every
/// document.
#[test]
fn memory_is_limited_for_every_format() {
    let keys: String = (0..3_000_000).map(|key| format!("{{\"k\":{key}}},\n")).collect();
    let output = extract("a.json", &format!("[{keys}0]"), "max_memory = '64MiB'");
    assert!(said(&output).contains("more memory than max_memory (64 MiB)"), "{}", said(&output));
    let output = extract("a.json", "[1, 2]", "max_memory = '64MiB'");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn the_version_names_the_sandbox() {
    let output = kbingest(&["--version", "-v"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("\nsandbox: "), "{}", said(&output));
    assert_eq!(said(&kbingest(&["-V"]).output().unwrap()).lines().count(), 1);
}

/// A child that a document has taken control of writes no file.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "plants faults, which only debug builds allow")]
fn a_child_opens_nothing() {
    if !said(&kbingest(&["--version", "-v"]).output().unwrap()).contains("seccomp") {
        return;
    }
    // Its attempt is refused, and the signal of the limit on files does not kill it.
    let output = extract("a.fault", "write", "");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

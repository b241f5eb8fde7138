//! Documents that break their extractor: each fails alone, and no child outlives its parent.
//!
//! Faults are planted by `*.fault` documents, a format of debug builds only, enabled by an
//! environment variable.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Place, SETTINGS, read_only};
use crate::wait::{end_of, wait_until};

fn kbingest(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.args(arguments).arg(place.toml()).env("KBINGEST_TEST_FAULTS", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn place(settings: &str) -> Place {
    let place = Place::in_memory();
    place.configure(&format!("{SETTINGS}[extract]\n{settings}\n"));
    place
}

/// Runs `ingest` and returns its exit code and report.
fn ingest(place: &Place, threads: &str) -> (i32, Value) {
    let output = kbingest(place, &["ingest", "--json", "--threads", threads]).output().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

fn failures(report: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let failures = report["failures"].as_array().unwrap();
    failures.iter().map(|one| (text(&one["uri"]), text(&one["error"]))).collect()
}

/// Returns uri and title of every live document.
fn titles(place: &Place) -> BTreeMap<String, String> {
    let kb = read_only(&place.kb());
    let mut rows = kb.prepare("SELECT DISTINCT uri, title FROM chunks").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Returns the processes that extract for `parent`.
fn children_of(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|&byte| byte == 0).collect();
        if words.get(1) == Some(&&b"extract-worker"[..])
            && words.get(3) == Some(&parent.to_string().as_bytes())
        {
            found.push(pid);
        }
    }
    found
}

/// Kills its process when a test fails, so that nothing is left running.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `ingest` and waits until a child of it extracts a document that never ends.
fn start_endless(place: &Place) -> (Running, Vec<u32>) {
    let process = Running(kbingest(place, &["ingest", "--threads", "1"]).spawn().unwrap());
    wait_until("a child at work", || {
        children_of(process.0.id()).iter().any(|pid| {
            // The fourteenth field is processor time in user mode; a child that waits uses none.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let time = stat.rsplit(')').next().unwrap_or("").split_whitespace().nth(11);
            time.and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0) > 20
        })
    });
    let children = children_of(process.0.id());
    (process, children)
}

fn are_gone(pids: &[u32]) -> bool {
    let is_gone = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie only waits for its new parent.
        stat.is_empty() || stat.contains(") Z ")
    };
    pids.iter().all(is_gone)
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "plants faults, which only debug builds allow")]
fn faults_cost_their_document_alone() {
    let place = place("max_memory = '256MiB'\nmax_seconds = 10\nmax_text = '2MiB'");
    let faults = ["panic", "overflow", "loop", "allocate", "exit", "abort", "fail"];
    for fault in faults {
        place.write(&format!("{fault}.fault"), fault);
        place.write(&format!("{fault}-1.fault"), "good");
    }
    place.write("large.fault", format!("large\n{}", "x ".repeat(1 << 20)));
    place.write("shout.fault", "shout");
    place.write("good.md", "# Good\n\nText.\n");
    let (code, report) = ingest(&place, "2");
    let reported: Vec<_> = failures(&report).into_values().collect();
    assert_eq!(
        reported,
        [
            "abort.fault: its extractor was ended by signal 6",
            "allocate.fault: needs more memory than max_memory (256 MiB)",
            "exit.fault: its extractor ended the process with exit code 7",
            "fail.fault: planted",
            "large.fault: its text is over max_text (2 MiB)",
            "loop.fault: takes longer than max_seconds (10)",
            "overflow.fault: its extractor overflowed its stack",
            "panic.fault: internal error of fault@1: planted",
        ]
    );
    assert_eq!(code, 3);
    let good: Vec<_> = titles(&place).into_keys().collect();
    let mut expected: Vec<_> = faults.map(|fault| format!("{fault}-1.fault")).into();
    expected.extend(["good.md", "shout.fault"].map(str::to_owned));
    expected.sort();
    assert_eq!(good, expected);

    // Nothing changed: nothing is retried; another limit: what failed is.
    let (_, again) = ingest(&place, "2");
    assert_eq!(again["run"]["metrics"]["bytes_read"], 0);
    place.reconfigure("max_text = '2MiB'", "max_text = '3MiB'");
    place.write("loop.fault", "repaired");
    let (code, report) = ingest(&place, "2");
    assert_eq!(code, 3);
    let left: Vec<_> = failures(&report).into_keys().collect();
    assert_eq!(
        left,
        ["abort", "allocate", "exit", "fail", "overflow", "panic"]
            .map(|fault| format!("{fault}.fault"))
    );
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "plants faults, which only debug builds allow")]
fn a_child_is_used_until_it_dies() {
    let place = place("");
    for (name, text) in
        [("a", "x"), ("b", "x"), ("c", "panic"), ("d", "x"), ("e", "exit"), ("f", "x")]
    {
        place.write(&format!("{name}.fault"), text);
    }
    let (code, _) = ingest(&place, "1");
    assert_eq!(code, 3);
    let titles = titles(&place);
    let process = |name: &str| titles[&format!("{name}.fault")].as_str();
    assert_eq!((process("a"), process("b")), (process("d"), process("d")));
    assert_ne!(process("a"), process("f"));
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "plants faults, which only debug builds allow")]
fn no_child_outlives_its_parent() {
    let place = place("max_seconds = 3600");
    place.write("a.md", "# A\n\nText.\n");
    place.write("endless.fault", "loop");

    let (mut process, children) = start_endless(&place);
    process.0.kill().unwrap();
    process.0.wait().unwrap();
    wait_until("the end of the child of a killed process", || are_gone(&children));

    let (mut process, children) = start_endless(&place);
    kill_process(Pid::from_child(&process.0), Signal::TERM).unwrap();
    end_of(&mut process.0, "a stop while a document never ends");
    assert!(are_gone(&children), "a child outlives the parent that was asked to stop");

    place.write("endless.fault", "repaired");
    let (code, report) = ingest(&place, "1");
    assert_eq!((code, failures(&report)), (0, BTreeMap::new()));
}

//! What a run reports about itself: counts that add up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use kbingest::domain::{Metrics, RunState};
use kbingest::operations::RunReport;
use kbingest::support::checkpoint::Checkpoint;
use serde_json::Value;

use crate::crash::send;
use crate::support::{
    Place, SETTINGS, assert_cancelled, ingest, markdown, program, resume, rows, stop_at,
};
use crate::wait::{output_of, wait_until};

/// Bytes that look like UTF-16 and are not.
const BROKEN: &[u8] = b"\xff\xfe\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8\x41\xd8";

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

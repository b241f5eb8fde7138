//! `--fail-on new`: failures that the last completed run has reported do not fail the next one.

use std::fs;

use serde_json::Value;

use crate::cli::ends_with;
use crate::support::Place;
use crate::web::Site;
use crate::web::server::Reply;

/// UTF-16 that cannot be decoded.
const BROKEN: &[u8] = b"\xff\xfe\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0\x00\xd8a\0";

/// Runs `ingest --fail-on new`; returns how many failures were new and known.
fn counts(place: &Place, code: i32, more: &[&str]) -> (u64, u64) {
    let arguments = [&["ingest", "--fail-on", "new", "--json"], more].concat();
    let (stdout, _) = ends_with(place, code, &arguments);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let count = |key: &str| report[key].as_u64().unwrap();
    (count("new_failures"), count("known_failures"))
}

fn with_broken(names: &[&str]) -> Place {
    let place = Place::new();
    place.write("fine.md", "words");
    for name in names {
        place.write(name, BROKEN);
    }
    place
}

#[test]
fn a_failure_is_new_once() {
    let place = with_broken(&["a.md", "b.md"]);
    place.write("skipped.bin", "\0");
    assert_eq!(counts(&place, 3, &[]), (2, 0));
    assert_eq!(counts(&place, 0, &[]), (0, 2));
    place.write("c.md", BROKEN);
    let (stdout, _) = ends_with(&place, 3, &["ingest", "--fail-on", "new"]);
    assert!(stdout.contains("1 new failure, 2 known\n"), "{stdout}");
    let (stdout, stderr) = ends_with(&place, 0, &["ingest", "--fail-on", "new"]);
    assert!(stdout.contains("0 new failures, 3 known\n"), "{stdout}");
    assert!(stdout.contains("finished, some documents failed as before"), "{stdout}");
    assert_eq!(stderr, "");
    // By default every failure counts.
    ends_with(&place, 3, &["ingest", "-q"]);
    ends_with(&place, 3, &["ingest", "-q", "--fail-on", "any"]);
}

#[test]
fn quiet_says_nothing_of_known_failures() {
    let place = with_broken(&["a.md"]);
    ends_with(&place, 3, &["ingest", "-q"]);
    let said = ends_with(&place, 0, &["ingest", "-q", "--fail-on", "new"]);
    assert_eq!(said, (String::new(), String::new()));
}

#[test]
fn a_failure_that_changes_is_new() {
    let place = with_broken(&["a.md"]);
    assert_eq!(counts(&place, 3, &[]), (1, 0));
    place.write("a.md", "\0");
    assert_eq!(counts(&place, 0, &[]), (0, 0), "skipped is not failed");
    place.write("a.md", BROKEN);
    assert_eq!(counts(&place, 3, &[]), (1, 0), "and back");
    // Other bytes that fail in the same way are the same failure.
    place.write("a.md", [BROKEN, b"\x00\xd8a\0"].concat());
    assert_eq!(counts(&place, 0, &[]), (0, 1));
    place.write("a.md", "repaired");
    assert_eq!(counts(&place, 0, &[]), (0, 0));
    place.write("a.md", BROKEN);
    assert_eq!(counts(&place, 3, &[]), (1, 0));
}

/// Nobody has seen the exit code of a run that did not complete.
#[test]
fn a_failure_of_a_run_that_did_not_complete_is_new() {
    let place = with_broken(&["a.md"]);
    let stop =
        crate::support::stop_at(Some(kbingest::support::checkpoint::Checkpoint::AfterSave), 1);
    let report = crate::support::ingest(&place.config(), Some(&stop));
    assert_eq!((report.exit_code, report.failures.len(), report.new_failures), (130, 1, 1));
    let (stdout, _) = ends_with(&place, 3, &["resume", "--fail-on", "new"]);
    assert!(stdout.contains("1 new failure, 0 known"), "{stdout}");
    assert_eq!(counts(&place, 0, &[]), (0, 1));
}

/// What a run retries or starts over with is not forgotten.
#[test]
fn known_failures_stay_known() {
    let place = with_broken(&["a.md", "b.md"]);
    assert_eq!(counts(&place, 3, &[]), (2, 0));
    assert_eq!(counts(&place, 0, &["--retry-failed"]), (0, 2));
    let stop =
        crate::support::stop_at(Some(kbingest::support::checkpoint::Checkpoint::BeforeBatch), 1);
    assert_eq!(crate::support::ingest(&place.config(), Some(&stop)).exit_code, 130);
    assert_eq!(counts(&place, 0, &["--restart"]), (0, 2));
    // Other settings read every document again.
    place.reconfigure("max_tokens = 32", "max_tokens = 40");
    assert_eq!(counts(&place, 0, &[]), (0, 2));
}

#[test]
fn files_that_kb_toml_names_are_never_known() {
    let place = with_broken(&["a.md", "b.md"]);
    place.reconfigure("path = 'docs'", "path = 'docs'\ninclude = ['a.md', 'b*', 'f*']");
    assert_eq!(counts(&place, 3, &[]), (2, 0));
    assert_eq!(counts(&place, 3, &[]), (1, 1));
    fs::remove_file(place.docs().join("a.md")).unwrap();
    assert_eq!(counts(&place, 0, &[]), (0, 1));
}

/// Two pages are broken; one of them is only linked.
#[test]
fn pages_that_kb_toml_names_are_never_known() {
    let site = Site::new();
    let broken = || Reply::new(200, "application/pdf", "%PDF-1.7\nno more");
    site.server.page("/docs/", "Start here.", &["linked.pdf", "named.pdf"]);
    site.server.put("/docs/linked.pdf", broken());
    site.server.put("/docs/named.pdf", broken());
    assert_eq!(counts(&site.place, 3, &["--trust"]), (2, 0));
    assert_eq!(counts(&site.place, 0, &["--trust"]), (0, 2));
    site.configure(&format!("urls = ['{}']", site.server.url("/docs/named.pdf")));
    assert_eq!(counts(&site.place, 3, &["--trust"]), (1, 1));
}

//! What a person types and reads: summaries, forms of arguments, quiet and progress, the example.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::{BROKEN, ends_with, example, ingested, json, kbingest, stdout};
use crate::support::Place;

/// Removes what differs from run to run: the folder, and times.
fn stable(place: &Place, text: &str) -> String {
    let text = text.replace(place.path("").to_str().unwrap().trim_end_matches('/'), "FOLDER");
    let mut stable = String::new();
    for line in text.split_inclusive('\n') {
        match line.split_once(" in ").filter(|(_, rest)| rest.trim_end().ends_with(" s")) {
            Some((before, _)) => stable += &format!("{before} in TIME\n"),
            None => stable += line,
        }
    }
    stable
}

#[test]
fn summaries() {
    let place = Place::new();
    place.write("a.md", "# Harbour\n\nShips wait for the pilot.\n");
    let said = |code, arguments: &[&str]| {
        let (stdout, stderr) = ends_with(&place, code, arguments);
        stable(&place, &format!("{stdout}{stderr}"))
    };
    insta::assert_snapshot!(said(0, &["ingest"]), @r#"
    documents: 1 new, 0 changed, 0 unchanged, 0 deleted, 0 failed, 0 skipped
    chunks: 1 embedded, 0 reused, in TIME
    up to date: FOLDER/kb.kb
    next: kbingest search kb.toml "your question"
    "#);
    insta::assert_snapshot!(said(0, &["ingest", "kb.toml"]), @r#"
    documents: 0 new, 0 changed, 1 unchanged, 0 deleted, 0 failed, 0 skipped
    chunks: 0 embedded, 0 reused, in TIME
    up to date: FOLDER/kb.kb
    next: kbingest search kb.toml "your question"
    "#);
    insta::assert_snapshot!(said(0, &["resume"]), @"nothing to resume: the last run is finished");
    insta::assert_snapshot!(said(0, &["cancel"]), @"nothing is running");
    insta::assert_snapshot!(said(0, &["check"]), @"FOLDER/kb.kb: sound");
    insta::assert_snapshot!(said(0, &["search", "kb.toml", "zeppelin", "--mode", "text"]), @"nothing found");
    place.write("b.md", BROKEN);
    place.write("c.md", "\0");
    insta::assert_snapshot!(said(3, &["ingest"]), @r#"
    documents: 0 new, 0 changed, 1 unchanged, 0 deleted, 1 failed, 1 skipped
    1 new failure, 0 known
    chunks: 0 embedded, 0 reused, in TIME
    finished, some documents failed: FOLDER/kb.kb
    next: kbingest status --failures kb.toml
    warning: failed docs:b.md: looks like utf-16le, but cannot be decoded as that
    "#);
    insta::assert_snapshot!(said(0, &["status", "--failures"]), @r#"
    docs	b.md	permanent	extract	b.md: looks like utf-16le, but cannot be decoded as that
    docs	c.md	skipped	extract	c.md: binary content
    "#);
}

#[test]
fn quiet_says_nothing_on_success() {
    let place = ingested();
    place.write("new.md", "# New\n\nText.\n");
    let said = ends_with(&place, 0, &["ingest", "-q"]);
    assert_eq!(said, (String::new(), String::new()));
    assert_eq!(ends_with(&place, 0, &["-q", "resume"]), (String::new(), String::new()));
    place.write("broken.md", BROKEN);
    let (said, _) = ends_with(&place, 3, &["ingest", "-q"]);
    assert!(said.contains("1 failed"), "{said}");
}

#[test]
fn progress_goes_to_stderr() {
    let place = ingested();
    for mode in ["auto", "bar", "plain", "none"] {
        place.write("new.md", format!("# New\n\nText of {mode}.\n"));
        let (said, _) = ends_with(&place, 0, &["ingest", "--progress", mode]);
        assert!(said.starts_with("documents: "), "{said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn search_takes_its_arguments_in_every_form() {
    let place = ingested();
    fs::create_dir(place.path("elsewhere")).unwrap();
    fs::copy(place.kb(), place.path("elsewhere/shipped.data")).unwrap();
    fs::rename(place.toml(), place.path("other.toml")).unwrap();
    let found = stdout(&place, &["search", "other.toml", "high water"]);
    assert!(found.contains("docs:tides.txt:1-1"), "{found}");
    for arguments in [
        &["search", "kb.kb", "high water"][..],
        &["search", "elsewhere/shipped.data", "high water"],
        &["search", "--mode", "hybrid", "kb.kb", "high water", "-k5"],
        &["-q", "search", "kb.kb", "--source", "docs", "--", "high water"],
    ] {
        assert_eq!(stdout(&place, arguments), found, "{arguments:?}");
    }
    fs::rename(place.path("other.toml"), place.toml()).unwrap();
    assert_eq!(stdout(&place, &["search", "high water"]), found);
    assert!(stdout(&place, &["search", "--", "--water"]).contains("tides.txt"));
    for query in ["", " ", "\"", "a AND (", "-", "*", "é\u{0301}", "NEAR("] {
        stdout(&place, &["search", "kb.kb", "--", query]);
    }
    let count = |arguments: &[&str]| stdout(&place, arguments).matches("  score ").count();
    assert_eq!(count(&["search", "-k", "2", "ferry"]), 2);
    assert_eq!(count(&["search", "-k", "0", "ferry"]), 0);
}

#[test]
fn a_knowledge_base_that_was_shipped_alone_is_read_where_it_lies() {
    let place = ingested();
    let expected = json(&place, &["search", "kb.kb", "high water", "--json"])["hits"].clone();
    let folder = place.path("shipped");
    fs::create_dir(&folder).unwrap();
    fs::copy(place.kb(), folder.join("handbook.kb")).unwrap();
    let before = fs::read(folder.join("handbook.kb")).unwrap();
    let read_only = |value| {
        let mut permissions = fs::metadata(&folder).unwrap().permissions();
        permissions.set_readonly(value);
        fs::set_permissions(&folder, permissions).unwrap();
    };
    for is_read_only in [false, true] {
        read_only(is_read_only);
        let found = json(&place, &["search", "shipped/handbook.kb", "high water", "--json"]);
        assert_eq!(found["hits"], expected);
        assert!(stdout(&place, &["status", "shipped/handbook.kb"]).contains("documents 3,"));
        assert!(stdout(&place, &["check", "shipped/handbook.kb"]).ends_with(": sound\n"));
        assert!(fs::read(folder.join("handbook.kb")).unwrap() == before);
    }
    read_only(false);
    // Needs to write, but has nothing to do.
    assert!(stdout(&place, &["resume", "shipped/handbook.kb"]).starts_with("nothing to resume"));
}

/// The same if root runs the tests, for whom no folder is read-only.
#[test]
fn a_folder_that_cannot_be_written_is_read_by_an_ordinary_user() {
    const NOBODY: u32 = 65_534;
    let place = ingested();
    let set_mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    if chown(place.kb(), Some(NOBODY), Some(NOBODY)).is_err() {
        return println!("skipped: root alone can give a file to somebody else");
    }
    set_mode(&place.path(""), 0o555);
    let run = |arguments: &[&str]| {
        kbingest(&place.path("")).args(arguments).uid(NOBODY).gid(NOBODY).output()
    };
    let found = match run(&["search", "kb.kb", "high water"]) {
        Ok(found) => found,
        Err(error) => return println!("skipped: another user cannot start the program: {error}"),
    };
    assert!(found.status.success(), "{found:?}");
    assert_eq!(String::from_utf8(found.stdout).unwrap(), stdout(&place, &["search", "high water"]));
    let refused = run(&["resume", "kb.kb"]).unwrap();
    assert_eq!(refused.status.code(), Some(41), "{refused:?}");
    assert!(String::from_utf8(refused.stderr).unwrap().contains("you (user 65534) may not lock"));
    set_mode(&place.path(""), 0o755);
}

#[test]
fn the_example_answers() {
    let place = ingested();
    let hits = example::ingest_and_search(place.config(), "high water").unwrap();
    assert_eq!(hits[0].uri, "tides.txt");
    assert!(hits.len() <= 3);
    let source = include_str!("../../../examples/ingest_and_search.rs");
    assert!(source.lines().count() < 60);
}

//! Every exit code, with its messages.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use kbingest::support::lock::Lock;
use rusqlite::Connection;

use super::{ends_with, ingested, kbingest, names, run, stdout};
use crate::support::{Place, SETTINGS, let_hangups_through, markdown};

#[test]
fn usage_errors_end_with_2() {
    let place = ingested();
    let check = |arguments: &[&str], expected: &str| {
        let (stdout, stderr) = ends_with(&place, 2, arguments);
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    };
    check(&[], "Usage: kbingest");
    check(&["digest"], "unrecognized subcommand 'digest'");
    check(&["search"], "Usage: kbingest search [OPTIONS] [KB_TOML] <QUERY>");
    check(&["search", "kb.toml", "two", "three"], "unexpected value 'three'");
    check(&["search", "kb.toml", "x", "--mode", "fast"], "[possible values: hybrid, text, vector]");
    check(&["search", "kb.toml", "x", "--source", "nope"], "no source \"nope\"");
    check(&["search", "kb.toml", "x", "--source", "nope"], "hint: it has: docs");
    check(&["ingest", "-q", "-v"], "cannot be used with");
    check(&["ingest", "--threads", "many"], "invalid value 'many'");
    check(&["ingest", "nowhere.toml"], "cannot read nowhere.toml");
    check(&["ingest", "kb.kb"], "hint: `ingest` needs the kb.toml");
}

#[test]
fn no_knowledge_base_ends_with_10() {
    let place = Place::new();
    for arguments in [
        &["status"][..],
        &["resume"],
        &["cancel"],
        &["check"],
        &["search", "kb.toml", "x"],
        &["search", "nowhere.kb", "x"],
    ] {
        let (stdout, stderr) = ends_with(&place, 10, arguments);
        assert_eq!(stdout, "");
        assert!(stderr.contains("no knowledge base at "), "{stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
    }
    assert_eq!(names(&place.path("")), ["docs", "kb.toml"], "nothing was left behind");
}

#[test]
fn a_second_run_ends_with_11() {
    let place = ingested();
    let before = place.dump();
    let lock = Lock::take(&place.kb()).unwrap();
    for command in ["ingest", "resume"] {
        let (_, stderr) = ends_with(&place, 11, &[command]);
        let holder = format!("is locked by another run (pid {} on ", std::process::id());
        assert!(stderr.contains(&holder), "{stderr}");
        assert!(stderr.contains("hint: `kbingest status` shows it"), "{stderr}");
    }
    assert!(stdout(&place, &["status"]).contains("running: pid"));
    drop(lock);
    assert_eq!(place.dump(), before);
}

#[test]
fn a_damaged_knowledge_base_ends_with_12() {
    let place = ingested();
    let connection = Connection::open(place.kb()).unwrap();
    connection.execute("UPDATE vector_block SET entries = x'00'", []).unwrap();
    drop(connection);
    let (found, _) = ends_with(&place, 12, &["check"]);
    assert!(
        found.contains("violated: a block of vectors has an entry for each of its slots"),
        "{found}"
    );

    // The last pages contain no part of the schema.
    let mut bytes = fs::read(place.kb()).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xa5);
    fs::write(place.path("broken.kb"), bytes).unwrap();
    let (_, stderr) = ends_with(&place, 12, &["check", "broken.kb"]);
    assert!(!stderr.contains("panicked"), "{stderr}");
    for arguments in [&["status", "broken.kb"][..], &["search", "broken.kb", "ferry pilot water"]] {
        let output = run(&place, arguments);
        assert!(matches!(output.status.code(), Some(0 | 12)), "{arguments:?}: {output:?}");
    }
}

#[test]
fn what_is_no_knowledge_base_ends_with_13() {
    let place = ingested();
    Connection::open(place.path("foreign.kb")).unwrap().execute("CREATE TABLE a (b)", []).unwrap();
    fs::write(place.path("text.kb"), "# Notes\n".repeat(100)).unwrap();
    fs::write(place.path("empty.kb"), "").unwrap();
    fs::copy(place.kb(), place.path("newer.kb")).unwrap();
    Connection::open(place.path("newer.kb"))
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    for (name, expected) in [
        ("foreign.kb", "is a SQLite file of another program"),
        ("text.kb", "is not a knowledge base"),
        ("newer.kb", "has file format 99; this version of kbingest knows formats up to"),
        ("empty.kb", "not yet a knowledge base"),
    ] {
        let before = fs::read(place.path(name)).unwrap();
        for arguments in [&["status", name][..], &["check", name], &["search", name, "x"]] {
            let (_, stderr) = ends_with(&place, 13, arguments);
            assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        }
        assert!(fs::read(place.path(name)).unwrap() == before, "{name} was changed");
        if name != "empty.kb" {
            place.configure(&SETTINGS.replace("kb.kb", name));
            let (_, stderr) = ends_with(&place, 13, &["ingest"]);
            assert!(stderr.contains(expected), "ingest {name}: {stderr}");
            assert!(fs::read(place.path(name)).unwrap() == before, "{name} was changed");
        }
    }
}

#[test]
fn withheld_deletions_end_with_21() {
    let place = Place::new();
    for number in 0..24 {
        place.write(&format!("{number}.md"), markdown(number, 1, "ferry"));
    }
    stdout(&place, &["ingest", "-q"]);
    (0..20).for_each(|number| place.remove(&format!("{number}.md")));
    let (said, stderr) = ends_with(&place, 21, &["ingest"]);
    assert!(format!("{said}{stderr}").contains("--allow-deletes"), "{said}{stderr}");
    assert!(stdout(&place, &["ingest", "--allow-deletes"]).contains(" 20 deleted"));
}

#[test]
fn storage_that_cannot_be_written_ends_with_41() {
    let place = Place::new();
    place.reconfigure("kb.kb", "nowhere/kb.kb");
    let (_, stderr) = ends_with(&place, 41, &["ingest"]);
    assert!(stderr.contains("nowhere/kb.kb.lock"), "{stderr}");
}

/// Stops a real ingest by each signal, in the middle of its work, and resumes it.
#[test]
fn a_signal_stops_at_a_checkpoint_and_ends_the_process() {
    let_hangups_through();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let place = ingested();
        for document in 0..400 {
            place.write(&format!("{document}.md"), markdown(document, 2, "ferry"));
        }
        // While another process writes, the ingest waits.
        let writer = Connection::open(place.kb()).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut child = kbingest(&place.path(""));
        let child = child.arg("ingest").stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        // It handles signals before it takes the lock.
        while Lock::holder(&place.kb()).unwrap().is_none() {
            std::thread::yield_now();
        }
        let kill = format!("kill -{name} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        writer.execute_batch("ROLLBACK").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(number), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains("nothing is lost: continue with `kbingest resume kb.toml`"),
            "{said}"
        );
        assert!(stdout(&place, &["status"]).contains("continue with `kbingest resume`"));
        stdout(&place, &["resume", "-q"]);
        place.assert_equals_fresh_ingest();
    }
}

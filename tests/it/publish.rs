//! `ingest --publish-if-eval` through the binary: readers only see a run if the gate holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::support::{
    Place, assert_same, assert_sound, dump, gated, markdown, program, read_only, remove_kb, rows,
};
use crate::wait::{end_of, wait_until};

const ALWAYS: [&str; 2] = ["--min", "text:recall@10=0"];
const WHOLE: [&str; 2] = ["--min", "text:recall@10=1"];

/// Documents, one of which the query asks for.
fn place() -> Place {
    let place = Place::new();
    for number in 0..30 {
        place.write(&format!("{number}.md"), markdown(number, 4, "common"));
    }
    place.write("river.md", "# River\n\nThe zeppelin crosses every hour.\n");
    let queries = r#"{"id": "1", "query": "zeppelin", "relevant": [{"path": "river.md"}]}"#;
    place.put(&place.path("queries.jsonl"), queries.as_bytes());
    place
}

fn candidate(place: &Place) -> PathBuf {
    place.path("kb.kb.next")
}

fn run(place: &Place, arguments: &[&str]) -> Output {
    program().current_dir(place.path("")).args(arguments).output().unwrap()
}

/// Starts a run that is published if the query finds its document.
fn start(place: &Place, more: &[&str]) -> Child {
    program()
        .current_dir(place.path(""))
        .args(["ingest", "--publish-if-eval", "queries.jsonl"])
        .args(WHOLE)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Publishes under a gate and returns the output, stdout first.
fn publish(place: &Place, code: i32, gate: &[&str]) -> String {
    let arguments = [&["ingest", "--publish-if-eval", "queries.jsonl"], gate].concat();
    let output = run(place, &arguments);
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn assert_nothing_left(place: &Place) {
    let names = fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> =
        names.filter(|name| name.to_string_lossy().starts_with("kb.kb.next")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_is_published_where_the_gate_holds_and_only_there() {
    let place = place();
    let said = publish(&place, 0, &WHOLE);
    assert!(said.contains("published: the gate holds on 1 query"), "{said}");
    assert_nothing_left(&place);
    place.assert_equals_fresh_ingest();
    let before = place.dump();

    // The document of the query is gone: the knowledge base stays, the candidate shows what would
    // have been published.
    place.write("river.md", "# River\n\nNothing crosses.\n");
    let said = publish(&place, 22, &WHOLE);
    assert!(said.contains("not published; the knowledge base is unchanged:"), "{said}");
    assert!(said.contains("text:recall@10 is 0.0000, less than 1"), "{said}");
    assert!(said.contains("next: kbingest eval") && said.contains("kb.kb.next"), "{said}");
    assert_same(&place.dump(), &before, "before the gate failed");
    assert!(!dump(&candidate(&place)).contains("zeppelin"));
    assert_sound(&candidate(&place));

    // The next run continues from there and does only what changed since.
    place.write("river.md", "# River\n\nThe zeppelin crosses again.\n");
    let report = run(
        &place,
        &[&["ingest", "--publish-if-eval", "queries.jsonl", "--json"], &WHOLE[..]].concat(),
    );
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["publication"]["is_published"], true, "{report:#}");
    assert_eq!(report["publication"]["evaluation"]["queries"], 1);
    assert_eq!(report["run"]["metrics"]["documents_changed"], 1);
    assert_eq!(report["run"]["metrics"]["documents_unchanged"], 30);
    assert_nothing_left(&place);
    place.assert_equals_fresh_ingest();
}

#[test]
fn a_candidate_of_an_older_knowledge_base_is_thrown_away() {
    let place = place();
    place.ingest();
    place.write("river.md", "# River\n\nNothing crosses.\n");
    publish(&place, 22, &WHOLE);
    // Another run assigns ids that the candidate also assigned.
    place.write("1.md", markdown(100, 9, "common"));
    place.ingest();
    let chunks = "SELECT max(id) FROM chunk";
    let before: i64 = rows(&place.kb(), chunks)[0].parse().unwrap();
    place.write("2.md", markdown(200, 9, "common"));
    publish(&place, 0, &ALWAYS);
    assert!(rows(&place.kb(), chunks)[0].parse::<i64>().unwrap() > before);
    assert_eq!(rows(&place.kb(), "SELECT count(*) FROM run"), ["3"]);
    place.assert_equals_fresh_ingest();
}

#[test]
fn readers_keep_what_they_began_to_read() {
    let place = place();
    place.ingest();
    let reader = read_only(&place.kb());
    let count = || -> i64 {
        reader.query_row("SELECT count(*) FROM document", [], |row| row.get(0)).unwrap()
    };
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(), 31);
    place.write("new.md", "# New\n");
    publish(&place, 0, &ALWAYS);
    assert_eq!(count(), 31);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), 32);
    assert_sound(&place.kb());
}

#[test]
fn a_stop_is_gone_on_with_by_the_same_command() {
    let place = place();
    place.ingest();
    let before = place.dump();
    for number in 0..30 {
        place.write(&format!("more/{number}.md"), markdown(number, 20, "common"));
    }
    let gate = gated(&place);
    let mut child = start(&place, &["--trust"]);
    gate.wait_until_reached();
    let said = String::from_utf8(run(&place, &["cancel"]).stdout).unwrap();
    assert!(said.contains("stopped at"), "{said}");
    assert_eq!(end_of(&mut child, "a cancelled run").code(), Some(130));
    let said = std::io::read_to_string(child.stdout.unwrap()).unwrap();
    assert!(said.contains("the same command continues"), "{said}");
    assert_same(&place.dump(), &before, "before the stop");
    gate.open();
    publish(&place, 0, &[&WHOLE[..], &["--trust"]].concat());
    place.assert_equals_fresh_ingest();
}

/// States of a run that are visible from outside, in their order.
#[derive(Clone, Copy, Debug)]
enum KillPoint {
    CandidateIsThere,
    /// The candidate has this many documents.
    Saved(u64),
    /// The candidate has this many vectors of this run.
    Stored(u64),
    Completed,
    /// The write-ahead log of the knowledge base has this many bytes: its content is replaced.
    Publishing(u64),
    Published,
}

const KILL_POINTS: [KillPoint; 13] = [
    KillPoint::CandidateIsThere,
    KillPoint::Saved(31),
    KillPoint::Saved(32),
    KillPoint::Saved(151),
    KillPoint::Stored(1),
    KillPoint::Stored(1000),
    KillPoint::Completed,
    KillPoint::Publishing(1),
    KillPoint::Publishing(50_000),
    KillPoint::Publishing(200_000),
    KillPoint::Publishing(500_000),
    KillPoint::Publishing(1_000_000),
    KillPoint::Published,
];

impl KillPoint {
    fn is_reached(self, place: &Place) -> bool {
        let candidate = candidate(place);
        let holds = |kb: &Path, condition: &str| {
            let ask =
                |kb: Connection| kb.query_row(&format!("SELECT {condition}"), [], |row| row.get(0));
            let kb = Connection::open_with_flags(kb, OpenFlags::SQLITE_OPEN_READ_ONLY);
            kb.and_then(ask).unwrap_or(false)
        };
        match self {
            Self::CandidateIsThere => candidate.exists(),
            Self::Saved(count) => holds(&candidate, &format!("count(*) >= {count} FROM document")),
            Self::Stored(count) => holds(
                &candidate,
                &format!("count(*) FROM run WHERE id = 2 AND chunks_stored >= {count}"),
            ),
            Self::Completed => {
                holds(&candidate, "count(*) FROM run WHERE id = 2 AND status = 'completed'")
            }
            Self::Publishing(bytes) => {
                fs::metadata(place.path("kb.kb-wal")).is_ok_and(|wal| wal.len() >= bytes)
            }
            Self::Published => holds(&place.kb(), "count(*) = 151 FROM document"),
        }
    }
}

#[test]
fn kills_leave_the_old_content_or_the_new() {
    let place = place();
    place.ingest();
    let old = place.dump();
    let base = place.path("base.kb");
    fs::copy(place.kb(), &base).unwrap();
    for number in 0..120 {
        place.write(&format!("more/{number}.md"), markdown(number, 20, "common"));
    }
    let reset = || {
        remove_kb(&place.kb());
        remove_kb(&candidate(&place));
        fs::copy(&base, place.kb()).unwrap();
    };
    reset();
    publish(&place, 0, &WHOLE);
    let new = place.dump();
    for point in KILL_POINTS {
        reset();
        let mut child = start(&place, &[]);
        wait_until(&format!("{point:?}"), || {
            point.is_reached(&place) || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let found = place.dump();
        assert!(found == old || found == new, "neither old nor new after a kill at {point:?}");
        assert_sound(&place.kb());
        publish(&place, 0, &WHOLE);
        assert_same(&place.dump(), &new, &format!("the run that was left alone ({point:?})"));
        assert_nothing_left(&place);
    }
}

#[test]
fn mistakes_are_told_before_anything_is_done() {
    let place = place();
    place.put(&place.path("wrong.jsonl"), b"{\"id\": 1}");
    for (arguments, expected) in [
        (&["--publish-if-eval", "queries.jsonl"][..], "--min <METRIC=VALUE>|--baseline <FILE>"),
        (
            &["--publish-if-eval", "nowhere.jsonl", "--min", "recall@10=1"],
            "cannot read nowhere.jsonl",
        ),
        (&["--publish-if-eval", "wrong.jsonl", "--min", "recall@10=1"], "wrong.jsonl: line 1"),
        (&["--min", "recall@10=1"], "--publish-if-eval"),
    ] {
        let output = run(&place, &[&["ingest"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert!(!place.kb().exists() && !candidate(&place).exists(), "{arguments:?}");
    }
}

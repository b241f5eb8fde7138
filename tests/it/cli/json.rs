//! `--json`: the schema of every report. README documents it, and a missing key is found here.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::{BROKEN, ends_with, ingested, json, stdout};
use crate::support::Place;

/// Returns the form of a JSON value, a line for each key with its type.
fn form(value: &Value) -> String {
    fn walk(path: &str, value: &Value, lines: &mut Vec<String>) {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(values) => {
                match values.first() {
                    Some(first) => walk(&format!("{path}[]"), first, lines),
                    None => lines.push(format!("{path}[]: empty")),
                }
                return;
            }
            Value::Object(members) => {
                let join =
                    |key: &str| format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
                members.iter().for_each(|(key, value)| walk(&join(key), value, lines));
                return;
            }
        };
        lines.push(format!("{path}: {kind}"));
    }
    let mut lines = Vec::new();
    walk("", value, &mut lines);
    lines.sort();
    lines.join("\n")
}

/// README documents the schema: it contains every key in backquotes.
fn assert_documented(form: &str) {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for line in form.lines() {
        let (path, _) = line.split_once(": ").unwrap();
        for key in path.split('.').map(|key| key.trim_end_matches("[]")) {
            assert!(readme.contains(&format!("`{key}`")), "README.md has no `{key}` ({path})");
        }
    }
}

/// Returns the report of a run with a document that fails.
fn report_of_a_run(place: &Place) -> Value {
    place.write("a.md", "# Harbour\n\nShips wait for the pilot.\n");
    place.write("b.md", BROKEN);
    let (report, stderr) = ends_with(place, 3, &["ingest", "--json"]);
    assert_eq!(stderr, "");
    serde_json::from_str(&report).unwrap()
}

#[test]
fn the_report_of_a_run_as_json() {
    let place = Place::new();
    let report = report_of_a_run(&place);
    assert_eq!(report["schema"], 1);
    assert_eq!(report["exit_code"], 3);
    assert_eq!(report["run"]["status"], "completed_with_failures");
    assert_eq!(report["run"]["phases"]["embedding"], "completed");
    assert_eq!(report["failures"][0]["uri"], "b.md");
    assert_eq!(report["failures"][0]["kind"], "permanent");
    insta::assert_snapshot!(form(&report), @r#"
    error: null
    exit_code: integer
    failures[].error: string
    failures[].kind: string
    failures[].source: string
    failures[].stage: string
    failures[].uri: string
    hint: null
    knowledge_base: string
    known_failures: integer
    new_failures: integer
    phase_seconds.cleaning: number
    phase_seconds.crawling: number
    phase_seconds.embedding: number
    publication: null
    run.cancel_requested: boolean
    run.chunks_per_second: number
    run.documents_listed: integer
    run.documents_per_second: number
    run.ended_ms: integer
    run.error: null
    run.heartbeat_ms: integer
    run.host: string
    run.id: integer
    run.message: string
    run.metrics.batches_processed: integer
    run.metrics.bytes_read: integer
    run.metrics.chunks_queued: integer
    run.metrics.chunks_reused: integer
    run.metrics.chunks_stored: integer
    run.metrics.chunks_superseded: integer
    run.metrics.deletions_withheld: integer
    run.metrics.documents_changed: integer
    run.metrics.documents_crawled: integer
    run.metrics.documents_deleted: integer
    run.metrics.documents_failed: integer
    run.metrics.documents_new: integer
    run.metrics.documents_restaged: integer
    run.metrics.documents_skipped: integer
    run.metrics.documents_unchanged: integer
    run.metrics.pages_left_out: integer
    run.metrics.sources_unreachable: integer
    run.phases.cleaning: string
    run.phases.crawling: string
    run.phases.embedding: string
    run.pid: integer
    run.progress_percent: number
    run.seconds_left: null
    run.started_ms: integer
    run.status: string
    run.worked_ms: integer
    schema: integer
    seconds: number
    "#);
    assert_documented(&form(&report));

    place.remove("b.md");
    stdout(&place, &["ingest", "-q"]);
    assert_eq!(json(&place, &["resume", "--json"])["run"], Value::Null);
}

#[test]
fn the_status_as_json() {
    let place = ingested();
    insta::assert_snapshot!(form(&json(&place, &["status", "--json"])), @r#"
    failure_reasons[]: empty
    failures[]: empty
    is_interrupted: boolean
    knowledge_base: string
    lock_holder: null
    model_change: null
    run.cancel_requested: boolean
    run.chunks_per_second: number
    run.documents_listed: integer
    run.documents_per_second: number
    run.ended_ms: integer
    run.error: null
    run.heartbeat_ms: integer
    run.host: string
    run.id: integer
    run.message: string
    run.metrics.batches_processed: integer
    run.metrics.bytes_read: integer
    run.metrics.chunks_queued: integer
    run.metrics.chunks_reused: integer
    run.metrics.chunks_stored: integer
    run.metrics.chunks_superseded: integer
    run.metrics.deletions_withheld: integer
    run.metrics.documents_changed: integer
    run.metrics.documents_crawled: integer
    run.metrics.documents_deleted: integer
    run.metrics.documents_failed: integer
    run.metrics.documents_new: integer
    run.metrics.documents_restaged: integer
    run.metrics.documents_skipped: integer
    run.metrics.documents_unchanged: integer
    run.metrics.pages_left_out: integer
    run.metrics.sources_unreachable: integer
    run.phases.cleaning: string
    run.phases.crawling: string
    run.phases.embedding: string
    run.pid: integer
    run.progress_percent: number
    run.seconds_left: null
    run.started_ms: integer
    run.status: string
    run.worked_ms: integer
    schema: integer
    statistics.chunk_fingerprints[]: string
    statistics.chunks: integer
    statistics.documents: integer
    statistics.documents_failed: integer
    statistics.documents_skipped: integer
    statistics.documents_without_chunks: integer
    statistics.embed_fingerprints[]: string
    statistics.file_bytes: integer
    statistics.format_version: integer
    statistics.formats[].documents: integer
    statistics.formats[].format: string
    statistics.front_matter_errors: integer
    statistics.queue.claimed: integer
    statistics.queue.dead: integer
    statistics.queue.pending: integer
    statistics.queue.unchunked_revisions: integer
    statistics.text_bytes: integer
    statistics.wal_bytes: integer
    "#);
    assert_documented(&form(&json(&place, &["status", "--json"])));
}

#[test]
fn hits_as_json() {
    let place = ingested();
    let found = json(&place, &["search", "high water", "--json", "--context", "1"]);
    assert_eq!(found["mode"], "hybrid");
    assert_eq!(found["hits"][0]["text"], "High water is at noon.");
    insta::assert_snapshot!(form(&found), @r#"
    corrected[]: empty
    excluded[]: empty
    hits[].after: string
    hits[].anchor: null
    hits[].before: string
    hits[].bm25: number
    hits[].cosine: number
    hits[].date: null
    hits[].duplicates[]: empty
    hits[].end_byte: integer
    hits[].end_line: integer
    hits[].explanation: null
    hits[].heading_path: string
    hits[].key: string
    hits[].language: string
    hits[].lines_in: string
    hits[].matches[][]: integer
    hits[].page: null
    hits[].rerank_score: null
    hits[].score: number
    hits[].source: string
    hits[].start_byte: integer
    hits[].start_line: integer
    hits[].text: string
    hits[].title: string
    hits[].token_count: integer
    hits[].uri: string
    hits[].url: null
    knowledge_base: string
    mode: string
    query: string
    relaxed[]: empty
    required[]: empty
    reranked: boolean
    schema: integer
    warning: null
    warnings[]: empty
    "#);
    assert_documented(&form(&found));
    assert_eq!(
        json(&place, &["search", "zeppelin", "--mode", "text", "--json"])["hits"],
        Value::Array(vec![])
    );
}

#[test]
fn findings_as_json() {
    let place = ingested();
    let sound = json(&place, &["check", "--json"]);
    assert_eq!(sound["findings"], Value::Array(vec![]));
    let connection = Connection::open(place.kb()).unwrap();
    connection.execute("DELETE FROM vector_block", []).unwrap();
    drop(connection);
    let (report, _) = ends_with(&place, 12, &["check", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["repair"], Value::Null);
    let (report, _) = ends_with(&place, 0, &["check", "--json", "--repair"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    insta::assert_snapshot!(form(&report), @r#"
    damaged_copy: string
    findings[].invariant: string
    findings[].subject: string
    knowledge_base: string
    repair.chunks_indexed: integer
    repair.documents_kept: integer
    repair.documents_requeued: integer
    repair.documents_to_read: integer
    schema: integer
    "#);
    assert_documented(&form(&report));
}

#[test]
fn json_holds_documents_as_they_are() {
    let place = Place::new();
    let text = format!("{} \u{7f}\u{1b}[45m\u{9b}\u{7} end.", "high water ".repeat(12));
    place.write("a.txt", &text);
    stdout(&place, &["ingest", "-q"]);
    let found = json(&place, &["search", "water", "--json"]);
    assert_eq!(found["hits"][0]["text"], text);
}

#[test]
fn colours_of_logs_are_not_shown_and_stay_in_json() {
    let place = Place::new();
    let text = "\u{1b}[31mfai\u{1b}[1mled\u{1b}[0m: the \u{1b}[36;1mpump\u{1b}[m\u{1b}[K house\n\
                \u{1b}]0;a title\u{7}of \u{1b}]8;;https://example.org/x\u{1b}\\pier\u{1b}]8;;\u{1b}\\ 7\n";
    place.write("a.log", text);
    place.write("b.log", "The pump[31m] is a part number.\n");
    stdout(&place, &["ingest", "-q"]);
    let shown = stdout(&place, &["search", "failed pump", "--mode", "text"]);
    assert!(shown.contains("   failed: the pump  house\n   of pier 7\n"), "{shown}");
    assert!(!shown.contains("u{") && !shown.contains('\u{1b}'), "{shown:?}");
    assert!(shown.contains("pump[31m] is"), "{shown}");
    let found = json(&place, &["search", "failed", "--json", "--mode", "text"]);
    assert_eq!(found["hits"][0]["text"], text.trim_end());
}

#[test]
fn reports_about_a_knowledge_base_are_documented() {
    let place = ingested();
    place.write("copy.md", fs::read(place.docs().join("river.md")).unwrap());
    place.write("broken.md", BROKEN);
    ends_with(&place, 3, &["ingest", "-q"]);
    for arguments in [
        &["ls"][..],
        &["get", "river.md:1-5"],
        &["similar", "river.md"],
        &["runs"],
        &["diff"],
        &["stats"],
        &["analyze", "ferry"],
        &["embed", "ferry"],
    ] {
        let report = json(&place, &[arguments, &["--json"]].concat());
        assert_eq!(report["schema"], 1, "{arguments:?}");
        assert_documented(&form(&report));
    }
}

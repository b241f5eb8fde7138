//! `eval`: the measures against an independent implementation of them, and the gate through the
//! binary.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Output;

use kbingest::eval::{ByteSpan, Passage, mean_scores, parse_queries, scores};
use serde_json::Value;

use crate::support::Place;

fn data(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn passage(value: &Value) -> Passage {
    let number = |key: &str| value[key].as_u64().unwrap();
    Passage {
        uri: value["path"].as_str().unwrap().to_owned(),
        start: number("start"),
        end: number("end"),
    }
}

#[test]
fn measures_agree_with_the_reference() {
    let queries = parse_queries(&data("queries.jsonl")).unwrap();
    let mut chunks: HashMap<String, Vec<ByteSpan>> = HashMap::new();
    for line in data("chunks.jsonl").lines() {
        let Passage { uri, start, end } = passage(&serde_json::from_str(line).unwrap());
        chunks.entry(uri).or_default().push(ByteSpan { start, end });
    }
    let mut rankings: HashMap<String, Vec<Passage>> = HashMap::new();
    for line in data("run.jsonl").lines() {
        let run: Value = serde_json::from_str(line).unwrap();
        let hits = run["hits"].as_array().unwrap().iter().map(passage).collect();
        rankings.insert(run["id"].as_str().unwrap().to_owned(), hits);
    }
    let all: Vec<_> =
        queries.iter().map(|query| scores(query, &rankings[&query.id], &chunks)).collect();
    let found: BTreeMap<_, _> =
        mean_scores(&all).0.into_iter().map(|(name, mean)| (name.to_owned(), mean)).collect();
    let mut expected: BTreeMap<String, f64> = serde_json::from_str(&data("expected.json")).unwrap();
    expected.remove("queries");
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, value) in found {
        assert!((value - expected[&name]).abs() < 1e-9, "{name}: {value}, not {}", expected[&name]);
    }
}

const QUERIES: &str = r#"{"id": "pilot", "query": "pilot of the harbour", "relevant": [{"path": "harbour.md"}]}
{"id": "ferry", "query": "ferry on the river", "relevant": [{"uri": "river.md", "grade": 2}]}
{"id": "lost", "query": "zeppelin", "relevant": [{"path": "nowhere.md"}]}
"#;

fn place() -> Place {
    let place = Place::new();
    place.write("harbour.md", "# Harbour\n\nThe pilot guides ships.\n");
    place.write("river.md", "# River\n\nThe ferry crosses every hour.\n");
    place.ingest();
    place.put(&place.path("queries.jsonl"), QUERIES.as_bytes());
    place
}

fn run(place: &Place, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.current_dir(place.path("")).arg("eval").args(arguments).output().unwrap()
}

fn ends_with(place: &Place, code: i32, arguments: &[&str]) -> (String, String) {
    let output = run(place, arguments);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn a_gate_holds_or_ends_with_3() {
    let place = place();
    let check = |code, arguments: &[&str], said: &str| {
        let (_, stderr) = ends_with(&place, code, &[&["queries.jsonl"], arguments].concat());
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    };
    check(0, &["--min", "success@5=0.66"], "");
    check(0, &["--mode", "text", "--min", "text:recall@10=0.6"], "");
    check(3, &["--min", "ndcg@10=0.7"], "hybrid:ndcg@10 is 0.6667, less than 0.7");
    check(3, &["--min", "mrr@10=0.5", "--min", "text:recall@5=1"], "text:recall@5 is 0.6667");
    check(2, &["--min", "recall@7=0.5"], "there is no measure \"recall@7\"");
    check(2, &["--min", "recall@5=50"], "is not between 0 and 1");
    check(2, &["--mode", "text", "--min", "vector:recall@5=0"], "\"vector\" is not measured");
    check(2, &["--max-drop", "0.1"], "--baseline");
    check(2, &["--details"], "--json");
}

#[test]
fn a_report_is_a_baseline() {
    let place = place();
    let (report, _) = ends_with(&place, 0, &["kb.kb", "queries.jsonl", "--json"]);
    fs::write(place.path("before.json"), &report).unwrap();
    let compare = ["queries.jsonl", "--baseline", "before.json", "--max-drop", "0.1"];
    ends_with(&place, 0, &compare);
    place.write("river.md", "# Mountain\n\nNothing crosses here.\n");
    place.ingest();
    let (_, stderr) = ends_with(&place, 3, &compare);
    assert!(stderr.contains("less than 0.5667 (it was 0.6667)"), "{stderr}");
    fs::write(place.path("queries.jsonl"), QUERIES.replace("zeppelin", "airship")).unwrap();
    assert!(ends_with(&place, 3, &compare).1.contains("the baseline is of other queries"));
    fs::write(place.path("before.json"), "{}").unwrap();
    assert!(ends_with(&place, 2, &compare).1.contains("before.json is not a report of"));
}

#[test]
fn json_tells_every_query_and_the_page_stands_alone() {
    let place = place();
    let arguments = ["queries.jsonl", "--json", "--details", "--report", "out.html"];
    let report: Value = serde_json::from_str(&ends_with(&place, 0, &arguments).0).unwrap();
    assert_eq!(report["queries"], 3);
    let names: Vec<_> =
        report["modes"].as_array().unwrap().iter().map(|mode| &mode["mode"]).collect();
    assert_eq!(names, ["hybrid", "text", "vector"]);
    assert_eq!(report["modes"][1]["metrics"]["success@1"], 2.0 / 3.0);
    assert_eq!(
        report["modes"][1]["first_relevant_ranks"],
        serde_json::json!([2, 0, 0, 0, 0, 0, 0, 1])
    );
    assert_eq!(report["details"].as_array().unwrap().len(), 9);
    assert_eq!(report["details"][3]["id"], "pilot");
    assert_eq!(report["details"][3]["hits"][0]["uri"], "harbour.md");
    assert_eq!(report["worst"][0]["query"], "zeppelin");
    let page = fs::read_to_string(place.path("out.html")).unwrap();
    for part in ["<svg", "zeppelin", "Rank of the first document", "</html>"] {
        assert!(page.contains(part), "{part} is not in the page");
    }
    for fetched in ["<script", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(fetched), "the page has {fetched}");
    }
}

#[test]
fn wrong_files_are_named_with_their_line() {
    let place = place();
    let check = |text: &str, said: &str| {
        fs::write(place.path("q.jsonl"), text).unwrap();
        let (_, stderr) = ends_with(&place, 2, &["q.jsonl"]);
        assert!(stderr.contains(said), "{text}: {stderr}");
    };
    check("", "q.jsonl: it has no query");
    check("{\"id\": 1}\n", "q.jsonl: line 1: missing field `query`");
    check(&format!("{QUERIES}nonsense\n"), "q.jsonl: line 4:");
    assert!(ends_with(&place, 2, &["none.jsonl"]).1.contains("cannot read none.jsonl"));
    assert!(ends_with(&place, 10, &["none.kb", "queries.jsonl"]).1.contains("no knowledge base"));
}

#[test]
fn queries_without_words_are_measured_like_others() {
    let place = place();
    let relevant = r#""relevant": [{"path": "harbour.md"}]"#;
    let queries = format!("{{\"id\": 1, \"query\": \"...\", {relevant}}}\n");
    fs::write(place.path("signs.jsonl"), &queries).unwrap();
    let (text, _) = ends_with(&place, 0, &["--json", "kb.toml", "signs.jsonl"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["modes"].as_array().unwrap().len(), 3, "{report}");
    let (_, error) = ends_with(&place, 2, &["--tune", "kb.toml", "signs.jsonl"]);
    assert!(error.contains("one is not enough"), "{error}");
}

/// The weight is chosen by the queries of even number, and what is printed of the others is true.
#[test]
fn tuning_chooses_on_one_half_and_checks_on_the_other() {
    let place = place();
    let (text, _) = ends_with(&place, 0, &["--tune", "--json", "kb.toml", "queries.jsonl"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let metric = report["metric"].as_str().unwrap();
    // The mean of a half under a weight, by `eval` itself.
    let mean = |weight: &Value, rest: usize| -> f64 {
        let toml = fs::read_to_string(place.toml()).unwrap();
        fs::write(
            place.path("other.toml"),
            format!("{toml}\n[search]\nvector_weight = {weight}\n"),
        )
        .unwrap();
        let arguments = ["--json", "--details", "--mode", "hybrid", "other.toml", "queries.jsonl"];
        let (text, _) = ends_with(&place, 0, &arguments);
        let report: Value = serde_json::from_str(&text).unwrap();
        let details = report["details"].as_array().unwrap();
        let half: Vec<f64> = details
            .iter()
            .enumerate()
            .filter(|(at, _)| at % 2 == rest)
            .map(|(_, one)| one["metrics"][metric].as_f64().unwrap_or(0.0))
            .collect();
        half.iter().sum::<f64>() / half.len() as f64
    };
    let tried = report["tried"].as_array().unwrap();
    assert_eq!(tried.len(), 11);
    for pair in [&tried[0], &tried[6], &tried[10]] {
        assert!((mean(&pair[0], 0) - pair[1].as_f64().unwrap()).abs() < 1e-9, "{pair}");
    }
    let best = tried.iter().map(|pair| pair[1].as_f64().unwrap()).fold(0.0, f64::max);
    let chosen = tried.iter().find(|pair| pair[0] == report["chosen"]).unwrap();
    assert_eq!(chosen[1].as_f64().unwrap(), best);
    assert!((mean(&report["current"], 1) - report["checked"][0].as_f64().unwrap()).abs() < 1e-9);
    assert!((mean(&report["chosen"], 1) - report["checked"][1].as_f64().unwrap()).abs() < 1e-9);
    let (text, _) = ends_with(&place, 0, &["--tune", "kb.toml", "queries.jsonl"]);
    assert!(text.contains("on the other queries: "), "{text}");
}

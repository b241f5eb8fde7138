//! `kbingest plan`: what it says is what the next run does, and it writes nothing.

use std::fs;

use serde_json::Value;

use crate::support::{Place, markdown, program};

/// Runs the program with these arguments and kb.toml; returns its exit code and what it printed.
fn run(place: &Place, arguments: &[&str]) -> (i32, String) {
    let temporary = place.path("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let output = program()
        .args(arguments)
        .arg(place.toml())
        .env("TMPDIR", &temporary)
        .env("XDG_CACHE_HOME", place.path("cache"))
        .output()
        .unwrap();
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "nothing is left");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn plan(place: &Place, exit_code: i32) -> Value {
    let (code, text) = run(place, &["plan", "--json"]);
    assert_eq!(code, exit_code, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Ingests, and fails unless that did what `planned` says.
fn check(place: &Place, planned: &Value) {
    let (_, text) = run(place, &["ingest", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let metrics = &report["run"]["metrics"];
    let total = |key: &str| -> u64 {
        let sources = planned["sources"].as_array().unwrap();
        sources.iter().map(|source| source[key].as_u64().unwrap()).sum()
    };
    for (key, metric) in [
        ("new", "documents_new"),
        ("changed", "documents_changed"),
        ("deleted", "documents_deleted"),
    ] {
        assert_eq!(total(key), metrics[metric].as_u64().unwrap(), "{key}: {planned}");
    }
    let number = |value: &Value| value.as_u64().unwrap();
    let embedded = number(&metrics["chunks_stored"]) - number(&metrics["chunks_reused"]);
    assert_eq!(number(&planned["chunks_to_embed"]), embedded);
    assert_eq!(planned["chunks"], metrics["chunks_stored"]);
    assert_eq!(planned["exit_code"], report["exit_code"]);
}

fn place() -> Place {
    let place = Place::new();
    for document in 0..12 {
        place.write(&format!("{document}.md"), markdown(document, 3, &format!("word{document}")));
    }
    place
}

#[test]
fn a_first_run() {
    let place = place();
    let planned = plan(&place, 0);
    assert!(!place.kb().exists());
    assert_eq!((&planned["exists"], &planned["sources"][0]["new"]), (&false.into(), &12.into()));
    assert!(planned["tokens"].as_u64().unwrap() > planned["chunks"].as_u64().unwrap());
    check(&place, &planned);
    assert_eq!(plan(&place, 0)["chunks"], 0);
}

#[test]
fn changes_are_those_of_the_next_run() {
    let place = place();
    place.ingest();
    place.write("0.md", markdown(0, 4, "word0"));
    place.write("new.md", "# New\n\nA text.\n");
    place.remove("1.md");
    let before = fs::read(place.kb()).unwrap();
    let planned = plan(&place, 0);
    assert_eq!(fs::read(place.kb()).unwrap(), before);
    let documents =
        serde_json::json!([["changed", "0.md"], ["deleted", "1.md"], ["new", "new.md"]]);
    assert_eq!(planned["sources"][0]["documents"], documents);
    assert!(planned["seconds"].as_f64().is_some());
    let (_, text) = run(&place, &["plan"]);
    assert!(
        text.starts_with("docs: 1 new, 1 changed, 1 deleted, 10 unchanged\n  ~ 0.md\n  - 1.md\n"),
        "{text}"
    );
    assert_eq!(run(&place, &["ingest", "--dry-run"]).1, text);
    check(&place, &planned);
    assert_eq!(run(&place, &["plan"]).1, "docs: 12 unchanged\nnothing to do\n");
}

#[test]
fn settings_that_make_documents_again() {
    let place = place();
    place.ingest();
    place.reconfigure("dim = 64", "dim = 32");
    let planned = plan(&place, 0);
    assert_eq!(planned["sources"][0]["made_again"], 12);
    check(&place, &planned);
}

#[test]
fn deletions_that_would_be_withheld() {
    let place = place();
    place.ingest();
    for document in 0..11 {
        place.remove(&format!("{document}.md"));
    }
    let planned = plan(&place, 21);
    assert_eq!((&planned["deletions_withheld"], &planned["chunks"]), (&11.into(), &0.into()));
    let (code, text) = run(&place, &["plan", "--allow-deletes"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("docs: 11 deleted, 1 unchanged"), "{text}");
    check(&place, &planned);
}

#[test]
fn a_price() {
    let place = place();
    let toml = fs::read_to_string(place.toml()).unwrap();
    place.configure(&format!("{toml}\n[budget]\nprice_per_million_tokens = 0.5\nmax_tokens = 1\n"));
    let planned = plan(&place, 0);
    let cost = planned["tokens"].as_f64().unwrap() * 0.5 / 1e6;
    assert!((planned["cost"].as_f64().unwrap() - cost).abs() < 1e-12);
}

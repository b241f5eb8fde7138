//! Programs with an SQLite of their own: `analyze` and `embed` give them what `search` looks up.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::{ends_with, json, stdout};
use crate::support::Place;

/// A knowledge base of the handbook.
fn handbook() -> Place {
    let place = Place::new();
    let docs = format!("{}/examples/handbook/docs", env!("CARGO_MANIFEST_DIR"));
    let config = format!("[[source.directory]]\nname = 'handbook'\npath = '{docs}'\n");
    fs::write(place.path("kb.toml"), config).unwrap();
    stdout(&place, &["ingest", "-q"]);
    place
}

/// Returns the score of each hit, by the key of its chunk.
fn hits(place: &Place, query: &str, mode: &str, score: &str) -> BTreeMap<String, f64> {
    let found = json(
        place,
        &["search", "--json", "--no-fold", "-k", "1000", "--mode", mode, "kb.toml", query],
    );
    let hits = found["hits"].as_array().unwrap();
    let pair =
        |hit: &Value| (hit["key"].as_str().unwrap().to_owned(), hit[score].as_f64().unwrap());
    hits.iter().map(pair).collect()
}

fn assert_close(found: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>, query: &str) {
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "{query}: other chunks"
    );
    for (key, score) in found {
        assert!((score - expected[key]).abs() < 1e-3, "{query}: {score} {}", expected[key]);
    }
}

#[test]
fn full_text_search_by_another_program_finds_the_same() {
    let place = handbook();
    let kb = Connection::open(place.path("kb.kb")).unwrap();
    for query in [
        "how far behind is the replica?",
        "replicas lagging",
        "disk full on the queue host",
        "resize2fs",
        "kill_release_unpaid",
        "\"on call\" pager",
        "runbook -disk",
        "title:runbook queue",
        "relese an unpayed berth",
        "\"zeppelin over the harbour\" replica",
    ] {
        let analysed = json(&place, &["analyze", "--json", "kb.toml", query]);
        let weights = analysed["bm25_weights"].as_array().unwrap();
        let weights: Vec<_> = weights.iter().map(ToString::to_string).collect();
        let mut statement = kb
            .prepare(&format!(
                "SELECT chunks.key, -bm25(chunk_fts, {}) FROM chunk_fts
                 JOIN chunks ON chunks.id = chunk_fts.rowid WHERE chunk_fts MATCH ?1",
                weights.join(", ")
            ))
            .unwrap();
        let expression = analysed["expression"].as_str().unwrap_or_else(|| panic!("{query}"));
        let found =
            statement.query_map([expression], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let found: BTreeMap<String, f64> = found.map(Result::unwrap).collect();
        assert!(!found.is_empty(), "{query}");
        assert_close(&found, &hits(&place, query, "text", "bm25"), query);

        let all = analysed["expression_all"].as_str().unwrap();
        let sql = "SELECT count(*) FROM chunk_fts WHERE chunk_fts MATCH ?1";
        let count: i64 = kb.query_row(sql, [all], |row| row.get(0)).unwrap();
        assert!((0..=found.len() as i64).contains(&count), "{query}: {count} of {}", found.len());
    }
    insta::assert_snapshot!(stdout(&place, &["analyze", "replicas lagging -disk"]), @r#"
    expression  ({title heading text} : ((("replica")) OR (("lag")))) NOT (({title heading text} : ("disk")))
    every word  ({title heading text} : ((("replica")) AND (("lag")))) NOT (({title heading text} : ("disk")))
    tokens      lag replica
    meaning     replicas lagging
    "#);
    let nothing = json(&place, &["analyze", "--json", "kb.toml", ""]);
    assert_eq!(nothing["expression"], Value::Null);
}

#[test]
fn vector_search_by_another_program_finds_the_same() {
    let place = handbook();
    let kb = Connection::open(place.path("kb.kb")).unwrap();
    let query = "how do I undo a release?";
    let embedded = json(&place, &["embed", "--json", "kb.kb", query]);
    assert_eq!((&embedded["dim"], &embedded["role"]), (&256.into(), &"query".into()));
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect()
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let vector = numbers(&embedded["vector"]);
    assert!((dot(&vector, &vector) - 1.0).abs() < 1e-5);

    let wanted = numbers(&embedded["embedding"]);
    let mut statement = kb
        .prepare("SELECT chunks.key, embedding FROM vector JOIN chunks ON chunks.id = chunk_id")
        .unwrap();
    let found = statement.query_map([], |row| {
        let bytes: Vec<u8> = row.get(1)?;
        let stored: Vec<f64> = bytes.iter().map(|byte| f64::from(byte.cast_signed())).collect();
        let cosine = dot(&wanted, &stored) / (dot(&wanted, &wanted) * dot(&stored, &stored)).sqrt();
        Ok((row.get(0)?, cosine))
    });
    let found: BTreeMap<String, f64> = found.unwrap().map(Result::unwrap).collect();
    assert_close(&found, &hits(&place, query, "vector", "cosine"), query);

    let printed = stdout(&place, &["embed", query, "--document"]);
    let printed: Vec<f64> = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed.len(), 256);
    let (_, said) = ends_with(&place, 10, &["embed", "missing.kb", "x"]);
    assert!(said.contains("missing.kb"), "{said}");
}

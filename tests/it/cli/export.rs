//! `export`: other programs read everything back.

use std::fs;

use serde_json::Value;

use super::{ends_with, json, stdout};
use crate::support::Place;

fn place() -> Place {
    let place = Place::new();
    place.write(
        "a/quotes.md",
        "---\ntags: [x, y]\n---\n# Quotes\n\nHe said \"no\", and left;\nthen came back.\n",
    );
    place.write("notes.txt", "High water is at noon.\n");
    place.write("more.md", "# More\n\n## One\n\nThe ferry.\n\n## Two\n\nThe river.\n");
    stdout(&place, &["ingest", "-q"]);
    place
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn documents_and_chunks_are_exported_as_json_lines() {
    let place = place();
    let documents = lines(&stdout(&place, &["export"]));
    let uris: Vec<_> = documents.iter().map(|one| one["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["a/quotes.md", "more.md", "notes.txt"]);
    assert_eq!(documents[0]["metadata"]["tags"][1], "y");
    let text = fs::read_to_string(place.docs().join("more.md")).unwrap();
    assert_eq!(documents[1]["text"], text);

    let chunks = lines(&stdout(&place, &["export", "kb.kb", "--chunks", "--vectors"]));
    let stats = json(&place, &["stats", "--json"]);
    assert_eq!(stats["sources"][0]["chunks"], chunks.len());
    for chunk in &chunks {
        let vector: Vec<f64> = serde_json::from_value(chunk["vector"].clone()).unwrap();
        let length: f64 = vector.iter().map(|one| one * one).sum();
        assert!(vector.len() == 64 && (length - 1.0).abs() < 0.02, "{length}");
        let document = documents.iter().find(|document| document["uri"] == chunk["uri"]).unwrap();
        let at = |key: &str| usize::try_from(chunk[key].as_u64().unwrap()).unwrap();
        let text = document["text"].as_str().unwrap();
        assert_eq!(chunk["text"], text[at("start_byte")..at("end_byte")]);
    }
    assert!(!stdout(&place, &["export", "--chunks"]).contains("vector"));
    let some = lines(&stdout(&place, &["export", "--path", "**/*.txt", "--source", "docs"]));
    assert_eq!(some.len(), 1);
}

#[test]
fn csv_is_read_back_by_a_csv_parser() {
    let place = place();
    for (arguments, kind) in [(&["--format", "csv"][..], 8), (&["--format", "csv", "--chunks"], 15)]
    {
        let text = stdout(&place, &[&["export"], arguments].concat());
        let objects = lines(&stdout(&place, &[&["export"], &arguments[2..]].concat()));
        assert!(text.ends_with("\r\n"));
        let rows = parse(&text);
        assert_eq!((rows[0].len(), rows.len()), (kind, objects.len() + 1));
        for (row, object) in rows[1..].iter().zip(&objects) {
            for (name, cell) in rows[0].iter().zip(row) {
                let expected = match &object[name.as_str()] {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                assert_eq!(*cell, expected, "{name}");
            }
        }
    }
}

/// Parses CSV as RFC 4180 describes it.
fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) =
        (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    rows
}

#[test]
fn markdown_is_exported_with_front_matter() {
    let place = place();
    insta::assert_snapshot!(stdout(&place, &["export", "--format", "md", "--path", "*.txt"]), @r#"
    ---
    source: "docs"
    uri: "notes.txt"
    title: "notes.txt"
    metadata: {}
    ---
    High water is at noon.
    "#);
    let chunks = stdout(&place, &["export", "--format", "md", "--chunks", "--path", "more.md"]);
    assert!(chunks.contains("heading_path: \"More > Two\"\nstart_line: 7\n"), "{chunks}");
}

#[test]
fn a_file_appears_when_it_is_complete() {
    let place = place();
    fs::write(place.path("out.jsonl"), "old").unwrap();
    ends_with(&place, 2, &["export", "--output", "out.jsonl", "--source", "nothing"]);
    assert_eq!(fs::read_to_string(place.path("out.jsonl")).unwrap(), "old");
    assert!(!place.path("out.jsonl.part").exists());
    assert_eq!(stdout(&place, &["export", "--output", "out.jsonl"]), "");
    let written = fs::read_to_string(place.path("out.jsonl")).unwrap();
    assert_eq!(written, stdout(&place, &["export"]));
    let (_, said) = ends_with(&place, 2, &["export", "--output", "missing/out.jsonl"]);
    assert!(said.contains("cannot write missing/out.jsonl"), "{said}");
    ends_with(&place, 2, &["export", "--vectors"]);
}

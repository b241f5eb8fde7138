//! Commands that look into a knowledge base without SQL: its documents, its runs, its parts.

use std::fs;

use super::{BROKEN, ends_with, ingested, json, stdout};
use crate::support::{Place, markdown};

/// A folder with documents of every state: live, live and failed since, failed, skipped.
fn with_states() -> Place {
    let place = Place::new();
    place.write("guides/2024-05-06-river.md", markdown(1, 3, "ferry"));
    place.write("guides/harbour.md", "---\ndate: 2025-01-31\n---\n# Harbour\n\nShips wait.\n");
    place.write("tides.txt", "High water is at noon.\n");
    place.write("broken.md", BROKEN);
    place.write("image.md", "\0");
    ends_with(&place, 3, &["ingest", "-q"]);
    place.write("tides.txt", BROKEN);
    ends_with(&place, 3, &["ingest", "-q"]);
    place
}

#[test]
fn documents_are_listed_with_what_became_of_them() {
    let place = with_states();
    insta::assert_snapshot!(stdout(&place, &["ls"]), @"
    docs	broken.md			0	failed
    docs	guides/2024-05-06-river.md	Document 1	2024-05-06	3	live
    docs	guides/harbour.md	Harbour	2025-01-31	1	live
    docs	image.md			0	skipped
    docs	tides.txt	tides.txt		1	failed
    ");
    insta::assert_snapshot!(stdout(&place, &["ls", "kb.kb", "*.*", "--long"]), @"
    docs	broken.md			0	failed		0	broken.md: looks like utf-16le, but cannot be decoded as that
    docs	image.md			0	skipped		0	image.md: binary content
    docs	tides.txt	tides.txt		1	failed	plain	23	tides.txt: looks like utf-16le, but cannot be decoded as that
    ");
    let uris = |arguments: &[&str]| {
        let listed = json(&place, &[&["ls", "--json"], arguments].concat());
        assert_eq!(listed["schema"], 1);
        let documents = listed["documents"].as_array().unwrap();
        documents.iter().map(|one| one["uri"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let river = "guides/2024-05-06-river.md";
    assert_eq!(uris(&["guides/*"]), [river, "guides/harbour.md"]);
    assert_eq!(uris(&["kb.toml", "**/*.txt"]), ["tides.txt"]);
    assert_eq!(uris(&["*.nothing"]), [""; 0]);
    assert_eq!(uris(&["--sort", "date"])[..2], ["guides/harbour.md", river]);
    assert_eq!(uris(&["--sort", "chunks"])[0], river);
    assert_eq!(uris(&["--sort", "size", "--source", "docs"])[0], river);
    let (_, said) = ends_with(&place, 2, &["ls", "--source", "dosc"]);
    assert!(said.contains("no source \"dosc\"") && said.contains("it has: docs"), "{said}");
    ends_with(&place, 2, &["ls", "[a"]);
    ends_with(&place, 10, &["ls", "missing.kb"]);
}

#[test]
fn a_document_is_printed_whole_and_by_lines() {
    let place = Place::new();
    let text = "# Guide\n\nIntro.\n\n## Install\n\nRun it.\n\n## Use\n\nSearch.\n";
    place.write("guide.md", text);
    place.write("page.html", "<h1>Page</h1>\n\n\n<p>One.</p>\n<h2>Two</h2>\n<p>Three.</p>\n");
    // A name that ends like lines.
    place.write("notes:10", "Ten.\n");
    stdout(&place, &["ingest", "-q"]);
    for (document, expected) in [
        ("docs:guide.md", text),
        ("guide.md", text),
        ("docs:guide.md:5-7", "## Install\n\nRun it.\n"),
        ("guide.md:11", "Search.\n"),
        ("docs:guide.md:9-", "## Use\n\nSearch.\n"),
        ("docs:guide.md:9-99", "## Use\n\nSearch.\n"),
        ("docs:notes:10", "Ten.\n"),
        ("docs:notes:10:1", "Ten.\n"),
    ] {
        assert_eq!(stdout(&place, &["get", document]), expected, "{document}");
        assert_eq!(stdout(&place, &["get", "kb.kb", document]), expected, "{document}");
    }
    // Lines are those of the file, as in hits.
    let found = json(&place, &["search", "kb.toml", "three", "--json"])["hits"][0].clone();
    let lines = format!("page.html:{}-{}", found["start_line"], found["end_line"]);
    assert!(stdout(&place, &["get", &lines]).contains("Three."), "{lines}");
    assert!(!stdout(&place, &["get", "page.html:1"]).contains("Three."));

    insta::assert_snapshot!(stdout(&place, &["get", "guide.md", "--outline"]), @"
    1	Guide
    5	Guide > Install
    9	Guide > Use
    ");
    let meta = stdout(&place, &["get", "guide.md", "--meta"]);
    assert!(meta.contains("title     Guide\n") && meta.contains("lines     1-11 of the file\n"));
    let chunks = stdout(&place, &["get", "guide.md:7", "--chunks"]);
    assert!(chunks.contains("lines 5-7") && !chunks.contains("Search."), "{chunks}");
    let report = json(&place, &["get", "guide.md:7", "--json"]);
    assert_eq!(report["text"], "Run it.\n");
    assert_eq!(report["chunks"][0]["heading_path"], "Guide > Install");
    assert_eq!(report["outline"][2]["start_line"], 9);
}

#[test]
fn a_document_that_is_not_there_is_answered_with_near_names() {
    let place = ingested();
    let check = |document: &str, expected: &str| {
        let (_, said) = ends_with(&place, 2, &["get", document]);
        assert!(said.contains(expected), "{document}: {said}");
    };
    check("docs:harbor.md", "did you mean docs:sub/harbour.md?");
    check("river.md:x", "\"x\" are no lines");
    check("docs:rivers.md:1-2", "did you mean docs:river.md?");
    check("docs:river.md:500", "it has no line 500: its last one is");
    check("zeppelin", "`kbingest ls`");
}

#[test]
fn runs_are_listed_with_what_came_and_went() {
    let place = Place::new();
    for name in ["a.md", "b.md", "c.md"] {
        place.write(name, format!("# {name}\n\nShips wait for the pilot.\n"));
    }
    stdout(&place, &["ingest", "-q"]);
    fs::copy(place.path("kb.kb"), place.path("old.kb")).unwrap();
    place.write("a.md", "# A\n\nShips sail.\n");
    place.remove("b.md");
    place.write("bad.md", BROKEN);
    ends_with(&place, 3, &["ingest", "-q"]);

    let listed = stdout(&place, &["runs"]);
    let cells: Vec<Vec<_>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells[0][..2], ["run", "began"]);
    let counts = |row: usize| cells[row][5..10].join(" ");
    assert_eq!((cells[1][0], cells[2][0], cells.len()), ("2", "1", 3), "{listed}");
    assert_eq!(counts(1), "0 1 1 1 3", "{listed}");
    assert_eq!(counts(2), "3 0 0 0 0", "{listed}");
    let runs = json(&place, &["runs", "kb.kb", "--json", "-n", "1"]);
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
    assert_eq!(runs["runs"][0]["exit_code"], 3);
    assert_eq!(runs["runs"][0]["run"]["metrics"]["documents_changed"], 1);

    let diff = |arguments: &[&str]| ends_with(&place, 0, &[&["diff"], arguments].concat());
    let (changes, said) = diff(&[]);
    insta::assert_snapshot!(changes, @"
    changed	docs	a.md
    failed	docs	bad.md	bad.md: looks like utf-16le, but cannot be decoded as that
    ");
    assert!(said.contains("run 2 deleted 1 document") && said.contains("--since"), "{said}");
    assert_eq!(diff(&["1"]).0, "new\tdocs\tc.md\n");
    assert_eq!(diff(&["kb.kb", "1"]).0, "new\tdocs\tc.md\n");
    assert_eq!(diff(&["--since", "old.kb"]).0, "changed\tdocs\ta.md\ndeleted\tdocs\tb.md\n");
    let since = json(&place, &["diff", "kb.kb", "--since", "old.kb", "--json"]);
    assert_eq!(since["documents"][1]["change"], "deleted");
    assert!(ends_with(&place, 2, &["diff", "7"]).1.contains("no run 7"));
    assert!(ends_with(&place, 2, &["diff", "last"]).1.contains("\"last\" is no run"));
}

#[test]
fn a_knowledge_base_is_shown_in_parts() {
    let place = Place::new();
    for number in 0..3 {
        place.write(&format!("same/{number}.md"), "# Notice\n\nThe ferry does not run today.\n");
    }
    place.write("river.md", markdown(1, 6, "ferry"));
    place.write("notes.txt", "High water is at noon, and low water is in the evening.\n");
    stdout(&place, &["ingest", "-q"]);
    let stats = json(&place, &["stats", "--json"]);
    assert_eq!(stats["sources"][0]["documents"], 5);
    assert_eq!(stats["formats"][0]["name"], "markdown");
    assert_eq!(stats["formats"][1]["documents"], 1);
    assert_eq!(stats["languages"][0]["language"], "en");
    assert_eq!(stats["largest"][0]["uri"], "river.md");
    assert_eq!(stats["duplicate_documents"], 2);
    assert_eq!(stats["duplicates"][0]["examples"][2], "docs:same/2.md");
    let status = json(&place, &["status", "--json"]);
    assert_eq!(stats["sources"][0]["chunks"], status["statistics"]["chunks"]);
    assert_eq!(stats["sources"][0]["text_bytes"], status["statistics"]["text_bytes"]);
    let ranges = stats["chunk_tokens"]["histogram"].as_array().unwrap();
    let chunks: u64 = ranges.iter().map(|range| range["chunks"].as_u64().unwrap()).sum();
    assert_eq!(status["statistics"]["chunks"], chunks);
    let shown = stdout(&place, &["stats"]);
    assert!(shown.contains("docs               5") && shown.contains("##"), "{shown}");
    assert!(shown.contains("3 x docs:same/0.md, docs:same/1.md, docs:same/2.md"), "{shown}");
}

#[test]
fn similar_documents_are_those_about_the_same() {
    let place = Place::new();
    // With a model that knows meanings.
    place.configure("[[source.directory]]\nname = 'docs'\npath = 'docs'\n");
    place.write("ferry.md", "# Ferry\n\nThe ferry crosses the river with passengers and cars.\n");
    place.write("boats.md", "# Boats\n\nBoats and ships carry passengers over the river.\n");
    place.write("tax.md", "# Tax\n\nThe invoice states value added tax and the account.\n");
    place.write("copy.md", "# Ferry\n\nThe ferry crosses the river with passengers and cars.\n");
    place.write("empty.md", "\n");
    stdout(&place, &["ingest", "-q"]);
    let near = json(&place, &["similar", "docs:ferry.md", "--json"]);
    let near = near["documents"].as_array().unwrap();
    let uris: Vec<_> = near.iter().map(|one| one["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["boats.md", "tax.md"], "not itself, nor its copy");
    assert!(near[0]["cosine"].as_f64() > near[1]["cosine"].as_f64());
    let shown = stdout(&place, &["similar", "kb.kb", "ferry.md", "-k", "1"]);
    assert!(shown.ends_with("\tdocs\tboats.md\tBoats\n") && shown.starts_with("0."), "{shown}");
    assert_eq!(stdout(&place, &["similar", "empty.md"]), "");
    assert!(ends_with(&place, 2, &["similar", "fery.md"]).1.contains("docs:ferry.md"));
}

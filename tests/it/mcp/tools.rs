//! What the tools answer.

use kbingest::kb::Query;
use kbingest::operations::{self, Target};
use serde_json::{Value, json};

use super::client::Client;
use super::harbour;
use crate::support::{BROKEN, Place, ingest, markdown};

#[test]
fn a_search_finds_what_the_command_finds() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    for query in ["mooring compass", "pilot", "storm"] {
        let expected = operations::search(&Target::from(place.config()), &Query::new(query));
        let expected = expected.unwrap().hits;
        let answer = client.answer("search", &json!({"query": query, "k": 5}));
        let hits = answer["hits"].as_array().unwrap();
        assert_eq!(hits.len(), expected.len());
        for (hit, expected) in hits.iter().zip(expected) {
            assert_eq!(hit["uri"], expected.uri);
            assert_eq!(hit["text"], expected.text);
            assert_eq!(hit["heading_path"], expected.heading_path);
            assert_eq!(hit["start_line"], expected.start_line);
            assert_eq!(hit["end_line"], expected.end_line);
            assert_eq!(hit["score"], expected.score);
            assert_eq!(hit["lines_in"], "file");
            assert_eq!(hit["resource"], format!("kb://harbour/docs/{}", expected.uri));
        }
    }
}

#[test]
fn a_search_is_filtered() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    let query = "storm harbour pilot mooring";
    for (filter, expected) in [
        (json!({"path": ["log/**"]}), vec!["log/2024-05-06-storm.md"]),
        (json!({"metadata": {"author": "ann lee"}}), vec!["log/2024-05-06-storm.md"]),
        (json!({"after": "2024", "before": "2025"}), vec!["log/2024-05-06-storm.md"]),
        (json!({"after": "2025"}), vec![]),
        (json!({"min_score": 99.0}), vec![]),
        (json!({"path": ["pilots.md"], "source": "docs", "mode": "text"}), vec!["pilots.md"]),
        (json!({"path": ["pilots.md"], "mode": "vector"}), vec!["pilots.md"]),
    ] {
        let mut arguments = filter.clone();
        arguments["query"] = json!(query);
        assert_eq!(client.found(&arguments), expected, "{filter}");
    }
    let answer = client.answer("search", &json!({"query": "storrm"}));
    assert_eq!(answer["notes"], json!(["no text has \"storrm\": searched for \"Storm\""]));
}

#[test]
fn an_answer_keeps_its_budget_and_says_what_is_missing() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    let all = client.answer("search", &json!({"query": "mooring", "k": 20}));
    let all = all["hits"].as_array().unwrap();
    let some = client.answer("search", &json!({"query": "mooring", "k": 20, "max_tokens": 500}));
    let hits = some["hits"].as_array().unwrap();
    assert!(!hits.is_empty() && hits.len() < all.len(), "{} of {}", hits.len(), all.len());
    assert_eq!(hits[..], all[..hits.len()]);
    assert_eq!(some["omitted"], all.len() - hits.len());
    assert!(hits.iter().map(|hit| hit.to_string().len()).sum::<usize>() <= 4 * 500);
    // One hit that is too long.
    let context = json!({"query": "mooring", "k": 1, "context": 9, "max_tokens": 200});
    let cut = client.answer("search", &context)["hits"][0].clone();
    assert_eq!(cut["is_cut"], true);
    assert!(cut.to_string().len() <= 4 * 210, "{cut}");
}

#[test]
fn a_document_is_read_whole_in_parts_around_lines_and_as_outline() {
    let place = harbour();
    let mut client = Client::of(&[&place.toml()]);
    let text = markdown(7, 12, "mooring");
    let whole = client.answer("read", &json!({"uri": "rules.md"}));
    assert_eq!(whole["text"], text);
    assert_eq!(whole["title"], "Document 7");
    assert_eq!((&whole["start_line"], &whole["next_passage"]), (&json!(1), &Value::Null));
    // In parts: nothing is lost between them.
    let (mut parts, mut from) = (String::new(), json!(0));
    while !from.is_null() {
        let arguments = json!({"uri": "rules.md", "from_passage": from, "max_tokens": 200});
        let part = client.answer("read", &arguments);
        assert_eq!(part["is_cut"], Value::Null, "{part}");
        parts += part["text"].as_str().unwrap();
        from = part["next_passage"].clone();
    }
    assert_eq!(parts, text);
    // Around a hit.
    let hit =
        client.answer("search", &json!({"query": "\"Section 5\"", "k": 1}))["hits"][0].clone();
    let lines = json!({
        "uri": hit["resource"], "start_line": hit["start_line"], "end_line": hit["end_line"],
    });
    let read = client.answer("read", &lines);
    assert!(read["text"].as_str().unwrap().contains(hit["text"].as_str().unwrap()), "{read}");
    let mut around = lines.clone();
    around["context"] = json!(1);
    let around = client.answer("read", &around);
    assert!(around["text"].as_str().unwrap().contains(read["text"].as_str().unwrap()));
    assert!(around["start_line"].as_u64() < read["start_line"].as_u64());
    // A passage that is too long is the start of itself, and says so.
    place.write("long.md", format!("{}\n", "rope".repeat(3000)));
    ingest(&place.config(), None);
    let cut = client.answer("read", &json!({"uri": "long.md", "max_tokens": 150}));
    assert_eq!(cut["is_cut"], true, "{cut}");
    let outline = client.answer("read", &json!({"uri": "rules.md", "outline": true}));
    assert_eq!(outline["text"], "");
    let headings = outline["outline"].as_array().unwrap();
    assert!(headings.iter().any(|one| one["heading_path"] == "Document 7 > Section 12"));
    let numbers: Vec<_> = headings.iter().map(|one| one["passage"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers[0] == Some(0), "{numbers:?}");
}

#[test]
fn lists_have_pages() {
    let place = harbour();
    for number in 0..7 {
        place.write(&format!("many/{number}.md"), format!("# Number {number}\n\nText.\n"));
    }
    ingest(&place.config(), None);
    let mut client = Client::of(&[&place.toml()]);
    let (mut uris, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let mut arguments = json!({"path": ["many/**"], "limit": 3});
        if !cursor.is_null() {
            arguments["cursor"] = cursor;
        }
        let page = client.answer("list", &arguments);
        uris.extend(page["documents"].as_array().unwrap().iter().map(|one| one["uri"].clone()));
        cursor = page["next_cursor"].clone();
        pages += 1;
        if cursor.is_null() {
            break;
        }
    }
    let expected: Vec<_> = (0..7).map(|number| format!("many/{number}.md")).collect();
    assert_eq!((json!(uris), pages), (json!(expected), 3));
    let dated = client.answer("list", &json!({"after": "2024-05", "before": "2024-06"}));
    assert_eq!(dated["documents"][0]["title"], "Storm");
    assert_eq!(dated["documents"][0]["date"], "2024-05-06");
    assert_eq!(dated["documents"].as_array().unwrap().len(), 1);
    let sources = client.answer("list", &json!({"what": "sources"}))["sources"].clone();
    assert_eq!(sources[0]["documents"], 10, "{sources}");
    // As resources.
    let listed = client.request("resources/list", &json!({}))["result"].clone();
    assert_eq!(listed["resources"].as_array().unwrap().len(), 10);
    assert_eq!(listed["nextCursor"], Value::Null);
    let uri = "kb://harbour/docs/many/3.md";
    let read = client.request("resources/read", &json!({"uri": uri}))["result"].clone();
    let contents = json!([
        {"uri": uri, "mimeType": "text/markdown", "text": "# Number 3\n\nText.\n"},
    ]);
    assert_eq!(read["contents"], contents);
}

#[test]
fn the_status_says_what_failed() {
    let place = harbour();
    place.write("broken.md", BROKEN);
    ingest(&place.config(), None);
    let mut client = Client::of(&[&place.toml()]);
    let status = client.answer("status", &json!({}))["knowledge_bases"][0].clone();
    assert_eq!(status["kb"], "harbour");
    assert_eq!(status["title"], "Harbour office");
    assert_eq!(status["documents"], 3);
    assert_eq!(status["last_run"], "completed_with_failures");
    assert_eq!(status["is_running"], false);
    assert_eq!(status["documents_failed"], 1);
    assert_eq!(status["failures"][0]["uri"], "broken.md");
    assert!(status["last_run_age_seconds"].as_u64().is_some(), "{status}");
}

#[test]
fn several_knowledge_bases_are_asked_by_name_or_together() {
    let first = harbour();
    let second = Place::new();
    second.write("a.md", "# Storm warnings\n\nA storm is announced by two black balls.\n");
    ingest(&second.config(), None);
    let (kb, same) = (second.kb(), second.path("same"));
    std::fs::create_dir(&same).unwrap();
    std::fs::copy(&kb, same.join("kb.kb")).unwrap();
    let mut client = Client::of(&[&first.toml(), &kb, &same.join("kb.kb")]);
    let of = |hits: &Value| -> Vec<String> {
        let hits = hits["hits"].as_array().unwrap().iter();
        hits.map(|hit| hit["kb"].as_str().unwrap().to_owned()).collect()
    };
    let all = client.answer("search", &json!({"query": "storm", "k": 3, "mode": "text"}));
    assert_eq!(of(&all), ["harbour", "kb", "kb-2"]);
    let one = client.answer("search", &json!({"query": "storm", "kb": "kb", "mode": "text"}));
    assert_eq!(of(&one), ["kb"]);
    let (code, message) = client.refusal("list", &json!({}));
    assert_eq!(code, "bad_request");
    assert!(message.contains("there are \"harbour\", \"kb\", \"kb-2\""), "{message}");
    assert_eq!(client.answer("read", &json!({"uri": "a.md", "kb": "kb-2"}))["kb"], "kb-2");
    // Resources of all of them, one after the other.
    let (mut resources, mut params) = (Vec::new(), json!({}));
    loop {
        let listed = client.request("resources/list", &params)["result"].clone();
        resources.extend(listed["resources"].as_array().unwrap().clone());
        if listed["nextCursor"].is_null() {
            break;
        }
        params = json!({"cursor": listed["nextCursor"]});
    }
    assert_eq!(resources.len(), 5);
    assert_eq!(resources[4]["uri"], "kb://kb-2/docs/a.md");
}

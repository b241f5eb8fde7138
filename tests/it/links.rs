//! Hits that are links: `base_url`, anchors of Markdown, and what else a hit says of its document.

use std::fs;

use serde_json::Value;

use crate::cli::ends_with;
use crate::support::Place;

fn configure(place: &Place, settings: &str) {
    let config = format!("[[source.directory]]\nname = 'docs'\npath = 'docs'\n{settings}");
    fs::write(place.path("kb.toml"), config).unwrap();
}

fn hit(place: &Place, target: &str, query: &str) -> Value {
    let (found, _) = ends_with(place, 0, &["search", "--json", "-k", "1", target, query]);
    serde_json::from_str::<Value>(&found).unwrap()["hits"][0].clone()
}

#[test]
fn hits_lead_to_the_passage_without_a_new_ingest() {
    let place = Place::new();
    let padding = "The ferry crosses the river with passengers and cars all day. ".repeat(30);
    let text = format!(
        "---\ndate: 2025-01-31\ntags: [boats]\n---\n# Guide\n\n{padding}\n\n## Use\n\n{padding}\n\n## Use\n\n\
         A zeppelin lands.\n\n{padding}\n\n## Größe {{#size}}\n\nWidth of the lantern.\n"
    );
    place.write("user guide/index.md", text);
    place.write(
        "page.html",
        "<h1 id=top>Page</h1><p>One.</p><h2 id=sec>Two</h2><p>Compass rose.</p>",
    );
    configure(&place, "");
    ends_with(&place, 0, &["ingest", "-q"]);
    let zeppelin = hit(&place, "kb.toml", "zeppelin");
    assert_eq!((&zeppelin["url"], &zeppelin["anchor"]), (&Value::Null, &"use-1".into()));
    assert_eq!((&zeppelin["date"], &zeppelin["language"]), (&"2025-01-31".into(), &"en".into()));
    assert_eq!(zeppelin["metadata"]["tags"][0], "boats");
    assert!(zeppelin["token_count"].as_u64() > Some(3));
    assert_eq!(hit(&place, "kb.toml", "lantern")["anchor"], "size");

    let check = |settings: &str, query: &str, expected: &str| {
        configure(&place, settings);
        assert_eq!(hit(&place, "kb.toml", query)["url"], expected, "{settings}");
    };
    let lines = format!("{}-L{}", zeppelin["start_line"], zeppelin["end_line"]);
    check(
        "base_url = 'https://git.example.org/blob/main/{path}#L{line}-L{end_line}'",
        "zeppelin",
        &format!("https://git.example.org/blob/main/user%20guide/index.md#L{lines}"),
    );
    let site = "base_url = 'https://x.org/{stem}#{anchor}'";
    check(site, "zeppelin", "https://x.org/user%20guide/#use-1");
    check(&format!("{site}\nanchors = 'mkdocs'"), "zeppelin", "https://x.org/user%20guide/#use_1");
    check(site, "compass", "https://x.org/page#sec");
    // A file alone has no settings.
    assert_eq!(hit(&place, "kb.kb", "zeppelin")["url"], Value::Null);
    // Links are for terminals.
    let (shown, _) = ends_with(&place, 0, &["search", "kb.toml", "zeppelin"]);
    assert!(!shown.contains('\u{1b}') && !shown.contains("https:"), "{shown}");
    assert!(ends_with(&place, 0, &["plan"]).0.contains("nothing to do"));

    configure(&place, "base_url = 'https://x.org/{file}'");
    let (_, said) = ends_with(&place, 2, &["search", "kb.toml", "zeppelin"]);
    assert!(
        said.contains("source.directory.base_url") && said.contains("{file} is unknown"),
        "{said}"
    );
    configure(&place, "anchors = 'other'");
    ends_with(&place, 2, &["search", "kb.toml", "zeppelin"]);
}

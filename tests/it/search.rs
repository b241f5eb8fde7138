//! `search`: query syntax, languages, filters, folding, explanations, and an index made anew where its
//! analysis changed.

use kbingest::kb::{Hit, SearchMode};
use kbingest::operations::{self, SearchOptions, Target};
use rusqlite::Connection;

use crate::support::{Place, SETTINGS, assert_sound, rows};

/// A folder whose documents are a few words each.
fn place(documents: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for (name, text) in documents {
        place.write(name, text);
    }
    place.ingest();
    place
}

fn text_options(query: &str) -> SearchOptions {
    SearchOptions {
        query: query.to_owned(),
        limit: 20,
        mode: SearchMode::Text,
        ..SearchOptions::default()
    }
}

fn hits(place: &Place, options: &SearchOptions) -> Vec<Hit> {
    operations::search(&Target::File(place.kb()), options).unwrap().hits
}

fn uris(place: &Place, options: &SearchOptions) -> String {
    let uris: Vec<_> = hits(place, options).into_iter().map(|hit| hit.uri).collect();
    uris.join(" ")
}

/// Fails where the text hits of `query`, sorted, are not `expected`.
fn check(place: &Place, query: &str, expected: &str) {
    let found = uris(place, &text_options(query));
    let mut found: Vec<_> = found.split_whitespace().collect();
    found.sort_unstable();
    assert_eq!(found.join(" "), expected, "{query}");
}

#[test]
fn query_syntax() {
    let place = place(&[
        ("a.md", "# Backups\n\n## Restore drill\n\nThe drill is held every month.\n"),
        (
            "docs/b.md",
            "# Releases\n\n## Canary\n\nA canary release runs for an hour. Roll it back.\n",
        ),
        (
            "docs/c.md",
            "# Hosts\n\n## Names\n\nCall getUserName of host_names before a slow roll.\n",
        ),
        (
            "d.md",
            "# Errors\n\n## Codes\n\nE0382 and BB-3005 came with version 3.11.2 over HTTP/2.\n",
        ),
    ]);
    let check = |query, expected| check(&place, query, expected);
    check("drills", "a.md");
    check("month canary", "a.md docs/b.md");
    check("roll", "docs/b.md docs/c.md");
    check("roll -canary", "docs/c.md");
    check("\"roll it back\"", "docs/b.md");
    check("\"slow roll\" canary", "docs/c.md");
    check("roll -\"slow roll\"", "docs/b.md");
    check("title:backups", "a.md");
    check("heading:canary", "docs/b.md");
    check("title:canary", "");
    check("path:docs roll", "docs/b.md docs/c.md");
    check("path:c.md", "docs/c.md");
    check("source:docs canary", "docs/b.md");
    check("-source:docs canary", "");
    check("language:en drill", "a.md");
    check("language:de drill", "");
    check("rel*", "docs/b.md");
    check("getUserName", "docs/c.md");
    check("user name", "docs/c.md");
    check("host_names", "docs/c.md");
    check("e0382", "d.md");
    check("BB-3005", "d.md");
    check("3.11.2", "d.md");
    check("http/2", "d.md");
    check("the", "a.md");
    for hostile in
        ["\"", "a AND (", "NEAR(a b", "title:", "*", "-", "^drill", "{title} : x", "a\0b", "\"-\"*"]
    {
        uris(&place, &text_options(hostile));
    }
}

#[test]
fn languages_are_stemmed_each_in_their_own_way() {
    let place = place(&[
        (
            "de.md",
            "# Häfen\n\nDie Fähren überqueren den Fluss, wenn das Wasser nicht zu hoch ist.\n",
        ),
        ("es.md", "# Puertos\n\nLos transbordadores cruzan el río cuando está en calma.\n"),
        ("ru.md", "# Порты\n\nПаромы ходят через реку, когда она спокойна.\n"),
        ("zh.md", "# 港口\n\n黑豹队的渡船在河水平静时过河。\n"),
        ("ja.md", "# 港\n\nフェリーは川が穏やかなときに川を渡ります。\n"),
        ("th.md", "# ท่าเรือ\n\nเรือข้ามฟากข้ามแม่น้ำ\n"),
    ]);
    let check = |query, expected| check(&place, query, expected);
    check("die Fähre", "de.md");
    check("fahren", "de.md");
    check("el transbordador", "es.md");
    check("rio", "es.md");
    check("паром", "ru.md");
    check("река", "ru.md");
    check("渡船", "zh.md");
    check("黑豹", "zh.md");
    check("豹", "zh.md");
    check("フェリー", "ja.md");
    check("\"川を渡り\"", "ja.md");
    check("แม่น้ำ", "th.md");
    assert_eq!(rows(&place.kb(), "SELECT fingerprint FROM analysis"), ["words@1:language=auto"]);
}

#[test]
fn neighbours_and_repeated_texts_are_one_hit() {
    let section = |number: u64| format!("\n## Part {number}\n\n{}\n", "ferry water ".repeat(12));
    let long: String = (0..6).map(section).collect();
    let same = "# Note\n\nThe lighthouse keeper writes a letter.\n";
    let place = place(&[("long.md", &format!("# Long\n{long}")), ("x.md", same), ("y.md", same)]);
    let all = hits(&place, &SearchOptions { folds: false, ..text_options("ferry") });
    let folded = hits(&place, &text_options("ferry"));
    assert!(all.len() >= 6 && folded.len() < all.len(), "{} of {}", folded.len(), all.len());
    let (start, end) = (folded[0].start_byte as usize, folded[0].end_byte as usize);
    let text = format!("# Long\n{long}");
    assert_eq!(folded[0].text, text[start..end]);
    assert!(all.iter().any(|hit| hit.start_byte == folded[0].start_byte));
    let letter = hits(&place, &text_options("lighthouse"));
    assert_eq!(letter.len(), 1);
    assert_eq!(letter[0].duplicates.len(), 1);
    assert_ne!(letter[0].duplicates[0].uri, letter[0].uri);
}

#[test]
fn scores_are_explained_and_words_marked() {
    let place = place(&[
        ("a.md", "# Boats\n\nFerries cross; a ferry waits.\n"),
        ("b.md", "# No\n\nStone.\n"),
    ]);
    let options = SearchOptions {
        query: "ferry boat".to_owned(),
        mode: SearchMode::Hybrid,
        explains: true,
        ..SearchOptions::default()
    };
    let hit = &hits(&place, &options)[0];
    let explanation = hit.explanation.as_ref().unwrap();
    assert_eq!(explanation.words, ["Boats", "Ferries", "ferry"]);
    assert!((explanation.text_part + explanation.vector_part - hit.score).abs() < 1e-9);
    let marked: Vec<_> = hit.matches.iter().map(|[start, end]| &hit.text[*start..*end]).collect();
    assert_eq!(marked.iter().filter(|word| word.to_lowercase().starts_with("ferr")).count(), 2);
}

#[test]
fn weights_are_those_of_the_config() {
    let place = place(&[
        ("about.md", "# Ferry\n\n## Times\n\nIt runs on every day of the week.\n"),
        ("part.md", "# Times\n\n## Ferry\n\nIt runs on every day of the week.\n"),
        ("body.md", "# Times\n\n## Days\n\nThe ferry runs on every day of the week.\n"),
    ]);
    let found = |settings: &str, mode: SearchMode| {
        place.configure(&format!("{SETTINGS}[search]\n{settings}\n"));
        let target = Target::open(&place.toml()).unwrap();
        operations::search(&target, &SearchOptions { mode, ..text_options("ferry") }).unwrap().hits
    };
    let order = |settings: &str| {
        let hits = found(settings, SearchMode::Text);
        let best = hits[0].score;
        let is_best = |hit: &&Hit| hit.score >= best * 0.999;
        let mut best: Vec<_> = hits.iter().filter(is_best).map(|hit| hit.uri.clone()).collect();
        best.sort_unstable();
        best.join(" ")
    };
    assert_eq!(order("title_weight = 9.0"), "about.md");
    // The first heading of a page is its title, too.
    assert_eq!(order("heading_weight = 9.0"), "about.md part.md");
    for (setting, weight) in [("vector_weight = 0.0", 0.0), ("vector_weight = 3.0", 1.5)] {
        let hits = found(setting, SearchMode::Hybrid);
        let expected = |hit: &Hit| {
            hit.bm25.map_or(0.0, |bm25| {
                bm25 / hits.iter().filter_map(|hit| hit.bm25).fold(0.0, f64::max)
            }) + weight * f64::from(hit.cosine.unwrap())
        };
        assert!(
            !hits.is_empty() && hits.iter().all(|hit| (hit.score - expected(hit)).abs() < 1e-9)
        );
    }
}

#[test]
fn filters_apply_before_the_ranking_of_every_mode() {
    let documents: Vec<(String, String)> = (0..150)
        .map(|number| {
            let folder = if number % 50 == 0 { "rare" } else { "common" };
            (
                format!("{folder}/{number}.md"),
                format!("# Note {number}\n\nThe ferry waits {number}.\n"),
            )
        })
        .collect();
    let documents: Vec<_> = documents.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let place = place(&documents);
    for mode in SearchMode::ALL {
        let mut options =
            SearchOptions { mode, paths: vec!["rare/*".to_owned()], ..text_options("ferry waits") };
        options.folds = false;
        let found = uris(&place, &options);
        assert_eq!(
            found.split(' ').filter(|uri| uri.starts_with("rare/")).count(),
            3,
            "{mode:?}: {found}"
        );
        assert_eq!(found.split(' ').count(), 3, "{mode:?}: {found}");
        options.paths.clear();
        options.query = "ferry path:rare".to_owned();
        assert_eq!(uris(&place, &options).split(' ').count(), 3, "{mode:?}");
        options.query = "ferry -path:common".to_owned();
        assert_eq!(uris(&place, &options).split(' ').count(), 3, "{mode:?}");
    }
    let options = SearchOptions { paths: vec!["[".to_owned()], ..text_options("ferry") };
    assert!(operations::search(&Target::File(place.kb()), &options).is_err());
}

#[test]
fn metadata_and_dates_filter_before_the_ranking() {
    let place = place(&[
        ("a.md", "---\nauthor: Ann Lee\ntags: [boats, rivers]\ndate: 2024-03-05\n---\nA ferry.\n"),
        ("b.md", "---\nauthor: Bo Ray\ndate: 2025-01-01T08:00:00Z\n---\nA ferry.\n"),
        ("c.md", "---\ntags: Boats\nupdated: 2025-06\n---\nA ferry.\n"),
        ("d.md", "A ferry, a ferry, a ferry.\n"),
    ]);
    let filtered = |meta: &[&str], after: Option<&str>, before: Option<&str>| {
        let found = |mode| {
            let options = SearchOptions {
                metadata: meta.iter().map(|&pair| pair.to_owned()).collect(),
                after: after.map(str::to_owned),
                before: before.map(str::to_owned),
                folds: false,
                mode,
                ..text_options("ferry")
            };
            operations::search(&Target::File(place.kb()), &options).map(|report| {
                let mut uris: Vec<_> = report.hits.into_iter().map(|hit| hit.uri).collect();
                uris.sort();
                uris.join(" ")
            })
        };
        let found = SearchMode::ALL.map(|mode| found(mode).map_err(|error| error.to_string()));
        assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
        found[0].clone()
    };
    for (meta, after, before, expected) in [
        (&["author=ann lee"][..], None, None, "a.md"),
        (&["tags=boats"], None, None, "a.md c.md"),
        (&["tags=boats", "tags=rivers"], None, None, "a.md"),
        (&["author=nobody"], None, None, ""),
        (&[], Some("2025"), None, "b.md c.md"),
        (&[], None, Some("2025"), "a.md"),
        (&[], Some("2024-03-05"), Some("2025-01-02"), "a.md b.md"),
        (&["tags=boats"], Some("2025-01"), None, "c.md"),
        (&[], None, None, "a.md b.md c.md d.md"),
    ] {
        let found = filtered(meta, after, before);
        assert_eq!(found.as_deref(), Ok(expected), "{meta:?} {after:?} {before:?}");
    }
    for (meta, after) in [(&["author"][..], None), (&["=x"], None), (&[], Some("soon"))] {
        assert!(filtered(meta, after, None).is_err(), "{meta:?} {after:?}");
    }
}

#[test]
fn another_analysis_makes_the_index_anew_and_nothing_else() {
    let place = place(&[("a.md", "# Boats\n\nFerries cross the river.\n"), ("b.md", "# Empty\n")]);
    let before = place.dump();
    let vectors = rows(&place.kb(), "SELECT chunk_id, hex(checksum) FROM vector");
    let connection = Connection::open(place.kb()).unwrap();
    connection
        .execute_batch(
            "UPDATE analysis SET fingerprint = 'words@0:language=auto';
             INSERT INTO chunk_fts (chunk_fts) VALUES ('delete-all');
             INSERT INTO chunk_fts (rowid, text) SELECT id, 'nonsense' FROM chunk;",
        )
        .unwrap();
    drop(connection);
    let report = operations::search(&Target::File(place.kb()), &text_options("nonsense")).unwrap();
    assert!(report.warning.is_some_and(|warning| warning.contains("of another version")));
    let run = place.ingest();
    assert_eq!((run.metrics.chunks_queued, run.metrics.documents_restaged), (0, 0));
    assert_eq!(place.dump(), before);
    assert_eq!(rows(&place.kb(), "SELECT chunk_id, hex(checksum) FROM vector"), vectors);
    check(&place, "nonsense", "");
    check(&place, "ferry", "a.md");
    place.configure(&format!("{}\n[search]\nlanguage = 'de'\n", crate::support::SETTINGS));
    assert_eq!(place.ingest().metrics.chunks_queued, 0);
    check(&place, "language:de", "a.md");
    assert_sound(&place.kb());
}

//! `search`: query syntax, languages, filters, folding, explanations, an index that is rebuilt when
//! its analysis changed, and a long-lived searcher that threads share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kbingest::kb::{Filter, Hit, Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use kbingest::search::Searcher;
use kbingest::search::Warning::{NoEmbedder, OldIndex};
use rusqlite::Connection;

use crate::support::{Place, SETTINGS, assert_sound, rows};

/// A folder whose documents are a few words each.
pub fn place(documents: &[(&str, &str)]) -> Place {
    let place = Place::new();
    for (name, text) in documents {
        place.write(name, text);
    }
    place.ingest();
    place
}

/// Asks for twenty hits in `mode`.
fn query_in(mode: SearchMode, text: &str) -> Query {
    Query { show: Show { limit: 20, mode, ..Show::default() }, ..Query::new(text) }
}

fn text_query(text: &str) -> Query {
    query_in(SearchMode::Text, text)
}

/// Asks for every chunk that matches on its own.
fn unfolded(query: Query) -> Query {
    Query { show: Show { folds: false, ..query.show }, ..query }
}

fn hits(place: &Place, query: &Query) -> Vec<Hit> {
    operations::search(&Target::File(place.kb()), query).unwrap().hits
}

fn uris(place: &Place, query: &Query) -> String {
    let uris: Vec<_> = hits(place, query).into_iter().map(|hit| hit.uri).collect();
    uris.join(" ")
}

/// Fails unless the text hits of `query`, sorted, are `expected`.
fn check(place: &Place, query: &str, expected: &str) {
    let found = uris(place, &text_query(query));
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
    check("-path:docs canary", "");
    check("language:en drill", "a.md");
    check("language:de drill", "a.md");
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
        uris(&place, &text_query(hostile));
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
    assert_eq!(rows(&place.kb(), "SELECT fingerprint FROM analysis"), ["words@3:language=auto"]);
}

#[test]
fn neighbours_and_repeated_texts_are_one_hit() {
    let section = |number: u64| format!("\n## Part {number}\n\n{}\n", "ferry water ".repeat(12));
    let long: String = (0..6).map(section).collect();
    let same = "# Note\n\nThe lighthouse keeper writes a letter.\n";
    let place = place(&[("long.md", &format!("# Long\n{long}")), ("x.md", same), ("y.md", same)]);
    let all = hits(&place, &unfolded(text_query("ferry")));
    let folded = hits(&place, &text_query("ferry"));
    assert!(all.len() >= 6 && folded.len() < all.len(), "{} of {}", folded.len(), all.len());
    let (start, end) = (folded[0].start_byte as usize, folded[0].end_byte as usize);
    let text = format!("# Long\n{long}");
    assert_eq!(folded[0].text, text[start..end]);
    assert!(all.iter().any(|hit| hit.start_byte == folded[0].start_byte));
    let is_in =
        |one: &Hit, hit: &Hit| one.start_byte >= hit.start_byte && one.end_byte <= hit.end_byte;
    let sizes: Vec<_> =
        folded.iter().map(|hit| all.iter().filter(|one| is_in(one, hit)).count()).collect();
    assert_eq!(sizes.iter().max(), Some(&4), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), all.len(), "{sizes:?}");
    let letter = hits(&place, &text_query("lighthouse"));
    assert_eq!(letter.len(), 1);
    assert_eq!(letter[0].duplicates.len(), 1);
    assert_ne!(letter[0].duplicates[0].uri, letter[0].uri);
}

#[test]
fn chunks_of_different_documents_are_no_neighbours() {
    let filler = "Pumps need air and water. ".repeat(3);
    let second = format!("# Second\n\n## One\n\n{filler}\n\n## Two\n\nThe lighthouse is white.\n");
    let place = place(&[("a.md", "# First\n\nThe lighthouse is red.\n"), ("b.md", &second)]);
    let mut found: Vec<_> = hits(&place, &text_query("lighthouse"))
        .into_iter()
        .map(|hit| (hit.uri, hit.text.contains("red"), hit.text.contains("white")))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("a.md".to_owned(), true, false), ("b.md".to_owned(), false, true)]);
}

#[test]
fn in_a_small_knowledge_base_every_word_counts() {
    let texts: Vec<_> = (0..20)
        .map(|number| {
            let word = ["lantern", "anvil", "anvil"].get(number).unwrap_or(&"rope");
            let place = if number == 2 { "quay" } else { "harbour" };
            (format!("{number:02}.md"), format!("# Page {number}\n\nA {place} has a {word}.\n"))
        })
        .collect();
    let documents: Vec<_> =
        texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let place = place(&documents);
    assert_eq!(hits(&place, &text_query("harbour lantern rope")).len(), 19);
    assert!(uris(&place, &text_query("harbour anvil")).starts_with("01.md 02.md 00.md"));
    assert!(uris(&place, &query_in(SearchMode::Hybrid, "harbour anvil")).starts_with("01.md"));
}

#[test]
fn words_that_most_chunks_have_are_dropped_if_others_remain() {
    let place = Place::new();
    let section = |number: usize| {
        let word = ["lantern", "anvil"].get(number).unwrap_or(&"rope");
        let other = if number.is_multiple_of(4) { "barge" } else { "ferry" };
        format!(
            "# Part {number}\n\nThe harbour of quay {number} has a {word} and a {other}, and nobody \
             knows when it was built or who paid for it.\n"
        )
    };
    place.write("a.md", (0..4200).map(section).collect::<Vec<_>>().join("\n"));
    place.ingest();
    assert_eq!(rows(&place.kb(), "SELECT count(*) FROM chunk"), ["4200"]);
    let found = |text| hits(&place, &unfolded(text_query(text))).len();
    assert_eq!(found("harbour lantern anvil"), 2);
    // A quarter of the chunks.
    assert_eq!(found("barge lantern anvil"), 20);
    assert_eq!(found("harbour"), 20);
}

#[test]
fn what_one_side_finds_is_scored_by_both() {
    let texts: Vec<_> = (0..180)
        .map(|number| {
            let ferries = "ferry ".repeat(number % 7 + 1);
            let rest = ["water", "iron", "music", "bread"][number % 4].repeat(number / 90 + 1);
            (format!("{number:03}.md"), format!("# {rest}\n\n{ferries} {number}\n"))
        })
        .collect();
    let documents: Vec<_> =
        texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let place = place(&documents);
    let mut query = unfolded(query_in(SearchMode::Hybrid, "ferry"));
    query.show.limit = 200;
    let hits = hits(&place, &query);
    // Each search keeps a hundred chunks.
    assert!((101..=180).contains(&hits.len()), "{}", hits.len());
    assert!(hits.iter().all(|hit| hit.bm25.is_some() && hit.cosine.is_some()));
}

#[test]
fn scores_are_explained_and_words_marked() {
    let place = place(&[
        ("a.md", "# Boats\n\nFerries cross; a ferry waits.\n"),
        ("b.md", "# No\n\nStone.\n"),
    ]);
    let mut query = query_in(SearchMode::Hybrid, "ferry boat");
    let plain = hits(&place, &query);
    query.show.explains = true;
    let explained = hits(&place, &query);
    let without = |hit: &Hit| Hit { explanation: None, ..hit.clone() };
    assert_eq!(plain, explained.iter().map(without).collect::<Vec<_>>());
    let hit = &explained[0];
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
        operations::search(&target, &query_in(mode, "ferry")).unwrap().hits
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
    // The first heading of a page is also its title.
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
        let mut query = unfolded(query_in(mode, "ferry waits"));
        query.filter.uris = vec!["rare/*".parse().unwrap()];
        let found = uris(&place, &query);
        assert_eq!(
            found.split(' ').filter(|uri| uri.starts_with("rare/")).count(),
            3,
            "{mode:?}: {found}"
        );
        assert_eq!(found.split(' ').count(), 3, "{mode:?}: {found}");
        query.filter.uris.clear();
        query.text = "ferry path:rare".to_owned();
        assert_eq!(uris(&place, &query).split(' ').count(), 3, "{mode:?}");
        query.text = "ferry -path:common".to_owned();
        assert_eq!(uris(&place, &query).split(' ').count(), 3, "{mode:?}");
    }
}

#[test]
fn a_source_that_does_not_exist_is_an_error_and_no_empty_answer() {
    let place = place(&[("a.md", "A ferry.")]);
    let of = |source: &str| {
        let filter = Filter { source: Some(source.to_owned()), ..Filter::default() };
        let query = Query { filter, ..text_query("ferry") };
        operations::search(&Target::File(place.kb()), &query)
    };
    assert_eq!(of("docs").unwrap().hits.len(), 1);
    let error = of("dogs").unwrap_err();
    assert_eq!(error.to_string(), "the knowledge base has no source \"dogs\"");
    assert_eq!(error.exit_code().number(), 2);
}

#[test]
fn metadata_and_dates_filter_before_the_ranking() {
    let place = place(&[
        ("a.md", "---\nauthor: Ann Lee\ntags: [boats, rivers]\ndate: 2024-03-05\n---\nA ferry.\n"),
        ("b.md", "---\nauthor: Bo Ray\ndate: 2025-01-01T08:00:00Z\n---\nA ferry.\n"),
        ("c.md", "---\ntags: Boats\nupdated: 2025-06\n---\nA ferry.\n"),
        ("d.md", "A ferry, a ferry, a ferry.\n"),
    ]);
    let filtered = |meta: &[(&str, &str)], after: Option<&str>, before: Option<&str>| {
        let day = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        let filter = Filter {
            metadata: meta.iter().map(owned).collect(),
            after: day(after),
            before: day(before),
            ..Filter::default()
        };
        let found = SearchMode::ALL.map(|mode| {
            let query = unfolded(query_in(mode, "ferry"));
            let mut uris: Vec<_> = hits(&place, &Query { filter: filter.clone(), ..query })
                .into_iter()
                .map(|hit| hit.uri)
                .collect();
            uris.sort();
            uris.join(" ")
        });
        assert!(found.iter().all(|one| *one == found[0]), "{found:?}");
        found[0].clone()
    };
    for (meta, after, before, expected) in [
        (&[("author", "ann lee")][..], None, None, "a.md"),
        (&[("tags", "boats")], None, None, "a.md c.md"),
        (&[("tags", "boats"), ("tags", "rivers")], None, None, "a.md"),
        (&[("author", "nobody")], None, None, ""),
        (&[], Some("2025"), None, "b.md c.md"),
        (&[], None, Some("2025"), "a.md"),
        (&[], Some("2024-03-05"), Some("2025-01-02"), "a.md b.md"),
        (&[("tags", "boats")], Some("2025-01"), None, "c.md"),
        (&[], None, None, "a.md b.md c.md d.md"),
    ] {
        let found = filtered(meta, after, before);
        assert_eq!(found, expected, "{meta:?} {after:?} {before:?}");
    }
}

#[test]
fn another_analysis_rebuilds_the_index_and_nothing_else() {
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
    let report = operations::search(&Target::File(place.kb()), &text_query("nonsense")).unwrap();
    assert_eq!((report.warning, report.warnings), (Some(OldIndex), vec![OldIndex]));
    let run = place.ingest();
    assert_eq!((run.metrics.chunks_queued, run.metrics.documents_restaged), (0, 0));
    assert_eq!(place.dump(), before);
    assert_eq!(rows(&place.kb(), "SELECT chunk_id, hex(checksum) FROM vector"), vectors);
    check(&place, "nonsense", "");
    check(&place, "ferry", "a.md");
    place.configure(&format!("{}\n[search]\nlanguage = 'de'\n", crate::support::SETTINGS));
    assert_eq!(place.ingest().metrics.chunks_queued, 0);
    check(&place, "language:de", "a.md b.md");
    assert_sound(&place.kb());
}

#[test]
fn every_reason_for_worse_answers_is_reported() {
    let place = place(&[("a.md", "Ferries cross the river.\n")]);
    let connection = Connection::open(place.kb()).unwrap();
    connection
        .execute_batch(
            "UPDATE analysis SET fingerprint = 'words@0:language=auto';
             UPDATE revision SET embed_fp = 'unknown@1';
             UPDATE vector_space SET embed_fp = 'unknown@1';",
        )
        .unwrap();
    drop(connection);
    let search = |mode| operations::search(&Target::File(place.kb()), &query_in(mode, "ferry"));
    let report = search(SearchMode::Hybrid).unwrap();
    assert_eq!((report.mode, report.hits.len()), (SearchMode::Text, 1));
    assert_eq!((report.warning, report.warnings), (Some(NoEmbedder), vec![NoEmbedder, OldIndex]));
    assert_eq!(search(SearchMode::Text).unwrap().warnings, [OldIndex]);
    assert_eq!(search(SearchMode::Vector).unwrap_err().exit_code().number(), 2);
}

fn searcher(place: &Place) -> Searcher {
    operations::open_searcher(&Target::File(place.kb()), SearchMode::Hybrid).unwrap()
}

#[test]
fn a_searcher_knows_the_languages_that_came_after_it_was_opened() {
    let place = place(&[("en.md", "# Harbours\n\nFerries cross the river when it is calm.\n")]);
    let searcher = searcher(&place);
    let found = |text: &str| {
        let hits = searcher.search(&text_query(text)).unwrap();
        hits.into_iter().map(|hit| hit.uri).collect::<Vec<_>>()
    };
    assert_eq!(found("ferry"), ["en.md"]);
    assert!(found("die Fähre").is_empty());
    place.write("de.md", "# Häfen\n\nDie Fähren überqueren den Fluss, wenn er ruhig ist.\n");
    place.ingest();
    assert_eq!(found("die Fähre"), ["de.md"]);
    assert_eq!(found("ferry"), ["en.md"]);
}

/// Rare words, common ones, phrases and filters, over similar documents.
const SHARED: [&str; 6] = [
    "river lantern",
    "first",
    "\"copper\" lantern",
    "copper -river",
    "signal path:3.md",
    "orbit river copper",
];

fn many_documents() -> Place {
    let place = Place::new();
    for number in 0..40 {
        place.write(&format!("{number}.md"), crate::support::markdown(number, 4, "first"));
    }
    place.ingest();
    place
}

fn shared_queries() -> Vec<Query> {
    let of_mode = |mode| SHARED.map(|text| query_in(mode, text));
    SearchMode::ALL.into_iter().flat_map(of_mode).collect()
}

#[test]
fn threads_that_share_a_searcher_get_the_answers_of_one() {
    let place = many_documents();
    let searcher = searcher(&place);
    let queries = shared_queries();
    let expected: Vec<_> = queries.iter().map(|query| searcher.search(query).unwrap()).collect();
    for (query, hits) in queries.iter().zip(&expected) {
        assert!(!hits.is_empty(), "{query:?}");
    }
    std::thread::scope(|scope| {
        for first in 0..8 {
            let (searcher, queries, expected) = (&searcher, &queries, &expected);
            scope.spawn(move || {
                for index in (0..queries.len() * 4).map(|at| (at + first) % queries.len()) {
                    let found = searcher.search(&queries[index]).unwrap();
                    assert_eq!(found, expected[index], "{:?}", queries[index]);
                }
            });
        }
    });
}

/// Each commit publishes whole documents, so a result of one of them is the old one or the new one.
#[test]
fn threads_that_search_during_an_ingest_see_the_old_or_the_new_version() {
    let place = many_documents();
    let searcher = searcher(&place);
    let query = unfolded(query_in(SearchMode::Hybrid, "oldword newword path:mixed"));
    let texts = || {
        let hits = searcher.search(&query).unwrap();
        let mut texts: Vec<_> = hits.into_iter().map(|hit| hit.text).collect();
        texts.sort_unstable();
        texts
    };
    let mut versions = Vec::new();
    for word in ["oldword", "newword"] {
        place.write("mixed.md", crate::support::markdown(99, 6, word));
        place.ingest();
        versions.push(texts());
    }
    assert!(versions.iter().all(|texts| texts.len() >= 6) && versions[0] != versions[1]);
    let searches = AtomicUsize::new(0);
    for (turn, word) in ["oldword", "newword", "oldword"].into_iter().enumerate() {
        place.write("mixed.md", crate::support::markdown(99, 6, word));
        for number in 0..40 {
            let text = crate::support::markdown(number, 4, &format!("turn{turn}"));
            place.write(&format!("{number}.md"), text);
        }
        let config = place.config();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let run = scope.spawn(|| crate::support::ingest(&config, None));
            for _ in 0..3 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        assert!(versions.contains(&texts()), "a mix of versions");
                        searches.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let report = run.join();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(report.unwrap().exit_code, 0);
        });
        assert_eq!(texts(), versions[turn % 2]);
    }
    assert!(searches.into_inner() > 0);
}

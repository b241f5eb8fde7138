//! What a query means: options of pasted commands, what is excluded and required, filters that name
//! nothing, and what is searched for if all of it leaves nothing.

use std::collections::BTreeMap;

use kbingest::kb::{Interpretation, Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use kbingest::search::{SearchResult, Warning};

use crate::search::place;
use crate::support::Place;

/// Searches in `mode` and returns the result.
fn search(place: &Place, mode: SearchMode, text: &str) -> SearchResult {
    let show = Show { limit: 20, mode, ..Show::default() };
    let query = Query { show, ..Query::new(text) };
    let searcher = operations::open_searcher(&Target::File(place.kb()), mode).unwrap();
    searcher.answer(&query).unwrap()
}

/// Returns the documents that a search of words finds, best first.
fn uris(place: &Place, text: &str) -> Vec<String> {
    let hits = search(place, SearchMode::Text, text).hits;
    let mut uris: Vec<_> = hits.into_iter().map(|hit| hit.uri).collect();
    uris.dedup();
    uris
}

#[test]
fn commands_find_their_page_and_exclude_nothing() {
    let lines = include_str!("../data/search/commands.txt").lines();
    let commands: Vec<_> = lines.filter_map(|line| line.split_once('\t')).collect();
    assert_eq!(commands.len(), 165);
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for (number, (name, command)) in commands.iter().enumerate() {
        let name = format!("{}.md", name.replace(' ', "-"));
        let page = pages.entry(name.clone()).or_insert_with(|| format!("# {name}\n"));
        page.push_str(&format!("\n- Example {number}:\n\n`{command}`\n"));
    }
    let place = Place::new();
    for (name, page) in &pages {
        place.write(name, page);
    }
    place.ingest();
    let (mut found, mut missed) = (0, Vec::new());
    for (name, command) in &commands {
        for mode in SearchMode::ALL {
            let result = search(&place, mode, command);
            assert_eq!(result.interpretation, Interpretation::default(), "{command}");
            if mode == SearchMode::Text {
                let page = format!("{}.md", name.replace(' ', "-"));
                match result.hits.iter().take(5).any(|hit| hit.uri == page) {
                    true => found += 1,
                    false => missed.push(command),
                }
            }
        }
    }
    assert!(found * 100 >= commands.len() * 97, "{missed:?}");
}

#[test]
fn options_that_documents_name_exclude_nothing() {
    let place = place(&[
        ("frob.md", "# frob\n\nThe option `-wide` prints whole lines of the ledger.\n"),
        ("zap.md", "# zap\n\nRun `zap -n 3 ledger` to print three lines, or a narrow list.\n"),
        ("wide.md", "# Rivers\n\nThe wide river has a narrow mouth; see the ledger.\n"),
    ]);
    let excluded = |query: &str| search(&place, SearchMode::Text, query).interpretation.excluded;
    for option in ["frob ledger -wide", "ledger -wide", "zap ledger -narrow", "zap -lines ledger"] {
        assert_eq!(excluded(option), [""; 0], "{option}");
    }
    for (query, expected) in [("ledger -narrow", "narrow"), ("ledger -mouth", "mouth")] {
        assert_eq!(excluded(query), [expected], "{query}");
    }
}

#[test]
fn a_query_that_only_excludes_finds_nothing_and_says_why() {
    let place = place(&[("py.md", "# Python\n\nA snake.\n"), ("x.md", "# Other\n\nText.\n")]);
    for query in ["-python", "NOT python", "-\"a snake\"", "-path:py.md", "-source:docs"] {
        for mode in SearchMode::ALL {
            let result = search(&place, mode, query);
            assert!(
                result.hits.is_empty() && result.warning == Some(Warning::OnlyExcludes),
                "{query}"
            );
            assert_eq!(result.interpretation.relaxed, [""; 0], "{query}");
        }
    }
    let result = search(&place, SearchMode::Text, "snake -other");
    assert!(result.warning.is_none() && result.hits.len() == 1);
}

#[test]
fn a_query_of_signs_alone_finds_nothing_and_says_so() {
    let place = place(&[("a.md", "# Signs\n\nA passage with an asterisk and 42 words.\n")]);
    for query in ["*", "...", "?!", "(\"", "---"] {
        for mode in SearchMode::ALL {
            let result = search(&place, mode, query);
            assert!(
                result.hits.is_empty() && result.warning == Some(Warning::NoWords),
                "{query} {mode:?}: {result:?}"
            );
        }
    }
    for query in ["42", "the", "* passage"] {
        let result = search(&place, SearchMode::Hybrid, query);
        assert!(result.warning.is_none() && result.hits.len() == 1, "{query}");
    }
}

#[test]
fn what_is_excluded_and_required_is_reported_in_every_mode() {
    let place = place(&[
        ("docs/a.md", "# Releases\n\nDeploy a canary first, then roll back the release.\n"),
        ("docs/b.md", "# Releases\n\nDeploy the release to every host.\n"),
        ("web/c.md", "# Notes\n\nDeploy on Monday; roll back the release on Friday.\n"),
    ]);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (query, required, excluded, expected) in [
        ("deploy -canary", &[][..], &["canary"][..], "docs/b.md web/c.md"),
        ("deploy NOT canary", &[], &["canary"], "docs/b.md web/c.md"),
        ("deploy NOT \"roll back\"", &[], &["\"roll back\""], "docs/b.md"),
        ("deploy -\"roll back\"", &[], &["\"roll back\""], "docs/b.md"),
        ("deploy -path:docs", &[], &["path:docs"], "web/c.md"),
        ("deploy NOT path:docs", &[], &["path:docs"], "web/c.md"),
        ("deploy \"roll back\" -canary", &["\"roll back\""], &["canary"], "web/c.md"),
        ("deploy path:docs", &["path:docs"], &[], "docs/a.md docs/b.md"),
        ("deploy source:docs", &["source:docs"], &[], "docs/a.md docs/b.md web/c.md"),
        ("deploy language:en", &["language:en"], &[], "docs/a.md docs/b.md web/c.md"),
    ] {
        for mode in SearchMode::ALL {
            let SearchResult { hits, interpretation, .. } = search(&place, mode, query);
            let mut found: Vec<_> = hits.iter().map(|hit| hit.uri.as_str()).collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.join(" "), expected, "{query}");
            let of = Interpretation {
                required: texts(required),
                excluded: texts(excluded),
                ..Interpretation::default()
            };
            assert_eq!(interpretation, of, "{query}");
        }
    }
}

#[test]
fn filters_that_no_document_matches_are_words() {
    let place = place(&[
        ("py.md", "# Scripts\n\nAll helper scripts are written in python.\n"),
        ("line.md", "# Errors\n\nThe source names line 14 of the ledger.\n"),
        ("link.md", "# Build\n\nSet the path of the linker.\n"),
        ("sql.md", "# Columns\n\nA column that IS NOT NULL must have a value.\n"),
    ]);
    for (query, expected) in [
        ("scripts language:python", "py.md"),
        ("source:line 14 ledger", "line.md"),
        ("path:linker", "link.md"),
        ("source:docs", "line.md"),
        ("IS NOT NULL", "sql.md"),
        ("a value MUST NOT column", "sql.md"),
    ] {
        let result = search(&place, SearchMode::Text, query);
        assert_eq!(result.interpretation, Interpretation::default(), "{query}");
        assert_eq!(result.hits[0].uri, expected, "{query}");
    }
}

#[test]
fn if_a_phrase_or_an_exclusion_leaves_nothing_its_words_are_searched_for() {
    let place = place(&[
        ("a.md", "# Drills\n\nThe restore drill is held every month.\n"),
        ("b.md", "# Hosts\n\nA host is replaced every year.\n"),
    ]);
    for (query, relaxed, expected) in [
        ("\"drill restore\"", &["\"drill restore\""][..], "a.md"),
        ("drill -restore", &["-restore"], "a.md"),
        ("drill NOT month", &["-month"], "a.md"),
        ("drill path:b.md", &["path:b.md"], "a.md"),
        ("title:nothere drill", &["title:nothere"], "a.md"),
        ("heading:nothere drill held", &["heading:nothere"], "a.md"),
        ("host \"month drill\" -year", &["\"month drill\""], "a.md"),
    ] {
        for mode in SearchMode::ALL {
            let result = search(&place, mode, query);
            let found = result.interpretation;
            if mode == SearchMode::Text {
                assert_eq!(result.hits[0].uri, expected, "{query}");
                assert_eq!(found.relaxed, relaxed, "{query}");
            }
            assert!(!result.hits.is_empty(), "{query}");
        }
    }
    assert_eq!(uris(&place, "title:zebra"), Vec::<String>::new());
    assert_eq!(uris(&place, "drill -path:a.md"), Vec::<String>::new());
}

#[test]
fn misspelt_words_mean_those_that_are_near() {
    let place = place(&[
        ("self.md", "# Self service\n\nA reader who keeps to himself; the self is served.\n"),
        ("shelf.md", "# Stores\n\nConnections of the kubernetes cluster are on a shelf.\n"),
        ("de.md", "# Hafen\n\nDie Fähren überqueren den Fluss, wenn das Wasser nicht hoch ist.\n"),
    ]);
    let corrected = |text: &str, expected: &[(&str, &str)], uri: &str| {
        for mode in [SearchMode::Text, SearchMode::Hybrid] {
            let result = search(&place, mode, text);
            let found = result.interpretation.corrected.into_iter();
            let found: Vec<_> = found.map(|one| (one.from, one.to)).collect();
            let expected: Vec<_> =
                expected.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
            assert_eq!(found, expected, "{text}");
            assert_eq!(result.hits[0].uri, uri, "{text}");
        }
    };
    corrected("sefl", &[("sefl", "Self")], "self.md");
    corrected("kuberentes", &[("kuberentes", "kubernetes")], "shelf.md");
    corrected(
        "kubrenetse culster",
        &[("kubrenetse", "kubernetes"), ("culster", "cluster")],
        "shelf.md",
    );
    corrected("conections", &[("conections", "Connections")], "shelf.md");
    corrected("connectoin", &[("connectoin", "Connections")], "shelf.md");
    corrected("wenn die Fährne", &[("Fährne", "Fähren")], "de.md");
    // These exist.
    corrected("shelf", &[], "shelf.md");
    corrected("himself", &[], "self.md");
    assert_eq!(uris(&place, "zebra xyz 3e0382 qqqqqqqqqqqqq"), Vec::<String>::new());
    let query = Query { is_exact: true, ..Query::new("kuberentes") };
    let searcher = operations::open_searcher(&Target::File(place.kb()), SearchMode::Text).unwrap();
    assert!(searcher.search(&query).unwrap().is_empty());
}

#[test]
fn corrections_are_of_words_that_are_near_as_texts_write_them() {
    let place = place(&[
        ("house.md", "# Housing\n\nThe housing of the pump; barges carry it, and sed edits it.\n"),
        ("ferry.md", "# Ferry\n\nThe ferry is near the configuration of houses.\n"),
    ]);
    let corrected = |text: &str| {
        let found = search(&place, SearchMode::Text, text).interpretation.corrected.into_iter();
        found.map(|one| one.to.to_lowercase()).collect::<Vec<_>>().join(" ")
    };
    for text in ["horses", "xargs", "sudo", "xonfiguratoin", "zebras"] {
        assert_eq!(corrected(text), "", "{text}");
    }
    for (text, expected) in
        [("ferrries", "ferry"), ("configuratoin", "configuration"), ("hosuing", "housing")]
    {
        assert_eq!(corrected(text), expected, "{text}");
    }
    // Vectors are of the corrected text.
    let vectors = |text: &str| search(&place, SearchMode::Vector, text).hits[0].cosine;
    assert_eq!(vectors("configuratoin"), vectors("configuration"));
}

#[test]
fn names_in_one_word_and_in_two_find_each_other() {
    let place = place(&[
        ("tcp.md", "# Layers\n\nThe TCP/IP stack is old; CI/CD is new.\n"),
        ("next.md", "# Web\n\nA site made with Next.js is fast.\n"),
        ("node.md", "# Node\n\nNode.js runs js; js, js and more js, and the next js of Node.js.\n"),
        ("six.md", "# Six\n\nAn address of IPv6 is long.\n"),
        ("sharp.md", "# Sharp\n\nWritten in C# on .NET; see i18n.\n"),
        ("csharp.md", "# Other\n\nThe csharp and dotnet folder, and internationalization.\n"),
        ("pods.md", "# Pods\n\nThe pod has a status, the status of a pod, pod by pod: status.\n"),
        ("status.md", "# Calls\n\nRun pod-status once a day to see more of what is going on.\n"),
    ]);
    let best = |text: &str| uris(&place, text).into_iter().next().unwrap_or_default();
    for (text, expected) in [
        ("TCP/IP", "tcp.md"),
        ("tcpip", "tcp.md"),
        ("tcp ip", "tcp.md"),
        ("cicd", "tcp.md"),
        ("IPv6", "six.md"),
        ("IP v6", "six.md"),
        ("ipv 6", "six.md"),
        ("next.js", "next.md"),
        ("nextjs", "next.md"),
        ("pod-status", "status.md"),
    ] {
        assert_eq!(best(text), expected, "{text}");
    }
    let all = |text: &str| {
        let mut found = uris(&place, text);
        found.sort_unstable();
        found.join(" ")
    };
    for text in ["c#", "csharp", ".net", "dotnet", "i18n", "internationalization"] {
        assert_eq!(all(text), "csharp.md sharp.md", "{text}");
    }
}

#[test]
fn stop_words_of_one_language_hide_no_word_of_another() {
    let place = place(&[
        ("de.md", "# Rechner\n\nDie Server und die Äpfel sind nicht weit von dem Hafen.\n"),
        ("en.md", "# Harbour\n\nThe harbour is open when the tide is low, and it serves us.\n"),
        ("es.md", "# Manzanas\n\nLas iphones y la apple son de los puertos y no del mar.\n"),
    ]);
    assert_eq!(uris(&place, "what is a Server"), ["de.md"]);
    assert_eq!(uris(&place, "the apple"), ["es.md"]);
    assert_eq!(uris(&place, "where are the iphones"), ["es.md"]);
    assert_eq!(uris(&place, "apple NOT iphones harbour"), ["en.md"]);
    let exact = Query { is_exact: true, ..Query::new("what is a Server") };
    let searcher = operations::open_searcher(&Target::File(place.kb()), SearchMode::Text).unwrap();
    let hits = searcher.search(&exact).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.uri.as_str()).collect::<Vec<_>>(), ["de.md"]);
}

#[test]
fn abbreviations_are_found_in_the_singular_and_the_plural() {
    let place = place(&[
        ("llms.md", "# Models\n\nAll LLMs are served by one host.\n"),
        ("pdf.md", "# Print\n\nA PDF is made of every page.\n"),
        ("x.md", "# Other\n\nNothing of this kind.\n"),
    ]);
    assert_eq!(uris(&place, "LLM"), ["llms.md"]);
    assert_eq!(uris(&place, "PDFs"), ["pdf.md"]);
    assert_eq!(uris(&place, "PDF"), ["pdf.md"]);
}

#[test]
fn stop_words_in_capitals_are_names() {
    let place = place(&[
        ("it.md", "# IT\n\nThe IT policy: laptops are locked.\n"),
        ("tr.md", "# Travel\n\nThe travel policy: it is in the drawer. It is policy.\n"),
        ("va.md", "# Vitamins\n\nVitamin A is in carrots; vitamin A helps.\n"),
        ("vb.md", "# Vitamins\n\nVitamin pills; vitamins help.\n"),
    ]);
    assert_eq!(uris(&place, "IT policy")[0], "it.md");
    assert_eq!(uris(&place, "Vitamin A")[0], "va.md");
    assert_eq!(uris(&place, "WHAT IS IT"), uris(&place, "what is it"));
}

#[test]
fn versions_and_translations_of_a_page_are_listed_under_its_best_hit() {
    let english = "# Ferry\n\nThe ferry crosses the river when it is calm, and waits at the pier \
                   of the old town.\n";
    let german =
        "# Ferry\n\nDie Ferry überquert den Fluss, wenn es ruhig ist, und sie wartet am Steg.\n";
    let place = place(&[
        ("v1.2/en/ferry.md", english),
        ("v1.3/en/ferry.md", &english.replace("old town", "old city")),
        ("v1.3/de/ferry.md", german),
        ("other.md", "# Ferry\n\nAnother ferry takes cars only.\n"),
    ]);
    let result = search(&place, SearchMode::Text, "ferry");
    let mut pages: Vec<_> = result.hits.iter().map(|hit| hit.uri.as_str()).collect();
    pages.sort_unstable();
    assert_eq!(pages.len(), 2, "{pages:?}");
    assert!(pages.contains(&"other.md"));
    let duplicates = result.hits.iter().flat_map(|hit| &hit.duplicates).count();
    assert_eq!(duplicates, 2);
    let show = Show { limit: 20, mode: SearchMode::Text, folds: false, ..Show::default() };
    let query = Query { show, ..Query::new("ferry") };
    let searcher = operations::open_searcher(&Target::File(place.kb()), SearchMode::Text).unwrap();
    assert_eq!(searcher.search(&query).unwrap().len(), 4);
}

#[test]
fn a_digit_of_a_name_is_not_looked_up_alone() {
    let place = place(&[
        ("a.md", "# Setup\n\nWe need python 3 for it.\n"),
        ("b.md", "# Note 3\n\nThe third note, 3.\n"),
        ("c.md", "# Disks\n\nAt least 10 GB are free.\n"),
        ("d.md", "# Note 10\n\nThe tenth note, 10.\n"),
    ]);
    assert_eq!(uris(&place, "python3"), ["a.md"]);
    assert_eq!(uris(&place, "10GB"), ["c.md"]);
    assert_eq!(uris(&place, "note 3")[0], "b.md");
}

#[test]
fn as_many_hits_come_as_are_asked_for() {
    let place = Place::in_memory();
    for number in 0..150 {
        place.write(
            &format!("{number}.md"),
            format!("# Note {number}\n\nCall v.push_back({number}).\n"),
        );
    }
    place.ingest();
    for mode in SearchMode::ALL {
        let show = Show { limit: 500, mode, folds: false, ..Show::default() };
        let query = Query { show, ..Query::new("\"push_back\"") };
        let searcher = operations::open_searcher(&Target::File(place.kb()), mode).unwrap();
        assert_eq!(searcher.answer(&query).unwrap().hits.len(), 150, "{mode:?}");
    }
}

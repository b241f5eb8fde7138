//! Pages and fragments from the document to the search result, and the limit on pages.

use kbingest::extract::{ExtractConfig, Extraction};
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};

use super::formats::{package, pdf};
use crate::support::Place;

#[test]
fn hits_name_page_and_fragment() {
    let place = Place::in_memory();
    place.write(
        "rivers.pdf",
        pdf(&["The first page speaks of rivers.", "The second page speaks of bridges."]),
    );
    place.write(
        "guide.html",
        "<main><h1 id=top>Guide</h1><p>Welcome here.</p><h2 id=install>Install</h2><p>Unpack the lantern.</p></main>",
    );
    place.write("notes.md", "---\npages: [0, 3]\n---\n# Notes\n\nA compass.\n");
    place.ingest();
    let found = |query: &str| {
        let options = Query {
            show: Show { limit: 1, mode: SearchMode::Text, folds: false, ..Show::default() },
            ..Query::new(query)
        };
        let report = operations::search(&Target::File(place.kb()), &options).unwrap();
        let hit = &report.hits[0];
        (hit.uri.clone(), hit.page, hit.anchor.clone())
    };
    let check = |query: &str, uri: &str, page: Option<u64>, anchor: Option<&str>| {
        assert_eq!(found(query), (uri.to_owned(), page, anchor.map(str::to_owned)), "{query}");
    };
    check("lantern", "guide.html", None, Some("install"));
    check("welcome", "guide.html", None, Some("top"));
    check("compass", "notes.md", None, Some("notes"));
    // Both pages are so short that they form one passage, which begins on the first.
    check("bridges", "rivers.pdf", Some(1), None);
}

#[test]
fn a_document_of_too_many_pages_names_the_limit() {
    let settings = ExtractConfig { max_pages: 2, ..ExtractConfig::default() };
    let extraction = Extraction::open(&settings, None);
    let three = pdf(&["One river.", "Two rivers.", "Three rivers."]);
    let error = extraction.extract("a.pdf", three).result.unwrap_err();
    assert_eq!(error.to_string(), "a.pdf: its 3 pages are over max_pages (2)");
    let two = extraction.extract("a.pdf", pdf(&["One river.", "Two rivers."]));
    assert!(two.result.is_ok());
    // Other limits are another reason to retry.
    let failed = extraction.extract("a.pdf", pdf(&["One.", "Two.", "Three."])).fingerprint;
    let failed = failed.to_string();
    assert!(extraction.is_current("a.pdf", &failed));
    assert!(!Extraction::open(&ExtractConfig::default(), None).is_current("a.pdf", &failed));
}

#[cfg(feature = "office")]
#[test]
fn a_binary_workbook_says_what_to_do() {
    let bytes = package(&[("[Content_Types].xml", "<Types/>"), ("xl/workbook.bin", "x")]);
    let error = Extraction::open(&ExtractConfig::default(), None)
        .extract("a.xlsb", bytes)
        .result
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.xlsb: is a binary workbook (.xlsb), which is not supported: save it as .xlsx"
    );
}

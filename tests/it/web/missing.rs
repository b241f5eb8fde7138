//! Servers with soft 404s: one request shows what they look like.

use super::Site;
use super::server::{Asked, NOBODY, Reply, html};

/// Answers every missing page with 200 and some words.
fn answer_all(site: &Site, words: fn(&Asked) -> String) {
    let pages = ["/docs/", "/docs/guide.html", "/docs/short.html", "/robots.txt", "/llms.txt"];
    site.server.handle(move |asked, _| {
        let is_there = pages.contains(&asked.path.as_str());
        (!is_there).then(|| Reply::html(&html("Oops", &words(asked), &["/docs/"])))
    });
    site.server.page("/docs/", "Start.", &["guide.html", "gone.html", "lost/way", "short.html"]);
    site.server.page("/docs/guide.html", "How to install it.", &[]);
    site.server.page("/docs/short.html", "Oops.", &[]);
}

fn apology(asked: &Asked) -> String {
    // The URL, and a number that always differs.
    let number = asked.at.elapsed().as_nanos();
    format!("We are sorry: there is no {} here, try the search instead. Id {number}", asked.path)
}

#[test]
fn pages_that_are_not_there_are_told_by_what_nobody_gets() {
    let site = Site::new();
    answer_all(&site, apology);
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/guide.html", "/docs/short.html"]);
    insta::assert_snapshot!(site.states().join("\n"), @"
    /docs/gone.html|gone|a soft 404: the text is that of the error page of the server
    /docs/guide.html|fetched|-
    /docs/lost/way|gone|a soft 404: the text is that of the error page of the server
    /docs/short.html|fetched|-
    /docs/|fetched|-
    ");
    let probes = site.server.take_paths().iter().filter(|path| path.ends_with(NOBODY)).count();
    assert_eq!(probes, 1);
    site.assert_equals_fresh_ingest("apologies");
}

#[test]
fn a_page_that_becomes_an_apology_goes_in_the_second_run() {
    let site = Site::new();
    answer_all(&site, apology);
    site.ingest_to(0);
    site.server.handle(|asked, _| {
        let is_there = ["/docs/", "/docs/short.html", "/robots.txt"].contains(&asked.path.as_str());
        (!is_there).then(|| Reply::html(&html("Oops", &apology(asked), &[])))
    });
    let report = site.ingest_to(3);
    assert_eq!(report.failures.len(), 1);
    assert!(site.documents().contains(&"/docs/guide.html".to_owned()));
    assert_eq!(site.counts(0)[3], 1);
    assert_eq!(site.documents(), ["/docs/", "/docs/short.html"]);
}

#[test]
fn robots_txt_holds_for_the_question_too() {
    let site = Site::new();
    answer_all(&site, apology);
    let rules = format!("User-agent: *\nDisallow: /*{NOBODY}\n");
    site.server.put("/robots.txt", Reply::new(200, "text/plain", rules));
    site.ingest_to(0);
    assert!(!site.server.take_paths().iter().any(|path| path.ends_with(NOBODY)));
    assert_eq!(site.documents().len(), 5);
}

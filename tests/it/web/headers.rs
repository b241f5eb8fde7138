//! Headers of requests and responses, and the progress reported meanwhile.

use std::process::Command;
use std::sync::{Arc, Mutex};

use kbingest::operations::{self, IngestOptions, Session};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::{Event, EventSink};

use super::Site;
use super::server::{Reply, Server, html};
use crate::extract::formats::pdf;
use crate::support::{remove_kb, rows};

#[test]
fn robots_rules_in_headers_hold_for_everybody_and_for_us() {
    let site = Site::new();
    let server = &site.server;
    let names = ["all", "ours", "others", "follow", "tag", "link", "both"];
    let links = names.map(|name| format!("{name}.html"));
    server.page("/docs/", "Start.", &links.each_ref().map(String::as_str));
    let put = |name: &str, rule: &str| {
        let page = html(name, "Text.", &[&format!("from-{name}.html")]);
        server.put(&format!("/docs/{name}.html"), Reply::html(&page).with("X-Robots-Tag", rule));
        server.page(&format!("/docs/from-{name}.html"), &format!("Found from {name}."), &[]);
    };
    put("all", "noindex");
    put("ours", "kbingest: none");
    put("others", "otherbot: noindex, nofollow");
    put("follow", "nofollow");
    put("both", "noarchive, NOINDEX");
    let with = |name: &str, from: &str, to: &str| {
        let page = html(name, "Text.", &[&format!("from-{name}.html")]).replace(from, to);
        server.put(&format!("/docs/{name}.html"), Reply::html(&page));
        server.page(&format!("/docs/from-{name}.html"), &format!("Found from {name}."), &[]);
    };
    with("tag", "<head>", "<head><meta name=ROBOTS content='NoFollow, noarchive'>");
    with("link", "<a href", "<a rel='external nofollow' href");
    site.ingest_to(0);
    let expected = [
        "/docs/",
        "/docs/follow.html",
        "/docs/from-all.html",
        "/docs/from-both.html",
        "/docs/from-others.html",
        "/docs/link.html",
        "/docs/others.html",
        "/docs/tag.html",
    ];
    assert_eq!(site.documents(), expected);
    site.configure("respect_robots = false");
    site.ingest_to(0);
    // A link with `nofollow` is not a rule for robots.
    assert_eq!(site.documents().len(), 14);
}

#[test]
fn dates_do_where_there_are_no_etags() {
    let site = Site::new();
    site.server.handle(|asked, _| {
        let date = "Mon, 06 May 2024 07:08:09 GMT";
        let page = match asked.path.as_str() {
            "/docs/" => html("start", "Start.", &["a.html"]),
            "/docs/a.html" => html("a", "Alpha.", &[]),
            _ => return None,
        };
        let is_known = asked.headers.get("if-modified-since").map(String::as_str) == Some(date);
        let status = if is_known { 304 } else { 200 };
        let body = if is_known { String::new() } else { page };
        Some(Reply { status, ..Reply::html(&body) }.with("Last-Modified", date))
    });
    assert_eq!(site.counts(0), [2, 0, 0, 0]);
    assert_eq!(site.counts(0), [0, 0, 2, 0]);
    assert_eq!(site.ingest_to(0).run.unwrap().metrics.bytes_read, 0);
}

#[test]
fn headers_of_the_user_go_to_his_hosts_only() {
    let site = Site::new();
    let other = Server::start();
    site.server.page("/docs/", "Start.", &[&other.url("/away.html"), "moved"]);
    site.server.put("/docs/moved", Reply::redirect(&other.url("/moved.html")));
    other.page("/away.html", "Away.", &[]);
    other.page("/moved.html", "Moved.", &[]);
    let keys = "same_host = false\nheaders = ['X-Staging=KBINGEST_TEST_HEADER']";
    site.configure(keys);
    let run = |value: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
        command.args(["ingest", "--trust", "--progress", "none"]).arg(site.place.toml());
        command.env_remove("KBINGEST_TEST_HEADER");
        command.envs(value.map(|value| ("KBINGEST_TEST_HEADER", value)));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(None);
    assert_eq!(code, Some(20));
    assert!(said.contains("KBINGEST_TEST_HEADER"), "{said}");
    assert_eq!(run(Some("let me in")).0, Some(0));
    let asked = site.server.take_asked();
    let has_header = |asked: &super::server::Asked| asked.headers.get("x-staging").cloned();
    assert!(asked.iter().all(|it| has_header(it).as_deref() == Some("let me in")), "{asked:#?}");
    let asked = other.take_asked();
    assert!(asked.iter().any(|asked| asked.path == "/moved.html"), "{asked:#?}");
    assert!(asked.iter().all(|it| has_header(it).is_none()), "{asked:#?}");
}

#[test]
fn documents_that_are_no_pages_go_to_their_extractors() {
    let site = Site::new();
    let server = &site.server;
    server.page(
        "/docs/",
        "Start.",
        &["letter.rtf", "rivers.pdf", "list", "photo", "all.bin", "data.tgz"],
    );
    let letter = r"{\rtf1\ansi Dear reader, this is a letter.\par}";
    server.put("/docs/letter.rtf", Reply::new(200, "application/rtf", letter));
    let rivers = pdf(&["This page speaks of rivers."]);
    server.put("/docs/rivers.pdf", Reply::new(200, "application/pdf", rivers));
    server.put("/docs/list", Reply::new(200, "text/plain", "A list\nof plain words\n"));
    server.put("/docs/photo", Reply::new(200, "image/jpeg", b"\xff\xd8\xff".to_vec()));
    site.ingest_to(0);
    let texts = rows(&site.place.kb(), "SELECT text FROM chunks ORDER BY uri");
    for expected in ["this is a letter", "speaks of rivers"] {
        assert!(texts.iter().any(|text| text.contains(expected)), "{texts:?}");
    }
    insta::assert_snapshot!(site.states().join("\n"), @"
    /docs/all.bin|gone|the server answers 404
    /docs/data.tgz|gone|the server answers 404
    /docs/letter.rtf|fetched|-
    /docs/list|fetched|-
    /docs/photo|excluded|no text: image/jpeg
    /docs/rivers.pdf|fetched|-
    /docs/|fetched|-
    ");
}

/// Records the progress of the crawl.
#[derive(Default)]
struct Crawl(Mutex<Vec<(u64, u64)>>, Mutex<Vec<f64>>);

impl EventSink for Crawl {
    fn emit(&self, event: &Event<'_>) {
        if let Event::Crawling { source, queued, visited } = event {
            assert_eq!(*source, "site");
            self.0.lock().unwrap().push((*queued, *visited));
        }
        if let Event::Saved { run } = event {
            self.1.lock().unwrap().push(run.progress_percent);
        }
    }
}

#[test]
fn the_frontier_is_told_as_it_grows_and_shrinks() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["1.html", "2.html", "3.html"]);
    for number in 1..=3 {
        let next = format!("{}.html", number + 3);
        site.server.page(&format!("/docs/{number}.html"), &format!("Page {number}."), &[&next]);
        site.server.page(&format!("/docs/{next}"), &format!("Page {next}."), &[]);
    }
    remove_kb(&site.place.kb());
    let crawl = Crawl::default();
    let session = Session {
        stop: Arc::new(StopSignal::default()),
        events: &crawl,
        hook: None,
        embedder: None,
    };
    let options = IngestOptions { threads: 2, ..IngestOptions::default() };
    operations::ingest(&site.place.config(), &options, &session).unwrap();
    // One page of four is never more than a third of the work.
    let percents = crawl.1.into_inner().unwrap();
    let first = percents.iter().find(|percent| **percent > 0.0);
    assert!(first.is_some_and(|percent| *percent < 34.0), "{percents:?}");
    let mut reported = crawl.0.into_inner().unwrap();
    assert_eq!((reported.first(), reported.last()), (Some(&(1, 0)), Some(&(0, 7))), "{reported:?}");
    assert!(reported.contains(&(3, 1)), "{reported:?}");
    reported.dedup();
    assert!(reported.is_sorted_by_key(|(_, visited)| *visited), "{reported:?}");
}

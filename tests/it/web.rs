//! `[[source.web]]`: crawls of sites on loopback: requests, stored documents, and how they end.

mod cookies;
mod found;
mod headers;
mod hostile;
mod kept;
mod large;
mod lost;
mod markdown;
mod missing;
mod near;
mod pages;
mod proxy;
mod resume;
pub mod server;
mod stops;
mod textless;
mod traps;

use std::fs;
use std::time::{Duration, Instant};

use kbingest::operations::{AllowDeletes, IngestOptions, RunReport};

use crate::support::{Place, assert_same, assert_sound, dump, ingest, remove_kb, rows, try_ingest};
use server::{Reply, Server, html};

/// A site with its place.
pub struct Site {
    pub place: Place,
    pub server: Server,
}

impl Site {
    /// Starts at `/docs/`, as fast as the server responds.
    pub fn new() -> Self {
        let site = Self { place: Place::new(), server: Server::start() };
        site.configure("");
        site
    }

    /// Configures the source with more `keys`.
    pub fn configure(&self, keys: &str) {
        let start = self.server.url("/docs/");
        self.configure_all(&format!(
            "start_urls = ['{start}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000\n{keys}"
        ));
    }

    /// Configures the source with these `keys`; the second of two runs in a row deletes, unless
    /// they say otherwise.
    pub fn configure_all(&self, keys: &str) {
        let grace = if keys.contains("grace") { "" } else { "grace = '0'" };
        self.place.configure(&format!(
            "[kb]\npath = 'kb.kb'\n[[source.web]]\nname = 'site'\n{keys}\n{grace}\n[chunk]\nmax_tokens = 32\n\
             [embed.hash]\ndim = 16\n"
        ));
    }

    /// Makes the crawler forget robots.txt and similar files, as after a day.
    pub fn forget_files(&self) {
        let kb = rusqlite::Connection::open(self.place.kb()).unwrap();
        kb.execute("UPDATE web_file SET fetched_ms = fetched_ms - 86400000", []).unwrap();
    }

    /// Makes the crawler request everything again that it knows to be missing, as after a week.
    pub fn forget_dead_links(&self) {
        let kb = rusqlite::Connection::open(self.place.kb()).unwrap();
        kb.execute("UPDATE frontier SET asked_ms = asked_ms - 604800000", []).unwrap();
    }

    pub fn ingest_to(&self, exit_code: u8) -> RunReport {
        let report = ingest(&self.place.config(), None);
        assert_eq!(report.exit_code, exit_code, "{report:#?}\n{:#?}", self.states());
        assert_sound(&self.place.kb());
        report
    }

    /// Returns new, changed, unchanged and deleted documents of a run that ends with `exit_code`.
    pub fn counts(&self, exit_code: u8) -> [u64; 4] {
        let metrics = self.ingest_to(exit_code).run.unwrap().metrics;
        [
            metrics.documents_new,
            metrics.documents_changed,
            metrics.documents_unchanged,
            metrics.documents_deleted,
        ]
    }

    /// Returns the paths of the documents that searches see.
    pub fn documents(&self) -> Vec<String> {
        let uris = rows(
            &self.place.kb(),
            "SELECT uri FROM document JOIN revision ON document_id = document.id WHERE state = 'live'
             ORDER BY uri",
        );
        uris.iter().map(|uri| self.path(uri)).collect()
    }

    /// Returns path, state and reason of every URL.
    pub fn states(&self) -> Vec<String> {
        let states = rows(&self.place.kb(), "SELECT url, state, reason FROM frontier");
        let mut states: Vec<_> = states.iter().map(|row| self.path(row)).collect();
        states.sort();
        states
    }

    fn path(&self, text: &str) -> String {
        text.replace(&self.server.url(""), "")
    }

    /// Fails if the knowledge base differs from one made by a first crawl of the site.
    pub fn assert_equals_fresh_ingest(&self, what: &str) {
        let config = self.place.config_into("fresh.kb");
        remove_kb(&config.kb);
        ingest(&config, None);
        assert_same(&self.place.dump(), &dump(&config.kb), what);
    }
}

/// A site with examples of everything that good sites have.
fn good_site() -> Site {
    let site = Site::new();
    let server = &site.server;
    let robots = "User-agent: *\nDisallow: /docs/private/\nUser-agent: other\nDisallow: /\n";
    server.put("/robots.txt", Reply::new(200, "text/plain", robots));
    server.page(
        "/docs/",
        "Start here.",
        &[
            "guide.html#install",
            "guide.html?utm_source=a",
            "/docs/sub/",
            "private/secret.html",
            "moved",
            "missing.html",
            "picture.png",
            "/blog/",
            "mailto:me@example.org",
            "hidden.html",
            "copy.html",
            "notes.md",
            "https://example.org/docs/",
        ],
    );
    server.page("/docs/guide.html", "How to install it.", &["./", "sub/deep/", "old.css"]);
    server.page("/docs/sub/", "Below.", &["../guide.html", "deep/"]);
    let based = html("deep", "Deeper.", &["leaf.html"])
        .replace("<head>", "<head><base href='/docs/leaves/'>");
    server.put("/docs/sub/deep/", Reply::html(&based));
    server.page("/docs/leaves/leaf.html", "A leaf.", &[]);
    server.put("/docs/moved", Reply::redirect("/docs/target.html"));
    server.page("/docs/target.html", "The target.", &["../docs/moved"]);
    let hidden = html("hidden", "Not for search.", &["from-hidden.html"])
        .replace("<head>", "<head><meta name=robots content=noindex>");
    server.put("/docs/hidden.html", Reply::html(&hidden));
    server.page("/docs/from-hidden.html", "Found nevertheless.", &[]);
    let copy = html("copy", "How to install it.", &[])
        .replace("<head>", "<head><link rel=canonical href='/docs/guide.html'>");
    server.put("/docs/copy.html", Reply::html(&copy));
    let notes = "# Notes\n\nSome notes, [linked](noted.html).\n";
    server.put("/docs/notes.md", Reply::new(200, "text/markdown", notes));
    let untyped = Reply { headers: Vec::new(), ..Reply::html(&html("noted", "Noted.", &[])) };
    server.put("/docs/noted.html", untyped);
    server.put("/docs/picture.png", Reply::new(200, "image/png", "PNG"));
    server.put("/docs/old.css", Reply::new(200, "text/css", "p {}"));
    site
}

#[test]
fn a_good_site_is_taken_in_politely() {
    let site = good_site();
    site.ingest_to(0);
    let asked = site.server.take_asked();
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/robots.txt",
            "/llms.txt",
            "/docs/",
            "/docs/0-kbingest-asks-for-a-page-that-is-not-there",
            "/docs/guide.html",
            "/docs/sub/",
            "/docs/moved",
            "/docs/missing.html",
            "/docs/picture.png",
            "/docs/hidden.html",
            "/docs/copy.html",
            "/docs/notes.md",
            "/docs/target.html",
            "/docs/sub/deep/",
            "/docs/old.css",
            "/docs/from-hidden.html",
            "/docs/noted.html",
            "/docs/leaves/leaf.html",
        ]
    );
    assert!(asked.iter().all(|asked| asked.headers["user-agent"] == "kbingest"), "{asked:#?}");
    insta::assert_snapshot!(site.states().join("\n"), @"
    /docs/copy.html|redirected|/docs/guide.html
    /docs/from-hidden.html|fetched|-
    /docs/guide.html|fetched|-
    /docs/hidden.html|excluded|noindex
    /docs/leaves/leaf.html|fetched|-
    /docs/missing.html|gone|the server answers 404
    /docs/moved|redirected|/docs/target.html
    /docs/noted.html|fetched|-
    /docs/notes.md|fetched|-
    /docs/old.css|excluded|no text: text/css
    /docs/picture.png|excluded|no text: image/png
    /docs/private/secret.html|excluded|robots.txt disallows it
    /docs/sub/deep/|fetched|-
    /docs/sub/|fetched|-
    /docs/target.html|fetched|-
    /docs/|fetched|-
    ");
    let chunks = rows(
        &site.place.kb(),
        "SELECT title, text FROM chunks WHERE uri LIKE '%/guide.html' OR uri LIKE '%.md'",
    );
    assert_eq!(chunks.len(), 2, "{chunks:?}");
    assert!(chunks[0].contains("How to install it.") && !chunks[0].contains("to ./"), "{chunks:?}");
}

#[test]
fn an_unchanged_site_is_only_asked_whether_it_is() {
    let site = good_site();
    let [new, ..] = site.counts(0);
    let before = site.place.dump();
    site.server.take_asked();
    assert_eq!(site.counts(0), [0, 0, new, 0]);
    assert_same(&site.place.dump(), &before, "the first run");
    let asked = site.server.take_asked();
    // Neither robots.txt, nor the probe for soft 404s.
    assert!(asked.iter().all(|asked| asked.path.starts_with("/docs/")), "{asked:#?}");
    // Neither what is missing nor what holds no text. A redirect may have changed; a page that must
    // not be indexed and the copy of a page are requested like pages.
    let conditional = asked.iter().filter(|asked| asked.headers.contains_key("if-none-match"));
    assert_eq!(conditional.count() as u64, new + 2, "{asked:#?}");
    let pages = asked.iter().filter(|asked| !asked.path.ends_with(server::NOBODY));
    assert_eq!(pages.count() as u64, new + 3, "{asked:#?}");
    // The same text with other bytes around it.
    site.server.page(
        "/docs/guide.html",
        "How to install it.",
        &["./", "sub/deep/", "old.css", "new.html"],
    );
    site.server.page("/docs/new.html", "New.", &[]);
    assert_eq!(site.counts(0), [1, 0, new, 0]);
    site.assert_equals_fresh_ingest("a new link");
}

#[test]
fn pages_come_change_and_go() {
    let site = good_site();
    let [new, ..] = site.counts(0);
    site.server.page("/docs/sub/", "Below, changed.", &["deep/"]);
    assert_eq!(site.counts(0), [0, 1, new - 1, 0]);
    site.assert_equals_fresh_ingest("a change");
    // Gone: only the second run deletes it.
    site.server.remove("/docs/leaves/leaf.html");
    let report = site.ingest_to(3);
    assert_eq!(report.failures.len(), 1, "{report:#?}");
    assert_eq!(
        report.failures[0].error,
        "the server answers 404; its document goes if a later run finds the same"
    );
    assert_eq!(site.documents().len() as u64, new);
    assert_eq!(site.counts(0), [0, 0, new - 1, 1]);
    site.assert_equals_fresh_ingest("a page that is gone");
    // Gone together with all links to it, and pages that nothing links to any more.
    site.server.remove("/docs/from-hidden.html");
    site.server.remove("/docs/hidden.html");
    let index = html(
        "/docs/",
        "Start here, shorter.",
        &["guide.html", "/docs/sub/", "notes.md", "missing.html"],
    );
    site.server.put("/docs/", Reply::html(&index));
    let report = site.ingest_to(3);
    assert_eq!(report.failures.len(), 2, "{report:#?}");
    for failure in &report.failures {
        let expected =
            "no page links to it any more; its document goes if a later run finds the same";
        assert_eq!(failure.error, expected);
    }
    assert_eq!(site.counts(0)[3], 2);
    site.assert_equals_fresh_ingest("pages that nobody links to");
    // Back again.
    site.server.page("/docs/missing.html", "No longer missing.", &[]);
    assert_eq!(site.counts(0)[0], 0);
    site.forget_dead_links();
    assert_eq!(site.counts(0)[0], 1);
    site.assert_equals_fresh_ingest("a page that has come");
}

#[test]
fn an_outage_deletes_nothing() {
    let site = good_site();
    site.ingest_to(0);
    let documents = site.documents();
    let check = |what: &str| {
        let report = site.ingest_to(20);
        assert_eq!(site.documents(), documents, "{what}: {report:#?}");
    };
    site.server.handle(|asked, _| {
        (asked.path == "/docs/sub/").then(|| Reply::new(500, "text/plain", "sorry"))
    });
    check("one page answers 500");
    site.server.handle(|asked, _| {
        (asked.path != "/robots.txt").then(|| Reply::new(503, "text/plain", "sorry"))
    });
    check("every page answers 503");
    site.server.take_asked();
    site.forget_files();
    site.server.handle(|_, _| Some(Reply::new(500, "text/plain", "sorry")));
    check("robots.txt answers 500");
    let asked = site.server.take_paths();
    assert!(asked.iter().all(|path| path == "/robots.txt"), "{asked:?}");
    site.server.handle(|asked, _| {
        let cut = Reply { length: Some(5000), ..Reply::html("<p>cut") };
        (asked.path == "/docs/guide.html").then_some(cut)
    });
    check("one answer is cut short");
    site.server.handle_nothing();
    site.ingest_to(0);
    site.assert_equals_fresh_ingest("after outages");
    // No server.
    let Site { place, server } = site;
    let before = documents.len();
    drop(server);
    assert_eq!(ingest(&place.config(), None).exit_code, 20);
    let live = rows(&place.kb(), "SELECT count(*) FROM revision WHERE state = 'live'");
    assert_eq!(live, [before.to_string()]);
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let site = good_site();
    site.server.handle(|asked, before| {
        let busy = Reply::new(429, "text/plain", "slow down").with("Retry-After", "1");
        (asked.path == "/docs/guide.html" && before == 0).then_some(busy)
    });
    site.ingest_to(0);
    let asked = site.server.take_asked();
    let times: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path == "/docs/guide.html")
        .map(|asked| asked.at)
        .collect();
    assert_eq!(times.len(), 2);
    // The first is recorded before its response: a slow machine makes the pause longer, never
    // shorter.
    let second = Duration::from_secs(1);
    assert!(times[1] - times[0] >= second, "{:?}", times[1] - times[0]);
    let first = asked.iter().position(|asked| asked.path == "/docs/guide.html").unwrap();
    assert!(asked[first + 1].at - times[0] >= second, "the host had no pause");
    site.server.handle_nothing();
    site.assert_equals_fresh_ingest("after a pause");
}

#[test]
fn requests_keep_their_distance() {
    let check = |keys: &str, robots: &str, at_least: Duration| {
        let site = good_site();
        site.server.put("/robots.txt", Reply::new(200, "text/plain", robots));
        let start = site.server.url("/docs/");
        site.configure_all(&format!(
            "start_urls = ['{start}']\nprivate_hosts = ['127.0.0.1']\n{keys}"
        ));
        // Before the first request, so a slow machine makes the time longer, never shorter.
        let begun = Instant::now();
        site.ingest_to(0);
        let asked = site.server.take_asked();
        let all = asked[asked.len() - 1].at - begun;
        // The first delay after robots.txt is known only then.
        let gaps = u32::try_from(asked.len() - 2).unwrap();
        assert!(gaps > 8 && all >= at_least * gaps, "{keys}: {gaps} requests in {all:?}");
    };
    check("requests_per_second = 20", "", Duration::from_millis(50));
    check("requests_per_second = 20\nmax_concurrency = 4", "", Duration::from_millis(50));
    check(
        "requests_per_second = 1000",
        "User-agent: *\nCrawl-delay: 0.06\n",
        Duration::from_millis(60),
    );
}

#[test]
fn single_pages_and_sitemaps_begin_a_crawl() {
    let site = good_site();
    let server = &site.server;
    server.page("/extra/one.html", "One.", &["two.html"]);
    server.page("/extra/two.html", "Two.", &[]);
    let url = |path: &str| server.url(path);
    fs::write(site.place.path("urls.txt"), format!("# pages\n{}\n", url("/extra/two.html")))
        .unwrap();
    let common = "private_hosts = ['127.0.0.1']\nrequests_per_second = 1000";
    let urls = format!("urls = ['{}']\nurl_file = 'urls.txt'\n{common}", url("/extra/one.html"));
    site.configure_all(&urls);
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/extra/one.html", "/extra/two.html"]);
    assert_eq!(server.take_pages(), ["/extra/one.html", "/extra/two.html"]);

    let entry = |path: &str, date: &str| {
        format!("<url><loc>{}</loc><lastmod>{date}</lastmod></url>", url(path))
    };
    let pages = |date: &str| {
        let entries = entry("/docs/guide.html", "2024-01-01") + &entry("/docs/notes.md", date);
        format!("<urlset>{entries}{}</urlset>", entry("/elsewhere/", date))
    };
    let index =
        format!("<sitemapindex><sitemap><loc>{}</loc></sitemap></sitemapindex>", url("/pages.xml"));
    server.put("/sitemap.xml", Reply::new(200, "application/xml", index));
    server.put("/pages.xml", Reply::new(200, "application/xml", pages("2024-01-01")));
    site.configure("sitemaps = ['auto']\nmax_depth = 0");
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/guide.html", "/docs/notes.md"]);
    server.take_asked();
    server.put("/pages.xml", Reply::new(200, "application/xml", pages("2024-02-02")));
    server.put("/docs/notes.md", Reply::new(200, "text/markdown", "# Notes\n\nOther notes.\n"));
    assert_eq!(site.counts(0), [0, 1, 2, 0]);
    // What the server says of its pages counts more than dates in a sitemap.
    let paths = ["/sitemap.xml", "/pages.xml", "/docs/", "/docs/guide.html", "/docs/notes.md"];
    assert_eq!(server.take_paths(), paths);
    // Pages that only a sitemap leads to are not deleted with it.
    for path in ["/pages.xml", "/sitemap.xml"] {
        server.put(path, Reply::new(503, "text/plain", "later"));
        site.ingest_to(20);
        assert_eq!(site.documents(), ["/docs/", "/docs/guide.html", "/docs/notes.md"], "{path}");
    }
}

#[test]
fn settings_decide_what_belongs_to_the_site() {
    let site = good_site();
    site.ingest_to(0);
    let everything = site.documents();
    let check = |keys: &str, exit_code: u8, expected: &[&str]| {
        site.configure(keys);
        let options =
            IngestOptions { allow_deletes: AllowDeletes::All, ..IngestOptions::default() };
        // What only excluded pages link to has its grace.
        try_ingest(&site.place.config(), options.clone(), None).unwrap();
        let report = try_ingest(&site.place.config(), options, None).unwrap();
        assert_eq!(report.exit_code, exit_code, "{keys}: {report:#?}");
        assert_eq!(site.documents(), expected, "{keys}");
        assert_sound(&site.place.kb());
    };
    check(
        "exclude = ['docs/sub/**', 'docs/from-*']",
        0,
        &["/docs/", "/docs/guide.html", "/docs/noted.html", "/docs/notes.md", "/docs/target.html"],
    );
    check("include = ['docs/*.md']", 0, &["/docs/", "/docs/notes.md"]);
    check(
        "max_depth = 1\nexclude = ['docs/sub/**']",
        0,
        &["/docs/", "/docs/guide.html", "/docs/notes.md", "/docs/target.html"],
    );
    check("content_selectors = ['h1']\nmax_depth = 0", 0, &["/docs/"]);
    assert_eq!(rows(&site.place.kb(), "SELECT text FROM chunks"), ["Page /docs/"]);
    site.configure("");
    site.ingest_to(0);
    assert_eq!(site.documents(), everything);
    site.assert_equals_fresh_ingest("all settings taken back");
}

#[test]
fn a_limit_on_pages_holds_and_deletes_nothing() {
    let site = good_site();
    site.configure("max_pages = 4");
    let report = site.ingest_to(4);
    let run = report.run.unwrap();
    assert_eq!(run.message, "finished, a limit left something out");
    assert_eq!(run.metrics.pages_left_out, 7);
    let first = site.documents();
    assert!(site.server.take_pages().len() <= 5);
    assert!(first.len() <= 4, "{first:?}");
    // The next run checks for changes again, and has the same result.
    assert_eq!(site.counts(4), [0, 0, 3, 0]);
    site.configure("");
    site.ingest_to(0);
    let all = site.documents();
    site.configure("max_pages = 2");
    site.ingest_to(4);
    assert_eq!(site.documents(), all);
    // A removed source is deleted with its frontier.
    site.place
        .configure("[[source.directory]]\nname = 'docs'\npath = 'docs'\n[embed.hash]\ndim = 16\n");
    let options = IngestOptions { allow_deletes: AllowDeletes::All, ..IngestOptions::default() };
    try_ingest(&site.place.config(), options, None).unwrap();
    assert_eq!(site.states(), Vec::<String>::new());
}

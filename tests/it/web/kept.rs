//! robots.txt is cached for a day, over runs; then, or with other settings, it is requested again.

use super::Site;
use super::server::Reply;

fn disallow(site: &Site, path: &str) {
    let text = format!("User-agent: *\nDisallow: {path}\n");
    site.server.put("/robots.txt", Reply::new(200, "text/plain", text));
}

fn site() -> Site {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["a.html", "b.html"]);
    site.server.page("/docs/a.html", "Alpha.", &[]);
    site.server.page("/docs/b.html", "Beta.", &[]);
    site
}

/// Returns how often robots.txt was requested since the last call.
fn asked(site: &Site) -> usize {
    site.server.take_paths().iter().filter(|path| *path == "/robots.txt").count()
}

#[test]
fn robots_txt_is_asked_for_once_a_day() {
    let site = site();
    disallow(&site, "/docs/a.html");
    site.ingest_to(0);
    assert_eq!(asked(&site), 1);
    assert_eq!(site.documents(), ["/docs/", "/docs/b.html"]);

    // The cached rules are obeyed.
    disallow(&site, "/docs/b.html");
    assert_eq!(site.counts(0), [0, 0, 2, 0]);
    assert_eq!(asked(&site), 0);
    assert_eq!(site.documents(), ["/docs/", "/docs/b.html"]);

    site.forget_files();
    // A page that was dead is asked for again, and one that is now disallowed has its grace.
    site.forget_dead_links();
    assert_eq!(site.counts(3), [1, 0, 1, 0]);
    assert_eq!(asked(&site), 1);
    assert_eq!(site.counts(0), [0, 0, 2, 1]);
    assert_eq!(site.documents(), ["/docs/", "/docs/a.html"]);
    site.assert_equals_fresh_ingest("another robots.txt");
    asked(&site);

    disallow(&site, "/docs/none");
    site.configure("user_agent = 'other/1.0'");
    site.ingest_to(0);
    assert_eq!(asked(&site), 1);
    assert_eq!(site.documents(), ["/docs/", "/docs/a.html", "/docs/b.html"]);
}

#[test]
fn that_there_is_no_robots_txt_is_kept_and_an_outage_is_not() {
    let site = site();
    site.ingest_to(0);
    assert_eq!(asked(&site), 1);
    site.ingest_to(0);
    assert_eq!(asked(&site), 0);
    site.forget_files();
    site.server.put("/robots.txt", Reply::new(503, "text/plain", "later"));
    site.ingest_to(20);
    site.server.remove("/robots.txt");
    asked(&site);
    site.ingest_to(0);
    assert_eq!(asked(&site), 1);
}

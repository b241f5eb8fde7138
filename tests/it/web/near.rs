//! Sites that are close to those of the other tests: other spellings, other statuses, a redirect
//! more.

use super::Site;
use super::server::{Reply, html};

fn xml(body: &str) -> Reply {
    Reply::new(200, "application/xml", body)
}

#[test]
fn a_start_without_a_slash_means_its_folder_wherever_below_it_leads() {
    for (start, steps) in [
        ("/docs", &["/docs/"][..]),
        ("/docs", &["/docs/v2/"]),
        ("/docs", &["/docs/", "/docs/v2/intro.html"]),
    ] {
        let site = Site::new();
        let mut from = start;
        for to in steps {
            site.server.put(from, Reply::redirect(to));
            from = to;
        }
        site.server.page(from, "Start.", &["/docs/a.html", "/blog/b.html"]);
        site.server.page("/docs/a.html", "Alpha.", &[]);
        site.server.page("/blog/b.html", "Not of the documentation.", &[]);
        site.configure_all(&format!(
            "start_urls = ['{}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000",
            site.server.url(start)
        ));
        for _ in 0..2 {
            site.ingest_to(0);
            let mut expected = [from, "/docs/a.html"];
            expected.sort_unstable();
            assert_eq!(site.documents(), expected, "{steps:?}");
        }
    }
}

#[test]
fn a_sitemap_in_the_place_of_a_page_is_named() {
    let site = Site::new();
    let map = format!("<urlset><url><loc>{}</loc></url></urlset>", site.server.url("/docs/a.html"));
    site.server.put("/docs/", xml(&map));
    site.server.page("/docs/a.html", "Alpha.", &["/docs/", "feed"]);
    site.server
        .put("/docs/feed", Reply::new(200, "text/xml", "<?xml version='1.0'?><!-- x --><rss/>"));
    site.ingest_to(20);
    let states = site.states().join("\n");
    assert!(
        states.contains("/docs/|refused|it is a sitemap or feed: list it in `sitemaps`"),
        "{states}"
    );
    // Linked, they are no documents.
    let urls = site.server.url("/docs/a.html");
    site.configure_all(&format!(
        "start_urls = ['{urls}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000"
    ));
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/a.html"]);
}

#[test]
fn a_sitemap_that_an_index_leads_to_is_named_when_it_fails() {
    let site = Site::new();
    let server = &site.server;
    let (a, b) = (server.url("/a.xml"), server.url("/b.xml"));
    let index = format!(
        "<sitemapindex><sitemap><loc>{a}</loc></sitemap><sitemap><loc>{b}</loc></sitemap></sitemapindex>"
    );
    server.put("/index.xml", xml(&index));
    for name in ["a", "b"] {
        let url = server.url(&format!("/docs/{name}.html"));
        server.put(
            &format!("/{name}.xml"),
            xml(&format!("<urlset><url><loc>{url}</loc></url></urlset>")),
        );
        server.page(&format!("/docs/{name}.html"), &format!("Text of {name}."), &[]);
    }
    site.configure_all(&format!(
        "sitemaps = ['{}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000",
        server.url("/index.xml")
    ));
    site.ingest_to(0);
    for reply in [
        Reply::new(404, "text/plain", ""),
        Reply::new(410, "text/plain", ""),
        Reply::html(&html("oops", "Oops.", &[])),
        xml("<urlset><url><loc>"),
    ] {
        server.put("/b.xml", reply.clone());
        let report = site.ingest_to(3);
        let failure = &report.failures[0].error;
        assert!(failure.contains(&b), "{reply:?}: {failure}");
        assert_eq!(site.documents().len(), 2, "{reply:?}");
    }
}

#[test]
fn pages_of_a_feed_are_found_by_their_ids() {
    let site = Site::new();
    let item = |name: &str| site.server.url(&format!("/docs/{name}.html"));
    let feed = format!(
        "<rss><channel><link>/</link><item><title>A</title><guid>{}</guid></item>\
         <item><link>/docs/b.html</link><guid isPermaLink='false'>{}</guid></item>\
         <item><guid>tag:x,2026:1</guid></item></channel></rss>",
        item("a"),
        item("c")
    );
    site.server.put("/feed.xml", xml(&feed));
    for name in ["a", "b", "c"] {
        site.server.page(&format!("/docs/{name}.html"), &format!("Text of {name}."), &[]);
    }
    site.configure_all(&format!(
        "sitemaps = ['{}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000",
        site.server.url("/feed.xml")
    ));
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/a.html", "/docs/b.html"]);
}

/// A pause may be a date, in each of the forms of HTTP.
#[test]
fn a_long_pause_may_be_a_date() {
    for date in [
        "Tue, 31 Dec 2199 23:59:59 GMT",
        "Tuesday, 31-Dec-69 23:59:59 GMT",
        "Tue Dec 31 23:59:59 2199",
        "99999999999999999999",
    ] {
        let site = Site::new();
        site.server.page("/docs/", "Start.", &["a.html"]);
        site.server.page("/docs/a.html", "Alpha.", &[]);
        site.server.handle(move |asked, _| {
            let pause = || Reply::new(503, "text/plain", "").with("Retry-After", date);
            (asked.path == "/docs/a.html").then(pause)
        });
        site.ingest_to(20);
        assert_eq!(site.server.take_pages(), ["/docs/", "/docs/a.html"], "{date}");
        // It may be over earlier.
        site.server.handle_nothing();
        site.ingest_to(0);
        assert_eq!(site.documents().len(), 2, "{date}");
    }
}

#[test]
fn robots_txt_may_spell_paths_in_its_own_way() {
    let site = Site::new();
    let rules = "User-agent: *\nDisallow: /docs/%61%2ehtml$\nDisallow: /docs/caf\u{e9}\nDisallow: /docs/%c3%a0\n";
    site.server.put("/robots.txt", Reply::new(200, "text/plain", rules));
    let paths = ["a.html", "b.html", "caf\u{e9}.html", "\u{e0}.html"];
    site.server.page("/docs/", "Start.", &paths);
    site.server.page("/docs/b.html", "Beta.", &[]);
    site.ingest_to(0);
    assert_eq!(site.server.take_pages(), ["/docs/", "/docs/b.html"]);
}

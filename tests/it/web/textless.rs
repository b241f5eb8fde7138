//! Pages that are known to have no text are requested with their validators, too.

use super::server::{Asked, Reply, html};
use super::{Site, assert_same};

fn noindex(page: &str) -> String {
    page.replace("<head>", "<head><meta name=robots content=noindex>")
}

/// A start with a page of each kind that is no document.
fn site() -> Site {
    let site = Site::new();
    let server = &site.server;
    let paths =
        ["hidden.html", "photo", "large.html", "lost.html", "copy.html", "app.html", "scan"];
    server.page("/docs/", "Start.", &paths);
    server.put(
        "/docs/hidden.html",
        Reply::html(&noindex(&html("hidden", "Hidden.", &["child.html"]))),
    );
    server.page("/docs/child.html", "Found on a hidden page only.", &[]);
    server.put("/docs/photo", Reply::new(200, "image/png", "\u{1}PNG"));
    server.put("/docs/large.html", Reply::html(&html("large", &"word ".repeat(30_000), &[])));
    server.put("/docs/lost.html", Reply::html("<title>404 | Page not found</title><p>Oops"));
    let copy = html("copy", "Found on a hidden page only.", &[])
        .replace("<head>", "<head><link rel=canonical href='/docs/child.html'>");
    server.put("/docs/copy.html", Reply::html(&copy));
    let script =
        "<noscript>Please enable JavaScript</noscript><div id=root></div><script src=x.js>";
    server.put("/docs/app.html", Reply::html(script));
    server.put(
        "/docs/scan",
        Reply::new(200, "text/plain", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0".to_vec()),
    );
    site.configure("max_page_size = '100KiB'");
    site
}

fn is_conditional(asked: &Asked) -> bool {
    asked.headers.contains_key("if-none-match")
}

/// Returns the pages that were requested whole since the last call.
fn whole(site: &Site) -> Vec<String> {
    let mut asked = site.server.take_asked();
    asked.retain(|asked| !is_conditional(asked) && asked.path.starts_with("/docs/"));
    asked.retain(|asked| !asked.path.ends_with(super::server::NOBODY));
    let mut paths: Vec<_> = asked.into_iter().map(|asked| asked.path).collect();
    paths.sort();
    paths
}

#[test]
fn a_page_without_a_text_is_asked_for_only_if_it_has_changed() {
    let site = site();
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/child.html"]);
    let states = site.states().join("\n");
    insta::assert_snapshot!(states, @"
    /docs/app.html|excluded|it holds no text without JavaScript
    /docs/child.html|fetched|-
    /docs/copy.html|redirected|/docs/child.html
    /docs/hidden.html|excluded|noindex
    /docs/large.html|excluded|over max_page_size (102400 bytes)
    /docs/lost.html|gone|the page says that it is not found
    /docs/photo|excluded|no text: image/png
    /docs/scan|excluded|binary content (PNG image)
    /docs/|fetched|-
    ");
    site.server.take_asked();
    // Also after a week, in which some of them are not requested at all.
    for _ in 0..2 {
        assert_eq!(site.counts(0), [0, 0, 2, 0]);
        assert_eq!(whole(&site), [""; 0]);
        let same = site.states().join("\n").replace("unchanged", "fetched");
        assert_same(&same, &states, "the states of a second run");
        site.forget_dead_links();
    }
    site.server.take_asked();
    site.ingest_to(0);
    assert_eq!(site.server.take_asked().iter().filter(|asked| is_conditional(asked)).count(), 9);

    // A page that changes is read.
    site.server.page("/docs/hidden.html", "No longer hidden.", &["child.html"]);
    assert_eq!(site.counts(0), [1, 0, 2, 0]);
    site.assert_equals_fresh_ingest("a page that is not hidden any more");
}

#[test]
fn what_depends_on_settings_is_fetched_whole_when_they_change() {
    let site = site();
    site.ingest_to(0);
    for (keys, expected) in [
        ("max_page_size = '1MiB'", "/docs/large.html"),
        ("max_page_size = '100KiB'\nrespect_robots = false", "/docs/hidden.html"),
    ] {
        site.configure(keys);
        site.server.take_asked();
        site.ingest_to(0);
        assert_eq!(whole(&site).len(), 9, "{keys}");
        assert!(site.documents().contains(&expected.to_owned()), "{keys}: {:?}", site.documents());
        site.configure("max_page_size = '100KiB'");
        site.ingest_to(3);
        site.ingest_to(0);
        assert_eq!(site.documents().len(), 2, "{keys}");
    }
    // Another version of the extractor may find a text.
    let kb = rusqlite::Connection::open(site.place.kb()).unwrap();
    let sql =
        "UPDATE frontier SET settings = replace(settings, 'html@', 'html@9') WHERE url LIKE ?1";
    assert_eq!(kb.execute(sql, ["%hidden.html"]).unwrap(), 1);
    drop(kb);
    site.server.take_asked();
    site.ingest_to(0);
    assert_eq!(whole(&site), ["/docs/hidden.html"]);
    // A page that kb.toml names is no soft 404.
    let lost = site.server.url("/docs/lost.html");
    site.configure(&format!("max_page_size = '100KiB'\nurls = ['{lost}']"));
    site.server.take_asked();
    site.ingest_to(0);
    assert_eq!(whole(&site), ["/docs/lost.html"]);
    assert!(site.documents().contains(&"/docs/lost.html".to_owned()));
}

/// A page that only leads on by a refresh is no document either.
#[test]
fn a_page_that_leads_on_is_asked_for_only_if_it_has_changed() {
    let site = Site::new();
    let refresh = |to: &str| {
        Reply::html(&format!("<meta http-equiv=refresh content='0; url={to}'><title>x</title>"))
    };
    let server = &site.server;
    server.put("/docs", refresh("/docs/"));
    server.page("/docs/", "Start.", &["old.html", "/blog/x.html"]);
    server.put("/docs/old.html", refresh("new.html"));
    server.page("/docs/new.html", "New.", &[]);
    server.page("/docs/newer.html", "Newer.", &[]);
    server.page("/blog/x.html", "Elsewhere.", &[]);
    site.configure_all(&format!(
        "start_urls = ['{}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000",
        server.url("/docs")
    ));
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/new.html"]);
    let states = site.states().join("\n");
    for _ in 0..2 {
        server.take_asked();
        assert_eq!(site.counts(0), [0, 0, 2, 0]);
        assert_eq!(whole(&site), [""; 0]);
        let same = site.states().join("\n").replace("unchanged", "fetched");
        assert_same(&same, &states, "the states of a later run");
    }
    server.put("/docs/old.html", refresh("newer.html"));
    assert_eq!(site.counts(3), [1, 0, 1, 0]);
    assert_eq!(site.counts(0), [0, 0, 2, 1]);
    assert_eq!(site.documents(), ["/docs/", "/docs/newer.html"]);
}

/// A document that is lost has the same grace if its server answers 304.
#[test]
fn a_document_that_became_hidden_goes_although_its_page_is_unchanged() {
    let site = site();
    site.server.page("/docs/hidden.html", "Not yet hidden.", &["child.html"]);
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 3);
    let hidden = noindex(&html("hidden", "Hidden.", &["child.html"]));
    site.server.put("/docs/hidden.html", Reply::html(&hidden));
    assert_eq!(site.counts(3)[3], 0);
    // In between, nothing is known.
    site.server.handle(|asked, _| {
        asked.path.ends_with("hidden.html").then(|| Reply::new(403, "text/plain", ""))
    });
    assert_eq!(site.counts(3)[3], 0);
    site.server.handle_nothing();
    assert_eq!(site.counts(3)[3], 0);
    site.server.take_asked();
    assert_eq!(site.counts(0)[3], 1);
    assert_eq!(whole(&site), [""; 0]);
    assert_eq!(site.documents(), ["/docs/", "/docs/child.html"]);
}

/// Servers make an ETag of the file, and send headers by their settings.
#[test]
fn a_header_may_hide_a_page_that_is_unchanged() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["a.html", "b.html"]);
    site.server.page("/docs/a.html", "Alpha.", &[]);
    site.server.page("/docs/b.html", "Beta.", &[]);
    let page = html("/docs/a.html", "Alpha.", &[]);
    let put = |is_hidden: bool| {
        let page = page.clone();
        site.server.handle(move |asked, _| {
            if asked.path != "/docs/a.html" {
                return None;
            }
            let status = if is_conditional(asked) { 304 } else { 200 };
            let reply =
                Reply::new(status, "text/html", if status == 200 { page.as_str() } else { "" });
            let reply = reply.with("ETag", "\"1\"");
            Some(if is_hidden { reply.with("X-Robots-Tag", "NoIndex") } else { reply })
        });
    };
    put(false);
    assert_eq!(site.counts(0), [3, 0, 0, 0]);
    put(true);
    assert_eq!(site.counts(3)[3], 0);
    assert_eq!(site.counts(0)[3], 1);
    put(false);
    assert_eq!(site.counts(0), [1, 0, 2, 0]);
}

/// A page that says this of itself.
fn with_keywords(title: &str, text: &str, links: &[&str], keywords: &str) -> Reply {
    let meta = format!("<head><meta name=keywords content='{keywords}'>");
    Reply::html(&html(title, text, links).replace("<head>", &meta))
}

#[test]
fn pages_are_left_out_by_their_metadata() {
    let site = Site::new();
    let server = &site.server;
    server.page("/docs/", "Start.", &["a.html", "b.html", "c.md", "d.md"]);
    server.put("/docs/a.html", with_keywords("a", "Alpha.", &["e.html"], "Pumps, Internal"));
    server.put("/docs/b.html", with_keywords("b", "Beta.", &[], "pumps"));
    let markdown = |text: &str| Reply::new(200, "text/markdown", text);
    server.put("/docs/c.md", markdown("---\ndraft: true\n---\n\nGamma, and [more](f.html).\n"));
    server.put("/docs/d.md", markdown("---\ndraft: false\n---\n\nDelta.\n"));
    server.page("/docs/e.html", "Epsilon.", &[]);
    server.page("/docs/f.html", "Phi.", &[]);
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 7);

    // What is there goes when a second run finds the same.
    site.configure("skip_if = ['keywords=internal', 'draft=true']");
    assert_eq!(site.counts(3)[3], 0);
    assert_eq!(site.documents().len(), 7);
    assert_eq!(site.counts(0)[3], 2);
    let kept = ["/docs/", "/docs/b.html", "/docs/d.md", "/docs/e.html", "/docs/f.html"];
    assert_eq!(site.documents(), kept);
    let left_out: Vec<_> =
        site.states().into_iter().filter(|state| state.contains("|excluded|")).collect();
    assert_eq!(
        left_out,
        [
            "/docs/a.html|excluded|its metadata meet skip_if (keywords=internal)",
            "/docs/c.md|excluded|its metadata meet skip_if (draft=true)",
        ]
    );
    site.assert_equals_fresh_ingest("a site without some pages");

    // Unchanged pages are not sent again, and come back when nothing leaves them out.
    site.server.take_asked();
    assert_eq!(site.counts(0), [0, 0, 5, 0]);
    assert_eq!(whole(&site), [""; 0]);
    site.configure("");
    assert_eq!(site.counts(0)[0], 2);
    assert_eq!(site.documents().len(), 7);
}

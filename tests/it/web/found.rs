//! Pages that are easily lost: each is found, or the run says that it is not.

use super::Site;
use super::server::{Reply, html};
use crate::support::rows;

fn with_head(title: &str, text: &str, head: &str) -> Reply {
    Reply::html(&html(title, text, &[]).replace("<head>", &format!("<head>{head}")))
}

#[test]
fn pages_that_all_name_the_home_page_stay() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["a.html", "b/", "index.html"]);
    let head = "<link rel=canonical href='/docs/'>";
    for (path, words) in [("a.html", "Alpha."), ("b/", "Beta."), ("index.html", "Start.")] {
        site.server.put(&format!("/docs/{path}"), with_head(path, words, head));
    }
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/a.html", "/docs/b/"]);
}

#[test]
fn a_canonical_page_without_a_text_leaves_the_page() {
    let site = Site::new();
    let names = ["back", "dead", "pair-a", "pair-b", "good", "far", "chain"];
    let links = names.map(|name| format!("{name}/"));
    site.server.page("/docs/", "Start.", &links.each_ref().map(String::as_str));
    let put = |name: &str, canonical: &str| {
        let head = format!("<link rel=canonical href='{canonical}'>");
        site.server
            .put(&format!("/docs/{name}/"), with_head(name, &format!("All about {name}."), &head));
    };
    put("back", "/docs/back");
    site.server.put("/docs/back", Reply::redirect("/docs/back/"));
    put("dead", "/docs/new/dead");
    put("pair-a", "/docs/pair-b/");
    put("pair-b", "/docs/pair-a/");
    put("good", "/docs/original.html");
    site.server.page("/docs/original.html", "All about good.", &[]);
    put("far", "https://example.org/far");
    put("chain", "/docs/moved");
    site.server.put("/docs/moved", Reply::redirect("/docs/original.html"));
    let expected = [
        "/docs/",
        "/docs/back/",
        "/docs/dead/",
        "/docs/far/",
        "/docs/original.html",
        "/docs/pair-a/",
        "/docs/pair-b/",
    ];
    for _ in 0..2 {
        site.ingest_to(0);
        assert_eq!(site.documents(), expected);
    }
    // The original goes: both pages that name it are documents of their own.
    site.server.remove("/docs/original.html");
    site.ingest_to(3);
    assert!(site.documents().contains(&"/docs/good/".to_owned()), "{:?}", site.documents());
    site.ingest_to(0);
    assert!(!site.documents().contains(&"/docs/original.html".to_owned()));
}

#[test]
fn names_with_dots_and_paths_that_look_alike_are_pages() {
    let site = Site::new();
    let paths = [
        "wiki/Node.js",
        "wiki/libfoo.so",
        "how-to-open-a.zip",
        "title/1/chapter/1/article/1/section/1",
        "errors/404",
        "errors/403",
    ];
    site.server.page("/docs/", "Start.", &paths);
    for path in &paths[..4] {
        site.server.page(&format!("/docs/{path}"), &format!("An article about {path}."), &[]);
    }
    let about = "The API answers 404 when the order id is unknown. Check the id and the region.";
    site.server.put(
        "/docs/errors/404",
        Reply::html(&html("", about, &[]).replace("Page ", "404 Not Found")),
    );
    site.server.page("/docs/errors/403", "The token lacks the scope.", &[]);
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 7, "{:#?}", site.states());
}

#[test]
fn files_without_text_are_asked_for_only_as_examples() {
    let site = Site::new();
    let pictures: Vec<_> = (0..100).map(|number| format!("img/{number}.png")).collect();
    let links: Vec<_> = pictures.iter().map(String::as_str).collect();
    // Twenty pages with five pictures each, one after the other.
    for (number, links) in links.chunks(5).enumerate() {
        let next = format!("{}.html", number + 1);
        let links: Vec<_> = links.iter().copied().chain([next.as_str()]).collect();
        let path = if number == 0 { "/docs/".to_owned() } else { format!("/docs/{number}.html") };
        site.server.page(&path, &format!("Chapter {}.", "x".repeat(number + 1)), &links);
    }
    site.server.handle(|asked, _| {
        asked.path.ends_with(".png").then(|| Reply::new(200, "image/png", "PNG"))
    });
    site.ingest_to(0);
    let asked = site.server.take_pages();
    let pictures = asked.iter().filter(|path| path.ends_with(".png")).count();
    assert!((5..=15).contains(&pictures), "{pictures}");
    site.ingest_to(0);
    let asked = site.server.take_pages();
    assert!(!asked.iter().any(|path| path.ends_with(".png")), "{asked:?}");
}

#[test]
fn one_page_has_one_spelling() {
    let site = Site::new();
    site.server.page(
        "/docs/",
        "Start.",
        &["caf%c3%a9", "caf%C3%A9", "café", "a~b", "a%7Eb", "q?x=%7e"],
    );
    for path in ["caf%C3%A9", "a~b", "q?x=~"] {
        site.server.page(&format!("/docs/{path}"), &format!("About {path}."), &[]);
    }
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/a~b", "/docs/caf%C3%A9", "/docs/q?x=~"]);
}

#[test]
fn refreshes_and_frames_lead_on() {
    let site = Site::new();
    let refresh = "<meta http-equiv=Refresh content='0; url=latest/'>";
    site.server.put("/docs/", with_head("moved", "Redirecting...", refresh));
    site.server.page("/docs/latest/", "The documentation.", &["frames.html", "script.html"]);
    let frames = "<title>API</title><frameset><frame src='a.html'><frame src='b.html'></frameset>";
    site.server.put("/docs/latest/frames.html", Reply::html(frames));
    let noscript = "<noscript><meta http-equiv=refresh content='1; URL=c.html'></noscript>";
    site.server.put("/docs/latest/script.html", with_head("moved", "Moved.", noscript));
    for name in ["a", "b", "c"] {
        site.server.page(&format!("/docs/latest/{name}.html"), &format!("About {name}."), &[]);
    }
    site.ingest_to(0);
    let documents = site.documents();
    for path in
        ["/docs/latest/", "/docs/latest/a.html", "/docs/latest/b.html", "/docs/latest/c.html"]
    {
        assert!(documents.contains(&path.to_owned()), "{documents:?}");
    }
    assert!(!documents.contains(&"/docs/".to_owned()), "{documents:?}");
}

#[test]
fn a_start_without_its_slash_is_its_folder() {
    let site = Site::new();
    site.server.put("/docs", Reply::redirect("/docs/"));
    site.server.page("/docs/", "Start.", &["a.html", "/blog/"]);
    site.server.page("/docs/a.html", "Alpha.", &[]);
    site.server.page("/blog/", "Not of the documentation.", &[]);
    let map = "<urlset><url><loc>/blog/</loc></url><url><loc>/docs/b.html</loc></url></urlset>";
    site.server.put("/sitemap.xml", Reply::new(200, "text/xml", map));
    site.server.page("/docs/b.html", "Beta.", &[]);
    let start = site.server.url("/docs");
    site.configure_all(&format!(
        "start_urls = ['{start}']\nsitemaps = ['auto']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000"
    ));
    for _ in 0..2 {
        site.ingest_to(0);
        assert_eq!(site.documents(), ["/docs/", "/docs/a.html", "/docs/b.html"]);
    }
}

#[test]
fn a_site_without_text_is_no_success() {
    let shell = "<!doctype html><title>App</title><noscript>Enable JavaScript.</noscript>\
                 <div id=root></div><script src=/main.js></script>";
    let site = Site::new();
    site.server.handle(move |asked, _| {
        (!["/robots.txt", "/llms.txt"].contains(&asked.path.as_str())).then(|| Reply::html(shell))
    });
    for _ in 0..2 {
        let report = site.ingest_to(3);
        assert_eq!(report.failures[0].error, "it holds no text without JavaScript", "{report:#?}");
    }
    // All pages that a sitemap lists are soft 404s.
    let site = Site::new();
    site.server.handle(move |asked, _| match asked.path.as_str() {
        "/robots.txt" | "/llms.txt" => None,
        "/map.xml" => {
            Some(Reply::new(200, "text/xml", "<urlset><url><loc>/a</loc></url></urlset>"))
        }
        _ => Some(Reply::html(&html("App", "There is nothing here.", &[]))),
    });
    let map = site.server.url("/map.xml");
    site.configure_all(&format!(
        "sitemaps = ['{map}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000"
    ));
    let report = site.ingest_to(3);
    let error = &report.failures[0].error;
    assert_eq!(error, "the site is empty: no page with a text was found", "{report:#?}");
}

#[test]
fn different_pages_beside_equal_ones_are_taken_in() {
    let site = Site::new();
    let links: Vec<_> = (0..100).map(|number| format!("release/1.{number}")).collect();
    // Found on several pages, so that the equal ones are read before the others are found.
    for (number, links) in links.chunks(10).enumerate() {
        let next = format!("/docs/log/{}/", number + 1);
        let links: Vec<_> =
            links.iter().map(|link| format!("/docs/{link}")).chain([next]).collect();
        let links: Vec<_> = links.iter().map(String::as_str).collect();
        let path = if number == 0 { "/docs/".to_owned() } else { format!("/docs/log/{number}/") };
        site.server.page(&path, &format!("Releases: {}.", "x".repeat(number + 1)), &links);
    }
    for number in 0..100 {
        let text = if number < 40 {
            "No changes.".to_owned()
        } else {
            format!("Adds {}.", "y".repeat(number))
        };
        site.server.put(
            &format!("/docs/release/1.{number}"),
            Reply::html(&format!("<main><p>{text}</main>")),
        );
    }
    site.ingest_to(0);
    let documents = site.documents();
    for number in 40..100 {
        assert!(documents.contains(&format!("/docs/release/1.{number}")), "{number}");
    }
}

#[test]
fn limits_on_links_and_sitemaps_are_said_and_can_be_raised() {
    let site = Site::new();
    let links: Vec<_> = (0..30).map(|number| format!("{}.html", "z".repeat(number + 1))).collect();
    let links: Vec<_> = links.iter().map(String::as_str).collect();
    site.server.page("/docs/", "Start.", &links);
    for link in &links {
        site.server.page(&format!("/docs/{link}"), &format!("About {link}."), &[]);
    }
    site.configure("max_links = 20");
    let report = site.ingest_to(4);
    assert_eq!(report.run.unwrap().metrics.pages_left_out, 10);
    assert_eq!(site.documents().len(), 21);
    site.configure("");
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 31);
}

/// The server sends no ETags.
#[test]
fn dates_of_sitemaps_skip_only_what_they_prove() {
    let check = |lastmod: &str, is_skipped: bool| {
        let site = Site::new();
        let map = format!(
            "<urlset><url><loc>/docs/a.html</loc><lastmod>{lastmod}</lastmod></url></urlset>"
        );
        site.server.handle(move |asked, _| match asked.path.as_str() {
            "/docs/" => Some(Reply::html(&html("start", "Start.", &[]))),
            "/docs/a.html" => Some(
                Reply::html(&html("a", "Alpha.", &[]))
                    .with("Last-Modified", "Mon, 06 May 2024 07:08:09 GMT"),
            ),
            "/sitemap.xml" => Some(Reply::new(200, "text/xml", map.clone())),
            _ => None,
        });
        site.configure("sitemaps = ['auto']");
        site.ingest_to(0);
        site.server.take_asked();
        site.ingest_to(0);
        let asked = site.server.take_pages();
        assert_eq!(!asked.contains(&"/docs/a.html".to_owned()), is_skipped, "{lastmod}: {asked:?}");
    };
    check("2024-01-02T03:04:05Z", true);
    check("2024-01-02T03:04:05+02:00", true);
    check("2024-01-02", false);
    check("2999-01-02T03:04:05Z", false);
    check("soon", false);
}

#[test]
fn dead_links_are_asked_for_once_a_week() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["dead.html", "gone.html", "photo", "a.html"]);
    site.server.put("/docs/photo", Reply::new(200, "image/png", "PNG"));
    site.server.put("/docs/gone.html", Reply::new(410, "text/plain", "no"));
    site.server.page("/docs/a.html", "Alpha.", &[]);
    site.ingest_to(0);
    site.server.take_asked();
    let states = site.states();
    site.ingest_to(0);
    assert_eq!(site.server.take_pages(), ["/docs/", "/docs/a.html"]);
    assert_eq!(site.states().len(), states.len());
    site.forget_dead_links();
    site.ingest_to(0);
    assert_eq!(site.server.take_pages().len(), 5);
    // A login or an apology may be gone the next time.
    site.server.page("/docs/", "Start again.", &["sso.html", "sorry.html", "a.html"]);
    site.server.put("/docs/sso.html", Reply::redirect("https://sso.example.org/"));
    site.server.put("/docs/sorry.html", Reply::html("<title>404 Not Found</title><p>Not found."));
    site.ingest_to(0);
    site.server.page("/docs/sso.html", "Behind the login.", &[]);
    site.server.page("/docs/sorry.html", "Here after all.", &[]);
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 4);
    // What once was a document is always asked for.
    site.server.remove("/docs/a.html");
    for _ in 0..2 {
        site.server.take_asked();
        crate::support::ingest(&site.place.config(), None);
        assert!(site.server.has_been_asked("/docs/a.html"));
    }
}

#[test]
fn a_host_that_asks_for_a_long_pause_is_put_off() {
    let site = Site::new();
    let other = super::server::Server::start();
    other.page("/docs/", "The other host.", &["b.html"]);
    other.page("/docs/b.html", "Beta.", &[]);
    site.server.page("/docs/", "Start.", &["a.html", "c.html", "d.html"]);
    for name in ["a", "c", "d"] {
        site.server.page(&format!("/docs/{name}.html"), &format!("About {name}."), &[]);
    }
    site.server.handle(|asked, before| {
        let busy = || Reply::new(429, "text/plain", "later").with("Retry-After", "3600");
        (asked.path == "/docs/a.html" && before == 0).then(busy)
    });
    let (start, second) = (site.server.url("/docs/"), other.url("/docs/"));
    site.configure_all(&format!(
        "start_urls = ['{start}', '{second}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000"
    ));
    let since = std::time::Instant::now();
    let report = site.ingest_to(20);
    assert!(since.elapsed() < std::time::Duration::from_secs(60));
    let asked = site.server.take_pages();
    assert_eq!(asked, ["/docs/", "/docs/a.html"], "{report:#?}");
    assert!(other.has_been_asked("/docs/b.html"));
    site.server.handle_nothing();
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 6);
}

#[test]
fn a_site_may_have_metadata_of_its_own() {
    let site = Site::new();
    let head = "<meta name=keywords content='seal, pump'><meta name=product content=none>";
    site.server.put("/docs/", with_head("start", "Start.", head));
    let metadata = |key: &str| {
        let sql =
            format!("SELECT metadata ->> '{key}' FROM revision WHERE state = 'live' ORDER BY id");
        rows(&site.place.kb(), &sql)
    };
    site.configure("");
    site.ingest_to(0);
    assert_eq!(
        (metadata("keywords"), metadata("product")),
        (vec!["seal, pump".into()], vec!["-".into()])
    );
    // Another value reads every page again.
    for value in ["pump", "valve"] {
        site.configure(&format!("metadata = {{ product = '{value}' }}"));
        assert_eq!(site.counts(0), [0, 1, 0, 0]);
        assert_eq!(metadata("product"), [value]);
    }
    assert_eq!(site.counts(0), [0, 0, 1, 0]);
}

#[test]
fn a_raised_limit_reads_pages_again() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["long.html"]);
    site.server.page("/docs/long.html", &"Many words. ".repeat(20_000), &[]);
    let limit = |size: &str| {
        site.configure("");
        let text = std::fs::read_to_string(site.place.toml()).unwrap();
        std::fs::write(site.place.toml(), format!("{text}\n[extract]\nmax_text = '{size}'\n"))
            .unwrap();
    };
    limit("100KiB");
    for _ in 0..2 {
        let report = site.ingest_to(3);
        assert_eq!(
            report.failures[0].error,
            format!("{}: its text is over max_text (100 KiB)", site.server.url("/docs/long.html"))
        );
    }
    limit("1MiB");
    assert_eq!(site.counts(0), [1, 0, 1, 0]);
    assert_eq!(rows(&site.place.kb(), "SELECT count(*) FROM failure"), ["0"]);
}

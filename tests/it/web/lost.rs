//! What may be deleted: only what two runs in a row find gone, an hour apart; and nothing while a
//! page or sitemap that kb.toml names fails.

use super::Site;
use super::server::{Reply, Server, html};
use kbingest::operations::{AllowDeletes, IngestOptions};

use crate::support::{rows, try_ingest};

/// A start page with eight others.
fn nine_pages() -> Site {
    let site = Site::new();
    let links: Vec<_> = (0..8).map(|number| format!("p{number}.html")).collect();
    site.server.page("/docs/", "Welcome home.", &texts(&links));
    for (number, link) in links.iter().enumerate() {
        site.server.page(&format!("/docs/{link}"), &words(number), &["/docs/"]);
    }
    site.ingest_to(0);
    site
}

/// Returns a sentence that no other number has.
fn words(number: usize) -> String {
    let words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"];
    format!("All about {} and {}.", words[number % 8], words[(number / 8 + 1) % 8])
}

fn texts(links: &[String]) -> Vec<&str> {
    links.iter().map(String::as_str).collect()
}

/// Makes an hour pass since the last run.
fn wait_an_hour(site: &Site) {
    let kb = rusqlite::Connection::open(site.place.kb()).unwrap();
    kb.execute("UPDATE lost_document SET since_ms = since_ms - 3600000", []).unwrap();
}

/// Ways in which a page may stop being one.
fn losses() -> Vec<(&'static str, Reply)> {
    let noindex =
        html("p3", "Hidden.", &[]).replace("<head>", "<head><meta name=robots content=noindex>");
    vec![
        ("404", Reply::new(404, "text/plain", "no")),
        ("410", Reply::new(410, "text/plain", "no")),
        ("a redirect to another host", Reply::redirect("https://sso.example.org/login")),
        ("a redirect for now", Reply { status: 302, ..Reply::redirect("/docs/p4.html") }),
        ("a redirect to a login", Reply::redirect("/docs/login?next=p3")),
        ("noindex", Reply::html(&noindex)),
        ("another media type", Reply::new(200, "image/png", "PNG")),
        ("too large", Reply::html(&html("p3", &"x".repeat(300_000), &[]))),
        ("empty", Reply::html("<title>Page</title>")),
        ("a soft 404", Reply::html("<title>404 Not Found</title><p>It does not exist.")),
    ]
}

#[test]
fn a_document_goes_in_the_second_run_an_hour_after_the_first() {
    for (what, reply) in losses() {
        let site = nine_pages();
        site.configure("grace = '1h'\nmax_page_size = '200KiB'");
        site.ingest_to(0);
        site.server.put("/docs/p3.html", reply.clone());
        site.server.page("/docs/login", "Please sign in.", &[]);
        for _ in 0..3 {
            let report = site.ingest_to(3);
            assert!(site.documents().contains(&"/docs/p3.html".to_owned()), "{what}: {report:#?}");
            assert_eq!(report.failures.len(), 1, "{what}: {report:#?}");
            assert!(
                report.failures[0]
                    .error
                    .ends_with("; its document goes if a later run finds the same"),
                "{what}: {report:#?}"
            );
        }
        wait_an_hour(&site);
        site.ingest_to(0);
        assert!(!site.documents().contains(&"/docs/p3.html".to_owned()), "{what}");
        assert_eq!(rows(&site.place.kb(), "SELECT count(*) FROM lost_document"), ["0"], "{what}");
    }
}

#[test]
fn a_document_that_is_back_begins_again() {
    let site = nine_pages();
    site.server.remove("/docs/p3.html");
    site.ingest_to(3);
    site.server.page("/docs/p3.html", &words(3), &[]);
    site.ingest_to(0);
    site.server.remove("/docs/p3.html");
    site.ingest_to(3);
    assert_eq!(site.documents().len(), 9);
    assert_eq!(site.counts(0)[3], 1);
}

#[test]
fn pages_behind_a_missing_hub_have_its_grace() {
    let site = nine_pages();
    site.server.page("/docs/", "Welcome home.", &["hub.html"]);
    let links: Vec<_> = (0..8).map(|number| format!("p{number}.html")).collect();
    site.server.page("/docs/hub.html", "The hub.", &texts(&links));
    site.ingest_to(0);
    site.server.remove("/docs/hub.html");
    let report = site.ingest_to(3);
    assert_eq!((report.failures.len(), site.documents().len()), (9, 10), "{report:#?}");
    site.server.page("/docs/hub.html", "The hub.", &texts(&links));
    assert_eq!(site.counts(0), [0, 0, 10, 0]);
    site.assert_equals_fresh_ingest("the hub is back");
}

/// Fails if something is deleted, or the run says that all is well, in any of three runs.
fn check_start(what: &str, exit_code: u8, change: impl Fn(&Server)) {
    let site = nine_pages();
    let before = rows(&site.place.kb(), "SELECT uri, text FROM chunks ORDER BY uri");
    change(&site.server);
    for run in 1..=3 {
        let report = site.ingest_to(exit_code);
        let after = rows(&site.place.kb(), "SELECT uri, text FROM chunks ORDER BY uri");
        assert_eq!(after, before, "{what}, run {run}: {report:#?}");
    }
    site.server.handle_nothing();
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 9, "{what}");
}

#[test]
fn a_start_that_fails_deletes_nothing() {
    let all = |reply: fn(&str) -> Reply| {
        move |server: &Server| {
            server.handle(move |asked, _| {
                let is_file = ["/robots.txt", "/llms.txt"].contains(&asked.path.as_str());
                (!is_file).then(|| reply(&asked.path))
            });
        }
    };
    check_start(
        "404 for everything",
        20,
        all(|_| Reply::new(404, "text/plain", "default backend")),
    );
    check_start(
        "maintenance",
        20,
        all(|_| Reply::html(&html("Down", "We will be back soon.", &[]))),
    );
    check_start("a login for everything", 20, |server| {
        server.handle(|asked, _| {
            let login = format!("/docs/login?next={}", asked.path);
            let page = || Reply::html(&html("Login", "Please sign in.", &[]));
            let is_login = asked.path.starts_with("/docs/login");
            let redirect = || Reply { status: 302, ..Reply::redirect(&login) };
            (asked.path != "/robots.txt").then(|| if is_login { page() } else { redirect() })
        });
    });
    check_start("another host", 20, all(|_| Reply::redirect("https://sso.example.org/")));
    check_start("403", 20, all(|_| Reply::new(403, "text/plain", "no")));
    check_start("a form for a password", 20, |server| {
        server.handle(|asked, _| {
            let form = "<title>Login</title><main><form><input type=password></form>Sign in</main>";
            (asked.path == "/docs/").then(|| Reply::html(form))
        });
    });
    check_start("no links", 20, |server| {
        server.handle(|asked, _| {
            let page = html("Home", "Something else, without links.", &[]);
            (asked.path == "/docs/").then(|| Reply::html(&page))
        });
    });
}

#[test]
fn a_user_may_accept_a_start_that_leads_elsewhere() {
    let site = nine_pages();
    site.server.put("/docs/", Reply { status: 302, ..Reply::redirect("/docs/en/") });
    site.server.page("/docs/en/", "Welcome home.", &["/docs/p0.html", "/docs/p1.html"]);
    site.ingest_to(20);
    assert_eq!(site.documents().len(), 9);
    let options = IngestOptions {
        allow_deletes: AllowDeletes::Of(vec!["site".to_owned()]),
        ..IngestOptions::default()
    };
    // The pages that nothing links to any more have their grace.
    let report = try_ingest(&site.place.config(), options, None).unwrap();
    assert_eq!((report.exit_code, site.documents().len()), (3, 9), "{report:#?}");
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/en/", "/docs/p0.html", "/docs/p1.html"]);
    site.assert_equals_fresh_ingest("a start that leads elsewhere");
}

#[test]
fn a_start_that_never_worked_is_said_in_every_run() {
    let site = Site::new();
    for _ in 0..3 {
        let report = site.ingest_to(20);
        assert_eq!(report.failures.len(), 1, "{report:#?}");
    }
    site.server.page("/docs/", "Here.", &[]);
    site.ingest_to(0);
}

#[test]
fn one_of_several_named_pages_that_fails_is_a_failure_in_every_run() {
    let site = nine_pages();
    let urls: Vec<_> =
        (0..8).map(|number| site.server.url(&format!("/docs/p{number}.html"))).collect();
    let keys = |urls: &[String]| {
        format!("urls = {urls:?}\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000")
    };
    crate::support::remove_kb(&site.place.kb());
    site.configure_all(&keys(&urls));
    site.ingest_to(0);
    site.server.put("/docs/p3.html", Reply::redirect("https://sso.example.org/login"));
    site.server.put("/docs/p4.html", Reply { status: 302, ..Reply::redirect("/docs/p5.html") });
    for _ in 0..3 {
        let report = site.ingest_to(3);
        assert_eq!((report.failures.len(), site.documents().len()), (2, 8), "{report:#?}");
    }
    // Taken out of kb.toml.
    let rest: Vec<_> =
        urls.into_iter().filter(|url| !url.contains("p3") && !url.contains("p4")).collect();
    site.configure_all(&keys(&rest));
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 6);
}

#[test]
fn a_page_that_moved_for_good_goes_at_once_and_many_to_one_place_do_not() {
    let site = nine_pages();
    site.server.put("/docs/p3.html", Reply::redirect("/docs/moved.html"));
    site.server.page("/docs/moved.html", &words(3), &[]);
    assert_eq!(site.counts(0), [1, 0, 8, 1]);
    site.assert_equals_fresh_ingest("a page that moved");
    for number in 4..8 {
        site.server.put(&format!("/docs/p{number}.html"), Reply::redirect("/docs/"));
    }
    let report = site.ingest_to(3);
    assert_eq!((report.failures.len(), site.documents().len()), (4, 9), "{report:#?}");
    assert_eq!(site.counts(0)[3], 4);
}

#[test]
fn all_of_a_small_site_is_never_deleted_unasked() {
    let site = Site::new();
    let url = |path: &str| site.server.url(path);
    let map = |paths: &[&str]| {
        let urls: String =
            paths.iter().map(|path| format!("<url><loc>{}</loc></url>", url(path))).collect();
        Reply::new(200, "text/xml", format!("<urlset>{urls}</urlset>"))
    };
    for name in ["a", "b"] {
        site.server.page(&format!("/docs/{name}.html"), &format!("About {name}."), &[]);
    }
    site.server.put("/map.xml", map(&["/docs/a.html", "/docs/b.html"]));
    site.configure_all(&format!(
        "sitemaps = ['{}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000",
        url("/map.xml")
    ));
    site.ingest_to(0);
    // Another page, which is not there.
    site.server.put("/map.xml", map(&["/docs/c.html"]));
    site.ingest_to(3);
    for _ in 0..2 {
        site.ingest_to(21);
        assert_eq!(site.documents().len(), 2);
    }
}

/// A site whose pages only a sitemap leads to.
fn listed_site(kind: &str) -> Site {
    let site = Site::new();
    let robots = format!("Sitemap: {}\n", site.server.url("/map.xml"));
    site.server.put("/robots.txt", Reply::new(200, "text/plain", robots));
    site.server.page("/docs/", "Start.", &["a.html"]);
    for name in ["a", "b", "c"] {
        site.server.page(&format!("/docs/{name}.html"), &format!("About {name}."), &[]);
    }
    site.server.put("/map.xml", map_of(""));
    if kind == "named" {
        site.configure(&format!("sitemaps = ['{}']", site.server.url("/map.xml")));
    }
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 4);
    site
}

fn map_of(more: &str) -> Reply {
    let urls = ["b", "c"].map(|name| format!("<url><loc>/docs/{name}.html</loc></url>"));
    Reply::new(200, "text/xml", format!("<urlset>{}{more}</urlset>", urls.concat()))
}

#[test]
fn a_sitemap_that_is_unusable_deletes_nothing() {
    for kind in ["named", "of robots.txt"] {
        let check = |what: &str, reply: Reply, code: u8| {
            let site = listed_site(kind);
            site.server.put("/map.xml", reply);
            for _ in 0..3 {
                let report = site.ingest_to(code);
                assert_eq!(site.documents().len(), 4, "{kind}, {what}: {report:#?}");
            }
        };
        check("a page", Reply::html(&html("App", "Nothing here.", &[])), 3);
        check("missing", Reply::new(404, "text/plain", "no"), 3);
        check(
            "cut off",
            Reply::new(200, "text/xml", "<urlset><url><loc>/docs/b.html</loc></url>"),
            3,
        );
        check(
            "of another host",
            Reply::new(
                200,
                "text/xml",
                "<urlset><url><loc>http://localhost:3000/</loc></url></urlset>",
            ),
            3,
        );
        check("empty", Reply::new(200, "text/xml", ""), 3);
        check("an error", Reply::new(500, "text/plain", "no"), 20);
    }
    let site = listed_site("named");
    let comment = format!("<!-- {} -->", "x".repeat(51 << 20));
    site.server.put("/map.xml", map_of(&comment));
    site.ingest_to(3);
    assert_eq!(site.documents().len(), 4);
}

#[test]
fn the_only_sitemap_that_is_unusable_is_a_source_that_is_unreachable() {
    let site = Site::new();
    let keys = format!(
        "sitemaps = ['{}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000",
        site.server.url("/maps/docs.xml")
    );
    site.configure_all(&keys);
    site.server.page("/a.html", "Beside the folder of the sitemap.", &["/b.html"]);
    site.server.put(
        "/maps/docs.xml",
        Reply::new(200, "text/xml", "<urlset><url><loc>/a.html</loc></url></urlset>"),
    );
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/a.html"]);
    site.server.put("/maps/docs.xml", Reply::html("<title>App</title>"));
    for _ in 0..2 {
        site.ingest_to(20);
        assert_eq!(site.documents(), ["/a.html"]);
    }
}

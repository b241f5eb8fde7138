//! Sites that set cookies: they get them back, nobody else does, and nothing stores them.

use std::fs;
use std::process::Command;

use super::Site;
use super::server::{Asked, Reply, Server};
use crate::support::remove_kb;

const SECRET: &str = "1bf37fd9c8";

/// A page with links to three others.
fn linked() -> Site {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["a.html", "b.html", "c.html"]);
    for name in ["a", "b", "c"] {
        site.server.page(&format!("/docs/{name}.html"), &format!("Text of {name}."), &[]);
    }
    site
}

fn cookie(asked: &Asked) -> &str {
    asked.headers.get("cookie").map_or("", String::as_str)
}

fn has_session(asked: &Asked) -> bool {
    cookie(asked).contains(&format!("session={SECRET}"))
}

fn redirect(status: u16, to: &str) -> Reply {
    Reply::new(status, "text/plain", "").with("Location", to)
}

fn set(reply: Reply) -> Reply {
    reply.with("Set-Cookie", &format!("session={SECRET}; Path=/; HttpOnly"))
}

/// Fails if a file of the knowledge base contains the cookie.
fn assert_not_stored(site: &Site) {
    let folder = site.place.kb().parent().unwrap().to_owned();
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.is_file() {
            let bytes = fs::read(&file).unwrap();
            let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
            assert!(!found, "{} has the cookie", file.display());
        }
    }
}

#[test]
fn a_site_that_redirects_until_the_cookie_is_sent_is_read() {
    type Wall = fn(&Asked) -> Option<Reply>;
    let to_itself: Wall = |asked| (!has_session(asked)).then(|| set(redirect(302, &asked.path)));
    let for_good: Wall = |asked| (!has_session(asked)).then(|| set(redirect(301, &asked.path)));
    let by_a_check: Wall = |asked| match asked.path.strip_prefix("/check?next=") {
        Some(next) => Some(set(redirect(302, next))),
        None => {
            (!has_session(asked)).then(|| redirect(303, &format!("/check?next={}", asked.path)))
        }
    };
    // Each step sets a cookie of its own.
    let by_steps: Wall = |asked| {
        if asked.path == "/one" {
            Some(redirect(307, "/two").with("Set-Cookie", "one=1; Path=/"))
        } else if asked.path == "/two" && cookie(asked).contains("one=1") {
            Some(set(redirect(302, "/docs/")))
        } else {
            (!has_session(asked)).then(|| redirect(302, "/one"))
        }
    };
    for (what, wall) in [
        ("to itself", to_itself),
        ("for good", for_good),
        ("a check", by_a_check),
        ("steps", by_steps),
    ] {
        let site = linked();
        site.server
            .handle(move |asked, _| if asked.path == "/robots.txt" { None } else { wall(asked) });
        assert_eq!(site.counts(0), [4, 0, 0, 0], "{what}");
        assert_eq!(site.counts(0), [0, 0, 4, 0], "{what}");
        assert_not_stored(&site);
    }
}

#[test]
fn a_site_that_never_has_its_cookie_ends() {
    let site = linked();
    let number = std::sync::atomic::AtomicU64::new(0);
    site.server.handle(move |asked, _| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let other = format!("session={number}; Path=/");
        (asked.path != "/robots.txt").then(|| redirect(302, &asked.path).with("Set-Cookie", &other))
    });
    site.ingest_to(20);
    assert!(site.server.count() < 12, "{:?}", site.server.take_paths());
}

#[test]
fn a_session_that_the_start_begins_lasts() {
    let site = linked();
    let server = &site.server;
    let (start, etag) = (super::html("start", "Start.", &["a.html", "b.html", "c.html"]), "\"1\"");
    server.handle(move |asked, _| {
        let is_known = asked.headers.get("if-none-match").is_some_and(|it| it == etag);
        match asked.path.as_str() {
            "/robots.txt" => None,
            // Like a cache, it answers 304 without a cookie.
            "/docs/" if is_known => Some(Reply::new(304, "text/html", "")),
            "/docs/" => Some(set(Reply::html(&start).with("ETag", etag))),
            _ => (!has_session(asked)).then(|| Reply::new(403, "text/html", "Please log in")),
        }
    });
    assert_eq!(site.counts(0), [4, 0, 0, 0]);
    server.take_asked();
    assert_eq!(site.counts(0), [0, 0, 4, 0]);
    let conditional = |asked: &Asked| asked.headers.contains_key("if-none-match");
    let asked = server.take_asked();
    assert_eq!(asked.iter().filter(|asked| conditional(asked)).count(), 3, "{asked:#?}");
    assert_not_stored(&site);
}

#[test]
fn cookies_stay_with_their_host() {
    let (site, other) = (Site::new(), Server::start());
    let away = other.url("/away.html");
    let named = format!("http:{}localhost:{}/docs/named.html", "//", site.server.port);
    site.server.page("/docs/", "Start.", &[&away, &named, "a.html", "moved", "/docs/in/x.html"]);
    site.server.page("/docs/a.html", "Alpha.", &[]);
    site.server.page("/docs/named.html", "By name.", &[]);
    site.server.page("/docs/in/x.html", "Inside.", &[]);
    site.server.put("/docs/moved", Reply::redirect(&other.url("/moved.html")));
    other.page("/away.html", "Away.", &[]);
    other.page("/moved.html", "Moved.", &[]);
    let page = super::html("start", "Start.", &[&away, &named, "a.html", "moved", "in/x.html"]);
    site.server.handle(move |asked, _| {
        let start = || {
            set(Reply::html(&page))
                .with("Set-Cookie", "wide=1; Domain=localhost; Path=/")
                .with("Set-Cookie", "wider=1; Domain=1; Path=/")
                .with("Set-Cookie", "inside=1; Path=/docs/in")
                .with("Set-Cookie", "locked=1; Secure; Path=/")
                .with("Set-Cookie", "over=1; Max-Age=0; Path=/")
                .with("Set-Cookie", "old=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/")
        };
        (asked.path == "/docs/").then(start)
    });
    let start = site.server.url("/docs/");
    site.configure_all(&format!(
        "start_urls = ['{start}']\nprivate_hosts = ['127.0.0.1', 'localhost']\nsame_host = false\n\
         requests_per_second = 1000"
    ));
    site.ingest_to(0);
    let asked = site.server.take_asked();
    let by = |path: &str| asked.iter().find(|asked| asked.path == path).map(cookie);
    let session = format!("session={SECRET}");
    assert_eq!(by("/docs/a.html"), Some(session.as_str()));
    assert_eq!(by("/docs/in/x.html"), Some(format!("inside=1; {session}").as_str()));
    assert_eq!(by("/docs/named.html"), Some(""));
    let asked = other.take_asked();
    assert!(asked.iter().any(|asked| asked.path == "/moved.html"), "{asked:#?}");
    assert!(asked.iter().all(|asked| cookie(asked).is_empty()), "{asked:#?}");
    assert_not_stored(&site);
}

#[test]
fn cookies_of_the_user_replace_those_of_the_site() {
    let site = linked();
    let (start, links) = (super::html("start", "Start.", &["a.html"]), "/docs/");
    site.server.handle(move |asked, _| (asked.path == links).then(|| set(Reply::html(&start))));
    site.configure("headers = ['cookie=KBINGEST_TEST_COOKIE']");
    remove_kb(&site.place.kb());
    let ended = Command::new(env!("CARGO_BIN_EXE_kbingest"))
        .args(["ingest", "--trust", "--progress", "none", "-q"])
        .arg(site.place.toml())
        .env("KBINGEST_TEST_COOKIE", "mine=1")
        .status();
    assert_eq!(ended.unwrap().code(), Some(0));
    let asked = site.server.take_asked();
    assert!(asked.len() >= 3 && asked.iter().all(|asked| cookie(asked) == "mine=1"), "{asked:#?}");
}

/// What a redirect that sets a cookie leads to is requested by the same rules as a page.
#[test]
fn a_check_for_cookies_leads_nowhere_forbidden() {
    let (site, other) = (linked(), Server::start());
    let robots = Reply::new(200, "text/plain", "User-agent: *\nDisallow: /secret\n");
    site.server.put("/robots.txt", robots);
    let away = other.url("/check");
    let private = format!("http:{}localhost:{}/check", "//", other.port);
    site.server.handle(move |asked, _| match asked.path.as_str() {
        "/docs/a.html" => Some(set(redirect(302, "/secret"))),
        "/docs/b.html" => Some(set(redirect(302, &away))),
        "/docs/c.html" => Some(set(redirect(302, &private))),
        _ => None,
    });
    site.ingest_to(0);
    assert!(!site.server.has_been_asked("/secret"));
    assert_eq!(other.count(), 0);
    site.configure("same_host = false");
    site.ingest_to(0);
    assert_eq!(other.take_pages(), ["/check"], "only the host that is listed");
}

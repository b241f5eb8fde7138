//! The pages for people: complete without JavaScript, and nothing of a document becomes HTML.

use super::{Server, harbour};
use crate::support::{BROKEN, Place, ingest};

const POLICY: &str = "content-security-policy: default-src 'none'; script-src 'self'; \
     style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// What must reach a browser as text only, wherever it stands.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";

#[test]
fn a_question_is_answered_without_javascript() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let start = server.get("/");
    assert_eq!(start.status, 200);
    assert!(start.has_header("content-type: text/html; charset=utf-8"), "{start:?}");
    assert!(start.has_header(POLICY), "{start:?}");
    assert!(start.body.contains("3 documents"), "{start:?}");
    // As a browser sends the form: fields that are not filled in are empty.
    let found = server.get("/?q=outer+buoy&in=kb%2Fdocs&after=&before=");
    assert_eq!(found.status, 200);
    for part in [
        "<a href=\"/view/kb/docs/pilots.md?line=1&amp;end=3#here\">Pilots</a>",
        "the <mark>outer</mark> <mark>buoy</mark>.",
        "value=\"outer buoy\"",
        "<option value=\"kb/docs\" selected>docs</option>",
    ] {
        assert!(found.body.contains(part), "{part}: {}", found.body);
    }
    let view = server.get("/view/kb/docs/pilots.md?line=1&end=3");
    assert!(view.has_header(POLICY), "{view:?}");
    assert!(view.body.contains("<section class=\"passage here\" id=\"here\""), "{}", view.body);
    assert!(view.body.contains("Ships wait for the pilot"), "{}", view.body);
    assert!(view.body.contains("href=\"/documents/kb/docs/pilots.md\""), "{}", view.body);
    for (path, media_type) in [
        ("/page/style.css", "text/css; charset=utf-8"),
        ("/page/script.js", "text/javascript; charset=utf-8"),
        ("/page/icon.svg", "image/svg+xml"),
    ] {
        let file = server.get(path);
        assert!(start.body.contains(path), "{path}");
        assert!(file.has_header(&format!("content-type: {media_type}")), "{file:?}");
    }
}

#[test]
fn wrong_requests_are_pages_with_a_status() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    for (path, status, message) in [
        ("/?q=pilot&after=x", 400, "role=\"alert\""),
        ("/?q=pilot&in=other", 404, "there is no knowledge base"),
        ("/?q=pilot&in=kb%2Fother", 404, "role=\"alert\""),
        ("/?nothing=1", 400, "unknown field"),
        ("/view/kb/docs/missing.md", 404, "has no document"),
        ("/view/kb/docs/pilots.md?line=x", 400, "role=\"alert\""),
    ] {
        let page = server.get(path);
        assert_eq!(page.status, status, "{path}: {page:?}");
        assert!(page.has_header(POLICY), "{path}: {page:?}");
        assert!(page.body.contains(message), "{path}: {page:?}");
    }
    assert!(server.get("/view/kb/docs/pilots.md?line=999").body.contains("Ships wait"));
    assert!(server.get("/?q=nosuchword&mode=").status == 400);
}

#[test]
fn nothing_of_a_document_or_a_question_is_html() {
    let place = Place::new();
    let name = "x\"'><img src=x onerror=alert(1)>.md";
    place.write(name, format!("# Title {HOSTILE}\n\n## Head {HOSTILE}\n\nhostile {HOSTILE}\n"));
    place.write("javascript:alert(1).md", "# Other\n\nA hostile name.\n");
    ingest(&place.config(), None);
    let server = Server::of(&[&place.toml()], &[]);
    let query = "hostile%20%22%27%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let found = server.get(&format!("/?q={query}"));
    assert_eq!(found.status, 200, "{found:?}");
    let mut pages = vec![found.body.clone()];
    for link in found.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(link.starts_with('/') || link.starts_with('#'), "{link}");
        if link.starts_with("/view/") {
            let path = link.split('#').next().unwrap().replace("&amp;", "&");
            let view = server.get(&path);
            assert_eq!(view.status, 200, "{path}: {view:?}");
            pages.push(view.body);
        }
    }
    assert!(pages.len() >= 3, "{}", found.body);
    pages.push(server.get("/status.html").body);
    pages.push(server.get(&format!("/?q={query}&in={query}&after={query}")).body);
    pages.push(server.get(&format!("/view/kb/{query}/{query}?line=1")).body);
    for page in pages {
        assert!(!page.contains("<script>"), "{page}");
        assert!(!page.contains("<img"), "{page}");
        assert!(!page.contains("<b>"), "{page}");
        assert!(!page.contains("href=\"javascript:"), "{page}");
    }
}

#[test]
fn only_addresses_of_the_web_become_links() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let page = server.get("/?q=pilot").body;
    assert!(!page.contains(">original<"), "{page}");
}

#[test]
fn the_status_shows_growth_and_failures() {
    let place = harbour();
    place.write("new.md", "# New\n\nA new page.\n");
    place.write("broken.md", BROKEN);
    ingest(&place.config(), None);
    place.remove("pilots.md");
    ingest(&place.config(), None);
    let server = Server::of(&[&place.toml()], &[]);
    let page = server.get("/status.html").body;
    for part in [
        "<dt>Documents</dt><dd>3</dd>",
        "<dt>Failed</dt><dd>1</dd>",
        "Documents after each of the last 3 runs: 3 at ",
        ": 4 documents</title>",
        "Failed and skipped, by reason",
        "broken.md",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

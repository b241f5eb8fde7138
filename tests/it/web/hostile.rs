//! Sites that lie, never end, or lead where nobody should go: the crawl ends, and requests nothing
//! that is forbidden.

use super::Site;
use super::server::{NOBODY, Reply, Server, html};
use crate::support::rows;

/// A start page with links to bad responses of every kind.
fn bad_answers() -> Site {
    let site = Site::new();
    let server = &site.server;
    let paths = [
        "good.html",
        "loop-a",
        "self",
        "chain-0",
        "lies.html",
        "pdf.html",
        "bomb.html",
        "huge.html",
        "large.html",
        "soft-404.html",
        "headers.html",
        "latin.html",
        "deep.html",
        "no-location",
        "teapot",
        "empty.html",
        "nul.html",
        "away",
        "ftp",
    ];
    server.page("/docs/", "Start.", &paths);
    server.page(
        "/docs/good.html",
        "Good.",
        &["http://[::1/", "javascript:void(0)", "//", "", "%zz", "a b.html"],
    );
    server.page("/docs/a%20b.html", "With a space.", &[]);
    server.put("/docs/loop-a", Reply::redirect("loop-b"));
    server.put("/docs/loop-b", Reply::redirect("loop-a"));
    server.put("/docs/self", Reply::redirect("self"));
    for number in 0..14 {
        server.put(
            &format!("/docs/chain-{number}"),
            Reply::redirect(&format!("chain-{}", number + 1)),
        );
    }
    put_bad_bodies(server);
    site
}

fn put_bad_bodies(server: &Server) {
    server.put(
        "/docs/lies.html",
        Reply::new(200, "text/html", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0".to_vec()),
    );
    server.put(
        "/docs/pdf.html",
        Reply::new(200, "image/png", html("pdf", "An image, says the server.", &[])),
    );
    let bomb = gzip(&vec![b' '; 30 << 20]);
    server.put(
        "/docs/bomb.html",
        Reply::new(200, "text/html", bomb).with("Content-Encoding", "gzip"),
    );
    let huge = Reply { length: Some(usize::MAX / 2), ..Reply::html("<p>huge") };
    server.put("/docs/huge.html", huge);
    server.put("/docs/large.html", Reply::html(&"x".repeat(200_000)));
    server.put("/docs/soft-404.html", Reply::html("<title>404 | Page not found</title><p>Oops"));
    server.put(
        "/docs/headers.html",
        Reply::html(&html("headers", "Odd headers.", &[]))
            .with("ETag", "\u{fe}\u{ff}")
            .with("X-Robots-Tag", "otherbot: noindex"),
    );
    let latin = b"<title>Latin</title><main><p>caf\xe9 noir</p></main>".to_vec();
    server.put("/docs/latin.html", Reply::new(200, "text/html; charset=ISO-8859-1", latin));
    server.put("/docs/deep.html", Reply::html(&"<div>".repeat(20_000)));
    server.put("/docs/no-location", Reply::new(302, "text/plain", ""));
    server.put("/docs/teapot", Reply::new(418, "text/plain", ""));
    server.put("/docs/empty.html", Reply::html(""));
    server.put("/docs/nul.html", Reply::html("<p>nul \0 nul</p>"));
    server.put("/docs/away", Reply::redirect("http://example.org/docs/"));
    server.put("/docs/ftp", Reply::redirect("ftp://example.org/docs/"));
}

#[test]
fn answers_of_every_bad_kind_cost_only_themselves() {
    let site = bad_answers();
    site.configure("max_page_size = '100KiB'");
    site.ingest_to(0);
    insta::assert_snapshot!(site.states().join("\n"), @"
    /docs/%zz|gone|the server answers 404
    /docs/a%20b.html|fetched|-
    /docs/away|excluded|redirects to http://example.org/docs/, which is outside of the site
    /docs/bomb.html|excluded|over max_page_size (102400 bytes)
    /docs/chain-0|redirected|/docs/chain-1
    /docs/chain-10|excluded|more than 10 redirects
    /docs/chain-1|redirected|/docs/chain-2
    /docs/chain-2|redirected|/docs/chain-3
    /docs/chain-3|redirected|/docs/chain-4
    /docs/chain-4|redirected|/docs/chain-5
    /docs/chain-5|redirected|/docs/chain-6
    /docs/chain-6|redirected|/docs/chain-7
    /docs/chain-7|redirected|/docs/chain-8
    /docs/chain-8|redirected|/docs/chain-9
    /docs/chain-9|redirected|/docs/chain-10
    /docs/deep.html|fetched|-
    /docs/empty.html|fetched|-
    /docs/ftp|excluded|redirects to ftp://example.org/docs/, which is outside of the site
    /docs/good.html|fetched|-
    /docs/headers.html|fetched|-
    /docs/huge.html|excluded|over max_page_size (102400 bytes)
    /docs/large.html|excluded|over max_page_size (102400 bytes)
    /docs/latin.html|fetched|-
    /docs/lies.html|excluded|binary content (PNG image)
    /docs/loop-a|redirected|/docs/loop-b
    /docs/loop-b|redirected|/docs/loop-a
    /docs/no-location|refused|a redirect to nowhere
    /docs/nul.html|excluded|binary content
    /docs/pdf.html|excluded|no text: image/png
    /docs/self|excluded|redirects to itself
    /docs/soft-404.html|gone|the page says that it is not found
    /docs/teapot|refused|the server answers 418
    /docs/|fetched|-
    ");
    let latin = rows(&site.place.kb(), "SELECT text FROM chunks WHERE uri LIKE '%latin%'");
    assert_eq!(latin, ["café noir"]);
    let asked = site.server.take_paths();
    assert!(asked.len() < 60, "{asked:#?}");
}

#[test]
fn bodies_come_compressed_and_broken_ones_are_outages() {
    let site = Site::new();
    let zstd = |bytes: &[u8]| {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let page = html("packed", "Packed in frames.", &[]);
    let (head, rest) = page.as_bytes().split_at(40);
    let put = |name: &str, encoding: &str, body: Vec<u8>| {
        let reply = Reply::new(200, "text/html", body).with("Content-Encoding", encoding);
        site.server.put(&format!("/docs/{name}"), reply);
    };
    site.server.page("/docs/", "Start.", &["gzip", "zstd", "frames", "bomb", "unknown"]);
    put("gzip", "gzip", gzip(page.as_bytes()));
    put("zstd", "zstd", zstd(page.as_bytes()));
    put("frames", "ZSTD", [zstd(head), zstd(rest)].concat());
    put("bomb", "zstd", zstd(&vec![b' '; 30 << 20]));
    put("unknown", "lzma", vec![0, 1, 2, 3]);
    site.configure("max_page_size = '100KiB'");
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/frames", "/docs/gzip", "/docs/zstd"]);
    let states = site.states().join("\n");
    assert!(states.contains("/docs/bomb|excluded|over max_page_size"), "{states}");
    assert!(states.contains("/docs/unknown|excluded|"), "{states}");
    let texts = rows(&site.place.kb(), "SELECT text FROM chunks WHERE uri NOT LIKE '%/docs/'");
    assert_eq!(texts, ["# Page packed\n\nPacked in frames."; 3]);
    let cut = zstd(page.as_bytes());
    put("zstd", "zstd", cut[..cut.len() - 9].to_vec());
    site.ingest_to(20);
    assert_eq!(site.documents().len(), 4);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn endless_sites_end() {
    let site = Site::new();
    site.server.handle(|asked, _| {
        let path = asked.path.as_str();
        if path == "/robots.txt" || path.ends_with(NOBODY) {
            return None;
        }
        let number: u64 =
            path.rsplit(['/', '=']).next().and_then(|last| last.parse().ok()).unwrap_or(0);
        let links = [
            // A calendar, sessions, relative links that should not be relative, and filters.
            format!("/docs/calendar/{}", number + 1),
            format!("/docs/page.html?sid={}&PHPSESSID={}", number * 7 + 1, number + 2),
            format!("/docs/page;jsessionid={number}"),
            "again/".to_owned(),
            format!("/docs/list?filter={}", number + 1),
            format!("/docs/list?filter={}", number + 1000),
        ];
        let links: Vec<_> = links.iter().map(String::as_str).collect();
        Some(Reply::html(&html(path, &format!("Text of {path}."), &links)))
    });
    site.configure("max_depth = 12\nmax_pages = 400");
    site.ingest_to(0);
    let asked = site.server.take_paths();
    assert!(asked.len() < 400, "{}", asked.len());
    assert!(
        asked.iter().all(|path| !path.to_lowercase().contains("sess") && !path.contains("sid="))
    );
    let deepest = asked.iter().map(|path| path.matches("again/").count()).max();
    assert_eq!(deepest, Some(3));
    assert_eq!(asked.len(), asked.iter().collect::<std::collections::HashSet<_>>().len());
}

#[test]
fn addresses_that_are_not_public_are_not_asked() {
    let site = Site::new();
    let secret = Server::start();
    secret.page("/docs/", "Secret.", &[]);
    let start = site.server.url("/docs/");
    let unlisted = format!("start_urls = ['{start}']\nrequests_per_second = 1000");
    site.configure_all(&unlisted);
    let report = site.ingest_to(20);
    assert_eq!(site.server.count(), 0);
    let said = &report.failures[0].error;
    assert!(said.starts_with("127.0.0.1 is not public; list \"127.0.0.1\""), "{said}");

    // Links and redirects from a listed host to hosts that are not.
    let elsewhere = [
        format!("http:{}localhost:{}/docs/", "//", secret.port),
        format!("http:{}[::1]:{}/docs/", "//", secret.port),
        format!("http:{}2130706433:{}/docs/", "//", secret.port),
        format!("http:{}169.254.169.254/latest/meta-data/", "//"),
        "file:///etc/passwd".to_owned(),
    ];
    let mut links = Vec::new();
    for (number, target) in elsewhere.iter().enumerate() {
        site.server.put(&format!("/docs/redirect-{number}"), Reply::redirect(target));
        links.push(format!("redirect-{number}"));
        links.push(target.clone());
    }
    let links: Vec<_> = links.iter().map(String::as_str).collect();
    site.server.page("/docs/", "Start.", &links);
    site.configure("same_host = false\ntimeout = 5");
    crate::support::remove_kb(&site.place.kb());
    let report = crate::support::ingest(&site.place.config(), None);
    // 2130706433 is 127.0.0.1, by the rules for URLs.
    let asked = secret.take_pages();
    assert!(asked.len() <= 1, "{asked:?}");
    let states = site.states().join("\n");
    assert!(states.contains("169.254.169.254 is not public"), "{states}\n{report:#?}");
    assert!(states.contains("localhost") && !states.contains("passwd|"), "{states}");
}

#[test]
fn slow_and_endless_answers_are_given_up() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["endless.html", "good.html"]);
    site.server.page("/docs/good.html", "Good.", &[]);
    let endless = Reply { is_endless: true, ..Reply::html("<p>and on ") };
    site.server.put("/docs/endless.html", endless);
    site.configure("timeout = 1");
    site.ingest_to(20);
    assert_eq!(site.documents(), ["/docs/", "/docs/good.html"]);
}

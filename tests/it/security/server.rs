//! B: a server that is crawled.

use std::process::Command;

use crate::support::rows;
use crate::web::Site;
use crate::web::server::{NOBODY, Reply, Server, html};

fn is_page(path: &str) -> bool {
    !path.ends_with(NOBODY) && !["/robots.txt", "/llms.txt"].contains(&path)
}

fn ingest(site: &Site, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    command.args(["ingest", "--progress", "none", "--trust"]).arg(site.place.toml());
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// Another port of the host is another origin, however it is named.
#[test]
fn headers_go_to_the_origin_of_a_start_url_only() {
    let site = Site::new();
    let other = Server::start();
    let away = |path: &str| other.url(path);
    site.server.page("/docs/", "Start.", &[&away("/docs/link.html"), "moved.html", "own.html"]);
    site.server.page("/docs/own.html", "Own.", &[]);
    site.server.put("/docs/moved.html", Reply::redirect(&away("/docs/moved.html")));
    site.server.put("/llms.txt", Reply::redirect(&away("/llms.txt")));
    let robots = format!("User-agent: *\nAllow: /\nSitemap: {}\n", away("/robots-map.xml"));
    site.server.put("/robots.txt", Reply::new(200, "text/plain", robots));
    let map = format!("<urlset><url><loc>{}</loc></url></urlset>", away("/docs/listed.html"));
    site.server.put("/map.xml", Reply::new(200, "text/xml", map));
    for path in ["/docs/link.html", "/docs/moved.html", "/docs/listed.html"] {
        other.page(path, &format!("Away at {path}."), &[]);
    }
    site.configure(&format!(
        "same_host = false\nheaders = ['Authorization=KBINGEST_TEST_SECRET']\n\
         sitemaps = ['robots', '{}']",
        site.server.url("/map.xml")
    ));
    let (code, said) = ingest(&site, &[("KBINGEST_TEST_SECRET", "Bearer hush")]);
    assert_eq!(code, Some(0), "{said}");
    let own = site.server.take_asked();
    assert!(own.iter().all(|asked| asked.headers.contains_key("authorization")), "{own:#?}");
    let away = other.take_asked();
    for path in ["/docs/link.html", "/docs/moved.html", "/docs/listed.html", "/robots-map.xml"] {
        assert!(away.iter().any(|asked| asked.path == path), "{path}: {away:#?}");
    }
    assert!(away.iter().all(|asked| !asked.headers.contains_key("authorization")), "{away:#?}");
}

#[test]
fn links_without_end_are_bounded_and_nothing_is_deleted() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["old.html"]);
    site.server.page("/docs/old.html", "Old.", &[]);
    site.ingest_to(0);
    site.server.handle(|asked, _| {
        if !is_page(&asked.path) {
            return None;
        }
        let name = asked.path.trim_start_matches("/docs/").replace('/', "");
        let links: Vec<_> = (0..400)
            .map(|number| {
                format!(
                    "/docs/{}-{}",
                    name,
                    char::from(b'a' + number as u8 % 26).to_string().repeat(1 + number / 26)
                )
            })
            .collect();
        let links: Vec<_> = links.iter().map(String::as_str).collect();
        Some(Reply::html(&html(&name, &format!("Text of {name}."), &links)))
    });
    site.configure("max_pages = 30\nmax_queued = 100");
    let report = site.ingest_to(4);
    let run = report.run.unwrap();
    assert!(run.metrics.pages_left_out > 1000, "{run:#?}");
    let count = |condition: &str| -> u64 {
        let sql = format!("SELECT COUNT(*) FROM frontier WHERE {condition}");
        rows(&site.place.kb(), &sql)[0].parse().unwrap()
    };
    // Everything that may be visited is visited.
    assert_eq!(site.server.take_pages().len(), 2 + 30);
    assert!(count("TRUE") <= 400, "{}", count("TRUE"));
    assert!(site.documents().contains(&"/docs/old.html".to_owned()));
    // What exceeds one run is left to the next.
    site.server.handle_nothing();
    let links: Vec<_> = (0..300).map(|number| format!("p{number}.html")).collect();
    let links: Vec<_> = links.iter().map(String::as_str).collect();
    site.server.page("/docs/", "Start.", &links);
    for link in &links {
        site.server.page(&format!("/docs/{link}"), &format!("Page {link}."), &[]);
    }
    site.configure("");
    // The pages of the trap have their grace.
    site.ingest_to(3);
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 301);
}

#[test]
fn sitemaps_without_end_are_bounded_and_said() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &[]);
    site.server.page("/docs/listed.html", "Listed.", &[]);
    let map =
        format!("<urlset><url><loc>{}</loc></url></urlset>", site.server.url("/docs/listed.html"));
    site.server.put("/map.xml", Reply::new(200, "text/xml", map));
    site.configure(&format!("sitemaps = ['{}']", site.server.url("/map.xml")));
    site.ingest_to(0);
    assert_eq!(site.documents().len(), 2);
    // Each index leads to more indexes; the page is no longer listed, but not known to be gone.
    let root = site.server.url("");
    site.server.handle(move |asked, _| {
        let path = asked.path.strip_suffix("map.xml")?;
        let entries: String = (0..2000)
            .map(|number| format!("<sitemap><loc>{root}{path}{number}-map.xml</loc></sitemap>"))
            .collect();
        Some(Reply::new(200, "text/xml", format!("<sitemapindex>{entries}</sitemapindex>")))
    });
    site.ingest_to(4);
    let asked = site.server.take_paths();
    let maps = asked.iter().filter(|path| path.ends_with("map.xml")).count();
    assert!(maps <= 1010, "{maps}");
    assert_eq!(site.documents().len(), 2);
    let (code, said) = ingest(&site, &[]);
    assert_eq!(code, Some(4));
    assert!(said.contains("more than 1000 sitemaps"), "{said}");
}

#[test]
fn a_large_robots_file_is_obeyed_for_its_first_part() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["private.html", "late.html"]);
    site.server.page("/docs/private.html", "Private.", &[]);
    site.server.page("/docs/late.html", "Late.", &[]);
    let mut robots = "User-agent: *\nDisallow: /docs/private\n".to_owned();
    while robots.len() < 600 * 1024 {
        robots.push_str("# nothing to see in this line of a comment\n");
    }
    robots.push_str("Disallow: /docs/late\n");
    site.server.put("/robots.txt", Reply::new(200, "text/plain", robots));
    site.ingest_to(0);
    assert_eq!(site.documents(), ["/docs/", "/docs/late.html"]);
    let kept = rows(&site.place.kb(), "SELECT MAX(length(body)) <= 524288 FROM web_file");
    assert_eq!(kept, ["1"]);
}

#[test]
fn pages_behind_failing_ones_are_taken_in() {
    let site = Site::new();
    let bad: Vec<_> = (0..80).map(|number| format!("bad{number}.html")).collect();
    let good: Vec<_> = (0..5).map(|number| format!("good{number}.html")).collect();
    let links: Vec<_> = bad.iter().chain(&good).map(String::as_str).collect();
    site.server.page("/docs/", "Start.", &links);
    for path in &good {
        site.server.page(&format!("/docs/{path}"), &format!("This is {path}."), &[]);
    }
    for path in &bad {
        site.server.put(&format!("/docs/{path}"), Reply::new(500, "text/plain", "no"));
    }
    // A run gives up after ten outages in a row, each time with pages that no run has tried.
    let runs = (1..=9).take_while(|_| {
        site.ingest_to(20);
        site.documents().len() < 6
    });
    assert!(runs.count() < 9, "{:?}", site.documents());
}

#[test]
fn secrets_in_urls_are_not_shown() {
    let site = Site::new();
    site.server.put("/docs/bad", Reply::new(403, "text/plain", "no"));
    let away = format!("http:{}me:hush@127.0.0.1:1/?access_token=hush", "//");
    site.server.put("/docs/away", Reply::redirect(&away));
    let url = site.server.url("/docs/bad?access_token=hush");
    let moved = site.server.url("/docs/away");
    site.configure_all(&format!(
        "start_urls = ['{url}', '{moved}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000"
    ));
    let (_, said) = ingest(&site, &[]);
    assert!(!said.contains("hush"), "{said}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbingest"));
    let output = command.args(["status", "--failures"]).arg(site.place.toml()).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains("access_token=***") && !listed.contains("hush"), "{listed}");
    let errors = rows(&site.place.kb(), "SELECT error FROM failure");
    assert!(!errors.is_empty() && !errors.join(" ").contains("hush"), "{errors:?}");
    // A password in kb.toml, and one in the environment.
    let url = url.replacen("//", "//me:hush@", 1);
    site.configure_all(&format!("start_urls = ['{url}']\nmax_concurrency = 0"));
    let (code, said) = ingest(&site, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a password does not belong") && !said.contains("hush"), "{said}");
    site.configure("");
    for proxy in ["ftp:||me:hush@127.0.0.1:80", "http:||me:hush@:x"] {
        let (_, said) = ingest(&site, &[("http_proxy", &proxy.replace("||", "//"))]);
        assert!(!said.contains("hush"), "{said}");
    }
}

//! A whole documentation site, from a folder of HTML that `KBINGEST_SITE` names: every linked page
//! is found, and the second run finds each of them unchanged.
//!
//! `apt-get download python3.11-doc && dpkg -x python3.11-doc*.deb site` creates such a folder,
//! `site/usr/share/doc/python3.11/html`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kbingest::support::html;
use url::Url;

use super::Site;
use super::server::Reply;

/// Returns every file that is linked from `/index.html`, found independently of the crawler.
fn reachable(root: &Path) -> BTreeSet<String> {
    let mut waiting = vec!["/index.html".to_owned()];
    let mut found = BTreeSet::from(["/index.html".to_owned()]);
    while let Some(path) = waiting.pop() {
        let Ok(bytes) = fs::read(root.join(&path[1..])) else { continue };
        let base = Url::parse("http://example.org").unwrap().join(&path).unwrap();
        let page = String::from_utf8_lossy(&bytes).into_owned();
        for link in html::parse(&page).links() {
            let Ok(url) = base.join(link.href) else { continue };
            let is_here = url.host_str() == Some("example.org") && url.path().ends_with(".html");
            let path = url.path().to_owned();
            if is_here && root.join(&path[1..]).is_file() && found.insert(path.clone()) {
                waiting.push(path);
            }
        }
    }
    found
}

#[test]
#[ignore = "needs KBINGEST_SITE"]
fn a_documentation_site_is_taken_in_whole() {
    let root = std::env::var_os("KBINGEST_SITE").map(PathBuf::from);
    let root = root.expect("KBINGEST_SITE names a folder");
    let expected = reachable(&root);
    assert!(expected.len() > 1, "{} has no index.html with links", root.display());
    let site = Site::new();
    let folder = root.clone();
    site.server.handle(move |asked, _| {
        let bytes = fs::read(folder.join(&asked.path[1..])).ok()?;
        let etag = format!("\"{}\"", blake3::hash(&bytes).to_hex());
        let reply = Reply::new(200, "text/html", bytes).with("ETag", &etag);
        let is_known = asked.headers.get("if-none-match") == Some(&etag);
        Some(if is_known { Reply { status: 304, body: Vec::new(), ..reply } } else { reply })
    });
    let start = site.server.url("/index.html");
    site.configure_all(&format!(
        "start_urls = ['{start}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000"
    ));
    let run = |what: &str| {
        let since = Instant::now();
        let report = site.ingest_to(0);
        let metrics = report.run.unwrap().metrics;
        let pages = metrics.documents_crawled;
        eprintln!("{what}: {pages} urls in {:.1} s", since.elapsed().as_secs_f64());
        metrics
    };
    run("first run");
    let found: BTreeSet<_> = site.documents().into_iter().collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "not found: {missing:?}");
    site.server.take_asked();
    let metrics = run("second run");
    assert_eq!(metrics.documents_unchanged as usize, found.len());
    assert_eq!(metrics.documents_new + metrics.documents_changed + metrics.chunks_queued, 0);
    let asked = site.server.take_asked();
    let unconditional = asked.iter().filter(|asked| !asked.headers.contains_key("if-none-match"));
    let known: Vec<_> = unconditional.filter(|asked| found.contains(&asked.path)).collect();
    assert!(known.is_empty(), "{known:?}");
}

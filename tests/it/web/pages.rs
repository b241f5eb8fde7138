//! `kbingest pages`: every URL with its state, and the reason.

use super::Site;
use super::server::Reply;
use crate::support::program;

fn said(site: &Site, arguments: &[&str]) -> String {
    let output = program().arg("pages").args(arguments).arg(site.place.toml()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    site.path(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_page_says_why_it_is_or_is_not_a_document() {
    let site = Site::new();
    site.server.page("/docs/", "Start.", &["a.html", "moved", "dead", "no", "photo?token=hush"]);
    site.server.page("/docs/a.html", "Alpha.", &[]);
    site.server.put("/docs/moved", Reply::redirect("/docs/a.html"));
    site.server.put("/docs/no", Reply::new(403, "text/plain", "no"));
    site.server.put("/docs/photo?token=hush", Reply::new(200, "image/png", "PNG"));
    site.ingest_to(0);
    insta::assert_snapshot!(said(&site, &[]).replace('\t', " | "), @"
    site | fetched | /docs/
    site | fetched | /docs/a.html
    site | gone | /docs/dead | the server answers 404
    site | redirected | /docs/moved | /docs/a.html
    site | refused | /docs/no | the server answers 403
    site | excluded | /docs/photo?token=*** | no text: image/png
    ");
    assert_eq!(said(&site, &["--state", "gone,refused"]).lines().count(), 2);
    let json: serde_json::Value = serde_json::from_str(&said(&site, &["--json"])).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["pages"].as_array().unwrap().len(), 6);
    let moved = json["pages"].as_array().unwrap().iter().find(|page| page["url"] == "/docs/moved");
    let moved = moved.unwrap();
    assert_eq!((&moved["state"], &moved["reason"]), (&"redirected".into(), &"/docs/a.html".into()));
    assert!(moved["requested_ms"].as_i64().is_some_and(|ms| ms > 0), "{moved}");
    // Nothing links to it any more.
    site.server.page("/docs/", "Start.", &["moved"]);
    site.server.put("/docs/moved", Reply::new(404, "text/plain", "no"));
    site.ingest_to(3);
    assert!(said(&site, &["--state", "unseen"]).contains("/docs/a.html"), "{}", said(&site, &[]));
}

//! A crawl that is stopped or killed anywhere resumes with its queue, and requests no saved page
//! again.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use kbingest::support::checkpoint::Checkpoint;

use super::Site;
use super::server::Reply;
use crate::crash::{run, send, start};
use crate::support::{
    assert_cancelled, assert_same, assert_sound, dump, ingest, read_only, remove_kb, resume, rows,
    stop_at,
};
use crate::wait::{end_of, wait_until};

/// A tree of some 60 pages, four levels deep.
fn tree() -> Site {
    let site = Site::new();
    for number in 0..60_usize {
        let path = if number == 0 { "/docs/".to_owned() } else { format!("/docs/{number}.html") };
        let children = (1..=4).map(|child| number * 4 + child).filter(|child| *child < 60);
        let links: Vec<_> = children.map(|child| format!("{child}.html")).collect();
        let links: Vec<_> = links.iter().map(String::as_str).chain(["/docs/"]).collect();
        site.server.page(&path, &format!("Text number {number} of sixty."), &links);
    }
    site
}

/// Returns the URLs whose text is saved.
fn saved(site: &Site) -> HashSet<String> {
    let kb = site.place.kb();
    if !kb.exists() || read_only(&kb).prepare("SELECT * FROM frontier").is_err() {
        return HashSet::new();
    }
    let urls = rows(&kb, "SELECT url FROM frontier WHERE state IN ('fetched', 'unchanged')");
    urls.iter().map(|url| url.replace(&site.server.url(""), "")).collect()
}

fn assert_not_asked_again(site: &Site, saved: &HashSet<String>, context: &str) {
    let asked = site.server.take_pages();
    let again: Vec<_> = asked.iter().filter(|path| saved.contains(*path)).collect();
    assert!(again.is_empty(), "{context}: asked again: {again:?}");
    assert_eq!(asked.len() + saved.len(), 60, "{context}");
}

#[test]
fn a_stopped_crawl_goes_on_where_it_was() {
    let site = tree();
    let whole = site.place.config_into("whole.kb");
    assert_eq!(ingest(&whole, None).exit_code, 0);
    let expected = dump(&whole.kb);
    let config = site.place.config();
    let mut points = 0;
    let producer = [
        Checkpoint::BeforeStart,
        Checkpoint::BeforeBatch,
        Checkpoint::AfterSave,
        Checkpoint::AfterChunk,
        Checkpoint::AfterEnqueue,
    ];
    for checkpoint in producer {
        for visit in 1.. {
            remove_kb(&config.kb);
            site.server.take_asked();
            let report = ingest(&config, Some(&stop_at(Some(checkpoint), visit)));
            let context = format!("{checkpoint:?}, visit {visit}");
            if report.exit_code == 0 {
                break;
            }
            points += 1;
            assert_cancelled(&report, &context);
            let saved = saved(&site);
            site.server.take_asked();
            let report = if visit % 2 == 0 { ingest(&config, None) } else { resume(&config, None) };
            assert_eq!(report.exit_code, 0, "{context}: {report:#?}");
            assert_sound(&config.kb);
            assert_same(&dump(&config.kb), &expected, &context);
            if saved.len() < 60 {
                assert_not_asked_again(&site, &saved, &context);
            }
        }
    }
    assert!(points >= 20, "only {points} points");
}

/// Pages are not visited again, but belong to the run.
#[test]
fn a_resumed_crawl_counts_every_page() {
    let site = tree();
    site.ingest_to(0);
    let config = site.place.config();
    let report = ingest(&config, Some(&stop_at(Some(Checkpoint::AfterSave), 2)));
    assert_cancelled(&report, "the second batch");
    let metrics = resume(&config, None).run.unwrap().metrics;
    assert_eq!((metrics.documents_crawled, metrics.documents_unchanged), (60, 60));
}

#[test]
fn a_killed_crawl_goes_on_where_it_was() {
    let site = tree();
    let whole = site.place.config_into("whole.kb");
    assert_eq!(ingest(&whole, None).exit_code, 0);
    let expected = dump(&whole.kb);
    site.configure("max_concurrency = 2");
    // In the middle of a batch, and before and after one is saved: each level of the tree is a
    // batch.
    let requests = [1, 2, 3, 6, 7, 9, 14, 22, 23, 33, 47, 61, 63].map(|requests| (requests, 0));
    let saving = [1, 5, 21, 60].map(|pages| (0, pages));
    for (requests, pages) in requests.into_iter().chain(saving) {
        remove_kb(&site.place.kb());
        site.server.take_asked();
        let mut child = start(&["ingest", "--trust", "--progress", "none"], &site.place.toml());
        wait_until("requests and saved pages", || {
            site.server.count() >= requests && saved(&site).len() >= pages
                || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let saved = saved(&site);
        site.server.wait_for_the_gone();
        site.server.take_asked();
        assert_eq!(run(&["ingest", "--trust", "--progress", "none"], &site.place.toml()), Some(0));
        assert_sound(&site.place.kb());
        let context = format!("killed after {requests} requests and {pages} saved pages");
        assert_same(&site.place.dump(), &expected, &context);
        if saved.len() < 60 {
            assert_not_asked_again(&site, &saved, &context);
        }
    }
}

#[test]
fn a_signal_does_not_wait_for_a_slow_server() {
    let site = tree();
    site.configure("timeout = 3600");
    site.server.handle(|asked, _| {
        let silent = Reply { is_silent: true, ..Reply::html("never") };
        (asked.path == "/docs/2.html").then_some(silent)
    });
    let mut child = start(&["ingest", "--trust", "--progress", "none"], &site.place.toml());
    wait_until("the slow request", || site.server.has_been_asked("/docs/2.html"));
    send("INT", &child);
    assert_eq!(end_of(&mut child, "a stop").signal(), Some(2));
    site.server.handle_nothing();
    assert_eq!(run(&["ingest", "--trust", "--progress", "none"], &site.place.toml()), Some(0));
    assert_eq!(site.documents().len(), 60);
}

#[test]
fn cancel_does_not_wait_for_a_slow_server() {
    let site = tree();
    // The sitemap is fetched before the first page: even then, nothing has to be waited for.
    for slow in ["/docs/2.html", "/sitemap.xml"] {
        remove_kb(&site.place.kb());
        site.configure("sitemaps = ['auto']\ntimeout = 3600");
        site.server.take_asked();
        site.server.handle(move |asked, _| {
            let silent = Reply { is_silent: true, ..Reply::html("never") };
            (asked.path == slow).then_some(silent)
        });
        let mut child = start(&["ingest", "--trust", "--progress", "none"], &site.place.toml());
        wait_until("the slow request", || site.server.has_been_asked(slow));
        let cancel = Command::new(env!("CARGO_BIN_EXE_kbingest"))
            .args(["cancel", "-q"])
            .arg(site.place.toml())
            .status();
        assert!(cancel.unwrap().success(), "{slow}");
        assert_eq!(end_of(&mut child, slow).code(), Some(130), "{slow}");
    }
}

//! A crawl that is stopped or killed anywhere goes on with what was queued, and asks for no saved page again.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use kbingest::support::checkpoint::Checkpoint;

use super::Site;
use super::server::Reply;
use crate::crash::{run, send, start, wait_until};
use crate::support::{
    assert_cancelled, assert_same, assert_sound, dump, ingest, read_only, remove_kb, resume, rows,
    stop_at,
};

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

/// Returns the urls whose text is saved.
fn saved(site: &Site) -> HashSet<String> {
    let urls =
        rows(&site.place.kb(), "SELECT url FROM frontier WHERE state IN ('fetched', 'unchanged')");
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

#[test]
fn a_killed_crawl_goes_on_where_it_was() {
    let site = tree();
    let whole = site.place.config_into("whole.kb");
    assert_eq!(ingest(&whole, None).exit_code, 0);
    let expected = dump(&whole.kb);
    site.configure("max_concurrency = 2");
    // In the middle of a batch, and around the time at which one is saved: each level of the tree is one.
    let within = [1, 9, 33, 47, 61].map(|requests| (requests, 0));
    let saving =
        [2, 6, 22].into_iter().flat_map(|end| [1, 4, 8, 14, 22].map(|delay_ms| (end, delay_ms)));
    for (requests, delay_ms) in within.into_iter().chain(saving) {
        remove_kb(&site.place.kb());
        site.server.take_asked();
        let mut child = start(&["ingest", "--trust", "--progress", "none"], &site.place.toml());
        wait_until("requests", || site.server.count() >= requests);
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let has_frontier = site.place.kb().exists()
            && read_only(&site.place.kb()).prepare("SELECT * FROM frontier").is_ok();
        let saved = if has_frontier { saved(&site) } else { HashSet::new() };
        // What was on its way when the process died has arrived by now, or never will.
        let mut count = 0;
        wait_until("the last requests", || {
            let before = std::mem::replace(&mut count, site.server.count());
            std::thread::sleep(Duration::from_millis(30));
            before == count
        });
        site.server.take_asked();
        assert_eq!(run(&["ingest", "--trust", "--progress", "none"], &site.place.toml()), Some(0));
        assert_sound(&site.place.kb());
        let context = format!("killed {delay_ms} ms after {requests} requests");
        assert_same(&site.place.dump(), &expected, &context);
        if saved.len() < 60 {
            assert_not_asked_again(&site, &saved, &context);
        }
    }
}

#[test]
fn a_signal_does_not_wait_for_a_slow_server() {
    let site = tree();
    site.server.handle(|asked, _| {
        let slow = Reply { delay: Duration::from_secs(60), ..Reply::html("late") };
        (asked.path == "/docs/2.html").then_some(slow)
    });
    let mut child = start(&["ingest", "--trust", "--progress", "none"], &site.place.toml());
    wait_until("the slow request", || site.server.count() >= 4);
    let since = Instant::now();
    send("INT", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    site.server.handle_nothing();
    assert_eq!(run(&["ingest", "--trust", "--progress", "none"], &site.place.toml()), Some(0));
    assert_eq!(site.documents().len(), 60);
}

#[test]
fn cancel_does_not_wait_for_a_slow_server() {
    let site = tree();
    // The sitemap is fetched before the first page: even there, nothing has to be waited for.
    for slow in ["/docs/2.html", "/sitemap.xml"] {
        remove_kb(&site.place.kb());
        site.configure("sitemaps = ['auto']");
        site.server.take_asked();
        site.server.handle(move |asked, _| {
            let late = Reply { delay: Duration::from_secs(60), ..Reply::html("late") };
            (asked.path == slow).then_some(late)
        });
        let mut child = start(&["ingest", "--trust", "--progress", "none"], &site.place.toml());
        wait_until("the slow request", || site.server.has_been_asked(slow));
        let since = Instant::now();
        let cancel = Command::new(env!("CARGO_BIN_EXE_kbingest"))
            .args(["cancel", "-q"])
            .arg(site.place.toml())
            .status();
        assert!(cancel.unwrap().success(), "{slow}");
        assert_eq!(child.wait().unwrap().code(), Some(130), "{slow}");
        assert!(since.elapsed() < Duration::from_secs(30), "{slow}: {:?}", since.elapsed());
    }
}

//! A stop ends every wait of a request, and with it the threads of the crawl: when `ingest`
//! returns, no connection is open and no lookup is under way.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use kbingest::config::Config;
use kbingest::operations::{self, IngestOptions, RunReport, Session};
use kbingest::support::checkpoint::StopSignal;
use kbingest::support::events::Silent;

use super::Site;
use crate::support::{assert_cancelled, assert_sound};
use crate::wait::{PATIENCE, wait_for, wait_until};

/// Where a server stops to be helpful.
#[derive(Clone, Copy, Debug)]
enum Slow {
    /// It never answers.
    Silent,
    /// A header a byte at a time.
    Head,
    /// A body a byte at a time.
    Body,
    /// A body without a pause and without an end.
    Flood,
}

#[derive(Debug, PartialEq)]
enum Heard {
    Request,
    HungUp,
}

/// Serves every path but robots.txt in this way, and reports requests and clients that hang up.
fn serve(slow: Slow, report: &Sender<Heard>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let report = report.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let report = report.clone();
            std::thread::spawn(move || answer(stream, slow, &report));
        }
    });
    port
}

fn answer(mut stream: TcpStream, slow: Slow, report: &Sender<Heard>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut path = String::new();
        if reader.read_line(&mut path)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        if !path.contains("/robots.txt") {
            break;
        }
        stream.write_all(b"HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n")?;
    }
    let head = "HTTP/1.1 200 Ok\r\nContent-Type: text/html\r\nContent-Length: 1000000000\r\n";
    let (first, rest, pause) = match slow {
        Slow::Silent => ("", "", 0),
        Slow::Head => (head, "X-Pad: ", 50),
        Slow::Body => (head, "\r\n", 50),
        Slow::Flood => (head, "\r\n", 0),
    };
    stream.write_all(first.as_bytes())?;
    stream.write_all(rest.as_bytes())?;
    let _ = report.send(Heard::Request);
    if matches!(slow, Slow::Silent) {
        while reader.read(&mut [0]).is_ok_and(|count| count > 0) {}
    } else {
        let many = [b'x'; 4096];
        let part = if pause > 0 { &many[..1] } else { &many[..] };
        while stream.write_all(part).is_ok() {
            std::thread::sleep(Duration::from_millis(pause));
        }
    }
    let _ = report.send(Heard::HungUp);
    Ok(())
}

/// Runs an ingest, requests a stop as soon as `is_waiting` returns, and returns the report.
fn stop_while(config: &Config, is_waiting: impl FnOnce()) -> RunReport {
    let stop = Arc::new(StopSignal::default());
    let session = Session { stop: Arc::clone(&stop), events: &Silent, hook: None, embedder: None };
    let options = IngestOptions { threads: 1, ..IngestOptions::default() };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| operations::ingest(config, &options, &session).unwrap());
        is_waiting();
        stop.request();
        wait_until("the end of the run", || run.is_finished());
        run.join().unwrap()
    })
}

fn config(site: &Site, start: &str, keys: &str) -> Config {
    site.configure_all(&format!(
        "start_urls = ['{start}']\nprivate_hosts = ['127.0.0.1']\nrequests_per_second = 1000\n\
         timeout = 3600\nmax_page_size = '1GiB'\n{keys}"
    ));
    site.place.config()
}

#[test]
fn a_stop_ends_every_request() {
    for slow in [Slow::Silent, Slow::Head, Slow::Body, Slow::Flood] {
        // A sitemap is fetched on another thread than a page.
        for keys in ["", "sitemaps = ['auto']"] {
            let (report, heard) = channel();
            let port = serve(slow, &report);
            let site = Site::new();
            let config = config(&site, &format!("http:{}127.0.0.1:{port}/docs/", "//"), keys);
            let next = || heard.recv_timeout(PATIENCE).unwrap();
            let report = stop_while(&config, || assert_eq!(next(), Heard::Request));
            assert_cancelled(&report, &format!("{slow:?} {keys}"));
            assert_eq!(next(), Heard::HungUp, "{slow:?} {keys}");
            assert_sound(&config.kb);
        }
    }
}

/// Returns whether this machine waits for a connection to `port`: state SYN_SENT.
#[cfg(target_os = "linux")]
fn is_connecting_to(port: u16) -> bool {
    let connections = fs::read_to_string("/proc/net/tcp").unwrap();
    let is_one = |line: &str| {
        let mut parts = line.split_whitespace().skip(2);
        let remote = parts.next().unwrap_or_default();
        remote.ends_with(&format!(":{port:04X}")) && parts.next() == Some("02")
    };
    connections.lines().any(is_one)
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_ends_the_wait_for_a_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts, and the queue is full.
    rustix::net::listen(&listener, 0).unwrap();
    let mut filling = Vec::new();
    let soon = Duration::from_millis(100);
    while let Ok(stream) = TcpStream::connect_timeout(&address, soon) {
        filling.push(stream);
        assert!(filling.len() < 100, "the queue of connections has no end");
    }
    let port = address.port();
    let site = Site::new();
    let config = config(&site, &format!("http:{}127.0.0.1:{port}/docs/", "//"), "");
    let is_waiting = || wait_until("a connection", || is_connecting_to(port));
    assert_cancelled(&stop_while(&config, is_waiting), "a connection");
    assert!(!is_connecting_to(port));
}

/// A program that stands for this one, and whose lookup takes a minute.
#[test]
fn a_stop_ends_a_lookup() {
    let site = Site::new();
    let program = site.place.path("lookup.sh");
    let record = site.place.path("lookup.txt");
    let script = format!("#!/bin/sh\necho $$ \"$@\" > '{}'\nexec sleep 60\n", record.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let mut config = config(&site, &format!("http:{}docs.kbingest.invalid/", "//"), "");
    config.extract.program = Some(program);
    let mut pid = String::new();
    let report = stop_while(&config, || {
        let lookup = wait_for("a lookup", || {
            let text = fs::read_to_string(&record).ok()?;
            text.ends_with('\n').then_some(text)
        });
        let (first, rest) = lookup.trim().split_once(' ').unwrap();
        assert_eq!(rest, "look-up docs.kbingest.invalid");
        pid = first.to_owned();
    });
    assert_cancelled(&report, "a lookup");
    let is_running = std::process::Command::new("kill").args(["-0", &pid]).status().unwrap();
    assert!(!is_running.success(), "the lookup {pid} outlives its run");
}

//! `kbingest serve`: HTTP through the real binary, by a client that writes requests itself.

mod pages;
mod runs;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use kbingest::kb::Query;
use kbingest::operations::{self, Target};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Place, ingest, markdown, program};
use crate::wait::{PATIENCE, end_of};

/// A server of its own.
struct Server {
    child: Child,
    address: String,
}

/// An answer.
#[derive(Debug)]
struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn has_header(&self, line: &str) -> bool {
        self.head.lines().any(|one| one.eq_ignore_ascii_case(line))
    }
}

impl Server {
    fn of(targets: &[&Path], arguments: &[&str]) -> Self {
        let mut command = program();
        command.args(["serve", "--port", "0"]).args(arguments).args(targets).stdin(Stdio::null());
        Self::start(&mut command)
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .env("KB_TOKEN", "a token of the tests")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `request` without its end, and returns the answer.
    fn send(&self, request: &str) -> Response {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn get_with(&self, path: &str, headers: &str) -> Response {
        self.send(&format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n"))
    }

    fn get(&self, path: &str) -> Response {
        self.get_with(path, &format!("Host: {}\r\n", self.address))
    }

    fn post(&self, path: &str, body: &str) -> Response {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nConnection: close\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        ))
    }

    fn stop(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        end_of(&mut self.child, "serve")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn harbour() -> Place {
    let place = Place::new();
    place.write("pilots.md", "# Pilots\n\nShips wait for the pilot at the outer buoy.\n");
    place.write("a b/<b>.md", "# <script>alert(1)</script>\n\nRopes & knots.\n");
    place.write("rules.md", markdown(7, 12, "mooring"));
    ingest(&place.config(), None);
    place
}

#[test]
fn a_search_is_the_report_of_the_command() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let query = Query {
        show: kbingest::kb::Show { limit: 8, ..Default::default() },
        ..Query::new("pilot mooring")
    };
    let report = operations::search(&Target::from(place.config()), &query).unwrap();
    // As text, and parsed like the answer: to the last digit, numbers depend on it.
    let report = serde_json::to_string(&report).unwrap();
    let mut expected: Value = serde_json::from_str(&report).unwrap();
    expected["knowledge_base"] = json!("kb");
    let found = server.get("/search?q=pilot+mooring");
    assert_eq!((found.status, found.json()), (200, expected.clone()));
    assert!(found.has_header("content-type: application/json"), "{found:?}");
    assert_eq!(server.post("/search", r#"{"query": "pilot mooring"}"#).json(), expected);
    let filtered = server.get("/search?q=ropes&path=a+b/*&path=x&mode=text&k=1&context=1").json();
    assert_eq!(filtered["hits"][0]["uri"], "a b/<b>.md");
}

#[test]
fn errors_have_stable_codes() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let long = format!("/search?q={}", "x".repeat(40_000));
    for (path, status, code) in [
        ("/nothing", 404, "not_found"),
        ("/documents/kb/docs/missing.md", 404, "not_found"),
        ("/documents/other/docs/pilots.md", 404, "unknown_kb"),
        ("/documents/kb/docs/../../etc/passwd", 404, "not_found"),
        ("/search", 400, "bad_request"),
        ("/search?q=", 400, "bad_request"),
        ("/search?q=a&k=x", 400, "bad_request"),
        ("/search?q=a&k=1&k=2", 400, "bad_request"),
        ("/search?q=a&nothing=1", 400, "bad_request"),
        ("/search?q=a&max_tokens=500", 400, "bad_request"),
        ("/search?q=a&source=x", 404, "unknown_source"),
        ("/documents?limit=0", 400, "bad_request"),
        ("/status?kb=x", 404, "unknown_kb"),
        (long.as_str(), 400, "bad_request"),
    ] {
        let response = server.get(path);
        assert_eq!(response.status, status, "{path}: {response:?}");
        assert_eq!(response.json()["code"], code, "{path}");
        assert!(!response.json()["message"].as_str().unwrap().is_empty(), "{path}");
    }
    let response = server.post("/status", "{}");
    assert_eq!((response.status, &response.json()["code"]), (405, &json!("method_not_allowed")));
    let response = server.post("/search", "{bad");
    assert_eq!((response.status, &response.json()["code"]), (400, &json!("bad_request")));
    let huge = format!("{{\"query\": \"{}\"}}", "x".repeat(1 << 20));
    let response = server.post("/search", &huge);
    assert_eq!((response.status, &response.json()["code"]), (413, &json!("too_large")));
    // Still there.
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn documents_are_text_that_nothing_is_done_with() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let response = server.get("/documents/kb/docs/a%20b/%3Cb%3E.md");
    assert_eq!(response.body, "# <script>alert(1)</script>\n\nRopes & knots.\n");
    for header in [
        "content-type: text/plain; charset=utf-8",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'; sandbox",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(response.has_header(header), "{header}: {}", response.head);
    }
    assert!(!response.head.to_lowercase().contains("access-control-"), "{}", response.head);
    let listed = server.get("/documents?path=*.md&limit=1").json();
    assert_eq!(listed["documents"][0]["uri"], "pilots.md");
    let cursor = listed["next_cursor"].as_str().unwrap().replace(':', "%3A");
    let rest = server.get(&format!("/documents?path=*.md&cursor={cursor}")).json();
    assert_eq!(rest["documents"][0]["uri"], "rules.md");
    let chunks = server.get("/chunks/kb/docs/rules.md").json();
    let text = markdown(7, 12, "mooring");
    for chunk in chunks["chunks"].as_array().unwrap() {
        let byte = |name: &str| usize::try_from(chunk[name].as_u64().unwrap()).unwrap();
        assert_eq!(chunk["text"], text[byte("start_byte")..byte("end_byte")]);
    }
}

#[test]
fn status_health_counters_and_description() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let status = server.get("/status").json();
    let mut expected =
        serde_json::to_value(operations::status(&Target::from(place.config())).unwrap()).unwrap();
    expected["knowledge_base"] = json!("kb");
    // The log exists as long as the server has the file open.
    expected["statistics"]["wal_bytes"] =
        status["knowledge_bases"][0]["statistics"]["wal_bytes"].clone();
    assert_eq!(status["knowledge_bases"], json!([expected]));
    server.get("/search?q=pilot");
    let metrics = server.get("/metrics").body;
    for line in [
        "kbingest_requests_total{route=\"/search\",status=\"200\"} 1",
        "kbingest_documents{kb=\"kb\"} 3",
        "# TYPE kbingest_requests_total counter",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    let described = server.get("/openapi.json").json();
    assert_eq!(described["openapi"], "3.1.0");
    for path in described["paths"].as_object().unwrap().keys().filter(|path| !path.contains('{')) {
        assert_ne!(server.get(path).status, 404, "{path}");
    }
    std::fs::rename(place.kb(), place.path("away.kb")).unwrap();
    let health = server.get("/healthz");
    assert_eq!((health.status, &health.json()["code"]), (503, &json!("unavailable")));
}

#[test]
fn pages_of_strangers_are_refused() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &["--allow-host", "kb.example.org"]);
    let own = &server.address;
    for (headers, status) in [
        (format!("Host: {own}\r\n"), 200),
        ("Host: localhost\r\n".to_owned(), 200),
        ("Host: kb.example.org\r\n".to_owned(), 200),
        ("Host: evil.example.org\r\n".to_owned(), 403),
        (format!("Host: {own}\r\nOrigin: http://{own}\r\n"), 200),
        (format!("Host: {own}\r\nOrigin: http://evil.example.org\r\n"), 403),
        (format!("Host: {own}\r\nOrigin: null\r\n"), 403),
    ] {
        for path in ["/search?q=pilot", "/healthz"] {
            let response = server.get_with(path, &headers);
            assert_eq!(response.status, status, "{path} {headers}: {response:?}");
        }
    }
}

#[test]
fn a_token_is_required_if_there_is_one() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &["--token-env", "KB_TOKEN"]);
    for (authorization, status) in [
        ("", 401),
        ("Authorization: Bearer a token of the tests\r\n", 200),
        ("Authorization: bearer a token of the tests\r\n", 200),
        ("Authorization: Bearer a token of the test\r\n", 401),
        ("Authorization: Basic a token of the tests\r\n", 401),
        // The password of a browser's user `ann`, and another password.
        ("Authorization: Basic YW5uOmEgdG9rZW4gb2YgdGhlIHRlc3Rz\r\n", 200),
        ("Authorization: Basic YW5uOmEgdG9rZW4gb2YgdGhlIHRlc3Q=\r\n", 401),
    ] {
        let headers = format!("Host: localhost\r\n{authorization}");
        let answer = server.get_with("/status", &headers);
        assert_eq!(answer.status, status, "{authorization}");
        let asks = answer.has_header("www-authenticate: Bearer, Basic realm=\"kbingest\"");
        assert_eq!(asks, status == 401, "{answer:?}");
        assert_eq!(server.get_with("/healthz", &headers).status, 200);
    }
    let refused = program()
        .args(["serve", "--port", "0", "--host", "0.0.0.0"])
        .arg(place.kb())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let unset = program().args(["serve", "--token-env", "KB_NO_SUCH"]).arg(place.kb()).output();
    assert_eq!(unset.unwrap().status.code(), Some(2));
}

#[test]
fn agents_are_answered_over_http() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "search", "arguments": {"query": "pilot", "k": 1}},
    });
    let answer = server.post("/mcp", &call.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let hit = answer.json()["result"]["structuredContent"]["hits"][0].clone();
    assert_eq!(hit["uri"], "pilots.md");
    let huge = format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(server.post("/mcp", &huge).status, 413);
}

#[test]
fn it_sees_runs_and_ends_at_a_signal() {
    let place = harbour();
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::of(&[&place.kb()], &[]);
        let name = format!("{}.md", signal.as_raw());
        let finds = || server.get("/search?q=helicopter&mode=text").body.contains(&name);
        assert!(!finds());
        place.write(&name, "# Helicopter\n\nBy helicopter.\n");
        ingest(&place.config(), None);
        assert!(finds());
        // An open connection does not keep it.
        let idle = server.connect();
        assert!(server.stop(signal).success());
        drop(idle);
    }
}

#[test]
fn it_uses_the_socket_of_systemd() {
    let place = harbour();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" serve \"$1\" 3<&0 0</dev/null")
        .arg(program().get_program())
        .arg(place.kb())
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let server = Server::start(&mut command);
    assert_eq!(server.address, address);
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn slow_and_idle_clients_hinder_nobody() {
    let place = harbour();
    let server = Server::of(&[&place.toml()], &[]);
    let slow = |request: String| {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let idle: Vec<_> = (0..200).map(|_| slow(String::new())).collect();
    let heads: Vec<_> = (0..100).map(|_| slow("GET / HTTP/1.1\r\nHost: lo".to_owned())).collect();
    let head = "POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{";
    let bodies: Vec<_> = (0..200).map(|_| slow(head.to_owned())).collect();
    assert_eq!(server.get("/search?q=pilot").status, 200);
    let end_of = |mut stream: TcpStream| {
        let mut answer = String::new();
        // A reset is an end, too.
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    // Each is closed by the server.
    let last = |streams: Vec<TcpStream>| streams.into_iter().map(end_of).next_back().unwrap();
    assert_eq!(last(idle), "");
    assert_eq!(last(heads), "");
    let answer = last(bodies);
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("\"timeout\""), "{answer}");
    assert_eq!(server.get("/search?q=pilot").status, 200);
}

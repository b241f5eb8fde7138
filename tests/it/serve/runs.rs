//! Runs over HTTP: real processes, started, followed, cancelled, and stopped with the server.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Response, Server, harbour};
use crate::support::{Gate, Place, gated};
use crate::wait::wait_for;

const ALLOWED: [&str; 2] = ["--allow-runs", "--trust"];

/// A knowledge base that has a new document, and one behind a gate.
fn waiting() -> (Place, Gate) {
    let place = harbour();
    place.write("late.md", "# Late\n\nThe lateen sail.\n");
    let gate = gated(&place);
    (place, gate)
}

fn refused(response: &Response) -> (u16, Value) {
    (response.status, response.json()["code"].clone())
}

fn run_of(response: &Response) -> Value {
    response.json()["run"].clone()
}

fn ended(server: &Server, path: &str) -> Value {
    wait_for("the run ends", || {
        let run = run_of(&server.get(path));
        (!run["ended_ms"].is_null()).then_some(run)
    })
}

#[test]
fn a_run_is_started_and_followed() {
    let (place, gate) = waiting();
    let server = Server::of(&[&place.toml()], &ALLOWED);
    assert_eq!(server.get("/runs").json()["runs"].as_array().unwrap().len(), 1);
    let started = server.post("/runs", "");
    assert_eq!(started.status, 202, "{started:?}");
    assert!(started.has_header("location: /runs/2?kb=kb"), "{started:?}");
    assert_eq!(started.json()["knowledge_base"], "kb");
    gate.wait_until_reached();
    let run = run_of(&server.get("/runs/2?kb=kb"));
    assert_eq!((&run["id"], &run["status"]), (&json!(2), &json!("running")));
    assert_eq!(refused(&server.post("/runs", "")), (409, json!("conflict")));
    gate.open();
    let run = ended(&server, "/runs/2");
    assert_eq!(run["status"], "completed");
    assert_eq!(run["metrics"]["documents_new"], 2);
    assert!(server.get("/search?q=lateen&mode=text").body.contains("late.md"));
    let again = server.post("/runs", "");
    assert_eq!((again.status, &run_of(&again)["id"]), (202, &json!(3)));
    assert_eq!(ended(&server, "/runs/3")["metrics"]["documents_unchanged"], 5);
    let listed = server.get("/runs?limit=2").json();
    let ids: Vec<_> = listed["runs"].as_array().unwrap().iter().map(|run| &run["id"]).collect();
    assert_eq!(ids, [3, 2]);
}

#[test]
fn a_run_is_cancelled_and_continued() {
    let (place, gate) = waiting();
    let server = Server::of(&[&place.toml()], &ALLOWED);
    server.post("/runs", "");
    gate.wait_until_reached();
    assert_eq!(refused(&server.post("/runs/1/cancel", "")), (409, json!("conflict")));
    let cancelled = server.post("/runs/2/cancel", "");
    assert_eq!((cancelled.status, &run_of(&cancelled)["status"]), (200, &json!("cancelled")));
    assert_eq!(refused(&server.post("/runs/2/cancel", "")), (409, json!("conflict")));
    gate.open();
    let continued = wait_for("the process has ended", || {
        Some(server.post("/runs", "")).filter(|answer| answer.status == 202)
    });
    assert_eq!(run_of(&continued)["id"], 2);
    assert_eq!(ended(&server, "/runs/2")["status"], "completed");
    place.assert_equals_fresh_ingest();
}

#[test]
fn a_run_is_stopped_with_the_server_and_continued() {
    let (place, gate) = waiting();
    let server = Server::of(&[&place.toml()], &ALLOWED);
    server.post("/runs", "");
    gate.wait_until_reached();
    assert!(server.stop(Signal::TERM).success());
    let server = Server::of(&[&place.toml()], &ALLOWED);
    // At the end of the server, the run has ended, too.
    assert_eq!(run_of(&server.get("/runs/2"))["status"], "cancelled");
    gate.open();
    assert_eq!(run_of(&server.post("/runs", ""))["id"], 2);
    assert_eq!(ended(&server, "/runs/2")["status"], "completed");
    place.assert_equals_fresh_ingest();
}

#[test]
fn who_may_start_runs() {
    let (place, _gate) = waiting();
    let server = Server::of(&[&place.toml()], &[]);
    for path in ["/runs", "/runs/1/cancel"] {
        assert_eq!(refused(&server.post(path, "")), (403, json!("forbidden")), "{path}");
    }
    assert_eq!(refused(&server.get("/runs/7")), (404, json!("not_found")));
    assert_eq!(refused(&server.get("/runs/x")), (400, json!("bad_request")));
    assert_eq!(refused(&server.get("/runs?limit=0")), (400, json!("bad_request")));
    drop(server);
    // Nobody has allowed the command of this kb.toml.
    let server = Server::of(&[&place.toml()], &["--allow-runs"]);
    assert_eq!(refused(&server.post("/runs", "")), (503, json!("unavailable")));
    let stranger = server.send(&format!(
        "POST /runs HTTP/1.1\r\nConnection: close\r\nHost: {}\r\nContent-Length: 0\r\n\
         Origin: http://evil.example.org\r\n\r\n",
        server.address
    ));
    assert_eq!(refused(&stranger), (403, json!("forbidden")));
    assert_eq!(server.get("/runs").json()["runs"].as_array().unwrap().len(), 1);
    drop(server);
    let server = Server::of(&[&place.kb()], &ALLOWED);
    assert_eq!(refused(&server.post("/runs", "")), (400, json!("bad_request")));
    drop(server);
    let server = Server::of(&[&place.toml()], &["--allow-runs", "--token-env", "KB_TOKEN"]);
    assert_eq!(refused(&server.post("/runs", "")), (401, json!("unauthorized")));
}

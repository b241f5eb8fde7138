//! Keys of servers: where they go, and where not; through the real binary.

use std::fs;
use std::process::{Command, Output};

use super::server::{Answer, ModelServer};
use super::{error, place};
use crate::support::{Place, program};
use crate::wait::output_of;
use crate::web::server::Reply;

const KEY: &str = "hush-4711-secret";

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = program();
    command
        .args(arguments)
        .current_dir(place.path(""))
        .env("TEST_KEY", KEY)
        .env("TEST_TEAM", "team-0815");
    command.env("XDG_STATE_HOME", place.path("state")).env("XDG_CACHE_HOME", place.path("caches"));
    command.env_remove("KBINGEST_TRUST");
    command
}

fn run(place: &Place, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = output_of(&mut command(place, arguments), "kbingest");
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

const KEYS: &str = "key_env = 'TEST_KEY'\nheaders = ['X-Team=TEST_TEAM']\ngive_up_after = 0";

#[test]
fn a_key_goes_to_the_server_and_nowhere_else() {
    let (model, other) = (ModelServer::start(), ModelServer::start());
    let place = place(&model, KEYS);
    let elsewhere = other.server.url("/v1/embeddings");
    let said =
        format!("no key {KEY}, team-0815: https:{}me:{KEY}@example.org/?api_key={KEY}", "//");
    let ends = [
        (Answer::Other(Reply { status: 307, ..Reply::redirect(&elsewhere) }), 31),
        (error(401, &said), 31),
        (error(400, &said), 31),
        (error(500, &said), 30),
        (Answer::Other(Reply::new(200, "text/html", said.clone())), 31),
        (Answer::Right, 0),
    ];
    for (answer, code) in ends {
        model.answer(move |_, _| answer.clone());
        let (ended, said) = run(&place, &["ingest", "--trust", "-vv", "--json"]);
        assert_eq!(ended, Some(code), "{said}");
        assert!(!said.contains(KEY) && !said.contains("team-0815"), "{said}");
        let (_, said) = run(&place, &["status", "--json"]);
        assert!(!said.contains(KEY) && !said.contains("team-0815"), "{said}");
        for name in ["kb.kb", "kb.kb-wal"] {
            let bytes = fs::read(place.path(name)).unwrap_or_default();
            assert!(!bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()), "{name}");
        }
    }
    assert_eq!(other.server.count(), 0, "no redirect is followed");
    for (request, _) in model.take() {
        let header = |name: &str| request.asked.headers.get(name).map(String::as_str);
        assert_eq!(header("authorization"), Some(&*format!("Bearer {KEY}")));
        assert_eq!(header("x-team"), Some("team-0815"));
    }
}

#[test]
fn a_key_that_is_not_set_is_reported_before_anything_is_sent() {
    let model = ModelServer::start();
    let place = place(&model, KEYS);
    let mut command = command(&place, &["ingest", "--trust"]);
    let output = output_of(command.env_remove("TEST_KEY"), "kbingest");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(31), "{said}");
    assert!(said.contains("the environment variable TEST_KEY is not set"), "{said}");
    assert_eq!(model.count(), 0);
}

#[test]
fn a_strangers_file_sends_nothing_before_it_is_allowed() {
    let model = ModelServer::start();
    let place = place(&model, KEYS);
    for arguments in [&["ingest"][..], &["resume"]] {
        let (code, said) = run(&place, arguments);
        assert_eq!(code, Some(2), "{said}");
        for words in [
            "[embed.http]: sends the texts of all documents, and of queries, to",
            "[embed.http]: connects to a host that may not be public",
            "sends the environment variable TEST_KEY in the header Authorization to",
            "sends the environment variable TEST_TEAM in the header X-Team to",
            "kbingest trust kb.toml",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    assert_eq!(run(&place, &["trust", "kb.toml"]).0, Some(0));
    assert_eq!(run(&place, &["ingest"]).0, Some(0));
    assert_eq!(run(&place, &["search", "word3"]).0, Some(0));
    model.take();
    // Searches send the query.
    place.reconfigure("dim =", "# another content\ndim =");
    assert_eq!(run(&place, &["search", "word3"]).0, Some(2));
    assert_eq!(run(&place, &["search", "word3", "--mode", "text"]).0, Some(0));
    assert_eq!(model.count(), 0);
    assert_eq!(run(&place, &["search", "word3", "--trust"]).0, Some(0));
    assert_eq!(model.take().len(), 2, "a probe and the query");
    assert_eq!(model.count(), 0);
}

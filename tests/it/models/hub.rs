//! `kbingest model`, with a hub on loopback: what is fetched, kept, verified and refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::support::{Place, SETTINGS, program};
use crate::wait::end_of;
use crate::web::server::{Reply, Server};

const COMMIT: &str = "1234567890abcdef";
const LOCK: &str = "kbingest-models.lock";

/// A hub with the model `owner/tiny`, and a folder whose kb.toml names it.
struct Hub {
    server: Server,
    place: Place,
}

impl Hub {
    fn new() -> Self {
        let hub = Self { server: Server::start(), place: Place::in_memory() };
        hub.configure("");
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/tiny");
        for path in ["onnx/model.onnx", "tokenizer.json", "config.json", "modules.json"] {
            hub.put(path, &fs::read(model.join(path)).unwrap());
        }
        // What a branch is now.
        let tokens = fs::read(model.join("tokenizer.json")).unwrap();
        hub.server.put("/owner/tiny/resolve/main/tokenizer.json", reply(&tokens));
        hub
    }

    fn configure(&self, settings: &str) {
        let onnx = format!("[embed.onnx]\nmodel = 'hf:owner/tiny'\n{settings}");
        self.place.configure(&SETTINGS.replace("[embed.hash]\ndim = 64", &onnx));
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        self.server.put(&address(path), reply(bytes));
    }

    /// Returns `kbingest` with these arguments and the kb.toml.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).arg(self.place.toml()).env("HF_ENDPOINT", self.server.url(""));
        command.env("XDG_CACHE_HOME", self.place.path("cache")).env("NO_PROXY", "*");
        command
    }

    fn fetch_to(&self, code: i32) -> String {
        self.to(code, &["model", "fetch"], &[])
    }

    fn to(&self, code: i32, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let output = self.command(arguments).envs(environment.iter().copied()).output().unwrap();
        let all = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(code), "{all:?}");
        all.concat()
    }

    fn file(&self, path: &str) -> PathBuf {
        self.place.path("cache/kbingest/models/owner--tiny").join(COMMIT).join(path)
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.place.path(LOCK)).unwrap()
    }
}

fn address(path: &str) -> String {
    format!("/owner/tiny/resolve/{COMMIT}/{path}")
}

fn reply(bytes: &[u8]) -> Reply {
    Reply::new(200, "application/octet-stream", bytes).with("X-Repo-Commit", COMMIT)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_model_is_fetched_once_and_its_content_is_fixed() {
    let hub = Hub::new();
    hub.fetch_to(0);
    let graph = fs::read(hub.file("onnx/model.onnx")).unwrap();
    let lock = hub.lock();
    assert!(lock.contains(&format!("commit = \"{COMMIT}\"")), "{lock}");
    assert!(lock.contains(&format!("\"onnx/model.onnx\" = \"{}\"", sha256(&graph))), "{lock}");
    assert!(!lock.contains("1_Pooling"), "{lock}");
    hub.server.take_paths();
    hub.to(0, &["model", "verify"], &[]);
    assert_eq!(hub.server.take_paths(), [""; 0]);

    // Another content is refused, here and from the hub.
    let expected = format!("{} is expected", sha256(&graph));
    fs::write(hub.file("onnx/model.onnx"), "other").unwrap();
    assert!(hub.to(31, &["model", "verify"], &[]).contains(&expected));
    assert!(hub.fetch_to(31).contains(&expected));
    fs::remove_file(hub.file("onnx/model.onnx")).unwrap();
    assert!(hub.to(31, &["model", "verify"], &[]).contains("kbingest model fetch"));
    hub.put("onnx/model.onnx", b"other");
    assert!(hub.fetch_to(31).contains(&expected));
    assert!(!hub.file("onnx/model.onnx").exists());
    assert_eq!(hub.lock(), lock);

    hub.put("onnx/model.onnx", &graph);
    hub.fetch_to(0);
    assert_eq!(hub.lock(), lock);
}

#[test]
fn kb_toml_can_fix_the_content_before_the_first_fetch() {
    let hub = Hub::new();
    hub.configure("hashes = { 'tokenizer.json' = 'abc' }");
    assert!(hub.fetch_to(31).contains("abc is expected"));
    assert!(!hub.place.path(LOCK).exists());
}

#[test]
fn an_interrupted_download_is_continued() {
    let hub = Hub::new();
    let graph: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let whole = graph.clone();
    hub.server.handle(move |asked, earlier| {
        if asked.path != address("onnx/model.onnx") {
            return None;
        }
        let from = asked.headers.get("range").map_or(0, |range| {
            range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap()
        });
        let rest = &whole[from..];
        let status = if from == 0 { 200 } else { 206 };
        // Twice the connection is lost after a part.
        let sent = if earlier < 2 { &rest[..rest.len() / 2] } else { rest };
        let reply = Reply::new(status, "application/octet-stream", sent);
        let range = format!("bytes {from}-{}/{}", whole.len() - 1, whole.len());
        let reply = reply.with("X-Repo-Commit", COMMIT).with("Content-Range", &range);
        Some(Reply { length: Some(rest.len()), ..reply })
    });
    hub.fetch_to(0);
    assert_eq!(fs::read(hub.file("onnx/model.onnx")).unwrap(), graph);
    let asked = hub.server.take_asked();
    let ranges: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path == address("onnx/model.onnx"))
        .map(|asked| asked.headers.get("range").cloned())
        .collect();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert!(ranges[0].is_none() && ranges[1].is_some() && ranges[2].is_some(), "{ranges:?}");
}

#[test]
fn the_key_goes_to_the_hub_alone() {
    let hub = Hub::new();
    let elsewhere = Server::start();
    let graph = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/tiny/onnx/model.onnx"),
    );
    elsewhere.put("/file", reply(&graph.unwrap()));
    hub.server.put(&address("onnx/model.onnx"), Reply::redirect(&elsewhere.url("/file")));
    hub.to(0, &["model", "fetch"], &[("HF_TOKEN", "secret-key")]);
    let key = |server: &Server| {
        let asked = server.take_asked();
        let keys = asked.iter().filter_map(|asked| asked.headers.get("authorization").cloned());
        keys.collect::<Vec<_>>()
    };
    assert!(key(&hub.server).iter().all(|key| key == "Bearer secret-key"));
    assert_eq!(key(&elsewhere), [""; 0]);
    assert!(hub.file("onnx/model.onnx").exists());
}

#[test]
fn what_cannot_be_fetched_says_why() {
    let hub = Hub::new();
    let message = hub.to(31, &["model", "fetch"], &[("HF_HUB_OFFLINE", "1")]);
    assert!(message.contains("HF_HUB_OFFLINE"), "{message}");
    let deny = |status| move |_: &_, _| Some(Reply::new(status, "text/plain", ""));
    for (status, code, expected) in
        [(401, 31, "HF_TOKEN"), (404, 31, "check owner, name and revision"), (503, 30, "503")]
    {
        hub.server.handle(deny(status));
        let message = hub.fetch_to(code);
        assert!(message.contains(expected), "{message}");
    }
    hub.server.handle_nothing();
    hub.server.remove(&address("onnx/model.onnx"));
    let message = hub.fetch_to(31);
    assert!(message.contains("no onnx/model.onnx and no model.onnx"), "{message}");
    // A lock file comes with a folder that may be a stranger's.
    let entry = "[[model]]\nname = \"hf:owner/tiny@main\"\ncommit = \"a\"\n[model.files]\n\"../x\" = \"y\"\n";
    fs::write(hub.place.path(LOCK), entry).unwrap();
    let message = hub.fetch_to(31);
    assert!(message.contains("is not valid"), "{message}");
}

/// A server that sends the beginning again, as if it were the rest.
#[test]
fn a_wrong_part_is_not_appended() {
    let hub = Hub::new();
    let graph: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
    let whole = graph.clone();
    hub.server.handle(move |asked, earlier| {
        if asked.path != address("onnx/model.onnx") {
            return None;
        }
        let status = if asked.headers.contains_key("range") { 206 } else { 200 };
        let sent = if earlier == 0 { &whole[..1000] } else { &whole[..] };
        let range = format!("bytes 0-{}/{}", whole.len() - 1, whole.len());
        let reply = Reply::new(status, "application/octet-stream", sent);
        let reply = reply.with("X-Repo-Commit", COMMIT).with("Content-Range", &range);
        Some(Reply { length: Some(whole.len()), ..reply })
    });
    hub.fetch_to(0);
    assert_eq!(fs::read(hub.file("onnx/model.onnx")).unwrap(), graph);
}

#[test]
fn two_processes_fetch_the_same_model() {
    let hub = Hub::new();
    let start = |_| hub.command(&["model", "fetch"]).spawn().unwrap();
    for mut fetch in (0..3).map(start).collect::<Vec<_>>() {
        assert!(end_of(&mut fetch, "a fetch").success());
    }
    hub.to(0, &["model", "verify"], &[]);
}

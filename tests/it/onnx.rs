//! Transformers in this process, by a tiny model with random weights: its vectors against those of
//! onnxruntime (tests/data/onnx/make.py), runs with it, folders that are no models.

mod cross_encoder;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kbingest::embed::{self, EmbedConfig, Embedder, Role, Setting, unit_vectors};
use kbingest::operations::{self, IngestOptions, Session};
use kbingest::support::events::Silent;
use serde::Deserialize;
use tempfile::TempDir;

use crate::support::{Place, SETTINGS, assert_same, markdown, program, rows};
use crate::web::server::{Reply, Server};

/// Least cosine of a vector and the reference's: processors differ in the last digits.
const SAME: f32 = 0.9999;

/// A line of golden.jsonl.
#[derive(Deserialize)]
struct Golden {
    role: String,
    text: String,
    vector: Vec<f32>,
}

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/tiny")
}

fn config(folder: &Path) -> EmbedConfig {
    let text = format!("onnx.model = {folder:?}");
    toml::from_str::<EmbedConfig>(&text).unwrap()
}

fn open(folder: &Path) -> Box<dyn Embedder> {
    embed::open(&config(folder), &Setting::default()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A copy of the tiny model that a test may change.
fn copy() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["config.json", "tokenizer.json", "modules.json", "sentence_bert_config.json"] {
        fs::copy(tiny().join(name), folder.path().join(name)).unwrap();
    }
    fs::create_dir(folder.path().join("1_Pooling")).unwrap();
    fs::copy(tiny().join("1_Pooling/config.json"), folder.path().join("1_Pooling/config.json"))
        .unwrap();
    fs::copy(tiny().join("onnx/model.onnx"), folder.path().join("model.onnx")).unwrap();
    folder
}

#[test]
fn vectors_are_those_of_the_reference() {
    let embedder = open(&tiny());
    assert_eq!(embedder.model().dim, 16);
    for line in include_str!("../data/onnx/golden.jsonl").lines() {
        let golden: Golden = serde_json::from_str(line).unwrap();
        let role = if golden.role == "query" { Role::Query } else { Role::Document };
        let found = unit_vectors(&*embedder, &[&golden.text], role).unwrap();
        let found = found.rows().next().unwrap();
        let same = cosine(found, &golden.vector);
        assert!(same > SAME, "{} {:?}: {same}", golden.role, golden.text);
    }
}

#[test]
fn a_vector_does_not_depend_on_the_other_texts_of_its_call() {
    let embedder = open(&tiny());
    let texts = ["zero", "The tide falls", "ships and boats of the port at night", "west"];
    let together = unit_vectors(&*embedder, &texts, Role::Document).unwrap();
    for (text, row) in texts.iter().zip(together.rows()) {
        let alone = unit_vectors(&*embedder, &[text], Role::Document).unwrap();
        assert_eq!(alone.rows().next().unwrap(), row, "{text:?}");
    }
}

/// What kb.toml says comes before what the model's files say, and is part of the fingerprint.
#[test]
fn settings_decide_the_vectors() {
    let with = |setting: &str| {
        let text = format!("[onnx]\nmodel = {:?}\n{setting}", tiny());
        embed::open(&toml::from_str(&text).unwrap(), &Setting::default()).unwrap()
    };
    let vector = |embedder: &dyn Embedder| {
        let rows =
            unit_vectors(embedder, &["The tide falls below two metres"], Role::Query).unwrap();
        rows.rows().next().unwrap().to_vec()
    };
    let plain = with("");
    for setting in ["query_prefix = ''", "pooling = 'cls'", "pooling = 'last'", "max_tokens = 8"] {
        let other = with(setting);
        assert_ne!(other.model().fingerprint, plain.model().fingerprint, "{setting}");
        assert!(cosine(&vector(&*plain), &vector(&*other)) < SAME, "{setting}");
    }
    let same = with("pooling = 'mean'\nmax_tokens = 24\nquery_prefix = 'signal: '");
    assert_eq!(same.model().fingerprint, plain.model().fingerprint);
    assert_eq!(vector(&*same), vector(&*plain));
}

#[test]
fn a_knowledge_base_of_a_transformer() {
    let settings =
        SETTINGS.replace("[embed.hash]\ndim = 64", &format!("[embed.onnx]\nmodel = {:?}", tiny()));
    let build = |threads: usize| {
        let place = Place::in_memory();
        place.configure(&settings);
        for document in 0..12 {
            place.write(&format!("{document}.md"), markdown(document, 12, "harbour"));
        }
        let options = IngestOptions { threads, ..IngestOptions::default() };
        let session = Session { embedder: None, events: &Silent, hook: None, stop: Arc::default() };
        let report = operations::ingest(&place.config(), &options, &session).unwrap();
        assert_eq!(report.exit_code, 0);
        place
    };
    let (one, four) = (build(1), build(4));
    assert_same(&four.dump(), &one.dump(), "four threads");
    assert!(rows(&one.kb(), "SELECT count(*) FROM vector")[0].parse::<u64>().unwrap() > 100);
    let again = four.ingest_to(0);
    assert_eq!(again.metrics.chunks_stored, 0);
}

#[test]
fn a_folder_that_is_no_model_says_why() {
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let folder = copy();
        change(folder.path());
        let error = match embed::open(&config(folder.path()), &Setting::default()) {
            Err(error) => error,
            Ok(embedder) => embedder.embed(&["port"], Role::Document).unwrap_err(),
        };
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
    };
    let write = |path: &'static str, text: &'static str| {
        move |folder: &Path| fs::write(folder.join(path), text).unwrap()
    };
    let remove =
        |path: &'static str| move |folder: &Path| fs::remove_file(folder.join(path)).unwrap();
    check(&remove("tokenizer.json"), "tokenizer.json is missing");
    check(&remove("model.onnx"), "has neither onnx/model.onnx nor model.onnx");
    check(&write("tokenizer.json", "{}"), "tokenizer.json: ");
    check(&write("model.onnx", "no graph"), "model.onnx: ");
    check(&write("modules.json", "[{\"type\": \"a.b.Dense\"}]"), "step \"Dense\"");
    check(
        &write("1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true}"),
        "pooling max_tokens",
    );
    check(&write("1_Pooling/config.json", "not json"), "1_Pooling/config.json: ");
    check(&|folder| fs::remove_dir_all(folder).unwrap(), "is not a folder");
    let cut = |folder: &Path| {
        let graph = fs::read(folder.join("model.onnx")).unwrap();
        fs::write(folder.join("model.onnx"), &graph[..graph.len() / 2]).unwrap();
    };
    check(&cut, "model.onnx: is damaged");
    // Any place of damage ends with an error or a vector, and never takes forever.
    let graph = fs::read(tiny().join("onnx/model.onnx")).unwrap();
    for at in (0..graph.len()).step_by(499) {
        let folder = copy();
        let mut damaged = graph.clone();
        let end = damaged.len().min(at + 24);
        damaged[at..end].fill(0xff);
        fs::write(folder.path().join("model.onnx"), damaged).unwrap();
        if let Ok(embedder) = embed::open(&config(folder.path()), &Setting::default()) {
            let _ = embedder.embed(&["port"], Role::Document);
        }
    }
}

/// A run fetches the model that it needs, a search only uses what is here.
#[test]
fn a_run_fetches_its_model() {
    let server = Server::start();
    for path in ["onnx/model.onnx", "tokenizer.json", "config.json"] {
        let bytes = fs::read(tiny().join(path)).unwrap();
        let reply = Reply::new(200, "application/octet-stream", bytes).with("X-Repo-Commit", "c1");
        server.put(&format!("/owner/tiny/resolve/c1/{path}"), reply.clone());
        server.put(&format!("/owner/tiny/resolve/v1/{path}"), reply);
    }
    let place = Place::in_memory();
    let onnx = "[embed.onnx]\nmodel = 'hf:owner/tiny@v1'";
    place.configure(&SETTINGS.replace("[embed.hash]\ndim = 64", onnx));
    place.write("a.md", "The harbour master closes the gate.\n");
    let run = |command: &str, more: &[&str]| {
        let mut program = program();
        program.arg(command).arg(place.toml()).args(more).env("HF_ENDPOINT", server.url(""));
        program.env("XDG_CACHE_HOME", place.path("cache")).env("NO_PROXY", "*");
        program.output().unwrap()
    };
    let search = run("search", &["gate"]);
    assert_eq!(search.status.code(), Some(31), "{search:?}");
    assert!(String::from_utf8(search.stderr).unwrap().contains("kbingest model fetch"));
    assert_eq!(server.count(), 0);
    assert_eq!(run("ingest", &[]).status.code(), Some(0));
    server.take_asked();
    let search = run("search", &["harbour gate", "--mode", "vector", "--json"]);
    assert_eq!(search.status.code(), Some(0), "{search:?}");
    assert!(String::from_utf8(search.stdout).unwrap().contains("harbour master"));
    assert_eq!(run("ingest", &[]).status.code(), Some(0));
    assert_eq!(server.count(), 0);
}

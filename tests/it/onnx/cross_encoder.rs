//! `[search.rerank.onnx]`: the scores of a tiny cross-encoder against those of onnxruntime
//! (tests/data/onnx/make.py), searches with it, folders that are none.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kbingest::embed::Setting;
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, SearchReport, Target};
use kbingest::rerank::{self, RerankConfig, RerankError};
use kbingest::support::byte_size::ByteSize;
use serde::Deserialize;
use tempfile::TempDir;

use crate::support::{Place, SETTINGS};

#[derive(Deserialize)]
struct Golden {
    query: String,
    text: String,
    score: f32,
}

fn golden() -> Vec<Golden> {
    let lines = include_str!("../../data/onnx/cross.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn cross() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/onnx/cross")
}

fn scores(folder: &Path, query: &str, texts: &[&str]) -> Result<Vec<f32>, RerankError> {
    let config: RerankConfig = toml::from_str(&format!("onnx.model = {folder:?}")).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    rerank::open(&config, &Setting::default(), ByteSize(1))?.scores(query, texts, until)
}

#[test]
fn scores_are_those_of_the_reference() {
    let golden = golden();
    for pairs in golden.chunk_by(|a, b| a.query == b.query) {
        let texts: Vec<&str> = pairs.iter().map(|pair| pair.text.as_str()).collect();
        let found = scores(&cross(), &pairs[0].query, &texts).unwrap();
        for (pair, score) in pairs.iter().zip(&found) {
            let difference = (pair.score - score).abs();
            assert!(difference < 1e-4, "{:?} {:?}: {score}", pair.query, pair.text);
        }
        // The score of a pair does not depend on the others.
        let alone = scores(&cross(), &pairs[0].query, &texts[1..2]).unwrap();
        assert_eq!(alone[0], found[1]);
    }
}

#[test]
fn what_is_late_is_unavailable() {
    let config: RerankConfig = toml::from_str(&format!("onnx.model = {:?}", cross())).unwrap();
    let reranker = rerank::open(&config, &Setting::default(), ByteSize(1)).unwrap();
    let late = reranker.scores("ships", &["zero"], Instant::now());
    let RerankError::Unavailable { reason, .. } = late.unwrap_err() else { panic!("not refused") };
    assert_eq!(reason, "it is not done within `timeout`");
}

fn search(place: &Place) -> SearchReport {
    let show = Show { mode: SearchMode::Text, limit: 10, ..Show::default() };
    let query = Query { show, ..Query::new("ships") };
    operations::search(&Target::from(place.config()), &query).unwrap()
}

#[test]
fn a_search_is_reordered_by_a_cross_encoder() {
    let place = Place::new();
    let table = |model: &Path| format!("{SETTINGS}[search.rerank.onnx]\nmodel = {model:?}\n");
    place.configure(&table(&cross()));
    let texts = ["ships of stone", "ships at night", "the ships and the tide", "yellow ships"];
    for (number, text) in texts.iter().enumerate() {
        place.write(&format!("{number}.txt"), format!("{text}\n"));
    }
    place.ingest();
    let report = search(&place);
    assert!(report.reranked && report.warnings.is_empty(), "{:?}", report.warnings);
    let found: Vec<f32> = report.hits.iter().map(|hit| hit.rerank_score.unwrap()).collect();
    assert!(found.len() == 4 && found.is_sorted_by(|a, b| a > b), "{found:?}");
    let kept = format!("{}.vectors", place.kb().display());
    assert!(Path::new(&kept).is_file(), "scores are kept");

    let by_words: Vec<_> = {
        place.configure(SETTINGS);
        search(&place).hits.iter().map(|hit| hit.uri.clone()).collect()
    };
    // Without a model the search stays.
    place.configure(&table(Path::new("nowhere")));
    let report = search(&place);
    let warning = report.warning.unwrap().to_string();
    assert!(warning.starts_with("reranker nowhere refuses: "), "{warning}");
    assert!(!report.reranked);
    assert_eq!(report.hits.iter().map(|hit| hit.uri.clone()).collect::<Vec<_>>(), by_words);
    // A search fetches nothing.
    place.configure(&table(Path::new("hf:owner/reranker@main")));
    let warning = search(&place).warning.unwrap().to_string();
    assert!(warning.contains("fetch it with: kbingest model fetch"), "{warning}");
}

#[test]
fn a_folder_that_is_no_cross_encoder_says_why() {
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let folder = TempDir::new().unwrap();
        for name in ["config.json", "tokenizer.json", "model.onnx", "labels.onnx"] {
            fs::copy(cross().join(name), folder.path().join(name)).unwrap();
        }
        change(folder.path());
        let error = scores(folder.path(), "ships", &["zero"]).unwrap_err();
        assert!(matches!(error, RerankError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let remove =
        |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
    check(&remove("tokenizer.json"), "tokenizer.json is missing");
    check(&remove("model.onnx"), "has neither onnx/model.onnx nor model.onnx");
    check(&|folder| fs::write(folder.join("model.onnx"), "no graph").unwrap(), "model.onnx: ");
    check(&|folder| fs::write(folder.join("tokenizer.json"), "{}").unwrap(), "tokenizer.json: ");
    check(
        &|folder| fs::rename(folder.join("labels.onnx"), folder.join("model.onnx")).unwrap(),
        "its output has the shape [1, 2], and a cross-encoder has one label",
    );
    let embedder = cross().parent().unwrap().join("tiny/onnx/model.onnx");
    check(
        &|folder| {
            fs::copy(&embedder, folder.join("model.onnx")).unwrap();
        },
        "and a cross-encoder has one label",
    );
}

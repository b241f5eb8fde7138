//! Damaged files of every format, through the real program: the run ends, good files are ingested,
//! no child is left running.
//!
//! Each file of the corpora's pairs is truncated at five places and has 20 bytes flipped. A sample
//! of them in every run; all with `KBINGEST_DAMAGED=all`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Place, SETTINGS, corpora};

/// Number of files that are damaged by default.
const SAMPLE: usize = 12;

/// Larger files are left out of the sample.
const SAMPLE_BYTES_MAX: usize = 200_000;

/// Returns one file of each format, those with the smallest names.
fn inputs(root: &Path, all: bool) -> Vec<(String, Vec<u8>)> {
    let pairs = std::fs::read_to_string(root.join("pairs.jsonl")).unwrap();
    let mut seen = BTreeSet::new();
    let mut inputs = Vec::new();
    for line in pairs.lines() {
        let pair: Value = serde_json::from_str(line).unwrap();
        let input = pair["input"].as_str().unwrap();
        let extension = input.rsplit('.').next().unwrap().to_owned();
        let bytes = std::fs::read(root.join(input)).unwrap();
        let is_wanted = if all {
            !matches!(pair["suite"].as_str(), Some("commonmark" | "gfm"))
                && seen.insert(input.to_owned())
        } else {
            bytes.len() < SAMPLE_BYTES_MAX && seen.insert(extension)
        };
        if is_wanted {
            inputs.push((input.replace('/', "_"), bytes));
        }
    }
    inputs
}

fn damaged(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut forms: Vec<_> =
        [1, 3, 5, 7, 9].iter().map(|tenth| bytes[..bytes.len() * tenth / 10].to_vec()).collect();
    let mut flipped = bytes.to_vec();
    let mut state = bytes.len() as u64 | 1;
    for _ in 0..20 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if !flipped.is_empty() {
            let at = (state >> 33) as usize % flipped.len();
            flipped[at] ^= 1 << (state & 7);
        }
    }
    forms.push(flipped);
    forms
}

#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn damaged_files_cost_only_themselves() {
    let all = std::env::var_os("KBINGEST_DAMAGED").is_some_and(|what| what == "all");
    let mut inputs = inputs(&corpora("formats"), all);
    if !all {
        inputs.truncate(SAMPLE);
    }
    let place = Place::in_memory();
    place.configure(SETTINGS);
    let mut count = 0;
    for (name, bytes) in &inputs {
        for (form, bytes) in damaged(bytes).iter().enumerate() {
            count += 1;
            place.write(&format!("{form}-{name}"), bytes);
        }
        place.write(&format!("good/{name}.md"), format!("# Good\n\n{name}\n"));
    }
    let output = Command::new(env!("CARGO_BIN_EXE_kbingest"))
        .args(["ingest", "--json"])
        .arg(place.toml())
        .output()
        .unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{reported}"));
    let failures = report["failures"].as_array().unwrap();
    println!("{count} damaged files of {} formats, {} failures", inputs.len(), failures.len());
    for failure in failures {
        println!("{} {}", failure["kind"], failure["error"]);
    }
    assert!(matches!(output.status.code(), Some(0 | 3)), "{reported}");
    let good_failed =
        failures.iter().filter(|one| one["uri"].as_str().unwrap().starts_with("good/")).count();
    assert_eq!(good_failed, 0);
    // Damage may kill a child or reach a limit; it must never be an unforeseen error.
    let crawled = report["run"]["metrics"]["documents_crawled"].as_u64().unwrap();
    assert_eq!(crawled as usize, count + inputs.len());
}

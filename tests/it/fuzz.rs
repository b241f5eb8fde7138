//! The oracles of the fuzz targets over their seeds, and over changes of these that are the same in
//! each run.
//!
//! `KBINGEST_FUZZ` sets how many changes of each seed are tried. `tests/fuzz/README.md` explains
//! how to search with `cargo fuzz`; its findings become seeds.

#[path = "../fuzz/oracles/mod.rs"]
pub mod oracles;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::support::{Draw, from_environment};

/// Changes of one seed in an ordinary test run.
const CHANGES: u64 = 40;
/// Marks that parsers search for.
const TOKENS: [&[u8]; 16] = [
    b"\n",
    b"\n\n",
    b"---\n",
    b"+++\n",
    b"# ",
    b"```",
    b"|",
    b"\"",
    b"[[",
    b"=",
    b"\\",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    "\u{301}".as_bytes(),
];

/// Returns the files of folders in the repository.
fn seeds(folders: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Changes `seed` in one to four places.
fn changed(seed: &[u8], others: &[Vec<u8>], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=draw.below(4) {
        let at = draw.below(bytes.len() + 1);
        let end = (at + draw.below(64)).min(bytes.len());
        match draw.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 if at < end => bytes[at] ^= 1 << draw.below(8),
            2 => {
                let part = bytes[at..end].repeat(1 + draw.below(20));
                bytes.splice(at..at, part);
            }
            3 => {
                let other = &others[draw.below(others.len())];
                bytes.splice(at.., other[draw.below(other.len() + 1)..].iter().copied());
            }
            4 => bytes.truncate(at),
            _ => drop(bytes.splice(at..at, TOKENS[draw.below(TOKENS.len())].iter().copied())),
        }
    }
    bytes
}

fn check(oracle: fn(&[u8]), folders: &[&str]) {
    let seeds = seeds(folders);
    assert!(!seeds.is_empty());
    let changes = from_environment("KBINGEST_FUZZ").unwrap_or(CHANGES);
    let mut draw = Draw::new(1);
    for seed in &seeds {
        oracle(seed);
        for _ in 0..changes {
            let input = changed(seed, &seeds, &mut draw);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| oracle(&input))) {
                eprintln!("input: {:?}", input.escape_ascii().to_string());
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[test]
fn chunks_hold() {
    check(oracles::chunker::chunker_holds, &["tests/data/chunker"]);
}

#[test]
fn extraction_holds() {
    check(
        oracles::extraction::extraction_holds,
        &["tests/fuzz/seeds/extraction", "tests/data/chunker"],
    );
}

#[test]
fn configs_are_told() {
    check(oracles::config::config_is_told, &["tests/fuzz/seeds/config"]);
}

#[test]
fn queries_are_answered() {
    check(oracles::query::query_is_answered, &["tests/fuzz/seeds/query"]);
}

#[test]
fn damage_is_borne() {
    check(oracles::knowledge_base::damage_is_borne, &["tests/fuzz/seeds/knowledge_base"]);
}

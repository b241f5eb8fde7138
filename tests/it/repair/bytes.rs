//! Damage to the bytes of the file.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, CheckOptions, IngestOptions, Target, check};

use super::{look, place, vandal};
use crate::support::{Draw, Place, dump, from_environment, program, remove_kb, try_ingest};

/// Number of copies of the file in which bytes are flipped.
const DAMAGED_FILES: u64 = 150;
/// Number of copies of the file that are damaged, checked, repaired and compared.
const DAMAGED_COPIES: u64 = 16;

/// Flips bytes of the file itself, except for the header of the first page, which identifies the
/// file.
#[test]
fn a_damaged_file_never_ends_the_process() {
    const HEADER_BYTES: usize = 100;
    let place = place();
    let whole = fs::read(place.kb()).unwrap();
    let kb = place.path("damaged.kb");
    let mut codes = Vec::new();
    for seed in 0..DAMAGED_FILES {
        let mut draw = Draw::new(seed);
        let mut bytes = whole.clone();
        for _ in 0..1 + draw.below(24) {
            let at = HEADER_BYTES + draw.below(bytes.len() - HEADER_BYTES);
            bytes[at] ^= 1 << draw.below(8);
        }
        if draw.below(8) == 0 {
            // A page or more of zeros, or of another page.
            let (from, to) = (draw.below(bytes.len() / 8192), draw.below(bytes.len() / 8192));
            bytes.copy_within(from * 8192..(from + 1) * 8192, to.max(1) * 8192);
        }
        if draw.below(10) == 0 {
            bytes.truncate(draw.below(bytes.len()).max(HEADER_BYTES));
        }
        let attempt = |what: &str, work: &dyn Fn() -> u8| {
            remove_kb(&kb);
            fs::write(&kb, &bytes).unwrap();
            let code = catch_unwind(AssertUnwindSafe(work));
            code.unwrap_or_else(|_| panic!("{what} panicked at the file of seed {seed}"))
        };
        let checks = |repair| {
            let options = CheckOptions { read_data: true, repair };
            match check(&Target::File(kb.clone()), options) {
                Ok(report) if report.findings.is_empty() => 0,
                Ok(_) => 12,
                Err(error) => {
                    eprintln!("{seed}: {error:?}");
                    error.exit_code().number()
                }
            }
        };
        let code = attempt("check", &|| checks(false));
        assert!(matches!(code, 0 | 12), "check ends with {code} at the file of seed {seed}");
        let code = attempt("repair", &|| checks(true));
        assert!(matches!(code, 0 | 12), "repair ends with {code} at the file of seed {seed}");
        codes.push(code);
        attempt("search", &|| {
            let options = Query {
                show: Show { limit: 10, mode: SearchMode::Hybrid, context: 1, ..Show::default() },
                ..Query::new("common river")
            };
            operations::search(&Target::File(kb.clone()), &options).map_or(1, |_| 0)
        });
        attempt("ingest", &|| {
            let config = place.config_into("damaged.kb");
            try_ingest(&config, IngestOptions::default(), None).map_or(1, |_| 0)
        });
    }
    let found = codes.iter().filter(|code| **code == 12).count();
    assert!(found * 2 > codes.len(), "only {found} of {} were found", codes.len());
}

/// A page of the schema has another name for a table.
#[test]
fn a_damaged_schema_is_found() {
    for table in ["queue", "vector", "chunk_fts", "failure"] {
        let place = place();
        vandal(&place.kb())
            .execute_batch(&format!(
                "PRAGMA writable_schema = ON;
                 UPDATE sqlite_schema SET name = 'x' || name, tbl_name = 'x' || tbl_name,
                        sql = replace(sql, 'TABLE {table} ', 'TABLE x{table} ')
                 WHERE name = '{table}'"
            ))
            .unwrap();
        for repair in [false, true] {
            let options = CheckOptions { read_data: true, repair };
            let code = check(&Target::File(place.kb()), options).map_or_else(
                |error| error.exit_code().number(),
                |report| {
                    if report.findings.is_empty() { 0 } else { 12 }
                },
            );
            assert_eq!(code, 12, "{table}, repair: {repair}");
        }
    }
}

/// The same through the binary, for its exit code.
#[test]
fn check_ends_with_12_at_a_damaged_file() {
    let place = place();
    let mut bytes = fs::read(place.kb()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xa5);
    fs::write(place.kb(), bytes).unwrap();
    for arguments in [&["check"][..], &["check", "--read-data"]] {
        let ended = program().args(arguments).arg(place.kb()).output().unwrap();
        assert_eq!(ended.status.code(), Some(12), "{arguments:?}: {ended:?}");
    }
}

/// Damages the bytes of a file in one of the ways of disks, cables and copies.
fn damage_bytes(bytes: &mut Vec<u8>, draw: &mut Draw) -> String {
    const PAGE: usize = 8192;
    let pages = bytes.len() / PAGE;
    match draw.below(7) {
        0 => {
            let at = draw.below(bytes.len());
            bytes[at] ^= 1 << draw.below(8);
            format!("a bit of byte {at}")
        }
        1 => {
            let sector = draw.below(bytes.len() / 512);
            bytes[sector * 512..][..512].fill(0);
            format!("sector {sector} is zero")
        }
        2 => {
            let (one, other) = (draw.below(pages), draw.below(pages));
            let page = bytes[one * PAGE..][..PAGE].to_vec();
            bytes.copy_within(other * PAGE..(other + 1) * PAGE, one * PAGE);
            bytes[other * PAGE..][..PAGE].copy_from_slice(&page);
            format!("pages {} and {} are exchanged", one + 1, other + 1)
        }
        3 => {
            let length = draw.below(bytes.len());
            bytes.truncate(length);
            format!("cut at {length}")
        }
        4 => {
            let page = draw.below(pages);
            bytes[page * PAGE..][..PAGE].iter_mut().for_each(|byte| *byte = draw.below(256) as u8);
            format!("garbage in page {}", page + 1)
        }
        5 => {
            let page = draw.below(pages);
            bytes[page * PAGE..][..PAGE].fill(0);
            format!("page {} is zero", page + 1)
        }
        _ => {
            let start = draw.below(bytes.len());
            for _ in 0..1 + draw.below(20) {
                let at = (start + draw.below(4096)).min(bytes.len() - 1);
                bytes[at] ^= 1 << draw.below(8);
            }
            format!("bits after byte {start}")
        }
    }
}

/// Returns what searches find, or why they fail.
fn found(kb: &Path) -> String {
    let mut found = String::new();
    for mode in [SearchMode::Text, SearchMode::Vector, SearchMode::Hybrid] {
        for query in ["canary3", "common river", "\"the river\"", "canary1 OR canary5"] {
            let query = query.to_owned();
            let options =
                Query { show: Show { limit: 30, mode, ..Show::default() }, ..Query::new(query) };
            let result = operations::search(&Target::File(kb.to_owned()), &options);
            found += &match result {
                Ok(result) => format!("{:#?}\n", result.hits),
                Err(error) => format!("{error}\n"),
            };
        }
    }
    found
}

/// Returns what is wrong with a knowledge base after a successful repair, or after the next ingest.
fn fault_once_repaired(place: &Place, before: &str) -> Option<String> {
    let kb = place.path("damaged.kb");
    let fault = |when: &str| {
        let findings = look(&kb, false).findings;
        (!findings.is_empty()).then(|| format!("{when} and damaged: {findings:?}"))
    };
    let repaired = fault("repaired");
    if repaired.is_some() {
        return repaired;
    }
    let ended = try_ingest(&place.config_into("damaged.kb"), IngestOptions::default(), None);
    if !ended.as_ref().is_ok_and(|report| report.exit_code == 0) {
        return Some(format!("the ingest after it: {ended:#?}"));
    }
    let differs = (dump(&kb) != before).then(|| "repaired, and not as a fresh one".to_owned());
    differs.or_else(|| fault("ingested"))
}

/// Damage is found, or changes nothing visible; what a repair reports as repaired equals a fresh
/// ingest. `KBINGEST_DAMAGES` sets the number of damaged copies.
#[test]
fn every_visible_damage_is_found_and_mended_or_said() {
    let copies = from_environment("KBINGEST_DAMAGES").unwrap_or(DAMAGED_COPIES);
    let first = from_environment("KBINGEST_DAMAGES_FROM").unwrap_or(0);
    let place = place();
    let before = place.dump();
    let whole = fs::read(place.kb()).unwrap();
    let kb = place.path("damaged.kb");
    fs::write(&kb, &whole).unwrap();
    let found_before = found(&kb);
    let program = program().get_program().to_owned();
    let run = |arguments: &[&str]| {
        Command::new("timeout").arg("120").arg(&program).args(arguments).arg(&kb).output().unwrap()
    };
    let (mut wrong, mut counts) = (Vec::new(), [0; 4]);
    for seed in first..first + copies {
        let mut bytes = whole.clone();
        let damage = damage_bytes(&mut bytes, &mut Draw::new(1000 + seed));
        let put = || {
            remove_kb(&kb);
            for ending in [".damaged", ".repaired"] {
                remove_kb(&place.path(&format!("damaged.kb{ending}")));
            }
            fs::write(&kb, &bytes).unwrap();
        };
        let mut note = |what: String| wrong.push(format!("{seed}, {damage}: {what}"));
        put();
        let ended = run(&["check", "--read-data"]);
        let code = ended.status.code();
        match code {
            Some(0) => {
                counts[0] += 1;
                let same = catch_unwind(AssertUnwindSafe(|| {
                    dump(&kb) == before && found(&kb) == found_before
                }));
                if !matches!(same, Ok(true)) {
                    note("visible, and not found".to_owned());
                }
                continue;
            }
            Some(12 | 13) => counts[1] += 1,
            _ => note(format!("check ends with {ended:?}")),
        }
        put();
        let ended = run(&["check", "--repair"]);
        match ended.status.code() {
            Some(0) => {
                counts[2] += 1;
                wrong.extend(
                    fault_once_repaired(&place, &before)
                        .map(|what| format!("{seed}, {damage}: {what}")),
                );
            }
            Some(12 | 13) => {
                counts[3] += 1;
                if fs::read(&kb).unwrap() != bytes {
                    note("not repaired, and not left unchanged".to_owned());
                }
                eprintln!("{seed}, {damage}: {}", String::from_utf8_lossy(&ended.stderr));
            }
            _ => note(format!("repair ends with {ended:?}")),
        }
    }
    eprintln!("invisible, found, repaired, said: {counts:?}");
    assert!(wrong.is_empty(), "{} of {copies}: {wrong:#?}", wrong.len());
}

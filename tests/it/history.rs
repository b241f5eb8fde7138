//! Sixty real commits of a book, one after the other: the incremental content equals a fresh
//! ingest's.
//!
//! Reads `$KBINGEST_CORPORA/history/rust-book`: `base/` is the first state, `steps.jsonl` names
//! what each commit writes and deletes, `steps/NNN/` contains the files written.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Place, assert_same, assert_sound, corpora, dump, ingest, remove_kb};

const SETTINGS: &str = "
[kb]
path = 'kb.kb'
[[source.directory]]
name = 'book'
path = 'docs'
[embed.hash]
dim = 16
";

/// Copies every file below `from`, with mtimes long past.
fn copy(from: &Path, below: &Path, place: &Place) {
    for entry in fs::read_dir(from.join(below)).unwrap() {
        let entry = entry.unwrap();
        let relative = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(from, &relative, place);
        } else {
            place.write(relative.to_str().unwrap(), fs::read(entry.path()).unwrap());
        }
    }
}

fn names<'a>(step: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    step[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap())
}

#[test]
#[ignore = "needs KBINGEST_CORPORA"]
fn sixty_commits_end_where_fresh_ingests_do() {
    let history = corpora("history/rust-book");
    let place = Place::new();
    place.configure(SETTINGS);
    copy(&history.join("base"), Path::new(""), &place);
    place.ingest();
    let steps = fs::read_to_string(history.join("steps.jsonl")).unwrap();
    assert_eq!(steps.lines().count(), 60);
    for (number, line) in steps.lines().enumerate() {
        let step: Value = serde_json::from_str(line).unwrap();
        assert_eq!(step["step"], number);
        let folder = history.join(format!("steps/{number:03}"));
        for name in names(&step, "put") {
            place.write(name, fs::read(folder.join(name)).unwrap());
        }
        for name in names(&step, "delete") {
            place.remove(name);
        }
        let report = ingest(&place.config(), None);
        assert_eq!(report.exit_code, 0, "step {number}: {report:#?}");
        let metrics = report.run.unwrap().metrics;
        let put = names(&step, "put").count() as u64;
        assert_eq!(metrics.documents_new + metrics.documents_changed, put, "step {number}");
        let fresh = place.config_into("fresh.kb");
        remove_kb(&fresh.kb);
        ingest(&fresh, None);
        let commit = format!("a fresh ingest after step {number}, {}", step["commit"]);
        assert_same(&place.dump(), &dump(&fresh.kb), &commit);
    }
    assert_sound(&place.kb());
}

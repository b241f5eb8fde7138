//! Another model: searches use the vectors of the old one until those of the new one are complete.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{self, Target};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};

use crate::crash::{kill_after, run};
use crate::support::{
    Place, assert_cancelled, assert_same, assert_sound, dump, ingest, markdown, remove_kb, rows,
    stop_at,
};

const DOCUMENTS: u64 = 40;
const KILLS: u32 = 12;

fn place() -> Place {
    let place = Place::new();
    for number in 0..DOCUMENTS {
        place.write(&format!("{number}.md"), markdown(number, 30, "common"));
    }
    place
}

/// Returns the components of the vectors of live documents.
fn dims(kb: &Path) -> Vec<String> {
    rows(
        kb,
        "SELECT DISTINCT dim FROM vector JOIN chunk ON chunk.id = chunk_id
         JOIN revision ON revision.id = revision_id WHERE state = 'live'",
    )
}

/// Returns what a search by vectors finds, with its scores.
fn by_vectors(place: &Place) -> Vec<String> {
    let query = Query {
        show: Show { limit: 20, mode: SearchMode::Vector, ..Show::default() },
        ..Query::new("river lantern copper")
    };
    let report = operations::search(&Target::Config(Box::new(place.config())), &query).unwrap();
    report.hits.iter().map(|hit| format!("{} {} {}", hit.uri, hit.start_byte, hit.score)).collect()
}

#[test]
fn searches_use_the_old_vectors_until_the_new_ones_are_complete() {
    let place = place();
    place.ingest();
    let before = by_vectors(&place);
    assert_eq!(before.len(), 20);
    place.reconfigure("dim = 64", "dim = 32");
    // Documents that are new or changed meanwhile come with the new vectors.
    place.write("new.md", markdown(99, 3, "common"));
    place.write("0.md", markdown(98, 3, "common"));

    let stopped = ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 2)));
    assert_cancelled(&stopped, "the first batch is committed");
    assert_sound(&place.kb());
    assert_eq!(dims(&place.kb()), ["64"]);
    assert_eq!(by_vectors(&place), before);
    let status = operations::status(&Target::File(place.kb())).unwrap();
    let change = status.model_change.unwrap();
    assert!(0 < change.chunks_stored && change.chunks_stored < change.chunks, "{change:?}");
    assert!(change.to.starts_with("hash-32@") && change.searches_use.starts_with("hash-64@"));

    let report = ingest(&place.config(), None);
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(dims(&place.kb()), ["32"]);
    assert_eq!(operations::status(&Target::File(place.kb())).unwrap().model_change, None);
    assert_sound(&place.kb());
    let after = by_vectors(&place);
    assert!(after.len() == 20 && after != before);
    let fresh = place.config_into("fresh.kb");
    ingest(&fresh, None);
    assert_same(&place.dump(), &dump(&fresh.kb), "a fresh ingest");
}

#[test]
fn a_change_of_model_is_seen_whole_at_every_checkpoint() {
    let place = place();
    place.ingest();
    place.reconfigure("dim = 64", "dim = 32");
    let kb = place.kb();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (place_kb, noted) = (kb.clone(), Arc::clone(&seen));
    let hook = move |_: Checkpoint, _: &StopSignal| noted.lock().unwrap().push(dims(&place_kb));
    let report = ingest(&place.config(), Some(&hook));
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let seen = seen.lock().unwrap();
    assert!(seen.len() > 3 && seen.iter().all(|dims| *dims == ["64"]), "{seen:?}");
    assert_eq!(dims(&kb), ["32"]);
}

#[test]
fn the_old_model_may_come_back_in_between() {
    let place = place();
    place.ingest();
    let (before, expected) = (by_vectors(&place), place.dump());
    place.reconfigure("dim = 64", "dim = 32");
    ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 2)));
    place.reconfigure("dim = 32", "dim = 64");
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    assert_same(&place.dump(), &expected, "the old model");
    assert_eq!(by_vectors(&place), before);
    assert_eq!(dims(&place.kb()), ["64"]);
}

#[test]
fn kills_leave_the_vectors_of_one_model() {
    let place = place();
    place.ingest();
    let base = place.path("base.kb");
    fs::copy(place.kb(), &base).unwrap();
    place.reconfigure("dim = 64", "dim = 32");
    let since = std::time::Instant::now();
    assert_eq!(run(&["ingest"], &place.toml()), Some(0));
    let (duration, expected) = (since.elapsed(), place.dump());
    for kill in 0..KILLS {
        remove_kb(&place.kb());
        fs::copy(&base, place.kb()).unwrap();
        let share = (f64::from(kill) + 0.5) / f64::from(KILLS);
        for command in ["ingest", "resume"] {
            if kill_after(duration.mul_f64(share), &[command], &place) {
                assert_eq!(dims(&place.kb()).len(), 1, "kill {kill}");
            }
        }
        assert_eq!(run(&["ingest"], &place.toml()), Some(0), "kill {kill}");
        assert_eq!(dims(&place.kb()), ["32"]);
        assert_same(&place.dump(), &expected, "the run that was left alone");
    }
}

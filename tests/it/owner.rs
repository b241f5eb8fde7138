//! Two kb.toml with one knowledge base: each run would delete the documents of the other.

use std::fs;

use crate::cli::ends_with;
use crate::support::{Place, program};

/// Writes a second kb.toml beside the first.
fn second(place: &Place, name: &str, kb: &str) {
    let settings = fs::read_to_string(place.toml()).unwrap();
    fs::create_dir_all(place.path(name).parent().unwrap()).unwrap();
    fs::write(place.path(name), settings.replace("'kb.kb'", &format!("'{kb}'"))).unwrap();
}

fn ingested() -> Place {
    let place = Place::new();
    place.write("a.md", "alpha");
    place.write("b.md", "beta");
    ends_with(&place, 0, &["ingest", "-q"]);
    place
}

#[test]
fn another_kb_toml_is_refused_until_it_adopts_the_knowledge_base() {
    let place = ingested();
    second(&place, "other.toml", "kb.kb");
    let before = place.dump();
    for command in [&["ingest", "other.toml"][..], &["ingest", "other.toml", "--allow-deletes"]] {
        let (stdout, stderr) = ends_with(&place, 2, command);
        let [kb, first] = [place.kb(), place.toml()].map(|path| path.display().to_string());
        assert!(stdout.is_empty() && stderr.contains(&kb) && stderr.contains(&first), "{stderr}");
        assert!(stderr.contains("other.toml") && stderr.contains("--adopt"), "{stderr}");
    }
    assert_eq!(place.dump(), before);
    // Searches need not ask.
    ends_with(&place, 0, &["search", "other.toml", "alpha", "--mode", "text"]);
    ends_with(&place, 0, &["ingest", "-q", "other.toml", "--adopt"]);
    ends_with(&place, 0, &["ingest", "-q", "other.toml"]);
    ends_with(&place, 2, &["ingest", "kb.toml"]);
    ends_with(&place, 0, &["ingest", "-q", "kb.toml", "--adopt"]);
}

#[test]
fn a_run_of_one_is_not_resumed_by_the_other() {
    let place = ingested();
    place.write("c.md", "gamma");
    let stop = crate::support::stop_at(None, 1);
    assert_eq!(crate::support::ingest(&place.config(), Some(&stop)).exit_code, 130);
    second(&place, "other.toml", "kb.kb");
    ends_with(&place, 2, &["resume", "other.toml"]);
    ends_with(&place, 0, &["resume", "-q", "kb.toml"]);
}

#[test]
fn a_kb_toml_may_be_renamed_and_moved_with_its_knowledge_base() {
    let place = ingested();
    fs::rename(place.toml(), place.path("renamed.toml")).unwrap();
    ends_with(&place, 0, &["ingest", "-q", "renamed.toml"]);
    let moved = place.path("moved");
    fs::create_dir(&moved).unwrap();
    for name in ["renamed.toml", "kb.kb", "docs"] {
        fs::rename(place.path(name), moved.join(name)).unwrap();
    }
    let ingest = |folder: &std::path::Path| {
        let output = program().args(["ingest", "-q", "renamed.toml"]).current_dir(folder).output();
        assert_eq!(output.unwrap().status.code(), Some(0));
    };
    ingest(&moved);
    // A copy of the whole folder has a knowledge base of its own.
    let copy = place.path("copy");
    fs::create_dir_all(copy.join("docs")).unwrap();
    for name in ["renamed.toml", "kb.kb", "docs/a.md", "docs/b.md"] {
        fs::copy(moved.join(name), copy.join(name)).unwrap();
    }
    ingest(&copy);
}

#[test]
fn a_kb_toml_whose_folder_is_away_may_come_back() {
    let place = ingested();
    second(&place, "one/kb.toml", "../shared.kb");
    second(&place, "two/kb.toml", "../shared.kb");
    for name in ["one/docs/a.md", "two/docs/b.md"] {
        place.put(&place.path(name), b"text");
    }
    ends_with(&place, 0, &["ingest", "-q", "one/kb.toml"]);
    fs::rename(place.path("one"), place.path("away")).unwrap();
    ends_with(&place, 2, &["ingest", "two/kb.toml"]);
    fs::rename(place.path("away"), place.path("one")).unwrap();
    ends_with(&place, 0, &["ingest", "-q", "one/kb.toml"]);
}

/// The other kb.toml still exists, and builds another knowledge base now.
#[test]
fn a_kb_toml_that_has_left_the_knowledge_base_does_not_count() {
    let place = ingested();
    second(&place, "other.toml", "kb.kb");
    ends_with(&place, 2, &["ingest", "other.toml"]);
    place.reconfigure("'kb.kb'", "'new.kb'");
    ends_with(&place, 0, &["ingest", "-q", "other.toml"]);
}

#[test]
fn the_same_file_by_another_name_is_the_same() {
    let place = ingested();
    std::os::unix::fs::symlink("kb.toml", place.path("link.toml")).unwrap();
    fs::hard_link(place.toml(), place.path("hard.toml")).unwrap();
    for name in ["link.toml", "hard.toml", "./kb.toml", "docs/../kb.toml"] {
        ends_with(&place, 0, &["ingest", "-q", name]);
    }
}

#[test]
fn a_kb_toml_elsewhere_is_another() {
    let place = ingested();
    second(&place, "sub/kb.toml", "../kb.kb");
    fs::create_dir(place.path("sub/docs")).unwrap();
    let (_, stderr) = ends_with(&place, 2, &["ingest", "sub/kb.toml"]);
    assert!(stderr.contains("--adopt"), "{stderr}");
}

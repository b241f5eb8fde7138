//! `--reread`: every document is read again, and only what has other bytes changes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use kbingest::config::Config;
use kbingest::operations::{self, IngestOptions, RunReport, Session};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};

use crate::support::{Place, assert_sound, ingest, resume, rows, set_mtime, stop_at};

fn reread(config: &Config, stops: bool) -> RunReport {
    let stop = Arc::new(StopSignal::default());
    let hook = stop_at(Some(Checkpoint::AfterSave), 1);
    let session = Session { stop, hook: stops.then_some(&hook), ..Session::default() };
    let options = IngestOptions { reread: true, threads: 2, ..IngestOptions::default() };
    operations::ingest(config, &options, &session).unwrap()
}

/// Changes a file without a change of its size and mtime.
fn change_silently(path: &Path, from: &str, to: &str) {
    let mtime: SystemTime = path.metadata().unwrap().modified().unwrap();
    let bytes = fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
    let changed = [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat();
    assert_eq!(changed.len(), bytes.len());
    fs::write(path, changed).unwrap();
    set_mtime(path, mtime);
}

fn tar(words: &str) -> Vec<u8> {
    let text = format!("# Inner\n\n{words} in an archive.\n");
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path("inner.md").unwrap();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, text.as_bytes()).unwrap();
    builder.into_inner().unwrap()
}

/// Returns new, changed and unchanged documents, and new chunks.
fn counts(report: &RunReport) -> [u64; 4] {
    let metrics = &report.run.as_ref().unwrap().metrics;
    [
        metrics.documents_new,
        metrics.documents_changed,
        metrics.documents_unchanged,
        metrics.chunks_stored - metrics.chunks_reused,
    ]
}

fn found(place: &Place, word: &str) -> bool {
    let texts = rows(&place.kb(), "SELECT text FROM chunks");
    texts.iter().any(|text| text.contains(word))
}

#[test]
fn files_that_changed_silently_are_found() {
    let place = Place::new();
    for number in 0..5 {
        place.write(&format!("{number}.md"), format!("# {number}\n\nalpha {number}\n"));
    }
    place.put(&place.path("t.tar"), &tar("alpha"));
    let settings = fs::read_to_string(place.toml()).unwrap();
    place.configure(&format!("{settings}\n[[source.archive]]\nname = 'tar'\npath = 't.tar'\n"));
    let config = place.config();
    assert_eq!(counts(&ingest(&config, None)), [6, 0, 0, 6]);
    // Nothing changed: everything is read, nothing is embedded again.
    let report = reread(&config, false);
    assert_eq!(counts(&report), [0, 0, 6, 0]);
    assert!(report.run.unwrap().metrics.bytes_read > 0);
    change_silently(&place.docs().join("3.md"), "alpha", "omega");
    change_silently(&place.path("t.tar"), "alpha", "omega");
    // A run without it does not see the change, as documented.
    assert_eq!(counts(&ingest(&config, None)), [0, 0, 6, 0]);
    assert!(!found(&place, "omega"));
    assert_eq!(counts(&reread(&config, false)), [0, 2, 4, 2]);
    assert!(found(&place, "omega 3") && found(&place, "omega in an archive"));
    assert_sound(&place.kb());
    // The next run knows all versions again.
    let report = ingest(&config, None);
    assert_eq!(counts(&report), [0, 0, 6, 0]);
    assert_eq!(report.run.unwrap().metrics.bytes_read, 0);
}

#[test]
fn a_run_that_was_stopped_still_reads_everything_again() {
    let place = Place::new();
    for number in 0..1200 {
        place.write(&format!("{number:04}.md"), format!("# {number}\n\nalpha {number}\n"));
    }
    let config = place.config();
    ingest(&config, None);
    for (number, resumes) in [(1190, true), (1191, false)] {
        change_silently(&place.docs().join(format!("{number}.md")), "alpha", "omega");
        assert_eq!(reread(&config, true).exit_code, 130);
        assert!(!found(&place, &format!("omega {number}")));
        let report = if resumes { resume(&config, None) } else { ingest(&config, None) };
        assert_eq!(report.exit_code, 0, "{report:#?}");
        assert!(found(&place, &format!("omega {number}")));
        assert_sound(&place.kb());
    }
}

#[test]
fn pages_are_asked_for_without_their_version() {
    let site = crate::web::Site::new();
    let page = |text: &str| {
        let page = format!("<html><body><main><h1>Page</h1><p>{text}</p></main></body></html>");
        site.server.put("/docs/", crate::web::server::Reply::html(&page).with("ETag", "\"same\""));
    };
    page("Some alpha words.");
    assert_eq!(site.counts(0), [1, 0, 0, 0]);
    let has_validators = || {
        let asked = site.server.take_asked();
        let page = asked.iter().rfind(|one| one.path == "/docs/").unwrap();
        page.headers.contains_key("if-none-match")
    };
    has_validators();
    assert_eq!(site.counts(0), [0, 0, 1, 0]);
    assert!(has_validators());
    page("Some omega words.");
    let report = reread(&site.place.config(), false);
    assert_eq!((report.exit_code, counts(&report)[1]), (0, 1));
    assert!(!has_validators());
    assert!(found(&site.place, "omega"));
    assert_eq!(site.counts(0), [0, 0, 1, 0]);
    assert!(has_validators());
}

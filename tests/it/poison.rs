//! A document that kills the process: found alone after a few deaths, quarantined, and the rest is
//! ingested.
//!
//! The process really dies: a hook aborts it, as a stack overflow in a parser would.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use kbingest::domain::{FailureKind, RunStatus};
use kbingest::operations::{self, IngestOptions, Session};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};
use kbingest::support::events::Silent;

use crate::support::{Place, assert_sound, rows, try_ingest};

/// Set in the process that is to die; contains the folder.
const VICTIM: &str = "KBINGEST_TEST_VICTIM";

/// Runs an ingest in `place` that dies at `checkpoint` while `poison.md` is in flight.
fn die(place: &Place, test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(VICTIM, place.toml())
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "it was to die: {output:?}");
}

/// In the process that is to die: ingests, and aborts while the poison is in flight.
fn be_victim(is_fatal: impl Fn(Checkpoint, &rusqlite::Connection) -> bool + Send + Sync + 'static) {
    let Some(toml) = std::env::var_os(VICTIM) else { return };
    let config = kbingest::config::Config::load(toml.as_ref()).unwrap();
    let kb = config.kb.clone();
    let hook = move |checkpoint: Checkpoint, _: &StopSignal| {
        if checkpoint != Checkpoint::BeforeStart
            && is_fatal(checkpoint, &rusqlite::Connection::open(&kb).unwrap())
        {
            std::process::abort();
        }
    };
    let session =
        Session { stop: Default::default(), events: &Silent, hook: Some(&hook), embedder: None };
    panic!("still alive: {:?}", operations::ingest(&config, &IngestOptions::default(), &session));
}

fn any(connection: &rusqlite::Connection, sql: &str) -> bool {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Checks that `poison.md` is quarantined, with two documents before it and `after` behind it.
fn check_set_aside(test: &str, after: usize, error: &str) {
    let place = Place::new();
    let behind = (0..after).map(|number| format!("z{number}.md"));
    for name in ["a.md", "b.md", "poison.md"].map(str::to_owned).into_iter().chain(behind) {
        place.write(&name, format!("# {name}\n\nSome words about {name}.\n"));
    }
    // Twice with the batch, then three times with the document alone.
    for _ in 0..5 {
        die(&place, test);
    }
    let report = try_ingest(&place.config(), IngestOptions::default(), None).unwrap();
    assert_eq!(report.exit_code, 3, "{report:?}");
    assert_eq!(report.run.unwrap().status, RunStatus::CompletedWithFailures);
    let failures: Vec<_> =
        report.failures.iter().map(|f| (f.uri.as_str(), f.kind, f.error.as_str())).collect();
    assert_eq!(failures, [("poison.md", FailureKind::Permanent, error)]);
    let live = "SELECT DISTINCT uri FROM chunks ORDER BY uri";
    assert_eq!(rows(&place.kb(), live).len(), 2 + after);
    assert_sound(&place.kb());

    // It stays quarantined until it is retried on request.
    assert_eq!(try_ingest(&place.config(), IngestOptions::default(), None).unwrap().exit_code, 3);
    let options = IngestOptions { retry_failed: true, ..IngestOptions::default() };
    assert_eq!(try_ingest(&place.config(), options, None).unwrap().exit_code, 0);
    place.assert_equals_fresh_ingest();
}

/// Chunks of `poison.md` are computed while it is recorded as in flight.
fn is_chunked(checkpoint: Checkpoint, connection: &rusqlite::Connection) -> bool {
    checkpoint == Checkpoint::AfterChunk
        && any(
            connection,
            "SELECT EXISTS (SELECT 1 FROM intake WHERE uri = 'poison.md' AND in_flight = 1)",
        )
}

#[test]
fn a_document_that_ends_the_process_while_it_is_chunked_is_set_aside() {
    be_victim(is_chunked);
    check_set_aside(
        "poison::a_document_that_ends_the_process_while_it_is_chunked_is_set_aside",
        1,
        "crashed the extractor 3 times",
    );
}

#[test]
fn a_document_that_ends_the_process_while_the_next_batch_is_read_is_set_aside() {
    be_victim(is_chunked);
    check_set_aside(
        "poison::a_document_that_ends_the_process_while_the_next_batch_is_read_is_set_aside",
        600,
        "crashed the extractor 3 times",
    );
}

#[test]
fn a_document_that_ends_the_process_while_it_is_embedded_is_set_aside() {
    let is_at_work = |checkpoint, connection: &rusqlite::Connection| {
        checkpoint == Checkpoint::BeforeCommit
            && any(
                connection,
                "SELECT EXISTS (SELECT 1 FROM queue JOIN chunk
                   ON chunk.id BETWEEN queue.first_chunk AND last_chunk
                   JOIN revision ON revision.id = revision_id
                   JOIN document ON document.id = document_id
                 WHERE queue.state = 'claimed' AND uri = 'poison.md')",
            )
    };
    be_victim(is_at_work);
    check_set_aside(
        "poison::a_document_that_ends_the_process_while_it_is_embedded_is_set_aside",
        1,
        "embedding it ended the process 3 times",
    );
}

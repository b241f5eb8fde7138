//! Knowledge bases of earlier file formats.

use std::fs;

use kbingest::support::lock::Lock;
use rusqlite::{Connection, params};

use crate::repair::look;
use crate::support::{Place, assert_same, assert_sound, ingest, markdown, program, rows};

/// Removes from a file what later formats added.
const TO_FORMAT_1: &str = "DROP VIEW vector; DROP TABLE vector_block; DROP TABLE vector_space;
    DROP TABLE web_file; DROP INDEX frontier_twin;
    DROP TABLE lost_document; DROP TABLE frontier;
    CREATE TABLE frontier (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      source TEXT NOT NULL,
      url TEXT NOT NULL,
      run_id INTEGER NOT NULL,
      state TEXT NOT NULL CHECK
        (state IN ('queued', 'fetched', 'unchanged', 'redirected', 'excluded', 'gone', 'refused', 'failed')),
      reason TEXT,
      depth INTEGER NOT NULL CHECK (depth >= 0),
      redirects INTEGER NOT NULL DEFAULT 0,
      referrer INTEGER,
      attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
      not_before_ms INTEGER NOT NULL DEFAULT 0,
      etag TEXT,
      last_modified TEXT,
      lastmod TEXT,
      lastmod_fetched TEXT,
      settings TEXT,
      missing_runs INTEGER NOT NULL DEFAULT 0,
      links TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(links))
    ) STRICT;
    CREATE UNIQUE INDEX frontier_url ON frontier (source, url);
    CREATE INDEX frontier_queued ON frontier (source, depth, id) WHERE state = 'queued';
    ALTER TABLE run DROP COLUMN pages_left_out;
    ALTER TABLE revision DROP COLUMN text_bytes;
    ALTER TABLE revision DROP COLUMN checksum;
    ALTER TABLE revision DROP COLUMN chunks_checksum;
    ALTER TABLE failure DROP COLUMN checksum;
    ALTER TABLE run DROP COLUMN stages_hash;
    ALTER TABLE run DROP COLUMN config_path;
    DROP TABLE known_failure; DROP INDEX failure_skipped_since;
    ALTER TABLE failure DROP COLUMN skipped_since;
    ALTER TABLE run DROP COLUMN documents_failed;
    ALTER TABLE run DROP COLUMN documents_skipped;
    ALTER TABLE run DROP COLUMN documents_listed;
    ALTER TABLE run DROP COLUMN documents_per_second;
    ALTER TABLE content DROP COLUMN lines;
    ALTER TABLE chunk DROP COLUMN row_end;
    ALTER TABLE chunk DROP COLUMN row_start;
    ALTER TABLE run DROP COLUMN chunks_per_second;
    ALTER TABLE run DROP COLUMN seconds_left;
    ALTER TABLE run DROP COLUMN worked_ms;
    DROP TABLE probe;
    DROP TABLE usage;
    CREATE TABLE vector (
      chunk_id INTEGER PRIMARY KEY REFERENCES chunk (id),
      scale REAL NOT NULL CHECK (scale >= 0),
      embedding BLOB NOT NULL CHECK (length(embedding) > 0),
      checksum INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = 1;";

/// Converts a knowledge base to format 1: a row for each vector, without anything added later.
fn to_format_1(connection: &Connection) {
    let mut vectors = connection.prepare("SELECT chunk_id, scale, embedding FROM vector").unwrap();
    let vectors: Vec<(i64, [u8; 4], Vec<u8>)> = vectors
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    connection.execute_batch(TO_FORMAT_1).unwrap();
    for (chunk, scale, embedding) in vectors {
        let scale = f64::from(f32::from_le_bytes(scale));
        let bytes = [&scale.to_le_bytes()[..], &embedding].concat();
        let checksum = xxhash_rust::xxh3::xxh3_64(&bytes).cast_signed();
        connection
            .execute(
                "INSERT INTO vector VALUES (?1, ?2, ?3, ?4)",
                params![chunk, scale, embedding, checksum],
            )
            .unwrap();
    }
}

#[test]
fn an_ingest_brings_format_1_to_this_one() {
    let place = Place::new();
    for number in 0..40 {
        place.write(&format!("{number}.md"), markdown(number, 5, "ferry"));
    }
    place.ingest();
    let before = place.dump();
    // Ids with gaps between them.
    place.write("7.md", markdown(70, 5, "ferry"));
    place.write("8.md", markdown(80, 9, "ferry"));
    place.ingest();
    let now = place.dump();
    assert_ne!(now, before);
    to_format_1(&Connection::open(place.kb()).unwrap());
    let run = place.ingest();
    assert_eq!((run.metrics.chunks_queued, run.metrics.bytes_read), (0, 0));
    assert_same(&place.dump(), &now, "format 1 is brought up to date");
    assert_eq!(
        rows(&place.kb(), "SELECT name FROM sqlite_schema WHERE name = 'vector_row'"),
        [""; 0]
    );
    assert_sound(&place.kb());
}

#[test]
fn a_vector_that_was_damaged_before_is_not_taken_for_sound() {
    let place = Place::new();
    place.write("a.md", markdown(1, 5, "ferry"));
    place.ingest();
    let before = place.dump();
    let connection = Connection::open(place.kb()).unwrap();
    to_format_1(&connection);
    connection.execute_batch("UPDATE vector SET scale = scale * 2 WHERE chunk_id = 2").unwrap();
    drop(connection);
    assert_eq!(ingest(&place.config(), None).exit_code, 0);
    assert_eq!(look(&place.kb(), true).findings.len(), 1);
    place.ingest();
    assert!(look(&place.kb(), false).findings.is_empty());
    assert_same(&place.dump(), &before, "the vector is made again");
}

#[test]
fn readers_ask_for_an_ingest() {
    let place = Place::new();
    place.write("a.md", markdown(1, 5, "ferry"));
    place.ingest();
    to_format_1(&Connection::open(place.kb()).unwrap());
    let bytes = fs::read(place.kb()).unwrap();
    for arguments in [&["search", "ferry"][..], &["status"], &["check"]] {
        let output =
            program().args(arguments).current_dir(place.toml().parent().unwrap()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(13), "{arguments:?}: {stderr}");
        let expected = "has file format 1; this program reads format 13";
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    assert!(fs::read(place.kb()).unwrap() == bytes);
}

/// A program that is newer than the run beside it stops that run, and leaves it its file.
#[test]
fn cancel_migrates_nothing() {
    let place = Place::new();
    place.write("a.md", markdown(1, 5, "ferry"));
    place.ingest();
    let connection = Connection::open(place.kb()).unwrap();
    to_format_1(&connection);
    let cancel = || {
        let mut command = program();
        command.args(["cancel", "--timeout", "0"]).current_dir(place.path(""));
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let requested = || rows(&place.kb(), "SELECT cancel_requested FROM run");
    assert_eq!(cancel(), (Some(0), "nothing is running\n".to_owned()));
    let running = "UPDATE run SET status = 'running', ended_ms = NULL";
    connection.execute_batch(running).unwrap();
    // Nobody holds the lock: it was killed.
    assert_eq!(cancel(), (Some(0), "nothing is running\n".to_owned()));
    assert_eq!(requested(), ["0"]);
    let lock = Lock::take(&place.kb()).unwrap();
    let (code, said) = cancel();
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("the run has not stopped after 0 s"), "{said}");
    assert_eq!(requested(), ["1"]);
    drop(lock);
    assert_eq!(rows(&place.kb(), "PRAGMA user_version"), ["1"]);
}

/// The first run of many knowledge bases has one document, and says nothing about the next one.
#[test]
fn plans_do_not_depend_on_what_the_file_once_held() {
    let place = Place::new();
    place.write("a.md", markdown(1, 2, "alpha"));
    place.ingest();
    let statistics = || {
        let sql = "SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'";
        rows(&place.kb(), sql)
    };
    assert_eq!(statistics(), [""; 0]);
    // As earlier versions left them.
    rusqlite::Connection::open(place.kb()).unwrap().execute_batch("ANALYZE").unwrap();
    assert_eq!(statistics(), ["sqlite_stat1", "sqlite_stat4"]);
    place.write("b.md", markdown(1, 2, "beta"));
    place.ingest();
    assert_eq!(statistics(), [""; 0]);
}

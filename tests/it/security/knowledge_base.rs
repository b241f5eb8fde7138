//! C: a knowledge base from a stranger.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kbingest::error::{Error, chain};
use kbingest::eval::page;
use kbingest::kb::{Query, SearchMode, Show};
use kbingest::operations::{
    self, CheckOptions, EvalOptions, Gate, IngestOptions, ResumeOptions, Session, Target,
};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};
use kbingest::support::events::Silent;
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::support::{Place, ingest, markdown, program, remove_kb, stop_at, try_ingest};

/// Longer than anything takes on a knowledge base of a few documents, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(place: &Place, arguments: &[&str]) -> Output {
    program().current_dir(place.path("")).args(arguments).output().unwrap()
}

/// A folder with an ingested document.
fn ingested() -> Place {
    let place = Place::new();
    place.write("river.md", markdown(1, 3, "ferry"));
    ingest(&place.config(), None);
    place
}

/// Changes the file like somebody with another SQLite can.
fn tamper(kb: &Path, sql: &str) {
    let connection = Connection::open(kb).unwrap();
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    connection.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[test]
fn a_schema_that_is_not_ours_is_refused_before_anything_else() {
    let place = ingested();
    let sound = fs::read(place.kb()).unwrap();
    let edit = |what: &str, old: &str, new: &str| {
        format!(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE name = '{what}';"
        )
    };
    let cases = [
        "CREATE TABLE more (a)".to_owned(),
        "CREATE INDEX more ON document (uri)".to_owned(),
        "CREATE VIEW more AS SELECT 1".to_owned(),
        "CREATE VIRTUAL TABLE more USING fts5 (a)".to_owned(),
        "CREATE TRIGGER more AFTER UPDATE ON run BEGIN DELETE FROM document; END".to_owned(),
        "CREATE TRIGGER more INSTEAD OF INSERT ON chunks BEGIN DELETE FROM document; END"
            .to_owned(),
        "ALTER TABLE document ADD COLUMN more TEXT".to_owned(),
        "ALTER TABLE run ADD COLUMN more BLOB AS (zeroblob(900000000)) VIRTUAL".to_owned(),
        "DROP INDEX revision_searched".to_owned(),
        "DROP VIEW vector; CREATE VIEW vector AS SELECT 1 AS chunk_id".to_owned(),
        "DROP VIEW chunks".to_owned(),
        "DROP TABLE web_file".to_owned(),
        "CREATE TABLE sqlite_more (a)".replace("sqlite_more", "stat1"),
        edit("queue", "attempts >= 0", "attempts >= 0 OR abs(-1)"),
        edit("run", "message TEXT NOT NULL DEFAULT ''''", "message TEXT NOT NULL DEFAULT ''x''"),
        edit("document_address", "source, replace", "uri, replace"),
        edit("chunk_fts", "ascii", "unicode61"),
        edit("chunk_fts_data", "block BLOB", "block TEXT"),
        format!("ANALYZE; {}", edit("sqlite_stat1", ",stat", ",stat,more")),
    ];
    for sql in &cases {
        fs::write(place.kb(), &sound).unwrap();
        tamper(&place.kb(), sql);
        for arguments in [
            &["search", "kb.toml", "ferry"][..],
            &["search", "kb.kb", "ferry"],
            &["status"],
            &["check"],
            &["check", "--repair"],
            &["ingest"],
            &["resume"],
            &["cancel"],
        ] {
            let output = run(&place, arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(12), "{sql}\n{arguments:?}\n{said}");
            assert!(said.contains("its schema is not ours"), "{sql}\n{arguments:?}\n{said}");
        }
    }
}

#[test]
fn what_sqlite_itself_adds_is_let_through() {
    let place = ingested();
    tamper(&place.kb(), "ANALYZE; VACUUM; REINDEX");
    assert_eq!(run(&place, &["search", "ferry"]).status.code(), Some(0));
    assert_eq!(run(&place, &["check", "--read-data"]).status.code(), Some(0));
    assert_eq!(run(&place, &["ingest"]).status.code(), Some(0));
}

/// Returns settings of an evaluation with these queries.
fn evaluation(queries: &Path) -> EvalOptions {
    EvalOptions {
        queries: queries.to_owned(),
        modes: Vec::new(),
        details: true,
        gate: Gate::default(),
    }
}

/// Runs the operations that only read the knowledge base.
fn read_all(
    target: &Target,
    queries: &Path,
    turn: usize,
) -> Vec<(&'static str, Result<(), Error>)> {
    let mut ended = Vec::new();
    for mode in SearchMode::ALL {
        for query in ["ferry river", "\"ferry\" -lantern"] {
            let options = Query {
                show: Show { mode, context: 2, explains: true, ..Show::default() },
                ..Query::new(query)
            };
            ended.push((mode.as_str(), operations::search(target, &options).map(drop)));
        }
    }
    ended.push(("status", operations::status(target).map(drop)));
    // These take longer, and read the same.
    if !turn.is_multiple_of(3) {
        return ended;
    }
    let sound = CheckOptions { read_data: true, repair: false };
    ended.push(("check", operations::check(target, sound).map(drop)));
    let evaluated =
        operations::eval(target, &evaluation(queries)).map(|report| drop(page(&report)));
    ended.push(("eval", evaluated));
    ended
}

/// Runs the operations that write it; `turn` chooses, as each leaves another file.
fn write_one(target: &Target, turn: usize) -> (&'static str, Result<(), Error>) {
    let Target::Config(config) = target else { unreachable!("the tests name a kb.toml") };
    let session = Session {
        stop: Arc::new(StopSignal::default()),
        events: &Silent,
        hook: None,
        embedder: None,
    };
    let options = IngestOptions { threads: 1, ..IngestOptions::default() };
    match turn % 4 {
        0 => ("ingest", operations::ingest(config, &options, &session).map(drop)),
        1 => ("resume", operations::resume(target, &ResumeOptions::default(), &session).map(drop)),
        2 => {
            let repair = CheckOptions { read_data: true, repair: true };
            ("repair", operations::check(target, repair).map(drop))
        }
        _ => {
            let options = IngestOptions { restart: true, retry_failed: true, ..options };
            ("restart", operations::ingest(config, &options, &session).map(drop))
        }
    }
}

/// Returns how an operation failed: it panics, does not end, or reports nothing.
fn failings(
    what: &str,
    work: impl FnOnce() -> Vec<(&'static str, Result<(), Error>)> + Send,
) -> Vec<String> {
    let begun = Instant::now();
    let (done, over) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let _ = done.send(ended.map_err(|_| ()));
        });
        match over.recv_timeout(PATIENCE) {
            Ok(Ok(ended)) => {
                let failed =
                    ended.into_iter().filter_map(|(name, result)| Some((name, result.err()?)));
                let unclear = failed.filter(|(_, error)| error.exit_code().number() == 1);
                unclear.map(|(name, error)| format!("{what}: {name}: {error:?}")).collect()
            }
            Ok(Err(())) => vec![format!("{what}: a panic")],
            Err(RecvTimeoutError::Timeout) => {
                // The scope would wait for it.
                eprintln!("{what}: not done after {:?}", begun.elapsed());
                std::process::abort();
            }
            Err(RecvTimeoutError::Disconnected) => vec![format!("{what}: gone")],
        }
    })
}

/// A knowledge base in which every table has rows: a run was stopped when its chunks were queued.
fn with_rows_everywhere() -> Place {
    let place = Place::in_memory();
    for (number, name) in (1..).zip(["river.md", "harbour.md", "tides.md"]) {
        place.write(name, markdown(number, 3, "ferry"));
    }
    ingest(&place.config(), None);
    place.write("river.md", markdown(7, 4, "ferry"));
    place.write("pilot.md", markdown(8, 3, "ferry"));
    ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 1)));
    tamper(
        &place.kb(),
        "INSERT INTO intake VALUES ('docs', 'river.md', 1, 0, 0);
         INSERT INTO failure SELECT max(id), 1, 'embed', 'permanent', 'no', NULL, NULL FROM document;
         INSERT INTO frontier (id, source, url, run_id, state, depth)
           VALUES (1, 'docs', 'https://a.example/', 1, 'queued', 0);
         INSERT INTO web_file VALUES ('docs', 'https://a.example/robots.txt', '', 0, x'41');
         PRAGMA wal_checkpoint(TRUNCATE)",
    );
    // For the runs to come: one document to replace, and one to remove.
    place.write("harbour.md", markdown(9, 3, "ferry"));
    place.remove("tides.md");
    fs::write(
        place.path("queries.jsonl"),
        "{\"id\": \"1\", \"query\": \"ferry river\", \"relevant\": [{\"path\": \"river.md\"}]}\n",
    )
    .unwrap();
    place
}

fn extremes(kind: &str) -> Vec<Value> {
    let integers = [0, -1, 1 << 31, (1 << 40) - 1, 1 << 62, i64::MAX, i64::MIN];
    match kind {
        "INTEGER" => integers.map(Value::Integer).to_vec(),
        "REAL" => [-1.0, 1e308, f64::INFINITY, f64::NEG_INFINITY].map(Value::Real).to_vec(),
        "BLOB" => {
            [vec![], vec![0; 16], vec![0xff; 16], vec![0xff; 300_000]].map(Value::Blob).to_vec()
        }
        _ => ["", "\u{202e}\u{1b}[31m\0", "hash-4611686018427387904@1", "[[[[[[", "live", "-"]
            .map(|text| Value::Text(text.to_owned()))
            .into_iter()
            .chain([Value::Text("9".repeat(300_000))])
            .collect(),
    }
}

#[test]
fn values_that_no_version_writes_end_in_words() {
    let place = with_rows_everywhere();
    let sound = fs::read(place.kb()).unwrap();
    let target = Target::Config(Box::new(place.config()));
    let connection = Connection::open(place.kb()).unwrap();
    let columns: Vec<(String, String, String, bool)> = connection
        .prepare(
            "SELECT t.name, c.name, upper(c.type), t.wr FROM pragma_table_list AS t
             JOIN pragma_table_info(t.name) AS c
             WHERE t.schema = 'main' AND t.type IN ('table', 'shadow') AND t.name <> 'sqlite_schema'",
        )
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    drop(connection);
    assert!(columns.len() > 120, "{}", columns.len());
    let queries = place.path("queries.jsonl");
    let mut failed = Vec::new();
    let (mut planted, mut turn) = (0, 0);
    for (table, column, kind, is_without_rowid) in &columns {
        for value in extremes(kind) {
            remove_kb(&place.kb());
            fs::write(place.kb(), &sound).unwrap();
            let connection = Connection::open(place.kb()).unwrap();
            connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
            connection.pragma_update(None, "foreign_keys", false).unwrap();
            // The first row and the last, which belong to a live revision and to a waiting one.
            let rows = match (is_without_rowid, planted % 3) {
                (true, _) | (false, 0) => String::new(),
                (false, 1) => format!(" WHERE rowid = (SELECT min(rowid) FROM \"{table}\")"),
                _ => format!(" WHERE rowid = (SELECT max(rowid) FROM \"{table}\")"),
            };
            let sql = format!("UPDATE OR IGNORE \"{table}\" SET \"{column}\" = ?1{rows}");
            let changed = connection.execute(&sql, params![value]);
            drop(connection);
            if !matches!(changed, Ok(changed) if changed > 0) {
                continue;
            }
            planted += 1;
            turn += 1;
            let mut shown = format!("{value:?}");
            shown.truncate(60);
            let what = format!("{table}.{column} = {shown}, {rows}");
            failed.extend(failings(&what, || {
                let mut ended = read_all(&target, &queries, turn);
                ended.push(write_one(&target, turn));
                ended
            }));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(planted > 500, "{planted}");
}

/// Returns the error of a run that finds at its second batch what `meddle` did to its files.
fn meddled(meddle: fn(&Place)) -> Option<(u8, String)> {
    let place = Place::new();
    place.write("river.md", markdown(1, 3, "ferry"));
    ingest(&place.config_into("other.kb"), None);
    ingest(&place.config(), None);
    place.write("harbour.md", markdown(2, 3, "ferry"));
    let visits = AtomicUsize::new(0);
    let place = Arc::new(Mutex::new(place));
    let shared = Arc::clone(&place);
    let config = place.lock().unwrap().config();
    let hook = move |checkpoint: Checkpoint, _: &StopSignal| {
        if checkpoint == Checkpoint::BeforeCommit && visits.fetch_add(1, Ordering::SeqCst) == 0 {
            meddle(&shared.lock().unwrap());
        }
    };
    match try_ingest(&config, IngestOptions::default(), Some(&hook)) {
        Ok(report) => report.error().map(|error| (report.exit_code, chain(error))),
        Err(error) => Some((error.exit_code().number(), error.to_string())),
    }
}

#[test]
fn a_run_says_that_its_file_is_gone() {
    let check = |what: &str, meddle: fn(&Place)| {
        let (code, error) = meddled(meddle).unwrap_or_else(|| panic!("{what}: not noticed"));
        assert_eq!(code, 41, "{what}: {error}");
        assert!(error.contains("was removed or replaced"), "{what}: {error}");
    };
    check("removed", |place| fs::remove_file(place.path("kb.kb")).unwrap());
    check("log removed", |place| fs::remove_file(place.path("kb.kb-wal")).unwrap());
    check("index of the log removed", |place| fs::remove_file(place.path("kb.kb-shm")).unwrap());
    check("replaced", |place| fs::rename(place.path("other.kb"), place.kb()).unwrap());
    check("moved away", |place| fs::rename(place.kb(), place.path("away.kb")).unwrap());
    check("another one made", |place| {
        remove_kb(&place.kb());
        ingest(&place.config(), None);
    });
    check("folder removed", |place| {
        fs::rename(place.path(""), place.path("").with_extension("away")).unwrap();
    });
    // A copy in its place is also another file.
    check("copied over", |place| {
        fs::copy(place.kb(), place.path("copy.kb")).unwrap();
        fs::rename(place.path("copy.kb"), place.kb()).unwrap();
    });
}

#[test]
fn nothing_on_a_terminal_steers_it() {
    let place = ingested();
    let evil = "a\u{1b}[31m\u{9b}2J\u{202e}b\u{2066}\u{2028}\u{e0041}\r\nc";
    let connection = Connection::open(place.kb()).unwrap();
    for sql in [
        "UPDATE run SET message = ?1, host = ?1",
        "UPDATE run SET status = 'failed', error = ?1",
        "UPDATE document SET uri = ?1, source = ?1",
        "UPDATE revision SET title = ?1, extract_fp = ?1, chunk_fp = ?1",
        "UPDATE chunk SET heading_path = ?1",
        "INSERT INTO failure SELECT id, 1, 'embed', 'permanent', ?1, NULL, NULL FROM document",
    ] {
        connection.execute(sql, [evil]).unwrap();
    }
    let text: Vec<u8> =
        connection.query_row("SELECT text FROM content", [], |row| row.get(0)).unwrap();
    let marks = "\u{202e}\u{1b}[8m".repeat(text.len() / 7);
    let text = [marks.as_bytes(), &text[marks.len()..]].concat();
    connection.execute("UPDATE content SET text = ?1", [text]).unwrap();
    drop(connection);
    let allowed = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let steers = |c: &char| matches!(*c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..);
    for arguments in [
        &["status"][..],
        &["status", "--failures"],
        &["status", "--json"],
        &["search", "ferry", "--explain"],
        &["search", "ferry", "--json"],
        &["search", "ferry", "--mode", "text", "--context", "3"],
        &["check", "--read-data"],
        &["-vv", "ingest", "--progress", "plain"],
    ] {
        let output = run(&place, arguments);
        for stream in [output.stdout, output.stderr] {
            let said = String::from_utf8(stream).unwrap();
            assert!(said.chars().all(allowed), "{arguments:?}: {said:?}");
            assert_eq!(said.chars().find(steers), None, "{arguments:?}: {said:?}");
        }
    }
}

#[test]
fn a_limit_on_file_size_ends_no_command_by_a_signal() {
    let place = ingested();
    place.write("harbour.md", markdown(2, 3, "ferry"));
    let name = program().get_program().to_owned();
    for (arguments, allowed) in [
        ("search ferry", [0, 40]),
        ("status", [0, 40]),
        ("check", [0, 40]),
        ("cancel", [0, 40]),
        ("ingest", [40, 40]),
    ] {
        let status = std::process::Command::new("sh")
            .current_dir(place.path(""))
            .args(["-c", &format!("ulimit -f 0; exec \"$0\" {arguments}"), name.to_str().unwrap()])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&status.stderr).into_owned();
        let code = status.status.code().unwrap_or_else(|| panic!("{arguments}: {status:?}"));
        assert!(allowed.contains(&code), "{arguments}: {code}: {said}");
    }
}

#[test]
fn what_is_published_goes_into_the_file_that_was_there() {
    let place = ingested();
    ingest(&place.config_into("other.kb"), None);
    fs::write(
        place.path("queries.jsonl"),
        "{\"id\": \"1\", \"query\": \"ferry\", \"relevant\": [{\"path\": \"river.md\"}]}\n",
    )
    .unwrap();
    let other = fs::read(place.path("other.kb")).unwrap();
    let seed = std::cell::Cell::new(2);
    let published = |meddle: fn(&Path)| {
        seed.set(seed.get() + 1);
        place.write("harbour.md", markdown(seed.get(), 3, "ferry"));
        let config = place.config();
        let kb = place.kb();
        let hook = move |checkpoint: Checkpoint, _: &StopSignal| {
            if checkpoint == Checkpoint::BeforeCommit {
                meddle(&kb);
            }
        };
        let stop = Arc::new(StopSignal::default());
        let session = Session { stop, events: &Silent, hook: Some(&hook), embedder: None };
        let options = IngestOptions::default();
        let queries = evaluation(&place.path("queries.jsonl"));
        match operations::publish_if_good(&config, &options, &queries, &session) {
            Ok(report) => report.exit_code,
            Err(error) => error.exit_code().number(),
        }
    };
    assert_eq!(published(|_| {}), 0);
    let replaced = published(|kb| {
        let other = kb.with_file_name("other.kb");
        if other.exists() {
            fs::rename(other, kb).unwrap();
        }
    });
    assert_eq!(replaced, 41);
    assert_eq!(fs::read(place.kb()).unwrap(), other, "the other file is unchanged");
    assert_eq!(published(|kb| drop(fs::remove_file(kb))), 41, "removed");
    remove_kb(&place.kb());
    let made = published(|kb| drop(fs::copy(kb.with_file_name("kb.kb.next"), kb)));
    assert_eq!(made, 41, "made meanwhile");
    remove_kb(&place.kb());
    let candidate = published(|kb| drop(fs::remove_file(kb.with_file_name("kb.kb.next"))));
    assert_eq!(candidate, 41, "the candidate removed");
}

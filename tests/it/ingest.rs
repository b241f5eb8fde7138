//! What an ingest does with new, changed, renamed, deleted and broken documents, and with other
//! settings.
//!
//! Unless stated otherwise, the knowledge base must equal that of a fresh ingest of the same state.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kbingest::domain::{Metrics, RunState, RunStatus};
use kbingest::kb::{Hit, Query, SearchMode, Show};
use kbingest::operations::{self, AllowDeletes, IngestOptions, Target};
use kbingest::support::checkpoint::{Checkpoint, StopSignal};
use rusqlite::types::Value;

use crate::support::{
    Place, SETTINGS, assert_cancelled, assert_same, assert_sound, ingest, markdown, past,
    read_only, rows, set_mtime, stop_at, try_ingest,
};

/// Returns the counts of documents that are not zero.
fn counts(run: &RunState) -> String {
    let Metrics {
        documents_crawled,
        documents_new,
        documents_changed,
        documents_unchanged,
        documents_failed,
        documents_skipped,
        documents_deleted,
        documents_restaged,
        deletions_withheld,
        sources_unreachable,
        ..
    } = run.metrics;
    let counts = [
        ("crawled", documents_crawled),
        ("new", documents_new),
        ("changed", documents_changed),
        ("unchanged", documents_unchanged),
        ("failed", documents_failed),
        ("skipped", documents_skipped),
        ("deleted", documents_deleted),
        ("restaged", documents_restaged),
        ("withheld", deletions_withheld),
        ("unreachable", sources_unreachable),
    ];
    let counts: Vec<_> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    counts.join(", ")
}

/// Ingests, compares with a fresh ingest, and checks the counts.
fn check(place: &Place, expected: &str) -> RunState {
    let run = place.ingest();
    assert_eq!(counts(&run), expected);
    place.assert_equals_fresh_ingest();
    run
}

fn uris(place: &Place) -> Vec<String> {
    rows(
        &place.kb(),
        "SELECT uri FROM document JOIN revision ON document_id = document.id AND state = 'live'
         ORDER BY source, uri",
    )
}

fn failures(place: &Place) -> Vec<String> {
    let failures = rows(
        &place.kb(),
        "SELECT uri, stage, kind, error FROM failure JOIN document ON document.id = document_id
         ORDER BY uri",
    );
    let root = place.path("");
    let root = root.to_str().unwrap();
    failures.iter().map(|line| line.replace(root, "ROOT/")).collect()
}

fn search(place: &Place, query: &str) -> Vec<Hit> {
    let target = Target::Config(Box::new(place.config()));
    let options = Query {
        show: Show { limit: 100, mode: SearchMode::Text, folds: false, ..Show::default() },
        ..Query::new(query)
    };
    operations::search(&target, &options).unwrap().hits
}

/// Returns every table except the record of runs, row by row.
fn content(place: &Place) -> Vec<String> {
    let kb = place.kb();
    let tables = rows(
        &kb,
        "SELECT name FROM sqlite_schema
         WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%' AND name NOT IN ('run', 'phase')
         ORDER BY name",
    );
    assert!(tables.len() > 10, "{tables:?}");
    let mut content = Vec::new();
    for table in tables {
        // The id of a run comes from a counter.
        let condition = if table == "counter" { "WHERE name <> 'run'" } else { "" };
        content.extend(
            rows(&kb, &format!("SELECT * FROM {table} {condition} ORDER BY 1, 2"))
                .iter()
                .map(|row| format!("{table}: {row}")),
        );
    }
    content
}

/// Documents may be private: nobody else can read them for a moment.
#[test]
fn files_have_their_mode_from_the_start() {
    let place = Place::new();
    place.reconfigure("path = 'kb.kb'", "path = 'kb.kb'\nmode = '0600'");
    place.write("a.md", "alpha");
    let modes = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let (kb, modes) = (place.kb(), Arc::clone(&modes));
        move |_: Checkpoint, _: &StopSignal| {
            for ending in ["", "-wal", "-shm", ".lock"] {
                let path = format!("{}{ending}", kb.display());
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
                modes.lock().unwrap().push((ending, mode));
            }
        }
    };
    assert_eq!(ingest(&place.config(), Some(&hook)).exit_code, 0);
    let modes = modes.lock().unwrap();
    assert!(!modes.is_empty() && modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[test]
fn new_changed_unchanged_renamed_and_deleted() {
    let place = Place::new();
    place.write("a.md", markdown(1, 5, "alpha"));
    place.write("guide/b.md", markdown(2, 5, "beta"));
    place.write("guide.txt", "A text between a folder and its namesake.");
    place.write("guide/deep/c.rs", "fn main() {\n    println!(\"gamma\");\n}\n");
    check(&place, "4 crawled, 4 new");
    assert_eq!(uris(&place), ["a.md", "guide.txt", "guide/b.md", "guide/deep/c.rs"]);

    check(&place, "4 crawled, 4 unchanged");

    place.write("a.md", markdown(1, 6, "alpha"));
    check(&place, "4 crawled, 1 changed, 3 unchanged");

    // Same bytes, another mtime.
    place.write("guide.txt", "A text between a folder and its namesake.");
    check(&place, "4 crawled, 4 unchanged");

    place.rename("guide/b.md", "guide/renamed.md");
    check(&place, "4 crawled, 1 new, 3 unchanged, 1 deleted");

    place.remove("a.md");
    place.write("d.md", "delta");
    place.write("guide.txt", "changed");
    check(&place, "4 crawled, 1 new, 1 changed, 2 unchanged, 1 deleted");
    assert_eq!(uris(&place), ["d.md", "guide.txt", "guide/deep/c.rs", "guide/renamed.md"]);
    assert_eq!(search(&place, "alpha"), []);
    assert_eq!(search(&place, "beta").len(), 5);
}

#[test]
fn a_second_ingest_of_unchanged_input_writes_nothing_but_its_run_row() {
    let place = Place::new();
    for number in 0..30 {
        place.write(&format!("{}/{number}.md", number % 3), markdown(number, 5, "common"));
    }
    place.write("binary.md", b"\0\x01\x02");
    place.write("empty.md", "");
    place.ingest();
    let before = content(&place);
    let run = place.ingest();
    assert_eq!(counts(&run), "32 crawled, 31 unchanged, 1 skipped");
    let zero = Metrics {
        documents_crawled: 32,
        documents_unchanged: 31,
        documents_skipped: 1,
        ..Metrics::default()
    };
    assert_eq!(run.metrics, zero);
    assert_eq!(run.status, RunStatus::Completed);
    assert!(content(&place) == before, "the second ingest wrote something");
}

#[test]
fn folders_and_files_take_each_others_place() {
    let place = Place::new();
    place.write("a/x.md", "in a folder");
    place.write("b", "a file");
    place.write("z.md", "stays");
    check(&place, "3 crawled, 3 new");
    place.remove("a/x.md");
    fs::remove_dir(place.docs().join("a")).unwrap();
    place.write("a", "now a file");
    place.remove("b");
    place.write("b/y.md", "now a folder");
    check(&place, "3 crawled, 2 new, 1 unchanged, 2 deleted");
}

#[test]
fn names_of_every_kind_stay_in_step_with_the_ledger() {
    let place = Place::new();
    let names: [&[u8]; 9] = [
        b"a b#c.md",
        b"a/b.md",
        b"a.md",
        b"a-b.md",
        b"caf\xe9.md",
        "Ελλάδα.md".as_bytes(),
        b"100%25.md",
        b"new\nline.md",
        b"a!/b.md",
    ];
    for name in names {
        place.put(&place.docs().join(OsStr::from_bytes(name)), b"some words");
    }
    check(&place, "9 crawled, 9 new");
    assert!(uris(&place).contains(&"caf%E9.md".to_owned()));
    check(&place, "9 crawled, 9 unchanged");
    fs::remove_file(place.docs().join(OsStr::from_bytes(names[4]))).unwrap();
    check(&place, "8 crawled, 8 unchanged, 1 deleted");
}

#[test]
fn many_deletions_are_withheld_until_they_are_allowed() {
    let place = Place::new();
    for number in 0..20 {
        place.write(&format!("{number:02}.md"), markdown(number, 2, "common"));
    }
    place.ingest();
    let before = place.dump();
    for number in 0..11 {
        place.remove(&format!("{number:02}.md"));
    }
    let run = place.ingest_to(21);
    assert_eq!(counts(&run), "9 crawled, 9 unchanged, 11 withheld");
    assert_eq!(run.status, RunStatus::CompletedWithFailures);
    assert_same(&place.dump(), &before, "the state before");

    let options = IngestOptions { allow_deletes: AllowDeletes::All, ..IngestOptions::default() };
    let report = try_ingest(&place.config(), options, None).unwrap();
    assert_eq!(report.exit_code, 0);
    assert_eq!(counts(&report.run.unwrap()), "9 crawled, 9 unchanged, 11 deleted");
    place.assert_equals_fresh_ingest();
}

#[test]
fn ten_deletions_and_deletions_of_half_go_through() {
    let place = Place::new();
    for number in 0..11 {
        place.write(&format!("{number}.md"), "one");
    }
    place.ingest();
    for number in 1..11 {
        place.remove(&format!("{number}.md"));
    }
    check(&place, "1 crawled, 1 unchanged, 10 deleted");
    place.remove("0.md");
    place.ingest_to(21);
    for number in 0..22 {
        place.write(&format!("{number}.md"), "two");
    }
    place.ingest();
    for number in 0..11 {
        place.remove(&format!("{number}.md"));
    }
    check(&place, "11 crawled, 11 unchanged, 11 deleted");
}

#[test]
fn an_unreachable_source_deletes_nothing_and_stops_no_other() {
    let place = Place::new();
    place.configure(&format!("{SETTINGS}[[source.directory]]\nname = 'notes'\npath = 'notes'\n"));
    place.write("a.md", "alpha");
    place.put(&place.path("notes/n.md"), b"a note");
    place.ingest();
    let config = place.config();
    fs::rename(place.docs(), place.path("away")).unwrap();
    place.put(&place.path("notes/n.md"), b"another note");
    let report = ingest(&config, None);
    assert_eq!(report.exit_code, 20);
    assert_eq!(counts(&report.run.unwrap()), "1 crawled, 1 changed, 1 unreachable");
    assert_eq!(uris(&place), ["a.md", "n.md"]);
    fs::rename(place.path("away"), place.docs()).unwrap();
    check(&place, "2 crawled, 2 unchanged");
}

#[test]
fn encodings_are_found_out_and_recorded() {
    let place = Place::new();
    let utf16: Vec<u8> = "\u{feff}# Über\n\nZwölf Boxkämpfer jagen Viktor."
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let (latin, _, _) = encoding_rs::WINDOWS_1252
        .encode("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.");
    place.write("bom.md", "\u{feff}# Über\n\nZwölf Boxkämpfer.");
    place.write("latin.txt", &latin);
    place.write("utf16.md", utf16);
    place.write("utf8.md", "# Über\n\nZwölf Boxkämpfer.");
    check(&place, "4 crawled, 4 new");
    let sql = "SELECT uri, encoding FROM revision JOIN document ON document.id = document_id
               ORDER BY uri";
    insta::assert_snapshot!(rows(&place.kb(), sql).join("\n"), @r"
    bom.md|utf-8-bom
    latin.txt|windows-1252
    utf16.md|utf-16le
    utf8.md|utf-8
    ");
    assert_eq!(search(&place, "Boxkämpfer").len(), 4);
    check(&place, "4 crawled, 4 unchanged");
}

#[test]
fn what_cannot_be_taken_in_is_recorded_until_it_is_repaired() {
    let place = Place::new();
    place.reconfigure("path = 'docs'", "path = 'docs'\nmax_file_size = 1000");
    place.write("binary.md", b"\x7fELF \0\0\0");
    place.write("large.md", "x ".repeat(501));
    place.write("fine.md", "fine");
    let run = place.ingest();
    assert_eq!(counts(&run), "3 crawled, 1 new, 2 skipped");
    insta::assert_snapshot!(failures(&place).join("\n"), @r"
    binary.md|extract|skipped|binary.md: binary content (ELF program)
    large.md|crawl|skipped|ROOT/docs/large.md: 1002 bytes is over max_file_size (1000 bytes)
    ");
    // Skipped documents are not failures of the run, and have no effect on it.
    assert_eq!(counts(&place.ingest()), "3 crawled, 1 unchanged, 2 skipped");

    place.write("binary.md", "now text");
    place.write("large.md", "now small");
    check(&place, "3 crawled, 2 new, 1 unchanged");
    assert_eq!(failures(&place), Vec::<String>::new());
}

#[test]
fn a_document_that_breaks_keeps_its_old_version_until_it_is_repaired() {
    let place = Place::new();
    place.write("a.md", "alpha");
    place.ingest();
    place.write("a.md", b"\0\0\0");
    place.ingest();
    assert_eq!(search(&place, "alpha").len(), 1);
    assert_eq!(failures(&place).len(), 1);
    // Repaired with the previous bytes, and with others.
    place.write("a.md", "alpha");
    check(&place, "1 crawled, 1 unchanged");
    assert_eq!(failures(&place), Vec::<String>::new());
    place.write("a.md", b"\0\0\0");
    place.ingest();
    place.write("a.md", "beta");
    check(&place, "1 crawled, 1 changed");
    assert_eq!(failures(&place), Vec::<String>::new());
    place.write("a.md", b"\0\0\0");
    place.write("b.md", "other");
    place.ingest();
    place.remove("a.md");
    check(&place, "1 crawled, 1 unchanged, 1 deleted");
}

#[test]
fn empty_and_blank_documents_are_documents() {
    let place = Place::new();
    place.write("empty.md", "");
    place.write("blank.txt", " \n\n\t");
    place.write("full.md", "full");
    check(&place, "3 crawled, 3 new");
    assert_eq!(uris(&place), ["blank.txt", "empty.md", "full.md"]);
    place.write("full.md", "");
    place.write("empty.md", "no longer");
    check(&place, "3 crawled, 2 changed, 1 unchanged");
    assert_eq!(search(&place, "full"), []);
}

#[test]
fn a_rewrite_with_the_same_size_and_mtime_right_after_is_noticed() {
    let place = Place::new();
    // The clock has not passed this mtime, so a later write might not change it.
    let mtime = SystemTime::now() + Duration::from_secs(60);
    place.write("a.md", "alpha");
    set_mtime(&place.docs().join("a.md"), mtime);
    place.write("b.md", "other");
    check(&place, "2 crawled, 2 new");
    fs::write(place.docs().join("a.md"), "omega").unwrap();
    set_mtime(&place.docs().join("a.md"), mtime);
    check(&place, "2 crawled, 1 changed, 1 unchanged");
    assert_eq!(search(&place, "omega").len(), 1);
    // Once that is certain, a stat is enough.
    set_mtime(&place.docs().join("a.md"), past(0));
    assert_eq!(place.ingest().metrics.bytes_read, 5);
    assert_eq!(place.ingest().metrics.bytes_read, 0);
}

#[test]
fn the_knowledge_base_is_no_document_of_its_own_source() {
    let place = Place::new();
    place.reconfigure("path = 'kb.kb'", "path = 'docs/inside.kb'");
    place.write("a.md", "alpha");
    let config = place.config();
    for expected in ["1 crawled, 1 new", "1 crawled, 1 unchanged"] {
        let report = ingest(&config, None);
        assert_eq!(counts(&report.run.unwrap()), expected);
    }
    assert_eq!(rows(&config.kb, "SELECT uri FROM document"), ["a.md"]);
}

#[test]
fn vectors_of_unchanged_chunks_are_taken_over() {
    let place = Place::new();
    place.write("a.md", markdown(1, 50, "alpha"));
    place.ingest();
    let text = markdown(1, 50, "alpha").replacen("alpha", "changed", 1);
    place.write("a.md", text);
    let run = check(&place, "1 crawled, 1 changed");
    assert_eq!(run.metrics.chunks_stored, run.metrics.chunks_queued);
    assert_eq!(run.metrics.chunks_reused + 1, run.metrics.chunks_stored);
}

/// A document that changes while an older revision of it is still queued, and again after that.
#[test]
fn a_pending_revision_gives_way_to_a_newer_one() {
    for at in [Checkpoint::AfterSave, Checkpoint::AfterEnqueue, Checkpoint::BeforeCommit] {
        let place = Place::new();
        place.write("a.md", markdown(1, 10, "first"));
        place.write("b.md", markdown(2, 10, "other"));
        place.ingest();
        place.write("a.md", markdown(1, 12, "second"));
        let stopped = ingest(&place.config(), Some(&stop_at(Some(at), 1)));
        assert_cancelled(&stopped, "pending");
        assert_eq!(search(&place, "first").len(), 10);
        place.write("a.md", markdown(1, 14, "third"));
        let options = IngestOptions { restart: at == Checkpoint::AfterSave, ..Default::default() };
        assert_eq!(try_ingest(&place.config(), options, None).unwrap().exit_code, 0);
        // A run whose crawl was complete does not crawl again; the next run does.
        place.ingest();
        assert_sound(&place.kb());
        place.assert_equals_fresh_ingest();
        assert_eq!((search(&place, "second").len(), search(&place, "third").len()), (0, 14));
    }
}

#[test]
fn other_chunk_settings_redo_chunks_without_reading_files() {
    let place = Place::new();
    for number in 0..5 {
        place.write(&format!("{number}.md"), markdown(number, 20, "common"));
    }
    place.write("code.rs", "fn a() {}\n");
    place.ingest();
    let before = place.dump();
    place.reconfigure("max_tokens = 32", "max_tokens = 64");

    let stopped = ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 1)));
    assert_cancelled(&stopped, "other chunks");
    assert_eq!(search(&place, "common").len(), 100, "the old version is still there");

    let run = check(&place, "6 crawled, 6 unchanged, 6 restaged");
    assert_eq!(run.metrics.bytes_read, 0);
    assert!(place.dump() != before);
    place.reconfigure("max_tokens = 64", "max_tokens = 32");
    check(&place, "6 crawled, 6 unchanged, 6 restaged");
    assert_same(&place.dump(), &before, "the first settings");
}

#[test]
fn another_model_redoes_vectors_without_chunking() {
    let place = Place::new();
    for number in 0..5 {
        place.write(&format!("{number}.md"), markdown(number, 20, "common"));
    }
    place.write("empty.md", "");
    place.ingest();
    let keys = rows(&place.kb(), "SELECT uri, key FROM chunks ORDER BY uri, ordinal");
    let contents = rows(&place.kb(), "SELECT id FROM content");
    place.reconfigure("dim = 64", "dim = 32");

    let hits = search(&place, "common");
    let stopped = ingest(&place.config(), Some(&stop_at(Some(Checkpoint::BeforeCommit), 1)));
    assert_cancelled(&stopped, "another model");
    assert_eq!(search(&place, "common"), hits, "the old version is still there");

    let run = check(&place, "6 crawled, 6 unchanged, 6 restaged");
    assert_eq!(run.metrics.bytes_read, 0);
    assert_eq!(rows(&place.kb(), "SELECT uri, key FROM chunks ORDER BY uri, ordinal"), keys);
    assert_eq!(rows(&place.kb(), "SELECT id FROM content"), contents, "texts are shared");
    assert_eq!(rows(&place.kb(), "SELECT DISTINCT length(embedding) FROM vector"), ["32"]);
}

#[test]
fn more_documents_than_a_page_of_the_ledger() {
    let place = Place::new();
    for number in 0..1001 {
        place.write(&format!("{number:04}.txt"), "word");
    }
    place.ingest();
    for name in ["0000", "0999", "1000"] {
        place.remove(&format!("{name}.txt"));
    }
    for name in ["0000a", "0998a", "0999a", "1001"] {
        place.write(&format!("{name}.txt"), "new");
    }
    check(&place, "1002 crawled, 4 new, 998 unchanged, 3 deleted");
}

#[test]
fn spans_are_those_of_the_file() {
    let place = Place::new();
    let tricky = "---\ntitle: Über\n---\r\nIntro — ünïcödé.\r\n\r\n# Tables\n\n\
        | a | b |\n|---|---|\n| one two three four five six | seven eight nine ten |\n\
        | eleven twelve thirteen | fourteen fifteen sixteen seventeen eighteen |\n\n\
        ```rust\nfn main() {\n\n    let x = \"日本語のテキスト\";\n}\n```\n\n## Liste\n\n\
        - eins\n- zwei\n\n  mehr\n\n[link]: https://example.org\n";
    place.write("tricky.md", tricky);
    place.write("bom.md", format!("\u{feff}{tricky}"));
    place.write("crlf.txt", "one\r\n\r\ntwo\r\nthree\r\n".repeat(30));
    place.write("code.rs", "fn f() {\n    g();\n}\n\n".repeat(40));
    place.write("long.md", markdown(1, 60, "word"));
    place.ingest();
    let connection = read_only(&place.kb());
    let mut statement = connection
        .prepare("SELECT uri, start_byte, end_byte, start_line, end_line, text FROM chunks")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        let uri: String = row.get(0).unwrap();
        let number = |column| usize::try_from(row.get::<_, i64>(column).unwrap()).unwrap();
        let (start, end) = (number(1), number(2));
        let Value::Text(text) = row.get(5).unwrap() else { panic!("{uri}: no text") };
        let bytes = fs::read(place.docs().join(&uri)).unwrap();
        assert_eq!(text.as_bytes(), &bytes[start..end], "{uri} {start}..{end}");
        let line_of = |at: usize| 1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        let lines = (line_of(start), line_of(end - 1));
        assert_eq!((number(3), number(4)), lines, "{uri} {start}..{end} {text:?}");
        count += 1;
    }
    assert!(count > 70, "{count} chunks");
}

#[test]
fn deletions_give_their_space_back() {
    let place = Place::in_memory();
    for number in 0..80 {
        place.write(&format!("{number}.md"), markdown(number, 240, "canary"));
    }
    place.ingest();
    let size = || fs::metadata(place.kb()).unwrap().len();
    let full = size();
    for number in 8..80 {
        place.remove(&format!("{number}.md"));
    }
    let options = IngestOptions { allow_deletes: AllowDeletes::All, ..IngestOptions::default() };
    let ended = try_ingest(&place.config(), options, None).unwrap();
    assert_eq!(ended.exit_code, 0, "{ended:#?}");
    assert!(size() * 4 < full, "{full} bytes became {}", size());
    assert_sound(&place.kb());
    place.assert_equals_fresh_ingest();
    assert_eq!(rows(&place.kb(), "PRAGMA page_size"), ["8192"]);
}

/// A first run lists a source before it reads the first document; a file removed in between is not
/// a failure.
#[test]
fn a_file_that_is_removed_since_it_was_listed_is_left_out() {
    let place = Place::new();
    for name in ["a.md", "b.md", "c.md"] {
        place.write(name, markdown(1, 2, name));
    }
    let removed = place.docs().join("b.md");
    let hook = move |checkpoint: Checkpoint, _: &StopSignal| {
        if checkpoint == Checkpoint::BeforeBatch {
            let _ = std::fs::remove_file(&removed);
        }
    };
    let report = ingest(&place.config(), Some(&hook));
    assert_eq!((report.exit_code, report.failures.len()), (0, 0), "{report:#?}");
    assert_eq!(report.run.unwrap().metrics.documents_new, 2);
    place.assert_equals_fresh_ingest();
}

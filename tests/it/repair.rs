//! Damage: what `check --read-data` finds, what `--repair` repairs, and what `ingest
//! --retry-failed` retries.
//!
//! Rows are damaged with SQL, and the file itself byte by byte. Every live document stays
//! searchable between the damage and the ingest after the repair, which restores the previous
//! content.

mod bytes;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use kbingest::kb::{Finding, Query, SearchMode, Show};
use kbingest::operations::{self, CheckOptions, CheckReport, IngestOptions, Target, check};
use kbingest::support::checkpoint::Checkpoint;
use rusqlite::Connection;

use crate::support::{
    Draw, Place, assert_same, assert_sound, dump, ingest, markdown, remove_kb, rows, stop_at,
    try_ingest,
};

const DOCUMENTS: u64 = 8;
/// Bits of rows that are flipped, one at a time.
const FLIPS: u64 = 400;

fn word(number: u64) -> String {
    format!("canary{number}")
}

/// A folder with documents that each have a unique word in every chunk, ingested.
fn place() -> Place {
    let place = Place::in_memory();
    for number in 0..DOCUMENTS {
        let text = markdown(number, 4 + number as usize * 2, &word(number));
        place.write(&format!("{number}.md"), text);
    }
    place.write("long.md", markdown(99, 300, "common"));
    place.ingest();
    place
}

/// Opens the file like an attacker.
fn vandal(kb: &Path) -> Connection {
    let connection = Connection::open(kb).unwrap();
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;")
        .unwrap();
    connection
}

pub fn look(kb: &Path, repair: bool) -> CheckReport {
    check(&Target::File(kb.to_owned()), CheckOptions { read_data: true, repair }).unwrap()
}

fn subjects(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{}\n", finding.subject)).collect()
}

fn assert_all_searchable(kb: &Path, when: &str) {
    let words = (0..DOCUMENTS).map(|number| (Some(number), word(number)));
    for (number, query) in words.chain([(None, "common river".to_owned())]) {
        let options = Query {
            show: Show { limit: 50, mode: SearchMode::Hybrid, ..Show::default() },
            ..Query::new(query)
        };
        let found = operations::search(&Target::File(kb.to_owned()), &options)
            .unwrap_or_else(|error| panic!("{when}: {error}"));
        let found: BTreeSet<_> = found.hits.into_iter().map(|hit| hit.uri).collect();
        let Some(number) = number else { continue };
        assert!(found.contains(&format!("{number}.md")), "{when}: {number}.md is not found");
    }
}

/// Repairs, ingests, and compares with the content before the damage.
fn assert_repaired(place: &Place, before: &str, damage: &str) {
    let report = look(&place.kb(), true);
    assert!(!report.findings.is_empty() && report.repair.is_some(), "{damage}: {report:#?}");
    let left = look(&place.kb(), false).findings;
    assert!(left.is_empty(), "{damage}, repaired: {left:#?}");
    let ended = ingest(&place.config(), None);
    assert_eq!(ended.exit_code, 0, "{damage}: {ended:#?}");
    let left = look(&place.kb(), false).findings;
    assert!(left.is_empty(), "{damage}: {left:#?}");
    assert_same(&place.dump(), before, &format!("before {damage}"));
    assert_all_searchable(&place.kb(), damage);
}

/// Flips one bit of one row, returns the document it belongs to, and SQL that undoes it.
fn flip(connection: &Connection, draw: &mut Draw) -> (String, String) {
    let (table, column, id) = [
        ("content", "text", "id"),
        ("vector", "embedding", "chunk_id"),
        ("vector", "scale", "chunk_id"),
        ("vector", "checksum", "chunk_id"),
        ("content", "checksum", "id"),
    ][draw.below(5)];
    if table == "vector" {
        return flip_vector(connection, column, draw);
    }
    let count: i64 = connection
        .query_row(&format!("SELECT count(*) FROM {table} WHERE length({column}) > 0"), [], |row| {
            row.get(0)
        })
        .unwrap();
    let at = draw.below(count as usize);
    let sql = format!(
        "SELECT {id}, {column} FROM {table} WHERE length({column}) > 0 LIMIT 1 OFFSET {at}"
    );
    let (row, value): (i64, rusqlite::types::Value) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    use rusqlite::types::Value;
    let (flipped, undo) = match value {
        Value::Blob(mut bytes) => {
            let undo = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let at = draw.below(bytes.len());
            bytes[at] ^= 1 << draw.below(8);
            (Value::Blob(bytes), format!("x'{undo}'"))
        }
        Value::Integer(number) => {
            (Value::Integer(number ^ 1 << draw.below(64)), number.to_string())
        }
        other => panic!("{column}: {other:?}"),
    };
    connection
        .execute(&format!("UPDATE {table} SET {column} = ?2 WHERE {id} = ?1"), (row, flipped))
        .unwrap();
    let owner = format!("SELECT document_id FROM revision WHERE content_id = {row}");
    (name(connection, &owner), format!("UPDATE {table} SET {column} = {undo} WHERE {id} = {row}"))
}

/// Returns source and URI of the document whose id `sql` returns.
fn name(connection: &Connection, sql: &str) -> String {
    let sql = format!("SELECT source || ':' || uri FROM document WHERE id = ({sql})");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Flips one bit of the `part` of one vector in its block.
fn flip_vector(connection: &Connection, part: &str, draw: &mut Draw) -> (String, String) {
    let count: i64 =
        connection.query_row("SELECT count(*) FROM vector", [], |row| row.get(0)).unwrap();
    let at = draw.below(count as usize);
    let sql = format!("SELECT chunk_id FROM vector LIMIT 1 OFFSET {at}");
    let chunk: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
    let (block, entry, dim): (i64, u32, u32) = connection
        .query_row(
            &format!(
                "SELECT vector_block.id, (instr(slots, CAST(char({chunk} % width + 1) AS BLOB)) - 1) * (dim + 12), dim
                 FROM vector_space JOIN vector_block ON vector_space.id = vector_block.id >> 40
                 WHERE vector_block.id & 0xffffffff = {chunk} / width"
            ),
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let bytes = match part {
        "scale" => 0..4,
        "checksum" => 4..12,
        _ => 12..12 + dim as usize,
    };
    let at = entry as usize + bytes.start + draw.below(bytes.len());
    let bit = 1 << draw.below(8);
    let flip = |bits: u8| {
        let bits = format!("x'{bits:02x}'");
        format!(
            "UPDATE vector_block SET entries = CAST(substr(entries, 1, {at}) || {bits} || substr(entries, {at} + 2) AS BLOB)
             WHERE id = {block}"
        )
    };
    let byte: Vec<u8> = connection
        .query_row(
            &format!("SELECT substr(entries, {at} + 1, 1) FROM vector_block WHERE id = {block}"),
            [],
            |row| row.get(0),
        )
        .unwrap();
    connection.execute_batch(&flip(byte[0] ^ bit)).unwrap();
    let owner = format!(
        "SELECT document_id FROM revision WHERE id = (SELECT revision_id FROM chunk WHERE id = {chunk})"
    );
    (name(connection, &owner), flip(byte[0]))
}

#[test]
fn every_flipped_bit_is_found_with_its_document() {
    let place = place();
    let connection = vandal(&place.kb());
    let mut draw = Draw::new(1);
    for number in 0..FLIPS {
        let (document, undo) = flip(&connection, &mut draw);
        let findings = look(&place.kb(), false).findings;
        assert_eq!(findings.len(), 1, "flip {number}, to undo by {undo}: {findings:#?}");
        assert!(findings[0].subject.starts_with(&document), "{document}: {findings:#?}");
        connection.execute_batch(&undo).unwrap();
    }
    drop(connection);
    assert_sound(&place.kb());
}

#[test]
fn flipped_bits_are_mended() {
    let place = place();
    let before = place.dump();
    for seed in 0..10 {
        let mut draw = Draw::new(seed);
        let connection = vandal(&place.kb());
        let damaged: Vec<_> = (0..6).map(|_| flip(&connection, &mut draw).0).collect();
        drop(connection);
        let found = subjects(&look(&place.kb(), false).findings);
        for document in damaged {
            assert!(found.contains(&document), "{document} is not in\n{found}");
        }
        assert_repaired(&place, &before, &format!("flips of seed {seed}"));
    }
}

/// Damage to rows, with the invariant that it breaks.
const DAMAGES: &[(&str, &str)] = &[
    (
        "UPDATE vector_block SET slots = substr(slots, 2), entries = substr(entries, 32 + 13)
         WHERE id = (SELECT min(id) FROM vector_block)",
        "a revision has as many vectors as it counts",
    ),
    ("DELETE FROM vector_block", "a revision has as many vectors as it counts"),
    ("DELETE FROM vector_space", "a revision has as many vectors as it counts"),
    (
        "UPDATE vector_block SET slots = CAST(substr(slots, 1, 1) || x'7f' || substr(slots, 3) AS BLOB)
         WHERE id = (SELECT min(id) FROM vector_block)",
        "a vector matches its checksum",
    ),
    // Ids in an empty range are not looked up one by one.
    ("UPDATE run SET id = 100000000", "rows refer to rows that exist"),
    ("DELETE FROM chunk_fts_idx", "every word of the full-text index is found"),
    (
        "DELETE FROM chunk_fts WHERE rowid = (SELECT max(id) FROM chunk)",
        "every live chunk is in the full-text index",
    ),
    (
        "INSERT INTO chunk_fts (chunk_fts) VALUES ('delete-all')",
        "every live chunk is in the full-text index",
    ),
    (
        "INSERT INTO chunk_fts (rowid, title, heading, text) VALUES (999999, 'a', 'b', 'common')",
        "the full-text index holds live chunks only",
    ),
    (
        "INSERT INTO vector_block SELECT (1 << 40) + 99999, x'01', substr(entries, 1, 32 + 12)
         FROM vector_block LIMIT 1",
        "every vector has its chunk",
    ),
    (
        "INSERT INTO chunk SELECT 999999, 888888, 0, start_byte, end_byte, start_line, end_line,
           prefix_start, prefix_end, overlap_start, heading_path, token_count, key, input_hash,
           row_start, row_end
         FROM chunk LIMIT 1",
        "every chunk has its revision",
    ),
    (
        "INSERT INTO content (id, text, checksum) VALUES (999999, x'61', 1)",
        "every text has its revision",
    ),
    (
        "INSERT INTO queue (first_chunk, last_chunk, state) VALUES (999990, 999999, 'pending')",
        "a queue row names a chunk without a vector",
    ),
    (
        "INSERT INTO queue (first_chunk, last_chunk, state) VALUES (1, 5, 'claimed')",
        "a queue row names a chunk without a vector",
    ),
    (
        "INSERT INTO document (id, source, uri, extract_fp, run_id)
         VALUES (999999, 'docs', 'nowhere.md', 'markdown@1', 1)",
        "a document has a revision or a failure",
    ),
    (
        "INSERT INTO failure (document_id, run_id, stage, kind, error)
         VALUES (999999, 1, 'chunk', 'permanent', 'nobody')",
        "rows refer to rows that exist",
    ),
    (
        "DELETE FROM chunk WHERE id = 3",
        "a revision has its chunks, numbered without a gap",
    ),
    (
        "UPDATE chunk SET end_byte = 1000000000 WHERE id = 4",
        "spans are inside the text, in order, and do not overlap",
    ),
    (
        "UPDATE chunk SET start_byte = start_byte - 20 WHERE id = 3",
        "spans are inside the text, in order, and do not overlap",
    ),
    (
        "UPDATE chunk SET ordinal = ordinal + 7 WHERE id = 6",
        "spans are inside the text, in order, and do not overlap",
    ),
    (
        "UPDATE revision SET chunk_stored = chunk_stored - 1 WHERE id = 2",
        "a revision has as many vectors as it counts",
    ),
    (
        "UPDATE revision SET chunk_total = chunk_total + 1, chunk_stored = chunk_stored + 1 WHERE id = 2",
        "a revision has its chunks, numbered without a gap",
    ),
    (
        "UPDATE vector_block SET entries = x'0102' WHERE id = (SELECT min(id) FROM vector_block)",
        "a block of vectors has an entry for each of its slots",
    ),
    (
        "UPDATE content SET text = x'' WHERE id = 1",
        "spans are inside the text, in order, and do not overlap",
    ),
    (
        "DELETE FROM content WHERE id = (SELECT content_id FROM revision ORDER BY chunk_total DESC)",
        "rows refer to rows that exist",
    ),
    ("DELETE FROM document WHERE uri = 'long.md'", "rows refer to rows that exist"),
    ("UPDATE revision SET text_bytes = 0 WHERE id = 2", "a revision tells how long its text is"),
    ("UPDATE counter SET last = 1 WHERE name = 'chunk'", "ids stay below their counters"),
    (
        "UPDATE counter SET last = 0 WHERE name IN ('revision', 'content', 'document')",
        "ids stay below their counters",
    ),
];

#[test]
fn damaged_rows_are_found_and_mended() {
    let place = place();
    let before = place.dump();
    let whole = fs::read(place.kb()).unwrap();
    let mut failed = Vec::new();
    for (damage, invariant) in DAMAGES {
        remove_kb(&place.kb());
        fs::write(place.kb(), &whole).unwrap();
        vandal(&place.kb()).execute_batch(damage).unwrap();
        let findings = look(&place.kb(), false).findings;
        let is_found = findings.iter().any(|finding| finding.invariant == *invariant);
        assert!(is_found, "{damage}\nis no breach of \"{invariant}\": {findings:#?}");
        let repaired = catch_unwind(AssertUnwindSafe(|| assert_repaired(&place, &before, damage)));
        failed.extend(repaired.is_err().then_some(*damage));
    }
    assert!(failed.is_empty(), "{} damages are not repaired: {failed:#?}", failed.len());
}

/// Damage to a run that was stopped half way, with its work in the queue.
/// Without them a model that changed would go unnoticed, and a budget would begin again.
#[test]
fn what_models_and_budgets_need_is_kept() {
    let place = place();
    vandal(&place.kb())
        .execute_batch(
            "INSERT INTO probe VALUES ('a model', x'0000803f');
             INSERT INTO usage VALUES (1, 20000, 300, 40);
             UPDATE content SET checksum = checksum + 1 WHERE id = (SELECT min(id) FROM content)",
        )
        .unwrap();
    assert!(look(&place.kb(), true).repair.is_some());
    assert_eq!(rows(&place.kb(), "SELECT embed_fp, hex(vector) FROM probe"), ["a model|0000803F"]);
    assert_eq!(rows(&place.kb(), "SELECT * FROM usage"), ["1|20000|300|40"]);
    place.ingest();
}

#[test]
fn a_half_done_run_is_mended_and_gone_on_with() {
    let damages = [
        "DELETE FROM queue",
        "DELETE FROM queue WHERE first_chunk = (SELECT max(first_chunk) FROM queue)",
        "UPDATE queue SET last_chunk = first_chunk",
        "DELETE FROM chunk WHERE id = (SELECT max(id) FROM chunk)",
        "UPDATE content SET text = CAST(x'ff' || text AS BLOB) WHERE id = (SELECT max(id) FROM content)",
        "UPDATE revision SET chunk_stored = 1 WHERE state = 'chunked'",
        "DELETE FROM document WHERE uri = 'new.md'",
    ];
    for (number, damage) in damages.iter().enumerate() {
        let place = place();
        place.write("0.md", markdown(50, 20, &word(0)));
        place.write("new.md", markdown(51, 280, "common"));
        let stop = stop_at(Some(Checkpoint::BeforeCommit), 1);
        assert_eq!(ingest(&place.config(), Some(&stop)).exit_code, 130);
        assert!(!rows(&place.kb(), "SELECT * FROM queue").is_empty());
        vandal(&place.kb()).execute_batch(damage).unwrap();
        let report = look(&place.kb(), true);
        assert!(!report.findings.is_empty(), "{number}: {damage}");
        assert!(look(&place.kb(), false).findings.is_empty(), "{number}: {damage}");
        // The first continues the run, the second compares every file.
        ingest(&place.config(), None);
        place.ingest();
        place.assert_equals_fresh_ingest();
    }
}

#[test]
fn an_earlier_copy_of_a_damaged_file_is_kept() {
    let place = place();
    let mut copies = Vec::new();
    for number in 0..2 {
        // A text that is lost permanently, except for the copy.
        vandal(&place.kb())
            .execute(
                "UPDATE content SET text = CAST(x'ff' || text AS BLOB) WHERE id = (SELECT min(id) + ?1 FROM content)",
                [number],
            )
            .unwrap();
        let copy = look(&place.kb(), true).damaged_copy.unwrap();
        assert!(copy.exists() && !copies.contains(&copy), "{copy:?} {copies:?}");
        copies.push(copy);
    }
    assert!(copies[0].exists());
}

#[test]
fn failures_are_tried_again_when_asked() {
    let place = place();
    let before = place.dump();
    // UTF-16 in name only.
    place.write("broken.md", [b"\xff\xfe".as_slice(), &b"\x00\xd8".repeat(200)].concat());
    let options = IngestOptions { retry_failed: true, ..IngestOptions::default() };
    assert!(place.ingest_to(3).metrics.bytes_read > 0);
    let failed = place.dump();
    assert_eq!(place.ingest_to(3).metrics.bytes_read, 0, "nothing says that it would go better");
    let again = try_ingest(&place.config(), options.clone(), None).unwrap();
    assert_eq!((again.exit_code, again.run.unwrap().metrics.bytes_read), (3, 402));
    assert_same(&place.dump(), &failed, "before another try");
    place.remove("broken.md");
    let again = try_ingest(&place.config(), options, None).unwrap();
    assert_eq!(again.exit_code, 0);
    assert_same(&place.dump(), &before, "before the file was there");
}

/// Marks the chunks of a new text of `0.md` as dead, as after the third process that died of them.
fn set_chunks_aside(place: &Place, text: &str) {
    place.write("0.md", text);
    let stop = stop_at(Some(Checkpoint::BeforeCommit), 1);
    assert_eq!(ingest(&place.config(), Some(&stop)).exit_code, 130);
    vandal(&place.kb())
        .execute_batch(
            "UPDATE queue SET state = 'dead', error = 'died', attempts = 3, is_alone = 1;
             INSERT INTO failure (document_id, run_id, stage, kind, error)
             SELECT id, 1, 'embed', 'permanent', 'died' FROM document WHERE uri = '0.md';",
        )
        .unwrap();
    place.ingest_to(3);
}

/// One failure replaces another, and restores it.
#[test]
fn chunks_set_aside_are_still_told_after_another_failure() {
    let place = place();
    let text = markdown(60, 12, &word(0));
    set_chunks_aside(&place, &text);
    let aside = place.dump();
    place.write("0.md", b"\x7fELF\0\0\0");
    place.ingest_to(0);
    assert!(place.dump().contains("skipped"));
    place.write("0.md", text);
    place.ingest_to(3);
    assert_same(&place.dump(), &aside, "before the other failure");
}

#[test]
fn chunks_set_aside_are_tried_again_when_asked() {
    let place = place();
    set_chunks_aside(&place, &markdown(60, 12, &word(0)));
    place.ingest_to(3);
    assert_all_searchable(&place.kb(), "while quarantined");
    let ended = Command::new(env!("CARGO_BIN_EXE_kbingest"))
        .args(["ingest", "--retry-failed"])
        .arg(place.toml())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_sound(&place.kb());
    place.assert_equals_fresh_ingest();
    assert!(!dump(&place.kb()).contains("dead"));
}

//! How SQLite would carry out the statements that tests record, for files of any size.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;

use super::{Reader, Writer};
use crate::kb::KbError;

/// Returns those of `statements` that have a plan, each with the steps of its plan on the
/// knowledge base at `path`, for a connection of a run and for one that only reads, if `ANALYZE`
/// had found `rows` in each of its tables; without `rows`, it never ran. Changes the file.
pub fn plans(
    path: &Path,
    rows: Option<u64>,
    statements: &BTreeSet<String>,
) -> Result<[Plans; 2], KbError> {
    pretend(&Connection::open(path)?, rows)?;
    let reading = explain(&Reader::open(path)?.connection().connection, &READING, statements)?;
    // It drops them.
    let writing =
        explain(&Writer::open(path)?.connection(), &[&READING[..], &WRITING].concat(), statements)?;
    Ok([writing, reading])
}

/// Steps by statement.
pub type Plans = BTreeMap<String, Vec<String>>;

/// How the statements begin that have a plan.
const READING: [&str; 2] = ["SELECT", "WITH"];
const WRITING: [&str; 4] = ["INSERT", "REPLACE", "UPDATE", "DELETE"];

fn explain(
    connection: &Connection,
    words: &[&str],
    statements: &BTreeSet<String>,
) -> Result<Plans, KbError> {
    let has_plan = |sql: &&String| {
        let word = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
        // Views of FTS5 on its own index, which are of the connection.
        !sql.contains("temp.") && words.contains(&word.as_str())
    };
    let mut plans = BTreeMap::new();
    for sql in statements.iter().filter(has_plan) {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        let steps = explain.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>()?;
        plans.insert(sql.split_whitespace().collect::<Vec<_>>().join(" "), steps);
    }
    Ok(plans)
}

/// Stores the statistics of tables with `rows` each, of which a hundredth is equal in the first
/// column of an index, a hundredth of that in the next one, and so on.
fn pretend(connection: &Connection, rows: Option<u64>) -> rusqlite::Result<()> {
    connection.execute_batch("ANALYZE; DELETE FROM sqlite_stat1; DELETE FROM sqlite_stat4;")?;
    let Some(rows) = rows else {
        return connection.execute_batch("DROP TABLE sqlite_stat1; DROP TABLE sqlite_stat4;");
    };
    let mut tables = connection.prepare(
        "SELECT name, NULL FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         UNION ALL SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index'",
    )?;
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (table, index) in tables.collect::<rusqlite::Result<Vec<(String, Option<String>)>>>()? {
        let columns = match &index {
            None => 0,
            Some(index) => connection.query_row(
                "SELECT COUNT(*) FROM pragma_index_info(?1)",
                [index],
                |row| row.get::<_, u32>(0),
            )?,
        };
        let equal = (1..=columns).map(|column| (rows / 100_u64.pow(column)).max(1));
        let numbers = std::iter::once(rows).chain(equal).map(|number| number.to_string());
        let stat = numbers.collect::<Vec<_>>().join(" ");
        connection.execute("INSERT INTO sqlite_stat1 VALUES (?1, ?2, ?3)", (table, index, stat))?;
    }
    Ok(())
}

/// Returns the statements that read a whole table and are not allowed to, and the entries of the
/// list of those allowed that no statement needs.
pub fn scans(plans: &Plans) -> (Vec<String>, Vec<(&'static str, &'static str)>) {
    let mut unused = SCANS.to_vec();
    let mut scanning = Vec::new();
    for (sql, steps) in plans.iter().filter(|(_, steps)| steps.iter().any(|step| is_scan(step))) {
        let allowed = SCANS.iter().find(|(start, _)| sql.starts_with(start));
        unused.retain(|one| Some(one) != allowed);
        if allowed.is_none() {
            scanning.push(format!("{sql}\n  {steps:?}"));
        }
    }
    (scanning, unused)
}

/// Reports whether a step of a plan reads a whole table that grows with the knowledge base.
fn is_scan(step: &str) -> bool {
    let Some(rest) = step.strip_prefix("SCAN ") else { return false };
    let is_looked_up = rest.contains("VIRTUAL TABLE") || rest.contains("CONSTANT ROW");
    let is_partial = rest.split(' ').any(|word| PARTIAL.contains(&word));
    let table = rest.split(' ').next().unwrap_or_default();
    !is_looked_up && !is_partial && !SMALL.contains(&table)
}

/// Tables whose size does not depend on that of the knowledge base, and results of subqueries.
const SMALL: [&str; 12] = [
    "analysis",
    "counter",
    "intake",
    "phase",
    "run",
    "vector_space",
    "main.chunk_fts_config",
    "sqlite_schema",
    "sqlite_master",
    "5-ROW",
    "(subquery-1)",
    "linked",
];
/// Indexes of the rows that wait to be worked on.
const PARTIAL: [&str; 2] = ["revision_unfinished", "frontier_queued"];

/// Statements that read a whole table, by their beginning, and why they may.
const SCANS: [(&str, &str); 30] = [
    ("DELETE FROM document WHERE NOT EXISTS", ONCE),
    ("SELECT block FROM chunk_fts_idx", "limited, and only for a query with an unknown word"),
    ("DELETE FROM failure WHERE", FAILURES),
    ("DELETE FROM known_failure WHERE", FAILURES),
    ("INSERT INTO known_failure", FAILURES),
    ("UPDATE failure", FAILURES),
    ("UPDATE document SET version = NULL WHERE id IN (SELECT document_id FROM failure", FAILURES),
    ("SELECT COUNT(*) FROM failure", FAILURES),
    ("SELECT document.source, substr(document.uri, 1, ?1), failure.stage", FAILURES),
    ("UPDATE run SET documents_failed", ONCE),
    ("SELECT failure.kind FROM frontier AS page", ONCE),
    ("UPDATE frontier SET state = 'queued'", ONCE),
    ("SELECT DISTINCT", ONCE),
    ("SELECT embed_fp FROM revision", ONCE),
    ("UPDATE revision SET text_bytes", "a step of the file format"),
    ("SELECT CASE WHEN (SELECT min(source) FROM document)", ONCE),
    ("SELECT id, document_id, content_id, run_id, state = 'live'", "once for each --restart"),
    ("SELECT id, state = 'live', chunk_fp <> wanted", "once for each change of settings"),
    ("SELECT revision.id, document.source, document.uri, revision.title", ONCE),
    ("SELECT queue.state, COUNT(*) FROM queue", ONCE),
    ("UPDATE queue SET state = 'pending' WHERE state = 'claimed'", ONCE),
    ("UPDATE queue SET state = 'pending', attempts = 0", "once for each --retry-failed"),
    ("SELECT state = 'live', embed_fp, chunk_fp", "the statistics of `status`"),
    ("SELECT id FROM revision WHERE state = 'live' AND chunk_total > 0", "all chunks of a search"),
    ("SELECT document.source, document.uri, document.run_id = ?1", ONCE),
    ("SELECT document.source, document.uri, revision.content_hash", ONCE),
    ("SELECT document.source FROM document JOIN revision", "a document named without its source"),
    ("SELECT content_hash, COUNT(*) AS documents", "the parts that `stats` shows"),
    ("SELECT document.source, document.uri, revision.extract_fp", "the parts that `stats` shows"),
    ("SELECT token_count, COUNT(*) FROM chunk", "the parts that `stats` shows"),
];

const ONCE: &str = "once for each process or source of a run, or command";
const FAILURES: &str = "once for each run or command, and few documents fail";

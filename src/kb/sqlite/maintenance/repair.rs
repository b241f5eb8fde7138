//! Builds a sound knowledge base from everything that is readable in a damaged one.
//!
//! The damaged file is a copy that nobody else has open. Rows are looked up one by one, as an
//! unreadable page ends a scan of a table. Only rows with a valid checksum are copied; the rest is
//! left to the next run.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params_from_iter};
use serde::Serialize;

use crate::domain::ChunkId;
use crate::kb::KbError;
use crate::kb::sqlite::convert::to_sql;
use crate::kb::sqlite::vectors::{Space, StoredVector};
use crate::kb::sqlite::{BUSY_TIMEOUT, Writer, seal, vectors};

/// Bytes of a page of the file.
const PAGE_BYTES: usize = 8192;
/// Limit on the ids looked up in unreadable pages.
const IDS_MAX: i64 = 100_000_000;
/// Counters from here on are considered damaged.
const COUNTER_MAX: i64 = 1 << 40;
/// Limit on the ids looked up if no counter and no index can be read, and bytes of the file for
/// each.
const IDS_GUESSED: i64 = 1_000_000;
const BYTES_PER_ID: u64 = 16;
/// Limit on the rows of a small table.
const ROWS_MAX: u32 = 100_000;

/// The result of a repair. The next `ingest` reads every document again, and recreates what is
/// missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Documents that are kept unchanged.
    pub documents_kept: u64,
    /// Documents whose text is kept, to be chunked and embedded again.
    pub documents_requeued: u64,
    /// Documents that were damaged or unfinished, to be read again from their source.
    pub documents_to_read: u64,
    /// Chunks that were added to the full-text index again.
    pub chunks_indexed: u64,
}

/// Raises each counter above all ids in use.
const COUNTERS: &str = "
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM chunk)) WHERE name = 'chunk';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM revision)) WHERE name = 'revision';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM content)) WHERE name = 'content';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM document)) WHERE name = 'document';
     UPDATE counter SET last = max(last, (SELECT ifnull(max(id), 0) FROM run)) WHERE name = 'run'";

/// Makes the next run read every document and page again: whether the last read version was kept is
/// unknown.
const READINGS: &str = "UPDATE document SET version = NULL; UPDATE frontier SET settings = NULL";

/// Queues pages whose document is gone.
const PAGES: &str = "UPDATE frontier SET state = 'queued', reason = NULL
     WHERE state IN ('fetched', 'unchanged') AND NOT EXISTS (SELECT 1 FROM document
       WHERE document.source = frontier.source
         AND replace(document.uri, '/', char(1)) = replace(frontier.url, '/', char(1)))";

/// Corrects the counts of what each run has queued, and ends one that was active.
const RUNS: &str = "UPDATE run SET chunks_queued = chunks_stored + chunks_superseded;
     UPDATE run SET status = 'cancelled', message = 'ended by a repair', error = NULL,
                    ended_ms = heartbeat_ms WHERE status = 'running';
     UPDATE phase SET status = 'pending'
     WHERE run_id IN (SELECT id FROM run WHERE status IN ('cancelled', 'failed'))";

impl Writer {
    /// Fills this new knowledge base with everything readable in the damaged file at `damaged`,
    /// which changes meanwhile.
    ///
    /// The full-text index stays empty. Fails, without changing anything here, if no document can
    /// be read.
    pub fn salvage(&self, damaged: &Path) -> Result<Repair, KbError> {
        match self.salvage_from(damaged) {
            // The schema may be damaged while the tables are sound.
            Err(KbError::Damaged(_)) => {
                self.lend_schema(damaged)?;
                self.salvage_from(damaged)
            }
            ended => ended,
        }
    }

    fn salvage_from(&self, damaged: &Path) -> Result<Repair, KbError> {
        let bytes = std::fs::metadata(damaged).map_or(0, |metadata| metadata.len());
        let ids_guessed = IDS_GUESSED.min(to_sql(bytes / BYTES_PER_ID));
        let damaged = open_damaged(damaged)
            .map_err(|error| KbError::Damaged(format!("it cannot be opened: {error}")))?;
        self.write(|tx| {
            let mut salvage =
                Salvage { from: damaged, to: tx, ids_guessed, repair: Repair::default() };
            salvage.counters()?;
            salvage.rows("run", &[])?;
            salvage.phases()?;
            salvage.revisions()?;
            salvage.failures()?;
            if salvage.repair.documents_kept + salvage.repair.documents_requeued == 0 {
                return Err(KbError::Damaged("no document can be read".to_owned()));
            }
            salvage.rows("frontier", &[])?;
            for table in ["probe", "usage"] {
                salvage.first_rows(table)?;
            }
            for sql in [COUNTERS, READINGS, PAGES, RUNS] {
                tx.execute_batch(sql)?;
            }
            Ok(salvage.repair)
        })
    }

    /// Copies the header and the schema of this new file into the damaged one: all files of one
    /// version have the same tables at the same pages, unless they were vacuumed.
    fn lend_schema(&self, damaged: &Path) -> Result<(), KbError> {
        let io = |error: std::io::Error| {
            KbError::Damaged(format!("{} cannot be patched: {error}", damaged.display()))
        };
        let roots: BTreeSet<usize> = {
            let writer = self.connection();
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            let mut statement =
                writer.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")?;
            let roots =
                statement.query_map([], |row| row.get::<_, u32>(0).map(|page| page as usize))?;
            roots.collect::<Result<_, _>>()?
        };
        let fresh = std::fs::read(self.reader().path()).map_err(io)?;
        let mut bytes = std::fs::read(damaged).map_err(io)?;
        let padded = bytes.len().next_multiple_of(PAGE_BYTES).max(fresh.len());
        bytes.resize(padded, 0);
        for (number, page) in fresh.chunks_exact(PAGE_BYTES).enumerate() {
            if !roots.contains(&(number + 1)) {
                bytes[number * PAGE_BYTES..][..PAGE_BYTES].copy_from_slice(page);
            }
        }
        // "The Database Header": number of pages, and an empty freelist.
        let pages = u32::try_from(padded / PAGE_BYTES).unwrap_or(u32::MAX);
        bytes[28..32].copy_from_slice(&pages.to_be_bytes());
        bytes[32..40].fill(0);
        // Valid if the change counter equals "version-valid-for".
        let changes: [u8; 4] = [fresh[24], fresh[25], fresh[26], fresh[27]];
        bytes[92..96].copy_from_slice(&changes);
        for ending in ["-wal", "-shm"] {
            crate::support::files::remove(&crate::support::storage::beside(damaged, ending))
                .map_err(io)?;
        }
        crate::support::files::replace(damaged, &bytes).map_err(io)
    }

    /// Replaces the content of the damaged file at `live` by that of this knowledge base, in one
    /// transaction; fails if SQLite cannot write to a file with such damage.
    pub fn overwrite(&self, live: &Path) -> Result<(), KbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut target = Connection::open_with_flags(live, flags)?;
        target.busy_timeout(BUSY_TIMEOUT)?;
        let reader = self.reader().connection();
        let step = Backup::new(&reader.connection, &mut target)?.step(-1)?;
        if step != StepResult::Done {
            return Err(KbError::Busy);
        }
        target.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Opens a file in any state.
fn open_damaged(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // With the first, SQLite ignores entries of the schema that it does not understand, and a file
    // that is shorter than it claims.
    connection.execute_batch(
        "PRAGMA writable_schema = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
    )?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// A damaged file, and the transaction that copies its content.
struct Salvage<'a, 'b> {
    from: Connection,
    to: &'a Transaction<'b>,
    ids_guessed: i64,
    repair: Repair,
}

impl Salvage<'_, '_> {
    fn counters(&self) -> Result<(), KbError> {
        for name in ["document", "content", "revision", "chunk", "run"] {
            if let Some(last) = self.counter(name) {
                let sql = "UPDATE counter SET last = ?2 WHERE name = ?1";
                self.to.execute(sql, rusqlite::params![name, last])?;
            }
        }
        Ok(())
    }

    fn counter(&self, name: &str) -> Option<i64> {
        let sql = "SELECT last FROM counter WHERE name = ?1";
        let last = self.from.query_row(sql, [name], |row| row.get::<_, i64>(0)).ok()?;
        (0..COUNTER_MAX).contains(&last).then_some(last)
    }

    /// Returns the ids of `table` in order, and those in unreadable pages.
    fn ids<'s>(&'s self, table: &str, key: &str) -> impl Iterator<Item = i64> + 's {
        let sql = format!("SELECT min({key}) FROM {table} WHERE {key} > ?1");
        let counter = self.counter(if table == "failure" { "document" } else { table });
        let mut unreadable_left = counter.unwrap_or(self.ids_guessed).min(IDS_MAX);
        let mut last = 0;
        std::iter::from_fn(move || {
            let next = self.from.prepare_cached(&sql).and_then(|mut statement| {
                statement.query_row([last], |row| row.get::<_, Option<i64>>(0))
            });
            last = match next {
                Ok(next) => next.filter(|next| *next > last)?,
                Err(_) if unreadable_left > 0 => {
                    unreadable_left -= 1;
                    last + 1
                }
                Err(_) => return None,
            };
            Some(last)
        })
    }

    /// Returns the columns of `table` in this version of the format.
    fn columns(&self, table: &str) -> Result<Vec<String>, KbError> {
        let mut statement = self.to.prepare(&format!("PRAGMA table_info({table})"))?;
        let names = statement.query_map([], |row| row.get(1))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// Returns a row of the damaged file; `None` if it does not exist or cannot be read.
    fn row(&self, table: &str, columns: &[String], key: &str, id: i64) -> Option<Vec<Value>> {
        let names = columns.join(", ");
        let sql = format!("SELECT {names} FROM {table} WHERE {key} = ?1");
        let mut statement = self.from.prepare_cached(&sql).ok()?;
        let read =
            |row: &rusqlite::Row<'_>| (0..columns.len()).map(|column| row.get(column)).collect();
        statement.query_row([id], read).optional().ok()?
    }

    /// Stores a row; returns whether the constraints of the table allow it.
    fn store(&self, table: &str, columns: &[String], row: Vec<Value>) -> Result<bool, KbError> {
        let places = vec!["?"; columns.len()].join(", ");
        let names = columns.join(", ");
        let sql = format!("INSERT INTO {table} ({names}) VALUES ({places})");
        match self.to.prepare_cached(&sql)?.execute(params_from_iter(row)) {
            Ok(_) => Ok(true),
            Err(error) if is_refusal(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Copies the readable rows of `table`, without `left_out` columns.
    fn rows(&self, table: &str, left_out: &[&str]) -> Result<(), KbError> {
        let mut columns = self.columns(table)?;
        columns.retain(|column| !left_out.contains(&column.as_str()));
        for id in self.ids(table, "id") {
            if let Some(row) = self.row(table, &columns, "id", id) {
                self.store(table, &columns, row)?;
            }
        }
        Ok(())
    }

    /// Copies the rows of a small `table` without ids, up to the first that cannot be read.
    fn first_rows(&self, table: &str) -> Result<(), KbError> {
        let columns = self.columns(table)?;
        let sql = format!("SELECT {} FROM {table} LIMIT {ROWS_MAX}", columns.join(", "));
        let Ok(mut statement) = self.from.prepare(&sql) else { return Ok(()) };
        let Ok(mut rows) = statement.query([]) else { return Ok(()) };
        while let Ok(Some(row)) = rows.next() {
            let row = (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>();
            let Ok(row) = row else { return Ok(()) };
            self.store(table, &columns, row)?;
        }
        Ok(())
    }

    fn phases(&self) -> Result<(), KbError> {
        let columns = self.columns("phase")?;
        let mut runs = self.to.prepare("SELECT id FROM run")?;
        let runs = runs.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        let names = columns.join(", ");
        for run in runs {
            for name in ["crawling", "cleaning", "embedding"] {
                let sql = format!("SELECT {names} FROM phase WHERE run_id = ?1 AND name = ?2");
                let Ok(mut statement) = self.from.prepare_cached(&sql) else { return Ok(()) };
                let read =
                    |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect();
                if let Ok(row) = statement.query_row(rusqlite::params![run, name], read) {
                    self.store("phase", &columns, row)?;
                }
            }
        }
        Ok(())
    }

    /// Copies the documents that searches see.
    fn revisions(&mut self) -> Result<(), KbError> {
        let columns = self.columns("revision")?;
        let mut seen = BTreeSet::new();
        let mut kept = BTreeSet::new();
        let ids: Vec<i64> = self.ids("revision", "id").collect();
        for id in ids {
            let Some(row) = self.row("revision", &columns, "id", id) else { continue };
            let value = |name: &str| {
                let at = columns.iter().position(|column| column == name);
                at.map_or(Value::Null, |at| row[at].clone())
            };
            let Value::Integer(document) = value("document_id") else { continue };
            seen.insert(document);
            if value("state") != Value::Text("live".to_owned()) || kept.contains(&document) {
                continue;
            }
            self.to.execute_batch("SAVEPOINT document")?;
            let is_kept = self.document(id, document, &value, &columns, row.clone())?;
            let end = if is_kept { "" } else { "ROLLBACK TO document; " };
            self.to.execute_batch(&format!("{end}RELEASE document"))?;
            if is_kept {
                kept.insert(document);
            }
        }
        self.repair.documents_to_read = seen.difference(&kept).count() as u64;
        Ok(())
    }

    /// Copies a document with its live revision, or only with its text if more is damaged; returns
    /// whether its text is sound.
    fn document(
        &mut self,
        id: i64,
        document: i64,
        value: &dyn Fn(&str) -> Value,
        columns: &[String],
        mut row: Vec<Value>,
    ) -> Result<bool, KbError> {
        let Value::Integer(content) = value("content_id") else { return Ok(false) };
        let Some(text_bytes) = self.text(id, content)? else { return Ok(false) };
        let names = self.columns("document")?;
        let Some(address) = self.row("document", &names, "id", document) else { return Ok(false) };
        if !self.store("document", &names, address)? {
            return Ok(false);
        }
        // It names the last extractor, which made the text unless it failed.
        let place = |name: &str| columns.iter().position(|column| column == name);
        let mut set = |name: &str, value: Value| {
            if let Some(at) = place(name) {
                row[at] = value;
            }
        };
        set("text_bytes", Value::Integer(text_bytes));
        let chunks = self.chunks(id, value)?;
        if chunks.is_none() {
            for name in ["first_chunk", "chunk_fp", "embed_fp", "chunks_checksum"] {
                set(name, Value::Null);
            }
            set("chunk_total", Value::Integer(0));
            set("chunk_stored", Value::Integer(0));
            set("state", Value::Text("saved".to_owned()));
        } else {
            set("chunk_stored", value("chunk_total"));
        }
        if !self.store("revision", columns, row)? {
            return Ok(false);
        }
        let extract_fp = "UPDATE document SET extract_fp = revision.extract_fp FROM revision
             WHERE document.id = ?1 AND revision.id = ?2";
        self.to.execute(extract_fp, [document, id])?;
        let Some((rows, found)) = chunks else {
            self.repair.documents_requeued += 1;
            return Ok(true);
        };
        let names = self.columns("chunk")?;
        for row in rows {
            if !self.store("chunk", &names, row)? {
                return Ok(false);
            }
        }
        let found: Vec<_> = found.iter().map(|(chunk, vector)| (*chunk, vector)).collect();
        if let Value::Text(embed_fp) = value("embed_fp") {
            vectors::insert(self.to, &embed_fp, &found)?;
        }
        self.repair.documents_kept += 1;
        Ok(true)
    }

    /// Copies the text of a revision; returns its length, `None` if the text or the revision is
    /// damaged.
    fn text(&self, revision: i64, content: i64) -> Result<Option<i64>, KbError> {
        if matches!(seal::is_revision_intact(&self.from, revision), Ok(Some(false)) | Err(_)) {
            return Ok(None);
        }
        let names = self.columns("content")?;
        let Some(row) = self.row("content", &names, "id", content) else { return Ok(None) };
        let value = |name: &str| names.iter().position(|one| one == name).map(|at| &row[at]);
        let (Some(Value::Blob(text)), Some(Value::Integer(stored))) =
            (value("text"), value("checksum"))
        else {
            return Ok(None);
        };
        let lines = match value("lines") {
            Some(Value::Blob(lines)) => Some(lines.as_slice()),
            _ => None,
        };
        if seal::of_text(text, lines) != *stored || std::str::from_utf8(text).is_err() {
            return Ok(None);
        }
        let text_bytes = to_sql(text.len() as u64);
        // Revisions of one document may share it.
        let is_there: bool = self.to.query_row(
            "SELECT EXISTS (SELECT 1 FROM content WHERE id = ?1)",
            [content],
            |row| row.get(0),
        )?;
        Ok((is_there || self.store("content", &names, row)?).then_some(text_bytes))
    }

    /// Returns the chunks of a revision with their vectors; `None` unless all are sound.
    fn chunks(&self, id: i64, value: &dyn Fn(&str) -> Value) -> Result<Option<Chunks>, KbError> {
        if !matches!(seal::are_chunks_intact(&self.from, id), Ok(Some(true))) {
            return Ok(None);
        }
        let (Value::Integer(total), Value::Text(embed_fp)) =
            (value("chunk_total"), value("embed_fp"))
        else {
            return Ok(None);
        };
        let Value::Integer(first) = value("first_chunk") else {
            return Ok((total == 0).then(|| (Vec::new(), Vec::new())));
        };
        if !(0..COUNTER_MAX).contains(&first) || !(1..=IDS_MAX).contains(&total) {
            return Ok(None);
        }
        let names = self.columns("chunk")?;
        let rows = (first..first + total).map(|id| self.row("chunk", &names, "id", id));
        let Some(rows) = rows.collect::<Option<Vec<_>>>() else { return Ok(None) };
        Ok(self.vectors(&embed_fp, first, total).map(|vectors| (rows, vectors)))
    }

    fn vectors(
        &self,
        embed_fp: &str,
        first: i64,
        total: i64,
    ) -> Option<Vec<(ChunkId, StoredVector)>> {
        let tx = self.from.unchecked_transaction().ok()?;
        let space = Space::of(&tx, embed_fp).ok()??;
        if !space.is_possible() {
            return None;
        }
        let mut vectors = Vec::new();
        let read = space.read(&tx, (first, first + total - 1), |chunk, entry| {
            vectors.extend(entry.intact(chunk).map(|vector| (ChunkId(chunk), vector)));
        });
        let is_whole = vectors.iter().map(|(chunk, _)| chunk.0).eq(first..first + total);
        (read.is_ok() && is_whole).then_some(vectors)
    }

    /// Copies failures with their documents; if one is damaged, its document is read again.
    fn failures(&self) -> Result<(), KbError> {
        let (columns, names) = (self.columns("failure")?, self.columns("document")?);
        for id in self.ids("failure", "document_id") {
            let Some(row) = self.row("failure", &columns, "document_id", id) else { continue };
            let text = |name: &str| {
                let at = columns.iter().position(|column| column == name)?;
                if let Value::Text(text) = &row[at] { Some(text.as_bytes()) } else { None }
            };
            let fields = ["stage", "kind", "error"].map(|name| text(name).unwrap_or_default());
            let checksum = columns.iter().position(|column| column == "checksum");
            let is_sound = match checksum.map(|at| &row[at]) {
                Some(Value::Integer(stored)) => seal::of_fields(&fields) == *stored,
                _ => true,
            };
            let is_there: bool = self.to.query_row(
                "SELECT EXISTS (SELECT 1 FROM document WHERE id = ?1)",
                [id],
                |row| row.get(0),
            )?;
            if is_sound && !is_there {
                let address = self.row("document", &names, "id", id);
                let is_stored = match address {
                    Some(address) => self.store("document", &names, address)?,
                    None => false,
                };
                if !is_stored {
                    continue;
                }
            }
            if is_sound && self.store("failure", &columns, row)? {
                let columns = self.columns("known_failure")?;
                if let Some(known) = self.row("known_failure", &columns, "document_id", id) {
                    self.store("known_failure", &columns, known)?;
                }
            }
        }
        Ok(())
    }
}

/// Rows of chunks with the vectors of these.
type Chunks = (Vec<Vec<Value>>, Vec<(ChunkId, StoredVector)>);

/// Returns whether a row violates a constraint of its table.
fn is_refusal(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::ConstraintViolation))
}

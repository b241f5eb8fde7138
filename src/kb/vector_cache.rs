//! Vectors that were paid for, kept for other documents, runs and knowledge bases.
//!
//! On disk: one SQLite file in WAL mode, which several processes may use at once and anybody may
//! delete at any time. A vector is found by the hash of its text, role and model; each has a
//! checksum, and a damaged one is not returned.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::kb::KbError;
use crate::support::clock::now_ms;
use crate::support::sharing::Sharing;
use crate::support::{files, storage};

/// `kbvc` in ASCII; distinguishes our files from other SQLite files.
const APPLICATION_ID: i64 = 0x6b62_7663;
const VERSION: i64 = 1;
/// How long a statement waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const TRIES_MAX: u32 = 100;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);
const MS_PER_DAY: i64 = 86_400_000;
/// How many vectors are stored before the size of the file is checked again.
const CHECK_AFTER: usize = 1000;
/// The vectors that are deleted at once: a part of all.
const DELETED_PART: i64 = 10;

const SCHEMA: &str = "
CREATE TABLE model (
  id INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL UNIQUE,
  probe BLOB
) STRICT;
CREATE TABLE vector (
  key BLOB NOT NULL UNIQUE CHECK (length(key) = 16),
  model_id INTEGER NOT NULL REFERENCES model (id),
  used_day INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  vector BLOB NOT NULL
) STRICT;
CREATE INDEX vector_used ON vector (used_day);";

/// The key of a text: a hash of it, of its role and of its model.
pub type Key = [u8; 16];

/// The cache, open for any number of threads.
pub struct VectorCache {
    path: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
}

struct State {
    connection: Connection,
    /// Vectors stored since the size was checked.
    unchecked: usize,
}

/// What a cache holds; `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheStatistics {
    /// Size of its files, in bytes.
    pub bytes: u64,
    /// Its vectors.
    pub vectors: u64,
    /// The models, by fingerprint.
    pub models: Vec<CachedModel>,
}

/// The vectors of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CachedModel {
    /// Fingerprint of the model.
    pub fingerprint: String,
    /// Its vectors.
    pub vectors: u64,
}

impl VectorCache {
    /// Opens the cache at `path`, of `bytes_max` at most, and creates it if it is missing.
    pub fn create_or_open(
        path: &Path,
        bytes_max: u64,
        sharing: &Sharing<'_>,
    ) -> Result<Self, KbError> {
        if path.symlink_metadata().is_err() {
            match files::create_new_shared(path, sharing) {
                Ok(_) => {}
                // Another process was faster.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) if storage::is_full(&error) => return Err(KbError::full(path, error)),
                Err(source) => return Err(KbError::io("create", path, source)),
            }
        }
        Self::open(path, bytes_max)
    }

    /// Opens the cache at `path`; fails if there is none.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, KbError> {
        let found = path.symlink_metadata().map_err(|_| KbError::Missing(path.to_owned()))?;
        if !found.is_file() {
            return Err(KbError::Special(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // SQLite does not wait for another process that sets the mode of a new file.
        let mut tries = 0;
        while let Err(error) = prepare(&mut connection, path) {
            tries += 1;
            if !matches!(error, KbError::Busy) || tries == TRIES_MAX {
                return Err(error);
            }
            std::thread::sleep(TRY_AGAIN_AFTER);
        }
        let state = Mutex::new(State { connection, unchecked: CHECK_AFTER });
        Ok(Self { path: path.to_owned(), bytes_max, state })
    }

    /// Returns its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the vector of each key, `None` for those that it does not have.
    pub fn get(&self, keys: &[Key]) -> Result<Vec<Option<Vec<f32>>>, KbError> {
        let today = today();
        let mut state = self.lock();
        let mut is_old = false;
        let mut found = Vec::with_capacity(keys.len());
        {
            let sql = "SELECT checksum, vector, used_day FROM vector WHERE key = ?1";
            let mut select = state.connection.prepare_cached(sql)?;
            for key in keys {
                let row = select.query_row([key], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?))
                });
                let row = row.optional()?.filter(|(sum, bytes, _)| *sum == checksum(key, bytes));
                is_old |= row.as_ref().is_some_and(|(_, _, used)| *used < today);
                found.push(row.map(|(_, bytes, _)| floats(&bytes)));
            }
        }
        if is_old {
            let tx = begin(&mut state.connection)?;
            for (key, _) in keys.iter().zip(&found).filter(|(_, vector)| vector.is_some()) {
                tx.prepare_cached(
                    "UPDATE vector SET used_day = ?2 WHERE key = ?1 AND used_day < ?2",
                )?
                .execute(params![key, today])?;
            }
            tx.commit()?;
        }
        Ok(found)
    }

    /// Stores vectors of the model with this fingerprint, in one transaction.
    pub fn put(&self, fingerprint: &str, vectors: &[(Key, &[f32])]) -> Result<(), KbError> {
        let today = today();
        let mut state = self.lock();
        let tx = begin(&mut state.connection)?;
        let model = model_id(&tx, fingerprint)?;
        for (key, vector) in vectors {
            let bytes = bytes(vector);
            tx.prepare_cached(
                "INSERT OR REPLACE INTO vector (key, model_id, used_day, checksum, vector)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![key, model, today, checksum(key, &bytes), bytes])?;
        }
        tx.commit()?;
        state.unchecked += vectors.len();
        if state.unchecked >= CHECK_AFTER {
            state.unchecked = 0;
            shrink(&mut state.connection, self.bytes_max)?;
        }
        Ok(())
    }

    /// Returns the vector of the fixed text by which a model is recognised.
    pub fn probe(&self, fingerprint: &str) -> Result<Option<Vec<f32>>, KbError> {
        let sql = "SELECT probe FROM model WHERE fingerprint = ?1 AND probe IS NOT NULL";
        let state = self.lock();
        let bytes: Option<Vec<u8>> =
            state.connection.query_row(sql, [fingerprint], |row| row.get(0)).optional()?;
        Ok(bytes.map(|bytes| floats(&bytes)))
    }

    /// Stores it; the first one stays.
    pub fn save_probe(&self, fingerprint: &str, vector: &[f32]) -> Result<(), KbError> {
        let mut state = self.lock();
        let tx = begin(&mut state.connection)?;
        let model = model_id(&tx, fingerprint)?;
        tx.execute(
            "UPDATE model SET probe = ?2 WHERE id = ?1 AND probe IS NULL",
            params![model, bytes(vector)],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Returns what it holds.
    pub fn statistics(&self) -> Result<CacheStatistics, KbError> {
        let files = storage::database_files(&self.path);
        let sizes = files.iter().filter_map(|path| Some(path.metadata().ok()?.len()));
        let state = self.lock();
        let mut statement = state.connection.prepare(
            "SELECT fingerprint, (SELECT COUNT(*) FROM vector WHERE model_id = model.id)
             FROM model ORDER BY fingerprint",
        )?;
        let models = statement.query_map([], |row| {
            let vectors = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            Ok(CachedModel { fingerprint: row.get(0)?, vectors })
        })?;
        let models = models.collect::<Result<Vec<_>, _>>()?;
        let vectors = models.iter().map(|model| model.vectors).sum();
        Ok(CacheStatistics { bytes: sizes.sum(), vectors, models })
    }

    /// Deletes the vectors that nothing asked for in the last `days`, and returns their room to the
    /// file system; returns how many there were.
    pub fn prune(&self, days: u32) -> Result<u64, KbError> {
        let mut state = self.lock();
        let tx = begin(&mut state.connection)?;
        let before = today() - i64::from(days);
        let deleted = tx.execute("DELETE FROM vector WHERE used_day <= ?1", [before])?;
        tx.commit()?;
        shrink(&mut state.connection, self.bytes_max)?;
        state.connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(deleted as u64)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the key of a text in a role, `"document"` or `"query"`.
pub fn key(fingerprint: &str, role: &str, text: &str) -> Key {
    let mut hasher = blake3::Hasher::new();
    for part in [fingerprint, role] {
        hasher.update(part.as_bytes()).update(b"\0");
    }
    hasher.update(text.as_bytes());
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    key
}

/// Creates the tables in an empty file; fails if the file is another program's, or newer.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), KbError> {
    let incompatible = |reason: &str| KbError::Incompatible {
        path: path.to_owned(),
        reason: format!("is no cache of vectors: {reason}"),
    };
    let pragma = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    // The first access to the file.
    let id =
        pragma(connection, "application_id").map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => incompatible("it is not a SQLite file"),
            _ => error.into(),
        })?;
    let has_tables = |connection: &Connection| {
        let sql = "SELECT COUNT(*) > 0 FROM sqlite_schema";
        connection.query_row(sql, [], |row| row.get::<_, bool>(0))
    };
    if !has_tables(connection)? {
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;")?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        if !has_tables(&tx)? {
            tx.execute_batch(SCHEMA)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.pragma_update(None, "user_version", VERSION)?;
        }
        tx.commit()?;
    } else if id != APPLICATION_ID {
        return Err(incompatible("it belongs to another program"));
    }
    if pragma(connection, "user_version")? != VERSION {
        return Err(incompatible("it is of another version of kbingest; delete it"));
    }
    // A power cut may cost the last transactions, and never the file.
    connection.execute_batch("PRAGMA synchronous = NORMAL;")?;
    Ok(())
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>, KbError> {
    Ok(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

fn model_id(tx: &Transaction<'_>, fingerprint: &str) -> Result<i64, KbError> {
    tx.prepare_cached("INSERT OR IGNORE INTO model (fingerprint) VALUES (?1)")?
        .execute([fingerprint])?;
    let mut select = tx.prepare_cached("SELECT id FROM model WHERE fingerprint = ?1")?;
    Ok(select.query_row([fingerprint], |row| row.get(0))?)
}

/// Deletes those used longest ago until the pages in use are within `bytes_max`.
fn shrink(connection: &mut Connection, bytes_max: u64) -> Result<(), KbError> {
    loop {
        let number = |name: &str| {
            let found = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            found.map(|found| u64::try_from(found).unwrap_or(0))
        };
        let used = number("page_count")? - number("freelist_count")?;
        if used * number("page_size")? <= bytes_max {
            return Ok(());
        }
        let tx = begin(connection)?;
        let count: i64 = tx.query_row("SELECT COUNT(*) FROM vector", [], |row| row.get(0))?;
        tx.execute(
            "DELETE FROM vector WHERE rowid IN
               (SELECT rowid FROM vector ORDER BY used_day, rowid LIMIT ?1)",
            [count / DELETED_PART + 1],
        )?;
        tx.commit()?;
        if count == 0 {
            return Ok(());
        }
    }
}

fn today() -> i64 {
    now_ms() / MS_PER_DAY
}

fn checksum(key: &Key, bytes: &[u8]) -> i64 {
    xxh3_64(&[key, bytes].concat()).cast_signed()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, bytes_max: u64) -> VectorCache {
        VectorCache::create_or_open(path, bytes_max, &Sharing::default()).expect("it opens")
    }

    #[test]
    fn vectors_are_found_by_text_role_and_model() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        let keys =
            [key("m@1", "document", "a"), key("m@1", "query", "a"), key("m@2", "document", "a")];
        open(&path, u64::MAX).put("m@1", &[(keys[0], &[1.0, -0.5])]).expect("it is stored");
        let again = open(&path, u64::MAX);
        assert_eq!(again.get(&keys).unwrap(), [Some(vec![1.0, -0.5]), None, None]);
        assert_eq!(again.probe("m@1").unwrap(), None);
        again.save_probe("m@1", &[1.0]).unwrap();
        again.save_probe("m@1", &[2.0]).unwrap();
        assert_eq!(again.probe("m@1").unwrap(), Some(vec![1.0]));
        let models = vec![CachedModel { fingerprint: "m@1".into(), vectors: 1 }];
        assert_eq!(again.statistics().unwrap().models, models);
        assert_eq!((again.prune(1).unwrap(), again.prune(0).unwrap()), (0, 1));
    }

    #[test]
    fn a_damaged_vector_is_not_returned() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = open(&folder.path().join("c"), u64::MAX);
        let key = key("m@1", "document", "a");
        cache.put("m@1", &[(key, &[1.0, 2.0])]).unwrap();
        let damage = "UPDATE vector SET vector = x'0000803f00000000'";
        cache.lock().connection.execute_batch(damage).unwrap();
        assert_eq!(cache.get(&[key]).unwrap(), [None]);
    }

    #[test]
    fn the_file_stays_within_its_limit() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = open(&folder.path().join("c"), 4 << 20);
        let vector = vec![0.5; 1000];
        for batch in 0..50 {
            let keys: Vec<_> =
                (0..100).map(|n| key("m@1", "document", &format!("{batch} {n}"))).collect();
            let vectors: Vec<_> = keys.iter().map(|key| (*key, vector.as_slice())).collect();
            cache.put("m@1", &vectors).unwrap();
        }
        let count = cache.statistics().unwrap().vectors;
        assert!((500..2500).contains(&count), "{count}");
        let newest = key("m@1", "document", "49 99");
        assert!(cache.get(&[newest]).unwrap()[0].is_some());
    }

    #[test]
    fn files_of_others_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("c");
        std::fs::write(&path, "notes, and not a few of them: more than a hundred bytes ".repeat(9))
            .unwrap();
        let refused = |path: &Path| VectorCache::open(path, 1).err().map(|error| error.to_string());
        assert!(refused(&path).unwrap().contains("it is not a SQLite file"));
        let other = folder.path().join("d");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(refused(&other).unwrap().contains("it belongs to another program"));
        std::os::unix::fs::symlink(&other, folder.path().join("e")).unwrap();
        assert!(refused(&folder.path().join("e")).is_some());
        assert!(refused(&folder.path().join("missing")).is_some());
    }
}

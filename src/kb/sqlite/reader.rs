//! A knowledge base that is open for reading.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction};

use super::connect::{ReadOnly, connect, connect_read_only};
use super::guard;
use super::identity::OpenFiles;
use super::index::LanguageCache;
use super::pool::{Borrowed, Pool, ReadConnection};
use super::{errno, is_interrupted, schema};
use crate::kb::KbError;

/// Limit on the bytes of a file that SQLite maps, a little less than 2 GiB.
const MAPPED_BYTES_MAX: i64 = 0x7fff_0000;
/// Page cache of the connection that reads while a run writes: each commit makes its pages stale.
const READER_CACHE_PAGES: i64 = 256;
/// Limit on the connections of one reader, also limited by the number of processors. Each has a
/// cache of 4 MiB; all map the file, which is in memory once.
const CONNECTIONS_MAX: usize = 4;

/// A knowledge base that is open for reading, also while it is written; threads share it and read
/// at the same time.
pub struct Reader {
    path: PathBuf,
    connections: Pool,
    /// Checked at every commit; `None` if the file is only read and SQLite cannot create a log in
    /// its folder.
    files: Option<OpenFiles>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens an existing knowledge base, also while a run writes it, or on a read-only medium.
    pub fn open(path: &Path) -> Result<Self, KbError> {
        let first = open_for_searches(path)?;
        let files = OpenFiles::of(&first.connection, path).ok();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let connections = Pool::new(first, processors.min(CONNECTIONS_MAX));
        Ok(Self { path: path.to_owned(), connections, files })
    }

    /// Opens the file that `writer` has open, whose schema was compared. One connection is enough
    /// for the short reads of a run.
    pub(super) fn beside(writer: &Connection, path: &Path) -> Result<Self, KbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = connect(path, flags)?;
        connection
            .pragma_update(None, "cache_size", READER_CACHE_PAGES)
            .and_then(|()| connection.pragma_update(None, "query_only", true))
            .and_then(|()| guard::allow_views(&connection))
            .map_err(|error| KbError::from(error).classify(path, errno::last(&connection)))?;
        // The log exists now: both connections have read.
        let files = Some(OpenFiles::of(writer, path)?);
        let connections = Pool::new(ReadConnection::new(connection)?, 1);
        Ok(Self { path: path.to_owned(), connections, files })
    }

    /// Fails if the path no longer names the open file: what was written to it would be lost.
    pub fn check_files(&self) -> Result<(), KbError> {
        self.files.as_ref().map_or(Ok(()), OpenFiles::check)
    }

    /// Reports whether `other` has the same file open.
    pub fn is_same_file(&self, other: &Self) -> bool {
        match (&self.files, &other.files) {
            (Some(files), Some(others)) => files.is_same_file(others),
            _ => false,
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in one read transaction, within the time limit of a search: it sees one state of
    /// the file.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.read_within(Some(guard::READING_MAX), |tx, _| work(tx))
    }

    /// The same for work that analyses a query.
    pub(super) fn read_with_languages<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &mut LanguageCache) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.read_within(Some(guard::READING_MAX), work)
    }

    /// The same for work that also waits for something else, for at most `patience`.
    pub(super) fn read_patiently<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.read_within(Some(guard::READING_MAX + patience), |tx, _| work(tx))
    }

    /// The same for work that reads the whole file, without a time limit; a signal ends it.
    pub(super) fn read_all<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        self.read_within(None, |tx, _| work(tx))
    }

    fn read_within<T>(
        &self,
        most: Option<Duration>,
        work: impl FnOnce(&Transaction<'_>, &mut LanguageCache) -> Result<T, KbError>,
    ) -> Result<T, KbError> {
        let mut reader = self.connection();
        if !self.is_valid(&reader) {
            *reader = open_for_searches(&self.path)?;
        }
        let ReadConnection { connection, watch, languages, .. } = &mut *reader;
        watch.begin(most);
        let transaction = connection.transaction();
        let result = transaction.map_err(KbError::from).and_then(|tx| work(&tx, languages));
        if !self.is_valid(&reader) {
            return Err(KbError::Busy);
        }
        result.map_err(|error| match (error, most) {
            (KbError::Sql(error), Some(most)) if is_interrupted(&error) => {
                KbError::Endless { path: self.path.clone(), seconds: most.as_secs() }
            }
            (error, _) => error.classify(&self.path, errno::last(&reader.connection)),
        })
    }

    /// Reports whether what `reader` assumes of the file still holds.
    fn is_valid(&self, reader: &ReadConnection) -> bool {
        reader.assumed.as_ref().is_none_or(|assumed| assumed.holds(&self.path))
    }

    /// Borrows a connection; waits if all of them are in use.
    pub(super) fn connection(&self) -> Borrowed<'_> {
        self.connections.borrow(|| self.open_another())
    }

    /// Opens the file once more; fails if the path names another file now.
    fn open_another(&self) -> Result<ReadConnection, KbError> {
        let another = open_for_searches(&self.path)?;
        let opened = OpenFiles::of(&another.connection, &self.path)?;
        match &self.files {
            Some(files) if files.is_same_file(&opened) => Ok(another),
            _ => Err(KbError::Replaced(self.path.clone())),
        }
    }
}

/// Opens a connection for searches, and checks that the file is ours.
fn open_for_searches(path: &Path) -> Result<ReadConnection, KbError> {
    let opened = connect_read_only(path).map_err(|error| error.classify(path, 0))?;
    let ReadOnly { connection, assumed } = opened;
    // A search reads every vector: mapped pages, which are not copied, halve its time.
    connection.pragma_update(None, "mmap_size", MAPPED_BYTES_MAX)?;
    schema::check_current(&connection, path)
        .map_err(|error| error.classify(path, errno::last(&connection)))?;
    Ok(ReadConnection { assumed, ..ReadConnection::new(connection)? })
}

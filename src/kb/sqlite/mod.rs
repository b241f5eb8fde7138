//! The knowledge base in SQLite (bundled, WAL).
//!
//! On disk: the file itself, `-wal` and `-shm` while it is open. One write connection, used by whoever
//! holds its mutex, always `BEGIN IMMEDIATE`; one read connection for the rest, in short transactions.

mod check;
mod connect;
mod convert;
mod copy;
mod documents;
mod dump;
mod errno;
mod filter;
mod frontier;
mod frontier_end;
mod guard;
mod hits;
mod identity;
mod index;
mod intake;
mod ledger;
mod match_expression;
mod places;
mod queue;
mod reader;
mod repair;
mod revisions;
mod run;
mod runs;
mod schema;
mod seal;
mod search;
mod shape;
mod shrink;
mod stage;
mod statistics;
mod tally;
mod twin;
mod vectors;
mod verify;
mod web_file;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use self::connect::BUSY_TIMEOUT;
use self::writer::{take_ids, tidy};

pub use check::{Finding, Recomputed};
pub use documents::{NewText, Outcome, Reading, SaveResult};
pub use filter::{Filter, parse_date};
pub use frontier::{
    CrawledSite, FoundLink, FrontierCounts, OVER_LIMIT, PageLinks, PageReport, PageState,
    QueuedPage, ROWS_PER_QUEUED, StartPage,
};
pub use hits::{Explanation, Hit, Place};
pub use index::{Analyse, IndexRows, Segment};
pub use intake::{Suspect, Suspects};
pub use ledger::LedgerRow;
pub use queue::{Commit, PendingRange, QueuedChunk, StoredChunk, Unit};
pub use reader::{Maintenance, Reader};
pub use repair::Repair;
pub use run::Run;
pub use search::{SearchMode, SearchQuery, SearchSide};
pub use stage::{ChunkedRevision, NewChunk, StaleRevision, TextRevision};
pub use statistics::{FormatCount, Statistics};
pub use vectors::{ReusableVectors, StoredVector};
pub use writer::{Writer, check_file_system};

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic in a transaction rolled it back on the way out: the connection is sound.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

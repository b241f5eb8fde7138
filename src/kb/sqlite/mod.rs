//! The knowledge base in SQLite (bundled, WAL).
//!
//! On disk: the file itself, `-wal` and `-shm` while it is open. One write connection, used by
//! the holder of its mutex, always `BEGIN IMMEDIATE`; a few read connections for the rest, in short
//! transactions.

mod browse;
mod connect;
mod convert;
mod documents;
mod errno;
mod failures;
mod frontier;
mod generations;
mod guard;
mod history;
mod identity;
mod in_flight;
mod index;
mod ledger;
mod live;
mod loaded;
mod maintenance;
mod near;
#[cfg(test)]
pub mod plans;
mod pool;
mod probes;
mod queue;
mod reader;
#[cfg(test)]
pub mod recorded;
mod revisions;
mod run;
mod run_row;
mod runs;
mod schema;
mod seal;
mod search;
mod shape;
mod stage;
mod statistics;
mod unchanged;
mod usage;
mod vectors;
mod writer;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use self::connect::BUSY_TIMEOUT;
use self::writer::{take_ids, tidy};

pub use browse::{
    DocumentState, Generation, ListPlace, ListedDocument, Passage, SourceCount, WholeDocument,
};
pub use documents::{NewText, ReadResult, Reading, SaveResult};
pub use failures::{ReportedFailure, SkippedText};
pub use frontier::{
    Answer, CrawledSite, FoundLink, FrontierCounts, Lost, LostDocument, OVER_LIMIT, OVER_QUERIES,
    PageDocument, PageLinks, PageRow, PageState, PageView, QueuedPage, REPEATED, ROWS_PER_QUEUED,
    StoredLink, Transition, UNSEEN,
};
pub use generations::ModelChange;
pub use history::{Touch, TouchedDocument};
pub use in_flight::{Suspect, Suspects};
pub use index::{Analyse, IndexRows};
pub use ledger::LedgerRow;
pub use live::LiveDocument;
pub use loaded::{LoadedRevision, QueuedChunk};
pub use maintenance::{
    ChunkedText, Composition, Finding, FormatCount, Maintenance, Part, Recomputed, Repair,
    Statistics,
};
pub use near::NearDocument;
pub use queue::{Commit, PendingRange, StoredChunk};
pub use reader::Reader;
pub use run::Run;
pub use runs::request_cancel;
pub use schema::is_header;
pub use search::{
    Candidate, Correction, Day, Duplicate, Explanation, Expressions, Filter, FilterError, Hit,
    Interpretation, Likeness, LinesIn, Query, QueryVector, Reorder, Scoring, SearchMode, Show,
    UnderstoodQuery, UriGlob, WordWeights,
};
pub use stage::{ChunkedRevision, NewChunk, StaleRevision, TextRevision, chunk_count};
pub use vectors::{ReusableVectors, StoredVector};
pub use writer::{Writer, check_file_system};

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    // A panic in a transaction rolled it back on the way out: the connection is sound.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The knowledge base: one SQLite file that holds the documents' text, their chunks and vectors,
//! the full-text index, the queue of work and the record of every run.
//!
//! Guarantees: every method is one transaction; a reader sees each document in its old or its new
//! version, never a mix; ids are never reused; a write by a process that no longer owns the run
//! fails. All SQL of the program is below this module.

mod error;
mod fusion;
mod sqlite;
pub mod vector_cache;

pub use error::KbError;
pub use sqlite::{
    Analyse, Answer, Candidate, ChunkedRevision, ChunkedText, Commit, Composition, Correction,
    CrawledSite, Day, DocumentState, Duplicate, Explanation, Expressions, Filter, FilterError,
    Finding, FormatCount, FoundLink, FrontierCounts, Generation, Hit, IndexRows, Interpretation,
    LedgerRow, Likeness, LinesIn, ListPlace, ListedDocument, LiveDocument, LoadedRevision, Lost,
    LostDocument, Maintenance, ModelChange, NearDocument, NewChunk, NewText, OVER_LIMIT,
    OVER_QUERIES, PageDocument, PageLinks, PageRow, PageState, PageView, Part, Passage,
    PendingRange, Query, QueryVector, QueuedChunk, QueuedPage, REPEATED, ROWS_PER_QUEUED,
    ReadResult, Reader, Reading, Recomputed, Reorder, Repair, ReportedFailure, ReusableVectors,
    Run, SaveResult, Scoring, SearchMode, Show, SkippedText, SourceCount, StaleRevision,
    Statistics, StoredChunk, StoredLink, StoredVector, Suspect, Suspects, TextRevision, Touch,
    TouchedDocument, Transition, UNSEEN, UnderstoodQuery, UriGlob, WholeDocument, WordWeights,
    Writer, check_file_system, chunk_count, is_header, request_cancel,
};
#[cfg(test)]
pub use sqlite::{plans, recorded};

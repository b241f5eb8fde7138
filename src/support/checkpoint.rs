//! Cooperative stopping: the named places at which a run may end, and the signal that requests it.
//!
//! Work stops only at a [`Checkpoint`]. At each of them all work so far is committed, so that a run
//! that ends there can be resumed. The same places serve fault injection in tests.

pub use kbingest_support::stop::StopSignal;

/// A place at which a run may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checkpoint {
    /// Before anything is read.
    BeforeStart,
    /// Producer: before a batch of documents is collected.
    BeforeBatch,
    /// Producer: the texts of a batch are saved, their chunks are not.
    AfterSave,
    /// Producer: chunks are computed, but not written yet.
    AfterChunk,
    /// Producer: chunk rows and queue rows are committed.
    AfterEnqueue,
    /// Consumer: before a batch is claimed.
    BeforeClaim,
    /// Consumer: vectors are computed, but not written yet.
    BeforeCommit,
}

impl Checkpoint {
    /// Every checkpoint, in the order of the pipeline.
    pub const ALL: [Self; 7] = [
        Self::BeforeStart,
        Self::BeforeBatch,
        Self::AfterSave,
        Self::AfterChunk,
        Self::AfterEnqueue,
        Self::BeforeClaim,
        Self::BeforeCommit,
    ];
}

/// Called at every checkpoint, on the thread that reached it; tests use it to stop a run there.
pub type CheckpointHook = dyn Fn(Checkpoint, &StopSignal) + Send + Sync;

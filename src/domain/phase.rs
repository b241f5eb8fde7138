//! The phases of a run and their progress.

use serde::Serialize;

/// A phase of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Listing the sources, reading what changed, saving its text.
    Crawling,
    /// Chunking saved texts, queueing the chunks, deleting documents that are gone.
    Cleaning,
    /// Computing vectors and publishing finished revisions.
    Embedding,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 3] = [Self::Crawling, Self::Cleaning, Self::Embedding];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crawling => "crawling",
            Self::Cleaning => "cleaning",
            Self::Embedding => "embedding",
        }
    }
}

/// Progress of a phase. It only moves forward within a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseStatus {
    /// Not started.
    #[default]
    Pending,
    /// Started; continued after a stop.
    InProgress,
    /// Done; skipped when the run is resumed.
    Completed,
}

impl PhaseStatus {
    /// Every status, in order.
    pub const ALL: [Self; 3] = [Self::Pending, Self::InProgress, Self::Completed];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

/// The status of every phase of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// Status of [`Phase::Crawling`].
    pub crawling: PhaseStatus,
    /// Status of [`Phase::Cleaning`].
    pub cleaning: PhaseStatus,
    /// Status of [`Phase::Embedding`].
    pub embedding: PhaseStatus,
}

impl Phases {
    /// Returns the status of `phase`.
    pub fn get(&self, phase: Phase) -> PhaseStatus {
        match phase {
            Phase::Crawling => self.crawling,
            Phase::Cleaning => self.cleaning,
            Phase::Embedding => self.embedding,
        }
    }

    /// Replaces the status of `phase`.
    pub fn set(&mut self, phase: Phase, status: PhaseStatus) {
        match phase {
            Phase::Crawling => self.crawling = status,
            Phase::Cleaning => self.cleaning = status,
            Phase::Embedding => self.embedding = status,
        }
    }
}

//! A document that could not be ingested, and why.

use kbingest_extract::FailureKind;
use serde::Serialize;

/// The step of the pipeline at which a document failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Listing or reading the source.
    Crawl,
    /// Turning bytes into text.
    Extract,
    /// Splitting text into chunks.
    Chunk,
    /// Computing vectors.
    Embed,
}

impl Stage {
    /// Every stage, in the order of the pipeline.
    pub const ALL: [Self; 4] = [Self::Crawl, Self::Extract, Self::Chunk, Self::Embed];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crawl => "crawl",
            Self::Extract => "extract",
            Self::Chunk => "chunk",
            Self::Embed => "embed",
        }
    }
}

/// A document that was not ingested. It keeps its old live revision, if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Name of the source.
    pub source: String,
    /// URI inside the source.
    pub uri: String,
    /// Step at which it failed.
    pub stage: Stage,
    /// What a later run does about it.
    pub kind: FailureKind,
    /// The error and its causes, one line.
    pub error: String,
}

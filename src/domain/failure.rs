//! A document that could not be taken in, and why.

use serde::Serialize;

/// The step of the pipeline at which a document failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Listing or reading the source.
    Crawl,
    /// Turning bytes into text.
    Extract,
    /// Cutting text into chunks.
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

/// What a later run does about a document that was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// Not text, or over a limit: left out on purpose, looked at again only when it changes.
    Skipped,
    /// Would fail again as it is: tried again when the document or the settings change.
    Permanent,
    /// May pass: tried again by the next run.
    Transient,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Skipped, Self::Permanent, Self::Transient];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Permanent => "permanent",
            Self::Transient => "transient",
        }
    }
}

/// A document that was not taken in. It keeps its old live revision, if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Name of the source.
    pub source: String,
    /// Address inside the source.
    pub uri: String,
    /// Where it failed.
    pub stage: Stage,
    /// What a later run does about it.
    pub kind: FailureKind,
    /// The error and its causes, one line.
    pub error: String,
}

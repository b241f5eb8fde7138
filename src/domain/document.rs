//! What a source reports about a document before and after reading it.

use serde::Serialize;

/// State of a document, known to its source without reading it: equal versions mean equal bytes.
///
/// A directory writes size and modification time, a web site the ETag, git the blob id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// One document in a source's listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// URI inside the source, `/`-separated; unique there.
    pub uri: String,
    /// State of the document when it was listed; `None` if only its content shows a change.
    pub version: Option<Version>,
    /// Size in bytes as listed; the content read later may be longer or shorter.
    pub size_bytes: u64,
}

//! What a source tells about a document before and after reading it.

use serde::Serialize;

/// What the source says of a document's state without reading it: equal versions mean equal bytes.
///
/// A directory writes size and modification time, a web site the ETag, git the blob id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// One document in a source's listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Address inside the source, `/`-separated; unique there.
    pub uri: String,
    /// State of the document when it was listed; `None` where only its content can tell.
    pub version: Option<Version>,
    /// Size in bytes as listed; a reader may find more or fewer.
    pub size_bytes: u64,
}

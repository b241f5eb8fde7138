//! What a source reports about a document before and after reading it.

use serde::{Deserialize, Serialize};

/// State of a document, known to its source without reading it: equal versions mean equal bytes.
///
/// A directory writes size and modification time, a web site the ETag, git the blob id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// One document in a source's listing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// URI inside the source, `/`-separated; unique there.
    pub uri: String,
    /// State of the document when it was listed; `None` if only its content shows a change.
    pub version: Option<Version>,
    /// Size in bytes as listed; the content read later may be longer or shorter.
    pub size_bytes: u64,
    /// A name whose ending says the format, if that of the uri does not.
    pub format_name: Option<String>,
}

impl Entry {
    /// Returns the name by which the format is detected.
    pub fn format_name(&self) -> &str {
        self.format_name.as_deref().unwrap_or(&self.uri)
    }
}

//! Identifiers of rows in a knowledge base; given out by persistent counters and never used again.

use serde::Serialize;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names one address (source and uri).
    DocumentId
}
id! {
    /// Names one saved text of a document.
    RevisionId
}
id! {
    /// Names one chunk of one revision.
    ChunkId
}
id! {
    /// Names one run of `ingest`.
    RunId
}

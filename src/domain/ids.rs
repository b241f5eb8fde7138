//! Identifiers of rows in a knowledge base; allocated by persistent counters and never reused.

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
    /// Identifies one document (source and URI).
    DocumentId
}
id! {
    /// Identifies one saved text of a document.
    RevisionId
}
id! {
    /// Identifies one chunk of one revision.
    ChunkId
}
id! {
    /// Identifies one run of `ingest`.
    RunId
}

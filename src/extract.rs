//! From a document's bytes to its text: the crate `kbingest-extract`, which is useful alone.

pub use kbingest_extract::{
    Attempt, CommandConfig, DocumentError, ExtractConfig, Extracted, Extraction, Extractor,
    IncludedFile, LineMap, Metadata, PageAttempt, TEXT_BYTES_MAX, TITLE_CHARS_MAX, child,
    extractor, html, with_includes,
};

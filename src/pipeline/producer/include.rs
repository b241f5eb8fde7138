//! What a document includes is a part of its text.

use crate::domain::KnownLines;
use crate::extract::{IncludedFile, with_includes};
use crate::source::{Content, Source, uri};

/// Puts the files that the document at `uri` includes into its content; returns the lines of the
/// document that its lines come from then.
///
/// Only the bytes show whether such a document has changed: it has no version, so that every run
/// reads it.
pub(super) fn follow(source: &dyn Source, uri: &str, content: &mut Content) -> Option<KnownLines> {
    let read = |from: &str, path: &str| {
        let uri = uri::resolve(from, path)?;
        let bytes = source.read_included(&uri)?;
        Some(IncludedFile { uri, bytes })
    };
    let included = with_includes(uri, &content.bytes, &read)?;
    content.bytes = included.text.into_bytes();
    content.version = None;
    Some(included.lines)
}

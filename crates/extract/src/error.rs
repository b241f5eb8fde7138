//! Documents without a text, and what a later run does about them.

use std::error::Error;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What a later run does about a document that was not ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// Not text, or over a limit: left out on purpose, tried again only when it changes.
    Skipped,
    /// Would fail again unchanged: tried again when the document or the settings change.
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

/// A document that could not be read, or whose text could not be extracted.
#[derive(Debug, thiserror::Error)]
#[error("{}", match source {
    Some(_) => format!("{reason} {subject}"),
    None => format!("{subject}: {reason}"),
})]
pub struct DocumentError {
    /// What a later run does about it.
    pub kind: FailureKind,
    /// URI or path of the document.
    pub subject: String,
    /// What is wrong with the document, as in `binary content`; with a `source`, what failed, as in
    /// `cannot read`.
    pub reason: String,
    /// The error of the system.
    pub source: Option<Box<dyn Error + Send + Sync>>,
    /// The document was removed after it was listed; its kind is transient.
    pub is_gone: bool,
}

impl DocumentError {
    /// Returns the error of a document that is left out on purpose.
    pub fn skipped(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Skipped, subject, reason)
    }

    /// Returns the error of a document that fails until it or the settings change.
    pub fn permanent(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, subject, reason)
    }

    /// Returns the error of a document that may pass in the next run.
    pub fn transient(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(FailureKind::Transient, subject, reason)
    }

    /// Returns the error of a document that cannot be read.
    ///
    /// Denied permission is transient too: granting it changes neither size nor mtime, so nothing
    /// else would make a later run retry.
    pub fn unreadable(path: &Path, source: impl Into<io::Error>) -> Self {
        let source: Option<Box<dyn Error + Send + Sync>> = Some(Box::new(source.into()));
        Self { source, ..Self::transient(path.display().to_string(), "cannot read") }
    }

    /// Returns the error of a document that cannot be opened by its own name; if there is no such
    /// file, it is gone.
    pub fn unopened(path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let is_gone = source.kind() == io::ErrorKind::NotFound;
        Self { is_gone, ..Self::unreadable(path, source) }
    }

    /// Returns the error of a document over a limit, which is named.
    pub(crate) fn over_limit(uri: &str, what: &str, max: usize) -> Self {
        Self::permanent(uri, format!("more {what} than {max} bytes"))
    }

    /// Returns an error without a cause.
    pub(crate) fn new(
        kind: FailureKind,
        subject: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        let (subject, reason) = (subject.into(), reason.into());
        Self { kind, subject, reason, source: None, is_gone: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_their_document() {
        let check = |error: DocumentError, kind, text: &str, cause: Option<&str>| {
            assert_eq!((error.kind, error.to_string()), (kind, text.to_owned()));
            assert_eq!(error.source().map(ToString::to_string).as_deref(), cause);
        };
        let path = Path::new("docs/a.md");
        let reason = "binary content";
        let (skipped, permanent) = (FailureKind::Skipped, FailureKind::Permanent);
        check(DocumentError::skipped("a", reason), skipped, "a: binary content", None);
        check(DocumentError::permanent("a", reason), permanent, "a: binary content", None);
        let transient = FailureKind::Transient;
        check(DocumentError::transient("a", reason), transient, "a: binary content", None);
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let cannot_read = "cannot read docs/a.md";
        let unreadable = DocumentError::unreadable(path, denied());
        check(unreadable, transient, cannot_read, Some("permission denied"));
        assert!(!DocumentError::unopened(path, denied()).is_gone);
        let missing = DocumentError::unopened(path, io::ErrorKind::NotFound);
        assert!(missing.is_gone);
        check(missing, transient, cannot_read, Some("entity not found"));
    }
}

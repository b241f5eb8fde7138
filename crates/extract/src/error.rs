//! Documents without a text, and what a later run does about them.

use serde::Serialize;

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

/// A document whose text could not be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Not text: left out on purpose.
    #[error("{uri}: {reason}")]
    Skipped {
        /// The document.
        uri: String,
        /// What it is instead.
        reason: String,
    },
    /// Text that cannot be decoded as it is.
    #[error("{uri}: {reason}")]
    Permanent {
        /// The document.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// May work in the next run.
    #[error("{uri}: {reason}")]
    Transient {
        /// The document.
        uri: String,
        /// What kept it from being extracted.
        reason: String,
    },
}

impl ExtractError {
    /// A document that hits a limit, which is named.
    pub(crate) fn over_limit(uri: &str, what: &str, max: usize) -> Self {
        Self::Permanent { uri: uri.to_owned(), reason: format!("more {what} than {max} bytes") }
    }

    /// Returns what a later run does about it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Skipped { .. } => FailureKind::Skipped,
            Self::Permanent { .. } => FailureKind::Permanent,
            Self::Transient { .. } => FailureKind::Transient,
        }
    }
}

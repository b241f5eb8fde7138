//! The readings of pages: texts and failures of their documents.

use crate::domain::{FailureKind, Stage, Version};
use crate::extract;
use crate::kb::{QueuedPage, ReadResult, Reading};
use crate::source::Validators;
use crate::support::secrets;

/// Returns the failure of a document that is deleted if a later run finds the same.
pub fn in_grace(reason: &str) -> String {
    format!("{reason}; its document goes if a later run finds the same")
}

/// Returns the failure to crawl a page.
pub fn failure(page: &QueuedPage, kind: FailureKind, error: &str) -> Reading {
    let error = secrets::hidden(error);
    reading(page, None, html(), ReadResult::Failed { stage: Stage::Crawl, kind, error })
}

/// Returns the fingerprint of the extractor of HTML.
pub fn html() -> String {
    extract::extractor("page.html").id().to_owned()
}

/// Returns the reading of a page.
pub fn reading(
    page: &QueuedPage,
    validators: Option<&Validators>,
    extract_fp: String,
    result: ReadResult,
) -> Reading {
    let version = validators.and_then(|one| one.etag.clone().or_else(|| one.last_modified.clone()));
    Reading {
        document: page.document.as_ref().map(|document| document.id),
        uri: page.url.clone(),
        version: version.map(Version),
        extract_fp,
        count: true,
        size_bytes: 0,
        result,
    }
}

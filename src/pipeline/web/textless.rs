//! Pages without a text: what is remembered of them, and what happens to their documents.

use super::lost::{Rules, is_over};
use super::reading::{failure, in_grace};
use crate::domain::FailureKind;
use crate::kb::{Answer, FoundLink, PageLinks, PageState, QueuedPage, Reading, Transition};
use crate::source::Validators;

/// Separates the settings from the extractor's fingerprint, for pages without a document.
pub const BEFORE_EXTRACT_FP: char = '\n';

/// How a later run asks whether a page still has no text.
#[derive(Debug)]
pub struct Known {
    /// For the next conditional request.
    pub validators: Validators,
    /// Fingerprint of the extractor that found no text; empty if none did.
    pub extract_fp: String,
}

/// What a page without a text has nevertheless.
#[derive(Debug, Default)]
pub struct Rest {
    /// Links that are followed.
    pub links: Vec<FoundLink>,
    /// Links that a limit leaves out.
    pub left_out: u64,
    /// `None` if the page is fetched whole again.
    pub known: Option<Known>,
}

/// Why a page has no text.
pub struct Lack {
    pub state: PageState,
    /// `None` if it was not requested.
    pub answer: Option<Answer>,
    pub reason: String,
    pub kind: FailureKind,
}

/// The page has no text.
pub fn lack(
    transition: &mut Transition,
    page: &QueuedPage,
    lack: Lack,
    rest: Rest,
    rules: &Rules<'_>,
) {
    let Lack { state, answer, reason, kind } = lack;
    let Rest { links, left_out, known } = rest;
    fetched_without_text(transition, page, known, rules);
    transition.reading = without_text(page, &reason, kind, rules);
    end(transition, state, answer, reason);
    transition.links = PageLinks::Found(links, left_out);
}

/// The page ends without a text.
pub fn end(transition: &mut Transition, state: PageState, answer: Option<Answer>, reason: String) {
    transition.row.state = state;
    transition.row.answer = answer;
    transition.row.reason = Some(reason);
}

/// Notes what a response says for later runs.
pub fn fetched(
    transition: &mut Transition,
    page: &QueuedPage,
    validators: Option<Validators>,
    rules: &Rules<'_>,
) {
    let row = &mut transition.row;
    row.settings = Some(rules.settings.to_owned());
    row.lastmod_fetched.clone_from(&page.lastmod);
    Validators { etag: row.etag, last_modified: row.last_modified } =
        validators.unwrap_or_default();
    row.twin = None;
    row.canonical = None;
}

/// Notes what the response of a page without a text says. A page that kb.toml names is fetched
/// whole each time: what it has to be depends on what it was.
fn fetched_without_text(
    transition: &mut Transition,
    page: &QueuedPage,
    known: Option<Known>,
    rules: &Rules<'_>,
) {
    let known = known.filter(|_| !rules.is_named);
    let Known { validators, extract_fp } = known
        .unwrap_or_else(|| Known { validators: Validators::default(), extract_fp: String::new() });
    fetched(transition, page, Some(validators), rules);
    if !extract_fp.is_empty() {
        transition.row.settings =
            Some(format!("{}{BEFORE_EXTRACT_FP}{extract_fp}", rules.settings));
    }
}

/// A page that had no text still has none.
pub fn still_without_text(transition: &mut Transition, page: &QueuedPage, rules: &Rules<'_>) {
    let reason = page.row.reason.clone().unwrap_or_default();
    transition.reading = without_text(page, &reason, FailureKind::Permanent, rules);
    transition.clears_failure = None;
    let is_missing = page.row.answer == Some(Answer::Missing);
    let state = if is_missing { PageState::Gone } else { PageState::Excluded };
    end(transition, state, page.row.answer, reason);
}

/// Another answer takes the place of the one that says why a page has no text, so that this must be
/// found again.
pub fn forget_lack_of_text(transition: &mut Transition, page: &QueuedPage) {
    let says_why = |answer: Answer| answer.is_without_text() || answer.is_redirect();
    if page.row.answer.is_some_and(says_why) {
        let row = &mut transition.row;
        (row.etag, row.last_modified) = (None, None);
    }
}

/// What an earlier run found still counts.
pub fn remembered(transition: &mut Transition, page: &QueuedPage) {
    let row = &mut transition.row;
    row.asked_ms = page.row.asked_ms;
    row.reason.clone_from(&page.row.reason);
    let is_missing = row.answer == Some(Answer::Missing);
    row.state = if is_missing { PageState::Gone } else { PageState::Excluded };
}

/// Reports a page that has no text now. If kb.toml names it, that is a failure; otherwise its
/// document, if it has one, is deleted when two runs in a row find the same.
fn without_text(
    page: &QueuedPage,
    reason: &str,
    kind: FailureKind,
    rules: &Rules<'_>,
) -> Option<Reading> {
    if rules.is_named {
        return Some(failure(page, kind, reason));
    }
    let document = page.document.as_ref().filter(|document| document.content_hash.is_some())?;
    let goes_now = is_over(document.lost, rules);
    (!goes_now).then(|| failure(page, FailureKind::Transient, &in_grace(reason)))
}

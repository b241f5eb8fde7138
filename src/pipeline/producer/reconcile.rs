//! Deletions: documents that their source no longer has, and texts of documents that are now
//! skipped.
//!
//! Only after a complete listing of that source without an error, and never silently: if
//! suspiciously many would be deleted, as when a disk is not mounted, they are kept, and the run
//! reports it.

use std::collections::{HashMap, HashSet};

use crate::domain::{DocumentId, Metrics};
use crate::error::Error;
use crate::kb::SkippedText;
use crate::pipeline::Context;
use crate::source::MaxDelete;
use crate::support::checkpoint::Checkpoint;
use crate::support::events::{Event, Withheld};
use crate::support::numbers::counted;

/// Deletions that are allowed unless they are all of a source, however small it is.
const ALWAYS_ALLOWED: u64 = 10;
/// Documents deleted in one transaction.
const DOCUMENTS_PER_BATCH: usize = 256;
/// Documents that the removal of their texts is reported of one by one.
const TEXTS_NAMED: usize = 10;

/// Sources whose deletions are allowed, however many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowDeletes {
    /// None.
    #[default]
    None,
    /// Those with these names.
    Of(Vec<String>),
    /// All.
    All,
}

/// Which deletions a run may make.
#[derive(Clone, Debug, Default)]
pub struct DeletionRules {
    /// Sources without a limit in this run.
    pub allowed: AllowDeletes,
    /// Limits that kb.toml sets, by source.
    pub limits: HashMap<String, MaxDelete>,
}

impl DeletionRules {
    /// Reports whether documents of `source` may be deleted, however many.
    pub fn allows_all(&self, source: &str) -> bool {
        match &self.allowed {
            AllowDeletes::None => false,
            AllowDeletes::Of(names) => names.iter().any(|name| name == source),
            AllowDeletes::All => true,
        }
    }

    /// Reports whether `gone` of the `known` documents of `source` may be deleted.
    fn allow(&self, source: &str, gone: u64, known: u64) -> bool {
        self.allows_all(source)
            || match self.limits.get(source) {
                Some(limit) => limit.allows(gone, known),
                None => !looks_like_an_outage(gone, known),
            }
    }
}

/// The documents that a listing shows to be gone.
#[derive(Debug, Default)]
pub struct Gone {
    /// Documents of the ledger that were not listed.
    pub documents: Vec<DocumentId>,
    /// Documents whose listing failed: not listed, and not gone.
    pub unlisted: HashSet<DocumentId>,
    /// A folder could not be listed; documents in it may exist.
    pub incomplete: bool,
    /// Settled documents, if the source was compared with the ledger.
    pub settled: Option<Settled>,
}

/// Documents that had a text before the last runs: what these found does not make up for what is
/// gone, as another disk may be mounted, and what they saved was never all of the source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settled {
    /// Those that are still listed.
    pub kept: u64,
    /// Those that are not.
    pub gone: u64,
}

/// Returns whether so many deletions look like an outage of the source: all of it, or more than
/// half and more than ten.
fn looks_like_an_outage(gone: u64, known: u64) -> bool {
    gone == known || gone > ALWAYS_ALLOWED && gone * 2 > known
}

/// Deletes what is gone from `source`, and the texts of what two runs found to be skipped;
/// withholds what is too much, and reports that.
pub fn reconcile(context: &Context<'_>, source: &str, mut gone: Gone) -> Result<(), Error> {
    remove_skipped_texts(context, source, &gone)?;
    gone.documents.retain(|document| !gone.unlisted.contains(document));
    if gone.documents.is_empty() {
        return Ok(());
    }
    let count = gone.documents.len() as u64;
    if gone.incomplete {
        let message = format!(
            "source \"{source}\": kept {} that are not listed, because part of the source cannot be listed",
            counted(count, "document")
        );
        context.events.emit(&Event::Warning { message: &message });
        return Ok(());
    }
    let (missing, known) = match gone.settled {
        Some(Settled { kept, gone }) => (gone, kept + gone),
        None => (count, context.kb.document_count(source)?),
    };
    if missing > 0 && !context.deletions.allow(source, missing, known) {
        // The others have only been moved.
        let lost = context.kb.lost_texts(source, &gone.documents)?.min(missing);
        if lost > 0 && !context.deletions.allow(source, lost, known - (missing - lost)) {
            return withhold(context, source, [lost, known], Withheld::NotListed);
        }
    }
    delete(context, &gone.documents)
}

/// Deletes the documents of a source that kb.toml no longer names, if that is allowed.
pub(super) fn forget_source(context: &Context<'_>, source: &str) -> Result<(), Error> {
    let documents = context.kb.documents_of(source)?;
    if !context.deletions.allows_all(source) && context.kb.has_text(&documents)? {
        let known = documents.len() as u64;
        return withhold(context, source, [known, known], Withheld::SourceRemoved);
    }
    delete(context, &documents)
}

fn delete(context: &Context<'_>, documents: &[DocumentId]) -> Result<(), Error> {
    for documents in documents.chunks(DOCUMENTS_PER_BATCH) {
        context.reached(Checkpoint::BeforeBatch)?;
        context.run.delete_documents(documents)?;
    }
    Ok(())
}

/// Removes the texts of documents that an earlier run, too, found to be skipped. One run alone may
/// have met a file that was being replaced.
fn remove_skipped_texts(context: &Context<'_>, source: &str, gone: &Gone) -> Result<(), Error> {
    let mut texts = context.run.skipped_texts(source)?;
    if texts.is_empty() {
        return Ok(());
    }
    let unseen: HashSet<_> = gone.documents.iter().chain(&gone.unlisted).collect();
    texts.retain(|text| !unseen.contains(&text.document));
    let (count, known) = (texts.len() as u64, context.kb.document_count(source)?);
    if count > 0 && !context.deletions.allow(source, count, known) {
        return withhold(context, source, [count, known], Withheld::Skipped);
    }
    for texts in texts.chunks(DOCUMENTS_PER_BATCH) {
        context.reached(Checkpoint::BeforeBatch)?;
        let documents: Vec<_> = texts.iter().map(|text| text.document).collect();
        context.run.remove_skipped_texts(&documents)?;
    }
    report_removed_texts(context, source, &texts);
    Ok(())
}

fn report_removed_texts(context: &Context<'_>, source: &str, texts: &[SkippedText]) {
    let report = |message: String| context.events.emit(&Event::Warning { message: &message });
    for SkippedText { uri, error, .. } in texts.iter().take(TEXTS_NAMED) {
        let error = error.strip_prefix(&format!("{uri}: ")).unwrap_or(error);
        report(format!("removed the text of {source}:{uri}, which is skipped now: {error}"));
    }
    if let Some(more) = texts.len().checked_sub(TEXTS_NAMED).filter(|more| *more > 0) {
        let more = counted(more as u64, "more document");
        report(format!("source \"{source}\": removed the texts of {more}, which are skipped now"));
    }
}

fn withhold(
    context: &Context<'_>,
    source: &str,
    [gone, known]: [u64; 2],
    why: Withheld,
) -> Result<(), Error> {
    context.events.emit(&Event::DeletionsWithheld { source, gone, known, why });
    let delta = Metrics { deletions_withheld: gone, ..Metrics::default() };
    context.run.save_progress(&delta, None)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_or_more_than_half_and_more_than_ten_look_like_an_outage() {
        let check = |gone, known, expected| {
            assert_eq!(looks_like_an_outage(gone, known), expected, "{gone} of {known}");
        };
        check(1, 1, true);
        check(10, 10, true);
        check(9, 10, false);
        check(10, 11, false);
        check(11, 22, false);
        check(12, 23, true);
        check(1000, 2001, false);
    }

    #[test]
    fn limits_and_permissions_are_of_one_source() {
        let rules = DeletionRules {
            allowed: AllowDeletes::Of(vec!["wiki".to_owned()]),
            limits: [("docs".to_owned(), MaxDelete::Percent(10))].into(),
        };
        assert!(rules.allow("wiki", 100, 100));
        assert!(rules.allow("docs", 1, 10) && !rules.allow("docs", 2, 10));
        assert!(rules.allow("other", 2, 10) && !rules.allow("other", 100, 100));
        let rules = DeletionRules { allowed: AllowDeletes::All, ..rules };
        assert!(rules.allow("docs", 10, 10) && rules.allow("other", 100, 100));
    }
}

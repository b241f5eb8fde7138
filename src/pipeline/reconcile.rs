//! Deletions: documents that their source no longer has.
//!
//! Only after a complete listing of that source without an error, and never silently: where
//! suspiciously many would go, as when a disk is not mounted, they stay, and the run says so.

use std::collections::HashSet;

use super::Context;
use crate::domain::{DocumentId, Metrics};
use crate::error::Error;
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;

/// Deletions that are always carried out, however small the source.
const ALWAYS_ALLOWED: u64 = 10;
/// Documents deleted in one transaction.
const DOCUMENTS_PER_BATCH: usize = 256;

/// What a listing says about documents that are gone.
#[derive(Debug, Default)]
pub struct Gone {
    /// Documents of the ledger that were not listed.
    pub documents: Vec<DocumentId>,
    /// Documents whose listing failed: not listed, and not gone.
    pub unlisted: HashSet<DocumentId>,
    /// A folder could not be listed; documents in it may exist.
    pub incomplete: bool,
}

/// Tells whether so many deletions would look like an accident: more than half, and more than ten.
pub fn is_suspicious(gone: u64, known: u64) -> bool {
    gone > ALWAYS_ALLOWED && gone * 2 > known
}

/// Deletes what is gone from `source`, or withholds it and says so.
pub fn reconcile(context: &Context<'_>, source: &str, mut gone: Gone) -> Result<(), Error> {
    gone.documents.retain(|document| !gone.unlisted.contains(document));
    if gone.documents.is_empty() {
        return Ok(());
    }
    let count = gone.documents.len() as u64;
    if gone.incomplete {
        let message = format!(
            "source \"{source}\": {count} document(s) are not listed, and stay because part of the \
             source cannot be listed"
        );
        context.events.emit(&Event::Warning { message: &message });
        return Ok(());
    }
    let known = context.kb.document_count(source)?;
    if is_suspicious(count, known) && !context.allow_deletes {
        let message = format!(
            "source \"{source}\": {count} of {known} documents are gone, and stay for now: is it \
             complete? `kbingest ingest --allow-deletes` lets them go"
        );
        context.events.emit(&Event::Warning { message: &message });
        let delta = Metrics { deletions_withheld: count, ..Metrics::default() };
        context.run.save_progress(&delta, None)?;
        return Ok(());
    }
    for documents in gone.documents.chunks(DOCUMENTS_PER_BATCH) {
        context.reached(Checkpoint::BeforeBatch)?;
        context.run.delete_documents(documents)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half_and_more_than_ten_is_suspicious() {
        let check = |gone, known, expected| {
            assert_eq!(is_suspicious(gone, known), expected, "{gone} of {known}");
        };
        check(10, 10, false);
        check(11, 11, true);
        check(11, 22, false);
        check(12, 23, true);
        check(1000, 2001, false);
    }
}

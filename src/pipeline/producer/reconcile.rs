//! Deletions: documents that their source no longer has.
//!
//! Only after a complete listing of that source without an error, and never silently: if
//! suspiciously many would be deleted, as when a disk is not mounted, they are kept, and the run
//! reports it.

use std::collections::HashSet;

use crate::config::Config;
use crate::domain::{DocumentId, Metrics};
use crate::error::Error;
use crate::kb::Reader;
use crate::pipeline::Context;
use crate::support::checkpoint::Checkpoint;
use crate::support::events::Event;
use crate::support::numbers::counted;

/// Deletions that are always allowed, however small the source.
const ALWAYS_ALLOWED: u64 = 10;
/// Documents deleted in one transaction.
const DOCUMENTS_PER_BATCH: usize = 256;

/// The documents that a listing shows to be gone.
#[derive(Debug, Default)]
pub struct Gone {
    /// Documents of the ledger that were not listed.
    pub documents: Vec<DocumentId>,
    /// Documents whose listing failed: not listed, and not gone.
    pub unlisted: HashSet<DocumentId>,
    /// A folder could not be listed; documents in it may exist.
    pub incomplete: bool,
}

/// Returns whether so many deletions look like an outage of the source: more than half, and more
/// than ten.
pub fn looks_like_an_outage(gone: u64, known: u64) -> bool {
    gone > ALWAYS_ALLOWED && gone * 2 > known
}

/// Fails if a kb.toml that is not allowed names a knowledge base outside of its folder with none of
/// its sources: a run would delete somebody else's documents.
pub fn refuse_to_empty(kb: &Reader, config: &Config) -> Result<(), Error> {
    let held = kb.source_names()?;
    let tables = config.source.tables(None);
    let is_known = |held: &String| tables.iter().any(|(_, name, _)| name.get_ref() == held);
    if config.is_trusted || held.is_empty() || held.iter().any(is_known) || !config.kb_is_outside()
    {
        return Ok(());
    }
    Err(Error::OtherSources { config: config.path.clone(), kb: config.kb.clone(), held })
}

/// Deletes what is gone from `source`, or withholds it and reports that.
pub fn reconcile(context: &Context<'_>, source: &str, mut gone: Gone) -> Result<(), Error> {
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
    let known = context.kb.document_count(source)?;
    if looks_like_an_outage(count, known) && !context.allow_deletes {
        context.events.emit(&Event::DeletionsWithheld { source, gone: count, known });
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
    fn more_than_half_and_more_than_ten_look_like_an_outage() {
        let check = |gone, known, expected| {
            assert_eq!(looks_like_an_outage(gone, known), expected, "{gone} of {known}");
        };
        check(10, 10, false);
        check(11, 11, true);
        check(11, 22, false);
        check(12, 23, true);
        check(1000, 2001, false);
    }
}

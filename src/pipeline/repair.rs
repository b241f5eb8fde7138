//! Building the full-text index again from the saved texts.

use super::consumer::indexed;
use crate::error::Error;
use crate::kb::KnowledgeBase;

/// Chunks entered in one transaction.
const CHUNKS_PER_BATCH: usize = 4096;

/// Empties the full-text index and enters every live chunk again; returns how many. Searches meanwhile find
/// by vectors what is not yet entered.
pub fn rebuild_index(kb: &KnowledgeBase) -> Result<u64, Error> {
    kb.empty_index()?;
    let mut batch = Vec::new();
    let mut count = 0;
    for revision in kb.live_revisions()? {
        if let Some(unit) = kb.load_live(revision)? {
            batch.extend(indexed(&unit));
        }
        if batch.len() >= CHUNKS_PER_BATCH {
            kb.index_again(&batch)?;
            count += batch.len() as u64;
            batch.clear();
        }
    }
    kb.index_again(&batch)?;
    Ok(count + batch.len() as u64)
}

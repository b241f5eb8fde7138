//! `ls`: the documents of a knowledge base, with what became of each.

use std::ops::ControlFlow;

use super::Target;
use crate::error::Error;
use crate::kb::{Filter, ListPlace, ListedDocument, Reader};
use crate::search::require_source;

/// Documents that are read in one transaction: a reader that waits for its output must not hold
/// back the write-ahead log of a run.
const PAGE_DOCUMENTS: usize = 1000;

/// Calls `each` with the documents of `target` that `filter` admits, by source, then folder by
/// folder, until it breaks; takes no lock and writes nothing.
///
/// Documents that a run adds or removes meanwhile may be among them or not. Fails if the filter
/// names a source that does not exist.
pub fn list(
    target: &Target,
    filter: &Filter,
    each: &mut dyn FnMut(ListedDocument) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let kb = Reader::open(target.kb())?;
    if let Some(name) = &filter.source {
        require_source(&kb, name)?;
    }
    let mut after = ListPlace::default();
    loop {
        let mut page = Vec::new();
        kb.list_documents(filter, &after, &mut |document| {
            page.push(document);
            if page.len() < PAGE_DOCUMENTS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        let is_last = page.len() < PAGE_DOCUMENTS;
        if let Some(last) = page.last() {
            after = ListPlace { source: last.source.clone(), uri: last.uri.clone() };
        }
        for document in page {
            if each(document)?.is_break() {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

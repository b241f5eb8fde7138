//! Merges a source's listing with the ledger: what is new or changed, what is as it was, what is gone.
//!
//! Both sides come in the same order, so one pass decides, and neither is held in memory.

use std::cmp::Ordering;
use std::iter::Peekable;

use crate::domain::{DocumentId, Entry, FailureKind, RunId, Stage};
use crate::extract::Extraction;
use crate::kb::{KbError, LedgerRow, Reader};
use crate::pipeline::Context;
use crate::source::{ListError, Listing, uri};

/// Ledger rows read at a time.
const PAGE_ROWS: usize = 1000;

/// One address of a source or of the ledger.
#[derive(Debug)]
pub enum Sighting {
    /// New, or not as it was when it was last read.
    Changed(ToRead),
    /// As it was; counted already where an earlier process of this run has read it.
    Unchanged {
        /// This run has not counted it yet.
        count: bool,
    },
    /// Known and no longer listed.
    Gone(DocumentId),
    /// Could not be listed.
    Unlisted(ListError),
}

/// A document to read.
#[derive(Debug)]
pub struct ToRead {
    /// As listed.
    pub entry: Entry,
    /// The document, where the ledger knows it.
    pub document: Option<DocumentId>,
    /// This run has not counted it yet.
    pub count: bool,
}

/// The merged sequence.
pub struct Merge<'a> {
    listing: Peekable<Listing<'a>>,
    ledger: Ledger<'a>,
    extraction: &'a Extraction,
    run: RunId,
}

impl<'a> Merge<'a> {
    /// Merges `listing` with what the knowledge base knows of the source `name`; an empty one for a source that is gone.
    pub fn new(context: &Context<'a>, name: &'a str, listing: Listing<'a>) -> Self {
        Self {
            listing: listing.peekable(),
            ledger: Ledger::new(context.kb, name),
            extraction: context.extraction,
            run: context.run.id(),
        }
    }

    /// Returns the next address, or `None` at the end of both sides.
    pub fn next(&mut self) -> Result<Option<Sighting>, KbError> {
        // An entry that cannot be listed has no place in the order.
        if let Some(Err(error)) = self.listing.next_if(Result::is_err) {
            return Ok(Some(Sighting::Unlisted(error)));
        }
        let is_too_long = |entry: &Entry| entry.uri.len() > uri::BYTES_MAX;
        let too_long = |item: &Result<Entry, _>| item.as_ref().is_ok_and(is_too_long);
        if let Some(Ok(entry)) = self.listing.next_if(too_long) {
            return Ok(Some(Sighting::Unlisted(ListError::too_long(&entry.uri))));
        }
        let order = match (self.listing.peek(), self.ledger.peek()?) {
            (None, None) => return Ok(None),
            (Some(Ok(entry)), Some(row)) => uri::uri_order(&entry.uri, &row.uri),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) | (Some(Err(_)), Some(_)) => Ordering::Greater,
        };
        let row = if order.is_ge() { self.ledger.next() } else { None };
        let entry = if order.is_le() { self.listing.next().and_then(Result::ok) } else { None };
        Ok(match (entry, row) {
            (Some(entry), row) => Some(self.compare(entry, row)),
            (None, Some(row)) => Some(Sighting::Gone(row.id)),
            (None, None) => None,
        })
    }

    fn compare(&self, entry: Entry, row: Option<LedgerRow>) -> Sighting {
        let Some(row) = row else {
            return Sighting::Changed(ToRead { entry, document: None, count: true });
        };
        let count = row.run != self.run;
        if self.is_unchanged(&entry, &row) {
            Sighting::Unchanged { count }
        } else {
            Sighting::Changed(ToRead { entry, document: Some(row.id), count })
        }
    }

    /// Tells whether reading `entry` would end as it last did.
    fn is_unchanged(&self, entry: &Entry, row: &LedgerRow) -> bool {
        let would_fail_again = match row.failure {
            None | Some((Stage::Chunk | Stage::Embed, _)) => true,
            Some((Stage::Extract, kind)) => kind != FailureKind::Transient,
            // Limits, permissions and passing trouble leave no trace in the version.
            Some((Stage::Crawl, _)) => false,
        };
        would_fail_again
            && entry.version.is_some()
            && entry.version == row.version
            && self.extraction.is_current(entry.format_name(), &row.extract_fp)
    }
}

/// The ledger of one source, page by page: no long read transaction keeps the WAL from shrinking.
struct Ledger<'a> {
    kb: &'a Reader,
    source: &'a str,
    page: std::vec::IntoIter<LedgerRow>,
    peeked: Option<LedgerRow>,
    after: Option<String>,
    is_done: bool,
}

impl<'a> Ledger<'a> {
    fn new(kb: &'a Reader, source: &'a str) -> Self {
        let page = Vec::new().into_iter();
        Self { kb, source, page, peeked: None, after: None, is_done: false }
    }

    fn peek(&mut self) -> Result<Option<&LedgerRow>, KbError> {
        if self.peeked.is_none() {
            if self.page.len() == 0 && !self.is_done {
                let page = self.kb.ledger_page(self.source, self.after.as_deref(), PAGE_ROWS)?;
                // Rows that this run adds from here on lie behind the listing already.
                self.is_done = page.len() < PAGE_ROWS;
                self.after = page.last().map(|row| row.uri.clone());
                self.page = page.into_iter();
            }
            self.peeked = self.page.next();
        }
        Ok(self.peeked.as_ref())
    }

    fn next(&mut self) -> Option<LedgerRow> {
        self.peeked.take()
    }
}

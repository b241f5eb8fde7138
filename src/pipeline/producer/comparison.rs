//! Compares a source's listing with the ledger: which documents are new, changed, unchanged or
//! gone.
//!
//! Both sides have the same order, so one pass decides, and neither is held in memory.

use std::cmp::Ordering;
use std::iter::Peekable;

use super::ahead;
use crate::domain::{DocumentId, Entry, FailureKind, RunId, Stage};
use crate::error::Error;
use crate::extract::Extraction;
use crate::kb::{KbError, LedgerRow, Reader};
use crate::pipeline::Context;
use crate::pipeline::producer::reconcile::Settled;
use crate::source::{ListError, Listing, uri};

/// Ledger rows read at a time.
const PAGE_ROWS: usize = 1000;

/// The result for one URI of the listing or the ledger.
#[derive(Debug)]
pub enum Compared {
    /// New, or changed since it was last read.
    Changed(ToRead),
    /// Unchanged; already counted if an earlier process of this run has saved its text.
    Unchanged {
        /// Whether this run has not counted it yet.
        count: bool,
        /// Kind of its failure, if it is unchanged since it failed.
        failure: Option<FailureKind>,
    },
    /// Known and no longer listed.
    Gone(DocumentId),
    /// Could not be listed.
    Unlisted(ListError),
}

/// A document to read.
#[derive(Debug)]
pub struct ToRead {
    /// The entry of the listing.
    pub entry: Entry,
    /// The document, if the ledger knows it.
    pub document: Option<DocumentId>,
    /// Whether this run has not counted it yet.
    pub count: bool,
}

/// The results in the order of both sides.
pub struct Comparison<'a> {
    listing: Peekable<Listing<'a>>,
    ledger: Ledger<'a>,
    extraction: &'a Extraction,
    run: RunId,
    /// The first run whose documents are not settled.
    unsettled: RunId,
    /// Settled documents so far.
    pub settled: Settled,
}

impl<'a> Comparison<'a> {
    /// Compares `listing` with the ledger of the source `name`; the listing is empty if kb.toml no
    /// longer names the source.
    pub fn new(
        context: &Context<'a>,
        name: &'a str,
        listing: Listing<'a>,
    ) -> Result<Self, KbError> {
        Ok(Self {
            listing: listing.peekable(),
            ledger: Ledger::new(context.kb, name),
            extraction: context.extraction,
            run: context.run.id(),
            unsettled: context.kb.first_unsettled_run()?,
            settled: Settled::default(),
        })
    }

    /// Makes what is left of the listing ahead; returns its number of documents.
    pub fn list_ahead(&mut self, context: &Context<'_>, name: &str) -> Result<u64, Error> {
        let nothing: Listing<'a> = Box::new(std::iter::empty());
        let rest = std::mem::replace(&mut self.listing, nothing.peekable());
        let (count, listing) = ahead::list(context, name, rest)?;
        self.listing = listing.peekable();
        Ok(count)
    }

    /// Returns the result for the next URI, or `None` at the end of both sides.
    pub fn next(&mut self) -> Result<Option<Compared>, KbError> {
        // An entry that cannot be listed has no position in the order.
        if let Some(Err(error)) = self.listing.next_if(Result::is_err) {
            return Ok(Some(Compared::Unlisted(error)));
        }
        let is_too_long = |entry: &Entry| entry.uri.len() > uri::BYTES_MAX;
        let too_long = |item: &Result<Entry, _>| item.as_ref().is_ok_and(is_too_long);
        if let Some(Ok(entry)) = self.listing.next_if(too_long) {
            return Ok(Some(Compared::Unlisted(ListError::too_long(&entry.uri))));
        }
        let order = match (self.listing.peek(), self.ledger.peek()?) {
            (None, None) => return Ok(None),
            (Some(Ok(entry)), Some(row)) => uri::uri_order(&entry.uri, &row.uri),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) | (Some(Err(_)), Some(_)) => Ordering::Greater,
        };
        let row = if order.is_ge() { self.ledger.next() } else { None };
        if let Some(row) = &row {
            // Run 0: it never had a text.
            let is_settled = RunId(0) < row.run && row.run < self.unsettled;
            let is_gone = order.is_gt();
            self.settled.gone += u64::from(is_settled && is_gone);
            self.settled.kept += u64::from(is_settled && !is_gone);
        }
        let entry = if order.is_le() { self.listing.next().and_then(Result::ok) } else { None };
        Ok(match (entry, row) {
            (Some(entry), row) => Some(self.compare(entry, row)),
            (None, Some(row)) => Some(Compared::Gone(row.id)),
            (None, None) => None,
        })
    }

    fn compare(&self, entry: Entry, row: Option<LedgerRow>) -> Compared {
        let Some(row) = row else {
            return Compared::Changed(ToRead { entry, document: None, count: true });
        };
        let count = row.run != self.run;
        if self.is_unchanged(&entry, &row) {
            Compared::Unchanged { count, failure: self.known_failure(&row) }
        } else {
            Compared::Changed(ToRead { entry, document: Some(row.id), count })
        }
    }

    /// Returns the kind of the failure of an unchanged document. What other settings make fail in
    /// this run is unchanged: the consumer may find that before this comparison or after it.
    fn known_failure(&self, row: &LedgerRow) -> Option<FailureKind> {
        match row.failure? {
            (Stage::Chunk | Stage::Embed, _) if row.failed_in == Some(self.run) => None,
            (_, kind) => Some(kind),
        }
    }

    /// Reports whether reading `entry` would have the same result as the last time.
    fn is_unchanged(&self, entry: &Entry, row: &LedgerRow) -> bool {
        let would_fail_again = match row.failure {
            None | Some((Stage::Chunk | Stage::Embed, _)) => true,
            Some((Stage::Extract, kind)) => kind != FailureKind::Transient,
            // Limits, permissions and transient errors do not change the version.
            Some((Stage::Crawl, _)) => false,
        };
        would_fail_again
            && entry.version.is_some()
            && entry.version == row.version
            && self.extraction.is_current(entry.format_name(), &row.extract_fp)
    }
}

/// The ledger of one source, page by page: a long read transaction would keep the WAL from
/// shrinking.
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
                // Rows that this run adds from here on sort before the current entry.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Version;
    use crate::extract::ExtractConfig;
    use crate::kb::Writer;

    const THIS_RUN: RunId = RunId(7);
    const EARLIER: RunId = RunId(6);

    /// A document of the ledger that was read in an earlier run and is current.
    fn row(extraction: &Extraction, id: i64, uri: &str) -> LedgerRow {
        LedgerRow {
            id: DocumentId(id),
            uri: uri.to_owned(),
            version: Some(Version("1".to_owned())),
            extract_fp: extraction.expected(uri).into(),
            run: EARLIER,
            failure: None,
            failed_in: None,
        }
    }

    fn listed(uri: &str, version: Option<&str>) -> Result<Entry, ListError> {
        let version = version.map(|version| Version(version.to_owned()));
        Ok(Entry { uri: uri.to_owned(), version, size_bytes: 1, format_name: None })
    }

    fn unlisted(uri: &str) -> Result<Entry, ListError> {
        let source = std::io::Error::other("refused");
        Err(ListError { uri: uri.to_owned(), blocks_deletions: true, is_limit: false, source })
    }

    fn shown(sighting: Compared) -> String {
        let counted = |count| if count { "" } else { ", counted already" };
        match sighting {
            Compared::Changed(ToRead { entry, document: None, count }) => {
                format!("{:.9} is new{}", entry.uri, counted(count))
            }
            Compared::Changed(ToRead { entry, document: Some(id), count }) => {
                format!("{} of {} changed{}", entry.uri, id.0, counted(count))
            }
            Compared::Unchanged { count, failure: None } => format!("unchanged{}", counted(count)),
            Compared::Unchanged { count, failure: Some(_) } => {
                format!("unchanged since it failed{}", counted(count))
            }
            Compared::Gone(id) => format!("{} is gone", id.0),
            Compared::Unlisted(error) => format!("{:.9} is unlisted: {}", error.uri, error.source),
        }
    }

    /// Checks the results for a listing and a ledger.
    fn check(
        listing: Vec<Result<Entry, ListError>>,
        ledger: impl FnOnce(&Extraction) -> Vec<LedgerRow>,
        expected: &[&str],
    ) {
        let folder = tempfile::tempdir().unwrap();
        let kb = Writer::create_or_open(&folder.path().join("kb.kb")).unwrap();
        let extraction = Extraction::open(&ExtractConfig::default(), None);
        let rows = ledger(&extraction);
        let page = rows.into_iter();
        let ledger = Ledger { page, is_done: true, ..Ledger::new(kb.reader(), "docs") };
        let listing: Listing<'_> = Box::new(listing.into_iter());
        let mut comparison = Comparison {
            listing: listing.peekable(),
            ledger,
            extraction: &extraction,
            run: THIS_RUN,
            unsettled: THIS_RUN,
            settled: Settled::default(),
        };
        let mut actual = Vec::new();
        while let Some(sighting) = comparison.next().unwrap() {
            actual.push(shown(sighting));
        }
        assert_eq!(actual, expected);
    }

    #[test]
    fn a_first_listing_is_all_new() {
        check(vec![], |_| vec![], &[]);
        check(
            vec![listed("a.md", Some("1")), listed("b.md", None)],
            |_| vec![],
            &["a.md is new", "b.md is new"],
        );
    }

    #[test]
    fn both_sides_are_walked_in_one_order() {
        let rows = |e: &Extraction| {
            ["a.md", "b/c.md", "b.md", "d.md"]
                .iter()
                .zip(1..)
                .map(|(uri, id)| row(e, id, uri))
                .collect()
        };
        let one = Some("1");
        let all = vec![
            listed("a.md", one),
            listed("b/c.md", one),
            listed("b.md", one),
            listed("d.md", one),
        ];
        check(all, rows, &["unchanged"; 4]);
        check(vec![], rows, &["1 is gone", "2 is gone", "3 is gone", "4 is gone"]);
        // The files of a folder sort before a file whose name continues with a character above the
        // slash.
        check(
            vec![
                listed("b/b.md", one),
                listed("b/c.md", one),
                listed("b/d.md", one),
                listed("e.md", one),
            ],
            rows,
            &[
                "1 is gone",
                "b/b.md is new",
                "unchanged",
                "b/d.md is new",
                "3 is gone",
                "4 is gone",
                "e.md is new",
            ],
        );
    }

    #[test]
    fn what_cannot_be_listed_is_reported_at_once() {
        let rows = |e: &Extraction| vec![row(e, 1, "a.md"), row(e, 2, "b.md")];
        check(
            vec![unlisted("b.md"), listed("a.md", Some("1")), unlisted("")],
            rows,
            &["b.md is unlisted: refused", "unchanged", " is unlisted: refused", "2 is gone"],
        );
        let long = "x".repeat(uri::BYTES_MAX + 1);
        check(
            vec![listed(&long, None), listed(&"y".repeat(uri::BYTES_MAX), None)],
            |_| vec![],
            &["xxxxxxxxx is unlisted: its URI is over 8192 bytes", "yyyyyyyyy is new"],
        );
    }

    #[test]
    fn a_document_is_read_again_unless_that_would_end_as_it_did() {
        let check = |version: Option<&str>, change: fn(&mut LedgerRow), expected: &str| {
            let rows = |e: &Extraction| {
                let mut row = row(e, 1, "a.md");
                change(&mut row);
                vec![row]
            };
            check(vec![listed("a.md", version)], rows, &[expected]);
        };
        let (changed, unchanged) = ("a.md of 1 changed", "unchanged");
        let failed = "unchanged since it failed";
        check(Some("1"), |_| {}, unchanged);
        check(Some("2"), |_| {}, changed);
        // Only its bytes show a change.
        check(None, |_| {}, changed);
        check(None, |row| row.version = None, changed);
        check(Some("1"), |row| row.version = None, changed);
        check(Some("1"), |row| row.extract_fp = "another@1".into(), changed);
        // A permanent failure would recur; a failure to read says nothing about the bytes.
        use FailureKind::{Permanent, Skipped, Transient};
        check(Some("1"), |row| row.failure = Some((Stage::Extract, Permanent)), failed);
        check(Some("1"), |row| row.failure = Some((Stage::Extract, Skipped)), failed);
        check(Some("1"), |row| row.failure = Some((Stage::Extract, Transient)), changed);
        check(Some("1"), |row| row.failure = Some((Stage::Crawl, Permanent)), changed);
        check(Some("1"), |row| row.failure = Some((Stage::Crawl, Skipped)), changed);
        check(Some("1"), |row| row.failure = Some((Stage::Chunk, Permanent)), failed);
        check(Some("1"), |row| row.failure = Some((Stage::Embed, Transient)), failed);
        // It became so in this run, whenever it was compared.
        let now = |row: &mut LedgerRow| {
            row.failure = Some((Stage::Embed, Permanent));
            row.failed_in = Some(THIS_RUN);
        };
        check(Some("1"), now, unchanged);
    }

    #[test]
    fn a_run_counts_a_document_once() {
        let rows = |e: &Extraction| {
            vec![LedgerRow { run: THIS_RUN, ..row(e, 1, "a.md") }, row(e, 2, "b.md")]
        };
        check(
            vec![listed("a.md", Some("1")), listed("b.md", Some("1"))],
            rows,
            &["unchanged, counted already", "unchanged"],
        );
        check(
            vec![listed("a.md", Some("2")), listed("b.md", Some("2"))],
            rows,
            &["a.md of 1 changed, counted already", "b.md of 2 changed"],
        );
    }
}

//! What the frontier knows of a page, and the changes of it that a run asks for.

use rusqlite::Row;

use crate::domain::{DocumentId, FailureKind, RunId, Stage};
use crate::kb::sqlite::convert;
use crate::kb::sqlite::documents::Reading;

/// The state of a URL in the run that last saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageState {
    /// Waits to be visited.
    #[default]
    Queued,
    /// Fetched; its document has the text, or the reason why there is none.
    Fetched,
    /// Unchanged since it was fetched.
    Unchanged,
    /// Another page has its document.
    Redirected,
    /// Skipped on purpose.
    Excluded,
    /// Gone.
    Gone,
    /// Refused; the next run retries it.
    Refused,
    /// Unavailable; it may exist.
    Failed,
}

impl PageState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Fetched,
        Self::Unchanged,
        Self::Redirected,
        Self::Excluded,
        Self::Gone,
        Self::Refused,
        Self::Failed,
    ];

    /// Returns the name stored in the knowledge base.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Fetched => "fetched",
            Self::Unchanged => "unchanged",
            Self::Redirected => "redirected",
            Self::Excluded => "excluded",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Returns the state with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What the last request for a URL led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A page.
    Page,
    /// A redirect that may end.
    Redirect,
    /// A redirect for good.
    Moved,
    /// A page that names another one as its original.
    Canonical,
    /// A page that names its Markdown version.
    Twin,
    /// Something that is no page of the site.
    Skipped,
    /// Nothing is there.
    Missing,
    /// A refusal.
    Refused,
    /// No complete response.
    Outage,
}

impl Answer {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Page, "page"),
        (Self::Redirect, "redirect"),
        (Self::Moved, "moved"),
        (Self::Canonical, "canonical"),
        (Self::Twin, "twin"),
        (Self::Skipped, "skipped"),
        (Self::Missing, "missing"),
        (Self::Refused, "refused"),
        (Self::Outage, "outage"),
    ];

    /// Reports whether the answer is that there is no text.
    pub fn is_without_text(self) -> bool {
        matches!(self, Self::Skipped | Self::Missing)
    }

    /// Reports whether the answer is a redirect.
    pub fn is_redirect(self) -> bool {
        matches!(self, Self::Redirect | Self::Moved)
    }

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(answer, _)| *answer == self).map_or("", |(_, name)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(answer, _)| *answer)
    }
}

/// The columns of a URL that a visit changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PageRow {
    /// Its state; waiting ones keep the reason of an earlier run.
    pub state: PageState,
    /// Why it is in that state, or the URL that has its document.
    pub reason: Option<String>,
    /// Visits in this run.
    pub attempts: u32,
    /// Consecutive visits without a response, over runs.
    pub outages: u32,
    /// When it is visited at the earliest, milliseconds since 1970.
    pub not_before_ms: i64,
    /// What the last request for it led to; `None` if there was none.
    pub answer: Option<Answer>,
    /// When that was, milliseconds since 1970.
    pub asked_ms: i64,
    /// Hash of the source's settings when it was last fetched; `None` to fetch it whole.
    pub settings: Option<String>,
    /// `ETag` of the last fetch.
    pub etag: Option<String>,
    /// `Last-Modified` of the last fetch.
    pub last_modified: Option<String>,
    /// What sitemaps gave as its date when it was last fetched.
    pub lastmod_fetched: Option<String>,
    /// Its Markdown twin then, which has the document.
    pub twin: Option<String>,
    /// Whether that twin is unavailable in this run.
    pub twin_failed: bool,
    /// The page that it named as its original then, which has the document.
    pub canonical: Option<String>,
    /// Whether that one has turned out not to have it in this run.
    pub canonical_failed: bool,
}

/// The document of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageDocument {
    /// Its id.
    pub id: DocumentId,
    /// Whether the bytes last read have a version.
    pub has_version: bool,
    /// The extractor that was used.
    pub extract_fp: String,
    /// Hash of its newest text; `None` if it has none.
    pub content_hash: Option<[u8; 32]>,
    /// Stage and kind of its failure, if it failed.
    pub failure: Option<(Stage, FailureKind)>,
    /// Since when runs in a row have found it lost.
    pub lost: Option<Lost>,
}

/// Since when runs in a row have found a document lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first of these runs.
    pub run: RunId,
    /// When it did, milliseconds since 1970.
    pub since_ms: i64,
}

/// A URL that waits to be visited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueuedPage {
    /// Id of the row.
    pub id: i64,
    /// The URL.
    pub url: String,
    /// Links between a start page and it.
    pub depth: u32,
    /// Consecutive redirects that led here.
    pub redirects: u32,
    /// When it last changed, according to a sitemap.
    pub lastmod: Option<String>,
    /// Whether links were found on it, other than to itself, when it was last fetched.
    pub had_links: bool,
    /// Links of it that were not queued then.
    pub links_left_out: u64,
    /// Whether it is the twin of another page.
    pub is_twin: bool,
    /// Its document, if it has one.
    pub document: Option<PageDocument>,
    /// What a visit changes.
    pub row: PageRow,
}

impl QueuedPage {
    /// The columns that [`Self::read`] needs, of the tables `page` and `document`; ?1 is the
    /// source, ?2 the run.
    pub(super) const COLUMNS: &str = "page.id AS page, url, depth, redirects, lastmod,
        EXISTS (SELECT 1 FROM json_each(page.links) WHERE value <> page.id) AS had_links,
        links_left_out, page.state AS state, reason, attempts, outages, not_before_ms, answer,
        asked_ms, settings, etag, last_modified, lastmod_fetched, twin, twin_failed, canonical,
        canonical_failed,
        EXISTS (SELECT 1 FROM frontier AS other
                WHERE other.source = ?1 AND other.twin = page.url AND other.run_id = ?2
                  AND other.state = 'redirected') AS is_twin,
        document.id AS document, document.version IS NOT NULL AS has_version, document.extract_fp,
        (SELECT content_hash FROM revision WHERE document_id = document.id
         ORDER BY revision.id DESC LIMIT 1) AS content_hash,
        failure.stage, failure.kind, lost.run_id AS lost_run, lost.since_ms";

    /// The tables of [`Self::COLUMNS`].
    pub(super) const TABLES: &str = "frontier AS page
        LEFT JOIN document ON document.source = page.source
          AND replace(document.uri, '/', char(1)) = replace(page.url, '/', char(1))
        LEFT JOIN failure ON failure.document_id = document.id
        LEFT JOIN lost_document AS lost ON lost.document_id = document.id";

    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text = |column: &str| row.get::<_, Option<String>>(column);
        let failure = match (text("stage")?, text("kind")?) {
            (Some(at), Some(kind)) => {
                Some((convert::stage(0, &at)?, convert::failure_kind(0, &kind)?))
            }
            _ => None,
        };
        let document = match row.get::<_, Option<i64>>("document")? {
            None => None,
            Some(id) => Some(PageDocument {
                id: DocumentId(id),
                has_version: row.get("has_version")?,
                extract_fp: row.get("extract_fp")?,
                content_hash: row.get("content_hash")?,
                failure,
                lost: lost(row, "lost_run", "since_ms")?,
            }),
        };
        Ok(Self {
            id: row.get("page")?,
            url: row.get("url")?,
            depth: row.get("depth")?,
            redirects: row.get("redirects")?,
            lastmod: row.get("lastmod")?,
            had_links: row.get("had_links")?,
            links_left_out: convert::from_sql(row.get("links_left_out")?),
            is_twin: row.get("is_twin")?,
            document,
            row: PageRow {
                state: state(row, "state")?.unwrap_or_default(),
                reason: row.get("reason")?,
                attempts: row.get("attempts")?,
                outages: row.get("outages")?,
                not_before_ms: row.get("not_before_ms")?,
                answer: answer(row, "answer")?,
                asked_ms: row.get("asked_ms")?,
                settings: row.get("settings")?,
                etag: row.get("etag")?,
                last_modified: row.get("last_modified")?,
                lastmod_fetched: row.get("lastmod_fetched")?,
                twin: row.get("twin")?,
                twin_failed: row.get("twin_failed")?,
                canonical: row.get("canonical")?,
                canonical_failed: row.get("canonical_failed")?,
            },
        })
    }
}

/// A URL found on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLink {
    /// The URL, normalised.
    pub url: String,
    /// Why it is not visited, if it is not.
    pub excluded: Option<String>,
    /// Whether the page leads to it as a redirect does.
    pub is_redirect: bool,
}

impl FoundLink {
    /// Returns a link to `url`, which is visited.
    pub fn to(url: String) -> Self {
        Self { url, excluded: None, is_redirect: false }
    }
}

/// What happens to a page, to be saved.
#[derive(Debug)]
pub struct Transition {
    /// Id of the row.
    pub page: i64,
    /// Links between a start page and it.
    pub depth: u32,
    /// Consecutive redirects that led here.
    pub redirects: u32,
    /// Its new columns.
    pub row: PageRow,
    /// Text or failure of its document.
    pub reading: Option<Reading>,
    /// Its links, which are queued.
    pub links: PageLinks,
    /// Its document, if it is unchanged: a failure to crawl it is over.
    pub clears_failure: Option<DocumentId>,
}

/// The links of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageLinks {
    /// These are all; they are stored with the page. The number is of those left out.
    Found(Vec<FoundLink>, u64),
    /// Those of the last fetch, which are stored.
    Stored(Vec<FoundLink>),
}

/// A link that is stored with a page, as an earlier run left it.
#[derive(Clone, Debug)]
pub struct StoredLink {
    /// Its URL.
    pub url: String,
    /// Its state then.
    pub state: PageState,
    /// Why.
    pub reason: Option<String>,
    /// Visits in that run.
    pub attempts: u32,
}

/// Reads [`Lost`] from these columns.
pub(super) fn lost(row: &Row<'_>, run: &str, since_ms: &str) -> rusqlite::Result<Option<Lost>> {
    let (run, since_ms): (Option<i64>, Option<i64>) = (row.get(run)?, row.get(since_ms)?);
    Ok(run.zip(since_ms).map(|(run, since_ms)| Lost { run: RunId(run), since_ms }))
}

/// Reads the state in this column; `None` if it is NULL.
pub(super) fn state(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<PageState>> {
    Ok(row.get::<_, Option<String>>(column)?.as_deref().and_then(PageState::parse))
}

/// Reads the answer in this column.
pub(super) fn answer(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Answer>> {
    Ok(row.get::<_, Option<String>>(column)?.as_deref().and_then(Answer::parse))
}

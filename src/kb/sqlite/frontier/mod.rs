//! The frontier of a web site: the URLs that wait to be visited, and the results of visiting the
//! others.
//!
//! A run owns the rows with its id; rows of earlier runs are history, and are queued again when a
//! link to them is found. The text of a page is saved in the transaction that marks it as fetched.

pub mod end;
mod site_file;
mod twin;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::domain::{DocumentId, Metrics, ProgressReport};
use crate::kb::KbError;
use crate::kb::sqlite::Run;
use crate::kb::sqlite::convert::{from_sql, size_to_sql};
use crate::kb::sqlite::documents::{Reading, SaveResult, failure_of, save_one};
use crate::kb::sqlite::run_row::RunKey;

/// Why a URL is not visited because of a limit of kb.toml.
pub const OVER_LIMIT: &str = "its folder has more pages than max_per_folder";

/// A page at which a crawl starts.
#[derive(Clone, Debug)]
pub struct StartPage<'a> {
    /// Its URL.
    pub url: &'a str,
    /// When it last changed, according to a sitemap.
    pub lastmod: Option<&'a str>,
}

/// A URL that waits to be visited.
#[derive(Clone, Debug)]
pub struct QueuedPage {
    /// Id of the row.
    pub id: i64,
    /// The URL.
    pub url: String,
    /// Links between a start page and it.
    pub depth: u32,
    /// Consecutive redirects that led here.
    pub redirects: u32,
    /// Whether the crawl starts at it.
    pub is_start: bool,
    /// Failed visits in this run.
    pub attempts: u32,
    /// Consecutive runs that found it gone.
    pub missing_runs: u32,
    /// Its document, if it has one.
    pub document: Option<DocumentId>,
    /// Whether the last fetch is stored in the knowledge base with the current settings, so that a
    /// conditional request with `etag` and `last_modified` is possible.
    pub is_known: bool,
    /// Whether it is unchanged since then, according to a sitemap.
    pub is_unchanged_by_sitemap: bool,
    /// `ETag` of the last fetch.
    pub etag: Option<String>,
    /// `Last-Modified` of the last fetch.
    pub last_modified: Option<String>,
    /// Its Markdown twin then, which has the document.
    pub twin: Option<String>,
    /// Whether that twin is unavailable in this run.
    pub twin_failed: bool,
    /// Whether it is the twin of another page.
    pub is_twin: bool,
}

/// The result of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageState {
    /// To be visited again in this run, not before this time (milliseconds since 1970).
    Queued {
        /// The time.
        not_before_ms: i64,
    },
    /// Fetched; the reading has its text.
    Fetched,
    /// Unchanged.
    Unchanged,
    /// Redirected; the only link leads there.
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
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Fetched => "fetched",
            Self::Unchanged => "unchanged",
            Self::Redirected => "redirected",
            Self::Excluded => "excluded",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A URL found on a page.
#[derive(Clone, Debug)]
pub struct FoundLink {
    /// The URL, normalised.
    pub url: String,
    /// Why it is not visited, if it is not.
    pub excluded: Option<String>,
}

/// One visit, to be saved.
#[derive(Debug)]
pub struct PageReport {
    /// The row.
    pub page: QueuedPage,
    /// Its result.
    pub state: PageState,
    /// The reason, or the redirect's target.
    pub reason: Option<String>,
    /// `ETag` of this response.
    pub etag: Option<String>,
    /// `Last-Modified` of this response.
    pub last_modified: Option<String>,
    /// Its Markdown twin.
    pub twin: Option<String>,
    /// Text or failure of its document.
    pub reading: Option<Reading>,
    /// Its links.
    pub links: PageLinks,
}

/// The links of a page.
#[derive(Clone, Debug)]
pub enum PageLinks {
    /// These URLs, which are queued.
    Found(Vec<FoundLink>),
    /// The same as when it was last fetched; they are queued.
    AsBefore,
    /// Unknown; nothing is queued.
    Unknown,
}

/// The site of visited pages.
#[derive(Clone, Copy, Debug)]
pub struct CrawledSite<'a> {
    /// Its name.
    pub source: &'a str,
    /// Hash of its settings.
    pub settings: &'a str,
    /// New URLs are queued only while fewer than this wait.
    pub max_queued: u64,
}

/// Counts of the rows of one source in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrontierCounts {
    /// Waiting.
    pub queued: u64,
    /// Visited, whether they exist or not: counts against a limit on pages.
    pub visited: u64,
    /// Unavailable ones among these.
    pub failed: u64,
    /// Skipped because of a limit on folders.
    pub over_limit: u64,
    /// Links that were not queued, because too many URLs wait.
    pub links_left_out: u64,
}

impl Run<'_> {
    /// Queues the pages at which a crawl starts; leaves those that this run has seen unchanged.
    pub fn queue_starts(&self, source: &str, starts: &[StartPage<'_>]) -> Result<(), KbError> {
        self.write(|tx| {
            for start in starts {
                let id = queue(tx, self.key, source, start.url, None, 0, 0)?;
                tx.prepare_cached(
                    "UPDATE frontier SET lastmod = ?2 WHERE id = ?1 AND lastmod IS NOT ?2",
                )?
                .execute(params![id, start.lastmod])?;
            }
            Ok(())
        })
    }

    /// Returns the next URLs to visit, at most `limit`: those with the fewest failures first, and
    /// among these the nearest to a start page. `settings` is the hash of the source's current
    /// settings, `now_ms` decides which are due.
    pub fn queued_pages(
        &self,
        source: &str,
        settings: &str,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<QueuedPage>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT frontier.id AS page, url, depth, redirects, referrer IS NULL AS is_start, attempts,
                        missing_runs, document.id AS document,
                        settings IS ?3 AND links_left_out = 0
                          AND (document.version IS NOT NULL OR twin IS NOT NULL) AS is_known,
                        ifnull(lastmod = lastmod_fetched, FALSE) AS has_same_lastmod,
                        etag, last_modified, twin, twin_failed,
                        EXISTS (SELECT 1 FROM frontier AS page
                                WHERE page.source = ?1 AND page.twin = frontier.url
                                  AND page.run_id = ?2 AND page.state = 'redirected') AS is_twin
                 FROM frontier LEFT JOIN document ON document.source = frontier.source
                   AND replace(document.uri, '/', char(1)) = replace(frontier.url, '/', char(1))
                 WHERE frontier.source = ?1 AND frontier.run_id = ?2 AND state = 'queued'
                   AND not_before_ms <= ?4
                 ORDER BY outages, depth, frontier.id LIMIT ?5",
            )?;
            let rows = statement.query_map(
                params![source, self.key.id.0, settings, now_ms, size_to_sql(limit)],
                |row| {
                    let is_known: bool = row.get("is_known")?;
                    Ok(QueuedPage {
                        id: row.get("page")?,
                        url: row.get("url")?,
                        depth: row.get("depth")?,
                        redirects: row.get("redirects")?,
                        is_start: row.get("is_start")?,
                        attempts: row.get("attempts")?,
                        missing_runs: row.get("missing_runs")?,
                        document: row.get::<_, Option<i64>>("document")?.map(DocumentId),
                        is_known,
                        is_unchanged_by_sitemap: is_known && row.get("has_same_lastmod")?,
                        etag: row.get("etag")?,
                        last_modified: row.get("last_modified")?,
                        twin: row.get("twin")?,
                        twin_failed: row.get("twin_failed")?,
                        is_twin: row.get("is_twin")?,
                    })
                },
            )?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns when the first of the queued URLs is due, milliseconds since 1970; `None` if none
    /// waits.
    pub fn next_due_ms(&self, source: &str) -> Result<Option<i64>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT MIN(not_before_ms) FROM frontier
                 WHERE source = ?1 AND run_id = ?2 AND state = 'queued'",
            )?;
            Ok(statement.query_row(params![source, self.key.id.0], |row| row.get(0))?)
        })
    }

    /// Returns the progress of the crawl of `source`.
    pub fn frontier_counts(&self, source: &str) -> Result<FrontierCounts, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT ifnull(sum(state = 'queued'), 0) AS queued,
                        ifnull(sum(state IN ('fetched', 'unchanged', 'gone', 'refused', 'failed')), 0)
                          AS visited,
                        ifnull(sum(state = 'failed'), 0) AS failed,
                        ifnull(sum(state = 'excluded' AND reason = ?3), 0) AS over_limit,
                        ifnull(sum(links_left_out), 0) AS links_left_out
                 FROM frontier WHERE source = ?1 AND run_id = ?2",
            )?;
            Ok(statement.query_row(params![source, self.key.id.0, OVER_LIMIT], |row| {
                Ok(FrontierCounts {
                    queued: from_sql(row.get("queued")?),
                    visited: from_sql(row.get("visited")?),
                    failed: from_sql(row.get("failed")?),
                    over_limit: from_sql(row.get("over_limit")?),
                    links_left_out: from_sql(row.get("links_left_out")?),
                })
            })?)
        })
    }

    /// Calls `each` with every URL of `source` that this run has seen and not excluded.
    pub fn each_seen_url(&self, source: &str, each: &mut dyn FnMut(&str)) -> Result<(), KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT url FROM frontier
                 WHERE source = ?1 AND run_id = ?2 AND (state <> 'excluded' OR attempts > 0)",
            )?;
            let mut rows = statement.query(params![source, self.key.id.0])?;
            while let Some(row) = rows.next()? {
                each(&row.get::<_, String>(0)?);
            }
            Ok(())
        })
    }

    /// Saves the results of visits: texts, states and links in one transaction, and counts the
    /// documents among them. Returns a result for each reading, in order.
    pub fn save_pages(
        &self,
        site: CrawledSite<'_>,
        reports: &[PageReport],
        progress: &ProgressReport,
    ) -> Result<Vec<SaveResult>, KbError> {
        let CrawledSite { source, settings, max_queued } = site;
        let run = self.key;
        self.write_counted(Metrics::default(), Some(progress), |tx, delta| {
            let mut results = Vec::new();
            let mut room = Room::of(tx, run, source, max_queued)?;
            for report in reports {
                if let Some(reading) = &report.reading {
                    results.push(save_one(tx, run, source, reading, delta)?);
                }
                match &report.links {
                    PageLinks::Found(links) => {
                        save_links(tx, run, source, report, links, &mut room)?;
                    }
                    PageLinks::AsBefore => queue_old_links(tx, run, &report.page)?,
                    PageLinks::Unknown => {}
                }
                save_state(tx, settings, report)?;
                if let (PageState::Unchanged, Some(document)) = (report.state, report.page.document)
                {
                    delta.count_without_text(failure_of(tx, document)?);
                }
                twin::settle(tx, run, source, report)?;
            }
            Ok(results)
        })
    }
}

fn save_state(tx: &Transaction<'_>, settings: &str, report: &PageReport) -> Result<(), KbError> {
    let PageReport { page, state, reason, etag, last_modified, twin, links, .. } = report;
    let not_before_ms = match state {
        PageState::Queued { not_before_ms } => *not_before_ms,
        _ => 0,
    };
    tx.prepare_cached(
        "UPDATE frontier SET state = ?2, reason = ?3, not_before_ms = ?4, attempts = attempts + 1,
                outages = CASE WHEN ?2 IN ('queued', 'failed') THEN outages + 1 ELSE 0 END,
                settings = CASE WHEN ?2 IN ('redirected', 'excluded', 'gone') AND ?5 IS NULL THEN NULL
                                ELSE settings END,
                twin = CASE WHEN ?2 IN ('fetched', 'redirected', 'excluded', 'gone') THEN ?5 ELSE twin END,
                missing_runs = CASE ?2 WHEN 'gone' THEN missing_runs + 1 WHEN 'queued' THEN missing_runs
                                       WHEN 'failed' THEN missing_runs ELSE 0 END
         WHERE id = ?1",
    )?
    .execute(params![page.id, state.as_str(), reason, not_before_ms, twin])?;
    let has_new_twin = twin.is_some() && matches!(links, PageLinks::Found(_));
    if *state == PageState::Fetched || has_new_twin {
        tx.prepare_cached(
            "UPDATE frontier SET etag = ?2, last_modified = ?3, settings = ?4, lastmod_fetched = lastmod
             WHERE id = ?1",
        )?
        .execute(params![page.id, etag, last_modified, settings])?;
    }
    if *state == PageState::Unchanged
        && let Some(document) = page.document
    {
        tx.prepare_cached("UPDATE frontier SET lastmod_fetched = lastmod WHERE id = ?1")?
            .execute([page.id])?;
        tx.prepare_cached("DELETE FROM failure WHERE document_id = ?1 AND stage = 'crawl'")?
            .execute([document.0])?;
    }
    Ok(())
}

/// Rows of one source for each URL that may wait: visited and excluded ones need space, too.
pub const ROWS_PER_QUEUED: u64 = 4;

/// How many more URLs a source may have.
struct Room {
    waiting: u64,
    rows: u64,
    last_id: i64,
    max_queued: u64,
}

impl Room {
    fn of(
        tx: &Transaction<'_>,
        run: RunKey,
        source: &str,
        max_queued: u64,
    ) -> Result<Self, KbError> {
        let mut statement = tx.prepare_cached(
            "SELECT COALESCE(SUM(state = 'queued' AND run_id = ?2), 0), COUNT(*),
                    (SELECT COALESCE(MAX(id), 0) FROM frontier)
             FROM frontier WHERE source = ?1",
        )?;
        Ok(statement.query_row(params![source, run.id.0], |row| {
            Ok(Self {
                waiting: from_sql(row.get(0)?),
                rows: from_sql(row.get(1)?),
                last_id: row.get(2)?,
                max_queued,
            })
        })?)
    }

    /// Excluded URLs get half of the rows, so that they leave space for pages.
    fn has_any(&self, link: &FoundLink) -> bool {
        let rows_max = self.max_queued.saturating_mul(ROWS_PER_QUEUED);
        if link.excluded.is_some() {
            self.rows < rows_max / 2
        } else {
            self.rows < rows_max && self.waiting < self.max_queued
        }
    }

    /// Counts the row `id`, if it is new.
    fn take(&mut self, id: i64, link: &FoundLink) {
        if id > self.last_id {
            self.last_id = id;
            self.rows += 1;
            self.waiting += u64::from(link.excluded.is_none());
        }
    }
}

/// Reports whether `source` has a row for `url`.
fn is_seen(tx: &Transaction<'_>, source: &str, url: &str) -> Result<bool, KbError> {
    let mut statement =
        tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM frontier WHERE source = ?1 AND url = ?2)")?;
    Ok(statement.query_row([source, url], |row| row.get(0))?)
}

/// Queues the links of a page and stores them with the page.
fn save_links(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    report: &PageReport,
    links: &[FoundLink],
    room: &mut Room,
) -> Result<(), KbError> {
    let page = &report.page;
    let mut ids = Vec::with_capacity(links.len());
    let mut left_out = 0_i64;
    for link in links {
        // A redirect does not increase the depth, but the number of redirects is limited.
        let is_redirect = report.state == PageState::Redirected
            && report.twin.is_none()
            && report.reason.as_ref() == Some(&link.url);
        let (depth, redirects) =
            if is_redirect { (page.depth, page.redirects + 1) } else { (page.depth + 1, 0) };
        // The target of a redirect is always queued: it is one URL per visit.
        if !is_redirect && !room.has_any(link) && !is_seen(tx, source, &link.url)? {
            let counts = link.excluded.as_deref().is_none_or(|reason| reason == OVER_LIMIT);
            left_out += i64::from(counts);
            continue;
        }
        let id = queue(tx, run, source, &link.url, Some(page.id), depth, redirects)?;
        if let Some(reason) = &link.excluded {
            tx.prepare_cached(
                "UPDATE frontier SET state = 'excluded', reason = ?2 WHERE id = ?1 AND state = 'queued'",
            )?
            .execute(params![id, reason])?;
        }
        room.take(id, link);
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    let links = serde_json::Value::from(ids).to_string();
    tx.prepare_cached(
        "UPDATE frontier SET links = ?2, links_left_out = ?3
         WHERE id = ?1 AND (links <> ?2 OR links_left_out <> ?3)",
    )?
    .execute(params![page.id, links, left_out])?;
    Ok(())
}

/// Queues the links that a page had when it was last fetched; those excluded without a visit stay
/// excluded.
fn queue_old_links(tx: &Transaction<'_>, run: RunKey, page: &QueuedPage) -> Result<(), KbError> {
    tx.prepare_cached(
        "UPDATE frontier SET run_id = ?2, depth = ?3, redirects = 0, referrer = ?1, attempts = 0,
                not_before_ms = 0, lastmod = NULL, twin_failed = 0,
                state = CASE WHEN state = 'excluded' AND attempts = 0 THEN state ELSE 'queued' END,
                reason = CASE WHEN state = 'excluded' AND attempts = 0 THEN reason END
         WHERE id IN (SELECT value FROM json_each((SELECT links FROM frontier WHERE id = ?1)))
           AND run_id <> ?2",
    )?
    .execute(params![page.id, run.id.0, page.depth + 1])?;
    Ok(())
}

/// Queues one URL unless this run has seen it; returns its id.
fn queue(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    url: &str,
    referrer: Option<i64>,
    depth: u32,
    redirects: u32,
) -> Result<i64, KbError> {
    let known: Option<(i64, i64)> = tx
        .prepare_cached("SELECT id, run_id FROM frontier WHERE source = ?1 AND url = ?2")?
        .query_row([source, url], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match known {
        Some((id, run_id)) if run_id == run.id.0 => Ok(id),
        Some((id, _)) => {
            tx.prepare_cached(
                "UPDATE frontier SET run_id = ?2, state = 'queued', reason = NULL, depth = ?3,
                        redirects = ?4, referrer = ?5, attempts = 0, not_before_ms = 0, lastmod = NULL,
                        twin_failed = 0
                 WHERE id = ?1",
            )?
            .execute(params![id, run.id.0, depth, redirects, referrer])?;
            Ok(id)
        }
        None => {
            tx.prepare_cached(
                "INSERT INTO frontier (source, url, run_id, state, depth, redirects, referrer)
                 VALUES (?1, ?2, ?3, 'queued', ?4, ?5, ?6)",
            )?
            .execute(params![source, url, run.id.0, depth, redirects, referrer])?;
            Ok(tx.last_insert_rowid())
        }
    }
}

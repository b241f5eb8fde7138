//! The frontier of a web site: the URLs that wait to be visited, and what became of the others.
//!
//! A run owns the rows with its id; rows of earlier runs are history, and are queued again when a
//! link to them is found. The text of a page is saved in the transaction that marks it as fetched.
//! What happens to a page is decided by `pipeline::web::transition`: here it is only applied.

pub mod counted;
pub mod end;
mod lost;
mod page;
mod site_file;
mod view;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::domain::{Metrics, ProgressReport, StartPage};
use crate::kb::KbError;
use crate::kb::sqlite::Run;
use crate::kb::sqlite::convert::{from_sql, size_to_sql, to_sql};
use crate::kb::sqlite::documents::{SaveResult, failure_of, save_one};
use crate::kb::sqlite::run_row::RunKey;

pub use lost::LostDocument;
pub use page::{
    Answer, FoundLink, Lost, PageDocument, PageLinks, PageRow, PageState, QueuedPage, StoredLink,
    Transition,
};
pub use view::{PageView, UNSEEN};

/// Why a URL is not visited because of a limit of kb.toml.
pub const OVER_LIMIT: &str = "its folder has more pages than max_per_folder";

/// Why a URL is not visited because of a limit of kb.toml on the queries of its path.
pub const OVER_QUERIES: &str = "its path has more queries than max_queries";

/// Why a page is left out that says the same as others of its form.
pub const REPEATED: &str = "20 pages like it say the same";

/// The site of visited pages.
#[derive(Clone, Copy, Debug)]
pub struct CrawledSite<'a> {
    /// Its name.
    pub source: &'a str,
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
    /// Links that were not queued, because a page has too many or too many URLs wait.
    pub links_left_out: u64,
}

impl Run<'_> {
    /// Queues the pages at which a crawl starts; leaves those that this run has seen unchanged.
    pub fn queue_starts(&self, source: &str, starts: &[StartPage]) -> Result<(), KbError> {
        self.write(|tx| {
            for start in starts {
                let link = FoundLink::to(start.url.clone());
                let arrival = Arrival { link: &link, depth: 0, redirects: 0, referrer: None };
                let id = queue(tx, self.key, source, &arrival)?;
                tx.prepare_cached(
                    "UPDATE frontier SET lastmod = ?2 WHERE id = ?1 AND lastmod IS NOT ?2",
                )?
                .execute(params![id, start.lastmod])?;
            }
            Ok(())
        })
    }

    /// Returns the next URLs to visit, at most `limit`: those with the fewest failures first, and
    /// among these the nearest to a start page. `now_ms` decides which are due.
    pub fn queued_pages(
        &self,
        source: &str,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<QueuedPage>, KbError> {
        let sql = format!(
            "SELECT {} FROM {}
             WHERE page.source = ?1 AND page.run_id = ?2 AND page.state = 'queued'
               AND page.not_before_ms <= ?3
             ORDER BY page.outages, page.depth, page.id LIMIT ?4",
            QueuedPage::COLUMNS,
            QueuedPage::TABLES
        );
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let key = params![source, self.key.id.0, now_ms, size_to_sql(limit)];
            let rows = statement.query_map(key, QueuedPage::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the page at `url`, if this run has seen it.
    pub fn page(&self, source: &str, url: &str) -> Result<Option<QueuedPage>, KbError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE page.source = ?1 AND page.run_id = ?2 AND page.url = ?3",
            QueuedPage::COLUMNS,
            QueuedPage::TABLES
        );
        self.read(|tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            let key = params![source, self.key.id.0, url];
            Ok(statement.query_row(key, QueuedPage::read).optional()?)
        })
    }

    /// Returns the URLs of the pages of this run that lead to a twin or a canonical page.
    pub fn led_pages(&self, source: &str) -> Result<Vec<String>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT url FROM frontier WHERE source = ?1 AND run_id = ?2 AND state = 'redirected'
                   AND (twin IS NOT NULL OR canonical IS NOT NULL) ORDER BY id",
            )?;
            let urls = statement.query_map(params![source, self.key.id.0], |row| row.get(0))?;
            Ok(urls.collect::<Result<_, _>>()?)
        })
    }

    /// Returns the links that are stored with a page and that this run has not seen.
    pub fn stored_links(&self, page: i64) -> Result<Vec<StoredLink>, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT url, state, reason, attempts FROM frontier
                 WHERE id IN (SELECT value FROM json_each((SELECT links FROM frontier WHERE id = ?1)))
                   AND run_id <> ?2 ORDER BY id",
            )?;
            let links = statement.query_map(params![page, self.key.id.0], |row| {
                Ok(StoredLink {
                    url: row.get("url")?,
                    state: page::state(row, "state")?.unwrap_or_default(),
                    reason: row.get("reason")?,
                    attempts: row.get("attempts")?,
                })
            })?;
            Ok(links.collect::<Result<_, _>>()?)
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
                        ifnull(sum(links_left_out), 0) AS links_left_out
                 FROM frontier WHERE source = ?1 AND run_id = ?2",
            )?;
            Ok(statement.query_row(params![source, self.key.id.0], |row| {
                Ok(FrontierCounts {
                    queued: from_sql(row.get("queued")?),
                    visited: from_sql(row.get("visited")?),
                    failed: from_sql(row.get("failed")?),
                    links_left_out: from_sql(row.get("links_left_out")?),
                })
            })?)
        })
    }

    /// Returns how many URLs of `source` this run has excluded for this reason.
    pub fn excluded_count(&self, source: &str, reason: &str) -> Result<u64, KbError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached(
                "SELECT COUNT(*) FROM frontier
                 WHERE source = ?1 AND run_id = ?2 AND state = 'excluded' AND reason = ?3",
            )?;
            let key = params![source, self.key.id.0, reason];
            Ok(from_sql(statement.query_row(key, |row| row.get(0))?))
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

    /// Applies what happens to pages: texts, states and links in one transaction, and counts the
    /// documents among them. Returns a result for each reading, in order.
    pub fn apply(
        &self,
        site: CrawledSite<'_>,
        transitions: &[Transition],
        progress: &ProgressReport,
    ) -> Result<Vec<SaveResult>, KbError> {
        let CrawledSite { source, max_queued } = site;
        let run = self.key;
        self.write_counted(Metrics::default(), Some(progress), |tx, delta| {
            let mut results = Vec::new();
            let mut room = Room::of(tx, run, source, max_queued)?;
            for transition in transitions {
                if let Some(reading) = &transition.reading {
                    results.push(save_one(tx, run, source, reading, delta)?);
                }
                save_links(tx, run, source, transition, &mut room)?;
                save_row(tx, transition)?;
                if let Some(document) = transition.clears_failure {
                    tx.prepare_cached(
                        "DELETE FROM failure WHERE document_id = ?1 AND stage = 'crawl'",
                    )?
                    .execute([document.0])?;
                    delta.count_without_text(failure_of(tx, document)?);
                }
            }
            Ok(results)
        })
    }
}

fn save_row(tx: &Transaction<'_>, transition: &Transition) -> Result<(), KbError> {
    let row = &transition.row;
    tx.prepare_cached(
        "UPDATE frontier SET state = ?2, reason = ?3, attempts = ?4, outages = ?5, not_before_ms = ?6,
                answer = ?7, asked_ms = ?8, settings = ?9, etag = ?10, last_modified = ?11,
                lastmod_fetched = ?12, twin = ?13, twin_failed = ?14, canonical = ?15,
                canonical_failed = ?16
         WHERE id = ?1",
    )?
    .execute(params![
        transition.page,
        row.state.as_str(),
        row.reason,
        row.attempts,
        row.outages,
        row.not_before_ms,
        row.answer.map(Answer::as_str),
        row.asked_ms,
        row.settings,
        row.etag,
        row.last_modified,
        row.lastmod_fetched,
        row.twin,
        row.twin_failed,
        row.canonical,
        row.canonical_failed,
    ])?;
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

/// Queues the links of a page, and stores them with it if they are new.
fn save_links(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    transition: &Transition,
    room: &mut Room,
) -> Result<(), KbError> {
    let (links, stored) = match &transition.links {
        PageLinks::Found(links, left_out) => (links, Some(*left_out)),
        PageLinks::Stored(links) => (links, None),
    };
    let mut ids = Vec::with_capacity(links.len());
    let mut left_out = stored.unwrap_or_default();
    for link in links {
        // The target of a redirect is always queued: it is one URL per visit.
        if !link.is_redirect && !room.has_any(link) && !is_seen(tx, source, &link.url)? {
            let counts = link
                .excluded
                .as_deref()
                .is_none_or(|reason| reason == OVER_LIMIT || reason == OVER_QUERIES);
            left_out += u64::from(counts);
            continue;
        }
        // A redirect does not increase the depth, but the number of redirects is limited.
        let (depth, redirects) = match link.is_redirect {
            true => (transition.depth, transition.redirects + 1),
            false => (transition.depth + 1, 0),
        };
        let referrer = Some(transition.page);
        let arrival = Arrival { link, depth, redirects, referrer };
        let id = queue(tx, run, source, &arrival)?;
        room.take(id, link);
        ids.push(id);
    }
    if stored.is_none() {
        return Ok(());
    }
    ids.sort_unstable();
    ids.dedup();
    let links = serde_json::Value::from(ids).to_string();
    tx.prepare_cached(
        "UPDATE frontier SET links = ?2, links_left_out = ?3
         WHERE id = ?1 AND (links <> ?2 OR links_left_out <> ?3)",
    )?
    .execute(params![transition.page, links, to_sql(left_out)])?;
    Ok(())
}

/// How a URL was found.
struct Arrival<'a> {
    link: &'a FoundLink,
    depth: u32,
    redirects: u32,
    referrer: Option<i64>,
}

/// Adds one URL to those of this run, unless it is there; returns its id.
fn queue(
    tx: &Transaction<'_>,
    run: RunKey,
    source: &str,
    arrival: &Arrival<'_>,
) -> Result<i64, KbError> {
    let Arrival { link, depth, redirects, referrer } = arrival;
    let known: Option<(i64, i64)> = tx
        .prepare_cached("SELECT id, run_id FROM frontier WHERE source = ?1 AND url = ?2")?
        .query_row([source, link.url.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // The reason of an earlier run stays with a URL that waits.
    let state = if link.excluded.is_some() { PageState::Excluded } else { PageState::Queued };
    let state = state.as_str();
    match known {
        Some((id, run_id)) if run_id == run.id.0 => Ok(id),
        Some((id, _)) => {
            tx.prepare_cached(
                "UPDATE frontier SET run_id = ?2, state = ?3, reason = ifnull(?4, reason), depth = ?5,
                        redirects = ?6, referrer = ?7, attempts = 0, not_before_ms = 0,
                        lastmod = NULL, twin_failed = 0, canonical_failed = 0
                 WHERE id = ?1",
            )?
            .execute(params![id, run.id.0, state, link.excluded, depth, redirects, referrer])?;
            Ok(id)
        }
        None => {
            tx.prepare_cached(
                "INSERT INTO frontier (source, url, run_id, state, reason, depth, redirects, referrer)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                source,
                link.url,
                run.id.0,
                state,
                link.excluded,
                depth,
                redirects,
                referrer
            ])?;
            Ok(tx.last_insert_rowid())
        }
    }
}

//! Crawl -> Save -> Chunk -> Enqueue for a web site: visits the queued pages and saves each with
//! its links, until nothing is queued.
//!
//! The state of the crawl is only in the knowledge base. A batch is a second's worth of visits,
//! saved in one transaction with the state of its URLs: a stop or a kill only loses what was not
//! saved yet.

use std::collections::HashSet;
use std::time::Duration;

use super::Context;
use super::page::{Site, report};
use super::producer::reconcile::{Gone, reconcile};
use super::producer::steps::{Steps, saved_revisions};
use super::traps::Traps;
use crate::domain::Metrics;
use crate::error::{Error, chain};
use crate::kb::{
    CrawledSite, FrontierCounts, PageReport, PageState, QueuedPage, Reading, StartPage,
};
use crate::source::{PageRequest, SourceError, Starts, Validators, VisitResult, WebSource};
use crate::support::checkpoint::Checkpoint;
use crate::support::clock::now_ms;
use crate::support::events::Event;
use crate::support::numbers::counted;

/// Limit on the pages of a batch.
const BATCH_PAGES: usize = 64;
/// How long a batch collects visits.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Start URLs queued in one transaction.
const STARTS_PER_BATCH: usize = 1000;
/// Consecutive outages after which the site is left to the next run.
const OUTAGES_MAX: u32 = 10;
/// Longest wait before URLs that are not due are checked again.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// Why a crawl ended.
#[derive(Debug, Default)]
struct End {
    /// What was unavailable but may exist.
    outage: Option<String>,
    /// There are more pages than `max_pages` allows.
    is_limited: bool,
    /// Why there may be more pages than were found.
    limit: Option<String>,
}

/// Ingests one site, then deletes what is gone.
pub(super) fn crawl(steps: &Steps<'_>, source: &WebSource) -> Result<(), Error> {
    Crawl { steps, context: steps.context }.run(source)
}

/// The crawl of one site.
struct Crawl<'a> {
    steps: &'a Steps<'a>,
    context: &'a Context<'a>,
}

impl Crawl<'_> {
    fn run(&self, source: &WebSource) -> Result<(), Error> {
        let kept = self.context.kb.kept_files(source.name(), &source.settings)?;
        source.load_files(kept);
        let starts = match source.starts() {
            Ok(starts) => starts,
            Err(SourceError::Stopped) => return Err(Error::Stopped),
            Err(error) if error.ends_run() => return Err(error.into()),
            Err(error) => {
                self.context.progress.list(source.name(), 0);
                return self.steps.skip_unreachable(&chain(&error));
            }
        };
        self.keep_files(source)?;
        self.queue_starts(source, &starts)?;
        let mut end = self.visit_all(source, starts.markdown)?;
        end.outage = end.outage.or(starts.outage);
        end.limit = starts.limit;
        self.finish_site(source, &end)
    }

    /// Stores the files other than pages that were fetched.
    fn keep_files(&self, source: &WebSource) -> Result<(), Error> {
        let context = self.context;
        let files = source.take_fetched_files();
        if !files.is_empty() {
            let settings = &source.settings;
            context.run.keep_files(source.name(), settings, &files)?;
        }
        Ok(())
    }

    /// Returns what this run has seen of the site so far.
    fn traps(&self, source: &WebSource) -> Result<Traps, Error> {
        let mut traps = Traps::new(source.max_per_folder, source.rows_max());
        self.context.run.each_seen_url(source.name(), &mut |url| {
            if let Ok(url) = url.parse() {
                traps.note(&url);
            }
        })?;
        Ok(traps)
    }

    fn queue_starts(&self, source: &WebSource, starts: &Starts) -> Result<(), Error> {
        let context = self.context;
        for pages in starts.pages.chunks(STARTS_PER_BATCH) {
            context.reached(Checkpoint::BeforeBatch)?;
            let pages: Vec<_> = pages
                .iter()
                .map(|start| StartPage { url: &start.url, lastmod: start.lastmod.as_deref() })
                .collect();
            context.run.queue_starts(source.name(), &pages)?;
        }
        Ok(())
    }

    /// Visits queued pages until none are left, or a limit is reached.
    fn visit_all(&self, source: &WebSource, markdown: HashSet<String>) -> Result<End, Error> {
        let context = self.context;
        let site = Site::new(
            source,
            context.extraction,
            self.traps(source)?,
            markdown,
            context.kb.document_count(source.name())?,
        );
        // What an earlier process of this run has visited.
        site.pass(context.run.frontier_counts(source.name())?.visited);
        context.progress.skip(site.passed());
        let end = self.visit_queued(&site, source)?;
        context.progress.list(source.name(), site.passed());
        context.run.save_progress(&Metrics::default(), Some(&context.progress.report()))?;
        Ok(end)
    }

    fn visit_queued(&self, site: &Site<'_>, source: &WebSource) -> Result<End, Error> {
        let context = self.context;
        let mut outages_in_a_row = 0;
        loop {
            context.reached(Checkpoint::BeforeBatch)?;
            let counts = context.run.frontier_counts(source.name())?;
            self.tell(site, counts);
            if counts.queued == 0 {
                return Ok(End::default());
            }
            let room = source.max_pages.saturating_sub(counts.visited);
            if room == 0 {
                return Ok(End { is_limited: true, ..End::default() });
            }
            let limit = usize::try_from(room).unwrap_or(BATCH_PAGES).min(BATCH_PAGES);
            let (name, settings) = (source.name(), site.settings());
            let pages = context.run.queued_pages(name, settings, now_ms(), limit)?;
            if pages.is_empty() {
                self.wait_for_due(source)?;
                continue;
            }
            let results = self.visit(site, source, &pages)?;
            self.keep_files(source)?;
            for (_, result) in &results {
                let is_outage = matches!(result, VisitResult::Outage { .. });
                outages_in_a_row = if is_outage { outages_in_a_row + 1 } else { 0 };
            }
            self.ingest_pages(site, pages, results)?;
            if outages_in_a_row >= OUTAGES_MAX {
                let outage = Some(format!("{outages_in_a_row} requests in a row failed"));
                return Ok(End { outage, ..End::default() });
            }
        }
    }

    /// Visits pages; those unchanged according to a sitemap need no request.
    fn visit(
        &self,
        site: &Site<'_>,
        source: &WebSource,
        pages: &[QueuedPage],
    ) -> Result<Vec<(usize, VisitResult)>, Error> {
        let mut results = Vec::new();
        let mut requests = Vec::new();
        let mut places = Vec::new();
        for (place, page) in pages.iter().enumerate() {
            // A page newly listed as Markdown has to be read to learn its twin.
            let has_new_twin = page.twin.is_none()
                && source.prefers_markdown
                && site.listed_twin(&page.url).is_some();
            if page.is_unchanged_by_sitemap && !has_new_twin {
                results.push((place, VisitResult::NotModified));
                continue;
            }
            let Ok(url) = page.url.parse() else {
                results.push((place, VisitResult::Excluded("not a URL".to_owned())));
                continue;
            };
            let known = page.is_known && !has_new_twin;
            let validators = Validators {
                etag: page.etag.clone().filter(|_| known),
                last_modified: page.last_modified.clone().filter(|_| known),
            };
            requests.push(PageRequest { url, validators });
            places.push(place);
        }
        if !requests.is_empty() {
            let visited = source.visit(requests, BATCH_TIME)?;
            results.extend(visited.into_iter().map(|(index, result)| (places[index], result)));
        }
        Ok(results)
    }

    fn tell(&self, site: &Site<'_>, counts: FrontierCounts) {
        let FrontierCounts { queued, visited, .. } = counts;
        self.context.progress.expect(site.name(), site.pages_expected().max(queued + visited));
        self.context.events.emit(&Event::Crawling { source: site.name(), queued, visited });
    }

    /// All queued pages wait for a server that asked for a pause, or for their next attempt.
    fn wait_for_due(&self, source: &WebSource) -> Result<(), Error> {
        let due = self.context.run.next_due_ms(source.name())?;
        let left_ms = due.map_or(0, |due| u64::try_from(due - now_ms()).unwrap_or(0));
        Ok(source.wait(Duration::from_millis(left_ms).min(WAIT_MAX))?)
    }

    /// Extract -> Save -> Chunk -> Enqueue for the visits of a batch.
    fn ingest_pages(
        &self,
        site: &Site<'_>,
        pages: Vec<QueuedPage>,
        results: Vec<(usize, VisitResult)>,
    ) -> Result<(), Error> {
        let context = self.context;
        let name = site.name();
        let mut pages: Vec<_> = pages.into_iter().map(Some).collect();
        let answered =
            results.into_iter().filter_map(|(place, result)| Some((pages[place].take()?, result)));
        let (apart, together): (Vec<_>, Vec<_>) =
            answered.partition(|(page, _)| self.steps.suspicion.holds(name, &page.url));
        for (page, result) in apart {
            let reports = match self.steps.suspicion.verdict(name, &page.url) {
                Some(error) => vec![site.quarantine(page, error)],
                None => self.read_pages(site, vec![(page, result)], true)?,
            };
            self.save_pages(site, reports)?;
        }
        if together.is_empty() {
            return Ok(());
        }
        let first = &together[0].0.url;
        context.events.emit(&Event::Reading { source: name, uri: first });
        let reports = self.read_pages(site, together, false)?;
        self.save_pages(site, reports)?;
        // Nothing is in flight until the next batch starts, so a crash then blames no document.
        context.run.set_in_flight(&[], &[], false)?;
        Ok(())
    }

    /// Records the pages about to be extracted, and extracts them.
    fn read_pages(
        &self,
        site: &Site<'_>,
        answered: Vec<(QueuedPage, VisitResult)>,
        alone: bool,
    ) -> Result<Vec<PageReport>, Error> {
        let context = self.context;
        let is_page = |result: &VisitResult| matches!(result, VisitResult::Page(_));
        let documents: Vec<_> = answered
            .iter()
            .filter(|(_, result)| is_page(result))
            .map(|(page, _)| (site.name(), page.url.as_str()))
            .collect();
        if !documents.is_empty() {
            context.run.set_in_flight(&documents, &[], alone)?;
        }
        let read = |(page, result)| {
            let report = report(site, page, result);
            // A page whose extraction a stop interrupts is still queued, and has not failed.
            let has_failed = report.reading.as_ref().is_some_and(Reading::has_failed);
            (!has_failed || !context.stop.is_requested()).then_some(report)
        };
        let reports: Vec<_> = context.pool.get()?.map(answered, read);
        Ok(reports.into_iter().flatten().collect())
    }

    /// Save -> Chunk -> Enqueue.
    fn save_pages(&self, site: &Site<'_>, reports: Vec<PageReport>) -> Result<(), Error> {
        let context = self.context;
        let is_done = |report: &&PageReport| !matches!(report.state, PageState::Queued { .. });
        let done = reports.iter().filter(is_done).count() as u64;
        // The pages that the batch links to are counted first: the percentage must never decrease.
        context.progress.expect(site.name(), site.pages_expected());
        site.pass(done);
        context.progress.pass(done);
        let (name, progress) = (site.name(), context.progress.report());
        let (settings, max_queued) = (site.settings(), site.max_queued());
        let crawled = CrawledSite { source: name, settings, max_queued };
        let results = context.run.save_pages(crawled, &reports, &progress)?;
        let readings: Vec<_> = reports.into_iter().filter_map(|report| report.reading).collect();
        self.steps.report(name, &readings, &results);
        let revisions = saved_revisions(name, readings, &results);
        context.reached(Checkpoint::AfterSave)?;
        self.steps.hand_over(self.steps.chunk_and_enqueue(revisions)?)
    }

    /// Deletes what a complete crawl did not find; reports what was incomplete.
    fn finish_site(&self, source: &WebSource, end: &End) -> Result<(), Error> {
        let context = self.context;
        let name = source.name();
        let counts = context.run.frontier_counts(name)?;
        let FrontierCounts { failed, visited, over_limit, links_left_out, .. } = counts;
        let unreachable =
            (failed > 0).then(|| format!("{failed} of {visited} pages are unavailable"));
        let outage = end.outage.clone().or(unreachable);
        self.report_limits(source, end, counts)?;
        if let Some(outage) = &outage {
            self.steps.skip_unreachable(&format!("source \"{name}\": {outage}"))?;
        }
        // Pages that were not reached may still exist.
        let is_limited = end.is_limited || end.limit.is_some() || over_limit + links_left_out > 0;
        if outage.is_some() || is_limited {
            let rows_max = source.rows_max() / 2;
            context.run.drop_oldest(name, rows_max)?;
            return Ok(());
        }
        let documents = context.run.gone_pages(name)?;
        reconcile(context, name, Gone { documents, ..Gone::default() })?;
        context.run.drop_unseen(name)?;
        Ok(())
    }

    /// Reports and counts what limits of kb.toml leave out.
    fn report_limits(
        &self,
        source: &WebSource,
        end: &End,
        counts: FrontierCounts,
    ) -> Result<(), Error> {
        let context = self.context;
        let FrontierCounts { over_limit, links_left_out, .. } = counts;
        let queued = if end.is_limited { counts.queued } else { 0 };
        let warn = |message: String| {
            let message = format!("source \"{}\": {message}", source.name());
            context.events.emit(&Event::Warning { message: &message });
        };
        if queued > 0 {
            let max = source.max_pages;
            let pages = counted(queued, "page");
            warn(format!("max_pages ({max}) left {pages} unvisited; nothing is deleted"));
        }
        if over_limit > 0 {
            let max = source.max_per_folder;
            warn(format!("max_per_folder ({max}) left {} unvisited", counted(over_limit, "page")));
        }
        if links_left_out > 0 {
            let max = source.max_queued;
            let links = counted(links_left_out, "link");
            warn(format!("max_queued ({max}) left {links} unfollowed; nothing is deleted"));
        }
        if let Some(limit) = &end.limit {
            warn(format!("{limit}; nothing is deleted"));
        }
        let left_out = queued + over_limit + links_left_out;
        // The number of pages missing from an incomplete list is unknown: at least one.
        let pages_left_out = left_out.max(u64::from(end.limit.is_some()));
        if pages_left_out > 0 {
            let delta = Metrics { pages_left_out, ..Metrics::default() };
            context.run.save_progress(&delta, None)?;
        }
        Ok(())
    }
}

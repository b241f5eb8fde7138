//! Crawl -> Save -> Chunk -> Enqueue for a web site: visits the queued pages and saves each with
//! its links, until nothing is queued.
//!
//! The state of the crawl is only in the knowledge base (`kb`, the frontier). A batch is a second's
//! worth of visits, saved in one transaction with the state of its URLs: a stop or a kill only
//! loses what was not saved yet.
//!
//! `page` reads what a visit returned, [`transition`] decides what happens to the page, `kb`
//! applies that, and [`lost`] has the rule of which documents are deleted in the [`end`].
//!
//! ```text
//!        a start, a link, the target of a redirect
//!                           |
//!                           v       no response, once or twice; the host asks for a long pause
//!  +------------------> [ queued ] <--------------------------------+
//!  |                        |                                       |
//!  |     +------------------+---------------------------------------+
//!  |     |
//!  |     +-- a text, or a failure to extract it ------> [ fetched ]
//!  |     +-- 304, or a sitemap says so ---------------> [ unchanged ]
//!  |     +-- a redirect, rel=canonical, Markdown -----> [ redirected ] --+
//!  |     +-- no page of the site, by our rules or its -> [ excluded ]    |
//!  |     +-- 404, 410, a soft 404 --------------------> [ gone ]         |
//!  |     +-- 403 and the like, or a start that is ----> [ refused ]      |
//!  |     |   not what it was                                             |
//!  |     +-- no response, three times ----------------> [ failed ]       |
//!  |                                                                     |
//!  +-- its original or its Markdown turns out to have no text -----------+
//! ```
//!
//! What an earlier run found to be missing, or no page, is not requested again for a week, or only
//! with its validators: a 304 then keeps the state that it had.

mod end;
mod led;
mod lost;
mod naming;
mod page;
mod reading;
mod signs;
mod site;
mod soft_404;
#[cfg(test)]
mod table;
mod textless;
mod transition;
mod traps;

use std::time::Duration;

use self::end::End;
use self::page::Seen;
use self::site::Site;
use self::transition::{Visit, Visited};
use crate::domain::{Metrics, StartPage};
use crate::error::{Error, chain};
use crate::kb::{CrawledSite, FrontierCounts, PageState, QueuedPage, Reading, Transition};
use crate::pipeline::Context;
use crate::pipeline::producer::steps::{Steps, saved_revisions};
use crate::source::{PageRequest, SourceError, Validators, VisitResult, WebSource};
use crate::support::checkpoint::Checkpoint;
use crate::support::clock::now_ms;
use crate::support::events::Event;

/// Limit on the pages of a batch.
const BATCH_PAGES: usize = 64;
/// How long a batch collects visits.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// Start URLs queued in one transaction.
const STARTS_PER_BATCH: usize = 1000;
/// Consecutive outages after which the site is left to the next run.
const OUTAGES_MAX: u32 = 10;
/// Limit on the redirects of a start URL.
const REDIRECTS_MAX: u32 = 10;
/// Longest wait before URLs that are not due are checked again.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// If no URL is due before, the others are left to the next run.
const PAUSE_MAX: Duration = Duration::from_secs(120);

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
        let context = self.context;
        let kept = context.kb.kept_files(source.name(), &source.settings)?;
        source.load_files(kept);
        let starts = match source.starts() {
            Ok(starts) => starts,
            Err(SourceError::Stopped) => return Err(Error::Stopped),
            Err(error) if error.ends_run() => return Err(error.into()),
            Err(error) => {
                context.progress.list(source.name(), 0);
                return self.steps.skip_unreachable(&chain(&error));
            }
        };
        self.keep_files(source)?;
        self.queue_starts(source, &starts.pages)?;
        let may_change = context.deletions.allows_all(source.name());
        let documents_known = context.kb.document_count(source.name())?;
        let (extraction, run) = (context.extraction, context.run.id());
        let site = Site::new(source, extraction, run, may_change, documents_known)
            .with_markdown(starts.markdown);
        self.load_seen(&site)?;
        // What an earlier process of this run has visited.
        site.pass(context.run.frontier_counts(source.name())?.visited);
        context.progress.skip(site.passed());
        let mut end = self.visit_all(&site)?;
        context.progress.list(source.name(), site.passed());
        context.run.save_progress(&Metrics::default(), Some(&context.progress.report()))?;
        end.outage = end.outage.or(starts.outage);
        end.limit = starts.limit;
        end.unusable = starts.unusable;
        end::finish(self.steps, &site, &end)
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

    fn queue_starts(&self, source: &WebSource, starts: &[StartPage]) -> Result<(), Error> {
        for pages in starts.chunks(STARTS_PER_BATCH) {
            self.context.reached(Checkpoint::BeforeBatch)?;
            self.context.run.queue_starts(source.name(), pages)?;
        }
        Ok(())
    }

    /// Loads what this run has seen of the site so far, if it is resumed.
    fn load_seen(&self, site: &Site<'_>) -> Result<(), Error> {
        let (run, source) = (self.context.run, site.source);
        let mut traps = site.traps();
        run.each_seen_url(site.name(), &mut |url| {
            if let Ok(url) = url.parse() {
                traps.note(&url);
            }
        })?;
        drop(traps);
        for start in source.named_pages().filter(|url| source.starts_at(url.as_str())) {
            let mut from = start.clone();
            for _ in 0..REDIRECTS_MAX {
                let Some(page) = run.page(site.name(), from.as_str())? else { break };
                let target = page.row.reason.filter(|_| page.row.state == PageState::Redirected);
                let Some(target) = target.and_then(|target| target.parse().ok()) else { break };
                source.narrow(&from, &target);
                from = target;
            }
        }
        Ok(())
    }

    /// Visits queued pages until none are left, or a limit is reached.
    fn visit_all(&self, site: &Site<'_>) -> Result<End, Error> {
        let (context, source) = (self.context, site.source);
        let mut outages_in_a_row = 0;
        loop {
            context.reached(Checkpoint::BeforeBatch)?;
            let counts = context.run.frontier_counts(source.name())?;
            self.tell(site, counts);
            if counts.queued == 0 {
                if self.settle(site)? {
                    continue;
                }
                return Ok(End::default());
            }
            let room = source.max_pages.saturating_sub(counts.visited);
            if room == 0 {
                return Ok(End { is_limited: true, ..End::default() });
            }
            let limit = usize::try_from(room).unwrap_or(BATCH_PAGES).min(BATCH_PAGES);
            let mut pages = context.run.queued_pages(source.name(), now_ms(), limit)?;
            if pages.is_empty() {
                if let Some(outage) = self.wait_for_due(source)? {
                    return Ok(End { outage: Some(outage), ..End::default() });
                }
                continue;
            }
            // What is a page of the site may depend on what the start is redirected to.
            let starts = pages.iter().take_while(|page| source.starts_at(&page.url)).count();
            if starts > 0 {
                pages.truncate(starts);
            }
            let seen = self.visit(site, &pages)?;
            self.keep_files(source)?;
            for (_, seen) in &seen {
                match seen {
                    Seen::Answered(VisitResult::Outage { .. }) => outages_in_a_row += 1,
                    Seen::Answered(VisitResult::PutOff { .. }) => {}
                    _ => outages_in_a_row = 0,
                }
            }
            self.ingest_pages(site, pages, seen)?;
            if outages_in_a_row >= OUTAGES_MAX {
                let outage = Some(format!("{outages_in_a_row} requests in a row failed"));
                return Ok(End { outage, ..End::default() });
            }
        }
    }

    /// Visits pages, except for those of which everything is known.
    fn visit(&self, site: &Site<'_>, pages: &[QueuedPage]) -> Result<Vec<(usize, Seen)>, Error> {
        let mut seen = Vec::new();
        let mut requests = Vec::new();
        let mut places = Vec::new();
        for (place, page) in pages.iter().enumerate() {
            let Ok(url) = page.url.parse() else {
                seen.push((place, Seen::NotAsked("not a URL")));
                continue;
            };
            if site.source.leaves_out(&url) {
                seen.push((place, Seen::NotAsked("outside of the site")));
            } else if site.is_unchanged_by_sitemap(page) {
                seen.push((place, Seen::UnchangedBySitemap));
            } else if site.is_known_dead(page) {
                seen.push((place, Seen::KnownDead));
            } else {
                let is_known = site.is_known(page);
                let validators = Validators {
                    etag: page.row.etag.clone().filter(|_| is_known),
                    last_modified: page.row.last_modified.clone().filter(|_| is_known),
                };
                requests.push(PageRequest { url, validators });
                places.push(place);
            }
        }
        if !requests.is_empty() {
            let visited = site.source.visit(requests, BATCH_TIME, self.context.fetch_threads)?;
            let answered = |(index, answer): (usize, _)| (places[index], Seen::Answered(answer));
            seen.extend(visited.into_iter().map(answered));
        }
        Ok(seen)
    }

    fn tell(&self, site: &Site<'_>, counts: FrontierCounts) {
        let FrontierCounts { queued, visited, .. } = counts;
        self.context.progress.expect(site.name(), site.pages_expected().max(queued + visited));
        self.context.events.emit(&Event::Crawling { source: site.name(), queued, visited });
    }

    /// All queued pages wait for a server that asked for a pause, or for their next attempt.
    /// Returns why that is not worth it, if it takes too long.
    fn wait_for_due(&self, source: &WebSource) -> Result<Option<String>, Error> {
        let due = self.context.run.next_due_ms(source.name())?;
        let left_ms = due.map_or(0, |due| u64::try_from(due - now_ms()).unwrap_or(0));
        let left = Duration::from_millis(left_ms);
        if left > PAUSE_MAX {
            let seconds = left.as_secs();
            return Ok(Some(format!("its server asks for a pause of {seconds} s")));
        }
        source.wait(left.min(WAIT_MAX))?;
        Ok(None)
    }

    /// Extract -> Save -> Chunk -> Enqueue for the visits of a batch.
    fn ingest_pages(
        &self,
        site: &Site<'_>,
        pages: Vec<QueuedPage>,
        seen: Vec<(usize, Seen)>,
    ) -> Result<(), Error> {
        let (context, suspicion) = (self.context, &self.steps.suspicion);
        let name = site.name();
        let mut pages: Vec<_> = pages.into_iter().map(Some).collect();
        let seen = seen.into_iter().filter_map(|(place, seen)| Some((pages[place].take()?, seen)));
        let (apart, together): (Vec<_>, Vec<_>) =
            seen.partition(|(page, _)| suspicion.holds(name, &page.url));
        for (page, seen) in apart {
            let transitions = match suspicion.verdict(name, &page.url) {
                Some(error) => vec![self.next(site, page, Visit::Quarantined { error })?],
                None => self.read_pages(site, vec![(page, seen)], true)?,
            };
            self.apply(site, transitions)?;
        }
        if together.is_empty() {
            return Ok(());
        }
        let first = &together[0].0.url;
        context.events.emit(&Event::Reading { source: name, uri: first });
        let transitions = self.read_pages(site, together, false)?;
        self.apply(site, transitions)?;
        // Nothing is in flight until the next batch starts, so a crash then blames no document.
        context.run.set_in_flight(&[], &[], false)?;
        Ok(())
    }

    /// Records the pages about to be extracted, and extracts them.
    fn read_pages(
        &self,
        site: &Site<'_>,
        seen: Vec<(QueuedPage, Seen)>,
        alone: bool,
    ) -> Result<Vec<Transition>, Error> {
        let context = self.context;
        let is_page = |seen: &Seen| matches!(seen, Seen::Answered(VisitResult::Page(_)));
        let documents: Vec<_> = seen
            .iter()
            .filter(|(_, seen)| is_page(seen))
            .map(|(page, _)| (site.name(), page.url.as_str()))
            .collect();
        if !documents.is_empty() {
            context.run.set_in_flight(&documents, &[], alone)?;
        }
        let read = |(page, seen)| {
            let visit = page::visit(site, &page, seen);
            (page, visit)
        };
        let visits: Vec<_> = context.pool.get()?.map(seen, read);
        let mut transitions = Vec::with_capacity(visits.len());
        for (page, visit) in visits {
            let transition = self.next(site, page, visit)?;
            // A page whose extraction a stop interrupts is still queued, and has not failed.
            let has_failed = transition.reading.as_ref().is_some_and(Reading::has_failed);
            if !has_failed || !context.stop.is_requested() {
                transitions.push(transition);
            }
        }
        Ok(transitions)
    }

    /// Returns what happens to a page.
    fn next(&self, site: &Site<'_>, page: QueuedPage, visit: Visit) -> Result<Transition, Error> {
        let rules = site.rules(&page.url);
        // The links of an earlier fetch matter unless the visit has found others.
        let needs_links = match &visit {
            Visit::Read { .. } => rules.is_named,
            Visit::Unchanged { .. } | Visit::Refused { .. } | Visit::Outage { .. } => true,
            Visit::Redirect { .. } => rules.is_named,
            _ => false,
        };
        let links = match needs_links {
            true => self.context.run.stored_links(page.id)?,
            false => Vec::new(),
        };
        let known_links = site.known_links(&page, links);
        Ok(transition::next(Visited { page, known_links }, visit, &rules))
    }

    /// Save -> Chunk -> Enqueue.
    fn apply(&self, site: &Site<'_>, transitions: Vec<Transition>) -> Result<(), Error> {
        let context = self.context;
        let is_done = |one: &&Transition| one.row.state != PageState::Queued;
        let done = transitions.iter().filter(is_done).count() as u64;
        // The pages that the batch links to are counted first: the percentage must never decrease.
        context.progress.expect(site.name(), site.pages_expected());
        site.pass(done);
        context.progress.pass(done);
        let (name, progress) = (site.name(), context.progress.report());
        let crawled = CrawledSite { source: name, max_queued: site.source.max_queued };
        let results = context.run.apply(crawled, &transitions, &progress)?;
        let readings: Vec<_> = transitions.into_iter().filter_map(|one| one.reading).collect();
        self.steps.report(name, &readings, &results);
        let revisions = saved_revisions(name, readings, &results);
        context.reached(Checkpoint::AfterSave)?;
        self.steps.hand_over(self.steps.chunk_and_enqueue(revisions)?)
    }

    /// Queues pages again that lead to a page without a text, on their own; returns whether there
    /// are any.
    fn settle(&self, site: &Site<'_>) -> Result<bool, Error> {
        let pages = led::to_nothing(self.context.run, site.name())?;
        let alone = pages.into_iter().map(|page| self.next(site, page, Visit::Alone));
        let alone = alone.collect::<Result<Vec<_>, _>>()?;
        let is_any = !alone.is_empty();
        if is_any {
            self.apply(site, alone)?;
        }
        Ok(is_any)
    }
}

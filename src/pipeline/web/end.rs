//! The end of a crawl: whether the listing of the site is whole, what is deleted, and what the user
//! has to know.

use std::collections::{HashMap, HashSet};

use super::lost::{self, Fate, Relation};
use super::page::NEEDS_SCRIPT;
use super::reading::in_grace;
use super::site::Site;
use crate::domain::{FailureKind, Metrics, Stage};
use crate::error::Error;
use crate::kb::{
    FrontierCounts, LostDocument, OVER_LIMIT, OVER_QUERIES, PageState, QueuedPage, REPEATED,
    ReadResult, Reading,
};
use crate::pipeline::producer::reconcile::{Gone, reconcile};
use crate::pipeline::producer::steps::Steps;
use crate::source::{UnusableSitemap, WebSource};
use crate::support::clock::now_ms;
use crate::support::events::Event;
use crate::support::numbers::counted;
use crate::support::secrets;

/// Limit on consecutive redirects.
const REDIRECTS_MAX: u32 = 10;

/// Why a crawl ended.
#[derive(Debug, Default)]
pub struct End {
    /// What was unavailable but may exist.
    pub outage: Option<String>,
    /// There are more pages than `max_pages` allows.
    pub is_limited: bool,
    /// Why there may be more pages than were found.
    pub limit: Option<String>,
    /// Sitemaps that should list pages and do not.
    pub unusable: Vec<UnusableSitemap>,
}

/// A page or sitemap that kb.toml names, or that listed pages before, and that fails.
struct Failing {
    url: String,
    reason: String,
    /// Whether its failure is still to be recorded.
    is_new: bool,
    /// Whether it answers, but with something that is of no use.
    has_answer: bool,
}

/// Deletes what a complete crawl did not find; reports what was incomplete.
pub fn finish(steps: &Steps<'_>, site: &Site<'_>, end: &End) -> Result<(), Error> {
    Finish { steps, site, source: site.source }.run(end)
}

struct Finish<'a> {
    steps: &'a Steps<'a>,
    site: &'a Site<'a>,
    source: &'a WebSource,
}

impl Finish<'_> {
    fn run(&self, end: &End) -> Result<(), Error> {
        let (context, name) = (self.steps.context, self.site.name());
        let counts = context.run.frontier_counts(name)?;
        let FrontierCounts { failed, visited, .. } = counts;
        let unreachable =
            (failed > 0).then(|| format!("{failed} of {visited} pages are unavailable"));
        let outage = end.outage.clone().or(unreachable);
        let is_limited = self.report_limits(end, counts)?;
        let failing = self.failing(end, outage.is_some() || is_limited)?;
        self.report_failing(&failing)?;
        let all = self.source.named_count();
        let unreachable = failing.iter().filter(|one| !one.has_answer).count();
        if let Some(outage) = &outage {
            self.steps.skip_unreachable(&format!("source \"{name}\": {outage}"))?;
        } else if unreachable > 0 && unreachable >= all {
            let message = format!("source \"{name}\": nothing that kb.toml names for it is usable");
            self.steps.skip_unreachable(&message)?;
        }
        context.run.forget_lost(name)?;
        // Pages that were not reached may still exist.
        if outage.is_some() || is_limited || !failing.is_empty() {
            context.run.drop_oldest(name, self.source.rows_max() / 2)?;
            return Ok(());
        }
        self.delete_lost()?;
        context.run.drop_unseen(name)?;
        Ok(())
    }

    fn warn(&self, message: &str) {
        let message = format!("source \"{}\": {message}", self.site.name());
        self.steps.context.events.emit(&Event::Warning { message: &message });
    }

    /// Returns the pages and sitemaps that fail although kb.toml names them, or although they
    /// listed pages before. `is_partial`: the crawl did not reach everything.
    fn failing(&self, end: &End, is_partial: bool) -> Result<Vec<Failing>, Error> {
        let mut failing = Vec::new();
        for UnusableSitemap { url, reason, is_failing_start } in &end.unusable {
            let (url, reason, has_answer) = (url.clone(), reason.clone(), !is_failing_start);
            failing.push(Failing { url, reason, is_new: true, has_answer });
        }
        for url in self.source.named_pages() {
            failing.extend(self.failing_page(url.as_str())?);
        }
        if failing.is_empty() && !is_partial {
            failing.extend(self.empty_site()?);
        }
        Ok(failing)
    }

    fn failing_page(&self, named: &str) -> Result<Option<Failing>, Error> {
        let (context, name) = (self.steps.context, self.site.name());
        let mut url = named.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let Some(page) = context.run.page(name, &url)? else { return Ok(None) };
            let reason = page.row.reason.clone().unwrap_or_default();
            match page.row.state {
                PageState::Redirected => url = reason,
                PageState::Queued | PageState::Fetched | PageState::Unchanged => return Ok(None),
                PageState::Excluded if is_left_out_in_peace(&page) => return Ok(None),
                PageState::Excluded | PageState::Gone | PageState::Refused | PageState::Failed => {
                    let is_new = url != named;
                    let has_answer = reason == NEEDS_SCRIPT;
                    let leads_on = || format!("leads to {}: {reason}", secrets::hidden(&url));
                    let reason = if is_new { leads_on() } else { reason.clone() };
                    let url = named.to_owned();
                    return Ok(Some(Failing { url, reason, is_new, has_answer }));
                }
            }
        }
        let (url, reason) = (named.to_owned(), "redirects in a circle".to_owned());
        Ok(Some(Failing { url, reason, is_new: true, has_answer: false }))
    }

    /// Returns the failure of a site without any text.
    fn empty_site(&self) -> Result<Option<Failing>, Error> {
        let (context, name) = (self.steps.context, self.site.name());
        if context.kb.has_text(&context.kb.documents_of(name)?)? {
            return Ok(None);
        }
        let needs_script = context.run.excluded_count(name, NEEDS_SCRIPT)? > 0;
        let why = if needs_script {
            "its pages hold no text without JavaScript"
        } else {
            "no page with a text was found"
        };
        let (url, reason) = (self.source.first_named(), format!("the site is empty: {why}"));
        Ok(Some(Failing { url, reason, is_new: true, has_answer: true }))
    }

    /// Records the failures that the visits did not, and says what follows from all of them.
    fn report_failing(&self, failing: &[Failing]) -> Result<(), Error> {
        if failing.is_empty() {
            return Ok(());
        }
        let new: Vec<_> = failing.iter().filter(|one| one.is_new).collect();
        self.record(new.iter().map(|one| (one.url.as_str(), one.reason.clone())).collect())?;
        let Failing { url, reason, .. } = &failing[0];
        let others = match failing.len() {
            1 => String::new(),
            more => format!(", and {} like it", counted(more as u64 - 1, "failure")),
        };
        let url = secrets::hidden(url);
        self.warn(&format!(
            "nothing is deleted, because a page or sitemap that it starts from fails: {url}: {reason}{others}; \
             repair it, or take it out of kb.toml"
        ));
        Ok(())
    }

    /// Records why documents are not up to date.
    fn record(&self, failures: Vec<(&str, String)>) -> Result<(), Error> {
        let (context, name) = (self.steps.context, self.site.name());
        let mut readings = Vec::with_capacity(failures.len());
        for (uri, error) in failures {
            let document = context.kb.find_document(name, uri)?;
            let (stage, kind) = (Stage::Crawl, FailureKind::Transient);
            let error = secrets::hidden(&error);
            readings.push(Reading {
                count: !context.run.has_saved(document)?,
                document,
                uri: uri.to_owned(),
                version: None,
                extract_fp: context.extraction.expected("page.html").to_owned(),
                size_bytes: 0,
                result: ReadResult::Failed { stage, kind, error },
            });
        }
        let progress = context.progress.report();
        let results = context.run.save(name, &readings, Metrics::default(), &progress)?;
        self.steps.report(name, &readings, &results);
        Ok(())
    }

    /// Deletes documents by the rule of [`lost`].
    fn delete_lost(&self) -> Result<(), Error> {
        let (context, name) = (self.steps.context, self.site.name());
        let documents = context.run.documents_without_page(name)?;
        let targets = lost::targets(&documents);
        let heirs = self.heirs(&targets)?;
        let (mut gone, mut lost, mut waiting) = (Gone::default(), Vec::new(), Vec::new());
        for document in &documents {
            let relation = self.relation(document, &heirs);
            let fate = lost::fate(document, relation, &self.site.rules(&document.uri));
            if fate != Fate::Stays && document.has_text {
                lost.push(document.id);
            }
            match fate {
                Fate::Stays => {}
                Fate::Goes => gone.documents.push(document.id),
                Fate::Waits => waiting.push(document),
            }
        }
        context.run.set_lost(name, &lost, now_ms())?;
        // The visits have recorded the others.
        let silent = |document: &&&LostDocument| {
            matches!(document.state, None | Some(PageState::Redirected))
        };
        let failures = waiting.iter().filter(silent);
        let failures: Vec<_> = failures
            .map(|document| (document.uri.as_str(), in_grace(&lost::reason(document))))
            .collect();
        if !failures.is_empty() {
            self.record(failures)?;
        }
        reconcile(context, name, gone)
    }

    /// Returns the URLs that lead to a page with a text, and from one lost document only.
    fn heirs<'t>(&self, targets: &HashMap<&'t str, usize>) -> Result<HashSet<&'t str>, Error> {
        let mut heirs = HashSet::new();
        for (target, _) in targets.iter().filter(|(_, count)| **count == 1) {
            if self.failing_page(target)?.is_none()
                && self.steps.context.run.page(self.site.name(), target)?.is_some()
            {
                heirs.insert(*target);
            }
        }
        Ok(heirs)
    }

    fn relation(&self, document: &LostDocument, heirs: &HashSet<&str>) -> Relation {
        let is_named = document.state.is_some() && self.source.asks_for(&document.uri);
        let is_left_out = document.uri.parse().is_ok_and(|url| self.source.leaves_out(&url));
        let has_heir = lost::target(document).is_some_and(|target| heirs.contains(target));
        Relation { is_named, is_left_out, has_heir }
    }

    /// Reports and counts what limits of kb.toml leave out; returns whether they leave out
    /// anything.
    fn report_limits(&self, end: &End, counts: FrontierCounts) -> Result<bool, Error> {
        let (context, name) = (self.steps.context, self.site.name());
        let source = self.source;
        let excluded = |reason| context.run.excluded_count(name, reason);
        let (over_limit, over_queries) = (excluded(OVER_LIMIT)?, excluded(OVER_QUERIES)?);
        let links_left_out = counts.links_left_out;
        let queued = if end.is_limited { counts.queued } else { 0 };
        if queued > 0 {
            let (max, pages) = (source.max_pages, counted(queued, "page"));
            self.warn(&format!("max_pages ({max}) left {pages} unvisited; nothing is deleted"));
        }
        let limits = [
            ("max_per_folder", source.max_per_folder, over_limit),
            ("max_queries", source.max_queries, over_queries),
        ];
        for (key, max, count) in limits.into_iter().filter(|(_, _, count)| *count > 0) {
            let pages = counted(count, "page");
            self.warn(&format!("{key} ({max}) left {pages} unvisited; nothing is deleted"));
        }
        if links_left_out > 0 {
            let (queued, links) = (source.max_queued, source.max_links);
            let count = counted(links_left_out, "link");
            self.warn(&format!(
                "max_queued ({queued}) or max_links ({links}) left {count} unfollowed; nothing is deleted"
            ));
        }
        if let Some(limit) = &end.limit {
            self.warn(&format!("{limit}; nothing is deleted"));
        }
        let repeated = excluded(REPEATED)?;
        if repeated > 0 {
            let pages = counted(repeated, "page");
            self.warn(&format!(
                "left out {pages} like others that say the same, found only on such pages"
            ));
        }
        let left_out = queued + over_limit + over_queries + links_left_out;
        // The number of pages missing from an incomplete list is unknown: at least one.
        let pages_left_out = left_out.max(u64::from(end.limit.is_some()));
        if pages_left_out > 0 {
            let delta = Metrics { pages_left_out, ..Metrics::default() };
            context.run.save_progress(&delta, None)?;
        }
        Ok(pages_left_out > 0 || end.is_limited)
    }
}

/// Reports whether a page that kb.toml names is no document by its own wish, and never was: it may
/// forbid that, or be a picture.
fn is_left_out_in_peace(page: &QueuedPage) -> bool {
    page.document.as_ref().is_none_or(|document| {
        let is_skipped = document.failure.is_some_and(|(_, kind)| kind == FailureKind::Skipped);
        is_skipped && document.content_hash.is_none()
    })
}

//! A site during one run: its settings, its traps, what its error pages look like.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use url::Url;

use super::lost::Rules;
use super::naming::is_above;
use super::soft_404::Soft404s;
use super::textless::BEFORE_EXTRACT_FP;
use super::traps::{Limits, Traps};
use crate::domain::{FailureKind, RunId, Stage};
use crate::extract::Extraction;
use crate::extract::html::Options;
use crate::kb::{Answer, FoundLink, OVER_LIMIT, OVER_QUERIES, PageState, QueuedPage, StoredLink};
use crate::pipeline::producer::ahead::PAGES_MIN;
use crate::source::{Fetched, Verdict, WebSource};
use crate::support::clock::now_ms;

/// How long a page that is known to be missing, or to be none, is not requested again.
const DEAD_MS: i64 = 7 * 24 * 3_600_000;

/// A site, with its state during one run.
pub struct Site<'a> {
    pub source: &'a WebSource,
    pub extraction: &'a Extraction,
    settings: String,
    run: RunId,
    may_change: bool,
    traps: Mutex<Traps>,
    soft_404s: Soft404s,
    /// URLs of Markdown that the site lists in its `llms.txt`.
    markdown: HashSet<String>,
    /// Its documents in the ledger.
    documents_known: u64,
    /// Pages that the run has visited.
    passed: AtomicU64,
}

impl<'a> Site<'a> {
    /// Starts with nothing seen. `may_change`: the user allows pages that kb.toml names to become
    /// something else.
    pub fn new(
        source: &'a WebSource,
        extraction: &'a Extraction,
        run: RunId,
        may_change: bool,
        documents_known: u64,
    ) -> Self {
        let mut settings = source.settings.clone();
        let commands = extraction.commands();
        if !commands.is_empty() {
            settings.push(' ');
            settings.push_str(&commands);
        }
        let limits = Limits {
            per_folder: source.max_per_folder,
            queries: source.max_queries,
            met: source.rows_max(),
        };
        Self {
            source,
            extraction,
            settings,
            run,
            may_change,
            traps: Mutex::new(Traps::new(limits)),
            soft_404s: Soft404s::default(),
            markdown: HashSet::new(),
            documents_known,
            passed: AtomicU64::new(0),
        }
    }

    /// Adds the URLs of Markdown that the site lists.
    pub fn with_markdown(self, markdown: HashSet<String>) -> Self {
        Self { markdown, ..self }
    }

    /// Returns the name of the source.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Returns the metadata of all documents of the site.
    pub fn metadata(&self) -> impl Iterator<Item = (String, Value)> {
        let text = |(key, value): (&String, &String)| (key.clone(), Value::from(value.as_str()));
        self.source.metadata.iter().map(text)
    }

    /// Returns the number of pages that the site has at least, to measure progress against.
    pub fn pages_expected(&self) -> u64 {
        self.traps().count().max(self.documents_known).max(PAGES_MIN)
    }

    /// Counts pages that are visited.
    pub fn pass(&self, count: u64) {
        self.passed.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns the number of pages that are visited.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Returns what decides over the page at `url` besides itself.
    pub fn rules(&self, url: &str) -> Rules<'_> {
        Rules {
            settings: &self.settings,
            now_ms: now_ms(),
            run: self.run,
            grace_ms: i64::try_from(self.source.grace.as_millis()).unwrap_or(i64::MAX),
            is_named: self.source.asks_for(url),
            is_start: self.source.starts_at(url),
            may_change: self.may_change,
        }
    }

    /// Reports whether a page was last fetched with the settings of now; if it had no text, also
    /// with the extractor of now.
    pub fn has_same_settings(&self, page: &QueuedPage) -> bool {
        let Some(settings) = &page.row.settings else { return false };
        match settings.split_once(BEFORE_EXTRACT_FP) {
            None => *settings == self.settings,
            Some((settings, extract_fp)) => {
                settings == self.settings && self.extraction.is_current_page(extract_fp)
            }
        }
    }

    /// Reports whether the last fetch of a page is stored, and would give the same result again:
    /// then it is requested only if it has changed.
    pub fn is_known(&self, page: &QueuedPage) -> bool {
        let row = &page.row;
        let would_repeat = |failure| failure != Some((Stage::Extract, FailureKind::Transient));
        let is_stored = if row.answer.is_some_and(Answer::is_without_text) {
            // A page that kb.toml names is judged by more than its text.
            let has_validators = row.etag.is_some() || row.last_modified.is_some();
            has_validators && !self.source.asks_for(&page.url)
        } else if row.answer.is_some_and(Answer::is_redirect) {
            // A page that leads on, and never had a document that could be lost by it.
            let has_validators = row.etag.is_some() || row.last_modified.is_some();
            has_validators && page.document.is_none()
        } else {
            row.twin.is_some()
                || row.canonical.is_some()
                || page.document.as_ref().is_some_and(|document| {
                    document.has_version
                        && would_repeat(document.failure)
                        && self.extraction.is_current_page(&document.extract_fp)
                })
        };
        // A page newly listed as Markdown has to be read to learn its twin.
        let has_new_twin = row.twin.is_none()
            && self.source.prefers_markdown
            && self.listed_twin(&page.url).is_some();
        is_stored && self.has_same_settings(page) && page.links_left_out == 0 && !has_new_twin
    }

    /// Reports whether a sitemap says that a known page is unchanged. A date without a time says
    /// nothing about the day of the fetch, and what the server says of its page counts more.
    pub fn is_unchanged_by_sitemap(&self, page: &QueuedPage) -> bool {
        let Some(lastmod) = page.lastmod.as_ref() else { return false };
        let is_same = page.row.lastmod_fetched.as_ref() == Some(lastmod);
        let time = lastmod.parse::<jiff::Timestamp>();
        // Whether a document goes is for the server to say.
        let is_lost = page.row.answer.is_some_and(Answer::is_without_text);
        is_same
            && !(is_lost && page.document.is_some())
            && page.row.etag.is_none()
            && time.is_ok_and(|time| time.as_millisecond() < page.row.asked_ms)
            && self.is_known(page)
    }

    /// Reports whether an earlier run found nothing at `page`, or a file without text, not long
    /// ago. Only what the server itself says counts: a login or an apology may have been for a
    /// moment.
    pub fn is_known_dead(&self, page: &QueuedPage) -> bool {
        let row = &page.row;
        let is_certain = row.reason.as_ref().is_some_and(|reason| {
            reason.starts_with("the server answers ") || reason.starts_with("no text: ")
        });
        let age_ms = now_ms().saturating_sub(row.asked_ms);
        row.answer.is_some_and(Answer::is_without_text)
            && is_certain
            && (0..DEAD_MS).contains(&age_ms)
            && page.document.is_none()
            && !page.had_links
            && row.attempts == 0
            && self.has_same_settings(page)
            && row.lastmod_fetched == page.lastmod
            && !self.source.asks_for(&page.url)
    }

    /// Returns the links that are stored with a page. Those that were excluded without a request
    /// stay so, unless it was by a limit of kb.toml.
    pub fn known_links(&self, page: &QueuedPage, links: Vec<StoredLink>) -> Vec<FoundLink> {
        let row = &page.row;
        let is_redirect = row.answer.is_some_and(Answer::is_redirect);
        let target = row.reason.as_ref().filter(|_| is_redirect);
        let leads_to = row.twin.as_ref().or(row.canonical.as_ref()).or(target);
        let links = links.into_iter().map(|StoredLink { url, state, reason, attempts }| {
            let is_kept = state == PageState::Excluded && attempts == 0;
            let by_limit = |reason: &String| [OVER_LIMIT, OVER_QUERIES].contains(&reason.as_str());
            let excluded = match reason.filter(|_| is_kept) {
                Some(reason) if by_limit(&reason) => {
                    url.parse().ok().and_then(|url| self.traps().refuse(&url, false))
                }
                kept => kept,
            };
            FoundLink { is_redirect: leads_to == Some(&url), url, excluded }
        });
        links.collect()
    }

    /// Returns the links of a page to queue, and how many a limit leaves out. `is_repeat`: it
    /// repeats the text of others of its form.
    pub fn links(
        &self,
        page: &QueuedPage,
        base: &Url,
        links: impl IntoIterator<Item = String>,
        is_repeat: bool,
    ) -> (Vec<FoundLink>, u64) {
        if page.depth >= self.source.max_depth || !self.source.follows(base) {
            return (Vec::new(), 0);
        }
        let (mut seen, mut found, mut left_out) = (HashSet::new(), Vec::new(), 0);
        for link in links {
            let Some(url) = self.source.resolve(base, &link) else { continue };
            let verdict = self.source.judge(&url);
            if verdict == Verdict::Outside || !seen.insert(url.clone()) {
                continue;
            }
            if found.len() as u64 >= self.source.max_links {
                left_out += 1;
                continue;
            }
            let excluded = match verdict {
                Verdict::Excluded(reason) => Some(reason.to_owned()),
                _ => self.traps().refuse(&url, is_repeat),
            };
            found.push(FoundLink { url: url.into(), excluded, is_redirect: false });
        }
        (found, left_out)
    }

    /// Returns the traps of the site.
    pub fn traps(&self) -> MutexGuard<'_, Traps> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the Markdown that the site lists for the page at `url`: the same URL with `.md`
    /// appended or instead of its extension, llmstxt.org.
    fn listed_twin(&self, url: &str) -> Option<String> {
        if self.markdown.is_empty() {
            return None;
        }
        let url = url.split('?').next().unwrap_or(url);
        let stem = url.strip_suffix(".html").or(url.strip_suffix(".htm")).unwrap_or(url);
        let twins = match url.strip_suffix('/') {
            Some(folder) => {
                [format!("{url}index.html.md"), format!("{url}index.md"), format!("{folder}.md")]
            }
            None => [format!("{url}.md"), format!("{stem}.md"), format!("{url}/index.md")],
        };
        twins.into_iter().find(|twin| self.markdown.contains(twin))
    }

    /// Returns the URL of the Markdown version of an HTML page: the one that the page names, or
    /// that the site lists.
    pub fn twin(&self, page: &QueuedPage, base: &Url, named: Option<&str>) -> Option<Url> {
        if !self.source.prefers_markdown || page.row.twin_failed {
            return None;
        }
        let listed = self.listed_twin(&page.url);
        let twin = self.source.resolve(base, named.or(listed.as_deref())?)?;
        let is_wanted = twin.as_str() != page.url && self.source.judge(&twin) == Verdict::Wanted;
        is_wanted.then_some(twin)
    }

    /// Returns the page that this one names as its original, unless that has turned out not to be
    /// one. A page that kb.toml names is its own.
    pub fn canonical(&self, page: &QueuedPage, base: &Url, named: Option<&str>) -> Option<Url> {
        let canonical = self.source.resolve(base, named?)?;
        let is_here = self.source.judge(&canonical) == Verdict::Wanted
            && canonical.as_str() != page.url
            && Url::parse(&page.url).is_ok_and(|url| !is_above(&canonical, &url))
            && !self.source.asks_for(&page.url);
        (is_here && !page.row.canonical_failed).then_some(canonical)
    }

    /// Reports whether a page reads like the error page of its host.
    pub fn is_error_page(&self, url: &Url, title: Option<&str>, text: &str) -> bool {
        let probe = || {
            let answer = self.source.soft_404(url)?;
            let Fetched { bytes, charset, .. } = &*answer.page;
            let attempt =
                self.extraction.extract_page("", bytes.clone(), &self.options(charset, None));
            let page = attempt.result.ok()?;
            let text = format!("{} {}", page.title.unwrap_or_default(), page.markdown);
            Some((answer.url.clone(), text))
        };
        let text = format!("{} {text}", title.unwrap_or_default());
        self.soft_404s.resembles(url, &text, probe)
    }

    /// Returns how pages of the site are converted.
    pub fn options<'b>(
        &'b self,
        charset: &'b Option<String>,
        resolve: Option<&'b dyn Fn(&str) -> String>,
    ) -> Options<'b> {
        Options {
            charset: charset.as_deref(),
            content: &self.source.content_selectors,
            leave_out: &self.source.remove_selectors,
            resolve,
            is_whole: false,
            is_xml: false,
        }
    }
}

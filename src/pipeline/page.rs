//! Decides what a visit of a page means for its document and for the crawl. Nothing here reads or
//! writes.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pulldown_cmark::{Event, Parser, Tag};
use url::Url;

use super::producer::ahead::PAGES_MIN;
use super::producer::document::{extract_one, guard};
use super::soft_404::Soft404s;
use super::traps::Traps;
use crate::domain::{FailureKind, MediaType, Stage, Version};
use crate::error::chain;
use crate::extract::html::{self, Options};
use crate::extract::{self, Extraction};
use crate::kb::{
    FoundLink, NewText, PageLinks, PageReport, PageState, QueuedPage, ReadResult, Reading,
};
use crate::source::{Content, Fetched, Validators, Verdict, VisitResult, WebSource};
use crate::support::clock::now_ms;
use crate::support::{retry, secrets};

/// Failed visits of a page in one run.
const ATTEMPTS_MAX: u32 = 3;
/// Factor on the waits of `support::retry`: a server needs longer to recover than a queue.
const BACKOFF_FACTOR: u32 = 5;
/// Pages with a longer pause are left to the next run.
const PAUSE_MAX_MS: u64 = 120_000;
/// Limit on consecutive redirects.
const REDIRECTS_MAX: u32 = 10;
/// Limit on the links of one page that are followed.
const LINKS_MAX: usize = 5000;
/// Limit on a server's URL in a message, in characters.
const URL_CHARS_SHOWN: usize = 500;
/// Limit on the text of a page that says it was not found, in bytes.
const NOT_FOUND_BYTES_MAX: usize = 1500;

/// A site, with its state during one run.
pub struct Site<'a> {
    source: &'a WebSource,
    extraction: &'a Extraction,
    settings: String,
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
    /// Starts with the state of `traps`; `markdown` has the URLs of Markdown that the site lists.
    pub fn new(
        source: &'a WebSource,
        extraction: &'a Extraction,
        traps: Traps,
        markdown: HashSet<String>,
        documents_known: u64,
    ) -> Self {
        let extractors =
            ["a.html", "a.md", "a.txt", "a.rst"].map(|name| extract::extractor(name).id());
        let mut settings = format!("{} {}", source.settings, extractors.join(" "));
        let commands = extraction.commands();
        if !commands.is_empty() {
            settings.push(' ');
            settings.push_str(&commands);
        }
        let (traps, soft_404s) = (Mutex::new(traps), Soft404s::default());
        Self {
            source,
            extraction,
            settings,
            traps,
            soft_404s,
            markdown,
            documents_known,
            passed: AtomicU64::new(0),
        }
    }

    /// Returns the name of the source.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Returns the limit on waiting URLs.
    pub fn max_queued(&self) -> u64 {
        self.source.max_queued
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

    /// Returns the settings that decide whether a fetched page would give the same result again.
    pub fn settings(&self) -> &str {
        &self.settings
    }

    /// Returns the report of a page that is skipped because it crashed the process.
    pub fn quarantine(&self, page: QueuedPage, error: String) -> PageReport {
        let kind = FailureKind::Permanent;
        let reading =
            reading(&page, None, ReadResult::Failed { stage: Stage::Extract, kind, error });
        PageReport { reading: Some(reading), ..bare(page, PageState::Fetched) }
    }

    /// Returns the links of a page to queue.
    fn links(&self, page: &QueuedPage, base: &Url, links: &[String]) -> Vec<FoundLink> {
        if page.depth >= self.source.max_depth || !self.source.follows(base) {
            return Vec::new();
        }
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for url in links.iter().filter_map(|link| self.source.resolve(base, link)) {
            if found.len() == LINKS_MAX {
                break;
            }
            let excluded = match self.source.judge(&url) {
                Verdict::Outside => continue,
                Verdict::Excluded(reason) => Some(reason.to_owned()),
                Verdict::Wanted => self.traps().refuse(&url),
            };
            if seen.insert(url.clone()) {
                found.push(FoundLink { url: url.into(), excluded });
            }
        }
        found
    }

    fn traps(&self) -> std::sync::MutexGuard<'_, Traps> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the Markdown that the site lists for the page at `url`: the same URL with `.md`
    /// appended or instead of its extension, llmstxt.org.
    pub fn listed_twin(&self, url: &str) -> Option<String> {
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
    fn twin(&self, page: &QueuedPage, base: &Url, named: Option<&str>) -> Option<Url> {
        if !self.source.prefers_markdown || page.twin_failed {
            return None;
        }
        let listed = self.listed_twin(&page.url);
        let twin = self.source.resolve(base, named.or(listed.as_deref())?)?;
        let is_wanted = twin.as_str() != page.url && self.source.judge(&twin) == Verdict::Wanted;
        is_wanted.then_some(twin)
    }

    /// Reports whether a page reads like the error page of its host. A page that kb.toml names is
    /// never a soft 404.
    fn is_soft_404(&self, page: &QueuedPage, url: &Url, title: Option<&str>, text: &str) -> bool {
        let probe = || {
            let answer = self.source.soft_404(url)?;
            let Fetched { bytes, charset, .. } = &*answer.page;
            let converted =
                guard(|| html::convert("", bytes.clone(), &self.options(charset, None)));
            let converted = converted.ok()?.ok()?;
            let text = format!("{} {}", converted.title.unwrap_or_default(), converted.markdown);
            Some((answer.url.clone(), text))
        };
        let text = format!("{} {text}", title.unwrap_or_default());
        !self.source.asks_for(&page.url) && self.soft_404s.resembles(url, &text, probe)
    }

    fn options<'b>(
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
        }
    }
}

/// Turns the response to a visit into what is saved about it.
pub fn report(site: &Site<'_>, page: QueuedPage, answer: VisitResult) -> PageReport {
    // A page that was queued in an earlier run has not been counted yet.
    if let Ok(url) = page.url.parse() {
        site.traps().note(&url);
    }
    match answer {
        VisitResult::Page(fetched) => read_page(site, page, fetched),
        VisitResult::NotModified if page.is_known => {
            let twin = page.twin.clone();
            let state = if twin.is_some() { PageState::Redirected } else { PageState::Unchanged };
            let links = PageLinks::AsBefore;
            PageReport { reason: twin.clone(), twin, links, ..bare(page, state) }
        }
        VisitResult::NotModified => outage(page, "304 without having been asked for".to_owned(), 0),
        VisitResult::Moved(to) if page.is_twin => {
            let shown: String =
                secrets::hidden(to.as_str()).chars().take(URL_CHARS_SHOWN).collect();
            excluded(site, page, format!("redirects to {shown}"), FailureKind::Permanent)
        }
        VisitResult::Moved(to) => moved(site, page, &to),
        VisitResult::Gone(status) => gone(site, page, format!("the server answers {status}")),
        VisitResult::Excluded(reason) => excluded(site, page, reason, FailureKind::Permanent),
        VisitResult::Refused(reason) => {
            let matters = page.document.is_some() || site.source.asks_for(&page.url);
            let failure =
                matters.then(|| crawl_failure(&page, FailureKind::Transient, reason.clone()));
            let links = PageLinks::AsBefore;
            PageReport {
                reason: Some(reason),
                reading: failure,
                links,
                ..bare(page, PageState::Refused)
            }
        }
        VisitResult::Outage { reason, pause } => {
            let pause_ms =
                pause.map_or(0, |pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
            outage(page, reason, pause_ms)
        }
    }
}

fn bare(page: QueuedPage, state: PageState) -> PageReport {
    PageReport {
        page,
        state,
        reason: None,
        etag: None,
        last_modified: None,
        twin: None,
        reading: None,
        links: PageLinks::Unknown,
    }
}

fn reading(page: &QueuedPage, validators: Option<&Validators>, result: ReadResult) -> Reading {
    let version = validators.and_then(|one| one.etag.clone().or_else(|| one.last_modified.clone()));
    Reading {
        document: page.document,
        uri: page.url.clone(),
        version: version.map(Version),
        extract_fp: extract::extractor("page.html").id().to_owned(),
        count: true,
        size_bytes: 0,
        result,
    }
}

fn crawl_failure(page: &QueuedPage, kind: FailureKind, error: String) -> Reading {
    let error = secrets::hidden(&error);
    reading(page, None, ReadResult::Failed { stage: Stage::Crawl, kind, error })
}

/// Reports an outage: the page is retried in this run, then left to the next.
fn outage(page: QueuedPage, reason: String, pause_ms: u64) -> PageReport {
    let attempts = page.attempts + 1;
    if attempts < ATTEMPTS_MAX && pause_ms <= PAUSE_MAX_MS {
        let backoff = retry::backoff(attempts) * BACKOFF_FACTOR;
        let wait_ms = u64::try_from(backoff.as_millis()).unwrap_or(u64::MAX).max(pause_ms);
        let not_before_ms = now_ms().saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX));
        let state = PageState::Queued { not_before_ms };
        return PageReport { reason: Some(reason), ..bare(page, state) };
    }
    let failure = crawl_failure(&page, FailureKind::Transient, reason.clone());
    let links = PageLinks::AsBefore;
    PageReport {
        reason: Some(reason),
        reading: Some(failure),
        links,
        ..bare(page, PageState::Failed)
    }
}

/// Reports a missing page. A document is deleted when two runs in a row find it gone; a dead link
/// that never was a document is ignored.
fn gone(site: &Site<'_>, page: QueuedPage, reason: String) -> PageReport {
    let failure = if page.document.is_none() {
        let asked_for = site.source.asks_for(&page.url);
        asked_for.then(|| crawl_failure(&page, FailureKind::Permanent, reason.clone()))
    } else if page.missing_runs == 0 {
        let error = format!("{reason}; its document goes if the next run finds the same");
        Some(crawl_failure(&page, FailureKind::Transient, error))
    } else {
        None
    };
    let links = PageLinks::Found(Vec::new());
    PageReport { reason: Some(reason), reading: failure, links, ..bare(page, PageState::Gone) }
}

/// Reports a page that is skipped on purpose, as a failure only if kb.toml names this very page.
fn excluded(site: &Site<'_>, page: QueuedPage, reason: String, kind: FailureKind) -> PageReport {
    let asked_for = site.source.asks_for(&page.url);
    let failure = asked_for.then(|| crawl_failure(&page, kind, reason.clone()));
    let links = PageLinks::Found(Vec::new());
    PageReport { reason: Some(reason), reading: failure, links, ..bare(page, PageState::Excluded) }
}

fn moved(site: &Site<'_>, page: QueuedPage, to: &Url) -> PageReport {
    let shown: String = secrets::hidden(to.as_str()).chars().take(URL_CHARS_SHOWN).collect();
    let outside = format!("redirects to {shown}, which is outside of the site");
    let Some(target) = site.source.resolve(to, "") else {
        return excluded(site, page, outside, FailureKind::Permanent);
    };
    if target.as_str() == page.url {
        return excluded(site, page, "redirects to itself".to_owned(), FailureKind::Permanent);
    }
    if page.redirects >= REDIRECTS_MAX {
        let reason = format!("more than {REDIRECTS_MAX} redirects");
        return excluded(site, page, reason, FailureKind::Permanent);
    }
    match site.source.judge(&target) {
        Verdict::Wanted => elsewhere(page, target, None),
        Verdict::Outside => excluded(site, page, outside, FailureKind::Permanent),
        Verdict::Excluded(reason) => elsewhere(page, target, Some(reason.to_owned())),
    }
}

fn elsewhere(page: QueuedPage, target: Url, excluded: Option<String>) -> PageReport {
    let url = String::from(target);
    let links = PageLinks::Found(vec![FoundLink { url: url.clone(), excluded }]);
    PageReport { reason: Some(url), links, ..bare(page, PageState::Redirected) }
}

fn read_page(site: &Site<'_>, page: QueuedPage, fetched: Fetched) -> PageReport {
    let Ok(url) = Url::parse(&page.url) else {
        return excluded(site, page, "not a URL".to_owned(), FailureKind::Permanent);
    };
    if is_html(&fetched) {
        read_html(site, page, &url, fetched)
    } else {
        read_other(site, page, &url, fetched)
    }
}

fn read_html(site: &Site<'_>, page: QueuedPage, url: &Url, fetched: Fetched) -> PageReport {
    let Fetched { bytes, charset, validators, robots, markdown, .. } = fetched;
    if page.is_twin {
        let reason = "HTML in the place of Markdown that a page names".to_owned();
        return excluded(site, page, reason, FailureKind::Permanent);
    }
    let size_bytes = bytes.len() as u64;
    let base = base_of(url, &bytes);
    let absolute = |href: &str| base.join(href).map_or_else(|_| href.to_owned(), String::from);
    let options = site.options(&charset, Some(&absolute));
    let failed = |page: QueuedPage, error| {
        let (stage, kind) = (Stage::Extract, FailureKind::Permanent);
        let result = ReadResult::Failed { stage, kind, error };
        let reading = Reading { size_bytes, ..reading(&page, Some(&validators), result) };
        fetched_as(page, validators.clone(), reading, Vec::new())
    };
    let converted = match guard(|| html::convert(&page.url, bytes, &options)) {
        Ok(Ok(converted)) => converted,
        Ok(Err(error)) if error.kind == FailureKind::Skipped => {
            return excluded(site, page, error.reason, FailureKind::Skipped);
        }
        Ok(Err(error)) => return failed(page, chain(&error)),
        Err(panic) => return failed(page, panic),
    };
    if says_not_found(&converted) {
        return gone(site, page, "the page says that it is not found".to_owned());
    }
    if site.is_soft_404(&page, url, converted.title.as_deref(), &converted.markdown) {
        let reason = "a soft 404: the text is that of the error page of the server".to_owned();
        return gone(site, page, reason);
    }
    site.traps().read(url, &converted.markdown);
    let respects = site.source.respects_robots();
    let noindex = respects && (robots.noindex || converted.facts.robots.noindex);
    let nofollow = respects && (robots.nofollow || converted.facts.robots.nofollow);
    if let Some(canonical) = canonical_of(site, &page, &base, &converted).filter(|_| !noindex) {
        return elsewhere(page, canonical, None);
    }
    let links = if nofollow { Vec::new() } else { site.links(&page, &base, &converted.links) };
    if noindex {
        let links = PageLinks::Found(links);
        return PageReport {
            links,
            ..excluded(site, page, "noindex".to_owned(), FailureKind::Skipped)
        };
    }
    let named = markdown.as_deref().or(converted.facts.markdown.as_deref());
    if let Some(twin) = site.twin(&page, &base, named) {
        return report_twin(site, page, validators, twin, links);
    }
    let metadata = converted.metadata();
    let title = converted.title.unwrap_or_else(|| title_of(url));
    let result = ReadResult::Text(NewText {
        content_hash: text_hash(&title, &converted.markdown),
        title,
        media_type: MediaType::Markdown,
        encoding: converted.encoding,
        metadata: serde_json::Value::from_iter(metadata).to_string(),
        text: converted.markdown,
    });
    let reading = Reading { size_bytes, ..reading(&page, Some(&validators), result) };
    fetched_as(page, validators, reading, links)
}

/// Reports a page whose document is its Markdown version at `twin`; its links are its own.
fn report_twin(
    site: &Site<'_>,
    page: QueuedPage,
    validators: Validators,
    twin: Url,
    mut links: Vec<FoundLink>,
) -> PageReport {
    site.traps().note(&twin);
    let twin = String::from(twin);
    links.retain(|link| link.url != twin);
    links.insert(0, FoundLink { url: twin.clone(), excluded: None });
    PageReport {
        reason: Some(twin.clone()),
        twin: Some(twin),
        etag: validators.etag,
        last_modified: validators.last_modified,
        links: PageLinks::Found(links),
        ..bare(page, PageState::Redirected)
    }
}

/// Reads Markdown, plain text, and all other formats with extractors.
fn read_other(site: &Site<'_>, page: QueuedPage, url: &Url, fetched: Fetched) -> PageReport {
    let Fetched { bytes, media_type, validators, robots, .. } = fetched;
    let name = file_name(url, &media_type);
    let size_bytes = bytes.len() as u64;
    let content = Content { bytes, version: None, metadata: BTreeMap::new() };
    let (extract_fp, result) = extract_one(site.extraction, &name, content);
    if let ReadResult::Failed { kind: FailureKind::Skipped, error, .. } = &result {
        let reason = error.strip_prefix(&format!("{name}: ")).unwrap_or(error).to_owned();
        return excluded(site, page, reason, FailureKind::Skipped);
    }
    let respects = site.source.respects_robots();
    let links = match &result {
        ReadResult::Text(text)
            if text.media_type == MediaType::Markdown && !(respects && robots.nofollow) =>
        {
            site.links(&page, url, &markdown_links(&text.text))
        }
        _ => Vec::new(),
    };
    if respects && robots.noindex {
        let links = PageLinks::Found(links);
        return PageReport {
            links,
            ..excluded(site, page, "noindex".to_owned(), FailureKind::Skipped)
        };
    }
    let reading = Reading { size_bytes, extract_fp, ..reading(&page, Some(&validators), result) };
    fetched_as(page, validators, reading, links)
}

fn fetched_as(
    page: QueuedPage,
    validators: Validators,
    reading: Reading,
    links: Vec<FoundLink>,
) -> PageReport {
    PageReport {
        etag: validators.etag,
        last_modified: validators.last_modified,
        reading: Some(reading),
        links: PageLinks::Found(links),
        ..bare(page, PageState::Fetched)
    }
}

/// Detects HTML by its media type, or by its beginning if that is inconclusive; servers send wrong
/// types both ways.
fn is_html(fetched: &Fetched) -> bool {
    match fetched.media_type.as_str() {
        "text/html" | "application/xhtml+xml" => true,
        "" | "application/octet-stream" | "text/plain" => {
            let start = &fetched.bytes[..fetched.bytes.len().min(512)];
            let start = String::from_utf8_lossy(start).to_ascii_lowercase();
            let start = start.trim_start_matches('\u{feff}').trim_start();
            start.starts_with("<!doctype html") || start.starts_with("<html")
        }
        _ => false,
    }
}

/// Returns the base of a page's relative URLs.
fn base_of(url: &Url, bytes: &[u8]) -> Url {
    let has_base = bytes.windows(5).any(|window| window.eq_ignore_ascii_case(b"<base"));
    if !has_base {
        return url.clone();
    }
    let facts = crate::support::html::parse(&String::from_utf8_lossy(bytes)).facts();
    facts.base.and_then(|base| url.join(&base).ok()).unwrap_or_else(|| url.clone())
}

/// Returns the page that this one declares as its original. A page reached by a redirect is treated
/// as the original, so that two pages cannot name each other.
fn canonical_of(
    site: &Site<'_>,
    page: &QueuedPage,
    base: &Url,
    converted: &html::Page,
) -> Option<Url> {
    let canonical = site.source.resolve(base, converted.facts.canonical.as_deref()?)?;
    let is_other = canonical.as_str() != page.url && page.redirects == 0;
    let is_here =
        site.source.judge(&canonical) == Verdict::Wanted && !site.source.asks_for(&page.url);
    (is_other && is_here).then_some(canonical)
}

/// Reports whether a page with status 200 says in its title that it was not found.
fn says_not_found(converted: &html::Page) -> bool {
    let title = converted.title.as_deref().unwrap_or_default().to_lowercase();
    let says = title.starts_with("404") || title.contains("page not found") || title == "not found";
    says && converted.markdown.len() <= NOT_FOUND_BYTES_MAX
}

fn markdown_links(text: &str) -> Vec<String> {
    let links = Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    });
    links.collect()
}

/// Returns a name whose extension shows the format: from the media type, or else from the URL.
fn file_name(url: &Url, media_type: &str) -> String {
    let of_path = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let ending = match media_type {
        "text/markdown" | "text/x-markdown" => "md",
        "application/pdf" => "pdf",
        "application/epub+zip" => "epub",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.oasis.opendocument.text" => "odt",
        "text/plain" if !of_path.contains('.') => "txt",
        _ => return of_path.to_owned(),
    };
    let stem = of_path.rsplit_once('.').map_or(of_path, |(stem, _)| stem);
    format!("{}.{ending}", if stem.is_empty() { "page" } else { stem })
}

fn title_of(url: &Url) -> String {
    let mut parts = url.path_segments().into_iter().flatten();
    let last = parts.rfind(|part| !part.is_empty());
    last.or(url.host_str()).unwrap_or("untitled").to_owned()
}

/// Hashes the text instead of the bytes: pages contain times and tokens that nobody reads.
fn text_hash(title: &str, text: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(title.as_bytes()).update(b"\0").update(text.as_bytes());
    *hasher.finalize().as_bytes()
}

//! A web site as a source: pages are found by following links, so there is no listing in advance.
//!
//! This module sends requests: it knows which URLs belong to the site, what its robots.txt says,
//! when the next request may begin, and what a response means. The URLs that wait to be visited are
//! in the knowledge base (`kb`, the frontier), and the pipeline decides the order.
//!
//! Requests run on threads of their own, which nobody joins: a request cannot be aborted, and a
//! stop must not take as long as a slow server. A stopped run drops their results.

mod address;
mod client;
mod config;
mod file_cache;
mod guard;
mod llms;
mod pace;
mod proxy;
mod robots;
mod scope;
mod settings;
mod sitemap;
mod visit;
mod zstd;

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use self::client::{Client, ClientOptions};
use self::file_cache::FileCache;
use self::pace::Pace;
use self::proxy::Proxies;
use self::scope::Scope;
use self::visit::{FileError, FileStart, Visitor};
use super::{Setting, SourceError};
use crate::domain::SiteFile;
use crate::source::located::Located;
use crate::support::checkpoint::StopSignal;
use crate::support::html::Selector;
use crate::support::{files, secrets};

pub use client::Validators;
pub use config::WebConfig;
pub use guard::is_public;
pub use scope::Verdict;
pub use visit::{Fetched, Soft404, VisitResult};

/// Default limit on waiting URLs, for each page of `max_pages`.
const QUEUED_PER_PAGE: u64 = 4;
/// Lower bound of that limit.
const QUEUED_MIN: u64 = 1000;
/// Limit on the sitemaps read, including those of indexes.
const SITEMAPS_MAX: usize = 1000;
/// Limit on the nesting of sitemap indexes; the protocol allows none.
const SITEMAP_DEPTH_MAX: u32 = 5;
/// Limit on the bytes of all sitemaps of a site, after decoding Content-Encoding but before
/// decompressing .gz files.
const SITEMAPS_BYTES_MAX: u64 = 1 << 30;
/// Why a page or file has no answer that its thread panicked over.
const PANICKED: &str = "internal error in the HTTP client";
/// Limit on a `url_file`, in bytes.
const URL_FILE_BYTES_MAX: u64 = 16 << 20;

/// A URL from which a crawl starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The page, normalised.
    pub url: String,
    /// When it last changed, according to a sitemap.
    pub lastmod: Option<String>,
}

/// The starting points of a crawl.
#[derive(Debug, Default)]
pub struct Starts {
    /// The pages.
    pub pages: Vec<Start>,
    /// A sitemap that may exist but is unavailable.
    pub outage: Option<String>,
    /// Why there may be more pages than these: a limit on sitemaps or lists.
    pub limit: Option<String>,
    /// URLs of Markdown that `llms.txt` lists; they are also among the pages.
    pub markdown: HashSet<String>,
}

#[derive(Debug)]
struct SitemapToRead {
    url: Url,
    /// Whether it is only guessed, so that it may be missing.
    is_optional: bool,
    /// Number of indexes that led to it.
    depth: u32,
}

/// The sitemaps to read.
#[derive(Debug, Default)]
struct Waiting {
    sitemaps: VecDeque<SitemapToRead>,
    /// These and those already read.
    met: HashSet<Url>,
}

impl Waiting {
    fn add(&mut self, sitemap: SitemapToRead, starts: &mut Starts) {
        if !address::may_be_asked(&sitemap.url) || self.met.contains(&sitemap.url) {
            return;
        }
        if sitemap.depth > SITEMAP_DEPTH_MAX {
            let limit =
                format!("its sitemap indexes are nested more than {SITEMAP_DEPTH_MAX} deep");
            starts.limit.get_or_insert(limit);
        } else if self.met.len() == SITEMAPS_MAX {
            starts.limit.get_or_insert(format!("it has more than {SITEMAPS_MAX} sitemaps"));
        } else {
            self.met.insert(sitemap.url.clone());
            self.sitemaps.push_back(sitemap);
        }
    }
}

fn too_large(sitemap: &Url) -> String {
    let sitemap = secrets::hidden(sitemap.as_str());
    format!("sitemap {sitemap} is larger than the protocol allows (50,000 urls, 50 MiB)")
}

/// A page to visit.
#[derive(Debug)]
pub struct PageRequest {
    /// Its normalised URL.
    pub url: Url,
    /// The validators that the server sent last; empty to fetch it whole.
    pub validators: Validators,
}

/// One site.
pub struct WebSource {
    name: String,
    starts: Vec<Url>,
    listed: HashSet<Url>,
    sitemaps: Vec<String>,
    visitor: Arc<Visitor>,
    concurrency: usize,
    /// Limit on the pages visited in one run.
    pub max_pages: u64,
    /// Limit on the URLs waiting to be visited.
    pub max_queued: u64,
    /// Limit on the pages of one folder visited in one run.
    pub max_per_folder: u64,
    /// Limit on the links between a start URL and a page.
    pub max_depth: u32,
    /// Whether Markdown is preferred.
    pub prefers_markdown: bool,
    /// Where the main content of a page is.
    pub content_selectors: Vec<Selector>,
    /// What to remove from it.
    pub remove_selectors: Vec<Selector>,
    /// Changes with every setting that decides which pages there are and what is extracted from
    /// them.
    pub settings: String,
}

impl WebSource {
    /// Prepares the source without sending a request.
    pub fn new(config: &WebConfig, setting: &Setting<'_>) -> Result<Self, SourceError> {
        let name = config.name.get_ref().clone();
        let wrong = |reason: String| SourceError::Config { name: name.clone(), reason };
        let parse = |url: &str| Url::parse(url).map_err(|error| wrong(not_an_url(url, error)));
        let texts = |values: &[Located<String>]| -> Vec<String> {
            values.iter().map(|value| value.get_ref().clone()).collect()
        };
        let mut starts = Vec::new();
        for url in &config.start_urls {
            starts.push(parse(url.get_ref())?);
        }
        let mut listed = Vec::new();
        for url in texts(&config.urls).into_iter().chain(read_url_file(config, setting)?) {
            listed.push(parse(&url)?);
        }
        let sitemaps = texts(&config.sitemaps);
        let mut roots = starts.clone();
        if roots.is_empty() {
            // Without start URLs, the site is what its sitemaps list.
            let explicit = sitemaps.iter().filter(|sitemap| config::is_url(sitemap));
            roots = explicit.filter_map(|sitemap| Url::parse(sitemap).ok()).collect();
        }
        let headers = headers(config, roots.first())?;
        let scope = Scope::new(config, &roots).map_err(wrong)?;
        let normalised = |urls: Vec<Url>| urls.into_iter().filter_map(|url| scope.normalise(url));
        let (starts, listed) = (normalised(starts).collect(), normalised(listed).collect());
        let selectors = |values: &[Located<String>]| -> Result<Vec<_>, _> {
            values.iter().map(|text| Selector::parse(text.get_ref()).map_err(wrong)).collect()
        };
        let agent = config.user_agent.get_ref().clone();
        let concurrency = *config.max_concurrency.get_ref();
        let client = Client::new(ClientOptions {
            user_agent: agent.clone(),
            timeout: Duration::from_secs(*config.timeout.get_ref()),
            connections: concurrency,
            private_hosts: texts(&config.private_hosts),
            headers,
            prefer_markdown: config.prefer_markdown,
            proxies: Proxies::new(|name| std::env::var(name).ok()),
        })
        .map_err(wrong)?;
        let interval = Duration::from_secs_f64(1.0 / config.requests_per_second.get_ref());
        Ok(Self {
            visitor: Arc::new(Visitor {
                client,
                pace: Pace::new(interval, concurrency),
                scope,
                agent,
                respect_robots: config.respect_robots,
                page_bytes_max: config.max_page_size.get_ref().0,
                stop: Arc::clone(&setting.stop),
                rules: Mutex::new(HashMap::new()),
                soft_404s: Mutex::new(HashMap::new()),
                file_cache: FileCache::default(),
            }),
            starts,
            listed,
            sitemaps,
            concurrency,
            max_pages: config.max_pages,
            max_queued: max_queued(config),
            max_per_folder: config.max_per_folder,
            max_depth: config.max_depth,
            prefers_markdown: config.prefer_markdown,
            content_selectors: selectors(&config.content_selectors)?,
            remove_selectors: selectors(&config.remove_selectors)?,
            settings: settings::hash(config),
            name,
        })
    }

    /// Returns the name given in kb.toml.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reports whether kb.toml names the page `url`, which is normalised.
    pub fn names(&self, url: &str) -> bool {
        let named = |url: &Url| self.starts.contains(url) || self.listed.contains(url);
        Url::parse(url).is_ok_and(|url| named(&url))
    }

    /// Returns the limit on the URLs remembered, visited ones and others.
    pub fn rows_max(&self) -> u64 {
        self.max_queued.saturating_mul(crate::kb::ROWS_PER_QUEUED)
    }

    /// Reports whether robots.txt and the robots rules of pages are obeyed.
    pub fn respects_robots(&self) -> bool {
        self.visitor.respect_robots
    }

    /// Returns the pages from which a crawl starts: start URLs, single pages, and what sitemaps
    /// list.
    pub fn starts(&self) -> Result<Starts, SourceError> {
        let start = |url: &Url| Start { url: url.to_string(), lastmod: None };
        let mut starts = Starts::default();
        starts.pages.extend(self.starts.iter().map(start));
        let mut listed: Vec<_> = self.listed.iter().map(start).collect();
        listed.sort_unstable_by(|a, b| a.url.cmp(&b.url));
        starts.pages.extend(listed);
        if self.prefers_markdown {
            self.add_llms_txt(&mut starts)?;
        }
        self.read_sitemaps(&mut starts)?;
        Ok(starts)
    }

    /// Adds what sitemaps list, up to the limits.
    fn read_sitemaps(&self, starts: &mut Starts) -> Result<(), SourceError> {
        let mut waiting = Waiting::default();
        for (url, is_optional) in self.first_sitemaps()? {
            waiting.add(SitemapToRead { url, is_optional, depth: 0 }, starts);
        }
        let mut bytes_left = SITEMAPS_BYTES_MAX;
        while let Some(SitemapToRead { url, is_optional, depth }) = waiting.sitemaps.pop_front() {
            if bytes_left == 0 {
                let limit = format!("its sitemaps have more than {SITEMAPS_BYTES_MAX} bytes");
                starts.limit.get_or_insert(limit);
                break;
            }
            if !self.has_room(starts) {
                let limit = format!("its sitemaps list more than max_pages ({})", self.max_pages);
                starts.limit.get_or_insert(limit);
                break;
            }
            let visitor = Arc::clone(&self.visitor);
            let sitemap = url.clone();
            let max = sitemap::SIZE_MAX_BYTES.min(bytes_left);
            let fetched = self.aside(move || visitor.fetch_file(&sitemap, max))?;
            match fetched.ok_or(SourceError::Stopped)? {
                Ok(FileStart { bytes, is_whole }) => {
                    bytes_left = bytes_left.saturating_sub(bytes.len() as u64);
                    if !is_whole {
                        starts.limit.get_or_insert(too_large(&url));
                    }
                    self.take_sitemap(&url, depth, bytes, starts, &mut waiting);
                }
                Err(FileError::Missing(_)) if is_optional => {}
                Err(FileError::Missing(reason) | FileError::Outage(reason)) => {
                    starts.outage = Some(secrets::hidden(&format!("sitemap {url}: {reason}")));
                }
            }
        }
        Ok(())
    }

    /// Twice as many may be listed as are visited: some of them will turn out not to be pages.
    fn has_room(&self, starts: &Starts) -> bool {
        (starts.pages.len() as u64) < self.max_pages.saturating_mul(2)
    }

    /// Adds what the `llms.txt` of each host lists.
    fn add_llms_txt(&self, starts: &mut Starts) -> Result<(), SourceError> {
        let mut files: Vec<_> =
            self.starts.iter().filter_map(|url| url.join("/llms.txt").ok()).collect();
        files.dedup();
        for file in files {
            let (visitor, list) = (Arc::clone(&self.visitor), file.clone());
            let fetched = self.aside(move || visitor.optional_file(&list, llms::SIZE_MAX_BYTES))?;
            let text = match fetched.ok_or(SourceError::Stopped)? {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(reason) => {
                    starts.outage = Some(secrets::hidden(&format!("{file}: {reason}")));
                    continue;
                }
            };
            for link in llms::links(&String::from_utf8_lossy(&text)) {
                let Some(url) = self.visitor.scope.resolve(&file, &link) else { continue };
                if self.visitor.scope.judge(&url) == Verdict::Wanted {
                    let url = String::from(url);
                    if llms::is_markdown(&url) {
                        starts.markdown.insert(url.clone());
                    }
                    starts.pages.push(Start { url, lastmod: None });
                }
            }
        }
        Ok(())
    }

    /// Loads the files other than pages that earlier runs have fetched.
    pub fn load_files(&self, files: Vec<SiteFile>) {
        self.visitor.file_cache.load(files);
    }

    /// Returns the files other than pages that were fetched since the last call.
    pub fn take_fetched_files(&self) -> Vec<SiteFile> {
        self.visitor.file_cache.take_fetched()
    }

    /// Returns the error page of the host of `url`, if it is served as a page.
    pub fn soft_404(&self, url: &Url) -> Option<Soft404> {
        self.visitor.soft_404(url)
    }

    /// Returns the sitemaps to read first, and whether each may be missing.
    fn first_sitemaps(&self) -> Result<VecDeque<(Url, bool)>, SourceError> {
        let mut first = VecDeque::new();
        for sitemap in &self.sitemaps {
            if let Ok(url) = Url::parse(sitemap) {
                first.push_back((url, false));
                continue;
            }
            for start in &self.starts {
                let (visitor, url) = (Arc::clone(&self.visitor), start.clone());
                let named = self.aside(move || visitor.sitemaps_of(&url))?;
                for named in named.ok_or(SourceError::Stopped)? {
                    first.extend(start.join(&named).ok().map(|url| (url, true)));
                }
                if sitemap == "auto" {
                    first.extend(start.join("/sitemap.xml").ok().map(|url| (url, true)));
                }
            }
        }
        Ok(first)
    }

    fn take_sitemap(
        &self,
        sitemap: &Url,
        depth: u32,
        bytes: Vec<u8>,
        starts: &mut Starts,
        waiting: &mut Waiting,
    ) {
        let found = sitemap::parse(bytes);
        if found.is_cut {
            starts.limit.get_or_insert(too_large(sitemap));
        }
        for entry in found.entries {
            let Some(url) = self.visitor.scope.resolve(sitemap, &entry.url) else { continue };
            if entry.is_sitemap {
                // A sitemap is authoritative for its own host, and lists sitemaps there.
                if address::host(&url) == address::host(sitemap) {
                    waiting
                        .add(SitemapToRead { url, is_optional: false, depth: depth + 1 }, starts);
                }
            } else if self.visitor.scope.judge(&url) == Verdict::Wanted {
                if !self.has_room(starts) {
                    let max = self.max_pages;
                    starts.limit = Some(format!("its sitemaps list more than max_pages ({max})"));
                    return;
                }
                starts.pages.push(Start { url: url.into(), lastmod: entry.lastmod });
            }
        }
    }

    /// Returns the normalised URL of the link `text` on a page; `None` if it cannot be crawled.
    pub fn resolve(&self, base: &Url, text: &str) -> Option<Url> {
        self.visitor.scope.resolve(base, text)
    }

    /// Judges whether a normalised URL belongs to the site.
    pub fn judge(&self, url: &Url) -> Verdict {
        if self.listed.contains(url) { Verdict::Wanted } else { self.visitor.scope.judge(url) }
    }

    /// Reports whether kb.toml names the page itself.
    pub fn asks_for(&self, url: &str) -> bool {
        let named = self.starts.iter().chain(&self.listed);
        named.into_iter().any(|start| start.as_str() == url)
    }

    /// Reports whether the links of the page at `url` are followed.
    pub fn follows(&self, url: &Url) -> bool {
        self.starts.contains(url) || self.visitor.scope.judge(url) == Verdict::Wanted
    }

    /// Visits pages, politely, and returns the answers by their index in `requests`. After `budget`
    /// no further visit begins; pages without an answer wait for the next call.
    pub fn visit(
        &self,
        requests: Vec<PageRequest>,
        budget: Duration,
    ) -> Result<Vec<(usize, VisitResult)>, SourceError> {
        let until = Instant::now() + budget;
        let threads = self.concurrency.min(requests.len());
        let waiting =
            Arc::new(Mutex::new(requests.into_iter().enumerate().collect::<VecDeque<_>>()));
        let (sender, answers) = channel();
        for index in 0..threads {
            let (visitor, waiting) = (Arc::clone(&self.visitor), Arc::clone(&waiting));
            let sender = sender.clone();
            let started = self.spawn(move || {
                loop {
                    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    let Some((place, request)) = waiting.pop_front() else { return };
                    if place > 0 && Instant::now() >= until {
                        return;
                    }
                    drop(waiting);
                    // A panic must give an answer for its page: without one, it would be requested
                    // again and again.
                    let visit = || visitor.visit(&request.url, &request.validators);
                    let visited = catch_unwind(AssertUnwindSafe(visit));
                    let Some(answer) = visited.unwrap_or_else(|_| Some(panicked())) else { return };
                    // If the run was stopped, nobody receives the answer.
                    let _ = sender.send((place, answer));
                    visitor.stop.wake();
                }
            });
            match started {
                Err(error) if index == 0 => return Err(error),
                // Fewer threads take longer.
                Err(_) => break,
                Ok(()) => {}
            }
        }
        drop(sender);
        let mut answered = Vec::new();
        while let Some(answer) = self.receive(&answers)? {
            answered.push(answer);
        }
        answered.sort_unstable_by_key(|(place, _)| *place);
        Ok(answered)
    }

    /// Waits; fails if the run is stopped meanwhile.
    pub fn wait(&self, duration: Duration) -> Result<(), SourceError> {
        if self.stop().wait_for(duration) { Err(SourceError::Stopped) } else { Ok(()) }
    }

    fn stop(&self) -> &Arc<StopSignal> {
        &self.visitor.stop
    }

    /// Runs `work` on its own thread and waits for it, or for a stop. If it panics, the source is
    /// unavailable.
    fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SourceError> {
        let (sender, answer) = channel();
        self.spawn(move || drop(sender.send(work())))?;
        self.receive(&answer)?.ok_or_else(|| SourceError::Remote {
            name: self.name.clone(),
            url: self.starts.first().map_or_else(String::new, |url| secrets::hidden(url.as_str())),
            reason: PANICKED.to_owned(),
        })
    }

    /// Waits for what a spawned thread sends; `None` if all of them have ended.
    fn receive<T>(&self, answers: &Receiver<T>) -> Result<Option<T>, SourceError> {
        let ready = || match answers.try_recv() {
            Ok(answer) => Some(Some(answer)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        };
        self.stop().wait_until(ready).ok_or(SourceError::Stopped)
    }

    /// Starts `work` on its own thread.
    fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<(), SourceError> {
        let stop = Arc::clone(self.stop());
        let work = move || {
            // What it sends to is gone with it, which the waiting thread has to see.
            let _ = catch_unwind(AssertUnwindSafe(work));
            stop.wake();
        };
        let started = std::thread::Builder::new().name("kbingest-fetch".to_owned()).spawn(work);
        started.map(drop).map_err(|error| SourceError::starved(&self.name, "a thread", &error))
    }
}

fn panicked() -> VisitResult {
    VisitResult::Outage { reason: PANICKED.to_owned(), pause: None }
}

fn read_url_file(config: &WebConfig, setting: &Setting<'_>) -> Result<Vec<String>, SourceError> {
    use std::io::Read;
    if config.url_file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let path: PathBuf = setting.base.join(&config.url_file);
    let mut text = String::new();
    let read = files::open_input(&path)
        .and_then(|file| file.take(URL_FILE_BYTES_MAX).read_to_string(&mut text));
    let name = || config.name.get_ref().clone();
    read.map_err(|source| SourceError::Unreachable { name: name(), path, source })?;
    let lines = text.lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

fn not_an_url(url: &str, error: url::ParseError) -> String {
    format!("{:?}: {error}", secrets::hidden(url))
}

fn max_queued(config: &WebConfig) -> u64 {
    match config.max_queued {
        0 => config.max_pages.saturating_mul(QUEUED_PER_PAGE).max(QUEUED_MIN),
        max => max,
    }
}

/// Returns the user's headers with their values from the environment.
/// Returns the headers that `config` names, with their values from the environment; `url` is what
/// cannot be fetched if one of them is not set.
fn headers(config: &WebConfig, url: Option<&Url>) -> Result<Vec<(String, String)>, SourceError> {
    let name = || config.name.get_ref().clone();
    let of = |header: &Located<String>| {
        let (header, variable) = config::parse_header(header.get_ref())
            .map_err(|reason| SourceError::Config { name: name(), reason })?;
        let value = std::env::var(variable).map_err(|_| SourceError::Remote {
            name: name(),
            url: url.map_or_else(String::new, |url| secrets::hidden(url.as_str())),
            reason: format!("the environment variable {variable} of `headers` is not set"),
        })?;
        Ok((header.to_owned(), value))
    };
    config.headers.iter().map(of).collect()
}

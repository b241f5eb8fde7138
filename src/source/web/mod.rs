//! A web site as a source: pages are found by following links, so there is no listing in advance.
//!
//! This module sends requests: it knows which URLs belong to the site, what its robots.txt says,
//! when the next request may begin, and what a response means. The URLs that wait to be visited are
//! in the knowledge base (`kb`, the frontier), and the pipeline decides the order.

mod address;
mod client;
mod config;
mod cookies;
mod date;
mod decode;
mod fetch;
mod file_cache;
mod guard;
mod host_files;
mod llms;
mod pace;
mod robots;
mod scope;
mod session;
mod settings;
mod sitemap;
mod starts;
mod visit;
mod zstd;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use self::client::{Client, ClientOptions};
use self::fetch::Fetcher;
use self::file_cache::FileCache;
use self::pace::Pace;
use self::scope::Scope;
use self::starts::Named;
use self::visit::Visitor;
use super::{Setting, SourceError};
use crate::domain::SiteFile;
use crate::source::located::Located;
use crate::support::html::Selector;
use crate::support::http::parse_header;
use crate::support::http::proxy::Proxies;
use crate::support::{files, secrets};

pub use address::host;
pub use client::Validators;
pub use config::WebConfig;
pub use fetch::{FetchThreads, PageRequest};
pub use guard::is_public;
pub use llms::markdown_links;
pub use scope::Verdict;
pub use sitemap::looks_like_sitemap;
pub use starts::{Starts, UnusableSitemap};
pub use visit::{Fetched, Soft404, VisitResult};

/// Default limit on waiting URLs, for each page of `max_pages`.
const QUEUED_PER_PAGE: u64 = 4;
/// Lower bound of that limit.
const QUEUED_MIN: u64 = 1000;
/// Limit on a `url_file`, in bytes.
const URL_FILE_BYTES_MAX: u64 = 16 << 20;

/// One site.
pub struct WebSource {
    starts: Vec<Url>,
    listed: HashSet<Url>,
    sitemaps: Vec<String>,
    fetcher: Fetcher,
    /// Limit on the pages visited in one run.
    pub max_pages: u64,
    /// Limit on the URLs waiting to be visited.
    pub max_queued: u64,
    /// Limit on the pages of one folder visited in one run.
    pub max_per_folder: u64,
    /// Limit on the pages that differ only in their query.
    pub max_queries: u64,
    /// Limit on the links of one page that are followed.
    pub max_links: u64,
    max_sitemaps: u64,
    /// Time between the first run that finds a document gone and the one that deletes it.
    pub grace: Duration,
    /// Limit on the links between a start URL and a page.
    pub max_depth: u32,
    /// Whether Markdown is preferred.
    pub prefers_markdown: bool,
    /// Where the main content of a page is.
    pub content_selectors: Vec<Selector>,
    /// What to remove from it.
    pub remove_selectors: Vec<Selector>,
    /// Metadata of documents that are skipped.
    pub skip_if: Vec<Located<String>>,
    /// Metadata of all its documents.
    pub metadata: BTreeMap<String, String>,
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
        for url in texts(&config.urls) {
            listed.push(parse(&url)?);
        }
        for url in read_url_file(config, setting)? {
            // Somebody else may write the file, and may be writing it now.
            let unreachable = |error| SourceError::Unreachable {
                name: name.clone(),
                path: setting.base.join(&config.url_file),
                source: io::Error::new(io::ErrorKind::InvalidData, not_an_url(&url, error)),
            };
            listed.push(Url::parse(&url).map_err(unreachable)?);
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
        let shown_url = roots.first().map_or_else(String::new, |url| secrets::hidden(url.as_str()));
        let visitor = visitor(config, setting, scope, headers).map_err(wrong)?;
        let concurrency = *config.max_concurrency.get_ref();
        let fetcher = Fetcher { name: name.clone(), shown_url, concurrency, visitor };
        let grace = config::parse_grace(config.grace.get_ref()).map_err(wrong)?;
        Ok(Self {
            fetcher,
            starts,
            listed,
            sitemaps,
            max_pages: config.max_pages,
            max_queued: max_queued(config),
            max_per_folder: config.max_per_folder,
            max_queries: config.max_queries,
            max_links: config.max_links,
            max_sitemaps: config.max_sitemaps,
            grace,
            max_depth: config.max_depth,
            prefers_markdown: config.prefer_markdown,
            content_selectors: selectors(&config.content_selectors)?,
            remove_selectors: selectors(&config.remove_selectors)?,
            skip_if: config.skip_if.clone(),
            metadata: config.metadata.clone(),
            settings: settings::hash(config),
        })
    }

    /// Returns the name given in kb.toml.
    pub fn name(&self) -> &str {
        &self.fetcher.name
    }

    /// Reports whether kb.toml names the page `url`, which is normalised, or a sitemap at it.
    pub fn names(&self, url: &str) -> bool {
        let named = |url: &Url| self.starts.contains(url) || self.listed.contains(url);
        Url::parse(url).is_ok_and(|url| named(&url)) || self.sitemaps.iter().any(|it| it == url)
    }

    /// Returns the pages that kb.toml names: those from which links are followed, then the others.
    pub fn named_pages(&self) -> impl Iterator<Item = &Url> {
        self.starts.iter().chain(&self.listed)
    }

    /// Returns how many pages and sitemaps kb.toml names.
    pub fn named_count(&self) -> usize {
        let sitemaps = self.sitemaps.iter().filter(|sitemap| config::is_url(sitemap));
        self.starts.len() + self.listed.len() + sitemaps.count()
    }

    /// Returns the first page or sitemap that kb.toml names.
    pub fn first_named(&self) -> String {
        let page = self.named_pages().next().map(|url| url.as_str());
        let named = page.or(self.sitemaps.iter().map(String::as_str).find(|it| config::is_url(it)));
        named.unwrap_or_default().to_owned()
    }

    /// Returns the limit on the URLs remembered, visited ones and others.
    pub fn rows_max(&self) -> u64 {
        self.max_queued.saturating_mul(crate::kb::ROWS_PER_QUEUED)
    }

    /// Reports whether robots.txt and the robots rules of pages are obeyed.
    pub fn respects_robots(&self) -> bool {
        self.fetcher.visitor.respect_robots
    }

    /// Returns the pages from which a crawl starts: start URLs, single pages, and what sitemaps
    /// list.
    pub fn starts(&self) -> Result<Starts, SourceError> {
        let named = Named {
            starts: &self.starts,
            listed: &self.listed,
            sitemaps: &self.sitemaps,
            prefers_markdown: self.prefers_markdown,
            max_pages: self.max_pages,
            max_sitemaps: self.max_sitemaps,
        };
        starts::find(&named, &self.fetcher)
    }

    /// Visits pages on `threads`, politely, and returns the answers by their index in `requests`.
    /// After `budget` no further visit begins; pages without an answer wait for the next call.
    pub fn visit(
        &self,
        requests: Vec<PageRequest>,
        budget: Duration,
        threads: FetchThreads,
    ) -> Result<Vec<(usize, VisitResult)>, SourceError> {
        self.fetcher.visit(requests, budget, threads)
    }

    /// Waits; fails if the run is stopped meanwhile.
    pub fn wait(&self, duration: Duration) -> Result<(), SourceError> {
        self.fetcher.wait(duration)
    }

    /// Loads the files other than pages that earlier runs have fetched.
    pub fn load_files(&self, files: Vec<SiteFile>) {
        self.fetcher.visitor.file_cache.load(files);
    }

    /// Returns the files other than pages that were fetched since the last call.
    pub fn take_fetched_files(&self) -> Vec<SiteFile> {
        self.fetcher.visitor.file_cache.take_fetched()
    }

    /// Returns the error page of the host of `url`, if it is served as a page.
    pub fn soft_404(&self, url: &Url) -> Option<Soft404> {
        self.fetcher.visitor.soft_404(url)
    }

    /// Returns the normalised URL of the link `text` on a page; `None` if it cannot be crawled.
    pub fn resolve(&self, base: &Url, text: &str) -> Option<Url> {
        self.fetcher.visitor.scope.resolve(base, text)
    }

    /// Judges whether a normalised URL belongs to the site.
    pub fn judge(&self, url: &Url) -> Verdict {
        if self.listed.contains(url) {
            Verdict::Wanted
        } else {
            self.fetcher.visitor.scope.judge(url)
        }
    }

    /// Reports whether the settings leave out `url`, wherever it is found.
    pub fn leaves_out(&self, url: &Url) -> bool {
        let listed = || self.fetcher.visitor.scope.judge_listed(url);
        !self.named_pages().any(|named| named == url) && listed() == Verdict::Outside
    }

    /// Reports whether kb.toml names the page itself.
    pub fn asks_for(&self, url: &str) -> bool {
        self.named_pages().any(|start| start.as_str() == url)
    }

    /// Reports whether the crawl starts at `url`: its links lead to the others.
    pub fn starts_at(&self, url: &str) -> bool {
        self.starts.iter().any(|start| start.as_str() == url)
    }

    /// Notes that `from` redirects to `to`: a start URL that lacks its slash means that folder.
    pub fn narrow(&self, from: &Url, to: &Url) {
        self.fetcher.visitor.scope.narrow(from, to);
    }

    /// Reports whether the links of the page at `url` are followed.
    pub fn follows(&self, url: &Url) -> bool {
        self.starts.contains(url) || self.fetcher.visitor.scope.judge(url) == Verdict::Wanted
    }
}

/// Prepares what all visits share.
fn visitor(
    config: &WebConfig,
    setting: &Setting<'_>,
    scope: Scope,
    headers: Vec<(String, String)>,
) -> Result<Visitor, String> {
    let agent = config.user_agent.get_ref().clone();
    let concurrency = *config.max_concurrency.get_ref();
    let client = Client::new(ClientOptions {
        user_agent: agent.clone(),
        timeout: Duration::from_secs(*config.timeout.get_ref()),
        connections: concurrency,
        private_hosts: config.private_hosts.iter().map(|it| it.get_ref().clone()).collect(),
        headers,
        prefer_markdown: config.prefer_markdown,
        proxies: Proxies::new(|name| std::env::var(name).ok()),
        program: setting.program.map(Path::to_owned),
        stop: Arc::clone(&setting.stop),
    })?;
    let interval = Duration::from_secs_f64(1.0 / config.requests_per_second.get_ref());
    Ok(Visitor {
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
        put_off: Mutex::new(HashMap::new()),
        sessions: Mutex::new(HashMap::new()),
    })
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

/// Returns the headers that `config` names, with their values from the environment; `url` is what
/// cannot be fetched if one of them is not set.
fn headers(config: &WebConfig, url: Option<&Url>) -> Result<Vec<(String, String)>, SourceError> {
    let name = || config.name.get_ref().clone();
    let of = |header: &Located<String>| {
        let (header, variable) = parse_header(header.get_ref())
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

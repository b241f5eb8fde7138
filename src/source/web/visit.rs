//! One visit of one URL: robots.txt, the wait for its turn, the request, and the meaning of the
//! response.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::header;
use url::Url;

use super::address;
use super::client::{Client, RequestError, Response, Validators};
use super::file_cache::{AGE_MAX, FileCache};
use super::pace::Pace;
use super::robots::{self, Robots};
use super::scope::Scope;
use crate::support::checkpoint::StopSignal;
use crate::support::html;

/// A path no site has; its name explains the request in the server log.
const PROBE_PATH: &str = "kbingest-asks-for-a-page-that-is-not-there";
/// Limit on the redirects of robots.txt, section 2.3.1.2.
const ROBOTS_REDIRECTS_MAX: usize = 5;
/// Longest pause that a server may request; after a longer one the page is left to the next run.
const PAUSE_MAX: Duration = Duration::from_secs(120);

/// Longer validators are dropped, and the page is fetched whole each time.
const VALIDATOR_BYTES_MAX: usize = 1024;
/// Limit on the bytes of error pages kept, of all hosts together; those of further hosts are
/// dropped.
const SOFT_404_BYTES_MAX: usize = 32 << 20;
/// Limit on the bytes of rules kept, of all hosts together; beyond it all are dropped, and parsed
/// or fetched again when needed.
const RULES_BYTES_MAX: usize = 64 << 20;

/// The result of visiting a URL.
#[derive(Debug)]
pub enum VisitResult {
    /// A document.
    Page(Fetched),
    /// Unchanged since it was last fetched.
    NotModified,
    /// Redirected to this URL.
    Moved(Url),
    /// There is no such page: 404 or 410.
    Gone(u16),
    /// Skipped, for this reason, perhaps without a request.
    Excluded(String),
    /// Refused by the server; the next run retries it.
    Refused(String),
    /// No complete response; the page may exist.
    Outage {
        /// What happened.
        reason: String,
        /// Time after which the server wants the next request.
        pause: Option<Duration>,
    },
}

/// A document as the server sent it.
#[derive(Debug)]
pub struct Fetched {
    /// The whole body, decompressed.
    pub bytes: Vec<u8>,
    /// Media type without parameters, lower case; empty if the server sends none.
    pub media_type: String,
    /// Encoding sent by the server.
    pub charset: Option<String>,
    /// Validators for the next visit.
    pub validators: Validators,
    /// `X-Robots-Tag`.
    pub robots: html::Robots,
    /// `Link` with `rel=alternate` and the media type of Markdown.
    pub markdown: Option<String>,
}

/// A host's error page that is served with status 200.
#[derive(Clone, Debug)]
pub struct Soft404 {
    /// URL that was requested.
    pub url: Url,
    /// The error page.
    pub page: Arc<Fetched>,
}

/// A robots.txt, with the time it was fetched; the error is an outage.
pub(super) type KnownRobots = (Instant, Result<Robots, String>);

/// What all visits share.
pub(super) struct Visitor {
    pub(super) client: Client,
    pub(super) pace: Pace,
    pub(super) scope: Scope,
    pub(super) agent: String,
    pub(super) respect_robots: bool,
    pub(super) page_bytes_max: u64,
    pub(super) stop: Arc<StopSignal>,
    pub(super) rules: Mutex<HashMap<String, KnownRobots>>,
    pub(super) soft_404s: Mutex<HashMap<String, Option<Soft404>>>,
    pub(super) file_cache: FileCache,
}

impl Visitor {
    /// Visits `url`; `None` if the run is stopped.
    pub(super) fn visit(&self, url: &Url, validators: &Validators) -> Option<VisitResult> {
        match self.rules_for(url)? {
            Ok(robots) if self.respect_robots && !robots.allows(&path_and_query(url)) => {
                return Some(VisitResult::Excluded("robots.txt disallows it".to_owned()));
            }
            Ok(_) => {}
            Err(reason) => {
                let reason = format!("robots.txt is unavailable: {reason}");
                return Some(VisitResult::Outage { reason, pause: None });
            }
        }
        Some(match self.request(url, validators)? {
            Ok(response) => {
                let answer = self.answer(url, response);
                if matches!(&answer, VisitResult::Page(page) if page.may_be_html()) {
                    self.probe_soft_404(url)?;
                }
                answer
            }
            Err(RequestError::Refused(reason)) => VisitResult::Excluded(reason),
            Err(RequestError::Outage(reason)) => {
                self.pace.back_off(&host(url), None);
                VisitResult::Outage { reason, pause: None }
            }
        })
    }

    /// Fetches the host's error page once, to recognise soft 404s, and only after a page was
    /// served; `None` if the run is stopped.
    fn probe_soft_404(&self, url: &Url) -> Option<()> {
        // Locked while fetching: others who need it wait for the same response.
        let mut soft_404s = self.soft_404s.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host(url);
        if soft_404s.contains_key(&host) {
            return Some(());
        }
        let mut found = None;
        if let Ok(url) = url.join(PROBE_PATH)
            && self.may_request(&url)?
            && let Ok(response) = self.request(&url, &Validators::default())?
            && response.status == 200
            && let VisitResult::Page(page) = self.page(response)
            && page.may_be_html()
            && page.bytes.len()
                + soft_404s.values().flatten().map(|it| it.page.bytes.len()).sum::<usize>()
                <= SOFT_404_BYTES_MAX
        {
            found = Some(Soft404 { url, page: Arc::new(page) });
        }
        soft_404s.insert(host, found);
        Some(())
    }

    /// Returns the error page that [`Self::probe_soft_404`] found.
    pub(super) fn soft_404(&self, url: &Url) -> Option<Soft404> {
        let soft_404s = self.soft_404s.lock().unwrap_or_else(PoisonError::into_inner);
        soft_404s.get(&host(url)).cloned().flatten()
    }

    /// Reports whether robots.txt allows requesting `url`.
    fn may_request(&self, url: &Url) -> Option<bool> {
        let rules = self.rules_for(url)?;
        Some(rules.is_ok_and(|it| !self.respect_robots || it.allows(&path_and_query(url))))
    }

    /// Fetches a file that may be missing; if it is, it is not requested again for a day. Returns
    /// `None` if the run is stopped, no file if there is none, and an error if a file that existed
    /// is unavailable.
    pub(super) fn optional_file(
        &self,
        url: &Url,
        max: u64,
    ) -> Option<Result<Option<Vec<u8>>, String>> {
        let url_text = url.as_str();
        if matches!(self.file_cache.find(url_text), Some((None, _))) || !self.may_request(url)? {
            return Some(Ok(None));
        }
        let last = self.file_cache.last(url_text);
        Some(match self.fetch_file(url, max)? {
            Ok(FileStart { bytes, .. }) => {
                if last.flatten().as_ref() != Some(&bytes) {
                    self.file_cache.note(url_text, Some(&bytes));
                }
                Ok(Some(bytes))
            }
            Err(FileError::Missing(_)) => {
                self.file_cache.note(url_text, None);
                Ok(None)
            }
            // Some servers answer with an error for anything they do not have.
            Err(FileError::Outage(reason)) => last.flatten().map_or(Ok(None), |_| Err(reason)),
        })
    }

    /// Fetches the first `max` bytes of a file that is not a page, such as a sitemap; `None` if the
    /// run is stopped.
    pub(super) fn fetch_file(&self, url: &Url, max: u64) -> Option<Result<FileStart, FileError>> {
        let mut url = url.clone();
        for _ in 0..=ROBOTS_REDIRECTS_MAX {
            let response = match self.request(&url, &Validators::default())? {
                Ok(response) => response,
                Err(RequestError::Refused(reason)) => return Some(Err(FileError::Missing(reason))),
                Err(RequestError::Outage(reason)) => return Some(Err(FileError::Outage(reason))),
            };
            match response.status {
                200..=299 => {
                    return Some(match response.read_start(max) {
                        Ok((bytes, is_whole)) => Ok(FileStart { bytes, is_whole }),
                        Err(RequestError::Refused(reason) | RequestError::Outage(reason)) => {
                            Err(FileError::Outage(reason))
                        }
                    });
                }
                300..=399 => match location(&url, &response) {
                    Some(next) if address::may_be_asked(&next) => url = next,
                    _ => return Some(Err(FileError::Missing("a redirect to nowhere".into()))),
                },
                429 | 500..=599 => {
                    let reason = format!("the server answers {}", response.status);
                    return Some(Err(FileError::Outage(reason)));
                }
                status => {
                    return Some(Err(FileError::Missing(format!("the server answers {status}"))));
                }
            }
        }
        Some(Err(FileError::Missing("too many redirects".into())))
    }

    /// Returns the sitemaps that the robots.txt of `url`'s host names.
    pub(super) fn sitemaps_of(&self, url: &Url) -> Option<Vec<String>> {
        Some(self.rules_for(url)?.map(|robots| robots.sitemaps).unwrap_or_default())
    }

    /// Returns the rules for the host of `url`, fetched at most once a day; the error is an outage.
    fn rules_for(&self, url: &Url) -> Option<Result<Robots, String>> {
        let host = host(url);
        // Locked while fetching: others who need it wait for the same response.
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, known)) = rules.get(&host)
            && since.elapsed() < AGE_MAX
        {
            return Some(known.clone());
        }
        let (since, known) = self.read_rules(url)?;
        if let Ok(Robots { crawl_delay: Some(delay), .. }) = known
            && self.respect_robots
        {
            self.pace.keep_delay(&host, delay);
        }
        let size = |known: &Result<Robots, String>| known.as_ref().map_or(0, Robots::size_bytes);
        if rules.values().map(|(_, known)| size(known)).sum::<usize>() + size(&known)
            > RULES_BYTES_MAX
        {
            rules.clear();
        }
        rules.insert(host, (since, known.clone()));
        Some(known)
    }

    /// Reads a cached robots.txt, or fetches it; returns also when it was fetched.
    fn read_rules(&self, url: &Url) -> Option<KnownRobots> {
        let now = Instant::now();
        let robots_url = match url.join("/robots.txt") {
            Ok(robots_url) => robots_url,
            Err(error) => return Some((now, Err(error.to_string()))),
        };
        let parse = |bytes: &[u8]| Robots::parse(&String::from_utf8_lossy(bytes), &self.agent);
        if let Some((body, age)) = self.file_cache.find(robots_url.as_str()) {
            let since = now.checked_sub(age).unwrap_or(now);
            return Some((since, Ok(body.map(|body| parse(&body)).unwrap_or_default())));
        }
        let known = match self.fetch_file(&robots_url, robots::SIZE_MAX_BYTES as u64)? {
            Ok(FileStart { mut bytes, is_whole }) => {
                if !is_whole {
                    // Half a rule would be another rule.
                    let end = bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
                    bytes.truncate(end.unwrap_or(0));
                }
                self.file_cache.note(robots_url.as_str(), Some(&bytes));
                Ok(parse(&bytes))
            }
            Err(FileError::Missing(_)) => {
                self.file_cache.note(robots_url.as_str(), None);
                Ok(Robots::default())
            }
            Err(FileError::Outage(reason)) => Err(reason),
        };
        Some((now, known))
    }

    /// Waits for the host's turn and sends the request.
    fn request(
        &self,
        url: &Url,
        validators: &Validators,
    ) -> Option<Result<Response, RequestError>> {
        let host = host(url);
        let slot = self.pace.slot(&host, Instant::now());
        if self.stop.wait_for(slot.saturating_duration_since(Instant::now())) {
            return None;
        }
        let since = Instant::now();
        let response = self.client.get(url, validators, self.scope.may_get_headers(url));
        self.pace.answered(&host, since.elapsed());
        Some(response)
    }

    fn answer(&self, url: &Url, response: Response) -> VisitResult {
        match response.status {
            200 | 203 => self.page(response),
            204 | 205 => VisitResult::Excluded(format!("the server answers {}", response.status)),
            304 => VisitResult::NotModified,
            301 | 302 | 303 | 307 | 308 => match location(url, &response) {
                Some(to) => VisitResult::Moved(to),
                None => VisitResult::Refused("a redirect to nowhere".to_owned()),
            },
            status @ (404 | 410) => VisitResult::Gone(status),
            status @ (408 | 425 | 429 | 500..=599) => {
                let pause = response.header(header::RETRY_AFTER).and_then(retry_after);
                self.pace.back_off(&host(url), pause.map(|pause| pause.min(PAUSE_MAX)));
                let reason = format!("the server answers {status}");
                VisitResult::Outage { reason, pause }
            }
            status => VisitResult::Refused(format!("the server answers {status}")),
        }
    }

    fn page(&self, response: Response) -> VisitResult {
        let content_type = response.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim_matches(['"', ' ']).to_owned())
        });
        if holds_no_text(&media_type) {
            return VisitResult::Excluded(format!("no text: {media_type}"));
        }
        let max = self.page_bytes_max;
        let too_large = || VisitResult::Excluded(format!("over max_page_size ({max} bytes)"));
        let length = response.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if length.is_some_and(|length: u64| length > max) {
            return too_large();
        }
        let is_short = |text: &&str| text.len() <= VALIDATOR_BYTES_MAX;
        let text = |name| response.header(name).filter(is_short).map(str::to_owned);
        let validators =
            Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) };
        let robots = self.robots_tags(&response);
        let markdown = markdown_link(&response);
        match response.read(max) {
            Ok(Some(bytes)) => VisitResult::Page(Fetched {
                bytes,
                media_type,
                charset,
                validators,
                robots,
                markdown,
            }),
            Ok(None) => too_large(),
            Err(RequestError::Refused(reason) | RequestError::Outage(reason)) => {
                VisitResult::Outage { reason, pause: None }
            }
        }
    }

    /// Combines the `X-Robots-Tag` headers that are for all crawlers or for us.
    fn robots_tags(&self, response: &Response) -> html::Robots {
        let mut robots = html::Robots::default();
        for value in response.headers.get_all("x-robots-tag") {
            let Ok(value) = value.to_str() else { continue };
            match value.split_once(':') {
                Some((agent, rules))
                    if !agent.contains(',') && !agent.trim().starts_with("unavailable") =>
                {
                    let name = self.agent.split(['/', ' ']).next().unwrap_or_default();
                    if agent.trim().eq_ignore_ascii_case(name) {
                        robots.add(rules);
                    }
                }
                _ => robots.add(value),
            }
        }
        if self.respect_robots { robots } else { html::Robots::default() }
    }
}

impl Fetched {
    /// Reports whether it is HTML, or may turn out to be.
    fn may_be_html(&self) -> bool {
        let is_html =
            |media_type: &str| ["text/html", "application/xhtml+xml"].contains(&media_type);
        is_html(&self.media_type) || self.media_type.is_empty()
    }
}

/// The beginning of a file that is not a page.
#[derive(Debug)]
pub(super) struct FileStart {
    pub(super) bytes: Vec<u8>,
    /// Whether that is the whole file.
    pub(super) is_whole: bool,
}

/// Why a file that is not a page is unavailable.
#[derive(Debug)]
pub(super) enum FileError {
    /// It does not exist.
    Missing(String),
    /// It may exist.
    Outage(String),
}

fn host(url: &Url) -> String {
    address::host(url).unwrap_or_default()
}

fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn location(url: &Url, response: &Response) -> Option<Url> {
    url.join(response.header(header::LOCATION)?).ok()
}

/// Returns the target of a `Link` header that names the page as Markdown, RFC 8288.
fn markdown_link(response: &Response) -> Option<String> {
    let links =
        response.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let is_markdown = |parameters: &str| {
        let parameters = parameters.to_ascii_lowercase().replace(['"', ' '], "");
        let has = |wanted: &str| parameters.split(';').any(|parameter| parameter == wanted);
        has("rel=alternate") && has("type=text/markdown")
    };
    links.flat_map(|value| value.split(",<")).find_map(|link| {
        let (target, parameters) = link.trim().trim_start_matches('<').split_once('>')?;
        is_markdown(parameters.trim_end_matches(',')).then(|| target.to_owned())
    })
}

/// Parses a number of seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    let wait = date.duration_since(jiff::Timestamp::now());
    Duration::try_from(wait).ok()
}

/// Reports whether no extractor reads this media type.
fn holds_no_text(media_type: &str) -> bool {
    const OTHERS: [&str; 14] = [
        "application/gzip",
        "application/java-archive",
        "application/javascript",
        "application/rss+xml",
        "application/atom+xml",
        "application/wasm",
        "application/x-7z-compressed",
        "application/x-bzip2",
        "application/x-gzip",
        "application/x-tar",
        "application/x-xz",
        "application/zip",
        "text/css",
        "text/javascript",
    ];
    let kind = media_type.split('/').next().unwrap_or_default();
    ["image", "audio", "video", "font"].contains(&kind) || OTHERS.contains(&media_type)
}

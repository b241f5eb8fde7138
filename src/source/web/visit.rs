//! One visit of one URL: robots.txt, the wait for its turn, the request, and the meaning of the
//! response.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::header;
use url::Url;

use super::address::{host, path_and_query};
use super::client::{Client, RequestError, Response, Validators};
use super::date;
use super::file_cache::FileCache;
use super::pace::Pace;
use super::robots::KnownRobots;
use super::scope::Scope;
use crate::support::checkpoint::StopSignal;
use crate::support::clock::now_ms;
use crate::support::html;

/// Longest pause of a server that a run waits for; with a longer one the host is put off, until the
/// pause is over or to the next run.
const PAUSE_MAX: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer validators are dropped, and the page is fetched whole each time.
const VALIDATOR_BYTES_MAX: usize = 1024;

/// The result of visiting a URL.
#[derive(Debug)]
pub enum VisitResult {
    /// A document.
    Page(Fetched),
    /// Unchanged since it was last fetched.
    NotModified,
    /// Redirected.
    Moved {
        /// The URL.
        to: Url,
        /// Whether the server says that it is for good.
        is_permanent: bool,
    },
    /// There is no such page: 404 or 410.
    Gone(u16),
    /// Skipped.
    Excluded {
        /// Why.
        reason: String,
        /// Validators for the next visit.
        validators: Validators,
    },
    /// Not requested, for this reason.
    Forbidden(String),
    /// Refused by the server; the next run retries it.
    Refused(String),
    /// No complete response; the page may exist.
    Outage {
        /// What happened.
        reason: String,
        /// Time after which the server wants the next request.
        pause: Option<Duration>,
    },
    /// Not requested, or in vain: the host asks for a long pause.
    PutOff {
        /// What happened.
        reason: String,
        /// What is left of the pause.
        pause: Duration,
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
    /// Hosts that asked for a long pause, with its end.
    pub(super) put_off: Mutex<HashMap<String, Instant>>,
    /// Hosts that redirect, with whether that was ever a check for cookies.
    pub(super) sessions: Mutex<HashMap<String, bool>>,
}

impl Visitor {
    /// Visits `url`; `None` if the run is stopped.
    pub(super) fn visit(&self, url: &Url, validators: &Validators) -> Option<VisitResult> {
        if let Some(put_off) = self.is_put_off(url) {
            return Some(put_off);
        }
        match self.rules_for(url)? {
            Ok(robots) if self.respect_robots && !robots.allows(&path_and_query(url)) => {
                return Some(VisitResult::Forbidden("robots.txt disallows it".to_owned()));
            }
            Ok(_) => {}
            Err(reason) => {
                let reason = format!("robots.txt is unavailable: {reason}");
                let outage = || VisitResult::Outage { reason, pause: None };
                return Some(self.is_put_off(url).unwrap_or_else(outage));
            }
        }
        let mut requested = self.request_page(url, validators)?;
        // A header may change while the page does not.
        if let Ok(response) = &requested
            && response.status == 304
            && self.robots_tags(response).noindex
        {
            requested = self.request_page(url, &Validators::default())?;
        }
        Some(match requested {
            Ok(response) => {
                let answer = self.answer(url, response);
                if matches!(&answer, VisitResult::Page(page) if page.may_be_html()) {
                    self.probe_soft_404(url)?;
                }
                answer
            }
            Err(RequestError::Refused(reason)) => VisitResult::Forbidden(reason),
            Err(RequestError::PutOff { reason, pause }) => VisitResult::PutOff { reason, pause },
            Err(RequestError::Outage(reason)) => {
                self.pace.back_off(&host(url), None);
                VisitResult::Outage { reason, pause: None }
            }
        })
    }

    /// Returns that the host of `url` is put off, if it is.
    pub(super) fn is_put_off(&self, url: &Url) -> Option<VisitResult> {
        let host = host(url);
        let put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = put_off.get(&host)?.checked_duration_since(Instant::now())?;
        let reason = format!("{host} asks for a pause");
        Some(VisitResult::PutOff { reason, pause })
    }

    /// Waits for the host's turn and sends the request.
    pub(super) fn request(
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
        Some(response.and_then(|response| match long_pause(&response) {
            Some(pause) => {
                let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
                let end = Instant::now().checked_add(pause).unwrap_or(since + DAY);
                put_off.insert(host.clone(), end);
                let seconds = pause.as_secs();
                let status = response.status;
                let reason = format!("{host} answers {status} and asks for a pause of {seconds} s");
                Err(RequestError::PutOff { reason, pause })
            }
            None => Ok(response),
        }))
    }

    fn answer(&self, url: &Url, response: Response) -> VisitResult {
        match response.status {
            200 | 203 => self.page(response),
            status @ (204 | 205) => VisitResult::Excluded {
                reason: format!("the server answers {status}"),
                validators: Validators::default(),
            },
            304 => VisitResult::NotModified,
            301 | 302 | 303 | 307 | 308 => match location(url, &response) {
                Some(to) => {
                    let is_permanent = matches!(response.status, 301 | 308);
                    VisitResult::Moved { to, is_permanent }
                }
                None => VisitResult::Refused("a redirect to nowhere".to_owned()),
            },
            status @ (404 | 410) => VisitResult::Gone(status),
            status @ (408 | 425 | 429 | 500..=599) => {
                let pause = response.header(header::RETRY_AFTER).and_then(retry_after);
                self.pace.back_off(&host(url), pause);
                let reason = format!("the server answers {status}");
                VisitResult::Outage { reason, pause }
            }
            status => VisitResult::Refused(format!("the server answers {status}")),
        }
    }

    pub(super) fn page(&self, response: Response) -> VisitResult {
        let content_type = response.header(header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let mut parts = content_type.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case("charset")
                .then(|| value.trim_matches(['"', ' ']).to_owned())
        });
        let validators = validators(&response);
        let excluded = |reason| VisitResult::Excluded { reason, validators: validators.clone() };
        if holds_no_text(&media_type) {
            return excluded(format!("no text: {media_type}"));
        }
        let max = self.page_bytes_max;
        let too_large = || excluded(format!("over max_page_size ({max} bytes)"));
        let length = response.header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if length.is_some_and(|length: u64| length > max) {
            return too_large();
        }
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
            Err(error) => VisitResult::Outage { reason: error.into_reason(), pause: None },
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
    pub(super) fn may_be_html(&self) -> bool {
        let is_html =
            |media_type: &str| ["text/html", "application/xhtml+xml"].contains(&media_type);
        is_html(&self.media_type) || self.media_type.is_empty()
    }
}

/// Returns the validators of a response; none if it begins a session, as that of the next run
/// begins with it, too, and a 304 might set no cookie.
fn validators(response: &Response) -> Validators {
    if response.cookies.is_new {
        return Validators::default();
    }
    let is_short = |text: &&str| text.len() <= VALIDATOR_BYTES_MAX;
    let text = |name| response.header(name).filter(is_short).map(str::to_owned);
    Validators { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
}

pub(super) fn location(url: &Url, response: &Response) -> Option<Url> {
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

/// Returns the pause that an overloaded server asks for, if it is a long one.
fn long_pause(response: &Response) -> Option<Duration> {
    let is_overloaded = matches!(response.status, 429 | 503);
    let pause = response.header(header::RETRY_AFTER).filter(|_| is_overloaded)?;
    retry_after(pause).filter(|pause| *pause > PAUSE_MAX)
}

/// Parses a number of seconds, or a date; a number that is too large for one means a day.
fn retry_after(value: &str) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(DAY, Duration::from_secs));
    }
    let wait_ms = date::parse(value)?.saturating_sub(now_ms());
    u64::try_from(wait_ms).ok().map(Duration::from_millis)
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

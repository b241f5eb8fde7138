//! Files of a host other than pages: robots.txt, sitemaps, llms.txt, and its error page.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use url::Url;

use super::address::{self, host, path_and_query};
use super::client::{RequestError, Validators};
use super::file_cache::AGE_MAX;
use super::robots::{self, KnownRobots, Robots};
use super::visit::{Soft404, VisitResult, Visitor, location};

/// A path no site has, nor one that begins like it; its name explains the request in the server
/// log.
const PROBE_PATH: &str = "0-kbingest-asks-for-a-page-that-is-not-there";
/// Limit on the redirects of robots.txt, section 2.3.1.2.
const ROBOTS_REDIRECTS_MAX: usize = 5;
/// Limit on the bytes of error pages kept, of all hosts together; those of further hosts are
/// dropped.
const SOFT_404_BYTES_MAX: usize = 32 << 20;
/// Limit on the bytes of rules kept, of all hosts together; beyond it all are dropped, and parsed
/// or fetched again when needed.
const RULES_BYTES_MAX: usize = 64 << 20;

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

impl Visitor {
    /// Fetches the host's error page once, to recognise soft 404s, and only after a page was
    /// served; `None` if the run is stopped.
    pub(super) fn probe_soft_404(&self, url: &Url) -> Option<()> {
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
    pub(super) fn may_request(&self, url: &Url) -> Option<bool> {
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
                Err(RequestError::Outage(reason) | RequestError::PutOff { reason, .. }) => {
                    return Some(Err(FileError::Outage(reason)));
                }
            };
            match response.status {
                200..=299 => {
                    return Some(match response.read_start(max) {
                        Ok((bytes, is_whole)) => Ok(FileStart { bytes, is_whole }),
                        Err(error) => Err(FileError::Outage(error.into_reason())),
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
    pub(super) fn rules_for(&self, url: &Url) -> Option<Result<Robots, String>> {
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
}

//! `[[source.web]]`: the settings of one web site, with their positions in kb.toml for error
//! messages.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::source::located::Located;
use serde::Deserialize;
use url::Url;

use super::address;
use crate::source::settings::{Checks, empty};
use crate::source::{MaxDelete, Problems, globs};
use crate::support::byte_size::ByteSize;
use crate::support::html::Selector;
use crate::support::http::parse_header;
use crate::support::secrets;

/// Upper limit of `requests_per_second`.
const RATE_MAX: f64 = 1000.0;
/// Upper limit of `max_concurrency`.
const CONCURRENCY_MAX: usize = 32;

/// Receives problems: what is wrong with a value, and what is allowed.
type Rule = fn(&str) -> Result<(), String>;

/// One web site, or some pages of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Name of the source, unique among all sources.
    pub name: Located<String>,
    /// Pages at which the crawl starts; their links are followed.
    #[serde(default)]
    pub start_urls: Vec<Located<String>>,
    /// Single pages, whose links are not followed.
    #[serde(default)]
    pub urls: Vec<Located<String>>,
    /// File with single pages, one per line, relative to kb.toml; empty means none.
    #[serde(default)]
    pub url_file: PathBuf,
    /// Sitemaps to start from: URLs; `robots`, those that robots.txt names; `auto`, also
    /// /sitemap.xml.
    #[serde(default = "sitemaps_default")]
    pub sitemaps: Vec<Located<String>>,
    /// Beginning of the URLs that belong to the site; empty means the folder of each start URL.
    #[serde(default = "empty")]
    pub url_prefix: Located<String>,
    /// Globs of paths to include, without the leading slash; empty means all.
    #[serde(default)]
    pub include: Vec<Located<String>>,
    /// Globs of paths to exclude; they win over `include`.
    #[serde(default)]
    pub exclude: Vec<Located<String>>,
    /// Limit on the pages visited in one run.
    #[serde(default = "max_pages_default")]
    pub max_pages: u64,
    /// Limit on the documents that one run deletes; `None`: half of them, or ten, but never all.
    #[serde(default)]
    pub max_delete: Option<MaxDelete>,
    /// Limit on the URLs waiting to be visited; 0 means four times `max_pages`, but at least 1000.
    #[serde(default)]
    pub max_queued: u64,
    /// Limit on the pages of one folder visited in one run; folders that differ only in numbers
    /// count as one.
    #[serde(default = "max_per_folder_default")]
    pub max_per_folder: u64,
    /// Limit on the pages that differ only in their query, visited in one run.
    #[serde(default = "max_queries_default")]
    pub max_queries: u64,
    /// Limit on the links of one page that are followed.
    #[serde(default = "max_links_default")]
    pub max_links: u64,
    /// Limit on the sitemaps read, including those of indexes.
    #[serde(default = "max_sitemaps_default")]
    pub max_sitemaps: u64,
    /// Time between the first run that finds a document gone and the one that deletes it: `"1h"`,
    /// with one of the units s, m, h and d, or `"0"`. There are always two runs.
    #[serde(default = "grace_default")]
    pub grace: Located<String>,
    /// Limit on the links between a start URL and a page.
    #[serde(default = "max_depth_default")]
    pub max_depth: u32,
    /// Stay on the hosts of the start URLs.
    #[serde(default = "yes")]
    pub same_host: bool,
    /// Globs of query parameters to remove from URLs.
    #[serde(default = "drop_parameters_default")]
    pub drop_parameters: Vec<Located<String>>,
    /// Globs of query parameters to keep, whatever `drop_parameters` says.
    #[serde(default)]
    pub keep_parameters: Vec<Located<String>>,
    /// User agent of the crawler; robots.txt is matched with its first word.
    #[serde(default = "user_agent_default")]
    pub user_agent: Located<String>,
    /// Limit on the requests per second to one host.
    #[serde(default = "rate_default")]
    pub requests_per_second: Located<f64>,
    /// Requests to one host at the same time.
    #[serde(default = "concurrency_default")]
    pub max_concurrency: Located<usize>,
    /// Time limit of a request, in seconds.
    #[serde(default = "timeout_default")]
    pub timeout: Located<u64>,
    /// Larger pages are skipped; counted after decompression.
    #[serde(default = "max_page_size_default")]
    pub max_page_size: Located<ByteSize>,
    /// Request headers as `Name=VARIABLE`, whose values are in environment variables.
    #[serde(default)]
    pub headers: Vec<Located<String>>,
    /// Obey robots.txt and the robots rules of pages.
    #[serde(default = "yes")]
    pub respect_robots: bool,
    /// Hosts that may have private IP addresses, such as those of an intranet.
    #[serde(default)]
    pub private_hosts: Vec<Located<String>>,
    /// Prefer Markdown if a server offers both.
    #[serde(default = "yes")]
    pub prefer_markdown: bool,
    /// Selectors of the main content, of which the first match is used; empty means the usual
    /// places.
    #[serde(default)]
    pub content_selectors: Vec<Located<String>>,
    /// Selectors of elements to remove, besides navigation and the like.
    #[serde(default)]
    pub remove_selectors: Vec<Located<String>>,
    /// Documents with such metadata are skipped: `draft=true`, or `nosearch` for any value.
    #[serde(default)]
    pub skip_if: Vec<Located<String>>,
    /// Metadata of all its documents, which win over what the pages say.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

fn strings(values: &[&str]) -> Vec<Located<String>> {
    values.iter().map(|value| Located::from((*value).to_owned())).collect()
}

fn sitemaps_default() -> Vec<Located<String>> {
    strings(&["robots"])
}

fn max_pages_default() -> u64 {
    10_000
}

fn max_per_folder_default() -> u64 {
    5_000
}

fn max_queries_default() -> u64 {
    1_000
}

fn max_links_default() -> u64 {
    10_000
}

fn max_sitemaps_default() -> u64 {
    1_000
}

fn grace_default() -> Located<String> {
    Located::from("1h".to_owned())
}

fn max_depth_default() -> u32 {
    30
}

fn drop_parameters_default() -> Vec<Located<String>> {
    strings(&["utm_*", "fbclid", "gclid", "mc_?id", "*sessionid", "*sessid", "sid"])
}

fn user_agent_default() -> Located<String> {
    Located::from("kbingest".to_owned())
}

fn rate_default() -> Located<f64> {
    Located::from(2.0)
}

fn concurrency_default() -> Located<usize> {
    Located::from(1)
}

fn timeout_default() -> Located<u64> {
    Located::from(30)
}

fn max_page_size_default() -> Located<ByteSize> {
    Located::from(ByteSize(10 << 20))
}

impl WebConfig {
    /// Returns the site whose crawl starts at `start_url`, with the defaults of all other settings.
    pub fn new(name: impl Into<String>, start_url: impl Into<String>) -> Self {
        Self {
            name: name.into().into(),
            start_urls: vec![start_url.into().into()],
            urls: Vec::new(),
            url_file: PathBuf::new(),
            sitemaps: sitemaps_default(),
            url_prefix: empty(),
            include: Vec::new(),
            exclude: Vec::new(),
            max_pages: max_pages_default(),
            max_delete: None,
            max_queued: 0,
            max_per_folder: max_per_folder_default(),
            max_queries: max_queries_default(),
            max_links: max_links_default(),
            max_sitemaps: max_sitemaps_default(),
            grace: grace_default(),
            max_depth: max_depth_default(),
            same_host: yes(),
            drop_parameters: drop_parameters_default(),
            keep_parameters: Vec::new(),
            user_agent: user_agent_default(),
            requests_per_second: rate_default(),
            max_concurrency: concurrency_default(),
            timeout: timeout_default(),
            max_page_size: max_page_size_default(),
            headers: Vec::new(),
            respect_robots: yes(),
            private_hosts: Vec::new(),
            prefer_markdown: yes(),
            content_selectors: Vec::new(),
            remove_selectors: Vec::new(),
            skip_if: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// Checks what the syntax cannot; returns for every problem its bytes in kb.toml, the key, what
    /// is wrong and what is allowed.
    #[doc(hidden)]
    pub fn problems(&self) -> Problems {
        let mut checks = Checks::of("source.web");
        checks.name(&self.name);
        let of_each: [(&str, &[Located<String>], Rule); 10] = [
            ("start_urls", &self.start_urls, check_url),
            ("urls", &self.urls, check_url),
            ("sitemaps", &self.sitemaps, check_sitemap),
            ("include", &self.include, |pattern| globs::glob(pattern).map(drop)),
            ("exclude", &self.exclude, |pattern| globs::glob(pattern).map(drop)),
            ("drop_parameters", &self.drop_parameters, |name| globs::glob(name).map(drop)),
            ("keep_parameters", &self.keep_parameters, |name| globs::glob(name).map(drop)),
            ("headers", &self.headers, |header| parse_header(header).map(drop)),
            ("content_selectors", &self.content_selectors, |it| Selector::parse(it).map(drop)),
            ("remove_selectors", &self.remove_selectors, |it| Selector::parse(it).map(drop)),
        ];
        for (key, values, rule) in of_each {
            checks.each(key, values, rule);
        }
        let prefix = self.url_prefix.get_ref();
        if !prefix.is_empty() {
            checks.add(self.url_prefix.span(), "url_prefix", check_url(prefix));
        }
        let agent = self.user_agent.get_ref();
        checks.add(self.user_agent.span(), "user_agent", check_user_agent(agent));
        let rate = *self.requests_per_second.get_ref();
        let is_rate = rate > 0.0 && rate <= RATE_MAX;
        checks.add(
            self.requests_per_second.span(),
            "requests_per_second",
            is_rate.then_some(()).ok_or(format!("{rate} is not above 0 and at most {RATE_MAX}")),
        );
        let concurrency = *self.max_concurrency.get_ref();
        let is_count = (1..=CONCURRENCY_MAX).contains(&concurrency);
        checks.add(
            self.max_concurrency.span(),
            "max_concurrency",
            is_count.then_some(()).ok_or(format!("{concurrency} is not 1 to {CONCURRENCY_MAX}")),
        );
        let timeout = *self.timeout.get_ref();
        let is_timeout = (1..=3600).contains(&timeout);
        checks.add(
            self.timeout.span(),
            "timeout",
            is_timeout.then_some(()).ok_or(format!("{timeout} is not 1 to 3600 seconds")),
        );
        checks.size("max_page_size", &self.max_page_size);
        let grace = parse_grace(self.grace.get_ref());
        checks.add(self.grace.span(), "grace", grace.map(drop));
        let has_start = !self.start_urls.is_empty()
            || !self.urls.is_empty()
            || !self.url_file.as_os_str().is_empty()
            || self.sitemaps.iter().any(|sitemap| is_url(sitemap.get_ref()));
        let nowhere =
            "nothing to crawl: add `start_urls`, `urls`, `url_file` or the url of a sitemap";
        checks.add(
            self.name.span(),
            "start_urls",
            has_start.then_some(()).ok_or(nowhere.to_owned()),
        );
        checks.into_problems()
    }
}

/// Distinguishes the URL of a sitemap from the words `robots` and `auto`.
pub(super) fn is_url(sitemap: &str) -> bool {
    sitemap.contains("://")
}

/// Parses a whole number of seconds, minutes, hours or days.
pub(super) fn parse_grace(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is not a time; write a number with s, m, h or d, as in 1h, or 0");
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit.trim() {
        "" if number == 0 => 0,
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(number.saturating_mul(seconds)))
}

fn check_url(url: &str) -> Result<(), String> {
    let what = match Url::parse(url) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "only http and https are allowed",
        Ok(url) if address::has_credentials(&url) => {
            "a password does not belong in this file; use `headers`"
        }
        Ok(_) => return Ok(()),
        Err(_) => "write it whole, with https and host",
    };
    Err(format!("{:?} cannot be fetched: {what}", secrets::hidden(url)))
}

fn check_sitemap(sitemap: &str) -> Result<(), String> {
    if ["robots", "auto"].contains(&sitemap) {
        return Ok(());
    }
    check_url(sitemap).map_err(|what| format!("{what}, or one of the words robots and auto"))
}

fn check_user_agent(agent: &str) -> Result<(), String> {
    let is_printable = agent.chars().all(|c| matches!(c, ' '..='~'));
    if is_printable && agent.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(format!(
        "{agent:?} is not a user agent; it begins with a name, as in kbingest/1.0 (+https://example.org)"
    ))
}

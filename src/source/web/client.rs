//! Sends one HTTP request: limited in time and size, without following redirects.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderMap, header};
use ureq::{Agent, Body};
use url::Url;

use super::cookies::{Cookies, Stored};
use super::guard::{Guard, NotPublic};
use super::zstd;
use crate::support::checkpoint::StopSignal;
use crate::support::http::names::Names;
use crate::support::http::proxy::Proxies;
use crate::support::http::{AgentOptions, Agents};
use crate::support::secrets;

/// ureq decodes the first two.
const ACCEPT_ENCODING: &str = "gzip, br, zstd";
const ACCEPT: &str = "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.5";
const ACCEPT_MARKDOWN: &str = "text/markdown,text/html;q=0.9,application/xhtml+xml;q=0.9,*/*;q=0.5";

/// Validators that a server sent with a page, for conditional requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`, as sent.
    pub last_modified: Option<String>,
}

/// Why there is no response.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The request is not allowed.
    Refused(String),
    /// There was no response, or only a part of one.
    Outage(String),
    /// The host asks for a long pause.
    PutOff {
        /// What it answers.
        reason: String,
        /// How long.
        pause: Duration,
    },
}

impl RequestError {
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Refused(reason) | Self::Outage(reason) | Self::PutOff { reason, .. } => reason,
        }
    }
}

/// A response whose body is not read yet.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// What it did to the cookies.
    pub(super) cookies: Stored,
    body: Body,
}

/// Sends requests.
pub(super) struct Client {
    agents: Agents,
    guard: Guard,
    /// Sent only to the origins of the site.
    headers: Vec<(String, String)>,
    accept: &'static str,
    cookies: Cookies,
}

/// The settings of requests.
pub(super) struct ClientOptions {
    pub(super) user_agent: String,
    pub(super) timeout: Duration,
    pub(super) connections: usize,
    pub(super) private_hosts: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) prefer_markdown: bool,
    pub(super) proxies: Proxies,
    /// This program, to look up names.
    pub(super) program: Option<PathBuf>,
    /// Ends every request.
    pub(super) stop: Arc<StopSignal>,
}

impl Client {
    /// Fails if the address of a proxy is invalid.
    pub(super) fn new(options: ClientOptions) -> Result<Self, String> {
        let stop = options.stop;
        let names = Names::new(options.program.as_deref(), Arc::clone(&stop));
        let guard = Guard::new(options.private_hosts, names);
        let agents = AgentOptions {
            user_agent: options.user_agent,
            timeout: options.timeout,
            connections: options.connections,
            proxies: options.proxies,
            stop,
        };
        Ok(Self {
            agents: Agents::new(agents, &guard)?,
            guard,
            headers: options.headers,
            cookies: Cookies::default(),
            accept: if options.prefer_markdown { ACCEPT_MARKDOWN } else { ACCEPT },
        })
    }

    /// Returns the agent for a request to `url`.
    fn agent(&self, url: &Url) -> Result<&Agent, RequestError> {
        let Some(agent) = self.agents.proxied(url) else { return Ok(&self.agents.direct) };
        // A proxy resolves names itself; hosts that need no resolving are still checked here.
        match self.guard.refuse_literal(url) {
            Some(refused) => Err(RequestError::Refused(refused.to_string())),
            None => Ok(agent),
        }
    }

    /// Requests `url`; `with_headers` adds the user's headers.
    pub(super) fn get(
        &self,
        url: &Url,
        validators: &Validators,
        with_headers: bool,
    ) -> Result<Response, RequestError> {
        let mut request = self
            .agent(url)?
            .get(url.as_str())
            .header(header::ACCEPT, self.accept)
            .header(header::ACCEPT_ENCODING, ACCEPT_ENCODING);
        if let Some(etag) = &validators.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(last_modified) = &validators.last_modified {
            request = request.header(header::IF_MODIFIED_SINCE, last_modified);
        }
        let mut has_cookies = false;
        for (name, value) in self.headers.iter().filter(|_| with_headers) {
            has_cookies |= name.eq_ignore_ascii_case(header::COOKIE.as_str());
            request = request.header(name, value);
        }
        // Cookies of the user replace those of the site.
        if let Some(cookies) = self.cookies.header(url).filter(|_| !has_cookies) {
            request = request.header(header::COOKIE, cookies);
        }
        let response = request.call().map_err(request_error)?;
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        let cookies = match has_cookies {
            true => Stored::default(),
            false => self.cookies.store(url, &headers),
        };
        Ok(Response { status, headers, cookies, body })
    }
}

impl Response {
    /// Returns a header as text; `None` if it is missing or not text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// Reads the decompressed body, up to `max` bytes; `None` if it has more.
    pub(super) fn read(self, max: u64) -> Result<Option<Vec<u8>>, RequestError> {
        self.read_start(max).map(|(bytes, is_whole)| is_whole.then_some(bytes))
    }

    /// Reads the first `max` bytes of the decompressed body; reports also whether that is all of
    /// it.
    pub(super) fn read_start(mut self, max: u64) -> Result<(Vec<u8>, bool), RequestError> {
        let mut bytes = Vec::new();
        let encoding =
            self.header(header::CONTENT_ENCODING).unwrap_or_default().to_ascii_lowercase();
        let body = self.body.as_reader();
        let read = match encoding.as_str() {
            "zstd" => zstd::read(body, &mut bytes, max.saturating_add(1)),
            _ => body.take(max.saturating_add(1)).read_to_end(&mut bytes).map(drop),
        };
        match read {
            Ok(()) => {
                let is_whole = bytes.len() as u64 <= max;
                bytes.truncate(usize::try_from(max).unwrap_or(usize::MAX));
                Ok((bytes, is_whole))
            }
            Err(error) => Err(request_error(error.into())),
        }
    }
}

fn request_error(error: ureq::Error) -> RequestError {
    if let ureq::Error::Io(error) = &error
        && let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<NotPublic>())
    {
        return RequestError::Refused(refused.to_string());
    }
    RequestError::Outage(match error {
        ureq::Error::Timeout(_) => "no complete response in time".to_owned(),
        ureq::Error::HostNotFound => "host not found".to_owned(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the response ended early".to_owned()
        }
        error => secrets::hidden(&error.to_string()),
    })
}

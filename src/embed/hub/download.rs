//! Downloads the files of a model, and continues where an interrupted download ended.
//!
//! `HF_ENDPOINT` names another hub, `HF_TOKEN` has the user's key for it, and `HF_HUB_OFFLINE`
//! forbids all of it, as for Hugging Face's own programs. The key is sent to the hub alone, not to
//! the servers that it redirects to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Body;
use ureq::http::{Response, StatusCode, header};
use url::Url;

use super::store::{Store, sha256};
use super::{HubError, HubName, ModelFile};
use crate::embed::Setting;
use crate::support::checkpoint::StopSignal;
use crate::support::http::names::Names;
use crate::support::http::proxy::Proxies;
use crate::support::http::{AgentOptions, Agents, AnyHost};

const USER_AGENT: &str = concat!("kbingest/", env!("CARGO_PKG_VERSION"));
const ENDPOINT: &str = "https://huggingface.co";
/// The header with the commit that a revision is.
const COMMIT: &str = "x-repo-commit";
/// Time limit of one request; what came before it is kept.
const REQUEST_MAX: Duration = Duration::from_secs(900);
const REDIRECTS_MAX: usize = 5;
/// Attempts in a row that bring nothing, after which it is given up.
const ATTEMPTS: usize = 4;
const WAIT: Duration = Duration::from_millis(500);

/// A hub, and the user's key for it.
pub(super) struct Hub {
    agents: Agents,
    endpoint: Url,
    token: Option<String>,
    stop: Arc<StopSignal>,
}

/// The files of one commit of a model.
pub(super) struct Download<'a> {
    pub(super) hub: &'a Hub,
    pub(super) store: &'a Store,
    pub(super) name: &'a HubName,
    pub(super) commit: &'a str,
}

impl Hub {
    /// Reads the environment; sends nothing.
    pub(super) fn new(setting: &Setting) -> Result<Self, String> {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = Url::parse(&endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                format!("HF_ENDPOINT is {endpoint:?}, which is not an address of a hub")
            })?;
        let options = AgentOptions {
            user_agent: USER_AGENT.to_owned(),
            timeout: REQUEST_MAX,
            connections: 1,
            proxies: Proxies::new(|name| std::env::var(name).ok()),
            stop: Arc::clone(&setting.stop),
        };
        let names = Names::new(setting.program.as_deref(), Arc::clone(&setting.stop));
        let agents = Agents::new(options, &AnyHost(Arc::new(names)))?;
        Ok(Self { agents, endpoint, token: variable("HF_TOKEN"), stop: Arc::clone(&setting.stop) })
    }

    /// Returns the commit that the revision of `name` is now.
    pub(super) fn commit(&self, name: &HubName) -> Result<String, HubError> {
        let url = self.url(name, &name.revision, "tokenizer.json")?;
        let response = self.get(&url, 0)?;
        match response.status() {
            StatusCode::OK | StatusCode::NOT_FOUND => {}
            status => return Err(HubError::of(&url, status)),
        }
        let commit = response.headers().get(COMMIT).and_then(|value| value.to_str().ok());
        let commit = commit.unwrap_or(&name.revision);
        if response.status() == StatusCode::NOT_FOUND && commit == name.revision {
            return Err(HubError::of(&url, response.status()));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        Ok(commit.chars().map(|c| if is_plain(c) { c } else { '-' }).collect())
    }

    fn url(&self, name: &HubName, revision: &str, path: &str) -> Result<Url, String> {
        let HubName { owner, name, .. } = name;
        let base = self.endpoint.as_str().trim_end_matches('/');
        let url = format!("{base}/{owner}/{name}/resolve/{revision}/{path}");
        Url::parse(&url).map_err(|error| format!("{url}: {error}"))
    }

    /// Requests `url` from the byte `from` on, and follows redirects. The commit is that of the
    /// first answer.
    fn get(&self, url: &Url, from: u64) -> Result<Response<Body>, HubError> {
        if std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| !["", "0"].contains(&&*value)) {
            let reason = format!("{url} is needed, and HF_HUB_OFFLINE forbids to fetch it");
            return Err(HubError::Refused(reason));
        }
        let mut url = url.clone();
        let mut commit = None;
        for _ in 0..=REDIRECTS_MAX {
            let agent = self.agents.proxied(&url).unwrap_or(&self.agents.direct);
            let mut request = agent.get(url.as_str()).header(header::ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            if let Some(token) = self.token.as_deref().filter(|_| self.is_hub(&url)) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let unavailable = |error| HubError::Unavailable(format!("{url}: {error}"));
            let mut response = request.call().map_err(unavailable)?;
            commit = commit.or_else(|| response.headers().get(COMMIT).cloned());
            let target = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            match target.filter(|_| response.status().is_redirection()) {
                Some(target) => {
                    let next = url.join(target).map_err(|error| format!("{target}: {error}"))?;
                    if next.scheme() != "https" && url.scheme() == "https" {
                        let reason = format!("{url} redirects to {next}, which is not encrypted");
                        return Err(HubError::Refused(reason));
                    }
                    url = next;
                }
                None => {
                    if let Some(commit) = commit {
                        response.headers_mut().insert(COMMIT, commit);
                    }
                    return Ok(response);
                }
            }
        }
        Err(HubError::Refused(format!("{url}: more than {REDIRECTS_MAX} redirects")))
    }

    fn is_hub(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }
}

impl Download<'_> {
    /// Returns the file `path`, fetched if it is not here; `None` if the model has none. Fails if
    /// its sha256 is not the `expected` one, and keeps nothing of it.
    pub(super) fn file(
        &self,
        path: &str,
        expected: Option<&str>,
    ) -> Result<Option<ModelFile>, HubError> {
        let place = self.store.place(path)?;
        let is_new = !place.is_file();
        if is_new {
            let part = self.store.place(&format!("{path}.part"))?;
            if !self.fetch(path, &part)? {
                return match expected {
                    Some(_) => Err(format!("{path} is no longer on the hub").into()),
                    None => Ok(None),
                };
            }
            let (found, _) = named(&part, sha256(&part))?;
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                named(&part, std::fs::remove_file(&part))?;
                return Err(self.store.differs(path, expected, &found).into());
            }
            named(&place, std::fs::rename(&part, &place))?;
        }
        let (found, bytes) = named(&place, sha256(&place))?;
        match expected {
            Some(expected) if expected != found => {
                Err(self.store.differs(path, expected, &found).into())
            }
            _ => Ok(Some(ModelFile { path: path.to_owned(), bytes, sha256: found, is_new })),
        }
    }

    /// Fetches what is missing of `path` into `part`; returns whether the model has such a file.
    fn fetch(&self, path: &str, part: &Path) -> Result<bool, HubError> {
        let url = self.hub.url(self.name, self.commit, path)?;
        let mut failures = 0;
        loop {
            let before = part.metadata().map_or(0, |found| found.len());
            match self.attempt(&url, part, before) {
                Ok(is_there) => return Ok(is_there),
                Err(HubError::Unavailable(reason)) => {
                    let has_more = part.metadata().is_ok_and(|found| found.len() > before);
                    failures = if has_more { 0 } else { failures + 1 };
                    if failures == ATTEMPTS || self.hub.stop.wait_for(WAIT) {
                        let reason = format!("{reason}; the next attempt continues it");
                        return Err(HubError::Unavailable(reason));
                    }
                }
                Err(refused) => return Err(refused),
            }
        }
    }

    fn attempt(&self, url: &Url, part: &Path, from: u64) -> Result<bool, HubError> {
        let mut response = self.hub.get(url, from)?;
        let fatal = |error: io::Error| HubError::Refused(format!("{}: {error}", part.display()));
        let mut file = match response.status() {
            StatusCode::OK => File::create(part).map_err(fatal)?,
            StatusCode::PARTIAL_CONTENT if !begins_at(&response, from) => {
                std::fs::remove_file(part).map_err(fatal)?;
                let reason = format!("{url} answers with another part than was asked for");
                return Err(HubError::Unavailable(reason));
            }
            StatusCode::PARTIAL_CONTENT => {
                OpenOptions::new().append(true).open(part).map_err(fatal)?
            }
            // All of it was there already.
            StatusCode::RANGE_NOT_SATISFIABLE => return Ok(true),
            StatusCode::NOT_FOUND => return Ok(false),
            status => return Err(HubError::of(url, status)),
        };
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            if self.hub.stop.is_requested() {
                return Err(HubError::Unavailable(format!("{url}: stopped")));
            }
            match body.read(&mut buffer) {
                Ok(0) => return file.sync_all().map(|()| true).map_err(fatal),
                Ok(read) => file.write_all(&buffer[..read]).map_err(fatal)?,
                Err(error) => return Err(HubError::Unavailable(format!("{url}: {error}"))),
            }
        }
    }
}

impl HubError {
    /// Returns what an answer without the file means.
    fn of(url: &Url, status: StatusCode) -> Self {
        let advice = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; if the model is private, set HF_TOKEN to a key that may read it"
            }
            StatusCode::NOT_FOUND => "; check owner, name and revision",
            _ => "",
        };
        let reason = format!("{url} answers {status}{advice}");
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Self::Unavailable(reason)
        } else {
            Self::Refused(reason)
        }
    }
}

/// Returns whether a part of a file begins at the byte `from`.
fn begins_at(response: &Response<Body>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    range.is_some_and(|range| range.trim_start().starts_with(&format!("bytes {from}-")))
}

fn named<T>(path: &Path, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", path.display()))
}

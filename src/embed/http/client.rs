//! Sends a request to a server and sorts its failures by what can be done about them.
//!
//! A key is sent to the servers that kb.toml names and nowhere else: no redirect is followed, and
//! no error repeats it.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::{HeaderMap, header};
use url::Url;

use crate::embed::Setting;
use crate::support::bounded::bounded;
use crate::support::checkpoint::StopSignal;
use crate::support::http::names::Names;
use crate::support::http::proxy::Proxies;
use crate::support::http::{AgentOptions, Agents, AnyHost};
use crate::support::secrets;

const USER_AGENT: &str = concat!("kbingest/", env!("CARGO_PKG_VERSION"));
/// Limit on an answer, in bytes: so many for each number, and so many besides.
const NUMBER_BYTES_MAX: u64 = 32;
const OTHER_BYTES_MAX: u64 = 1024 * 1024;
/// Limit on what is read of the explanation of a failure, and on what is shown of it.
const EXPLANATION_BYTES_MAX: u64 = 64 * 1024;
const SHOWN_BYTES_MAX: usize = 300;
/// The status of a failure that was sent without one.
const BAD_GATEWAY: u16 = 502;

/// Why a request has no answer that can be used.
#[derive(Debug)]
pub(crate) enum Failure {
    /// May pass.
    Unavailable {
        reason: String,
        retry_after: Option<Duration>,
        /// Another server of the same model may answer.
        is_of_server: bool,
    },
    /// Will not pass by waiting.
    Refused(String),
    /// Something in the request is not accepted: too many texts, or one that is too long.
    Rejected(String),
}

/// A response, whatever its status.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What a server is asked with.
pub(crate) struct ClientOptions<'a> {
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// Connections that are kept open.
    pub(crate) connections: usize,
    /// The environment variable with the key; empty: none is sent.
    pub(crate) key_env: &'a str,
    /// The environment variables that are sent, with the names of their headers.
    pub(crate) variables: Vec<(&'a str, &'a str)>,
}

/// Sends requests with the key and the headers of the settings.
pub(crate) struct Client {
    agents: Agents,
    /// Or the reason why one is missing.
    headers: Result<Vec<(String, String)>, String>,
    stop: Arc<StopSignal>,
    /// What to do if the key is not accepted.
    advice: String,
}

impl Client {
    /// Reads the environment; a variable that is missing is reported by the first request.
    pub(crate) fn new(options: &ClientOptions<'_>, setting: &Setting) -> Result<Self, String> {
        let stop = Arc::clone(&setting.stop);
        let names = Names::new(setting.program.as_deref(), Arc::clone(&stop));
        let of_agents = AgentOptions {
            user_agent: USER_AGENT.to_owned(),
            timeout: options.timeout,
            connections: options.connections,
            proxies: Proxies::new(|name| std::env::var(name).ok()),
            stop: Arc::clone(&stop),
        };
        let advice = match options.key_env {
            "" => "name the environment variable with its key as `key_env`".to_owned(),
            variable => format!("check the key in the environment variable {variable}"),
        };
        let agents = Agents::new(of_agents, &AnyHost(Arc::new(names)))?;
        Ok(Self { agents, headers: headers(options), stop, advice })
    }

    /// Sends `body` to `url`; waits for the whole answer with `numbers`, for `limit` at most.
    pub(crate) fn post(
        &self,
        url: &Url,
        body: &[u8],
        numbers: u64,
        limit: Duration,
    ) -> Result<Response, Failure> {
        let headers = self.headers.as_ref().map_err(|reason| Failure::Refused(reason.clone()))?;
        let agent = self.agents.proxied(url).unwrap_or(&self.agents.direct);
        let mut request = agent
            .post(url.as_str())
            .config()
            .timeout_global(Some(limit))
            .build()
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let since = Instant::now();
        let response = request.send(body).map_err(|error| self.lost(url, &error, since))?;
        let (parts, mut body) = response.into_parts();
        let status = parts.status.as_u16();
        let most = match parts.status.is_success() {
            true => numbers * NUMBER_BYTES_MAX + OTHER_BYTES_MAX,
            false => EXPLANATION_BYTES_MAX,
        };
        let mut bytes = Vec::new();
        let read = body.as_reader().take(most).read_to_end(&mut bytes);
        if let Err(error) = read.map_err(ureq::Error::from)
            && parts.status.is_success()
        {
            return Err(self.lost(url, &error, since));
        }
        Ok(Response { status, headers: parts.headers, body: bytes })
    }

    /// Returns the failure of a request that has no whole response.
    fn lost(&self, url: &Url, error: &ureq::Error, since: Instant) -> Failure {
        let reason = match error {
            _ if self.stop.is_requested() => "the run is stopped".to_owned(),
            ureq::Error::Timeout(_) => {
                format!("no complete answer after {:.0} s", since.elapsed().as_secs_f64().max(1.0))
            }
            ureq::Error::HostNotFound => "host not found".to_owned(),
            error => error.to_string(),
        };
        let reason = self.shown(&format!("{}: {reason}", origin(url)));
        Failure::Unavailable { reason, retry_after: None, is_of_server: true }
    }

    /// Returns what a response that is no success means; `asked` is how long it asks to wait.
    pub(crate) fn failure(
        &self,
        url: &Url,
        response: &Response,
        asked: Option<Duration>,
    ) -> Failure {
        let Response { status, headers, body } = response;
        let text = String::from_utf8_lossy(body);
        let said = explanation(&text);
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let reason = self.shown(&format!("{}: HTTP {status}{said}", origin(url)));
        let lower = text.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        match status {
            402 | 429 if *status == 402 || says(&QUOTA) => {
                Failure::Refused(format!("{reason}; the quota is used up: check plan and billing"))
            }
            401 | 403 => Failure::Refused(format!("{reason}; {}", self.advice)),
            // llama.cpp's server has no other status for it.
            500 if says(&TOO_LONG) => Failure::Rejected(reason),
            408 | 409 | 425 | 429 | 500.. => {
                let is_of_server = *status != 429;
                Failure::Unavailable { reason, retry_after: asked, is_of_server }
            }
            400 | 413 | 422 => Failure::Rejected(reason),
            300..=399 => {
                let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
                let to = to.and_then(|to| url.join(to).ok()).map(|to| origin(&to));
                let to = to.unwrap_or_else(|| "elsewhere".to_owned());
                Failure::Refused(format!(
                    "{reason}; it redirects to {to}, and neither texts nor keys follow: write the final address as `url`"
                ))
            }
            404 | 405 => Failure::Refused(format!("{reason}; check `url`, `api` and `model`")),
            _ => Failure::Refused(reason),
        }
    }

    /// Returns a message without keys.
    pub(crate) fn shown(&self, message: &str) -> String {
        let mut shown = secrets::hidden(message);
        for (_, value) in self.headers.iter().flatten() {
            let secret = value.strip_prefix("Bearer ").unwrap_or(value);
            if !secret.is_empty() {
                shown = shown.replace(secret, "***");
            }
        }
        bounded(&shown, 2 * SHOWN_BYTES_MAX).into_owned()
    }
}

/// What servers say in the status 429 if waiting does not help,
const QUOTA: [&str; 3] = ["insufficient_quota", "insufficient balance", "insufficient credit"];
/// and in the status 500 if a text is too long.
const TOO_LONG: [&str; 3] = ["too large to process", "input is too long", "context size"];

/// Returns the headers of the settings with their values.
fn headers(options: &ClientOptions<'_>) -> Result<Vec<(String, String)>, String> {
    let of = |(name, variable): (&str, &str)| {
        let value = std::env::var(variable).unwrap_or_default();
        let value = value.trim();
        if value.is_empty() {
            return Err(format!("the environment variable {variable} is not set"));
        }
        if value.contains(|c: char| c.is_control()) {
            return Err(format!("the environment variable {variable} has a control character"));
        }
        let is_key = variable == options.key_env && name == "Authorization";
        let value = if is_key { format!("Bearer {value}") } else { value.to_owned() };
        Ok((name.to_owned(), value))
    };
    options.variables.iter().copied().map(of).collect()
}

/// Returns scheme, host and port of a URL, for messages.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Returns the status of a failure that was sent with status 200, as some gateways do; `None` if
/// the answer is none.
pub(crate) fn status_inside(body: &[u8]) -> Option<u16> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error").filter(|error| !error.is_null())?;
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Some(code.filter(|code| (400..600).contains(code)).unwrap_or(BAD_GATEWAY))
}

/// Returns what a server says about a failure, on one line.
fn explanation(text: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let places = ["/error/message", "/error", "/message", "/detail", "/detail/0/msg"];
    let said = parsed.as_ref().and_then(|value| {
        places.iter().find_map(|place| value.pointer(place).and_then(Value::as_str))
    });
    let words: Vec<_> = said.unwrap_or(text).split_whitespace().collect();
    bounded(&words.join(" "), SHOWN_BYTES_MAX).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let timeout = Duration::from_secs(1);
        let options = ClientOptions { timeout, connections: 1, key_env: "", variables: Vec::new() };
        let client = Client::new(&options, &Setting::default()).expect("it needs nothing");
        let headers = Ok(vec![("Authorization".to_owned(), "Bearer hush".to_owned())]);
        Client { headers, ..client }
    }

    #[test]
    fn failures_are_sorted_by_what_can_be_done() {
        let client = client();
        let url = Url::parse(&format!("https:{}example.org/v1", "//")).unwrap();
        let check = |status: u16, body: &str, kind: &str, reason: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("location", "//other.example/x?key=hush".parse().unwrap());
            let response = Response { status, headers, body: body.as_bytes().to_vec() };
            let (found, said) = match client.failure(&url, &response, None) {
                Failure::Unavailable { reason, is_of_server: true, .. } => ("server", reason),
                Failure::Unavailable { reason, .. } => ("busy", reason),
                Failure::Refused(reason) => ("refused", reason),
                Failure::Rejected(reason) => ("rejected", reason),
            };
            assert_eq!((found, said.replace("://", ":")), (kind, reason.to_owned()), "{status}");
        };
        let at = "https:example.org: HTTP";
        let advice = "name the environment variable with its key as `key_env`";
        check(
            401,
            r#"{"error": {"message": "no key hush"}}"#,
            "refused",
            &format!("{at} 401: no key ***; {advice}"),
        );
        check(403, "", "refused", &format!("{at} 403; {advice}"));
        let quota = "the quota is used up: check plan and billing";
        check(
            429,
            r#"{"error": {"code": "insufficient_quota"}}"#,
            "refused",
            &format!("{at} 429: {{\"error\": {{\"code\": \"insufficient_quota\"}}}}; {quota}"),
        );
        check(402, "pay", "refused", &format!("{at} 402: pay; {quota}"));
        check(429, r#"{"error": "slow down"}"#, "busy", &format!("{at} 429: slow down"));
        for status in [408, 409, 425, 500, 502, 503, 529] {
            check(status, "x\n  y", "server", &format!("{at} {status}: x y"));
        }
        check(
            500,
            r#"{"error": {"message": "input is too large to process"}}"#,
            "rejected",
            &format!("{at} 500: input is too large to process"),
        );
        for status in [400, 413, 422] {
            check(
                status,
                r#"{"detail": [{"msg": "no"}]}"#,
                "rejected",
                &format!("{at} {status}: no"),
            );
        }
        check(404, "", "refused", &format!("{at} 404; check `url`, `api` and `model`"));
        check(
            307,
            "",
            "refused",
            &format!(
                "{at} 307; it redirects to https:other.example, and neither texts nor keys follow: write the final \
             address as `url`"
            ),
        );
    }
}

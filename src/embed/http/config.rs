//! `[embed.http]`: the settings of a model behind a server, with their checks.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::client::ClientOptions;
use crate::embed::Measure;
use crate::support::fingerprint::Fingerprint;
use crate::support::http::parse_header;
use crate::support::secrets;

/// Raised when this code sends other texts for the same settings.
const CODE_VERSION: u32 = 1;
const DIM_MAX: usize = 16_384;
const CONCURRENCY_MAX: usize = 256;
const BATCH_TEXTS_MAX: usize = 4096;
const SECONDS_MAX: u64 = 86_400;
/// Limit on the time for the answer to a query, whose sender waits for it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a model behind a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The server: its base, with or without `/v1`, or the whole path.
    pub url: String,
    /// More servers with the same model; calls go to the one with the fewest in flight.
    #[serde(default)]
    pub endpoints: Vec<String>,
    /// The model, by the name that the server knows.
    pub model: String,
    /// Components of its vectors.
    pub dim: usize,
    /// The form of requests and answers.
    #[serde(default)]
    pub api: Api,
    /// `api-version` of Azure; empty: not Azure.
    #[serde(default)]
    pub api_version: String,
    /// Part of the fingerprint, to be changed when the server has another model under this name.
    #[serde(default)]
    pub revision: String,
    /// Environment variable with the key; empty: none is sent.
    #[serde(default)]
    pub key_env: String,
    /// Further headers as `Name=VARIABLE`, whose values are in environment variables.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Put before every query.
    #[serde(default)]
    pub query_prefix: String,
    /// Put before every text to find.
    #[serde(default)]
    pub document_prefix: String,
    /// Fields added to requests for queries.
    #[serde(default)]
    pub query_fields: Map<String, Value>,
    /// Fields added to requests for texts to find.
    #[serde(default)]
    pub document_fields: Map<String, Value>,
    /// Seconds that one request may take.
    #[serde(default = "timeout_default")]
    pub timeout: u64,
    /// Seconds for which a server may be unavailable before the run ends.
    #[serde(default = "give_up_after_default")]
    pub give_up_after: u64,
    /// Requests in flight.
    #[serde(default = "concurrency_default")]
    pub concurrency: usize,
    /// Limit on the requests of a minute; 0: none.
    #[serde(default)]
    pub requests_per_minute: u64,
    /// Limit on the tokens of a minute; 0: none.
    #[serde(default)]
    pub tokens_per_minute: u64,
    /// Limit on the texts of one request.
    #[serde(default = "max_batch_texts_default")]
    pub max_batch_texts: usize,
    /// Limit on the tokens of one request; a longer text is sent alone.
    #[serde(default = "max_batch_tokens_default")]
    pub max_batch_tokens: usize,
    /// What happens to a text that the server does not take.
    #[serde(default)]
    pub on_too_long: OnTooLong,
    /// The tokens of the model, for `chunk.tokenizer = "model"`: the path of its tokenizer.json.
    #[serde(default)]
    pub tokenizer: Measure,
}

/// The form of requests and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `POST /v1/embeddings`, of OpenAI and most servers.
    #[default]
    Openai,
    /// `POST /api/embed`.
    Ollama,
    /// `POST /v2/embed`.
    Cohere,
    /// `POST /v1beta/models/…:batchEmbedContents`.
    Gemini,
}

impl Api {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Ollama => "ollama",
            Self::Cohere => "cohere",
            Self::Gemini => "gemini",
        }
    }

    /// Returns the name of the header with the key.
    pub(super) fn key_header(self, is_azure: bool) -> &'static str {
        match self {
            Self::Openai if is_azure => "api-key",
            Self::Gemini => "x-goog-api-key",
            _ => "Authorization",
        }
    }
}

/// What happens to a text that the server does not take, alone in its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTooLong {
    /// Its document fails.
    #[default]
    Fail,
    /// It is shortened until it is taken.
    Truncate,
}

fn timeout_default() -> u64 {
    60
}

fn give_up_after_default() -> u64 {
    300
}

fn concurrency_default() -> usize {
    4
}

fn max_batch_texts_default() -> usize {
    32
}

fn max_batch_tokens_default() -> usize {
    100_000
}

impl HttpConfig {
    /// Returns what is wrong with the settings, beginning with the key.
    pub(in crate::embed) fn validate(&self) -> Result<(), String> {
        self.check_servers()?;
        let wrong = |key: &str, what: String| Err(format!("http.{key} {what}"));
        if self.model.trim().is_empty() {
            return wrong("model", "must name a model, and is empty".to_owned());
        }
        let numbers = [
            ("dim", self.dim as u64, 1, DIM_MAX as u64),
            ("timeout", self.timeout, 1, SECONDS_MAX),
            ("give_up_after", self.give_up_after, 0, SECONDS_MAX),
            ("concurrency", self.concurrency as u64, 1, CONCURRENCY_MAX as u64),
            ("max_batch_texts", self.max_batch_texts as u64, 1, BATCH_TEXTS_MAX as u64),
            ("max_batch_tokens", self.max_batch_tokens as u64, 1, u64::MAX),
        ];
        for (key, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                return wrong(key, format!("is {value}; it must be {least} to {most}"));
            }
        }
        check_variables(&self.key_env, &self.headers)
            .or_else(|(key, reason)| wrong(key, reason))?;
        if self.tokenizer == Measure::Model {
            let what = "must be the path of a tokenizer.json: a server does not say its own";
            return wrong("tokenizer", what.to_owned());
        }
        if !self.api_version.is_empty() && self.api != Api::Openai {
            return wrong("api_version", "is for api = \"openai\"".to_owned());
        }
        Ok(())
    }

    fn check_servers(&self) -> Result<(), String> {
        let keys = std::iter::once("url").chain(std::iter::repeat("endpoints"));
        for (key, url) in keys.zip(self.servers()) {
            check_url(url).map_err(|reason| format!("http.{key} {reason}"))?;
        }
        Ok(())
    }

    /// Returns what its servers are asked with.
    pub(super) fn client_options(&self) -> ClientOptions<'_> {
        ClientOptions {
            timeout: self.time_limit(false),
            connections: self.concurrency,
            key_env: &self.key_env,
            variables: self.variables(),
        }
    }

    /// Returns the URLs of all servers, as written.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.url).chain(&self.endpoints).map(String::as_str)
    }

    /// Returns the environment variables that are sent, with the names of their headers.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        let key = (!self.key_env.is_empty())
            .then(|| (self.api.key_header(!self.api_version.is_empty()), self.key_env.as_str()));
        key.into_iter().chain(self.headers.iter().filter_map(|it| parse_header(it).ok())).collect()
    }

    /// Returns what identifies the vectors; which server makes them does not matter.
    pub(super) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let fields = [&self.query_fields, &self.document_fields];
        let fields = fields.map(|fields| Value::Object(fields.clone()).to_string());
        for text in [&self.query_prefix, &self.document_prefix, &fields[0], &fields[1]] {
            hasher.update(text.as_bytes()).update(b"\0");
        }
        let mut fingerprint = Fingerprint::new(&format!("http-{}", self.api.name()), CODE_VERSION)
            .with("model", &self.model)
            .with("dim", self.dim);
        if !self.revision.is_empty() {
            fingerprint = fingerprint.with("revision", &self.revision);
        }
        fingerprint.with_hash(&hasher.finalize().to_hex()[..12]).to_string()
    }

    /// Returns how long the server may be unavailable.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.give_up_after)
    }

    /// Returns how long a request may take.
    pub(super) fn time_limit(&self, is_query: bool) -> Duration {
        let limit = Duration::from_secs(self.timeout);
        if is_query { limit.min(QUERY_TIMEOUT) } else { limit }
    }
}

/// Fails with what is wrong with the URL of a server.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let what = match Url::parse(url) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "only http and https are allowed",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "a password does not belong in this file; use `key_env` or `headers`"
        }
        Ok(url) if url.has_host() => return Ok(()),
        _ => "write it whole, with https and host",
    };
    Err(format!("{:?} cannot be asked: {what}", secrets::hidden(url)))
}

/// Fails with the key of kb.toml that is wrong, and why.
pub(crate) fn check_variables(
    key_env: &str,
    headers: &[String],
) -> Result<(), (&'static str, String)> {
    if !key_env.is_empty() && parse_header(&format!("Key={key_env}")).is_err() {
        let what = "must name an environment variable; the key itself does not belong in this file";
        return Err(("key_env", what.to_owned()));
    }
    let wrong = headers.iter().find_map(|header| parse_header(header).err());
    wrong.map_or(Ok(()), |reason| Err(("headers", reason)))
}

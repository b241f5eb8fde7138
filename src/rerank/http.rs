//! `[search.rerank.http]`: a reranker behind a server.
//!
//! Servers differ in the name of the texts and in the path; their answers are lists of an index
//! with a score, whatever the list is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::{RerankError, Reranker};
use crate::embed::{
    Client, ClientOptions, Failure, Response, Setting, check_url, check_variables, retry_after,
    status_inside,
};
use crate::support::checkpoint::StopSignal;
use crate::support::fingerprint::Fingerprint;
use crate::support::http::parse_header;
use crate::support::retry;

/// Raised when this code sends other texts for the same settings.
const CODE_VERSION: u32 = 1;
/// A search waits: what fails so often in a row is given up.
const ATTEMPTS_MAX: u32 = 3;
/// A provider counts requests: all texts are sent in one if possible.
const TEXTS_MAX: usize = 1000;
/// What text-embeddings-inference takes, unless it is started with `--max-client-batch-size`.
const TEI_TEXTS_MAX: usize = 32;
/// Numbers of an answer for each text, as a limit on its size: some servers repeat the text.
const NUMBERS_PER_TEXT: u64 = 512;

/// The settings of a reranker behind a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RerankHttpConfig {
    /// The server: its base, with or without the version, or the whole path.
    pub url: String,
    /// The model, by the name that the server knows.
    pub model: String,
    /// The form of requests.
    #[serde(default)]
    pub api: RerankApi,
    /// Part of the key of kept scores, to be changed when the server has another model under this
    /// name.
    #[serde(default)]
    pub revision: String,
    /// Environment variable with the key; empty: none is sent.
    #[serde(default)]
    pub key_env: String,
    /// Further headers as `Name=VARIABLE`, whose values are in environment variables.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Fields added to requests.
    #[serde(default)]
    pub request_fields: Map<String, Value>,
    /// Limit on the texts of one request; 0: that of the api.
    #[serde(default)]
    pub max_batch_texts: usize,
}

/// The form of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RerankApi {
    /// `POST /v1/rerank` with `documents` and `top_n`, of Jina and most servers.
    #[default]
    Jina,
    /// `POST /v2/rerank` with the same fields.
    Cohere,
    /// `POST /v1/rerank` with `documents` and `top_k`.
    Voyage,
    /// `POST /rerank` with `texts`, of text-embeddings-inference.
    Tei,
}

impl RerankApi {
    fn name(self) -> &'static str {
        match self {
            Self::Jina => "jina",
            Self::Cohere => "cohere",
            Self::Voyage => "voyage",
            Self::Tei => "tei",
        }
    }

    /// Returns the URL of requests to the server at `base`.
    fn url(self, base: &str) -> Result<Url, url::ParseError> {
        const ACTION: &str = "/rerank";
        let mut url = Url::parse(base)?;
        let path = url.path().trim_end_matches('/').to_owned();
        let version = match self {
            _ if !path.is_empty() => "",
            Self::Jina | Self::Voyage => "/v1",
            Self::Cohere => "/v2",
            Self::Tei => "",
        };
        if !path.ends_with(ACTION) {
            url.set_path(&format!("{path}{version}{ACTION}"));
        }
        Ok(url)
    }
}

impl RerankHttpConfig {
    /// Returns what is wrong with the settings, beginning with the key.
    pub(super) fn validate(&self) -> Result<(), String> {
        let wrong = |key: &str, what: String| Err(format!("rerank.http.{key} {what}"));
        check_url(&self.url).or_else(|reason| wrong("url", reason))?;
        if self.model.trim().is_empty() {
            return wrong("model", "must name a model, and is empty".to_owned());
        }
        if self.max_batch_texts > TEXTS_MAX {
            let what = format!("is {}; it must be 0 to {TEXTS_MAX}", self.max_batch_texts);
            return wrong("max_batch_texts", what);
        }
        check_variables(&self.key_env, &self.headers).or_else(|(key, reason)| wrong(key, reason))
    }

    /// Returns the environment variables that are sent, with the names of their headers.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        let key = (!self.key_env.is_empty()).then_some(("Authorization", self.key_env.as_str()));
        key.into_iter().chain(self.headers.iter().filter_map(|it| parse_header(it).ok())).collect()
    }

    /// Returns what identifies the scores; which server makes them does not matter.
    fn fingerprint(&self) -> String {
        let fields = Value::Object(self.request_fields.clone()).to_string();
        let mut fingerprint =
            Fingerprint::new(&format!("rerank-http-{}", self.api.name()), CODE_VERSION)
                .with("model", &self.model);
        if !self.revision.is_empty() {
            fingerprint = fingerprint.with("revision", &self.revision);
        }
        fingerprint.with_hash(&blake3::hash(fields.as_bytes()).to_hex()[..12]).to_string()
    }

    fn body(&self, query: &str, texts: &[&str]) -> Vec<u8> {
        let count = texts.len();
        let mut body = match self.api {
            RerankApi::Jina => json!({ "model": self.model, "query": query, "documents": texts,
                                       "top_n": count, "return_documents": false }),
            RerankApi::Cohere => json!({ "model": self.model, "query": query, "documents": texts,
                                         "top_n": count }),
            RerankApi::Voyage => json!({ "model": self.model, "query": query, "documents": texts,
                                         "top_k": count }),
            RerankApi::Tei => json!({ "model": self.model, "query": query, "texts": texts,
                                      "truncate": true }),
        };
        if let Value::Object(fields) = &mut body {
            fields.extend(self.request_fields.clone());
        }
        body.to_string().into_bytes()
    }
}

/// The reranker of `[search.rerank.http]`.
pub(super) struct Http {
    config: RerankHttpConfig,
    fingerprint: String,
    client: Client,
    url: Url,
    stop: Arc<StopSignal>,
}

impl Http {
    /// Returns the reranker without sending anything.
    pub(super) fn new(
        config: &RerankHttpConfig,
        timeout: Duration,
        setting: &Setting,
    ) -> Result<Self, RerankError> {
        let refused = |reason| RerankError::Refused { model: config.model.clone(), reason };
        let options = ClientOptions {
            timeout,
            connections: 1,
            key_env: &config.key_env,
            variables: config.variables(),
        };
        Ok(Self {
            fingerprint: config.fingerprint(),
            client: Client::new(&options, setting).map_err(refused)?,
            url: config.api.url(&config.url).map_err(|error| refused(error.to_string()))?,
            stop: Arc::clone(&setting.stop),
            config: config.clone(),
        })
    }

    /// Sends texts; those that are too many at once in halves.
    fn send(&self, query: &str, texts: &[&str], until: Instant) -> Result<Vec<f32>, Failure> {
        match self.retry(query, texts, until) {
            Err(Failure::Rejected(_)) if texts.len() > 1 => {
                let (first, rest) = texts.split_at(texts.len() / 2);
                let mut scores = self.send(query, first, until)?;
                scores.extend(self.send(query, rest, until)?);
                Ok(scores)
            }
            sent => sent,
        }
    }

    /// Sends one request, again after failures that may pass.
    fn retry(&self, query: &str, texts: &[&str], until: Instant) -> Result<Vec<f32>, Failure> {
        let mut attempts = 0;
        loop {
            let failure = match self.request(query, texts, until) {
                Err(failure @ Failure::Unavailable { .. }) => failure,
                sent => return sent,
            };
            attempts += 1;
            let Failure::Unavailable { retry_after, .. } = &failure else { return Err(failure) };
            let wait = retry_after.unwrap_or_else(|| retry::jittered(attempts));
            let is_late = Instant::now() + wait >= until;
            if attempts == ATTEMPTS_MAX || is_late || self.stop.wait_for(wait) {
                return Err(failure);
            }
        }
    }

    fn request(&self, query: &str, texts: &[&str], until: Instant) -> Result<Vec<f32>, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.unavailable("there is no time left"));
        }
        let body = self.config.body(query, texts);
        let numbers = texts.len() as u64 * NUMBERS_PER_TEXT;
        let response = self.client.post(&self.url, &body, numbers, left)?;
        let asked = retry_after(&response.headers);
        if !(200..300).contains(&response.status) {
            return Err(self.client.failure(&self.url, &response, asked));
        }
        if let Some(status) = status_inside(&response.body) {
            let response = Response { status, ..response };
            return Err(self.client.failure(&self.url, &response, asked));
        }
        read(&response.body, texts.len()).map_err(|unreadable| match unreadable {
            Unreadable::Partial => self.unavailable("its answer ends early"),
            Unreadable::Other(reason) => {
                let (origin, api) = (self.origin(), self.config.api.name());
                let message = format!("{origin}: {reason}; is it a server of api = \"{api}\"?");
                Failure::Refused(self.client.shown(&message))
            }
        })
    }

    fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    fn unavailable(&self, reason: &str) -> Failure {
        let reason = format!("{}: {reason}", self.origin());
        Failure::Unavailable { reason, retry_after: None, is_of_server: true }
    }
}

impl Reranker for Http {
    fn name(&self) -> &str {
        &self.config.model
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn texts_max(&self) -> usize {
        match (self.config.max_batch_texts, self.config.api) {
            (0, RerankApi::Tei) => TEI_TEXTS_MAX,
            (0, _) => TEXTS_MAX,
            (most, _) => most,
        }
    }

    fn scores(&self, query: &str, texts: &[&str], until: Instant) -> Result<Vec<f32>, RerankError> {
        let model = self.config.model.clone();
        self.send(query, texts, until).map_err(|failure| match failure {
            Failure::Unavailable { reason, .. } => RerankError::Unavailable { model, reason },
            Failure::Refused(reason) | Failure::Rejected(reason) => {
                RerankError::Refused { model, reason }
            }
        })
    }
}

/// Why an answer has no scores.
#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    /// It ends early.
    Partial,
    /// It has another form.
    Other(String),
}

/// Reads the answer to a request for `count` texts: a score for each, in their order.
fn read(body: &[u8], count: usize) -> Result<Vec<f32>, Unreadable> {
    let other = |reason: &str| Unreadable::Other(format!("its answer {reason}"));
    let answer: Value = serde_json::from_slice(body).map_err(|error| match error.is_eof() {
        true => Unreadable::Partial,
        false => other(&format!("is not JSON ({error})")),
    })?;
    let list = [&answer, &answer["results"], &answer["data"]].into_iter().find_map(Value::as_array);
    let list = list.ok_or_else(|| other("has no list of results"))?;
    if list.len() != count {
        return Err(other(&format!("has {} scores for {count} texts", list.len())));
    }
    let mut scores = vec![None; count];
    for one in list {
        let index = one["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let Some(place) = index.and_then(|index| scores.get_mut(index)) else {
            return Err(other(&format!("has an index that is none of 0 to {}", count - 1)));
        };
        let score = one["relevance_score"].as_f64().or_else(|| one["score"].as_f64());
        let score = score.map(|score| score as f32).filter(|score| score.is_finite());
        let Some(score) = score else { return Err(other("has a score that is no number")) };
        if place.replace(score).is_some() {
            return Err(other("has an index twice"));
        }
    }
    Ok(scores.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_a_version_and_a_whole_path_are_understood() {
        let check = |api: RerankApi, path: &str, expected: &str| {
            let url = api.url(&format!("https:{}example.org{path}", "//")).expect("it is valid");
            assert_eq!(url.path(), expected, "{api:?} {path}");
        };
        check(RerankApi::Jina, "", "/v1/rerank");
        check(RerankApi::Jina, "/v1/", "/v1/rerank");
        check(RerankApi::Jina, "/api/v1/rerank", "/api/v1/rerank");
        check(RerankApi::Cohere, "/", "/v2/rerank");
        check(RerankApi::Cohere, "/v1", "/v1/rerank");
        check(RerankApi::Voyage, "", "/v1/rerank");
        check(RerankApi::Tei, "", "/rerank");
        check(RerankApi::Tei, "/rerank", "/rerank");
    }

    #[test]
    fn answers_are_sorted_and_checked() {
        let check = |answer: &str, expected: Result<Vec<f32>, &str>| {
            let expected = expected.map_err(|reason| match reason {
                "partial" => Unreadable::Partial,
                reason => Unreadable::Other(format!("its answer {reason}")),
            });
            assert_eq!(read(answer.as_bytes(), 2), expected, "{answer}");
        };
        let right = || Ok(vec![0.25, -4.0]);
        check(
            r#"{"results": [{"index": 1, "relevance_score": -4}, {"index": 0, "relevance_score": 0.25}]}"#,
            right(),
        );
        check(r#"[{"index": 0, "score": 0.25}, {"index": 1, "score": -4}]"#, right());
        check(
            r#"{"data": [{"index": 0, "relevance_score": 0.25}, {"index": 1, "relevance_score": -4}]}"#,
            right(),
        );
        check(r#"[{"index": 0, "score": 0.2"#, Err("partial"));
        check(r#"[{"index": 0, "score": 0.25}]"#, Err("has 1 scores for 2 texts"));
        check("{}", Err("has no list of results"));
        check("[{}, {}]", Err("has an index that is none of 0 to 1"));
        let index = |index: &str| {
            format!(r#"[{{"index": 0, "score": 1}}, {{"index": {index}, "score": 1}}]"#)
        };
        check(&index("2"), Err("has an index that is none of 0 to 1"));
        check(&index("-1"), Err("has an index that is none of 0 to 1"));
        check(&index("0"), Err("has an index twice"));
        let score = |score: &str| {
            format!(r#"[{{"index": 0, "score": {score}}}, {{"index": 1, "score": 1}}]"#)
        };
        for none in ["null", "\"NaN\"", "1e39", "true"] {
            check(&score(none), Err("has a score that is no number"));
        }
        assert!(matches!(read(score("NaN").as_bytes(), 2), Err(Unreadable::Other(_))));
    }
}

//! `[embed.http]`: a model behind a server, at home or at a provider.
//!
//! Each call is one request to one of the servers; the caller retries. Before a server is sent the
//! first text, it is sent a fixed sentence: what it answers shows which optional fields it
//! understands, and whether it still has the model that made the stored vectors.

mod api;
mod client;
mod config;
mod gate;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use self::api::{Form, Unreadable, Vectors};
use self::gate::{Gate, Passed};
use super::{
    Builtin, EmbedError, Embedder, Embeddings, Limits, Model, Role, Setting, embeddings::cosine,
};

pub(crate) use client::{Client, ClientOptions, Failure, Response, status_inside};
pub use config::{Api, HttpConfig, OnTooLong};
pub(crate) use config::{check_url, check_variables};
pub(crate) use gate::retry_after;

/// The sentence whose vector identifies a model.
const PROBE: &str =
    "The harbour master closes the north gate when the tide falls below two metres.";
/// Least cosine of two vectors of it by the same model: machines differ in the last digits.
const SAME_COSINE: f32 = 0.999;
/// Weight in hybrid search of a transformer's cosine.
const HYBRID_WEIGHT: f64 = 1.0;
/// A text is not shortened below so many bytes.
const TRUNCATED_BYTES_MIN: usize = 64;
/// How long a server that failed is avoided if there are others; doubled by each further failure.
const REST_FIRST: Duration = Duration::from_secs(1);
const REST_DOUBLINGS_MAX: u32 = 6;

/// The embedder of `[embed.http]`.
pub struct Http {
    config: HttpConfig,
    model: Model,
    /// Counts tokens.
    builtin: Builtin,
    client: Client,
    servers: Vec<Server>,
    gate: Gate,
    probes: Mutex<Probes>,
}

/// What is known of the vector of [`PROBE`].
#[derive(Default)]
struct Probes {
    /// Of stored vectors, or of the first server that was asked.
    expected: Vec<Vec<f32>>,
    /// As the first server of this process answered.
    found: Option<Vec<f32>>,
}

struct Server {
    url: Url,
    /// What it understands; held while it is being probed.
    form: Mutex<Probed>,
    load: Mutex<Load>,
}

#[derive(Default)]
struct Probed {
    form: Option<Form>,
    /// When a probe failed last, and why: what waited for it does not repeat it.
    failed: Option<(Instant, String)>,
}

#[derive(Default)]
struct Load {
    in_flight: usize,
    failures: u32,
    rests_until: Option<Instant>,
}

impl Http {
    /// Returns the embedder without sending anything.
    pub fn new(config: &HttpConfig, setting: &Setting) -> Result<Self, EmbedError> {
        let refused = |reason| EmbedError::Refused { model: config.model.clone(), reason };
        let server = |url| {
            let url = config.api.url(url, config).map_err(|error| refused(error.to_string()))?;
            Ok(Server { url, form: Mutex::default(), load: Mutex::default() })
        };
        let builtin = Builtin::new();
        let HttpConfig { requests_per_minute, tokens_per_minute, .. } = *config;
        Ok(Self {
            model: Model {
                name: config.model.clone(),
                dim: config.dim,
                fingerprint: config.fingerprint(),
                tokens: builtin.model().tokens,
                hybrid_weight: HYBRID_WEIGHT,
            },
            builtin,
            client: Client::new(&config.client_options(), setting).map_err(refused)?,
            servers: config.servers().map(server).collect::<Result<_, EmbedError>>()?,
            gate: Gate::new(requests_per_minute, tokens_per_minute, Arc::clone(&setting.stop)),
            probes: Mutex::default(),
            config: config.clone(),
        })
    }

    /// Sends `texts` to one server after the other until one is available.
    fn send(&self, texts: &[&str], role: Role) -> Result<Embeddings, Failure> {
        let mut tried = Vec::new();
        loop {
            let (index, server) = self.least_busy(&tried);
            lock(&server.load).in_flight += 1;
            let sent = self.probe(server).and_then(|form| self.request(server, texts, role, form));
            let mut load = lock(&server.load);
            load.in_flight -= 1;
            let is_of_server = matches!(sent, Err(Failure::Unavailable { is_of_server: true, .. }));
            if !is_of_server {
                (load.failures, load.rests_until) = (0, None);
                return sent;
            }
            load.failures += 1;
            let rest = REST_FIRST * 2_u32.pow(load.failures.min(REST_DOUBLINGS_MAX));
            load.rests_until = Some(Instant::now() + rest);
            drop(load);
            tried.push(index);
            let now = Instant::now();
            let is_left = |(index, server): (usize, &Server)| {
                !tried.contains(&index) && lock(&server.load).rests_until.is_none_or(|it| it <= now)
            };
            if !self.servers.iter().enumerate().any(is_left) {
                return sent;
            }
        }
    }

    /// Returns the server with the fewest calls in flight, that has not been tried and does not
    /// rest, if there is one.
    fn least_busy(&self, tried: &[usize]) -> (usize, &Server) {
        let now = Instant::now();
        let order = |(index, server): &(usize, &Server)| {
            let load = lock(&server.load);
            let rest = load.rests_until.map(|until| until.saturating_duration_since(now));
            (tried.contains(index), rest.unwrap_or_default(), load.in_flight, *index)
        };
        self.servers.iter().enumerate().min_by_key(order).unwrap_or((0, &self.servers[0]))
    }

    /// Returns the form of requests to `server`, which has the expected model.
    fn probe(&self, server: &Server) -> Result<Form, Failure> {
        let since = Instant::now();
        let mut probed = lock(&server.form);
        if let Some(form) = probed.form {
            return Ok(form);
        }
        if let Some((failed, reason)) = &probed.failed
            && *failed >= since
        {
            let reason = reason.clone();
            return Err(Failure::Unavailable { reason, retry_after: None, is_of_server: true });
        }
        match self.find_form(server) {
            Ok((form, vector)) => {
                self.recognise(vector).map_err(Failure::Refused)?;
                probed.form = Some(form);
                Ok(form)
            }
            Err(failure) => {
                if let Failure::Unavailable { reason, .. } = &failure {
                    probed.failed = Some((Instant::now(), reason.clone()));
                }
                Err(failure)
            }
        }
    }

    /// Returns the first form that `server` takes, with the vector of [`PROBE`].
    fn find_form(&self, server: &Server) -> Result<(Form, Vec<f32>), Failure> {
        let mut rejected = String::new();
        for form in self.config.api.forms() {
            match self.request(server, &[PROBE], Role::Document, *form) {
                Ok(embeddings) => {
                    let vector = embeddings.rows().next().map(<[f32]>::to_vec);
                    return Ok((*form, vector.unwrap_or_default()));
                }
                Err(Failure::Rejected(reason)) => rejected = reason,
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Refused(format!("{rejected}; not even one short text is taken")))
    }

    /// Returns what is wrong if `vector`, of [`PROBE`], is not that of the expected model.
    fn recognise(&self, vector: Vec<f32>) -> Result<(), String> {
        let mut probes = lock(&self.probes);
        let cosines = probes.expected.iter().map(|expected| cosine(expected, &vector));
        if let Some(least) = cosines.min_by(f32::total_cmp)
            && (least < SAME_COSINE || least.is_nan())
        {
            return Err(format!(
                "the server has another model under this name: the vector of a fixed sentence has changed (cosine \
                 {least:.3}); go back to the model, or set `revision` in [embed.http] to embed everything again"
            ));
        }
        if probes.found.is_none() {
            probes.expected.push(vector.clone());
            probes.found = Some(vector);
        }
        Ok(())
    }

    /// Sends one request.
    fn request(
        &self,
        server: &Server,
        texts: &[&str],
        role: Role,
        form: Form,
    ) -> Result<Embeddings, Failure> {
        let prefix = match role {
            Role::Document => &self.config.document_prefix,
            Role::Query => &self.config.query_prefix,
        };
        let texts: Vec<Cow<'_, str>> = match prefix.as_str() {
            "" => texts.iter().map(|text| Cow::Borrowed(*text)).collect(),
            prefix => texts.iter().map(|text| Cow::Owned(format!("{prefix}{text}"))).collect(),
        };
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        self.pass_gate(&texts, role)?;
        let body = self.config.api.body(&self.config, &texts, role, form);
        let sent = Instant::now();
        let limit = self.config.time_limit(role == Role::Query);
        let numbers = (texts.len() * self.config.dim) as u64;
        let response = self.client.post(&server.url, &body, numbers, limit)?;
        let asked = self.gate.learn(sent, response.status, &response.headers);
        if !(200..300).contains(&response.status) {
            return Err(self.client.failure(&server.url, &response, asked));
        }
        match self.config.api.read(&response.body, texts.len()) {
            Ok(vectors) => self.embeddings(vectors, texts.len()),
            Err(Unreadable::Partial) => Err(Failure::Unavailable {
                reason: format!(
                    "{}: its answer ends early",
                    server.url.origin().ascii_serialization()
                ),
                retry_after: None,
                is_of_server: true,
            }),
            Err(Unreadable::Other(reason)) => match status_inside(&response.body) {
                Some(status) => {
                    let response = Response { status, ..response };
                    Err(self.client.failure(&server.url, &response, asked))
                }
                None => Err(self.unreadable(&server.url, &reason)),
            },
        }
    }

    /// Returns the failure of an answer of another form.
    fn unreadable(&self, url: &Url, reason: &str) -> Failure {
        let (origin, api) = (url.origin().ascii_serialization(), self.config.api.name());
        let message = format!("{origin}: {reason}; is it a server of api = \"{api}\"?");
        Failure::Refused(self.client.shown(&message))
    }

    fn pass_gate(&self, texts: &[&str], role: Role) -> Result<(), Failure> {
        let count = |text: &&str| self.builtin.count_tokens(text) as u64;
        let tokens = if self.gate.counts_tokens() { texts.iter().map(count).sum() } else { 0 };
        let patience = match role {
            Role::Document => self.config.patience(),
            Role::Query => self.config.time_limit(true),
        };
        let (reason, retry_after) = match self.gate.pass(tokens, patience) {
            Passed::Yes => return Ok(()),
            Passed::Stopped => ("the run is stopped".to_owned(), None),
            Passed::TooLong(pause) => {
                (format!("it asks to wait for {} s", pause.as_secs()), Some(pause))
            }
        };
        Err(Failure::Unavailable { reason, retry_after, is_of_server: false })
    }

    /// Checks the shape of an answer for `count` texts.
    fn embeddings(&self, vectors: Vectors, count: usize) -> Result<Embeddings, Failure> {
        let Vectors { rows, tokens } = vectors;
        let dim = self.config.dim;
        if rows.len() != count {
            let reason = format!("its answer has {} vectors for {count} texts", rows.len());
            return Err(Failure::Refused(reason));
        }
        if let Some(row) = rows.iter().find(|row| row.len() != dim) {
            let reason = format!(
                "its vectors have {} components: set `dim` to that, not to {dim}",
                row.len()
            );
            return Err(Failure::Refused(reason));
        }
        if rows.iter().flatten().any(|value| !value.is_finite()) {
            let reason = "its answer has a component that is no number".to_owned();
            return Err(Failure::Refused(reason));
        }
        if rows.iter().any(|row| row.iter().all(|value| *value == 0.0)) {
            return Err(Failure::Refused("its answer has a vector that is all zero".to_owned()));
        }
        Ok(Embeddings::new(dim, rows.concat()).with_tokens(tokens))
    }

    /// Sends one text, shorter and shorter until it is taken.
    fn send_shortened(
        &self,
        text: &str,
        role: Role,
        rejected: Failure,
    ) -> Result<Embeddings, Failure> {
        let mut length = text.len();
        loop {
            length = text.floor_char_boundary(length / 4 * 3);
            if length < TRUNCATED_BYTES_MIN {
                return Err(rejected);
            }
            match self.send(&[&text[..length]], role) {
                Err(Failure::Rejected(_)) => {}
                sent => return sent,
            }
        }
    }
}

impl Embedder for Http {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.builtin.count_tokens(text)
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Embeddings, EmbedError> {
        let sent = match self.send(texts, role) {
            Err(rejected @ Failure::Rejected(_))
                if texts.len() == 1 && self.config.on_too_long == OnTooLong::Truncate =>
            {
                self.send_shortened(texts[0], role, rejected)
            }
            sent => sent,
        };
        let model = self.model.name.clone();
        sent.map_err(|failure| match failure {
            Failure::Unavailable { reason, retry_after, .. } => {
                EmbedError::Unavailable { model, reason, retry_after }
            }
            Failure::Refused(reason) => EmbedError::Refused { model, reason },
            Failure::Rejected(reason) => EmbedError::BadInput { model, reason },
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            texts: self.config.max_batch_texts,
            tokens: self.config.max_batch_tokens,
            in_flight: self.config.concurrency,
            is_remote: true,
            patience: Some(self.config.patience()),
        }
    }

    fn probe(&self) -> Option<Vec<f32>> {
        lock(&self.probes).found.clone()
    }

    fn expect_probe(&self, vector: Vec<f32>) {
        lock(&self.probes).expected.push(vector);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

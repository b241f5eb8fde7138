//! A model behind a server on loopback: answers as OpenAI's do, with the vectors of `[embed.hash]`,
//! unless its script says otherwise.

use std::sync::{Arc, Mutex};

use kbingest::embed::{Embedder, Hash, Role};
use serde_json::{Value, json};

use crate::web::server::{Asked, Reply, Server};

/// Components of a vector.
pub const DIM: usize = 16;
/// What each server is sent first.
pub const PROBE: &str = "The harbour master closes";

/// What a server answers to a request; gets the number of earlier requests.
type Script = dyn Fn(usize, &Request) -> Answer + Send + Sync;

/// A request for vectors.
#[derive(Clone, Debug)]
pub struct Request {
    pub asked: Asked,
    pub body: Value,
    pub texts: Vec<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The right one.
    Right,
    /// The right one, changed.
    Changed(fn(&mut Value)),
    Other(Reply),
}

/// A server whose requests are recorded with whether they were answered right.
pub struct ModelServer {
    pub server: Server,
    requests: Arc<Mutex<Vec<(Request, bool)>>>,
    script: Arc<Mutex<Box<Script>>>,
}

impl ModelServer {
    pub fn start() -> Self {
        let server = Server::start();
        let requests: Arc<Mutex<Vec<(Request, bool)>>> = Arc::default();
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(|_, _| Answer::Right)));
        let (known, decide) = (Arc::clone(&requests), Arc::clone(&script));
        server.handle(move |asked, _| {
            let body: Value = serde_json::from_slice(&asked.body).ok()?;
            let texts: Vec<String> = serde_json::from_value(body["input"].clone()).ok()?;
            let request = Request { asked: asked.clone(), body, texts };
            let number = {
                let mut known = known.lock().unwrap();
                known.push((request.clone(), false));
                known.len() - 1
            };
            let answer = decide.lock().unwrap()(number, &request);
            let is_right = !matches!(answer, Answer::Other(_));
            known.lock().unwrap()[number].1 = is_right;
            Some(reply(&request, answer))
        });
        Self { server, requests, script }
    }

    /// Answers as `script` says from now on.
    pub fn answer(&self, script: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Returns the requests since the last call, each with whether it was answered.
    pub fn take(&self) -> Vec<(Request, bool)> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// Returns the texts that were answered since the last call, sorted, without those of probes.
    pub fn take_texts(&self) -> Vec<String> {
        let answered = self.take().into_iter().filter(|(_, is_right)| *is_right);
        let texts = answered.flat_map(|(request, _)| request.texts);
        let mut texts: Vec<_> = texts.filter(|text| !text.starts_with(PROBE)).collect();
        texts.sort();
        texts
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Returns settings for this server, with more `keys`.
    pub fn settings(&self, keys: &str) -> String {
        let url = self.server.url("");
        format!(
            "[kb]\npath = 'kb.kb'\n[[source.directory]]\nname = 'docs'\npath = 'docs'\n[chunk]\nmax_tokens = 64\n\
             [embed]\ncache = ''\n[embed.http]\nurl = '{url}'\nmodel = 'test'\ndim = {DIM}\n{keys}\n"
        )
    }
}

/// Returns the right vectors.
pub fn vectors(texts: &[String]) -> Vec<Vec<f32>> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let embeddings = Hash::new(DIM).embed(&texts, Role::Document).unwrap();
    embeddings.rows().map(<[f32]>::to_vec).collect()
}

pub fn json_reply(status: u16, body: &Value) -> Reply {
    Reply::new(status, "application/json", body.to_string())
}

fn reply(request: &Request, answer: Answer) -> Reply {
    let data: Vec<_> = vectors(&request.texts)
        .into_iter()
        .enumerate()
        .map(|(index, vector)| json!({ "index": index, "embedding": vector }))
        .collect();
    let words = |text: &String| text.split_whitespace().count();
    let tokens: usize = request.texts.iter().map(words).sum();
    let mut body = json!({ "data": data, "usage": { "total_tokens": tokens } });
    match answer {
        Answer::Right => {}
        Answer::Changed(change) => change(&mut body),
        Answer::Other(reply) => return reply,
    }
    json_reply(200, &body)
}

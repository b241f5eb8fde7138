//! The forms of requests and answers: those of OpenAI, which most servers speak, of Ollama, Cohere
//! and Gemini.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::config::{Api, HttpConfig};
use crate::embed::Role;

/// The optional fields that a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// The number of components.
    dim: bool,
    /// Vectors as base64.
    base64: bool,
}

/// An answer: a row for each text, in their order.
#[derive(Debug, PartialEq)]
pub(super) struct Vectors {
    pub(super) rows: Vec<Vec<f32>>,
    /// The tokens that the server counts, if it says so.
    pub(super) tokens: Option<u64>,
}

/// Why an answer is no [`Vectors`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It ends early.
    Partial,
    /// It has another form.
    Other(String),
}

impl Api {
    /// Returns the forms to try, the most useful first.
    pub(super) fn forms(self) -> &'static [Form] {
        const ALL: [Form; 4] = [
            Form { dim: true, base64: true },
            Form { dim: false, base64: true },
            Form { dim: true, base64: false },
            Form { dim: false, base64: false },
        ];
        match self {
            Self::Openai => &ALL,
            _ => &ALL[2..],
        }
    }

    /// Returns the URL of requests to the server at `base`.
    pub(super) fn url(self, base: &str, config: &HttpConfig) -> Result<Url, url::ParseError> {
        let mut url = Url::parse(base)?;
        let path = url.path().trim_end_matches('/').to_owned();
        let (version, action) = match self {
            Self::Openai => ("/v1", "/embeddings".to_owned()),
            Self::Ollama => ("/api", "/embed".to_owned()),
            Self::Cohere => ("/v2", "/embed".to_owned()),
            Self::Gemini => {
                ("/v1beta", format!("/models/{}:batchEmbedContents", bare_model(&config.model)))
            }
        };
        if !path.ends_with(&action) {
            let version = if path.is_empty() { version } else { "" };
            url.set_path(&format!("{path}{version}{action}"));
        }
        if !config.api_version.is_empty() {
            url.query_pairs_mut().append_pair("api-version", &config.api_version);
        }
        Ok(url)
    }

    /// Returns the body of a request for `texts`.
    pub(super) fn body(
        self,
        config: &HttpConfig,
        texts: &[&str],
        role: Role,
        form: Form,
    ) -> Vec<u8> {
        let mut body = match self {
            Self::Openai => json!({ "model": config.model, "input": texts }),
            Self::Ollama => json!({ "model": config.model, "input": texts, "truncate": false }),
            Self::Cohere => json!({
                "model": config.model,
                "texts": texts,
                "input_type": match role {
                    Role::Document => "search_document",
                    Role::Query => "search_query",
                },
                "embedding_types": ["float"],
                "truncate": "NONE",
            }),
            Self::Gemini => return gemini_body(config, texts, role, form),
        };
        if let Value::Object(fields) = &mut body {
            if form.dim {
                let name = if self == Self::Cohere { "output_dimension" } else { "dimensions" };
                fields.insert(name.to_owned(), config.dim.into());
            }
            if form.base64 {
                fields.insert("encoding_format".to_owned(), "base64".into());
            }
            fields.extend(own_fields(config, role).clone());
        }
        body.to_string().into_bytes()
    }

    /// Reads the answer to a request for `count` texts.
    pub(super) fn read(self, body: &[u8], count: usize) -> Result<Vectors, Unreadable> {
        match self {
            Self::Openai => read_openai(parse(body)?, count),
            Self::Ollama => {
                let Ollama { embeddings, prompt_eval_count } = parse(body)?;
                Ok(Vectors { rows: embeddings, tokens: prompt_eval_count })
            }
            Self::Cohere => {
                let Cohere { embeddings, meta } = parse(body)?;
                let tokens = meta.billed_units.input_tokens.map(|tokens| tokens as u64);
                Ok(Vectors { rows: embeddings.float, tokens })
            }
            Self::Gemini => {
                let Gemini { embeddings } = parse(body)?;
                let rows = embeddings.into_iter().map(|row| row.values).collect();
                Ok(Vectors { rows, tokens: None })
            }
        }
    }
}

fn own_fields(config: &HttpConfig, role: Role) -> &Map<String, Value> {
    match role {
        Role::Document => &config.document_fields,
        Role::Query => &config.query_fields,
    }
}

fn bare_model(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

fn gemini_body(config: &HttpConfig, texts: &[&str], role: Role, form: Form) -> Vec<u8> {
    let request = |text: &&str| {
        let mut request = json!({
            "model": format!("models/{}", bare_model(&config.model)),
            "content": { "parts": [{ "text": text }] },
            "taskType": match role {
                Role::Document => "RETRIEVAL_DOCUMENT",
                Role::Query => "RETRIEVAL_QUERY",
            },
        });
        if let Value::Object(fields) = &mut request {
            if form.dim {
                fields.insert("outputDimensionality".to_owned(), config.dim.into());
            }
            fields.extend(own_fields(config, role).clone());
        }
        request
    };
    let requests: Vec<_> = texts.iter().map(request).collect();
    json!({ "requests": requests }).to_string().into_bytes()
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| match error.is_eof() {
        true => Unreadable::Partial,
        false => Unreadable::Other(error.to_string()),
    })
}

#[derive(Deserialize)]
struct OpenAi {
    data: Vec<Datum>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Datum {
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vector {
    Base64(String),
    Numbers(Vec<f32>),
}

#[derive(Default, Deserialize)]
struct Usage {
    total_tokens: Option<u64>,
    prompt_tokens: Option<u64>,
}

fn read_openai(answer: OpenAi, count: usize) -> Result<Vectors, Unreadable> {
    let mut rows = vec![Vec::new(); count];
    let mut is_known = vec![false; count];
    let found = answer.data.len();
    for (place, Datum { index, embedding }) in answer.data.into_iter().enumerate() {
        let index = index.unwrap_or(place);
        let first = is_known.get_mut(index).is_some_and(|known| !std::mem::replace(known, true));
        if !first {
            let reason =
                format!("its answer has {found} vectors for {count} texts, or indexes that repeat");
            return Err(Unreadable::Other(reason));
        }
        rows[index] = match embedding {
            Vector::Numbers(numbers) => numbers,
            Vector::Base64(text) => floats(&text)?,
        };
    }
    if found != count {
        let reason = format!("its answer has {found} vectors for {count} texts");
        return Err(Unreadable::Other(reason));
    }
    let Usage { total_tokens, prompt_tokens } = answer.usage;
    Ok(Vectors { rows, tokens: total_tokens.or(prompt_tokens) })
}

/// Decodes little-endian floats.
fn floats(text: &str) -> Result<Vec<f32>, Unreadable> {
    let wrong =
        || Unreadable::Other("its answer has a vector that is not base64 of floats".to_owned());
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| wrong())?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[derive(Deserialize)]
struct Ollama {
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<u64>,
}

#[derive(Deserialize)]
struct Cohere {
    embeddings: CohereRows,
    #[serde(default)]
    meta: CohereMeta,
}

#[derive(Deserialize)]
struct CohereRows {
    float: Vec<Vec<f32>>,
}

#[derive(Default, Deserialize)]
struct CohereMeta {
    #[serde(default)]
    billed_units: CohereUnits,
}

#[derive(Default, Deserialize)]
struct CohereUnits {
    input_tokens: Option<f64>,
}

#[derive(Deserialize)]
struct Gemini {
    embeddings: Vec<GeminiRow>,
}

#[derive(Deserialize)]
struct GeminiRow {
    values: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(api: &str, more: &str) -> HttpConfig {
        let text = format!(
            "url = 'http:{}example.org'\nmodel = 'm'\ndim = 2\napi = '{api}'\n{more}",
            "//"
        );
        toml::from_str(&text).expect("it is valid")
    }

    #[test]
    fn a_base_a_version_and_a_whole_path_are_understood() {
        let check = |api: &str, more: &str, path: &str, expected: &str| {
            let config = config(api, more);
            let url = config.api.url(&format!("https:{}example.org{path}", "//"), &config).unwrap();
            let shown = &url[url::Position::BeforePath..];
            assert_eq!(shown, expected, "{api} {path}");
        };
        check("openai", "", "", "/v1/embeddings");
        check("openai", "", "/", "/v1/embeddings");
        check("openai", "", "/v1", "/v1/embeddings");
        check("openai", "", "/v1/", "/v1/embeddings");
        check("openai", "", "/v1/embeddings", "/v1/embeddings");
        check("openai", "", "/openai/deployments/m", "/openai/deployments/m/embeddings");
        let azure = "api_version = '2024-02-01'";
        check("openai", azure, "/x", "/x/embeddings?api-version=2024-02-01");
        check("ollama", "", "", "/api/embed");
        check("ollama", "", "/api", "/api/embed");
        check("ollama", "", "/api/embed", "/api/embed");
        check("cohere", "", "", "/v2/embed");
        check("gemini", "", "", "/v1beta/models/m:batchEmbedContents");
    }

    #[test]
    fn requests_have_the_fields_of_their_api() {
        let check = |api: &str, role: Role, expected: Value| {
            let config = config(api, "query_fields = { input_type = 'query', n = 1 }");
            let body = config.api.body(&config, &["a"], role, config.api.forms()[0]);
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected, "{api}");
        };
        check(
            "openai",
            Role::Query,
            json!({ "model": "m", "input": ["a"], "dimensions": 2, "encoding_format": "base64",
                    "input_type": "query", "n": 1 }),
        );
        check(
            "ollama",
            Role::Document,
            json!({ "model": "m", "input": ["a"], "dimensions": 2, "truncate": false }),
        );
        check(
            "cohere",
            Role::Document,
            json!({ "model": "m", "texts": ["a"], "input_type": "search_document", "truncate": "NONE",
                    "embedding_types": ["float"], "output_dimension": 2 }),
        );
        check(
            "gemini",
            Role::Document,
            json!({ "requests": [{ "model": "models/m", "content": { "parts": [{ "text": "a" }] },
                    "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 2 }] }),
        );
    }

    #[test]
    fn answers_are_sorted_and_checked() {
        let check = |api: Api, answer: Value, expected: Result<Vectors, Unreadable>| {
            assert_eq!(api.read(answer.to_string().as_bytes(), 2), expected, "{answer}");
        };
        let rows = |tokens| Ok(Vectors { rows: vec![vec![1.0, 0.5], vec![0.0, -1.0]], tokens });
        let [a, b] = [[1.0, 0.5], [0.0, -1.0]];
        let encoded =
            BASE64_STANDARD.encode([1.0_f32.to_le_bytes(), 0.5_f32.to_le_bytes()].concat());
        check(
            Api::Openai,
            json!({ "data": [{ "index": 1, "embedding": b }, { "index": 0, "embedding": encoded }],
                    "usage": { "prompt_tokens": 3, "total_tokens": 4 } }),
            rows(Some(4)),
        );
        check(Api::Openai, json!({ "data": [{ "embedding": a }, { "embedding": b }] }), rows(None));
        check(Api::Ollama, json!({ "embeddings": [a, b], "prompt_eval_count": 7 }), rows(Some(7)));
        check(
            Api::Cohere,
            json!({ "embeddings": { "float": [a, b] }, "meta": { "billed_units": { "input_tokens": 5.0 } } }),
            rows(Some(5)),
        );
        check(Api::Gemini, json!({ "embeddings": [{ "values": a }, { "values": b }] }), rows(None));
        let other = |reason: &str| Err(Unreadable::Other(reason.to_owned()));
        check(
            Api::Openai,
            json!({ "data": [{ "index": 0, "embedding": a }] }),
            other("its answer has 1 vectors for 2 texts"),
        );
        check(
            Api::Openai,
            json!({ "data": [{ "index": 0, "embedding": a }, { "index": 0, "embedding": b }] }),
            other("its answer has 2 vectors for 2 texts, or indexes that repeat"),
        );
        check(
            Api::Openai,
            json!({ "data": [{ "embedding": "AAAA" }, { "embedding": b }] }),
            other("its answer has a vector that is not base64 of floats"),
        );
        assert_eq!(Api::Ollama.read(br#"{"embeddings": [[1.0, "#, 2), Err(Unreadable::Partial));
    }
}

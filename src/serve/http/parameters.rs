//! Questions as query strings and bodies.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::serve::refusal::Refusal;

/// Limit on a query string, in bytes.
const QUERY_STRING_BYTES_MAX: usize = 32 << 10;
/// Parameters that are numbers.
const NUMBERS: [&str; 6] = ["k", "context", "limit", "min_score", "line", "end"];

/// Parses a query string into the arguments `A`: `path` may be repeated, and so may `meta`, as in
/// `meta=author=Ann Lee`; `q` is short for `query`.
pub fn of_query_string<A: DeserializeOwned>(text: &str) -> Result<A, Refusal> {
    if text.len() > QUERY_STRING_BYTES_MAX {
        return Err(Refusal::bad_request("the query string is too long; POST takes longer ones"));
    }
    let mut arguments = Map::new();
    for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let known = match &*key {
            "q" => "query",
            "meta" => "metadata",
            key => key,
        };
        match known {
            "path" => {
                let paths = arguments.entry("path").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(paths) = paths {
                    paths.push(value.into());
                }
            }
            "metadata" => {
                let Some((key, value)) = value.split_once('=') else {
                    return Err(Refusal::bad_request("meta needs a key and a value, as in tags=a"));
                };
                let all = arguments.entry("metadata").or_insert_with(|| Map::new().into());
                if let Value::Object(all) = all {
                    all.insert(key.to_owned(), value.into());
                }
            }
            name => {
                let value = match NUMBERS.contains(&name) {
                    true => serde_json::from_str(&value)
                        .map_err(|_| Refusal::bad_request(format!("{name} must be a number")))?,
                    false => Value::from(value),
                };
                if arguments.insert(name.to_owned(), value).is_some() {
                    return Err(Refusal::bad_request(format!("{name} is given twice")));
                }
            }
        }
    }
    serde_json::from_value(arguments.into()).map_err(Refusal::bad_request)
}

/// Parses a body into the arguments `A`.
pub fn of_body<A: DeserializeOwned>(body: &[u8]) -> Result<A, Refusal> {
    serde_json::from_slice(body).map_err(Refusal::bad_request)
}

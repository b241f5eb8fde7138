//! The description of the routes, in the form of OpenAPI 3.1.

use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::serve::refusal::Refusal;
use crate::serve::tools::{ListAnswer, SearchArguments};

const KB: (&str, &str) = ("kb", "Name of the knowledge base; needed if there are several");
const FILTERS: [(&str, &str); 4] = [
    ("source", "Only documents of this source"),
    ("path", "Only documents whose URI matches this glob; may be repeated"),
    ("after", "Only documents dated this day or later"),
    ("before", "Only documents dated before this day"),
];
const OF_SEARCH: [(&str, &str); 7] = [
    ("q", "A question, or words to find"),
    KB,
    ("k", "Number of hits, 1 to 100; default 8"),
    ("mode", "hybrid, text or vector"),
    ("meta", "Only documents with this in their metadata, as in tags=boats; may be repeated"),
    ("context", "Neighbouring chunks on each side of a hit"),
    ("min_score", "Only hits with at least this score"),
];
const OF_LIST: [(&str, &str); 3] =
    [KB, ("limit", "Documents of a page, 1 to 1000"), ("cursor", "`next_cursor` of a page")];
const OF_DOCUMENT: [(&str, &str); 3] = [
    ("kb", "Name of the knowledge base"),
    ("source", "Name of the source"),
    ("uri", "URI of the document, percent-encoded; slashes may stay"),
];

const OF_RUNS: [(&str, &str); 2] = [KB, ("limit", "Number of runs, 1 to 1000; default 20")];

/// Returns the description.
pub fn document() -> Value {
    let of_search = parameters("query", &[&OF_SEARCH[..], &FILTERS].concat());
    let of_list = parameters("query", &[&OF_LIST[..], &FILTERS].concat());
    let of_document = parameters("path", &OF_DOCUMENT);
    let of_run = parameters("path", &[("id", "Number of the run")]);
    let any = json!({"type": "object"});
    json!({
        "openapi": "3.1.0",
        "info": {"title": "kbingest", "version": env!("CARGO_PKG_VERSION")},
        "components": {"schemas": {"Error": schema::<Refusal>()}},
        "paths": {
            "/search": {
                "get": operation("Finds passages; the report of `kbingest search --json`", of_search, &any),
                "post": {
                    "summary": "The same with arguments as JSON",
                    "requestBody": {"content": content(&schema::<SearchArguments>())},
                    "responses": responses(&any),
                },
            },
            "/documents": {
                "get": operation("Lists documents", of_list, &schema::<ListAnswer>()),
            },
            "/documents/{kb}/{source}/{uri}": {
                "get": {
                    "summary": "The text of a document",
                    "parameters": of_document.clone(),
                    "responses": {"200": {"description": "Text", "content": {"text/plain": {}}}},
                },
            },
            "/chunks/{kb}/{source}/{uri}": {
                "get": operation("The chunks of a document", of_document, &any),
            },
            "/status": {
                "get": operation("The reports of `kbingest status --json`", parameters("query", &[KB]), &any),
            },
            "/runs": {
                "get": operation("Lists runs, newest first", parameters("query", &OF_RUNS), &any),
                "post": operation("Starts a run, with --allow-runs", parameters("query", &[KB]), &any),
            },
            "/runs/{id}": {"get": operation("A run", of_run.clone(), &any)},
            "/runs/{id}/cancel": {
                "post": operation("Stops a run, with --allow-runs", of_run, &any),
            },
            "/healthz": {"get": operation("Whether all knowledge bases can be read", json!([]), &any)},
            "/metrics": {
                "get": {
                    "summary": "Counters for Prometheus",
                    "responses": {"200": {"description": "Text", "content": {"text/plain": {}}}},
                },
            },
        },
    })
}

fn parameters(place: &str, pairs: &[(&str, &str)]) -> Value {
    let parameter = |(name, about): &(&str, &str)| {
        json!({
            "name": name, "in": place, "required": place == "path",
            "description": about, "schema": {"type": "string"},
        })
    };
    pairs.iter().map(parameter).collect()
}

fn schema<T: JsonSchema>() -> Value {
    // Without references into a schema of its own: the description has another root.
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
    }
    schema
}

fn content(schema: &Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn responses(schema: &Value) -> Value {
    json!({
        "200": {"description": "The answer", "content": content(schema)},
        "default": {
            "description": "An error",
            "content": content(&json!({"$ref": "#/components/schemas/Error"})),
        },
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a literal of the caller")]
fn operation(summary: &str, parameters: Value, schema: &Value) -> Value {
    json!({"summary": summary, "parameters": parameters, "responses": responses(schema)})
}

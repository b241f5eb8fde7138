//! The routes, and what surrounds all of them: the guard, limits, counters, and headers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, RawQuery, Request, State as From};
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::answers::{Answer, Shared, answer, work};
use super::{BODY_BYTES_MAX, openapi, pages, parameters, runs};
use crate::kb::ListPlace;
use crate::operations;
use crate::serve::mcp::Mcp;
use crate::serve::refusal::{Refusal, RefusalCode};
use crate::serve::tools::{self, ListArguments, SearchArguments, StatusArguments};

/// How long a request may take.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// How long the body of a request may take to arrive.
const BODY_MAX: Duration = Duration::from_secs(10);
/// Limit on the requests at work or waiting for a thread.
const REQUESTS_MAX: usize = 128;
/// Nothing of a document is rendered, loaded or run.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
const TEXT: &str = "text/plain; charset=utf-8";

/// Returns all routes.
pub fn router(state: Shared, mcp: StreamableHttpService<Mcp, NeverSessionManager>) -> Router {
    let watched =
        Watched { state: Arc::clone(&state), at_work: Arc::new(Semaphore::new(REQUESTS_MAX)) };
    Router::new()
        .route("/search", get(search).post(search_by_body))
        .route("/documents", get(documents))
        .route("/documents/{kb}/{source}/{*uri}", get(document))
        .route("/chunks/{kb}/{source}/{*uri}", get(chunks))
        .route("/status", get(status))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(async || answer(&openapi::document())))
        .route_service("/mcp", mcp)
        .merge(pages::routes())
        .merge(runs::routes())
        .fallback(async || {
            refusal(RefusalCode::NotFound, "there is no such route; see /openapi.json")
        })
        .method_not_allowed_fallback(async || {
            refusal(
                RefusalCode::MethodNotAllowed,
                "this route has no such method; see /openapi.json",
            )
        })
        .layer(from_fn_with_state(watched, watch))
        .with_state(state)
}

/// What surrounds all routes.
#[derive(Clone)]
struct Watched {
    state: Shared,
    at_work: Arc<Semaphore>,
}

/// Answers a request that is allowed and has arrived, counts it, and adds the headers of every
/// answer.
async fn watch(From(watched): From<Watched>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.uri().path().to_owned();
    let mut response = match watched.state.guard.check(&path, request.headers()) {
        Err(refusal) => refusal.into_response(),
        Ok(()) => match arrived(request).await {
            Err(refusal) => refusal.into_response(),
            Ok(request) => run(&watched.at_work, request, next).await,
        },
    };
    watched.state.metrics.count(&path, response.status().as_u16(), began.elapsed());
    let headers = response.headers_mut();
    // Pages have a policy of their own.
    let policy = HeaderValue::from_static(POLICY);
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Reads the body of a request: one that arrives slowly is not at work, and hinders no other.
async fn arrived(request: Request) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    let whole = tokio::time::timeout(BODY_MAX, to_bytes(body, BODY_BYTES_MAX)).await;
    let late = |_| refusal(RefusalCode::Timeout, "the body of the request arrives too slowly");
    // If the connection broke, nobody reads the answer.
    let large = |_| refusal(RefusalCode::TooLarge, "the body of the request is too long");
    Ok(Request::from_parts(parts, Body::from(whole.map_err(late)?.map_err(large)?)))
}

async fn run(at_work: &Semaphore, request: Request, next: Next) -> Response {
    let Ok(_at_work) = at_work.try_acquire() else {
        return refusal(RefusalCode::Busy, "too many requests at once").into_response();
    };
    let answer = tokio::time::timeout(REQUEST_MAX, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        refusal(RefusalCode::Timeout, "the answer took too long").into_response()
    })
}

async fn search(From(state): From<Shared>, RawQuery(query): RawQuery) -> Answer {
    let arguments = parameters::of_query_string(&query.unwrap_or_default())?;
    found(state, arguments).await
}

async fn search_by_body(From(state): From<Shared>, body: Bytes) -> Answer {
    found(state, parameters::of_body(&body)?).await
}

/// Answers as `kbingest search --json` does.
async fn found(state: Shared, arguments: SearchArguments) -> Answer {
    work(move || {
        if arguments.max_tokens.is_some() {
            return Err(Refusal::bad_request("max_tokens is for agents, at /mcp"));
        }
        let mut query = tools::query(&arguments)?;
        query.show.marks = true;
        let base = state.bases.named_or_only(arguments.kb.as_deref())?;
        let mut report = base.with(|searcher| operations::search_with(searcher, &query))?;
        // Where the file is, is nobody's business.
        report.knowledge_base = PathBuf::from(&base.name);
        if let Some(least) = arguments.min_score {
            report.hits.retain(|hit| hit.score >= least);
        }
        Ok(answer(&report))
    })
    .await
}

async fn documents(From(state): From<Shared>, RawQuery(query): RawQuery) -> Answer {
    let arguments: ListArguments = parameters::of_query_string(&query.unwrap_or_default())?;
    let arguments = ListArguments { max_tokens: Some(tools::TOKENS_MAX), ..arguments };
    work(move || Ok(answer(&tools::list(&state.bases, &arguments)?))).await
}

async fn document(
    From(state): From<Shared>,
    Path((kb, source, uri)): Path<(String, String, String)>,
) -> Answer {
    work(move || {
        let document = tools::whole(&state.bases, &kb, &ListPlace { source, uri })?;
        Ok(([(CONTENT_TYPE, TEXT)], document.text).into_response())
    })
    .await
}

async fn chunks(
    From(state): From<Shared>,
    Path((kb, source, uri)): Path<(String, String, String)>,
) -> Answer {
    work(move || {
        let place = ListPlace { source, uri };
        let document = tools::whole(&state.bases, &kb, &place)?;
        let chunks = document.passages.iter().map(|one| {
            json!({
                "key": one.key,
                "heading_path": one.heading_path,
                "start_line": one.start_line,
                "end_line": one.end_line,
                "start_byte": one.start_byte,
                "end_byte": one.end_byte,
                "text": document.text_of(one),
            })
        });
        Ok(answer(&json!({
            "schema": 1,
            "knowledge_base": kb,
            "source": place.source,
            "uri": place.uri,
            "title": document.title,
            "date": document.date.map(|day| day.to_string()),
            "lines_in": document.lines_in,
            "chunks": chunks.collect::<Value>(),
        })))
    })
    .await
}

async fn status(From(state): From<Shared>, RawQuery(query): RawQuery) -> Answer {
    let StatusArguments { kb } = parameters::of_query_string(&query.unwrap_or_default())?;
    work(move || {
        let bases = match &kb {
            Some(name) => std::slice::from_ref(state.bases.named(name)?),
            None => state.bases.all(),
        };
        let mut reports = Vec::new();
        for base in bases {
            let mut report = operations::status(base.target())?;
            report.knowledge_base = PathBuf::from(&base.name);
            reports.push(report);
        }
        Ok(answer(&json!({"schema": 1, "knowledge_bases": reports})))
    })
    .await
}

async fn health(From(state): From<Shared>) -> Answer {
    work(move || {
        for base in state.bases.all() {
            base.with(|_| Ok(())).map_err(|_| Refusal {
                code: RefusalCode::Unavailable,
                message: format!("{} cannot be read", base.name),
            })?;
        }
        Ok(answer(&json!({"status": "ok"})))
    })
    .await
}

async fn metrics(From(state): From<Shared>) -> Answer {
    work(move || {
        let status = tools::status(&state.bases, &StatusArguments::default())?;
        let text = state.metrics.text(&status);
        Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
    })
    .await
}

fn refusal(code: RefusalCode, message: &str) -> Refusal {
    Refusal { code, message: message.to_owned() }
}

//! The routes of runs.

use axum::Router;
use axum::extract::{Path, RawQuery, State as From};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::answers::{Answer, Shared, answer, work};
use super::{State, parameters};
use crate::domain::{RunId, RunState};
use crate::serve::bases::KnowledgeBase;
use crate::serve::refusal::Refusal;
use crate::serve::runs;

/// Limit on the runs of an answer.
const RUNS_MAX: u32 = 1000;
/// Runs of an answer, unless the request says otherwise.
const RUNS_DEFAULT: u32 = 20;

/// Which runs are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Arguments {
    kb: Option<String>,
    limit: Option<u32>,
}

/// Returns the routes of runs.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/runs", get(list).post(start))
        .route("/runs/{id}", get(one))
        .route("/runs/{id}/cancel", post(cancel))
}

async fn list(From(state): From<Shared>, RawQuery(query): RawQuery) -> Answer {
    with_base(state, query, |_, base, arguments| {
        let limit = arguments.limit.unwrap_or(RUNS_DEFAULT);
        if !(1..=RUNS_MAX).contains(&limit) {
            return Err(Refusal::bad_request(format!("limit must be from 1 to {RUNS_MAX}")));
        }
        let runs = base.with(|searcher| Ok(searcher.reader().runs(limit)?))?;
        Ok(answer(&json!({"schema": 1, "knowledge_base": base.name, "runs": runs})))
    })
    .await
}

async fn one(
    From(state): From<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    with_base(state, query, move |_, base, _| {
        Ok(answer(&report(base, &runs::find(base, run_id(&id)?)?)))
    })
    .await
}

async fn start(From(state): From<Shared>, RawQuery(query): RawQuery) -> Answer {
    with_base(state, query, |state, base, _| {
        let run = state.runs.start(base)?;
        let place = format!("/runs/{}?kb={}", run.id, base.name);
        let response = (StatusCode::ACCEPTED, [(LOCATION, place)], answer(&report(base, &run)));
        Ok(response.into_response())
    })
    .await
}

async fn cancel(
    From(state): From<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer {
    with_base(state, query, move |state, base, _| {
        let run = state.runs.cancel(base, run_id(&id)?)?;
        // One that has not stopped yet does so at its next checkpoint.
        let status = if run.ended_ms.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
        Ok((status, answer(&report(base, &run))).into_response())
    })
    .await
}

/// Has `work_on` answer for the knowledge base that the query string names, or the only one.
async fn with_base(
    state: Shared,
    query: Option<String>,
    work_on: impl FnOnce(&State, &KnowledgeBase, Arguments) -> Answer + Send + 'static,
) -> Answer {
    let arguments: Arguments = parameters::of_query_string(&query.unwrap_or_default())?;
    work(move || {
        let base = state.bases.named_or_only(arguments.kb.as_deref())?;
        work_on(&state, base, arguments)
    })
    .await
}

fn run_id(text: &str) -> Result<RunId, Refusal> {
    text.parse().map(RunId).map_err(|_| Refusal::bad_request("the number of a run is needed"))
}

fn report(base: &KnowledgeBase, run: &RunState) -> serde_json::Value {
    json!({"schema": 1, "knowledge_base": base.name, "run": run})
}

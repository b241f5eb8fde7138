//! Answers: work on a thread that may block, JSON, and refusals with their status.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::State;
use crate::serve::refusal::{Refusal, RefusalCode};

const JSON: &str = "application/json";

/// What all routes are answered from.
pub type Shared = Arc<State>;

/// An answer, or why there is none.
pub type Answer = Result<Response, Refusal>;

/// Does `work` on a thread that may block.
pub async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::internal(error)))
}

/// Returns `value` as JSON.
pub fn answer(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(json) => ([(CONTENT_TYPE, JSON)], json).into_response(),
        Err(error) => Refusal::internal(error).into_response(),
    }
}

/// Returns the status of a response that is this error.
pub fn status_of(code: RefusalCode) -> StatusCode {
    match code {
        RefusalCode::BadRequest => StatusCode::BAD_REQUEST,
        RefusalCode::Unauthorized => StatusCode::UNAUTHORIZED,
        RefusalCode::Forbidden => StatusCode::FORBIDDEN,
        RefusalCode::UnknownKb | RefusalCode::UnknownSource | RefusalCode::NotFound => {
            StatusCode::NOT_FOUND
        }
        RefusalCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        RefusalCode::Conflict => StatusCode::CONFLICT,
        RefusalCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        RefusalCode::NoModel | RefusalCode::Unavailable | RefusalCode::Busy => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        RefusalCode::Timeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let json = serde_json::to_string(&self).unwrap_or_default();
        let response = (status_of(self.code), [(CONTENT_TYPE, JSON)], json);
        match self.code {
            // A browser asks its user for it.
            RefusalCode::Unauthorized => {
                ([(WWW_AUTHENTICATE, "Bearer, Basic realm=\"kbingest\"")], response).into_response()
            }
            _ => response.into_response(),
        }
    }
}

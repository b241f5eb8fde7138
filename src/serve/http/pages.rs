//! The routes of pages for people.

use axum::Router;
use axum::extract::{Path, RawQuery, State as From};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::answers::{Shared, status_of, work};
use super::parameters;
use crate::kb::ListPlace;
use crate::serve::page::{self, Page};
use crate::serve::refusal::Refusal;
use crate::serve::tools;

/// Returns the routes of pages, and of the files that they load.
pub fn routes() -> Router<Shared> {
    let files = page::FILES.into_iter();
    let files = files.fold(Router::new(), |router, (path, media_type, content)| {
        router.route(path, get(async move || ([(CONTENT_TYPE, media_type)], content)))
    });
    files
        .route("/", get(find))
        .route("/view/{kb}/{source}/{*uri}", get(view))
        .route("/status.html", get(status))
}

async fn find(From(state): From<Shared>, RawQuery(query): RawQuery) -> Response {
    shown(move || {
        let form = parameters::of_query_string(&query.unwrap_or_default())?;
        page::find(&state.bases, &form)
    })
    .await
}

async fn view(
    From(state): From<Shared>,
    Path((kb, source, uri)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    shown(move || {
        let lines = parameters::of_query_string(&query.unwrap_or_default())?;
        let place = ListPlace { source, uri };
        let document = tools::whole(&state.bases, &kb, &place)?;
        Ok(page::document(&kb, &place, &document, lines))
    })
    .await
}

async fn status(From(state): From<Shared>) -> Response {
    shown(move || page::status(&state.bases)).await
}

/// Makes a page on a thread that may block; an error is a page, too.
async fn shown(make: impl FnOnce() -> Result<Page, Refusal> + Send + 'static) -> Response {
    let page = work(make).await.unwrap_or_else(|refusal| page::error(&refusal));
    let mut response = ([(CONTENT_TYPE, "text/html; charset=utf-8")], page.html).into_response();
    if let Some(code) = page.error {
        *response.status_mut() = status_of(code);
    }
    let policy = HeaderValue::from_static(page::POLICY);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

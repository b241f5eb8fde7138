//! The same questions over HTTP: JSON for programs, and the Model Context Protocol at `/mcp`.
//!
//! Listens on loopback, and elsewhere only if requests need a token. Documents are served as text
//! that a browser neither renders nor runs.

mod answers;
mod connections;
mod guard;
mod metrics;
mod openapi;
mod pages;
mod parameters;
mod routes;
mod runs;

use std::net::TcpListener;
use std::sync::Arc;

use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use self::guard::Guard;
use self::metrics::Metrics;
use super::bases::KnowledgeBases;
use super::mcp::Mcp;
use super::runs::{RunProgram, Runs, wait_for};
use crate::error::Error;
use crate::support::checkpoint::StopSignal;

/// Limit on the body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Limit on the requests that are read at the same time; others wait.
const THREADS_MAX: usize = 16;

/// Who may ask.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// What requests have to bring as `Authorization: Bearer`; `None`: nothing.
    pub token: Option<String>,
    /// Names that the server is called by, beside `localhost` and IP addresses.
    pub hosts: Vec<String>,
}

/// What requests are answered from.
struct State {
    bases: Arc<KnowledgeBases>,
    runs: Runs,
    guard: Guard,
    metrics: Metrics,
}

/// Answers requests that reach `listener` until a stop is requested; requests at work are answered
/// first, and the runs that requests started by `runs` are stopped. Fails if others than this
/// machine reach it and `access` requires no token.
pub fn serve(
    listener: TcpListener,
    bases: KnowledgeBases,
    access: Access,
    runs: Option<RunProgram>,
    stop: &Arc<StopSignal>,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Internal {
        place: "HTTP server",
        message: error.to_string(),
    };
    let address = listener.local_addr().map_err(failed)?;
    if !address.ip().is_loopback() && access.token.is_none() {
        return Err(Error::Usage {
            message: format!("{address} can be reached from other machines, and needs a token"),
            hint: Some("name an environment variable that has it: --token-env KB_TOKEN".to_owned()),
        });
    }
    listener.set_nonblocking(true).map_err(failed)?;
    let bases = Arc::new(bases);
    let mcp = Mcp::new(Arc::clone(&bases))?;
    let state = Arc::new(State {
        bases,
        runs: Runs::new(runs),
        guard: Guard::of(access),
        metrics: Metrics::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS_MAX + 1)
        .enable_all()
        .build()
        .map_err(|error| Error::no_thread("requests", &error))?;
    let stopped = Arc::clone(stop);
    let result = runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stopping = tokio::task::spawn_blocking(move || stopped.wait_until(|| None::<()>));
        let router = routes::router(Arc::clone(&state), mcp_service(mcp));
        let mut ending = Vec::new();
        let end = async {
            drop(stopping.await);
            ending = state.runs.ask_to_stop();
        };
        connections::serve(listener, router, end).await;
        Ok(ending)
    });
    stop.request();
    runtime.shutdown_background();
    result.map(wait_for).map_err(failed)
}

/// Makes the service of the Model Context Protocol: without sessions, as nothing is kept between
/// two requests. Who may ask is checked before.
fn mcp_service(mcp: Mcp) -> StreamableHttpService<Mcp, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts()
        .with_max_request_body_bytes(BODY_BYTES_MAX);
    StreamableHttpService::new(move || Ok(mcp.clone()), Arc::default(), config)
}

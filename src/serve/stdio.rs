//! The Model Context Protocol over stdin and stdout, for the one program that started this one.
//!
//! Nothing but the protocol is written to stdout.

use std::sync::Arc;

use rmcp::service::{ServerInitializeError, serve_server};
use rmcp::transport::async_rw::AsyncRwTransport;

use super::bases::KnowledgeBases;
use super::mcp::Mcp;
use crate::error::Error;
use crate::support::checkpoint::StopSignal;

/// Limit on a message from the client, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Limit on the requests that are answered at the same time; others wait.
const THREADS_MAX: usize = 16;

/// Answers requests until the client closes stdin, or until a stop is requested; requests at work
/// are answered first.
pub fn serve(bases: KnowledgeBases, stop: &Arc<StopSignal>) -> Result<(), Error> {
    let mcp = Mcp::new(Arc::new(bases))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(THREADS_MAX)
        .enable_time()
        .build()
        .map_err(|error| Error::no_thread("requests", &error))?;
    let stopped = Arc::clone(stop);
    let result = runtime.block_on(async move {
        let stopping = tokio::task::spawn_blocking(move || stopped.wait_until(|| None::<()>));
        tokio::select! {
            _ = stopping => Ok(()),
            result = session(mcp) => result,
        }
    });
    // A thread that waits for stdin cannot be ended.
    stop.request();
    runtime.shutdown_background();
    result
}

/// Serves the one session.
async fn session(mcp: Mcp) -> Result<(), Error> {
    let internal = |message: String| Error::Internal { place: "stdio", message };
    let transport = AsyncRwTransport::new_server(tokio::io::stdin(), tokio::io::stdout())
        .with_max_line_length(MESSAGE_BYTES_MAX);
    match serve_server(mcp, transport).await {
        Ok(session) => {
            session.waiting().await.map(drop).map_err(|error| internal(error.to_string()))
        }
        // It ended before it began.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(internal(error.to_string())),
    }
}

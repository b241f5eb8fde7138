//! Connections: how many there are, how long a request may take to arrive, and how they end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How long the head of a request may take to arrive; also how long a connection may be idle.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Limit on the connections at a time; others wait until one has ended.
const CONNECTIONS_MAX: usize = 768;
/// How long requests at work may take after the end has begun.
const END_MAX: Duration = Duration::from_secs(5);
/// Pause after an error of the system, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers what arrives at `listener` by `router` until `end`; requests at work are answered first.
pub async fn serve(listener: TcpListener, router: Router, end: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = GracefulShutdown::new();
    let mut end = std::pin::pin!(end);
    loop {
        let next = async {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return Err(io::ErrorKind::Other.into());
            };
            Ok((listener.accept().await?.0, place))
        };
        let accepted: io::Result<_> = tokio::select! {
            accepted = next => accepted,
            () = &mut end => break,
        };
        let Ok((stream, place)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A client that went away or sent no HTTP is no error of ours.
            let _: Result<(), hyper::Error> = connection.await;
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(END_MAX, connections.shutdown()).await;
}

//! `notes serve`: listens, serves, stops gracefully.
//!
//! Invariant: after SIGTERM (or SIGINT) no new connection is accepted, every request that had
//! arrived is answered, idle connections are closed, and the process exits with 0 within 25
//! seconds. Refuses: more than 4096 connections at a time; further ones wait in the backlog.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::config::Config;
use crate::http::{App, AppError, Peer, router};
use crate::log::Log;

const CONNECTIONS: usize = 4096;
/// Longer than the idle time of a load balancer, which must be the one that closes first.
const IDLE: Duration = Duration::from_secs(75);
const STOP: Duration = Duration::from_secs(25);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// A setting that only shows to be wrong when it is used.
    #[error(transparent)]
    App(#[from] AppError),
    /// The address is taken or not ours.
    #[error("listening on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The handlers of SIGTERM and SIGINT could not be installed.
    #[error("installing signal handlers")]
    Signals(#[source] std::io::Error),
}

/// Serves until asked to stop.
pub(crate) async fn run(config: Config, log: Log) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let app = App::new(config, log.clone())?;
    app.faults.start(&log);
    log.info(
        "listening",
        &[
            ("address", address.to_string().into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
        ],
    );

    let graceful = GracefulShutdown::new();
    accept(&app, listener, &graceful, &mut terminate, &mut interrupt).await;

    log.info("stopping", &[("connections", graceful.count().into())]);
    let whole = tokio::time::timeout(STOP, graceful.shutdown())
        .await
        .is_ok();
    app.store.close();
    log.info("stopped", &[("all_answered", whole.into())]);
    Ok(())
}

async fn accept(
    app: &Arc<App>,
    listener: TcpListener,
    graceful: &GracefulShutdown,
    terminate: &mut Signal,
    interrupt: &mut Signal,
) {
    let router = router(app);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = free.clone().acquire_owned();
        let next = async {
            let place = place.await.expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        tokio::select! {
            (place, accepted) = next => match accepted {
                Ok((stream, peer)) => serve(router.clone(), stream, peer, place, graceful),
                Err(error) => {
                    // Out of descriptors: accepting again at once would only spin.
                    app.log.warn("a connection was not accepted", &[("error", error.to_string().into())]);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    app.stopping.store(true, Ordering::Relaxed);
    take_backlog(listener, &router, &free, graceful);
}

/// Connections that the kernel had completed before the signal are served, not reset.
fn take_backlog(
    listener: TcpListener,
    router: &Router,
    free: &Arc<Semaphore>,
    graceful: &GracefulShutdown,
) {
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok(place) = free.clone().try_acquire_owned() {
        let Ok((stream, peer)) = listener.accept() else {
            break;
        };
        if stream.set_nonblocking(true).is_err() {
            continue;
        }
        if let Ok(stream) = TcpStream::from_std(stream) {
            serve(router.clone(), stream, peer, place, graceful);
        }
    }
}

fn serve(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    // A lost packet of latency, not of correctness: the option may fail on a closed connection.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_headers(100)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        // Clients that go away are their own business.
        let _ = watched.await;
        drop(place);
    });
}

//! The listener: an accept loop of our own on hyper, because `axum::serve` has no defence against slow clients.
//!
//! Every connection is watched ([`watch`]): silent connections, headers that never end and readers that do not read
//! are cut. The number of connections is bounded, and a shutdown lets running requests finish within a deadline.

mod bind;
#[cfg(test)]
mod tests;
mod watch;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use futures_util::future::{Either, select};
use http::header::{self, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch as signal};
use tokio::task::JoinSet;
use tower::ServiceExt;

pub use bind::{BindError, bind};
use watch::{Watch, WatchedIo};

use crate::clock::SharedClock;

/// What a client may cost us.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// Without any request.
    pub idle_timeout: Duration,
    /// Without the client taking a single byte of an answer.
    pub write_timeout: Duration,
    /// The whole header of a request, in bytes.
    pub max_header_bytes: usize,
    /// Header fields of a request.
    pub max_headers: usize,
    /// For running requests to finish after a shutdown was asked for.
    pub drain: Duration,
    /// Whether HTTP/2 without TLS is spoken too, for proxies that ask for it.
    pub h2c: bool,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            max_header_bytes: 16 * 1024,
            max_headers: 64,
            drain: Duration::from_secs(20),
            h2c: false,
        }
    }
}

/// The address of whoever opened the connection, as a request extension. Behind a proxy that is the proxy.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddr(pub SocketAddr);

/// Serves until `shutdown` turns true, then lets running requests finish within the drain time.
///
/// Answers how many connections had to be cut at the end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServerLimits,
    clock: SharedClock,
    mut shutdown: signal::Receiver<bool>,
) -> usize {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let limits = Arc::new(limits);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = asked(&mut shutdown) => break,
            // Reaping keeps the set as small as the number of open connections.
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = connection(
                    stream,
                    peer,
                    router.clone(),
                    Arc::clone(&limits),
                    clock.clone(),
                    shutdown.clone(),
                );
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: closing connections will free some.
                tracing::warn!(%error, "cannot accept a connection; trying again");
                clock.sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    drain(connections, limits.drain, &clock).await
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

/// Resolves once a shutdown is asked for, or can no longer be.
async fn asked(shutdown: &mut signal::Receiver<bool>) {
    // An error means that the sender is gone: whoever could ask for more service is gone too.
    let _ = shutdown.wait_for(|asked| *asked).await;
}

async fn drain(mut connections: JoinSet<()>, deadline: Duration, clock: &SharedClock) -> usize {
    let finished = async { while connections.join_next().await.is_some() {} };
    if let Either::Left(_) = select(pin!(finished), clock.sleep(deadline)).await {
        return 0;
    }
    let cut = connections.len();
    tracing::warn!(connections = cut, "the time to finish running requests is over; cutting them");
    connections.shutdown().await;
    cut
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Arc<ServerLimits>,
    clock: SharedClock,
    mut shutdown: signal::Receiver<bool>,
) {
    // Answers are small and written in one piece; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let watch = Watch::new(&limits, clock);
    let io = TokioIo::new(WatchedIo::new(stream, watch.clone()));
    let service = {
        let watch = watch.clone();
        hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let busy = watch.request_begins();
            // A length beside `Transfer-Encoding` is not shown to us, and is how requests are smuggled past a proxy:
            // the connection must not go on to what may be the body's rest (RFC 9112, 6.1).
            let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(PeerAddr(peer));
            let answer = router.clone().oneshot(request);
            async move {
                let mut response = answer.await?;
                if is_last {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| watch::BusyBody::new(body, busy)))
            }
        })
    };
    if limits.h2c {
        let mut builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(limits.max_headers)
            .max_buf_size(limits.max_header_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(64)
            .max_pending_accept_reset_streams(16)
            .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let mut connection = pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = &mut connection => return,
            () = watch.expired() => return,
            () = asked(&mut shutdown) => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = watch.expired() => {}
        }
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        // The watch covers the header's time: hyper's own timer would also run between two requests.
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(limits.max_headers)
            .max_buf_size(limits.max_header_bytes);
        let mut connection = pin!(builder.serve_connection(io, service));
        tokio::select! {
            _ = &mut connection => return,
            () = watch.expired() => return,
            () = asked(&mut shutdown) => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = watch.expired() => {}
        }
    }
}

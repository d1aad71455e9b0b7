//! The listener: an accept loop of our own on hyper, because `axum::serve` has no defence against
//! slow clients.
//!
//! Every connection is watched ([`watch`]): silent connections, headers that never end and readers
//! that do not read are cut. The number of connections is bounded ([`places`]), requests that hyper
//! cannot read are answered in full ([`refusals`]). A shutdown has two steps: first every answer
//! closes its connection while new connections are still accepted; then none is accepted, running
//! requests finish within a deadline, and connections that were quiet for a second are closed.

mod bind;
mod places;
mod refusals;
#[cfg(test)]
mod tests;
mod watch;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use http::header::{self, HeaderValue};
use http::{StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use bind::{BindError, bind};
use places::Places;
pub use places::{PlaceMetrics, TABLE as PLACES};
pub use refusals::Refusals;
use refusals::{RefusalIo, exceeds};
use watch::Watch;
use watch::bodies::{AwaitedBody, BusyBody};
use watch::socket::WatchedIo;

use super::Application;
use crate::clock::{SharedClock, after};

/// Limits on what one client may cost.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Open connections; for one more, a connection that waits for its client is closed.
    pub max_connections: usize,
    /// Time from a request's first byte to the end of its header.
    pub header_timeout: Duration,
    /// Time from accepting a connection to its first byte.
    pub silent_timeout: Duration,
    /// Time without a request, after the first one.
    pub idle_timeout: Duration,
    /// Time without the client taking a single byte of an answer.
    pub write_timeout: Duration,
    /// Bytes of a request's whole header.
    pub max_header_bytes: usize,
    /// Fields of a request's header.
    pub max_headers: usize,
    /// Time for running requests to finish after a shutdown was asked for.
    pub drain: Duration,
    /// Whether HTTP/2 without TLS is spoken too, for proxies that ask for it.
    pub h2c: bool,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            header_timeout: Duration::from_secs(5),
            silent_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            max_header_bytes: 16 * 1024,
            max_headers: 64,
            drain: Duration::from_secs(20),
            h2c: false,
        }
    }
}

/// Pause before the next look for a place where all connections are at work, or before the next
/// accept where file handles ran out.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Quiet time before a stopping server closes a connection unannounced: a request may be on its
/// way.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// Pause between two looks at a connection that was at work when the server stopped.
const AT_WORK: Duration = Duration::from_millis(100);

/// The address of the connection's other end, as a request extension. Behind a proxy it is the
/// proxy's.
#[derive(Debug, Clone, Copy)]
pub struct PeerAddr(pub SocketAddr);

/// What is served, and how.
#[derive(Clone)]
pub struct Service {
    /// What answers requests.
    pub application: Application,
    /// Answers to requests that cannot be read; `None` for hyper's bare ones.
    pub refusals: Option<Refusals>,
    /// What a client may cost.
    pub limits: Arc<ServerLimits>,
    /// Time.
    pub clock: SharedClock,
    /// Cancelled some time before the shutdown, at the latest by it: from then on every answer ends
    /// its connection.
    pub leaving: CancellationToken,
    /// What is counted of connections.
    pub places: PlaceMetrics,
}

/// Serves until `shutdown` is cancelled, then lets running requests finish within the drain time.
///
/// Answers how many connections had to be cut at the end.
pub async fn serve(listener: TcpListener, service: Service, shutdown: CancellationToken) -> usize {
    let (limits, clock) = (&service.limits, &service.clock);
    let places = Places::new(limits.max_connections, clock.clone(), service.places.clone());
    let mut connections = JoinSet::new();
    let mut newcomer: Option<(TcpStream, SocketAddr, Watch)> = None;
    loop {
        if let Some((stream, peer, watch)) = newcomer.take() {
            if let Some(place) = places.take(peer.ip().into(), &watch) {
                let connection = connection(stream, peer, watch, service.clone(), shutdown.child_token());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            } else {
                newcomer = Some((stream, peer, watch));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {
                service.leaving.cancel();
                break;
            }
            // Reaping keeps the set as small as the number of open connections; and a place may be
            // free now.
            Some(_) = connections.join_next() => {}
            () = clock.sleep(LOOK_AGAIN), if newcomer.is_some() => {}
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok((stream, peer)) => newcomer = Some((stream, peer, Watch::new(limits, clock.clone()))),
                Err(error) => {
                    // Most likely out of file handles: connections that wait for their clients give
                    // some back.
                    places.cannot_accept(&error);
                    clock.sleep(LOOK_AGAIN).await;
                }
            },
        }
    }
    let newcomers = newcomer.map(|(stream, peer, _)| (stream, peer)).into_iter().chain(waiting(listener));
    for (stream, peer) in newcomers.take(limits.max_connections.saturating_sub(connections.len())) {
        let watch = Watch::new(limits, clock.clone());
        connections.spawn(connection(stream, peer, watch, service.clone(), shutdown.child_token()));
    }
    drain(connections, limits.drain, clock).await
}

/// Connections that the kernel has accepted and we have not. Those left when the listener closes,
/// at the end of this function, would be reset.
fn waiting(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // Asks the kernel: the runtime's readiness may be some milliseconds old.
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, peer) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    })
}

/// Resolves when a connection has to finish. HTTP/2 announces a shutdown by itself (GOAWAY). HTTP/1
/// announces it in the next answer; where none is due, a request may be on its way and would be
/// lost, so the connection has to be quiet for a while first.
async fn last_call(shutdown: &CancellationToken, watch: &Watch, clock: &SharedClock) {
    shutdown.cancelled().await;
    let asked = clock.now();
    while !watch.is_http2() {
        let Some(quiet) = watch.quiet_since() else {
            clock.sleep(AT_WORK).await;
            continue;
        };
        let over = after(quiet.max(asked), LAST_REQUEST);
        if over <= clock.now() {
            return;
        }
        clock.sleep_until(over).await;
    }
}

/// Why the server ends a connection.
enum End {
    /// It ran into a limit and is cut.
    Expired,
    /// It finishes its request and ends.
    LastCall,
}

type Ends = FuturesUnordered<BoxFuture<'static, End>>;

/// The futures that may end a connection; polled only when woken, not with every request.
fn ends(watch: &Watch, shutdown: CancellationToken, clock: &SharedClock) -> Ends {
    let (expired, asked, clock) = (watch.clone(), watch.clone(), clock.clone());
    let expired = async move {
        expired.expired().await;
        End::Expired
    };
    let last_call = async move {
        last_call(&shutdown, &asked, &clock).await;
        End::LastCall
    };
    [expired.boxed(), last_call.boxed()].into_iter().collect()
}

async fn drain(mut connections: JoinSet<()>, deadline: Duration, clock: &SharedClock) -> usize {
    let finished = async { while connections.join_next().await.is_some() {} };
    if let Either::Left(_) = select(pin!(finished), clock.sleep(deadline)).await {
        return 0;
    }
    let cut = connections.len();
    tracing::warn!(connections = cut, "the time to finish running requests is over; they are cut off");
    connections.shutdown().await;
    cut
}

/// What a connection's requests share, in an `Arc` of its own: a reference count that all threads
/// change is slow.
struct Shared {
    application: Application,
    peer: PeerAddr,
    leaving: CancellationToken,
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    watch: Watch,
    service: Service,
    shutdown: CancellationToken,
) {
    let Service { application, refusals, limits, clock, leaving, places: _ } = service;
    // Child tokens, so that requests of other connections do not contend for their locks.
    let (leaving, peer) = (leaving.child_token(), PeerAddr(peer));
    let application = application.current().clone();
    let shared = Arc::new(Shared { application, peer, leaving });
    // Answers are small and written in one piece; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(RefusalIo::new(
        WatchedIo::new(stream, watch.clone()),
        refusals.clone(),
        limits.max_header_bytes,
    ));
    let service = {
        let (watch, limits) = (watch.clone(), Arc::clone(&limits));
        hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let busy = watch.request_begins(request.version());
            let refusal = match (&refusals, request.version()) {
                (Some(refuse), Version::HTTP_2) => exceeds(&request, &limits).map(|status| refuse(status)),
                _ => None,
            };
            // hyper hides a `Content-Length` beside `Transfer-Encoding`, which is how requests are
            // smuggled past a proxy: the connection ends, since what follows may be the body's rest
            // (RFC 9112, 6.1).
            let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
            // HTTP/2 has no such header and is told by the shutdown itself.
            let is_http1 = request.version() <= Version::HTTP_11;
            let request: Request = request.map(|body| AwaitedBody::watched(body, &watch));
            let shared = Arc::clone(&shared);
            async move {
                if let Some(mut refusal) = refusal {
                    refusal.headers_mut().remove(header::CONNECTION);
                    let body = |bytes: bytes::Bytes| BusyBody::new(bytes.into(), busy);
                    return Ok::<_, Infallible>(refusal.map(body));
                }
                let mut response = shared.application.answer(request, Some(shared.peer)).await;
                // For a HEAD, the router gives a 304 the length of a body that it does not have
                // (RFC 9110, 8.6).
                if response.status() == StatusCode::NOT_MODIFIED {
                    response.headers_mut().remove(header::CONTENT_LENGTH);
                }
                if is_last || (is_http1 && shared.leaving.is_cancelled()) {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok(response.map(|body| BusyBody::new(body, busy)))
            }
        })
    };
    let ends = ends(&watch, shutdown, &clock);
    if limits.h2c {
        let connection = http2_builder(&limits).serve_connection(io, service).into_owned();
        finish(connection, auto::Connection::graceful_shutdown, ends).await;
    } else {
        let connection = http1_builder(&limits).serve_connection(io, service);
        finish(connection, http1::Connection::graceful_shutdown, ends).await;
    }
}

/// Serves a connection until its client or the first of `ends` does; after the last call, no
/// further request.
async fn finish<C: Future>(connection: C, stop: impl FnOnce(Pin<&mut C>), mut ends: Ends) {
    let mut connection = pin!(connection);
    match select(connection.as_mut(), pin!(ends.next())).await {
        Either::Left(_) | Either::Right((None | Some(End::Expired), _)) => return,
        Either::Right((Some(End::LastCall), _)) => stop(connection.as_mut()),
    }
    select(connection, pin!(ends.next())).await;
}

fn http1_builder(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // No half-close: a client that closes its sending half counts as gone, and its request ends and
    // frees its place. A client that gave up looks the same until something is written to it. The
    // watch limits the header's time: hyper's own timer would also run between two requests.
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_header_bytes);
    builder
}

/// HTTP/1.1 and HTTP/2, by what the client begins with.
fn http2_builder(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
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
        // Twice our limit, so that what exceeds it can be answered in full; for more, hyper has a
        // bare 431.
        .max_header_list_size(u32::try_from(limits.max_header_bytes * 2).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

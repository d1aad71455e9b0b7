//! The listener: an accept loop of our own on hyper, because `axum::serve` has no defence against
//! slow clients.
//!
//! Every connection is watched ([`watch`]): silent connections, headers that never end and readers
//! that do not read are cut. The number of connections is bounded ([`places`]), requests that hyper
//! cannot read are answered in full ([`refusals`]), and a shutdown comes in two steps: first every
//! answer ends its connection while new ones are still taken, then nothing new is taken, running
//! requests finish within a deadline, and what has been quiet for a second is closed.

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
use refusals::RefusalIo;
pub use refusals::Refusals;
use watch::{AwaitedBody, Watch, WatchedIo};

use super::Application;
use crate::clock::{SharedClock, after};

/// What a client may cost us.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at a time; for one more, one that keeps us waiting is closed.
    pub max_connections: usize,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// From accepting a connection to its first byte.
    pub silent_timeout: Duration,
    /// Without any request, after the first one.
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

/// Where every place is taken and nobody keeps us waiting: when to look again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Out of file handles: when to try again, with room made meanwhile.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);
/// For a request that was on its way when the server stopped: how long a connection has to be quiet
/// before it is closed unannounced.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// At work when the server stopped: how often to look whether it has become quiet.
const AT_WORK: Duration = Duration::from_millis(100);

/// The address of whoever opened the connection, as a request extension. Behind a proxy that is the
/// proxy.
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
    /// Cancelled some time before the shutdown: from then on every answer ends its connection.
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
            () = shutdown.cancelled() => break,
            // Reaping keeps the set as small as the number of open connections; and a place may be
            // free now.
            Some(_) = connections.join_next() => {}
            () = clock.sleep(LOOK_AGAIN), if newcomer.is_some() => {}
            accepted = listener.accept(), if newcomer.is_none() => match accepted {
                Ok((stream, peer)) => newcomer = Some((stream, peer, Watch::new(limits, clock.clone()))),
                Err(error) => {
                    // Out of file handles, most likely: whoever keeps us waiting gives some back.
                    places.cannot_accept(&error);
                    clock.sleep(ACCEPT_AGAIN).await;
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

/// Whom the kernel has accepted and we have not; it resets those that are left when the listener is
/// closed, with the end of this.
fn waiting(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    // The kernel is asked: what the runtime knows of the listener may be some milliseconds old.
    let listener = listener.into_std().ok();
    std::iter::from_fn(move || {
        let (stream, peer) = listener.as_ref()?.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    })
}

/// Resolves when a connection has to finish. One of HTTP/2 is told so in its own words, once a
/// shutdown is asked for. One of HTTP/1 is told by its next answer; who has none to come may be
/// sending a request just now, which would be lost with the connection, so it has to be quiet for a
/// while.
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

/// Why a connection ends, where its client does not end it.
enum End {
    /// It has to be cut.
    Expired,
    /// It has to finish what it is at.
    LastCall,
}

type Ends = FuturesUnordered<BoxFuture<'static, End>>;

/// What may end a connection; polled when it has something to say, not with every request.
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

/// What a connection's requests share: counted by itself, because counts that all threads change
/// cost each of them more than what is counted.
struct Shared {
    application: Application,
    peer: PeerAddr,
    leaving: CancellationToken,
    shutdown: CancellationToken,
}

impl Shared {
    /// Whether the connection ends with its next answer.
    fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled() || self.shutdown.is_cancelled()
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    watch: Watch,
    service: Service,
    shutdown: CancellationToken,
) {
    let Service { application, refusals, limits, clock, leaving, places: _ } = service;
    // The tokens are its own: requests of other connections do not wait for their locks.
    let (leaving, peer) = (leaving.child_token(), PeerAddr(peer));
    let shared = Arc::new(Shared { application, peer, leaving, shutdown: shutdown.clone() });
    // Answers are small and written in one piece; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(RefusalIo::new(
        WatchedIo::new(stream, watch.clone()),
        refusals,
        limits.max_header_bytes,
    ));
    let service = {
        let watch = watch.clone();
        hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let busy = watch.request_begins(request.version());
            // A length beside `Transfer-Encoding` is not shown to us, and is how requests are
            // smuggled past a proxy: the connection must not go on to what may be the body's rest
            // (RFC 9112, 6.1).
            let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
            // HTTP/2 has no such header; it is told with the shutdown itself.
            let is_http1 = request.version() <= Version::HTTP_11;
            let request: Request = request.map(|body| AwaitedBody::watched(body, &watch));
            let shared = Arc::clone(&shared);
            async move {
                let mut response = shared.application.answer(request, Some(shared.peer)).await;
                // To a HEAD the router counts the body that a 304 has not (RFC 9110, 8.6).
                if response.status() == StatusCode::NOT_MODIFIED {
                    response.headers_mut().remove(header::CONTENT_LENGTH);
                }
                if is_last || (is_http1 && shared.is_leaving()) {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| watch::BusyBody::new(body, busy)))
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
    // The watch covers the header's time: hyper's own timer would also run between two requests.
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
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

//! The plumbing of a stand-in: a loopback port, a graceful stop, and answers that never come.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;
use url::Url;

use crate::address::{is_this_machine, names_this_machine};

/// How long a stop waits for requests under way; a deliberately hanging one never ends by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Put into a response's extensions, it makes the server close the connection instead of sending
/// that response: the request has been acted upon, and nobody learns of it.
#[derive(Debug, Clone, Copy)]
pub struct HangUp;

/// Whether a page of that origin comes from this machine.
pub(super) fn is_page_here(origin: &HeaderValue) -> bool {
    let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    url.is_some_and(|url| is_this_machine(&url))
}

/// A running HTTP/1.1 server. Dropping it ends it at once, [`Server::stop`] gracefully.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    url: Url,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves `app` on `address`, port 0 for any. Refuses addresses that other machines can reach:
    /// a stand-in hands out tokens to anybody who asks.
    pub async fn start(address: SocketAddr, app: Router) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stand-in listens on loopback only"));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let url = Url::parse(&format!("http://{address}/")).map_err(io::Error::other)?;
        let (stopping, stop) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, app, stop));
        Ok(Self { address, url, stopping, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its root.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Accepts nothing more, lets requests under way finish for up to a second, and ends.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        // Elapsed or ended, there is nothing left to do: dropping `self` aborts what still runs.
        let _ = tokio::time::timeout(GRACE, &mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, app: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that broke while being accepted concerns nobody else.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, app.clone(), stop.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, app: Router, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request: Request<Incoming>| answer(app.clone(), request));
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    // An error here is the client's going away, or our own hanging up.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Resolves once the server is to stop, or is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
struct HungUp;

/// Why no stand-in takes a request, if so: any page in the developer's browser can send it some,
/// under a name of its own that leads here, or blindly.
pub(super) fn foreign<B>(request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    let is_control = request.uri().path().contains("/dev/") && request.method() != Method::OPTIONS;
    if !names_this_machine(request.headers()) {
        Some((StatusCode::MISDIRECTED_REQUEST, "a stand-in answers to localhost and 127.0.0.1 only\n"))
    } else if is_control && request.headers().get(header::ORIGIN).is_some_and(|page| !is_page_here(page)) {
        Some((StatusCode::FORBIDDEN, "pages of other machines have no say in what a stand-in does\n"))
    } else {
        None
    }
}

async fn answer(app: Router, request: Request<Incoming>) -> Result<Response<Body>, HungUp> {
    if let Some((status, why)) = foreign(&request) {
        let mut refused = Response::new(Body::from(why));
        *refused.status_mut() = status;
        return Ok(refused);
    }
    let answered: Result<Response<Body>, Infallible> = app.oneshot(request.map(Body::new)).await;
    match answered {
        Ok(response) if response.extensions().get::<HangUp>().is_some() => Err(HungUp),
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

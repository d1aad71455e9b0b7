//! The yardsticks: what HTTP itself costs in this language, with the libraries that the product is
//! built on.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Fallible;

const HELLO: &str = "hello";

/// hyper with nothing around it.
pub async fn hyper() -> Fallible<()> {
    let listener = listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = hyper::service::service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(HELLO.as_bytes()))))
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that goes away ends its connection, and nothing else.
            let _ = connection.await;
        });
    }
}

/// axum with one route and no layer.
pub async fn axum() -> Fallible<()> {
    serve(axum::Router::new().route("/", axum::routing::get(async || HELLO))).await
}

/// Serves a router, having told whoever started us where.
pub async fn serve(router: axum::Router) -> Fallible<()> {
    let listener = listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

/// Listens on a free port and tells whoever started us.
async fn listen() -> Fallible<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    Ok(listener)
}

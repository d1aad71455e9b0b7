//! Servers of a test's own, on loopback.

use axum::Router;

/// Serves the router until the test ends, and gives its address, without a slash at the end.
pub async fn serving(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

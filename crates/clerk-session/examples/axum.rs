//! A server whose every route knows who calls.
//!
//! ```sh
//! CLERK_PUBLISHABLE_KEY=pk_test_… APP_ORIGIN=http://localhost:5173 cargo run --example axum --features axum,reqwest
//! curl -i localhost:3000/me -H "Authorization: Bearer $TOKEN"
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example reads its settings and says where it is"
)]

use std::error::Error;

use axum::Router;
use axum::routing::get;
use clerk_session::{Clerk, Session};

/// Reached by proven callers only.
async fn me(session: Session) -> String {
    format!("{} in session {}\n", session.subject, session.session_id)
}

/// Reached by everybody; who sends a token must send a good one.
async fn greeting(session: Option<Session>) -> String {
    session.map_or("Hello!\n".to_owned(), |session| format!("Hello, {}!\n", session.subject))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Clerk::from_publishable_key(&std::env::var("CLERK_PUBLISHABLE_KEY")?)?;
    if let Ok(origin) = std::env::var("APP_ORIGIN") {
        builder = builder.authorized_party(&origin)?;
    }
    let router = Router::new().route("/me", get(me)).route("/", get(greeting)).with_state(builder.build()?);
    let listen = std::env::var("APP_LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("http://{}/me", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

//! What a server answers while it starts: that it lives, that it is not ready, and everything else
//! that it is to be asked again in a moment.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};

use super::forward_auth;
use super::layers::Layers;
use super::problem::{Problem, ServerCode};
use super::public::PublicRoute;
use super::readiness::Readiness;
use super::routes::health;
use super::{Application, layered};

/// Most starts take less.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The application until the server's own is there.
#[expect(clippy::disallowed_methods, reason = "nobody is authenticated while the server starts")]
pub fn starting(layers: Arc<Layers>) -> Application {
    let mut router = Router::new()
        .route(PublicRoute::Healthz.as_str(), get(health::healthz))
        .route(PublicRoute::Readyz.as_str(), get(async || Readiness::starting()))
        .fallback(unavailable);
    // The layers know them by their address: a person reads a page there, a proxy a header.
    let known = [PublicRoute::InstagramCallback.as_str(), PublicRoute::DataDeletionPage.as_str()];
    for path in known.into_iter().chain([forward_auth::PATH]).chain(forward_auth::WITH_ORIGINAL) {
        router = router.route(path, any(unavailable));
    }
    layered(router, layers).into()
}

async fn unavailable() -> Problem {
    Problem::new(ServerCode::DatabaseUnavailable)
        .with_detail("This server is starting; its database is not open yet.")
        .with_retry_after(Some(RETRY_AFTER))
}

//! The HTTP surface: the only part that knows both who is calling and what we know about their
//! account.
//!
//! Layers, from the outside in, each where it is for a reason:
//!
//! 1. The envelope ([`mod@layers`]): request id, security headers, the bytes of every problem, the
//!    access log. Outermost, so that no answer leaves without them, whoever made it.
//! 2. [`cors`]: on every answer that follows, errors, 404 and 405 included; preflights end here,
//!    before any credential is asked for, since browsers send none with them.
//! 3. The guard ([`mod@layers`]): load shedding, the request's time, panics. Inside CORS, so that a
//!    page can read the 503.
//! 4. The handler, whose first argument ([`crate::caller::Caller`],
//!    [`authentication::NotImpersonated`] or [`crate::caller::ServiceCaller`]) is the
//!    authentication. It is no layer: a layer can be forgotten.
//!
//! A slow or hostile connection never gets this far: see [`server`].

pub mod admission;
mod answer_headers;
mod application;
pub mod authentication;
mod body;
mod context;
pub mod cors;
mod detached;
mod direct;
mod etag;
mod failure;
mod forward_auth;
mod large_bodies;
pub mod layers;
mod looks;
pub mod memory;
pub mod memory_metrics;
pub mod metrics;
mod openapi;
mod openapi_headers;
pub mod operator;
mod pages;
mod params;
pub mod problem;
mod problem_page;
pub mod public;
mod readiness;
mod readiness_log;
pub mod refused_origins;
pub mod request_id;
pub mod router;
mod routes;
pub mod server;
pub mod session_metrics;
mod starting;
mod state;
pub mod streams;
#[cfg(test)]
mod tests;
mod unreadable;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::routing::Route;
use futures_util::FutureExt as _;
use tower::layer::layer_fn;
use tower::{Service as _, service_fn};

pub use admission::{Admission, RequestLimits};
pub use application::{Application, Successor};
pub use cors::AllowedOrigins;
pub use routes::document;
pub use server::{PlaceMetrics, ServerLimits, Service, bind, serve};
pub use starting::starting;
pub use state::{AppState, AppStateParts};
pub use unreadable::refusals;

use cors::Cors;
use layers::{Edge, Layers, Template};
use refused_origins::RefusedOrigins;

/// The whole application: every route within every layer.
pub fn app(state: AppState, layers: Arc<Layers>) -> Application {
    let (routes, direct) = routes::all().into_inner();
    let router = Router::from(routes).with_state(state.clone()).fallback(layers::not_found);
    let router = layered(router, Arc::clone(&layers));
    Application::new(router, direct, layers, state)
}

/// What is around every handler; it counts, so a server has it once.
pub fn layers(edge: Arc<Edge>, allowed_origins: &AllowedOrigins) -> Arc<Layers> {
    let refused_origins = RefusedOrigins::new(edge.clock.clone(), edge.metrics.memory.clone());
    edge.metrics.register(|registry| refused_origins.register(registry));
    Arc::new(Layers::new(edge, Cors::new(allowed_origins.clone(), refused_origins)))
}

/// `router` within the layers, in the order given above.
fn layered(router: Router, layers: Arc<Layers>) -> Router {
    let layer = layer_fn(move |route: Route| {
        let layers = Arc::clone(&layers);
        service_fn(move |request: Request| {
            let (layers, mut route) = (Arc::clone(&layers), route.clone());
            async move {
                let peer = request.extensions().get().copied();
                let template = request.extensions().get::<MatchedPath>().cloned().map(Template::Matched);
                let mut handler = |request| {
                    let answer = route.call(request);
                    answer.map(|answer| answer.unwrap_or_else(|never: Infallible| match never {})).boxed()
                };
                Ok::<_, Infallible>(layers.around(request, peer, template, &mut handler).await)
            }
        })
    });
    router.method_not_allowed_fallback(layers::method_not_allowed).layer(layer)
}

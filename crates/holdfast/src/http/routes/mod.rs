//! Every route, one file per thing that a client wants.

mod callback;
mod connect;
mod docs;
mod events;
mod forward_auth;
pub(super) mod health;
mod history;
mod instagram;
mod meta;
mod service;
mod user;
mod webhooks;

pub use docs::document;

use super::router::Routes;

/// What nearly every file of routes needs.
mod prelude {
    pub(super) use super::super::body::{Json, OptionalJson};
    pub(super) use super::super::detached::Detached;
    pub(super) use super::super::openapi::{About, tags};
    pub(super) use super::super::openapi_headers::{self, Sends};
    pub(super) use super::super::problem::{Problem, ProblemCode, Problems, RequestCode, ServerCode};
    pub(super) use super::super::public::PublicRoute;
    pub(super) use super::super::router::Routes;
    pub(super) use super::super::state::AppState;
    pub(super) use crate::connections::Connections;
}

/// All of them.
pub(super) fn all() -> Routes {
    let routes = Routes::default();
    let routes = user::add(routes);
    let routes = instagram::add(routes);
    let routes = connect::add(routes);
    let routes = history::add(routes);
    let routes = events::add(routes);
    let routes = forward_auth::add(routes);
    let routes = service::add(routes);
    let routes = callback::add(routes);
    let routes = webhooks::add(routes);
    let routes = meta::add(routes);
    let routes = health::add(routes);
    docs::add(routes)
}

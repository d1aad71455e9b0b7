//! Handlers that a request finds without the router.
//!
//! axum's router walks a tree, notes in the request what it found there, and clones a box for the
//! route, for the layers and for the handler: more than all our layers do. A GET of an address
//! without parameters needs none of that: its handler is found by the address as it stands.

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Method;

use super::state::AppState;

/// A handler that is an async function: axum has boxed its future already.
pub trait GetHandler<T>: Handler<T, AppState, Future = BoxFuture<'static, Response>> + Sync {}

impl<H: Handler<T, AppState, Future = BoxFuture<'static, Response>> + Sync, T> GetHandler<T> for H {}

/// Calls a handler.
pub(super) type Call = Box<dyn Fn(Request, AppState) -> BoxFuture<'static, Response> + Send + Sync>;

/// The handlers of GET routes without parameters: a dozen addresses, mostly of different lengths,
/// so comparing them is faster than hashing.
#[derive(Default)]
pub(super) struct DirectHandlers(Vec<(&'static str, Call)>);

impl DirectHandlers {
    /// Adds one, unless its address has parameters.
    pub(super) fn add<H, T>(&mut self, path: &'static str, handler: H)
    where
        H: GetHandler<T>,
        T: 'static,
    {
        if !path.contains('{') {
            self.0.push((path, Box::new(move |request, state| handler.clone().call(request, state))));
        }
    }

    /// The handler of a request, with the address that it was added for.
    pub(super) fn find(&self, request: &Request) -> Option<(&'static str, &Call)> {
        let path = (request.method() == Method::GET).then(|| request.uri().path())?;
        self.0.iter().find(|(each, _)| *each == path).map(|(path, call)| (*path, call))
    }
}

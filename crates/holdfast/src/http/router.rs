//! Routes are for a [`Person`], the app's [`Backend`] or [`Anybody`]; there is no fourth way to add
//! one.
//!
//! axum encodes a handler's arguments in its type: `Handler<(M, A1, A2, …), S>`. The builders below
//! ask that the first argument is the proof that the kind of route needs, so that a handler that
//! skips the verifier does not compile:
//!
//! ```compile_fail
//! use holdfast::http::router::Routes;
//! // No `Caller`: anybody could ask.
//! async fn secrets() -> &'static str { "…" }
//! fn routes(routes: Routes) -> Routes {
//!     routes.protected().get("/secrets", secrets, |op| op).done()
//! }
//! ```
//!
//! ```
//! use holdfast::{caller::Caller, http::router::Routes};
//! async fn secrets(_: Caller) -> &'static str { "…" }
//! fn routes(routes: Routes) -> Routes {
//!     routes.protected().get("/secrets", secrets, |op| op).done()
//! }
//! ```
//!
//! The proof comes first, before anything else is read from the request:
//!
//! ```compile_fail
//! use axum::extract::State;
//! use holdfast::{caller::Caller, http::router::Routes};
//! async fn secrets(_: State<AppState>, _: Caller) -> &'static str { "…" }
//! fn routes(routes: Routes) -> Routes {
//!     routes.protected().get("/secrets", secrets, |op| op).done()
//! }
//! ```
//!
//! A change is made by the person, not by somebody impersonating them:
//!
//! ```compile_fail
//! use holdfast::{caller::Caller, http::router::Routes};
//! async fn forget(_: Caller) -> &'static str { "…" }
//! fn routes(routes: Routes) -> Routes {
//!     routes.protected().delete("/secrets", forget, |op| op).done()
//! }
//! ```
//!
//! ```
//! use holdfast::http::{authentication::NotImpersonated, router::Routes};
//! async fn forget(_: NotImpersonated) -> &'static str { "…" }
//! fn routes(routes: Routes) -> Routes {
//!     routes.protected().delete("/secrets", forget, |op| op).done()
//! }
//! ```

use std::marker::PhantomData;

use aide::axum::ApiRouter;
use aide::axum::routing::{ApiMethodRouter, delete_with, get_with, post_with};
use aide::operation::{OperationHandler, OperationInput, OperationOutput};
use aide::transform::TransformOperation;
use axum::handler::Handler;

use super::authentication::{CallerOrNobody, NotImpersonated};
use super::direct::{DirectHandlers, GetHandler};
use super::openapi_headers::Sends as _;
use super::problem::Problems;
use super::public::PublicRoute;
use super::state::AppState;
use super::{admission, layers};
use crate::caller::Caller;
use crate::caller::service::ServiceCaller;

/// Routes for the signed-in browser.
#[derive(Debug)]
pub struct Person;

/// Routes for the app's own backend.
#[derive(Debug)]
pub struct Backend;

/// Routes that need no credential.
#[derive(Debug)]
pub struct Anybody;

/// The arguments of a handler that has proof of who is calling, on routes for `Who`.
#[diagnostic::on_unimplemented(
    message = "this handler does not know who is calling",
    label = "its first argument must be the proof that routes for {Who} need",
    note = "a `Person` is proven by `Caller` or `NotImpersonated`, the app's `Backend` by `ServiceCaller`",
    note = "routes that need no caller are listed in `http::public::PublicRoute`"
)]
pub trait Reads<Who> {}

/// The arguments of a handler that has proof that `Who` is calling, not somebody impersonating
/// them.
#[diagnostic::on_unimplemented(
    message = "this handler changes something without proof that it is {Who} who asks",
    label = "its first argument must be `NotImpersonated` on routes for a person, else `ServiceCaller`",
    note = "a route that impersonated sessions may call as well is added with `post_allow_impersonated`"
)]
pub trait Changes<Who> {}

/// The arguments of a handler that passes a verdict on to the proxy that asked for it.
#[diagnostic::on_unimplemented(
    message = "this handler passes no verdict on",
    label = "its first argument must be `CallerOrNobody`"
)]
pub trait ForOthers {}

/// Implements the marker for handlers whose first argument is `$proof`, with up to six more.
macro_rules! first_argument {
    ($marker:path: $($proof:ty),+) => {
        $(
            impl<M> $marker for (M, $proof) {}
            impl<M, A> $marker for (M, $proof, A) {}
            impl<M, A, B> $marker for (M, $proof, A, B) {}
            impl<M, A, B, C> $marker for (M, $proof, A, B, C) {}
            impl<M, A, B, C, D> $marker for (M, $proof, A, B, C, D) {}
            impl<M, A, B, C, D, E> $marker for (M, $proof, A, B, C, D, E) {}
            impl<M, A, B, C, D, E, F> $marker for (M, $proof, A, B, C, D, E, F) {}
        )+
    };
}
first_argument!(Reads<Person>: Caller, NotImpersonated);
first_argument!(Changes<Person>: NotImpersonated);
first_argument!(ForOthers: CallerOrNobody);
first_argument!(Reads<Backend>: ServiceCaller);
first_argument!(Changes<Backend>: ServiceCaller);

/// Every route, with its documentation; those that are added meanwhile are for `Who`.
#[must_use]
pub struct Routes<Who = ()> {
    router: ApiRouter<AppState>,
    direct: DirectHandlers,
    who: PhantomData<Who>,
}

impl Default for Routes {
    fn default() -> Self {
        Self { router: ApiRouter::new(), direct: DirectHandlers::default(), who: PhantomData }
    }
}

impl Routes {
    /// Adds routes for the signed-in browser: the first argument of every handler is [`Caller`] or
    /// [`NotImpersonated`].
    pub fn protected(self) -> Routes<Person> {
        self.now_for()
    }

    /// Adds routes for the app's own backend: the first argument of every handler is
    /// [`ServiceCaller`].
    pub fn service(self) -> Routes<Backend> {
        self.now_for()
    }

    /// Adds routes that need no credential.
    pub fn public(self) -> Routes<Anybody> {
        self.now_for()
    }

    /// The router below, with the documentation of its routes; and the handlers that can be called
    /// without it.
    pub(super) fn into_inner(self) -> (ApiRouter<AppState>, DirectHandlers) {
        (self.router, self.direct)
    }
}

/// Documents an operation.
type Doc = for<'t> fn(TransformOperation<'t>) -> TransformOperation<'t>;

/// `doc`, and the problems that any request can meet.
fn anywhere(doc: Doc) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |op| doc(op).problems(layers::PROBLEMS)
}

/// `doc`, and the problems of a request that needs a place; [`mod@layers`] says which do not.
fn admitted(doc: Doc) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |op| anywhere(doc)(op).problems(admission::PROBLEMS)
}

/// `doc` of a route that passes a verdict on.
fn forwarded(doc: Doc) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |op| admitted(doc)(op).repeats_problems()
}

impl<Who> Routes<Who> {
    /// A route that reads.
    pub fn get<H, I, O, T>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        H: GetHandler<T> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: Reads<Who> + 'static,
    {
        self.add_get(path, handler.clone(), get_with(handler, admitted(doc)))
    }

    /// A route that uses or changes something.
    pub fn post<H, I, O, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, AppState> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: Changes<Who> + 'static,
    {
        self.add(path, post_with(handler, admitted(doc)))
    }

    /// A route that removes something.
    pub fn delete<H, I, O, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, AppState> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: Changes<Who> + 'static,
    {
        self.add(path, delete_with(handler, admitted(doc)))
    }

    /// Back to all routes.
    pub fn done(self) -> Routes {
        self.now_for()
    }

    fn now_for<Next>(self) -> Routes<Next> {
        Routes { router: self.router, direct: self.direct, who: PhantomData }
    }

    fn add(mut self, path: &str, methods: ApiMethodRouter<AppState>) -> Self {
        self.router = self.router.api_route(path, methods);
        self
    }

    /// Adds a route; `handler` is the GET handler of `methods`, and may also be called directly.
    fn add_get<H, T>(mut self, path: &'static str, handler: H, methods: ApiMethodRouter<AppState>) -> Self
    where
        H: GetHandler<T>,
        T: 'static,
    {
        self.direct.add(path, handler);
        self.add(path, methods)
    }
}

impl Routes<Person> {
    /// A route that brings our records up to date without changing anything in the person's name.
    pub fn post_allow_impersonated<H, I, O, T>(self, path: &str, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, AppState> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: Reads<Person> + 'static,
    {
        self.add(path, post_with(handler, admitted(doc)))
    }

    /// A route that answers every method alike. The document, which has no word for that, shows
    /// GET.
    pub(super) fn any<H, I, O, T>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        H: GetHandler<T> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: ForOthers + 'static,
    {
        let every = axum::routing::any(handler.clone());
        let methods = get_with(handler.clone(), forwarded(doc)).merge(every);
        self.add_get(path, handler, methods)
    }
}

impl Routes<Anybody> {
    /// A public route that reads. Their addresses come from [`PublicRoute`], which is changed only
    /// by hand.
    pub fn public_get<H, I, O, T>(self, route: PublicRoute, handler: H, doc: Doc) -> Self
    where
        H: GetHandler<T> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: 'static,
    {
        let methods = if route == PublicRoute::Healthz {
            get_with(handler.clone(), anywhere(doc))
        } else {
            get_with(handler.clone(), admitted(doc))
        };
        self.add_get(route.as_str(), handler, methods)
    }

    /// A public route for callers that prove themselves in the body or by a signature.
    pub fn public_post<H, I, O, T>(self, route: PublicRoute, handler: H, doc: Doc) -> Self
    where
        H: Handler<T, AppState> + OperationHandler<I, O>,
        I: OperationInput,
        O: OperationOutput,
        T: 'static,
    {
        self.add(route.as_str(), post_with(handler, admitted(doc)))
    }
}

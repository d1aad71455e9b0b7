//! The application: every route within the layers, and the way to its handler.
//!
//! Tabs and proxies poll GET routes without parameters: those requests go straight to their
//! handler, within the same layers. Everything else goes through the router, which has every route.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use tokio::sync::SetOnce;
use tower::ServiceExt as _;

use super::direct::DirectHandlers;
use super::layers::{Layers, Template};
use super::server::PeerAddr;
use super::state::AppState;

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Application {
    router: Router,
    direct: Option<Arc<Direct>>,
    successor: Option<Successor>,
}

/// The application that takes the place of another, while the connections stay. Clones share it.
#[derive(Clone, Default)]
pub struct Successor(Arc<SetOnce<Application>>);

impl Successor {
    /// Lets `application` answer from now on; only the first one does.
    pub fn set(&self, application: Application) {
        let _ = self.0.set(application);
    }

    /// Resolves when there is one.
    pub async fn is_there(&self) {
        self.0.wait().await;
    }
}

struct Direct {
    handlers: DirectHandlers,
    layers: Arc<Layers>,
    state: AppState,
}

/// An application without direct handlers.
impl From<Router> for Application {
    fn from(router: Router) -> Self {
        Self { router, direct: None, successor: None }
    }
}

impl Application {
    /// `router` serves every route within `layers`; `handlers` serve some of them directly.
    pub(super) fn new(
        router: Router,
        handlers: DirectHandlers,
        layers: Arc<Layers>,
        state: AppState,
    ) -> Self {
        Self { router, direct: Some(Arc::new(Direct { handlers, layers, state })), successor: None }
    }

    /// The same until its successor is there.
    #[must_use]
    pub fn until(self, successor: &Successor) -> Self {
        Self { successor: Some(successor.clone()), ..self }
    }

    /// The one that answers now.
    pub(super) fn current(&self) -> &Self {
        self.successor.as_ref().and_then(|successor| successor.0.get()).unwrap_or(self)
    }

    /// The router alone, which answers every request.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Answers a request that came from `peer`; `None` where it came over no connection.
    pub fn answer(
        &self,
        mut request: Request,
        peer: Option<PeerAddr>,
    ) -> impl Future<Output = Response> + Send {
        let Self { router, direct, .. } = self.current();
        if let Some(direct) = direct
            && let Some((path, call)) = direct.handlers.find(&request)
        {
            let mut call = |request| call(request, direct.state.clone());
            return Either::Left(direct.layers.around(
                request,
                peer,
                Some(Template::Direct(path)),
                &mut call,
            ));
        }
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let answer = router.clone().oneshot(request);
        Either::Right(answer.map(|answer| answer.unwrap_or_else(|never| match never {})))
    }
}

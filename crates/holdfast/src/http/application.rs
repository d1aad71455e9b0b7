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
}

struct Direct {
    handlers: DirectHandlers<AppState>,
    layers: Arc<Layers>,
    state: AppState,
}

/// An application without direct handlers.
impl From<Router> for Application {
    fn from(router: Router) -> Self {
        Self { router, direct: None }
    }
}

impl Application {
    /// `router` serves every route within `layers`; `handlers` serve some of them directly.
    pub(super) fn new(
        router: Router,
        handlers: DirectHandlers<AppState>,
        layers: Arc<Layers>,
        state: AppState,
    ) -> Self {
        Self { router, direct: Some(Arc::new(Direct { handlers, layers, state })) }
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
        if let Some(direct) = &self.direct
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
        let answer = self.router.clone().oneshot(request);
        Either::Right(answer.map(|answer| answer.unwrap_or_else(|never| match never {})))
    }
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}

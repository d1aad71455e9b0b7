//! A layer that lets proven callers through and puts their [`Session`](crate::Session) into the
//! request's extensions.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::clerk::Clerk;

/// Wraps a service so that only proven callers reach it.
#[derive(Debug, Clone)]
pub struct SessionLayer {
    clerk: Clerk,
}

impl SessionLayer {
    /// A layer that judges by `clerk`.
    pub fn new(clerk: Clerk) -> Self {
        Self { clerk }
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { clerk: self.clerk.clone(), inner }
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    clerk: Clerk,
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    ReqBody: Send + 'static,
    ResBody: From<String>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let clerk = self.clerk.clone();
        // The one that is ready is used up; its clone is made ready for the next request.
        let next = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match clerk.session(&parts).await {
                Ok(session) => {
                    parts.extensions.insert(session);
                    ready.call(Request::from_parts(parts, body)).await
                }
                Err(rejection) => Ok(rejection.into_http()),
            }
        })
    }
}

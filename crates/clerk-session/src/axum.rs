//! [`Session`] as an extractor: a handler that takes it is reached by proven callers only.

use axum_core::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;

use crate::clerk::Clerk;
use crate::rejection::{Rejection, Session};

impl<S> FromRequestParts<S> for Session
where
    Clerk: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        Clerk::from_ref(state).session(parts).await
    }
}

/// `None` where no credential was sent. A refused header is refused all the same; a refused cookie
/// counts as none, because a browser sends it for a year, and only the page can renew it.
impl<S> OptionalFromRequestParts<S> for Session
where
    Clerk: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        match Clerk::from_ref(state).session(parts).await {
            Ok(session) => Ok(Some(session)),
            Err(Rejection::Refused(_)) if !parts.headers.contains_key(header::AUTHORIZATION) => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.into_http()
    }
}

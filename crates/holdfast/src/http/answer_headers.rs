//! The headers of an answer, in the memory of the request's.

use std::convert::Infallible;

use aide::OperationInput;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;

/// Headers that most answers have at most.
const USUAL: usize = 16;

/// Makes room for the headers of an answer, so that the map grows once at most.
pub(super) fn make_room(headers: &mut HeaderMap) {
    headers.reserve(USUAL.saturating_sub(headers.len()));
}

/// An empty map for the headers of the answer: the request's, which nobody needs once the arguments
/// of a handler are made. hyper takes the answer's map for the connection's next request, so that
/// none is made anew. The last argument of a handler that is asked often.
#[derive(Debug)]
pub(super) struct AnswerHeaders(pub(super) HeaderMap);

impl<S: Sync> FromRequest<S> for AnswerHeaders {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let mut headers = request.into_parts().0.headers;
        headers.clear();
        make_room(&mut headers);
        Ok(Self(headers))
    }
}

impl OperationInput for AnswerHeaders {}

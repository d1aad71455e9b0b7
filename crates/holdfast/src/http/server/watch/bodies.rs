//! Bodies that tell the watch what becomes of them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use super::{Awaited, Busy, Watch};

/// A request's body; counted as awaited until its end has come or it is dropped.
pub(in crate::http::server) struct AwaitedBody {
    body: Incoming,
    awaited: Option<Awaited>,
}

impl AwaitedBody {
    /// The body to hand on; most requests have none.
    pub(in crate::http::server) fn watched(body: Incoming, watch: &Watch) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Self { body, awaited: Some(watch.body_awaited()) })
    }
}

impl HttpBody for AwaitedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.awaited = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; its request is under way until the body is sent or dropped.
pub(in crate::http::server) struct BusyBody {
    body: Body,
    busy: Busy,
}

impl BusyBody {
    pub(in crate::http::server) fn new(body: Body, mut busy: Busy) -> Self {
        busy.untaken(true);
        Self { body, busy }
    }
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    /// In HTTP/2 it is asked for more once its stream's window is open.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.busy.untaken(frame.is_ready());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Server-Sent Events: the caller's status, whenever it changes, on whichever replica it changed.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use async_stream::stream;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::header::{self, HeaderMap, HeaderValue};
use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::prelude::*;
use crate::caller::{Caller, OwnerId};
use crate::clock::{SharedClock, after};
use crate::connections::Connections;
use crate::http::cors::LAST_EVENT_ID;
use crate::http::etag::ETag;
use crate::http::failure;
use crate::http::streams::StreamPlace;
use crate::store::Change;

/// Time between two heartbeat comments, which keep proxies from taking the stream for dead. The
/// status is read again with each, so a change by the clock alone shows this late at most.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Time between two reads of the status while notices from other replicas cannot be heard.
const UNTOLD: Duration = Duration::from_secs(3);

/// Adds the route.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .protected()
        .get("/user/events", events, |op| {
            op.about("events", tags::USER, "The status as a stream of Server-Sent Events")
                .description(
                    "An event `instagram.status` with the whole status at once, and again whenever it changes. \
                     Its id may be sent back as `Last-Event-ID`: then an unchanged status is not repeated. The stream ends \
                     when the session token expires; open a new one with a fresh token.",
                )
                .response_with::<200, String, _>(|mut answer| {
                    let content = &mut answer.inner().content;
                    content.clear();
                    content.insert("text/event-stream".to_owned(), aide::openapi::MediaType::default());
                    answer.description("Events.")
                })
                .problems(failure::READING)
                .problems([RequestCode::TooManyStreams])
        })
        .done()
}

async fn events(
    caller: Caller,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let place = state.streams().open(caller.owner().as_str())?;
    // Listening begins before the first look, so that no change falls between the two.
    let notices = Notices { changes: state.store.changes(), hears: state.store.hears_replicas() };
    let watched = Watched {
        owner: caller.owner().clone(),
        connections: state.connections.clone(),
        clock: state.edge.clock.clone(),
        ends_at: caller.expires_at(),
        last_seen: headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned),
    };
    // The first look decides the answer's status: a database that is away is a 503, not a stream
    // without events.
    watched.connections.status(&watched.owner).await?;
    let stream = watched.run(notices, state.stopping.clone(), place);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        // nginx would hold events back until its buffer is full.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// One caller's stream.
struct Watched {
    owner: OwnerId,
    connections: Connections,
    clock: SharedClock,
    ends_at: Timestamp,
    last_seen: Option<String>,
}

/// How a stream learns that it should look.
struct Notices {
    changes: broadcast::Receiver<Change>,
    /// Whether other replicas are heard.
    hears: watch::Receiver<bool>,
}

/// Why a stream woke up.
enum Woken {
    /// The status may have changed.
    Look,
    /// Nothing for a while.
    Heartbeat,
    /// Over.
    End,
}

impl Watched {
    fn run(
        mut self,
        mut notices: Notices,
        stopping: CancellationToken,
        place: StreamPlace,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream! {
            yield Ok(Bytes::from_static(b"retry: 3000\n\n"));
            if let Some(event) = self.look(&place).await {
                yield Ok(event);
            }
            loop {
                match self.wait(&mut notices, &stopping, &place).await {
                    Woken::End => break,
                    Woken::Look => {
                        if let Some(event) = self.look(&place).await {
                            yield Ok(event);
                        }
                    }
                    Woken::Heartbeat => match self.look(&place).await {
                        Some(event) => yield Ok(event),
                        None => yield Ok(Bytes::from_static(b": still here\n\n")),
                    },
                }
            }
        }
    }

    /// The status as an event, unless it is the one that the client has.
    async fn look(&mut self, place: &StreamPlace) -> Option<Bytes> {
        let _turn = place.turn().await;
        let status = match self.connections.status(&self.owner).await {
            Ok(status) => status,
            Err(error) => {
                // The stream stays: the next heartbeat looks again.
                tracing::warn!(%error, "a status could not be read for an event stream");
                return None;
            }
        };
        let json = serde_json::to_string(&status).ok()?;
        let tag = ETag::of(json.as_bytes());
        if self.last_seen.as_deref() == Some(tag.opaque()) {
            return None;
        }
        self.last_seen = Some(tag.opaque().to_owned());
        // JSON on one line: a line break inside it would end the event's data.
        Some(Bytes::from(format!("event: instagram.status\nid: {}\ndata: {json}\n\n", tag.opaque())))
    }

    async fn wait(&self, notices: &mut Notices, stopping: &CancellationToken, place: &StreamPlace) -> Woken {
        let Notices { changes, hears } = notices;
        let now = self.clock.now();
        if now >= self.ends_at {
            return Woken::End;
        }
        // Not marked as seen: a notice that came while the stream looked has to wake it.
        let pause = if *hears.borrow() { HEARTBEAT } else { UNTOLD };
        let mut timer = pin!(self.clock.sleep_until(after(now, pause).min(self.ends_at)));
        loop {
            tokio::select! {
                () = &mut timer => {
                    return if self.clock.now() >= self.ends_at { Woken::End } else { Woken::Heartbeat };
                }
                () = stopping.cancelled() => return Woken::End,
                () = place.gives_way() => return Woken::End,
                // Heard again, so some may have been missed meanwhile; or no longer heard, so look
                // more often. An error means that the store is gone; then the server stops.
                heard = hears.changed() => return if heard.is_ok() { Woken::Look } else { Woken::End },
                change = changes.recv() => match change {
                    Ok(change) if change.user_id == self.owner.as_str() => return Woken::Look,
                    Ok(_) => {}
                    // Notices were missed, perhaps one about this caller.
                    Err(broadcast::error::RecvError::Lagged(_)) => return Woken::Look,
                    Err(broadcast::error::RecvError::Closed) => return Woken::End,
                },
            }
        }
    }
}

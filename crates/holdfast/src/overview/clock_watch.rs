//! How far this machine's clock is from the servers that it calls, by the `Date` of their answers.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use http::header;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::clock::SharedClock;
use crate::transport::{Answer, Outgoing, SharedTransport, Transport, TransportError};

/// The last comparison; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ClockWatch(Arc<Mutex<Option<f64>>>);

impl ClockWatch {
    /// Seconds by which this machine's clock was ahead of the last server's that answered; negative
    /// where it was behind.
    pub fn ahead_by(&self) -> Option<f64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport that compares the clocks.
#[derive(Debug)]
pub struct Watched {
    inner: SharedTransport,
    clock: SharedClock,
    watch: ClockWatch,
}

impl Watched {
    /// Compares the answers of `inner` with `clock`, and keeps the last comparison in `watch`.
    pub fn new(inner: SharedTransport, clock: SharedClock, watch: ClockWatch) -> Self {
        Self { inner, clock, watch }
    }
}

impl Transport for Watched {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        let asked = self.clock.now();
        let sent = self.inner.send(request);
        Box::pin(async move {
            let answer = sent.await?;
            if let Some(ahead) = ahead(&answer, asked, self.clock.now()) {
                *self.watch.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
            }
            Ok(answer)
        })
    }
}

/// Seconds by which our clock is ahead, by an answer's `Date`, which lies between asking and
/// receiving and is cut to seconds.
pub fn ahead(answer: &Answer, asked: Timestamp, received: Timestamp) -> Option<f64> {
    let date = answer.headers.get(header::DATE)?.to_str().ok()?;
    let date = DateTimeParser::new().parse_timestamp(date).ok()?;
    let (date, asked, received) = (date.as_millisecond(), asked.as_millisecond(), received.as_millisecond());
    let ahead = if received < date {
        received - date
    } else if asked > date + 1000 {
        asked - (date + 1000)
    } else {
        0
    };
    Some(f64::from(i32::try_from(ahead).unwrap_or(if ahead < 0 { i32::MIN } else { i32::MAX })) / 1000.0)
}

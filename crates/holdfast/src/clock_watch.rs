//! How far this machine's clock is from the servers that it calls, by the `Date` of their answers;
//! and whether it seems to have leapt ahead.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header;
use jiff::{SignedDuration, Timestamp};

use crate::clock::{SharedClock, Throttle, after, is_over};
use crate::lock::Lock;
use crate::transport::{Answer, Outgoing, SharedTransport, Transport, TransportError};

/// Seconds by which a clock may be off: good session tokens are refused from then on.
const ALLOWED_S: f64 = 5.0;
/// How often the log says that it is off.
const SAID_EVERY: Duration = Duration::from_mins(10);
/// How long a comparison says that the clock is right. It may jump at any time, and by more.
const COUNTS_FOR: Duration = Duration::from_hours(1);
/// How far a clock may be ahead, where whole days count.
const FAR: Duration = Duration::from_hours(1);
/// A clock that moved on by so much while nobody looked has leapt, as far as is known. What is given
/// up a day too early is no loss.
const LEAP: Duration = Duration::from_hours(24);

/// The last comparison; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ClockWatch(Arc<Lock<Compared>>);

#[derive(Debug, Default)]
struct Compared {
    /// And when it was made.
    ahead: Option<(f64, Timestamp)>,
    said: Throttle,
    /// What this clock, or another one that wrote to the database, showed last.
    seen: Option<Timestamp>,
    leapt_at: Option<Timestamp>,
}

impl ClockWatch {
    /// Seconds by which this machine's clock was ahead of the last server's that answered; negative
    /// where it was behind.
    pub fn ahead_by(&self) -> Option<f64> {
        self.0.lock().ahead.map(|(ahead, _)| ahead)
    }

    /// The same where it is more than is allowed.
    pub fn off_by(&self) -> Option<f64> {
        self.ahead_by().filter(|ahead| ahead.abs() > ALLOWED_S)
    }

    /// Whether this machine's clock is ahead by more than an hour; `None` for an hour after it seems
    /// to have leapt, or until a server answers. One that was ahead is so until the next answer, or
    /// until it is set back.
    pub fn is_ahead(&self, now: Timestamp) -> Option<bool> {
        let mut watched = self.0.lock();
        if watched.seen.replace(now).is_some_and(|seen| after(seen, LEAP) < now) {
            watched.leapt_at = Some(now);
        }
        let lately = |at: Timestamp| !is_over(at, COUNTS_FOR, now);
        match watched.ahead {
            Some((ahead, at)) if ahead > FAR.as_secs_f64() && now >= at => Some(true),
            Some((ahead, at)) if ahead <= FAR.as_secs_f64() && lately(at) => Some(false),
            Some(_) | None => (!watched.leapt_at.is_some_and(lately)).then_some(false),
        }
    }

    /// Notes a time that has been: a clock that is far ahead of it has leapt.
    pub fn saw(&self, at: Timestamp) {
        self.0.lock().seen = Some(at);
    }

    /// Notes a comparison that was made at `now`.
    pub fn note(&self, ahead: f64, now: Timestamp) {
        let mut compared = self.0.lock();
        compared.ahead = Some((ahead, now));
        if ahead.abs() > ALLOWED_S && compared.said.admits(SAID_EVERY, now) {
            tracing::warn!(
                ahead_s = ahead,
                "this machine's clock is off, so that good session tokens are refused; synchronise it, with chrony or \
                 systemd-timesyncd"
            );
        }
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
            let now = self.clock.now();
            if let Some(ahead) = ahead(&answer, asked, now) {
                self.watch.note(ahead, now);
            }
            Ok(answer)
        })
    }
}

/// Seconds by which our clock is ahead, by an answer's `Date`, which lies between asking and
/// receiving and is cut to seconds. `None` where the answer comes out of a cache: its `Date` is of
/// when it was stored (RFC 9111, 5.1).
pub fn ahead(answer: &Answer, asked: Timestamp, received: Timestamp) -> Option<f64> {
    if answer.headers.get(header::AGE).is_some_and(|age| age != "0") {
        return None;
    }
    let earliest = Timestamp::try_from(answer.date(header::DATE)?).ok()?;
    let latest = after(earliest, Duration::from_secs(1));
    let ahead = if received < earliest {
        received.duration_since(earliest)
    } else if asked > latest {
        asked.duration_since(latest)
    } else {
        SignedDuration::ZERO
    };
    Some(ahead.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    #[test]
    fn a_clock_that_has_leapt_is_not_known_to_be_right_for_an_hour() {
        let (watch, now) = (ClockWatch::default(), "2026-11-29T12:00:00Z".parse().unwrap());
        let after = |hours| crate::clock::after(now, Duration::from_hours(hours));
        let is_ahead =
            |hours: &[u64]| hours.iter().map(|each| watch.is_ahead(after(*each))).collect::<Vec<_>>();
        assert_eq!(is_ahead(&[0, 24, 48]), [Some(false); 3], "nothing speaks against it");
        assert_eq!(is_ahead(&[9600, 9601, 9602]), [None, Some(false), Some(false)]);
        // Whatever a server said before.
        watch.note(-90.0, after(9602));
        assert_eq!(is_ahead(&[9602, 19_200, 19_200]), [Some(false), None, None]);
        watch.note(400.0 * 86_400.0, after(19_200));
        assert_eq!(is_ahead(&[19_200, 9602, 9603]), [Some(true), Some(false), Some(false)], "set back");
        assert_eq!(is_ahead(&[19_202, 19_300]), [Some(true); 2]);
        watch.note(0.0, after(19_300));
        assert_eq!(is_ahead(&[19_300]), [Some(false)]);
    }

    #[test]
    fn a_clock_far_ahead_of_what_was_written_has_leapt() {
        let (watch, now) = (ClockWatch::default(), "2026-11-29T12:00:00Z".parse().unwrap());
        watch.saw(crate::clock::before(now, Duration::from_hours(25)));
        assert_eq!(watch.is_ahead(now), None);
        watch.note(0.0, now);
        assert_eq!(watch.is_ahead(now), Some(false));
        // Written by a clock that was ahead.
        watch.saw(after(now, Duration::from_hours(9600)));
        assert_eq!(watch.is_ahead(after(now, Duration::from_hours(2))), Some(false));
    }

    #[test]
    fn an_answer_out_of_a_cache_tells_nothing_of_the_time() {
        let now: Timestamp = "2026-11-29T12:01:30Z".parse().unwrap();
        let compared = |age: Option<&'static str>| {
            let date = HeaderValue::from_static("Sun, 29 Nov 2026 12:00:00 GMT");
            let mut headers = HeaderMap::from_iter([(header::DATE, date)]);
            headers.extend(age.map(|age| (header::AGE, HeaderValue::from_static(age))));
            ahead(&Answer { status: StatusCode::OK, headers, body: Bytes::new() }, now, now)
        };
        assert_eq!(compared(None), Some(89.0));
        assert_eq!(compared(Some("0")), Some(89.0));
        assert_eq!(compared(Some("90")), None);
    }
}

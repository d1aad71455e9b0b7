//! Origins that are not allowed: a browser shows its developer a CORS error without a cause, so the
//! operator's log and metrics name the origin and the allowed one that was probably meant.

use std::time::Duration;

use clerk_session::OriginPattern;
use http::HeaderValue;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::memory::{RefusalMemory, RefusedOrigin};
use crate::clock::{SharedClock, Throttle};
use crate::lock::Lock;
use crate::metric::metrics;
use crate::nearest::nearest;

/// At most one log line in this time, for all origins together.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// Bytes of an origin that are kept: more than a mistyped one has.
const LONGEST: usize = 200;

metrics! {
    /// In the order of the reference page.
    TABLE;
    REFUSED = Counter "cors_origins_refused",
        "Requests of pages whose origin is not allowed",
        "Alert when it rises after a release: a page has moved to an origin that HOLDFAST_ALLOWED_ORIGINS lacks. The log \
         names both origins.";
}

/// Counts and, now and then, names the origins that are refused.
#[derive(Debug)]
pub struct RefusedOrigins {
    clock: SharedClock,
    count: Counter,
    memory: RefusalMemory,
    lines: Lock<Throttle>,
}

impl RefusedOrigins {
    /// Nothing refused yet.
    pub fn new(clock: SharedClock, memory: RefusalMemory) -> Self {
        Self { clock, count: Counter::default(), memory, lines: Lock::default() }
    }

    /// Adds the counter.
    pub fn register(&self, registry: &mut Registry) {
        REFUSED.register(registry, self.count.clone());
    }

    /// A page of `origin` was refused.
    pub fn note(&self, allowed: &[OriginPattern], origin: &HeaderValue) {
        self.count.inc();
        let Some(origin) = origin.to_str().ok().filter(|origin| origin.len() <= LONGEST) else { return };
        let at = self.clock.now();
        let nearest = nearest(origin, allowed.iter().map(OriginPattern::as_str)).map(str::to_owned);
        self.memory.remember_origin(RefusedOrigin {
            origin: origin.to_owned(),
            nearest: nearest.clone(),
            at,
        });
        if self.lines.lock().admits(LOG_EVERY, at) {
            tracing::warn!(
                origin,
                nearest,
                "a page called whose origin is not in HOLDFAST_ALLOWED_ORIGINS (of holdfast dev: not among its --origin); \
                 its browser hides the answer from it"
            );
        }
    }
}

//! Metrics of the session verifier and its keys, for the metrics listener.
//!
//! The verifier keeps its own counters and knows no registry; they are read at each scrape.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use crate::caller::SessionVerifier;
use crate::clock::SharedClock;
use crate::metric::{collect, metrics};

metrics! {
    /// Metrics of the session verifier, in the order of the reference page.
    TABLE;
    ACCEPTED = Counter "session_tokens_accepted",
        "Session tokens accepted, including those from the cache",
        "The traffic of signed-in people. Alert when it falls to zero at a time of day when it never does.";
    REMEMBERED = Counter "session_tokens_remembered",
        "Session tokens accepted from the cache of verified tokens",
        "Nothing to alert on: its share of the accepted ones is the share of signature checks saved.";
    WOULD_REFUSE = Counter "session_tokens_would_refuse",
        "Session tokens accepted that CLERK_AUTHORIZED_PARTIES_MODE=enforce would refuse",
        "Look at it while the mode is `report`: if it stays at zero for a week, `enforce` refuses nobody who is \
         served now.";
    PENDING = Counter "session_tokens_pending",
        "Genuine session tokens of sessions that are not active",
        "Nothing to alert on: people with an open task at Clerk, such as choosing an organization.";
    REFUSED = Counter "session_tokens_refused",
        "Session tokens refused, including missing ones",
        "See `session_verdicts`, which names the codes.";
    STOPPED = Counter "session_tokens_stopped",
        "Requests with an already refused token, stopped without a signature check",
        "Alert when it rises for 10 minutes: a client retries in a loop.";
    CANNOT_JUDGE = Counter "session_tokens_cannot_judge",
        "Session tokens that could not be judged because the key is missing",
        "Alert when it rises for 5 minutes: callers get 503.";
    KEY_UNKNOWN = Counter "session_tokens_key_unknown",
        "Session tokens that fit no key and are newer than the keys, while Clerk is not asked again yet",
        "Anybody can make it rise with a forged token. Alert when it rises for 5 minutes and no token is accepted.";
    KEY_FETCHES = Counter "clerk_keys_fetches",
        "Requests for Clerk's keys",
        "Nothing to alert on. A rate above one a minute means that tokens with unknown keys arrive.";
    KEYS_FAILING = Gauge "clerk_keys_failing",
        "1 if the last request for Clerk's keys failed",
        "Alert when it is 1 for 10 minutes: the present keys still work, until Clerk changes them.";
    KEYS_AGE = Gauge "clerk_keys_age_seconds",
        "Time since Clerk's keys were fetched; absent while there are none",
        "Alert when it is absent for 5 minutes (unless `CLERK_JWT_KEY` pins the key): no token can be judged.";
}

/// Collects the metrics of one verifier.
pub(super) fn register(verifier: Arc<SessionVerifier>, clock: SharedClock, registry: &mut Registry) {
    collect(registry, move |encoder| {
        let counts = verifier.counts();
        let keys = verifier.key_status();
        let counters = [
            (ACCEPTED, counts.accepted),
            (REMEMBERED, counts.remembered),
            (WOULD_REFUSE, counts.would_refuse),
            (PENDING, counts.pending),
            (REFUSED, counts.refused),
            (STOPPED, counts.stopped),
            (CANNOT_JUDGE, counts.cannot_judge),
            (KEY_UNKNOWN, counts.key_unknown),
            (KEY_FETCHES, keys.fetches),
        ];
        for (row, value) in counters {
            row.count(encoder, value)?;
        }
        KEYS_FAILING.gauge(encoder, Some(i64::from(keys.last_error.is_some())))?;
        let now_ms = clock.now().as_millisecond();
        KEYS_AGE.gauge(encoder, keys.loaded_at_ms.map(|at| now_ms.saturating_sub(at) / 1000))
    });
}

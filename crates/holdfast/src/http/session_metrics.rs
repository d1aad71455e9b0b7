//! What the judge of session tokens counts, and how its keys are doing, for the metrics listener.
//!
//! The judge keeps its own counters and knows no registry; they are read whenever somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::caller::SessionVerifier;
use crate::clock::SharedClock;

/// Reads one judge.
#[derive(Debug)]
pub(super) struct SessionMetrics {
    verifier: Arc<SessionVerifier>,
    clock: SharedClock,
}

impl SessionMetrics {
    pub(super) fn new(verifier: Arc<SessionVerifier>, clock: SharedClock) -> Self {
        Self { verifier, clock }
    }
}

impl Collector for SessionMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let counts = self.verifier.counts();
        let keys = self.verifier.key_status();
        let counters = [
            ("session_tokens_accepted", "Session tokens accepted, remembered ones included", counts.accepted),
            ("session_tokens_remembered", "Session tokens accepted from memory", counts.remembered),
            (
                "session_tokens_would_refuse",
                "Session tokens accepted that CLERK_AUTHORIZED_PARTIES_MODE=enforce would refuse",
                counts.would_refuse,
            ),
            (
                "session_tokens_pending",
                "Genuine session tokens of sessions that are not active",
                counts.pending,
            ),
            ("session_tokens_refused", "Session tokens refused, missing ones included", counts.refused),
            (
                "session_tokens_stopped",
                "Presentations of a refused token that were stopped without a signature check",
                counts.stopped,
            ),
            (
                "session_tokens_cannot_judge",
                "Session tokens that could not be judged for want of keys",
                counts.cannot_judge,
            ),
            ("clerk_keys_fetches", "Requests for Clerk's keys", keys.fetches),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let now_ms = self.clock.now().as_millisecond();
        let gauges = [
            (
                "clerk_keys_failing",
                "Whether the last request for Clerk's keys failed",
                Some(i64::from(keys.last_error.is_some())),
            ),
            (
                "clerk_keys_age_seconds",
                "Since Clerk's keys were fetched; absent while there are none",
                keys.loaded_at_ms.map(|at| now_ms.saturating_sub(at) / 1000),
            ),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

//! How much of its bounded memories this process uses: each has a bound that SECURITY.md lists.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::admission::Admission;
use super::detached::Detached;
use super::memory::RefusalMemory;
use crate::caller::SessionVerifier;
use crate::connections::Connections;
use crate::metric::metrics;
use crate::store::Store;
use crate::users::Users;

metrics! {
    /// What this process keeps in memory, in the order of the reference page.
    TABLE;
    ENTRIES = Gauge "memory_entries",
        "Entries of what this process keeps in memory",
        "Nothing to alert on: each stays below its bound, which SECURITY.md lists. What is full forgets something.",
        by [(
            "memory",
            "`verified_tokens`, `repeated_tokens`, `refused_requests`, `refused_origins`, `clerk_answers`, `clerk_failures`, \
             `missing_facts`, `addresses`, `large_bodies`, `outlasting_work`, `unreadable_rows`, `stored_grants`, \
             `tokens_in_hand` or `status_reads`",
        )];
}

/// Collects the sizes at each scrape.
#[derive(Debug)]
pub(super) struct MemoryMetrics {
    pub(super) verifier: Arc<SessionVerifier>,
    pub(super) refusals: RefusalMemory,
    pub(super) users: Users,
    pub(super) admission: Admission,
    pub(super) detached: Detached,
    pub(super) store: Store,
    pub(super) connections: Connections,
}

impl Collector for MemoryMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (verified, repeated) = self.verifier.remembered();
        let (requests, origins) = self.refusals.remembered();
        let (answers, failures, missing) = self.users.remembered();
        let sizes = [
            ("verified_tokens", verified),
            ("repeated_tokens", repeated),
            ("refused_requests", requests),
            ("refused_origins", origins),
            ("clerk_answers", answers),
            ("clerk_failures", failures),
            ("missing_facts", missing),
            ("addresses", self.admission.addresses()),
            ("large_bodies", self.admission.large_bodies()),
            ("outlasting_work", self.detached.under_way()),
            ("unreadable_rows", self.store.troubled_rows_logged()),
            ("stored_grants", self.connections.journal().remembered()),
            ("tokens_in_hand", self.connections.journal().in_hand()),
            ("status_reads", self.store.status_reads_waiting()),
        ];
        let mut metric = encoder.encode_descriptor(ENTRIES.name, ENTRIES.help, None, MetricType::Gauge)?;
        for (memory, entries) in sizes {
            let entries = i64::try_from(entries).unwrap_or(i64::MAX);
            metric.encode_family(&[("memory", memory)])?.encode_gauge(&entries)?;
        }
        Ok(())
    }
}

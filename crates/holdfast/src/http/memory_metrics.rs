//! How much of its bounded memories this process uses: each has a bound that SECURITY.md lists.

use std::sync::Arc;

use prometheus_client::registry::Registry;

use super::admission::Admission;
use super::detached::Detached;
use super::memory::RefusalMemory;
use crate::caller::SessionVerifier;
use crate::connections::Connections;
use crate::metric::{collect, metrics};
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

/// What keeps something in memory.
pub(super) struct Memories {
    pub(super) verifier: Arc<SessionVerifier>,
    pub(super) refusals: RefusalMemory,
    pub(super) users: Users,
    pub(super) admission: Admission,
    pub(super) detached: Detached,
    pub(super) store: Store,
    pub(super) connections: Connections,
}

impl Memories {
    /// Collects the sizes at each scrape.
    pub(super) fn register(self, registry: &mut Registry) {
        collect(registry, move |encoder| {
            let sizes = self.sizes().map(|(memory, entries)| ([("memory", memory)], entries));
            ENTRIES.gauges(encoder, sizes)
        });
    }

    fn sizes(&self) -> [(&'static str, usize); 14] {
        let (verified, repeated) = self.verifier.remembered();
        let (requests, origins) = self.refusals.remembered();
        let (answers, failures, missing) = self.users.remembered();
        [
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
        ]
    }
}

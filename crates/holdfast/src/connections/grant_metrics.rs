//! Metrics of stored grants.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::metric::{Kind, Metric};

const UNREADABLE: Metric = Metric {
    name: "grants_unreadable",
    kind: Kind::Counter,
    labels: &[],
    help: "Stored grants that were found damaged",
    watch: "Alert on any: rows were changed behind the program's back. The log names the connection.",
};

/// What is counted of grants, in the order of the reference page.
pub const TABLE: &[Metric] = &[UNREADABLE];

/// What is counted of grants.
#[derive(Debug, Clone, Default)]
pub(super) struct GrantMetrics {
    unreadable: Counter,
}

impl GrantMetrics {
    /// Makes the counters known.
    pub(super) fn register(&self, registry: &mut Registry) {
        UNREADABLE.register(registry, self.unreadable.clone());
    }

    pub(super) fn found_unreadable(&self) {
        self.unreadable.inc();
    }
}

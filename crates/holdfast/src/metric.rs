//! What one counted thing is: its name for the registry, and what the reference page says of it.
//! Each part of the process that counts owns the table of what it counts.

use prometheus_client::registry::{Metric as Counted, Registry};

/// Before every name.
pub const PREFIX: &str = "holdfast";

/// How a value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only upward, from zero at the process's start.
    Counter,
    /// Up and down.
    Gauge,
    /// A distribution: `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// As in `# TYPE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Without prefix and without the `_total` of a counter.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it is split by, and what a label's values are.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it counts, in a few words without a full stop.
    pub help: &'static str,
    /// What an operator does with it.
    pub watch: &'static str,
}

impl Metric {
    /// The name that queries use.
    pub fn full_name(&self) -> String {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Histogram => "",
        };
        // Their names are common to all programs.
        if self.name.starts_with("process_") {
            return format!("{}{suffix}", self.name);
        }
        format!("{PREFIX}_{}{suffix}", self.name)
    }

    /// Makes `counted` known under this row's name.
    pub fn register(&self, registry: &mut Registry, counted: impl Counted) {
        registry.register(self.name, self.help, counted);
    }
}

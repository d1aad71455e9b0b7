//! A metric: its name for the registry, and its row of the reference page. Each part of the process
//! owns the table of its metrics.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric as Counted, Registry};

use crate::names::names;

/// Prefix of every name.
pub const PREFIX: &str = "holdfast";

names! {
    /// How a value moves.
    pub enum Kind {
        /// Only upward, from zero at the process's start.
        Counter = "counter",
        /// Up and down.
        Gauge = "gauge",
        /// A distribution: `_bucket`, `_sum` and `_count`.
        Histogram = "histogram",
    }
}

/// Labels and their values, in the order in which they are written.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

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

    /// Writes a count that somebody else keeps.
    pub fn count(&self, encoder: &mut DescriptorEncoder<'_>, value: impl EncodeCounterValue) -> fmt::Result {
        self.encode(encoder, &ConstCounter::new(value))
    }

    /// Writes a value that somebody else keeps; nothing where there is none.
    pub fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        value: Option<impl EncodeGaugeValue>,
    ) -> fmt::Result {
        value.map_or(Ok(()), |value| self.encode(encoder, &ConstGauge::new(value)))
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>, value: &impl EncodeMetric) -> fmt::Result {
        value.encode(encoder.encode_descriptor(self.name, self.help, None, value.metric_type())?)
    }

    /// Writes values that somebody else keeps, by their labels; nothing where there are none.
    pub fn gauges<'l, const N: usize>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        values: impl IntoIterator<Item = ([(&'l str, &'l str); N], impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Registers `counted` under this row's name.
    pub fn register(&self, registry: &mut Registry, counted: impl Counted) {
        registry.register(self.name, self.help, counted);
    }
}

/// Lets `encode` write values that others keep, at each scrape.
pub fn collect(
    registry: &mut Registry,
    encode: impl Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static,
) {
    registry.register_collector(Box::new(Collected(encode)));
}

struct Collected<F>(F);

impl<F: Fn(&mut DescriptorEncoder<'_>) -> fmt::Result + Send + Sync + 'static> Collector for Collected<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut encoder)
    }
}

impl<F> fmt::Debug for Collected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collected")
    }
}

/// Declares metrics, and the list of them in the order of the reference page.
macro_rules! metrics {
    ($(#[$about:meta])* $list:ident; $(
        $metric:ident = $kind:ident $name:literal, $help:literal, $watch:literal $(, by [$($label:expr),+ $(,)?])?;
    )+) => {
        $(const $metric: $crate::metric::Metric = $crate::metric::Metric {
            name: $name,
            kind: $crate::metric::Kind::$kind,
            labels: &[$($($label),+)?],
            help: $help,
            watch: $watch,
        };)+

        $(#[$about])*
        pub const $list: &[$crate::metric::Metric] = &[$($metric,)+];
    };
}
pub(crate) use metrics;

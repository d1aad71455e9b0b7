//! Counters in Prometheus' text format, for the listener of `HOLDFAST_METRICS_LISTEN`.
//!
//! There is no global recorder: each part that counts holds a clone. Labels are route templates,
//! statuses and codes, all from closed lists, so that no client can make the number of series grow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::memory::RefusalMemory;
use super::readiness_log::ReadinessLog;
use crate::lock::Lock;
use crate::metric::{self, Labels, metrics};
use crate::per_thread::{CounterPerThread, GaugePerThread, PerThread};

/// What this process counts.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Lock<Registry>>,
    requests: Family<RequestLabels, CounterPerThread>,
    durations: Family<[(&'static str, String); 1], Durations>,
    /// Read with each answer, and replaced with the first of its kind.
    routes: Arc<ArcSwap<HashMap<String, RouteMetrics>>>,
    problems: Family<Labels<1>, Counter>,
    verdicts: Family<Labels<2>, CounterPerThread>,
    /// The most frequent of the verdicts.
    accepted: CounterPerThread,
    shed: Counter,
    ready: Family<Labels<1>, Gauge>,
    /// What became of requests that did not go well.
    pub memory: RefusalMemory,
    /// When it was last said why this process is not ready.
    pub(super) readiness_log: ReadinessLog,
    /// Requests being handled.
    pub in_flight: GaugePerThread,
    /// Open event streams.
    pub streams: Gauge,
}

/// The series of one route, so that an answer is counted without putting its labels together.
#[derive(Debug, Clone)]
struct RouteMetrics {
    durations: Durations,
    /// Answers of the route, one counter for each method and status that it has given.
    answers: Vec<(&'static str, u16, CounterPerThread)>,
}

impl RouteMetrics {
    /// Counts an answer, unless it is the first of its kind.
    fn answered(&self, method: &'static str, status: u16, took: Duration) -> bool {
        let Some((_, _, counter)) =
            self.answers.iter().find(|(of, with, _)| (*of, *with) == (method, status))
        else {
            return false;
        };
        counter.inc();
        self.durations.observe(took);
        true
    }
}

/// How long answers took: a histogram whose parts are counted by themselves.
#[derive(Debug, Clone, Default)]
struct Durations(Arc<PerThread<DurationsOfThread>>);

#[derive(Debug, Default)]
struct DurationsOfThread {
    nanoseconds: AtomicU64,
    /// Counts by the bounds of [`BUCKETS`], and one of what is above them all.
    counts: [AtomicU64; BUCKETS.len() + 1],
}

impl Durations {
    fn observe(&self, took: Duration) {
        let own = self.0.own();
        let bucket = BUCKETS.iter().position(|bound| took <= *bound).unwrap_or(BUCKETS.len());
        own.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = took.as_nanos().try_into().unwrap_or(u64::MAX);
        own.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), std::fmt::Error> {
        let bounds = BUCKETS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
        let mut buckets: Vec<_> = bounds.map(|bound| (bound, 0)).collect();
        let mut took = Duration::ZERO;
        for of_thread in self.0.all() {
            took += Duration::from_nanos(of_thread.nanoseconds.load(Ordering::Relaxed));
            for ((_, sum), count) in buckets.iter_mut().zip(&of_thread.counts) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(took.as_secs_f64(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

metrics! {
    /// What every request is counted by, in the order of the reference page.
    TABLE;
    REQUESTS = Counter "http_requests",
        "Answered requests by route template and status",
        "Alert when `sum(rate(…{status=~\"5..\"}[5m])) / sum(rate(…[5m]))` is above 0.01 for 10 minutes.",
        by [
            ("method", "the method; `other` for one that HTTP does not know"),
            ("route", "the route's template; `unmatched` where none fits"),
            ("status", "the status"),
        ];
    DURATIONS = Histogram "http_request_duration_seconds",
        "Time from the request's header to the answer's header",
        "Alert when the 99th percentile of `/user/instagram/status` is above 0.25 for 10 minutes: it reads storage \
         only.",
        by [("route", "as above")];
    PROBLEMS = Counter "http_problems",
        "Error answers by code",
        "Alert on any `internal-error`, and on `database-unavailable` or `database-full` for 5 minutes. `not-set-up` \
         means that somebody calls a part that is not configured.",
        by [("code", "a code of [errors](errors.md)")];
    SHED = Counter "http_shed",
        "Requests refused because too many others were running",
        "Alert when it rises for 5 minutes. Add replicas, or raise `HOLDFAST_MAX_REQUESTS`.";
    IN_FLIGHT = Gauge "http_in_flight",
        "Requests being handled",
        "Compare with `HOLDFAST_MAX_REQUESTS`. If it is above half of that for minutes, something that requests wait \
         for is slow.";
    STREAMS = Gauge "event_streams",
        "Open event streams",
        "At most 2048 in a process, or half of its connections; alert above 1800.";
    VERDICTS = Counter "session_verdicts",
        "Verdicts on session tokens and service keys",
        "Alert when the share of `refused` is unusual for the app: after a change of origins the cause is `azp`, \
         after a change of keys the signature. Alert on `cannot_judge` for 5 minutes.",
        by [
            ("verdict", "`accepted`, `refused` or `cannot_judge`"),
            ("code", "why; `service-key` for a good service key; empty for a good session token"),
        ];
    READY = Gauge "ready",
        "Whether each check of `/readyz` is good, as of this scrape",
        "Alert where one is 0 for minutes (`HoldfastDatabaseAway`, `HoldfastCannotJudge`, `HoldfastNotReady`): a \
         proxy that asks `/readyz` turns away from this replica, so that no request fails here and no other series \
         says it.",
        by [
            ("check", "`session_keys`, `database`, `schema` or `encryption_keys`; the last two are absent while the database is away. `starting`, alone, until the server has started"),
        ];
}

/// The codes that an alert counts. They stand there from the start, at zero: the rise of a series
/// that begins above zero is none, so that the first error would raise no alert.
const ALERTED: [&str; 3] = ["database-full", "database-unavailable", "internal-error"];

/// The verdict on a good session token; of a good service key it has a code.
const ACCEPTED: &str = "accepted";

/// Upper bounds: the hot path answers within the first few, the last is the request's own limit.
const BUCKETS: [Duration; 10] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(metric::PREFIX);
        let verdicts: Family<Labels<2>, CounterPerThread> = Family::default();
        let metrics = Self {
            registry: Arc::default(),
            routes: Arc::default(),
            accepted: verdicts.get_or_create_owned(&[("verdict", ACCEPTED), ("code", "")]),
            requests: Family::default(),
            durations: Family::default(),
            problems: Family::default(),
            verdicts,
            shed: Counter::default(),
            ready: Family::default(),
            memory: RefusalMemory::default(),
            readiness_log: ReadinessLog::default(),
            in_flight: GaugePerThread::default(),
            streams: Gauge::default(),
        };
        for code in ALERTED {
            drop(metrics.problems.get_or_create(&[("code", code)]));
        }
        REQUESTS.register(&mut registry, metrics.requests.clone());
        DURATIONS.register(&mut registry, metrics.durations.clone());
        PROBLEMS.register(&mut registry, metrics.problems.clone());
        VERDICTS.register(&mut registry, metrics.verdicts.clone());
        SHED.register(&mut registry, metrics.shed.clone());
        READY.register(&mut registry, metrics.ready.clone());
        IN_FLIGHT.register(&mut registry, metrics.in_flight.clone());
        STREAMS.register(&mut registry, metrics.streams.clone());
        Self { registry: Arc::new(Lock::new(registry)), ..metrics }
    }
}

impl Metrics {
    /// Lets another part of the process register what it counts.
    pub fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.registry.lock());
    }

    /// Counts an answer. `method` is a label ([`method_label`]).
    pub(super) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let count = || {
            let routes = self.routes.load();
            routes.get(route).is_some_and(|of_route| of_route.answered(method, status, took))
        };
        if count() {
            return;
        }
        let durations = self.durations.get_or_create_owned(&[("route", route.to_owned())]);
        let labels = RequestLabels { method, route: route.to_owned(), status };
        let counter = self.requests.get_or_create_owned(&labels);
        self.routes.rcu(|routes| {
            let mut routes = HashMap::clone(routes);
            let of_route = routes
                .entry(route.to_owned())
                .or_insert_with(|| RouteMetrics { durations: durations.clone(), answers: Vec::new() });
            // Another thread may have added it first; either of the two serves.
            of_route.answers.push((method, status, counter.clone()));
            routes
        });
        count();
    }

    /// Counts an error answer.
    pub(super) fn problem(&self, code: &'static str) {
        self.problems.get_or_create(&[("code", code)]).inc();
    }

    /// Counts a verdict: `accepted`, `refused` or `cannot_judge`, with the code of a refusal.
    pub(super) fn verdict(&self, verdict: &'static str, code: &'static str) {
        if verdict == ACCEPTED && code.is_empty() {
            self.accepted.inc();
            return;
        }
        self.verdicts.get_or_create(&[("verdict", verdict), ("code", code)]).inc();
    }

    /// Counts a request that was turned away.
    pub(super) fn shed(&self) {
        self.shed.inc();
    }

    /// Says which checks of readiness are good; `None` is for one that could not be made.
    pub(super) fn set_ready(&self, checks: impl Iterator<Item = (&'static str, Option<bool>)>) {
        for (check, is_good) in checks {
            let labels = [("check", check)];
            match is_good {
                Some(is_good) => _ = self.ready.get_or_create(&labels).set(i64::from(is_good)),
                None => _ = self.ready.remove(&labels),
            }
        }
    }

    /// Everything, as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut written = String::new();
        let registry = self.registry.lock();
        let mut process = Registry::default();
        crate::overview::process::register(&mut process);
        // Writing into a String does not fail.
        let _ = text::encode_registry(&mut written, &registry)
            .and_then(|()| text::encode_registry(&mut written, &process))
            .and_then(|()| text::encode_eof(&mut written));
        written
    }
}

/// Clients may invent methods; the label may not.
pub(super) fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;

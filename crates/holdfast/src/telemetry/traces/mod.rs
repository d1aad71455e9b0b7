//! Traces: spans of what this process does, sent to a collector as OTLP.
//!
//! Spans are OpenTelemetry's; time and ids are ours ([`Clock`], [`Entropy`]). The current span is
//! in the [`Context`] that is attached while a task is polled. Work that deserves a span runs in
//! [`in_span`], which reads one thread local where traces are off. A span contains only names and
//! numbers from closed lists, and ids that are no secrets: law 4 holds here as it does for the log,
//! and is tested the same way.
//!
//! [`Clock`]: crate::clock::Clock
//! [`Entropy`]: crate::entropy::Entropy

mod client;
mod exporter;
mod ids;
mod parent;
mod queue;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::Either;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::trace::{SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanLimits};

pub use client::Traced;
pub use exporter::{Exporter, TABLE};
pub use opentelemetry::trace::FutureExt as WithContext;
pub use server::ServerSpans;

use crate::clock::SharedClock;
use crate::entropy::{EntropyExhausted, SharedEntropy, new_id};
use crate::settings::TraceSettings;
use crate::transport::SharedTransport;

/// Makes spans, or does nothing where traces are off.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<Recorder>>);

/// What makes spans.
#[derive(Debug)]
struct Recorder {
    tracer: SdkTracer,
    clock: SharedClock,
    /// Dropped, it would stop the tracer.
    _provider: SdkTracerProvider,
}

impl Traces {
    /// No traces.
    pub fn off() -> Self {
        Self(None)
    }

    /// Traces as the settings want them, and the exporter, which must be run. Exports go through
    /// `transport`.
    pub fn on(
        settings: &TraceSettings,
        clock: SharedClock,
        entropy: SharedEntropy,
        transport: SharedTransport,
    ) -> Result<(Self, Exporter), EntropyExhausted> {
        let instance = new_id(&*entropy, clock.now())?.to_string();
        let (queue, exporter) =
            exporter::new(settings, &resource(settings, instance), clock.clone(), transport);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_id_generator(ids::Ids(entropy))
            .with_sampler(sampler(settings.sampler))
            .with_span_limits(SpanLimits::default())
            .build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .build();
        let tracer = provider.tracer_with_scope(scope);
        let recorder = Recorder { tracer, clock, _provider: provider };
        Ok((Self(Some(Arc::new(recorder))), exporter))
    }

    /// Whether spans are made.
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// A context in which [`in_span`] makes spans; the tasks of a process run in one.
    pub fn context(&self) -> Context {
        match &self.0 {
            Some(_) => Context::new().with_value(self.clone()),
            None => Context::new(),
        }
    }
}

/// Always on or off, or a share; the sampler of the SDK is not asked about the environment.
fn sampler(settings: crate::settings::traces::Sampler) -> Sampler {
    let root = if settings.share >= 1.0 {
        Sampler::AlwaysOn
    } else if settings.share <= 0.0 {
        Sampler::AlwaysOff
    } else {
        Sampler::TraceIdRatioBased(settings.share)
    };
    if settings.parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
}

fn resource(settings: &TraceSettings, instance: String) -> Resource {
    let configured = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(configured)
        .with_attribute(KeyValue::new("service.name", settings.service_name.clone()))
        .with_detector(Box::new(TelemetryResourceDetector))
        .build()
}

/// A span that is going on, and ends when this is dropped: also where the work is given up.
#[derive(Debug)]
pub struct Going {
    cx: Context,
    clock: SharedClock,
    began: SystemTime,
}

impl Going {
    /// A span below what goes on in `parent`; `None` where traces are off there.
    fn begin(parent: &Context, builder: SpanBuilder) -> Option<Self> {
        let recorder = parent.get::<Traces>()?.0.as_deref()?;
        let began = SystemTime::from(recorder.clock.now_fine());
        let span = recorder.tracer.build_with_context(builder.with_start_time(began), parent);
        Some(Self { cx: parent.with_span(span), clock: recorder.clock.clone(), began })
    }

    /// The context for what is done in the span.
    pub fn context(&self) -> Context {
        self.cx.clone()
    }

    /// The span's ids.
    pub fn span_context(&self) -> SpanContext {
        self.cx.span().span_context().clone()
    }

    /// Says more about it.
    pub fn set(&self, name: &'static str, value: impl Into<Value>) {
        self.cx.span().set_attribute(KeyValue::new(name, value));
    }

    /// It failed; `kind` is from a closed list.
    pub fn failed(&self, kind: impl Into<Value>) {
        self.set("error.type", kind);
        self.cx.span().set_status(Status::error(""));
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        // The clock may have been set back meanwhile; a span does not end before it began.
        self.cx.span().end_with_timestamp(SystemTime::from(self.clock.now_fine()).max(self.began));
    }
}

/// Does `work` in a span of that name below what goes on; where traces are off, just does it.
pub fn in_span<F: Future>(name: &'static str, work: F) -> impl Future<Output = F::Output> {
    match begin(SpanBuilder::from_name(name).with_kind(SpanKind::Internal)) {
        None => Either::Left(work),
        Some(going) => Either::Right(async move { work.with_context(going.context()).await }),
    }
}

fn begin(builder: SpanBuilder) -> Option<Going> {
    // Without a look at what would be cloned: on most threads nothing is attached.
    Context::map_current(|cx| Going::begin(cx, builder))
}

/// Says more about what goes on. `value` is from a closed list.
pub fn note(name: &'static str, value: &'static str) {
    Context::map_current(|cx| {
        if cx.has_active_span() {
            cx.span().set_attribute(KeyValue::new(name, value));
        }
    });
}

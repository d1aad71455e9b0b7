//! The log: to standard error, text for people or JSON for machines.
//!
//! Secrets are kept out at the source (types that do not print, `.without_url()`, no values in
//! database errors), not scrubbed from lines afterwards: a scrubber finds only what it knows.
//! Libraries do not keep our rules: hyper, h2, reqwest, rustls and sqlx write headers, addresses
//! and frames at `debug` and `trace`. So targets that are not ours are capped at `info` whatever
//! the filter asks for. A test runs at `trace` and searches the log for every secret.

pub mod traces;
mod writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

pub use writer::{FlushedAtEnd, TABLE, flush, register};

use crate::settings::LogFormat;

/// Crates whose every level may be logged, because they keep our rules about secrets.
const OWN_TARGETS: &[&str] = &["holdfast", "clerk_session"];

/// Libraries that are heard only at `error`: sqlx passes on every notice of the database, warns of
/// each connection that was lost and of each slow statement, which we say once and in our own
/// words, and quotes parameters of the address that it does not know, a misspelt password's too.
const CHATTY: &[&str] = &["sqlx", "sqlx_core", "sqlx_postgres", "sqlx_sqlite"];

/// The target of what is logged whatever the filter says: why the process ends, and panics.
pub const ALWAYS: &str = "holdfast::failure";

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("HOLDFAST_LOG is not a valid filter")]
    Filter,
    /// The process has a log already.
    #[error("the log was set up twice")]
    Twice,
    /// There is no thread that could write it.
    #[error("the thread that writes the log cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Changes what the log of this process holds.
#[derive(Debug, Clone)]
pub struct LogLevels(reload::Handle<EnvFilter, Registry>);

impl LogLevels {
    /// Logs by this filter from now on.
    pub fn replace(&self, filter: &str) -> Result<(), TelemetryError> {
        let filter = EnvFilter::builder().parse(filter).map_err(|_| TelemetryError::Filter)?;
        // This fails only where the log itself is gone.
        self.0.reload(filter).map_err(|_| TelemetryError::Filter)
    }
}

/// Sets up the log of this process, once.
pub fn install(filter: &str, format: Option<LogFormat>) -> Result<LogLevels, TelemetryError> {
    let is_terminal = std::io::stderr().is_terminal();
    let writer = writer::to_stderr().map_err(TelemetryError::Thread)?;
    let (subscriber, levels) = adjustable(filter, self::format(format), is_terminal, writer)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    // The usual hook writes to standard error itself: plain text between the lines of JSON, and for
    // as long as nobody reads it.
    std::panic::set_hook(Box::new(panicked));
    Ok(levels)
}

/// Logs why the process ends, as JSON where it has no log yet. `false` where there can be none.
pub fn failed(sentence: &str, remedy: Option<&str>) -> bool {
    if matches!(
        install("info", Some(LogFormat::Json)),
        Err(TelemetryError::Filter | TelemetryError::Thread(_))
    ) {
        return false;
    }
    tracing::error!(target: ALWAYS, remedy, "{sentence}");
    flush();
    true
}

fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let location = panic.location().map(tracing::field::display);
    // With RUST_BACKTRACE.
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    let what = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(target: ALWAYS, thread = thread.name(), location, backtrace, "panicked: {what}");
}

/// The format of the log of this process, given the configured one.
pub fn format(configured: Option<LogFormat>) -> LogFormat {
    let is_terminal = std::io::stderr().is_terminal();
    configured.unwrap_or(if is_terminal { LogFormat::Text } else { LogFormat::Json })
}

/// A subscriber that writes to `writer`; tests read what production would have written.
pub fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    colour: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    adjustable(filter, format, colour, writer).map(|(subscriber, _)| subscriber)
}

fn adjustable<W>(
    filter: &str,
    format: LogFormat,
    colour: bool,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync, LogLevels), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter).map_err(|_| TelemetryError::Filter)?;
    let (filter, levels) = reload::Layer::new(filter);
    let always = filter_fn(|metadata| metadata.target() == ALWAYS);
    let filter = filter.and(filter_fn(may_be_logged)).or(always);
    let layer = layer(format, colour, writer).with_filter(filter);
    Ok((Registry::default().with(layer), LogLevels(levels)))
}

fn layer<S, W>(format: LogFormat, colour: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_ansi(colour).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let krate = metadata.target().split("::").next().unwrap_or_default();
    let most = if CHATTY.contains(&krate) { Level::ERROR } else { Level::INFO };
    OWN_TARGETS.contains(&krate) || *metadata.level() <= most
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that is read by a test.
    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Captured(pub(in crate::telemetry) Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Captured {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(filter: &str, format: LogFormat, act: impl FnOnce()) -> String {
        let captured = Captured::default();
        let subscriber = subscriber(filter, format, false, captured.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_stay_silent_below_info_even_at_trace() {
        let log = logged("trace", LogFormat::Text, || {
            tracing::trace!(target: "holdfast::http", "ours");
            tracing::info!(target: "hyper::proto", "theirs, harmless");
            tracing::info!(target: "sqlx::postgres::notice", "secret of no use to anybody");
            tracing::warn!(target: "sqlx_postgres::options::parse", value = "secret", "an unknown parameter");
            tracing::warn!(target: "sqlx_core::pool::connection", "secret of no use to anybody");
            tracing::debug!(target: "hyper::proto", "authorization: Bearer secret");
            tracing::trace!(target: "reqwest::connect", "access_token=secret");
            tracing::trace!(target: "holdfast_impostor", "secret");
        });
        assert!(log.contains("ours") && log.contains("theirs, harmless"), "{log}");
        assert!(!log.contains("secret"), "{log}");
    }

    #[test]
    fn a_panic_is_a_line_of_the_log_whatever_the_filter_says() {
        let usual = std::panic::take_hook();
        let this = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == this { panicked(panic) } else { usual(panic) }
        }));
        let log = logged("off", LogFormat::Json, || {
            tracing::error!(target: "holdfast", "unheard");
            assert!(std::panic::catch_unwind(|| panic!("on {}", "purpose")).is_err());
        });
        let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"panicked: on purpose".into()));
        assert!(line["location"].as_str().unwrap().contains("telemetry/mod.rs:"), "{line}");
    }

    #[test]
    fn an_explicit_wish_does_not_lift_the_cap() {
        let log = logged("sqlx=trace,h2=trace", LogFormat::Json, || {
            tracing::trace!(target: "sqlx::query", "secret");
            tracing::debug!(target: "h2::codec", "secret");
        });
        assert_eq!(log, "");
    }

    #[test]
    fn levels_change_while_it_runs_and_a_broken_filter_changes_nothing() {
        let captured = Captured::default();
        let (subscriber, levels) = adjustable("warn", LogFormat::Text, false, captured.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "holdfast", "before");
            levels.replace("info").unwrap();
            assert!(levels.replace("info,=,").is_err());
            tracing::info!(target: "holdfast", "after");
        });
        let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("after") && !log.contains("before"), "{log}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let log =
            logged("info", LogFormat::Json, || tracing::info!(target: "holdfast", answer = 42, "two\nlines"));
        let object: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
        assert_eq!(object["message"], "two\nlines");
        assert_eq!(object["answer"], 42);
    }

    #[test]
    fn a_broken_filter_is_an_error() {
        assert!(matches!(
            subscriber("info,=,", LogFormat::Text, false, io::sink).map(|_| ()),
            Err(TelemetryError::Filter)
        ));
    }
}

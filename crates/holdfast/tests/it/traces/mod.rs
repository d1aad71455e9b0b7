//! Traces, as a collector gets them: a real HTTP server that reads OTLP.

mod binary;
pub mod collector;
mod leaks;
mod spans;
mod trouble;

use self::collector::Collector;
use crate::testing::app::App;

/// An installation whose traces go to `collector`, soon.
async fn traced(collector: &Collector, more: &[(&str, &str)]) -> App {
    let endpoint = collector.url.as_str();
    let mut settings = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    settings.extend(more);
    App::with(&settings, |_| {}).await
}

//! What only the running server knows, asked over its metrics listener: what is left of Instagram's
//! budget, and which pages it refused.

use http::Method;
use url::Url;

use super::report::{Check, Report};
use super::{ask, code};
use crate::app::Seams;
use crate::http::memory::RefusedOrigin;
use crate::settings::Settings;
use crate::transport::Outgoing;

/// Used to this share, the budget is worth a look.
const NEARLY_SPENT: f64 = 0.75;

/// Nothing where no server of ours listens there.
pub(super) async fn check(settings: &Settings, seams: &Seams) -> Report {
    let mut report = Report::default();
    let Some(address) = settings.metrics_listen.map(super::super::health::reachable) else {
        report.add(Check::skipped(code::BUDGET, "HOLDFAST_METRICS_LISTEN is not set"));
        return report;
    };
    let (metrics, origins) = tokio::join!(
        get(seams, format!("http://{address}/metrics")),
        get(seams, format!("http://{address}/refused-origins"))
    );
    let budget = metrics.as_deref().and_then(|text| gauge(text, "holdfast_provider_budget_ratio"));
    report.add(match budget {
        None => Check::skipped(code::BUDGET, "no server answers at HOLDFAST_METRICS_LISTEN"),
        Some(used) => {
            let what = format!("{:.0} % used", used * 100.0);
            if used >= 1.0 {
                Check::failed(code::BUDGET, what)
            } else if used >= NEARLY_SPENT {
                Check::warning(code::BUDGET, what)
            } else {
                Check::passed(code::BUDGET, what)
            }
        }
    });
    let origins: Vec<RefusedOrigin> =
        origins.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    for RefusedOrigin { origin, nearest, at } in origins {
        let meant = nearest.map(|nearest| format!("; {nearest} is allowed")).unwrap_or_default();
        report.add(Check::warning(code::REFUSED_ORIGINS, format!("{origin} called at {at}{meant}")));
    }
    report
}

async fn get(seams: &Seams, address: String) -> Option<String> {
    let answer = ask(seams, Outgoing::new(Method::GET, Url::parse(&address).ok()?)).await.ok()?;
    answer.status.is_success().then(|| String::from_utf8_lossy(&answer.body).into_owned())
}

/// The value of a metric without labels.
fn gauge(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

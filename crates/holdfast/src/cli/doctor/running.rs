//! What only the running server knows, asked over its metrics listener: what is left of
//! Instagram's budget, which pages it refused, and what else it sees wrong.

use http::Method;
use url::Url;

use super::ask;
use super::code::{self, CODES};
use super::report::Report;
use crate::app::Seams;
use crate::http::memory::RefusedOrigin;
use crate::http::operator::Trouble;
use crate::outbox::remedy_of_status;
use crate::overview::alerts::{ALERTS, Severity};
use crate::settings::Settings;
use crate::transport::Outgoing;

/// Used to this share, the budget is worth a look.
const NEARLY_SPENT: f64 = 0.75;

const STARTING: &str = "if that lasts, its log names in one line what it waits for, and the remedy; run doctor again once \
                        `/readyz` no longer says `starting`";

/// The server's own answers, and its troubles. Both are empty where no server of ours listens.
pub(super) async fn check(settings: &Settings, seams: &Seams) -> (Report, Vec<Trouble>) {
    let mut report = Report::default();
    let Some(address) = settings.metrics_listen.map(super::super::health::reachable) else {
        report.add(code::BUDGET.skipped("HOLDFAST_METRICS_LISTEN is not set"));
        return (report, Vec::new());
    };
    let (metrics, origins, troubles) = tokio::join!(
        get(seams, format!("http://{address}/metrics")),
        get(seams, format!("http://{address}/refused-origins")),
        get(seams, format!("http://{address}/troubles")),
    );
    let gauge = |name| metrics.as_deref().and_then(|text| gauge(text, name));
    if gauge("holdfast_ready{check=\"starting\"}") == Some(0.0) {
        let what = "it is still starting: it opens its database, or migrates it";
        report.add(code::SERVER.warning(what).mended_by(STARTING));
        report.add(code::BUDGET.skipped("the server is still starting"));
        return (report, Vec::new());
    }
    report.add(match gauge("holdfast_provider_budget_ratio") {
        None => code::BUDGET.skipped("no server answers at HOLDFAST_METRICS_LISTEN"),
        Some(used) => {
            let what = format!("{:.0} % used", used * 100.0);
            if used >= 1.0 {
                code::BUDGET.failed(what)
            } else if used >= NEARLY_SPENT {
                code::BUDGET.warning(what)
            } else {
                code::BUDGET.passed(what)
            }
        }
    });
    // No answer, or none yet; whether events wait is seen in the database.
    if let Some(status) = gauge("holdfast_webhook_last_status").filter(|status| *status >= 300.0) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a status has three digits"
        )]
        let status = status as u16;
        let what = format!("the app answered the last event with {status}");
        report.add(code::WEBHOOK.warning(what).mended_by(remedy_of_status(status)));
    }
    let origins: Vec<RefusedOrigin> =
        origins.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    for RefusedOrigin { origin, nearest, at } in origins {
        let meant = nearest.map(|nearest| format!("; {nearest} is allowed")).unwrap_or_default();
        report.add(code::REFUSED_ORIGINS.warning(format!("{origin} called at {at}{meant}")));
    }
    (report, troubles.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Adds the troubles that the server sees and no check has found: the server runs as another user,
/// and has been looking for longer.
pub(super) fn add_unseen(troubles: Vec<Trouble>, report: &mut Report) {
    for Trouble { alert, says, may_be_over } in troubles {
        // A server of another version may raise an alert that is unknown here.
        let known = ALERTS.iter().find(|each| each.name == alert);
        let checks = known.map_or(&[][..], |known| known.checks);
        let can_wait = may_be_over || known.is_some_and(|known| known.severity == Severity::Ticket);
        // A warning may be of something lesser.
        let says_it = |code| if can_wait { report.finds_fault_with(code) } else { report.fails(code) };
        if CODES.iter().any(|code| checks.contains(&code.name) && says_it(*code)) {
            continue;
        }
        let check = if can_wait { code::SERVER.warning(says) } else { code::SERVER.failed(says) };
        report.add(check.mended_by(format!("see docs/guides/alerts.md#{}", alert.to_lowercase())));
    }
}

async fn get(seams: &Seams, address: String) -> Option<String> {
    let answer = ask(seams, Outgoing::new(Method::GET, Url::parse(&address).ok()?)).await.ok()?;
    answer.status.is_success().then(|| String::from_utf8_lossy(&answer.body).into_owned())
}

/// The value of a metric by its name, and its labels where it has any.
fn gauge(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ExitStatus;

    #[test]
    fn what_can_wait_until_the_morning_fails_no_check() {
        let exit_of = |alert| {
            let mut report = Report::default();
            let trouble = Trouble { alert, says: "It is so.".to_owned(), may_be_over: false };
            add_unseen(vec![trouble], &mut report);
            report.exit()
        };
        assert_eq!(exit_of("HoldfastAccountRefused".into()), ExitStatus::Success);
        assert_eq!(exit_of("HoldfastAppRefused".into()), ExitStatus::Failure);
        assert_eq!(exit_of("HoldfastOfAnotherVersion".into()), ExitStatus::Failure);
    }

    #[test]
    fn a_warning_hides_nothing_that_wakes_somebody() {
        let with = |check| {
            let mut report = Report::default();
            report.add(check);
            let says = "The database does not answer.".to_owned();
            let alert = "HoldfastDatabaseAway".into();
            add_unseen(vec![Trouble { alert, says, may_be_over: false }], &mut report);
            (report.exit(), report.finds_fault_with(code::SERVER))
        };
        // As where a role that may not migrate serves.
        assert_eq!(with(code::DATABASE_ROLE.warning("may not migrate")), (ExitStatus::Failure, true));
        assert_eq!(with(code::DATABASE.failed("away")), (ExitStatus::Failure, false));
    }

    #[test]
    fn alerts_name_checks_that_exist() {
        let names: Vec<_> = CODES.iter().map(|code| code.name).collect();
        for alert in ALERTS {
            for check in alert.checks {
                assert!(names.contains(check), "{}: {check}", alert.name);
            }
        }
    }
}
